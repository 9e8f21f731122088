"""The foreign accounts' exports, as Salesforce's weekly data export packs them: an archive with a file per object.

There are two: a whole one from before the last quarter, and one of what has changed since shortly before it, so
that both hold some records. Times are UTC, numbers have 18 characters, and what is deleted or merged is exported and
says so. An account has no e-mail address; its contact does.
"""

from dataclasses import replace
from datetime import date, timedelta

import duckdb

from demo.dirt import (
    NOBODY,
    Dirt,
    bad_amount,
    bad_date,
    dup_exact,
    id_mangled,
    missing_customer,
    missing_id,
    older_version,
    orphan,
    soft_deleted,
    wide_digits,
)
from demo.files import Csv
from demo.sheets import COUNTED, UNCOUNTED, Feed, Sheet
from demo.spelling import (
    amount,
    clock,
    country_name,
    day,
    instant,
    literal,
    national,
    noon,
    numbered,
    salesforce_id,
    yes_no,
)

__all__ = ["SETTINGS", "SOURCE", "identities", "sheets"]

SOURCE = "salesforce"
SETTINGS = "system: salesforce\ntimezone: UTC\ncurrency: USD\ndefault_country: US\n"

_ARCHIVE = "WE_00D5g000004xYzAEAU_1.ZIP"
_LAST_QUARTER = timedelta(days=90)
_OVERLAP = 30
_ACTIVATED_AFTER = 10
"""Days."""

_LAYOUT = Csv(quoted=True)


def _account_id(number: str) -> str:
    return salesforce_id("001", number)


def identities(con: duckdb.DuckDBPyConnection) -> str:
    """SQL of the ids in this source and of the people whose they are."""
    return (
        f"select {_account_id('source_customer_no')} as source_customer_id, person_no "
        "from company.records where system = 'salesforce'"
    )


def sheets(con: duckdb.DuckDBPyConnection, ends_on: date) -> list[Sheet]:
    """The members of both archives."""
    cut = ends_on - _LAST_QUARTER
    first, second = (f"{on}/{_ARCHIVE}" for on in (cut + timedelta(days=1), ends_on + timedelta(days=1)))
    found = []
    for build in (_accounts, _contacts, _orders, _order_items, _cases, _tasks, _campaigns, _campaign_members):
        found += _in_two(con, build(), first, second, cut)
    unchanged = (_products(), _users())
    packed_on = cut + timedelta(days=1)
    return [*found, *(replace(sheet, file=f"{first}#{sheet.file}", packed_on=packed_on) for sheet in unchanged)]


def _in_two(con: duckdb.DuckDBPyConnection, sheet: Sheet, first: str, second: str, cut: date) -> list[Sheet]:
    """The records that there were before the cut, and those that changed after, or not long before.

    The rows of a sheet say when they came to be (`born_at`) and when they were last changed (`changed_at`). An object
    of which nothing has changed is not in the second archive.
    """
    night = f"timestamp '{cut + timedelta(days=1)} 00:00:00'"
    [changed] = con.execute(f"select count(*) from ({sheet.rows}) where changed_at >= {night}").fetchone() or (0,)
    late = f"changed_at >= {night} - interval {_OVERLAP} day" if changed else "false"
    before = replace(
        sheet,
        file=f"{first}#{sheet.file}",
        packed_on=cut + timedelta(days=1),
        rows=f"select * replace ({_WAS[sheet.file].format(night=night)}), {late} as is_superseded "
        f"from ({sheet.rows}) where born_at < {night}",
        verdict=f"case when is_superseded then 'dup_key' else {sheet.verdict} end",
    )
    after = replace(sheet, file=f"{second}#{sheet.file}", rows=f"select * from ({sheet.rows}) where {late}")
    return [before, after]


_WAS = {
    "Account.csv": "least(changed_at, {night}) as changed_at, is_deleted and changed_at < {night} as is_deleted, "
    "case when changed_at < {night} then merged_into_no end as merged_into_no",
    "Contact.csv": "least(changed_at, {night}) as changed_at",
    "Order.csv": "case when changed_at >= {night} and status <> 'cancelled' then 'draft' else status end as status",
    "OrderItem.csv": "case when changed_at >= {night} and status <> 'cancelled' then 'draft' else status end as status",
    "Case.csv": "case when closed_at < {night} then closed_at end as closed_at",
    "Task.csv": "born_at as born_at",
    "Campaign.csv": "born_at as born_at",
    "CampaignMember.csv": "born_at as born_at",
}
"""How records that changed later looked in the first archive."""


