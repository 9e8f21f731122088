"""The web shop's exports, as Shopify writes them: orders with their lines, customers, products.

A customer is whoever an e-mail address belongs to, else a phone number. Nobody else has it: a second record with the
same address shows its phone only, and one that has neither to itself is not kept. A refund is an amount on the row of
its order. Times carry the shop's offset.
"""

from datetime import date, timedelta

import duckdb

from demo.dirt import bad_amount, bad_date, dup_exact, id_mangled, missing_id, wide_digits
from demo.files import Csv
from demo.sheets import COUNTED, LINE_COUNTS, SCHEMA, UNCOUNTED, Feed, Sheet
from demo.spelling import SHANGHAI, amount, clock, instant, literal, shortest, yes_no

__all__ = ["SETTINGS", "SOURCE", "identities", "sheets"]

SOURCE = "shopify"
SETTINGS = "system: shopify\ntimezone: Asia/Shanghai\ncurrency: CNY\ndefault_country: CN\n"

_CUSTOMERS = f"{SCHEMA}.shopify_customers"


def identities(con: duckdb.DuckDBPyConnection) -> str:
    """SQL of the ids in this source and of the people whose they are."""
    return f"select customer as source_customer_id, person_no from {_CUSTOMERS} where customer is not null"


def sheets(con: duckdb.DuckDBPyConnection, ends_on: date) -> list[Sheet]:
    """The files of an export made on the morning after the last day."""
    _name_customers(con)
    on = ends_on + timedelta(days=1)
    return [_orders(on), _customers(on), _products(on)]


def _name_customers(con: duckdb.DuckDBPyConnection) -> None:
    """Find out what the shop calls each record."""
    con.execute(
        f"create or replace table {_CUSTOMERS} as with records as ("
        "  select *,"
        "    email is not null and row_number() over (partition by email order by source_customer_no) = 1 as has_email,"
        "    phone is not null and row_number() over (partition by phone order by source_customer_no) = 1 as has_phone"
        "  from company.records where system = 'shopify' and not is_deleted"
        "), named as ("
        "  select *, case when has_email then email when has_phone then phone end as own_key from records"
        ")"
        "select named.* exclude (email), case when named.has_email then named.email end as email,"
        "  coalesce(named.own_key, named.email, holder.own_key) as customer, named.own_key is not null as is_kept,"
        "  people.email_opt_in, people.phone_opt_in "
        "from named join company.people using (person_no) "
        "left join named as holder on named.own_key is null and holder.has_phone and holder.phone = named.phone"
    )


