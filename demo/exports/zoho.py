"""The customers in India, as Zoho's data backup packs them: an archive with a file per module.

Every number has the prefix zcrm_, amounts are grouped the Indian way, and times are the account's. What was merged has
left the backup, and documents name the survivor. An account has a phone number; its contact has the e-mail address.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb

from demo.dirt import (
    Dirt,
    bad_amount,
    bad_date,
    dup_exact,
    id_mangled,
    missing_customer,
    missing_id,
    older_version,
    orphan,
    wide_digits,
)
from demo.files import Csv
from demo.people import ZOHO
from demo.sales import products_priced_for
from demo.sheets import UNCOUNTED, Feed, Sheet
from demo.spelling import KOLKATA, amount, clock, country_name, indian_grouped, instant, shortest, yes_no

__all__ = ["SETTINGS", "SOURCE", "identities", "sheets"]

SOURCE = "zoho"
SETTINGS = "system: zoho\ntimezone: Asia/Kolkata\ncurrency: INR\ndefault_country: IN\n"

_MODULES = ("users", "accounts", "contacts", "products", "sales_orders", "ordered_items", "cases", "calls")
"""Every module has numbers of its own."""

_SPACING = 10_000_000_000

_SURVIVORS = """
    select source_customer_no, coalesce(merged_into_no, source_customer_no) as customer_no
    from company.records where system = 'zoho'