def _accounts() -> Sheet:
    cells = {
        "Id": _account_id("customer_no"),
        "IsDeleted": yes_no("is_deleted"),
        "MasterRecordId": _account_id("merged_into_no"),
        "Name": "name",
        "Type": "'Customer'",
        "ParentId": "null",
        "BillingCity": "city",
        "BillingState": "province",
        "BillingCountry": country_name("country"),
        "Phone": national("phone"),
        "Website": "null",
        "Industry": "industry",
        "AccountSource": "acquisition_channel",
        "OwnerId": salesforce_id("005", "rep_no"),
        "CreatedDate": clock("born_at"),
        "LastModifiedDate": clock("changed_at"),
        "SystemModstamp": clock("changed_at"),
        "LastActivityDate": "null",
        "CurrencyIsoCode": "'USD'",
        "IsPersonAccount": "'0'",
        **dict.fromkeys(("PersonEmail", "PersonMobilePhone", "PersonHasOptedOutOfEmail"), "null"),
    }
    customer = {
        "source_customer_id": cells["Id"],
        "customer_type": "'account'",
        "name": "name",
        "phone": "phone",
        "country": cells["BillingCountry"],
        "province": "province",
        "city": "city",
        "industry": "industry",
        "acquisition_channel": "acquisition_channel",
        "owner_id": cells["OwnerId"],
        "created_at": instant("born_at"),
        "updated_at": instant("changed_at"),
        "is_deleted": yes_no("is_deleted", "true", "false"),
        "merged_into": cells["MasterRecordId"],
    }
    return Sheet(
        source=SOURCE,
        file="Account.csv",
        rows="""
            select *, source_customer_no as customer_no, created_at as born_at, updated_at as changed_at
            from company.records where system = 'salesforce'
        """,
        order="customer_no",
        key="customer_no",
        cells=cells,
        feeds=[Feed("customers", customer)],
        layout=_LAYOUT,
        dirt=[
            wide_digits("Phone", "phone is not null"),
            missing_id("Id"),
            id_mangled("Id"),
            dup_exact(),
            older_version(
                "LastModifiedDate", {"changed_at": "changed_at - interval 1 day", "name": "name || ' (former)'"}
            ),
            soft_deleted("IsDeleted", {"is_deleted": "true"}),
        ],
        verdict="case when is_deleted then 'soft_deleted' end",
    )


def _contacts() -> Sheet:
    opted_out = yes_no("email_opt_in", "0", "1")
    cells = {
        "Id": salesforce_id("003", "customer_no"),
        "IsDeleted": "'0'",
        "MasterRecordId": "null",
        "AccountId": _account_id("coalesce(merged_into_no, customer_no)"),
        "LastName": "last_name",
        "FirstName": "first_name",
        "Salutation": "null",
        "Name": "concat_ws(' ', first_name, last_name)",
        "MailingCity": "city",
        "Phone": "null",
        "MobilePhone": "null",
        "Email": "email",
        "Title": "'Buyer'",
        "LeadSource": "acquisition_channel",
        "HasOptedOutOfEmail": opted_out,
        "DoNotCall": yes_no("phone_opt_in", "0", "1"),
        "EmailBouncedReason": "null",
        "OwnerId": salesforce_id("005", "rep_no"),
        "CreatedDate": clock("born_at"),
        "LastModifiedDate": clock("changed_at"),
    }
    contact = {
        "contact_id": cells["Id"],
        "source_customer_id": cells["AccountId"],
        "name": "nullif(concat_ws(' ', first_name, last_name), '')",
        "email": "email",
        "title": "'Buyer'",
        "updated_at": instant("changed_at"),
    }
    consent = {"source_customer_id": cells["Id"], "purpose": "'marketing'", "at": instant("changed_at")}
    return Sheet(
        source=SOURCE,
        file="Contact.csv",
        rows="""
            select
                records.* exclude (first_name, last_name), records.source_customer_no as customer_no,
                records.created_at as born_at, records.updated_at as changed_at, people.email_opt_in,
                people.phone_opt_in, coalesce(records.first_name, people.first_name) as first_name,
                coalesce(records.last_name, people.last_name, 'Office') as last_name
            from company.records join company.people using (person_no)
            where records.system = 'salesforce'
        """,
        order="customer_no",
        key="customer_no",
        cells=cells,
        feeds=[
            Feed("contacts", contact),
            Feed("consents", consent | {"channel": "'email'", "state": yes_no("email_opt_in", "unknown", "out")}),
            Feed("consents", consent | {"channel": "'call'", "state": yes_no("phone_opt_in", "unknown", "out")}),
        ],
        layout=_LAYOUT,
        dirt=[missing_id("Id")],
    )