def _orders(on: date) -> Sheet:
    rows = f"""
        select
            o.order_no, l.line_no, counted.line_count, o.ordered_at, o.status, o.channel, o.currency,
            o.gross_amount, o.discount_amount, o.tax_amount, o.shipping_amount, o.net_amount,
            c.customer, case when contains(c.customer, '@') then c.customer end as email, holder.phone, holder.name,
            holder.company_name, holder.city, holder.province, holder.country, holder.email_opt_in, l.quantity,
            l.unit_price, l.discount_amount as line_discount, p.sku,
            p.name_en as title, coalesce(r.refunded, 0) as refunded
        from company.orders as o
        join company.order_lines as l on o.order_no = l.order_no
        join {LINE_COUNTS} as counted on o.order_no = counted.order_no
        join company.products as p on l.product_no = p.product_no
        left join {_CUSTOMERS} as c on o.source_customer_no = c.source_customer_no
        left join {_CUSTOMERS} as holder
            on l.line_no = 1 and c.customer = holder.customer and holder.is_kept
        left join (
            select original_order_no as order_no, sum(abs(net_amount)) as refunded
            from company.orders where system = 'shopify' and kind = 'refund' group by original_order_no
        ) as r on o.order_no = r.order_no
        where o.system = 'shopify' and o.kind = 'sale'
    """

    def head(sql: str) -> str:
        return f"case when line_no = 1 then {sql} end"

    stamp = f"{clock('ordered_at', SHANGHAI)} || ' +0800'"
    is_cancelled, is_open = "status = 'cancelled'", "status in ('open', 'draft')"
    # All of an order goes back with its tax and carriage.
    refund = "case when refunded >= net_amount then gross_amount else refunded end"
    financial = (
        f"case when {is_cancelled} then 'voided' when {is_open} then 'pending' "
        "when refunded >= net_amount then 'refunded' when refunded > 0 then 'partially_refunded' else 'paid' end"
    )
    cells = {
        "Name": "'#' || order_no",
        "Email": "case when order_no % 9 = 0 then upper(substr(email, 1, 1)) || substr(email, 2) else email end",
        "Financial Status": head(financial),
        "Paid at": head(f"case when {COUNTED} then {stamp} end"),
        "Fulfillment Status": head(
            "case when status in ('completed', 'shipped') then 'fulfilled' else 'unfulfilled' end"
        ),
        "Fulfilled at": "null",
        "Accepts Marketing": head(f"case when customer is not null then {yes_no('email_opt_in', 'yes', 'no')} end"),
        "Currency": head("currency"),
        "Subtotal": head(amount("net_amount")),
        "Shipping": head(amount("shipping_amount")),
        "Taxes": head(amount("tax_amount")),
        "Total": head(amount("gross_amount")),
        "Discount Code": head("case when discount_amount > 0 then 'WELCOME' end"),
        "Discount Amount": head(amount("discount_amount")),
        "Shipping Method": head("case when shipping_amount > 0 then 'Standard' end"),
        "Created at": head(stamp),
        "Lineitem quantity": "quantity",
        "Lineitem name": "title",
        "Lineitem price": amount("unit_price"),
        "Lineitem compare at price": "null",
        "Lineitem sku": "sku",
        "Lineitem requires shipping": "'true'",
        "Lineitem taxable": "'true'",
        "Lineitem fulfillment status": yes_no("status in ('completed', 'shipped')", "fulfilled", "pending"),
        "Billing Name": head("name"),
        **dict.fromkeys(("Billing Street", "Billing Address1", "Billing Address2"), "null"),
        "Billing Company": head("company_name"),
        "Billing City": head("city"),
        "Billing Zip": "null",
        "Billing Province": head("province"),
        "Billing Country": head("country"),
        "Billing Phone": head(_at_home("phone")),
        "Shipping Name": head("name"),
        "Shipping City": head("city"),
        "Shipping Country": head("country"),
        "Notes": "null",
        "Note Attributes": "null",
        "Cancelled at": head(f"case when {is_cancelled} then {stamp} end"),
        "Payment Method": head("'Alipay'"),
        "Payment Reference": head("'c' || order_no || '.1'"),
        "Refunded Amount": head(amount(refund)),
        "Vendor": "'Keeprate Home'",
        "Outstanding Balance": head("'0.00'"),
        **dict.fromkeys(("Employee", "Location", "Device ID"), "null"),
        "Id": head("5600000000000 + order_no"),
        "Tags": "null",
        "Risk Level": head("'Low'"),
        "Source": head("channel"),
        "Lineitem discount": amount("line_discount"),
        "Tax 1 Name": "null",
        "Tax 1 Value": "null",
        "Phone": head("case when email is null then phone end"),
        "Receipt Number": "null",
        "Duties": "null",
    }
    state = f"case when {is_cancelled} then 'cancelled' when {is_open} then 'open' else 'paid' end"
    order = {"source_customer_id": "customer", "ordered_at": instant("ordered_at"), "status": state}
    order |= {"channel": "channel", "currency": "currency"}
    sale = order | {
        "order_id": "'#' || order_no",
        "kind": "'sale'",
        "gross_amount": amount("gross_amount"),
        "discount_amount": amount("discount_amount"),
        "tax_amount": amount("tax_amount"),
        "shipping_amount": amount("shipping_amount"),
        "net_amount": shortest("net_amount"),
    }
    refunded = order | {
        "order_id": "'#' || order_no || '-refund'",
        "kind": "'refund'",
        "original_order_id": "'#' || order_no",
        "net_amount": f"'-' || {shortest('refunded')}",
    }
    line = {
        "order_id": "'#' || order_no",
        "product_id": "sku",
        "description": "title",
        "quantity": "quantity",
        "unit_price": amount("unit_price"),
    }
    customer = {
        "source_customer_id": "customer",
        "customer_type": "'person'",
        "name": "name",
        "company_name": "company_name",
        "email": "email",
        "phone": "phone",
        "country": "country",
        "province": "province",
        "city": "city",
        "updated_at": instant("ordered_at"),
    }
    consent = {
        "source_customer_id": "customer",
        "channel": "'email'",
        "purpose": "'marketing'",
        "at": instant("ordered_at"),
        "state": yes_no("email_opt_in", "in", "out"),
    }
    return Sheet(
        source=SOURCE,
        file=f"orders_export_{on}.csv",
        rows=rows,
        order="order_no, line_no",
        key="order_no",
        cells=cells,
        feeds=[
            Feed("order_lines", line),
            Feed("orders", sale),
            Feed("orders", refunded, "refunded > 0"),
            Feed("customers", customer, "customer is not null"),
            Feed("consents", consent, "customer is not null"),
        ],
        layout=Csv(),
        dirt=[
            wide_digits("Total"),
            missing_id("Name"),
            id_mangled("Name"),
            bad_date("Created at", "2025-02-30 25:61:00 +0800", one_line=False),
            bad_amount("Total", "see note"),
            bad_amount("Lineitem quantity", "a few"),
        ],
        verdict=UNCOUNTED,
        documents=True,
        fills_down=True,
    )