"""


def _number(module: str, number: str) -> str:
    return f"cast(4876876000000000000 + {_MODULES.index(module)} * {_SPACING} + {number} as varchar)"


def _id(module: str, number: str) -> str:
    return f"'zcrm_' || {_number(module, number)}"


def identities(con: duckdb.DuckDBPyConnection) -> str:
    """SQL of the ids in this source and of the people whose they are."""
    return (
        f"select {_number('accounts', 'source_customer_no')} as source_customer_id, person_no "
        "from company.records where system = 'zoho' and merged_into_no is null"
    )


def sheets(con: duckdb.DuckDBPyConnection, ends_on: date) -> list[Sheet]:
    """The modules of one backup."""
    return [_accounts(), _contacts(), _sales_orders(), _ordered_items(), _products(), _cases(), _calls(), _users()]


def _sheet(
    module: str,
    rows: str,
    key: str,
    cells: Mapping[str, str],
    feeds: list[Feed],
    dirt: Sequence[Dirt] = (),
    verdict: str = "null",
) -> Sheet:
    return Sheet(
        source=SOURCE,
        file=f"Data_001.zip#{module}_001.csv",
        rows=rows,
        order=key,
        key=key,
        cells=cells,
        feeds=feeds,
        layout=Csv(quoted=True),
        dirt=dirt,
        verdict=verdict,
        # Backups end with rows in which nothing is written.
        closing=[{}, {}],
    )


def _accounts() -> Sheet:
    cells = {
        "Record Id": _id("accounts", "customer_no"),
        "Account Owner.id": _id("users", "rep_no"),
        "Account Owner": "rep_name",
        "Account Name": "name",
        "Phone": "case when starts_with(phone, '+91') then '0' || substr(phone, 4, 5) || ' ' || substr(phone, 9) "
        "else phone end",
        "Website": "null",
        "Parent Account.id": "null",
        "Parent Account": "null",
        "Account Type": "'Customer'",
        "Industry": "industry",
        "Billing City": "city",
        "Billing State": "province",
        "Billing Country": country_name("country"),
        "Currency": "'INR'",
        "Exchange Rate": "'1'",
        "Tag": "membership_level",
        "Created By.id": _id("users", "rep_no"),
        "Created By": "rep_name",
        "Created Time": clock("created_at", KOLKATA),
        "Modified Time": clock("updated_at", KOLKATA),
        "Last Activity Time": "null",
    }
    customer = {
        "source_customer_id": _number("accounts", "customer_no"),
        "customer_type": "'account'",
        "name": "name",
        "phone": "phone",
        "country": cells["Billing Country"],
        "province": "province",
        "city": "city",
        "industry": "industry",
        "owner_id": _number("users", "rep_no"),
        "tags": "membership_level",
        "created_at": instant("created_at"),
        "updated_at": instant("updated_at"),
    }
    return _sheet(
        "Accounts",
        """
            select records.*, records.source_customer_no as customer_no, reps.name as rep_name
            from company.records left join company.reps using (rep_no)
            where system = 'zoho' and merged_into_no is null
        """,
        "customer_no",
        cells,
        [Feed("customers", customer)],
        [
            wide_digits("Phone", "phone is not null"),
            missing_id("Record Id"),
            id_mangled("Record Id", "4.87688E+18"),
            dup_exact(),
            older_version("Modified Time", {"updated_at": "updated_at - interval 1 day", "city": "'Elsewhere'"}),
        ],
    )


def _contacts() -> Sheet:
    cells = {
        "Record Id": _id("contacts", "customer_no"),
        "Contact Owner.id": _id("users", "rep_no"),
        "Contact Owner": "rep_name",
        "First Name": "first_name",
        "Last Name": "last_name",
        "Full Name": "concat_ws(' ', first_name, last_name)",
        "Account Name.id": _id("accounts", "customer_no"),
        "Account Name": "name",
        "Email": "email",
        "Phone": "null",
        "Mobile": "null",
        "Title": "null",
        "Date of Birth": "birth_date",
        "Lead Source": "acquisition_channel",
        "Email Opt Out": yes_no("email_opt_in", "false", "true"),
        "Created Time": clock("created_at", KOLKATA),
        "Modified Time": clock("updated_at", KOLKATA),
        "Unsubscribed Mode": "null",
        "Unsubscribed Time": "null",
    }
    contact = {
        "contact_id": _number("contacts", "customer_no"),
        "source_customer_id": _number("accounts", "customer_no"),
        "name": "nullif(concat_ws(' ', first_name, last_name), '')",
        "email": "email",
        "updated_at": instant("updated_at"),
    }
    consent = {
        "source_customer_id": contact["contact_id"],
        "channel": "'email'",
        "purpose": "'marketing'",
        "at": instant("updated_at"),
        "state": yes_no("email_opt_in", "unknown", "out"),
    }
    return _sheet(
        "Contacts",
        """
            select records.*, records.source_customer_no as customer_no, reps.name as rep_name, people.email_opt_in
            from company.records join company.people using (person_no)
            left join company.reps on records.rep_no = reps.rep_no
            where records.system = 'zoho' and records.merged_into_no is null
        """,
        "customer_no",
        cells,
        [Feed("contacts", contact), Feed("consents", consent)],
        [missing_id("Record Id")],
    )


def _sales_orders() -> Sheet:
    total = "net_amount + tax_amount"
    cells = {
        "Record Id": _id("sales_orders", "order_no"),
        "Sales Order Owner.id": _id("users", "rep_no"),
        "Sales Order Owner": "rep_name",
        "SO Number": "'SO-' || order_no",
        "Subject": "'Order SO-' || order_no",
        **dict.fromkeys(("Deal Name.id", "Deal Name", "Contact Name.id", "Contact Name"), "null"),
        "Account Name.id": _id("accounts", "customer_no"),
        "Account Name": "name",
        "Status": "case status when 'cancelled' then 'Cancelled' when 'completed' then 'Delivered' "
        "when 'draft' then 'Created' when 'open' then 'Created' else 'Approved' end",
        "Due Date": "null",
        "Sub Total": indian_grouped("net_amount"),
        "Discount": indian_grouped("discount_amount"),
        "Tax": indian_grouped("tax_amount"),
        "Adjustment": "'0'",
        "Grand Total": f"{yes_no('order_no % 5 = 0', '₹ ', '')} || {indian_grouped(total)}",
        "Currency": "currency",
        "Exchange Rate": "'1'",
        "Created Time": clock("ordered_at", KOLKATA),
        "Modified Time": clock("ordered_at", KOLKATA),
    }
    order = {
        "order_id": _number("sales_orders", "order_no"),
        "source_customer_id": _number("accounts", "customer_no"),
        "ordered_at": instant("ordered_at"),
        "status": "case status when 'cancelled' then 'cancelled' when 'draft' then 'open' when 'open' then 'open' "
        "else 'completed' end",
        "kind": "kind",
        "currency": "currency",
        "gross_amount": amount(total),
        "discount_amount": amount("discount_amount"),
        "tax_amount": amount("tax_amount"),
        "net_amount": shortest("net_amount"),
        "owner_id": _number("users", "rep_no"),
        "updated_at": instant("ordered_at"),
    }
    return _sheet(
        "Sales_Orders",
        f"""
            select orders.*, s.customer_no, r.name, reps.name as rep_name
            from company.orders
            left join ({_SURVIVORS}) as s on orders.source_customer_no = s.source_customer_no
            left join company.records as r on r.system = 'zoho' and r.source_customer_no = s.customer_no
            left join company.reps as reps on orders.rep_no = reps.rep_no
            where orders.system = 'zoho'
        """,
        "order_no",
        cells,
        [Feed("orders", order)],
        [
            wide_digits("Grand Total"),
            missing_id("Record Id"),
            id_mangled("Account Name.id", "4.87688E+18"),
            missing_customer("Account Name.id"),
            orphan("Account Name.id"),
            bad_date("Created Time", "31.02.2024"),
            bad_amount("Grand Total", "on request"),
            dup_exact(),
        ],
        UNCOUNTED,
    )


def _ordered_items() -> Sheet:
    cells = {
        "Record Id": _id("ordered_items", "item_no"),
        "Parent Id.id": _id("sales_orders", "order_no"),
        "Parent Id": "'Order SO-' || order_no",
        "Product Name.id": _id("products", "product_no"),
        "Product Name": "product_name",
        "Quantity": "quantity",
        "List Price": indian_grouped("unit_price"),
        "Amount": indian_grouped("line_amount + line_discount"),
        "Discount": amount("line_discount"),
        "Tax": "'0'",
        "Total": indian_grouped("line_amount"),
        "Description": "null",
    }
    line = {
        "order_id": _number("sales_orders", "order_no"),
        "product_id": _number("products", "product_no"),
        "description": "product_name",
        "quantity": "quantity",
        "unit_price": amount("unit_price"),
        "net_amount": shortest("line_amount"),
    }
    return _sheet(
        "Ordered_Items",
        """
            select
                row_number() over (order by o.order_no, l.line_no) as item_no, o.order_no, o.status, l.quantity,
                l.unit_price, l.discount_amount as line_discount, l.net_amount as line_amount, p.product_no,
                p.name_en as product_name
            from company.orders as o
            join company.order_lines as l on o.order_no = l.order_no
            join company.products as p on l.product_no = p.product_no
            where o.system = 'zoho'
        """,
        "item_no",
        cells,
        [Feed("order_lines", line)],
        [missing_id("Parent Id.id"), bad_amount("Quantity", "many")],
        UNCOUNTED,
    )


def _products() -> Sheet:
    cells = {
        "Record Id": _id("products", "product_no"),
        "Product Owner.id": _id("users", "1"),
        "Product Owner": "null",
        "Product Name": "name_en",
        "Product Code": "sku",
        "Product Category": "category_en",
        "Unit Price": indian_grouped("list_price"),
        "Product Active": "'true'",
    }
    product = {
        "product_id": _number("products", "product_no"),
        "sku": "sku",
        "name": "name_en",
        "category": "category_en",
        "list_price": amount("list_price"),
    }
    return _sheet("Products", products_priced_for(ZOHO), "product_no", cells, [Feed("products", product)])


def _cases() -> Sheet:
    cells = {
        "Record Id": _id("cases", "ticket_no"),
        "Case Owner.id": _id("users", "1"),
        "Case Owner": "null",
        "Case Number": "'CS-' || ticket_no",
        "Subject": "topic",
        "Status": yes_no("closed_at is null", "Open", "Closed"),
        "Priority": "priority",
        "Type": "kind",
        "Case Origin": "'Phone'",
        "Account Name.id": _id("accounts", "customer_no"),
        "Account Name": "null",
        "Created Time": clock("opened_at", KOLKATA),
        "Modified Time": clock("coalesce(closed_at, opened_at)", KOLKATA),
    }
    ticket = {
        "ticket_id": _number("cases", "ticket_no"),
        "source_customer_id": _number("accounts", "customer_no"),
        "kind": "kind",
        "topic": "topic",
        "priority": "priority",
        "status": cells["Status"],
        "opened_at": instant("opened_at"),
        "updated_at": instant("coalesce(closed_at, opened_at)"),
    }
    return _sheet(
        "Cases",
        f"""
            select tickets.*, s.customer_no from company.tickets
            left join ({_SURVIVORS}) as s on tickets.source_customer_no = s.source_customer_no
            where tickets.system = 'zoho'
        """,
        "ticket_no",
        cells,
        [Feed("tickets", ticket)],
        [missing_id("Record Id"), missing_customer("Account Name.id"), orphan("Account Name.id")],
    )


def _calls() -> Sheet:
    cells = {
        "Record Id": _id("calls", "interaction_no"),
        "Call Owner.id": _id("users", "rep_no"),
        "Call Owner": "null",
        "Subject": "'Call'",
        "Call Type": "upper(substr(direction, 1, 1)) || substr(direction, 2)",
        "Call Start Time": clock("occurred_at", KOLKATA),
        "Call Duration (in seconds)": "duration_s",
        "Related To.id": _id("accounts", "customer_no"),
        "Related To": "null",
        "Contact Name.id": "null",
        "Contact Name": "null",
    }
    call = {
        "interaction_id": _number("calls", "interaction_no"),
        "source_customer_id": _number("accounts", "customer_no"),
        "occurred_at": instant("occurred_at"),
        "channel": "'call'",
        "direction": "direction",
        "duration_s": "duration_s",
        "owner_id": _number("users", "rep_no"),
    }
    return _sheet(
        "Calls",
        f"""
            select interactions.*, s.customer_no from company.interactions
            left join ({_SURVIVORS}) as s on interactions.source_customer_no = s.source_customer_no
            where interactions.system = 'zoho' and channel = 'call'
        """,
        "interaction_no",
        cells,
        [Feed("interactions", call)],
        [missing_id("Record Id"), bad_date("Call Start Time", "afternoon"), orphan("Related To.id")],
    )


def _users() -> Sheet:
    cells = {
        "Record Id": _id("users", "rep_no"),
        "First Name": "null",
        "Last Name": "name",
        "Email": "email",
        "Role": "case role when 'service' then 'Support' else 'Sales' end",
        "Status": yes_no("is_active", "active", "inactive"),
    }
    rep = {
        "rep_id": _number("users", "rep_no"),
        "name": "name",
        "email": "email",
        "is_active": yes_no("is_active", "true", "false"),
    }
    return _sheet("Users", "select * from company.reps", "rep_no", cells, [Feed("reps", rep)])