_ORDERS = f"""
    select
        order_no, original_order_no, source_customer_no as customer_no, kind, status, currency, net_amount, ordered_at,
        rep_no, false as is_deleted, ordered_at as born_at,
        case when {COUNTED} then ordered_at + interval {_ACTIVATED_AFTER} day else ordered_at end as changed_at
    from company.orders where system = 'salesforce'
"""


def _orders() -> Sheet:
    code = f"case when status = 'cancelled' then 'Canceled' when {COUNTED} then 'Activated' else 'Draft' end"
    cells = {
        "Id": salesforce_id("801", "order_no"),
        "OwnerId": salesforce_id("005", "rep_no"),
        "ContractId": "null",
        "AccountId": _account_id("customer_no"),
        "OriginalOrderId": salesforce_id("801", "original_order_no"),
        "EffectiveDate": day("ordered_at"),
        "EndDate": "null",
        "IsReductionOrder": yes_no("kind = 'refund'"),
        "Status": "case status when 'cancelled' then 'Cancelled' when 'draft' then 'Draft' "
        "when 'open' then 'In Review' else 'Activated' end",
        "StatusCode": code,
        "Description": "null",
        "Type": "null",
        "OrderNumber": numbered("", "order_no"),
        # A reduction may be written with or without its sign.
        "TotalAmount": amount(
            "case when kind = 'refund' and order_no % 2 = 0 then -abs(net_amount) else abs(net_amount) end"
        ),
        "CurrencyIsoCode": "currency",
        "IsDeleted": yes_no("is_deleted"),
        "CreatedDate": clock("born_at"),
        "LastModifiedDate": clock("changed_at"),
    }
    order = {
        "order_id": cells["Id"],
        "source_customer_id": cells["AccountId"],
        "ordered_at": noon("ordered_at"),
        "status": "case when is_deleted or status = 'cancelled' then 'cancelled' "
        f"when {COUNTED} then 'completed' else 'draft' end",
        "kind": "kind",
        "original_order_id": cells["OriginalOrderId"],
        "currency": "currency",
        "net_amount": amount("case when kind = 'refund' then -abs(net_amount) else net_amount end"),
        "owner_id": cells["OwnerId"],
        "updated_at": instant("changed_at"),
    }
    return Sheet(
        source=SOURCE,
        file="Order.csv",
        rows=_ORDERS,
        order="order_no",
        key="order_no",
        cells=cells,
        feeds=[Feed("orders", order)],
        layout=_LAYOUT,
        dirt=[
            wide_digits("TotalAmount"),
            missing_id("Id"),
            id_mangled("AccountId"),
            missing_customer("AccountId"),
            orphan("AccountId"),
            bad_date("EffectiveDate", "30.04.2024"),
            bad_amount("TotalAmount", "tbd"),
            dup_exact(),
            soft_deleted("IsDeleted", {"is_deleted": "true"}),
        ],
        verdict=UNCOUNTED,
    )