def _customers(on: date) -> Sheet:
    exported = literal(f"{on}T04:00:00Z")
    cells = {
        "Customer ID": "'''' || (7210448300000 + source_customer_no)",
        "First Name": "first_name",
        "Last Name": "last_name",
        "Email": "email",
        "Accepts Email Marketing": yes_no("email_opt_in", "yes", "no"),
        "Default Address Company": "company_name",
        "Default Address Address1": "null",
        "Default Address City": "city",
        "Default Address Province Code": "province",
        "Default Address Country Code": "country",
        "Default Address Zip": "null",
        "Default Address Phone": _at_home("phone"),
        "Phone": "case when has_phone then '''' || phone end",
        "Accepts SMS Marketing": yes_no("phone_opt_in", "yes", "no"),
        **dict.fromkeys(("Total Spent", "Total Orders", "Note"), "null"),
        "Tax Exempt": "'no'",
        "Tags": "membership_level",
    }
    customer = {
        "source_customer_id": "customer",
        "customer_type": "'person'",
        "name": "nullif(concat_ws(' ', first_name, last_name), '')",
        "first_name": "first_name",
        "last_name": "last_name",
        "company_name": "company_name",
        "email": "email",
        "phone": "phone",
        "country": "country",
        "province": "province",
        "city": "city",
        "tags": "membership_level",
    }
    consent = {"source_customer_id": "customer", "purpose": "'marketing'", "at": exported}
    return Sheet(
        source=SOURCE,
        file=f"customers_export_{on}.csv",
        rows=f"select * from {_CUSTOMERS} where is_kept",
        order="source_customer_no",
        key="source_customer_no",
        cells=cells,
        feeds=[
            Feed("customers", customer),
            Feed("consents", consent | {"channel": "'email'", "state": yes_no("email_opt_in", "in", "out")}),
            Feed("consents", consent | {"channel": "'sms'", "state": yes_no("phone_opt_in", "in", "out")}),
        ],
        layout=Csv(),
        dirt=[
            wide_digits("Default Address Phone"),
            missing_id("Email", "Phone", "Customer ID"),
            dup_exact(),
        ],
    )


def _products(on: date) -> Sheet:
    cells = {
        "Handle": "lower(replace(name_en, ' ', '-')) || '-' || product_no",
        "Title": "name_en",
        "Body (HTML)": "null",
        "Vendor": "'Keeprate Home'",
        "Product Category": "'Home & Garden'",
        "Type": "category_en",
        "Tags": "null",
        "Published": "'true'",
        "Option1 Name": "'Title'",
        "Option1 Value": "'Default Title'",
        "Variant SKU": "sku",
        "Variant Price": amount("list_price"),
        "Variant Compare At Price": "null",
        "Image Src": "null",
        "Cost per item": amount("unit_cost"),
        "Status": "'active'",
    }
    product = {
        "product_id": "sku",
        "sku": "sku",
        "name": "name_en",
        "category": "category_en",
        "list_price": amount("list_price"),
        "unit_cost": amount("unit_cost"),
    }
    return Sheet(
        source=SOURCE,
        file=f"products_export_{on}.csv",
        rows="select * from company.products",
        order="product_no",
        key="product_no",
        cells=cells,
        feeds=[Feed("products", product)],
        layout=Csv(),
    )


def _at_home(phone: str) -> str:
    """A number as somebody in China types it."""
    return f"case when starts_with({phone}, '+86') then substr({phone}, 4) else {phone} end"