def _order_items() -> Sheet:
    cells = {
        "Id": salesforce_id("802", "order_no * 8 + line_no"),
        "Product2Id": salesforce_id("01t", "product_no"),
        "IsDeleted": yes_no("is_deleted"),
        "OrderId": salesforce_id("801", "order_no"),
        **dict.fromkeys(("OriginalOrderItemId", "AvailableQuantity"), "null"),
        "Quantity": amount("abs(quantity)"),
        "UnitPrice": amount("unit_price"),
        "ListPrice": amount("unit_price"),
        "TotalPrice": amount("abs(line_amount)"),
        **dict.fromkeys(("ServiceDate", "EndDate", "Description"), "null"),
        "OrderItemNumber": numbered("", "line_no", 10),
        "CurrencyIsoCode": "currency",
    }
    line = {
        "order_id": cells["OrderId"],
        "line_no": "line_no",
        "product_id": cells["Product2Id"],
        "quantity": cells["Quantity"],
        "unit_price": cells["UnitPrice"],
        "net_amount": cells["TotalPrice"],
        "is_deleted": yes_no("is_deleted", "true", "false"),
    }
    return Sheet(
        source=SOURCE,
        file="OrderItem.csv",
        rows=f"""
            select o.*, l.line_no, l.product_no, l.quantity, l.unit_price, l.net_amount as line_amount
            from ({_ORDERS}) as o join company.order_lines as l on o.order_no = l.order_no
        """,
        order="order_no, line_no",
        # A planted line is a further one of its order.
        key="line_no",
        cells=cells,
        feeds=[Feed("order_lines", line)],
        layout=_LAYOUT,
        dirt=[
            missing_id("OrderId"),
            bad_amount("UnitPrice", "n.a. yet"),
            soft_deleted("IsDeleted", {"is_deleted": "true"}),
        ],
        verdict=UNCOUNTED,
    )


def _cases() -> Sheet:
    cells = {
        "Id": salesforce_id("500", "ticket_no"),
        "IsDeleted": "'0'",
        "CaseNumber": numbered("", "ticket_no"),
        "ContactId": salesforce_id("003", "customer_no"),
        "AccountId": _account_id("customer_no"),
        "Type": "kind",
        "Status": yes_no("closed_at is null", "Working", "Closed"),
        "Reason": "null",
        "Origin": "'Web'",
        "Subject": "topic",
        "Priority": "priority",
        "IsClosed": yes_no("closed_at is null", "0", "1"),
        "ClosedDate": clock("closed_at"),
        "OwnerId": salesforce_id("005", "1"),
        "CreatedDate": clock("opened_at"),
    }
    ticket = {
        "ticket_id": cells["CaseNumber"],
        "source_customer_id": cells["AccountId"],
        "kind": "kind",
        "topic": "topic",
        "priority": "priority",
        "status": cells["Status"],
        "opened_at": instant("opened_at"),
        "closed_at": instant("closed_at"),
    }
    return Sheet(
        source=SOURCE,
        file="Case.csv",
        rows="""
            select
                *, source_customer_no as customer_no, opened_at as born_at,
                coalesce(closed_at, opened_at) as changed_at
            from company.tickets where system = 'salesforce'
        """,
        order="ticket_no",
        key="ticket_no",
        cells=cells,
        feeds=[Feed("tickets", ticket)],
        layout=_LAYOUT,
        dirt=[
            missing_id("CaseNumber"),
            missing_customer("AccountId", "ContactId"),
            bad_date("CreatedDate", "last week"),
            Dirt(
                "orphan_customer",
                "orphan_customer",
                "No export holds this customer.",
                "AccountId",
                {"ContactId": "null"},
                {"customer_no": f"{NOBODY} + copy_no"},
            ),
            dup_exact(),
        ],
    )


def _tasks() -> Sheet:
    cells = {
        "Id": salesforce_id("00T", "interaction_no"),
        "WhoId": salesforce_id("003", "customer_no"),
        "WhatId": "null",
        "Subject": "case channel when 'call' then 'Call' else 'Follow-up' end",
        "ActivityDate": day("occurred_at"),
        "Status": "'Completed'",
        "Priority": "'Normal'",
        "OwnerId": salesforce_id("005", "rep_no"),
        "Description": "null",
        "IsDeleted": "'0'",
        "AccountId": _account_id("customer_no"),
        "IsClosed": "'1'",
        "CreatedDate": clock("occurred_at"),
        "CallDurationInSeconds": "case when channel = 'call' then duration_s end",
        "CallType": "case when channel = 'call' then upper(substr(direction, 1, 1)) || substr(direction, 2) end",
        "TaskSubtype": "case channel when 'call' then 'Call' when 'email' then 'Email' else 'Task' end",
        "CompletedDateTime": clock("occurred_at"),
    }
    interaction = {
        "interaction_id": cells["Id"],
        "source_customer_id": cells["AccountId"],
        "occurred_at": instant("occurred_at"),
        "channel": "case when channel in ('call', 'email') then channel else 'other' end",
        "direction": "case when channel = 'call' and direction in ('inbound', 'outbound') then direction end",
        "duration_s": cells["CallDurationInSeconds"],
        "owner_id": cells["OwnerId"],
    }
    return Sheet(
        source=SOURCE,
        file="Task.csv",
        rows="""
            select *, source_customer_no as customer_no, occurred_at as born_at, occurred_at as changed_at
            from company.interactions where system = 'salesforce'
        """,
        order="interaction_no",
        key="interaction_no",
        cells=cells,
        feeds=[Feed("interactions", interaction)],
        layout=_LAYOUT,
        dirt=[missing_id("Id"), bad_date("CompletedDateTime", "0000-00-00 00:00:00")],
    )


def _campaigns() -> Sheet:
    cells = {
        "Id": salesforce_id("701", "campaign_no"),
        "IsDeleted": "'0'",
        "Name": "name",
        "Type": "kind",
        "Status": "'Completed'",
        "StartDate": "started_on",
        "EndDate": "ended_on",
        "CurrencyIsoCode": "currency",
        "BudgetedCost": amount("budget"),
        "ActualCost": amount("actual_cost"),
        "NumberSent": "null",
        "IsActive": "'0'",
    }
    campaign = {
        "campaign_id": cells["Id"],
        "name": "name",
        "kind": "kind",
        "started_on": "started_on",
        "ended_on": "ended_on",
        "budget": cells["BudgetedCost"],
        "actual_cost": cells["ActualCost"],
        "currency": "currency",
    }
    return Sheet(
        source=SOURCE,
        file="Campaign.csv",
        rows="""
            select *, cast(started_on as timestamp) as born_at, cast(ended_on as timestamp) as changed_at
            from company.campaigns
            where campaign_no in (select campaign_no from company.touches where system = 'salesforce')
        """,
        order="campaign_no",
        key="campaign_no",
        cells=cells,
        feeds=[Feed("campaigns", campaign)],
        layout=_LAYOUT,
    )


def _campaign_members() -> Sheet:
    cells = {
        "Id": salesforce_id("00v", "touch_no"),
        "IsDeleted": "'0'",
        "CampaignId": salesforce_id("701", "campaign_no"),
        "LeadId": "null",
        "ContactId": salesforce_id("003", "customer_no"),
        "Status": "status",
        "HasResponded": "'0'",
        "FirstRespondedDate": "null",
        "CreatedDate": clock("touched_at"),
    }
    touch = {
        "touch_id": cells["Id"],
        "campaign_id": cells["CampaignId"],
        "source_customer_id": cells["ContactId"],
        "touched_at": instant("touched_at"),
        "status": "status",
    }
    return Sheet(
        source=SOURCE,
        file="CampaignMember.csv",
        rows="""
            select *, source_customer_no as customer_no, touched_at as born_at, touched_at as changed_at
            from company.touches where system = 'salesforce'
        """,
        order="touch_no",
        key="touch_no",
        cells=cells,
        feeds=[Feed("campaign_touches", touch)],
        layout=_LAYOUT,
        dirt=[missing_id("CampaignId"), missing_customer("ContactId")],
    )


def _products() -> Sheet:
    cells = {
        "Id": salesforce_id("01t", "product_no"),
        "Name": "name_en",
        "ProductCode": "sku",
        "Description": "null",
        "IsActive": "'1'",
        "Family": "category_en",
        "IsDeleted": "'0'",
        "CreatedDate": literal("2022-01-01 00:00:00"),
    }
    return Sheet(
        source=SOURCE,
        file="Product2.csv",
        rows="select * from company.products",
        order="product_no",
        key="product_no",
        cells=cells,
        feeds=[
            Feed("products", {"product_id": cells["Id"], "sku": "sku", "name": "name_en", "category": "category_en"})
        ],
        layout=_LAYOUT,
    )


def _users() -> Sheet:
    cells = {
        "Id": salesforce_id("005", "rep_no"),
        "Username": "email",
        "LastName": "name",
        "FirstName": "null",
        "Name": "name",
        "Email": "email",
        "IsActive": yes_no("is_active"),
        "UserRoleId": "null",
    }
    rep = {"rep_id": cells["Id"], "name": "name", "email": "email", "is_active": yes_no("is_active", "true", "false")}
    return Sheet(
        source=SOURCE,
        file="User.csv",
        rows="select * from company.reps",
        order="rep_no",
        key="rep_no",
        cells=cells,
        feeds=[Feed("reps", rep)],
        layout=_LAYOUT,
    )
