"""Leads who buy by deals, and marketing's records of the shop's customers, as HubSpot's export writes them.

Labels are English, every cell is quoted, and times are the portal's, without seconds. A contact lists whom it was
merged with; deals and tickets may still name the old number.
"""

from collections.abc import Mapping
from datetime import date, timedelta

import duckdb

from demo.dirt import (
    Dirt,
    bad_amount,
    bad_date,
    bad_score,
    dup_exact,
    id_mangled,
    missing_customer,
    missing_id,
    older_version,
    orphan,
    wide_digits,
)
from demo.files import Csv
from demo.people import HUBSPOT
from demo.sales import products_priced_for
from demo.sheets import COUNTED, UNCOUNTED, Feed, Sheet
from demo.spelling import PHOENIX, clock, country_name, instant, shortest, to_minute, yes_no

__all__ = ["SETTINGS", "SOURCE", "identities", "sheets"]

SOURCE = "hubspot"
SETTINGS = "system: hubspot\ntimezone: America/Phoenix\ncurrency: USD\ndefault_country: US\n"

_CONTACT = "(5100000000 + customer_no)"
_DEAL = "(21000000000 + order_no)"


def identities(con: duckdb.DuckDBPyConnection) -> str:
    """SQL of the ids in this source and of the people whose they are."""
    return (
        "select cast(5100000000 + source_customer_no as varchar) as source_customer_id, person_no "
        "from company.records where system = 'hubspot'"
    )


def sheets(con: duckdb.DuckDBPyConnection, ends_on: date) -> list[Sheet]:
    """One file per object."""
    on = ends_on + timedelta(days=1)
    return [
        _contacts(on),
        _deals(on),
        _line_items(on),
        _products(on),
        _tickets(on),
        _feedback(on),
        _calls(on),
        _emails(on),
        _meetings(on),
    ]


def _time(moment: str) -> str:
    return clock(moment, PHOENIX, "%Y-%m-%d %H:%M")


def _moment(moment: str) -> str:
    return instant(to_minute(moment))


def _sheet(
    on: date,
    name: str,
    rows: str,
    key: str,
    cells: Mapping[str, str],
    feeds: list[Feed],
    dirt: list[Dirt],
    verdict: str = "null",
) -> Sheet:
    return Sheet(
        source=SOURCE,
        file=f"hubspot-crm-exports-{name}-{on}.csv",
        rows=rows,
        order=key,
        key=key,
        cells=cells,
        feeds=feeds,
        layout=Csv(quoted=True),
        dirt=dirt,
        verdict=verdict,
    )


def _contacts(on: date) -> Sheet:
    cells = {
        "Record ID": _CONTACT,
        "First Name": "first_name",
        "Last Name": "last_name",
        "Email": "email",
        "Phone Number": "phone",
        "Mobile Phone Number": "null",
        "Contact owner": "rep_name",
        "Lifecycle Stage": "'Customer'",
        "Lead Status": "null",
        "Create Date": _time("created_at"),
        "Last Modified Date": _time("updated_at"),
        "Last Activity Date": "null",
        "Original Source": "acquisition_channel",
        "Country/Region": country_name("country"),
        "State/Region": "province",
        "City": "city",
        "Unsubscribed from all email": yes_no("email_opt_in", "No", "Yes"),
        "Merged Contact IDs": "array_to_string("
        "list_transform(merged, lambda x: (5100000000 + x.customer_no) || ':' || x.at_ms), ';')",
        "Associated Company IDs": "null",
    }
    customer = {
        "source_customer_id": _CONTACT,
        "customer_type": "'person'",
        "name": "nullif(concat_ws(' ', first_name, last_name), '')",
        "first_name": "first_name",
        "last_name": "last_name",
        "email": "email",
        "phone": "phone",
        "country": cells["Country/Region"],
        "province": "province",
        "city": "city",
        "acquisition_channel": "acquisition_channel",
        "owner_id": "rep_name",
        "created_at": _moment("created_at"),
        "updated_at": _moment("updated_at"),
    }
    merged = {
        "source_customer_id": "5100000000 + entry.customer_no",
        "customer_type": "'person'",
        "updated_at": _moment("updated_at"),
        "is_deleted": "'true'",
        "merged_into": _CONTACT,
    }
    consent = {
        "source_customer_id": _CONTACT,
        "channel": "'email'",
        "purpose": "'marketing'",
        "at": _moment("updated_at"),
        "state": yes_no("email_opt_in", "unknown", "out"),
    }
    return _sheet(
        on,
        "all-contacts",
        """
            select
                r.* exclude (merged_into_no), r.source_customer_no as customer_no, reps.name as rep_name,
                people.email_opt_in, m.merged
            from company.records as r
            join company.people as people on r.person_no = people.person_no
            left join company.reps as reps on r.rep_no = reps.rep_no
            left join (
                select
                    merged_into_no as customer_no,
                    list(
                        struct_pack(customer_no := source_customer_no, at_ms := epoch_ms(updated_at))
                        order by source_customer_no
                    ) as merged
                from company.records where system = 'hubspot' and merged_into_no is not null
                group by merged_into_no
            ) as m on r.source_customer_no = m.customer_no
            where r.system = 'hubspot' and r.merged_into_no is null
        """,
        "customer_no",
        cells,
        [Feed("customers", customer), Feed("customers", merged, each="merged"), Feed("consents", consent)],
        [
            wide_digits("Phone Number", "phone is not null"),
            missing_id("Record ID"),
            id_mangled("Record ID", "5.1E+09"),
            dup_exact(),
            older_version(
                "Last Modified Date",
                {"updated_at": "updated_at - interval 2 day", "city": "'Elsewhere'"},
                "merged is null",
            ),
        ],
    )


def _deals(on: date) -> Sheet:
    stage = (
        f"case when {COUNTED} then 'Closed Won' when status = 'cancelled' then 'Closed Lost' "
        "when status = 'open' then 'Contract Sent' else 'Appointment Scheduled' end"
    )
    cells = {
        "Record ID": _DEAL,
        "Deal Name": "case kind when 'refund' then 'Refund of ' || (21000000000 + original_order_no) "
        "else 'Deal ' || order_no end",
        "Deal Stage": stage,
        "Pipeline": "'Sales Pipeline'",
        "Amount": shortest("net_amount"),
        "Currency": "currency",
        "Close Date": _time("ordered_at"),
        "Create Date": _time("ordered_at"),
        "Last Modified Date": _time("ordered_at"),
        "Deal owner": "rep_name",
        "Deal Type": "'Existing Business'",
        "Associated Contact IDs": _CONTACT,
        "Associated Company IDs": "null",
    }
    order = {
        "order_id": _DEAL,
        "source_customer_id": _CONTACT,
        "ordered_at": _moment("ordered_at"),
        "status": f"case when {COUNTED} then 'completed' when status = 'cancelled' then 'lost' else 'open' end",
        "kind": "kind",
        "currency": "currency",
        "net_amount": shortest("net_amount"),
        "owner_id": "rep_name",
        "updated_at": _moment("ordered_at"),
    }
    return _sheet(
        on,
        "all-deals",
        """
            select orders.*, orders.source_customer_no as customer_no, reps.name as rep_name
            from company.orders left join company.reps using (rep_no) where system = 'hubspot'
        """,
        "order_no",
        cells,
        [Feed("orders", order)],
        [
            wide_digits("Amount"),
            missing_id("Record ID"),
            id_mangled("Associated Contact IDs", "5.1E+09"),
            missing_customer("Associated Contact IDs"),
            orphan("Associated Contact IDs"),
            bad_date("Close Date", "end of May"),
            bad_amount("Amount", "ask Kim"),
            dup_exact(),
        ],
        UNCOUNTED,
    )


def _line_items(on: date) -> Sheet:
    cells = {
        "Record ID": "33000000000 + item_no",
        "Name": "product_name",
        "SKU": "sku",
        "Quantity": "quantity",
        "Unit price": shortest("unit_price"),
        "Net price": shortest("line_amount"),
        "Associated Deal IDs": _DEAL,
    }
    line = {
        "order_id": _DEAL,
        "product_id": "sku",
        "description": "product_name",
        "quantity": "quantity",
        "unit_price": cells["Unit price"],
        "net_amount": cells["Net price"],
    }
    return _sheet(
        on,
        "line-items",
        """
            select
                row_number() over (order by o.order_no, l.line_no) as item_no, o.order_no, o.status, l.quantity,
                l.unit_price, l.net_amount as line_amount, p.sku, p.name_en as product_name
            from company.orders as o
            join company.order_lines as l on o.order_no = l.order_no
            join company.products as p on l.product_no = p.product_no
            where o.system = 'hubspot'
        """,
        "item_no",
        cells,
        [Feed("order_lines", line)],
        [missing_id("Associated Deal IDs"), bad_amount("Quantity", "a dozen"), bad_amount("Unit price", "free?")],
        UNCOUNTED,
    )


def _products(on: date) -> Sheet:
    cells = {
        "Record ID": "17000000000 + product_no",
        "Name": "name_en",
        "SKU": "sku",
        "Product type": "category_en",
        "Unit price": shortest("list_price"),
        "Unit cost": shortest("unit_cost"),
        "Product description": "null",
    }
    product = {
        "product_id": "sku",
        "sku": "sku",
        "name": "name_en",
        "category": "category_en",
        "list_price": cells["Unit price"],
        "unit_cost": cells["Unit cost"],
    }
    rows = products_priced_for(HUBSPOT)
    return _sheet(on, "all-products", rows, "product_no", cells, [Feed("products", product)], [])


def _tickets(on: date) -> Sheet:
    cells = {
        "Ticket ID": "1900000000 + ticket_no",
        "Ticket name": "topic",
        "Ticket status": yes_no("closed_at is null", "Waiting on us", "Closed"),
        "Priority": "upper(substr(priority, 1, 1)) || substr(priority, 2)",
        "Category": "kind",
        "Source": "'Email'",
        "Create date": _time("opened_at"),
        "First agent email response date": _time("first_response_at"),
        "Close date": _time("closed_at"),
        "Associated Contact IDs": _CONTACT,
    }
    ticket = {
        "ticket_id": cells["Ticket ID"],
        "source_customer_id": _CONTACT,
        "kind": "kind",
        "topic": "topic",
        "priority": cells["Priority"],
        "status": cells["Ticket status"],
        "opened_at": _moment("opened_at"),
        "first_response_at": _moment("first_response_at"),
        "closed_at": _moment("closed_at"),
    }
    return _sheet(
        on,
        "all-tickets",
        "select *, source_customer_no as customer_no from company.tickets where system = 'hubspot'",
        "ticket_no",
        cells,
        [Feed("tickets", ticket)],
        [
            missing_id("Ticket ID"),
            missing_customer("Associated Contact IDs"),
            orphan("Associated Contact IDs"),
            bad_date("Create date", "soon"),
        ],
    )


def _feedback(on: date) -> Sheet:
    cells = {
        "hs_object_id": "8800000000 + response_no",
        "hs_survey_name": "'Yearly survey'",
        "hs_survey_type": "upper(survey)",
        "hs_value": "score",
        "hs_response_group": "case when survey <> 'nps' then null when score >= 9 then 'PROMOTER' "
        "when score >= 7 then 'PASSIVE' else 'DETRACTOR' end",
        "hs_content": "null",
        "hs_sentiment": "null",
        "hs_submission_timestamp": _time("responded_at"),
        "hs_contact_id": _CONTACT,
    }
    response = {
        "response_id": cells["hs_object_id"],
        "source_customer_id": _CONTACT,
        "survey": "survey",
        "score": "score",
        "scale_max": "scale_max",
        "responded_at": _moment("responded_at"),
    }
    return _sheet(
        on,
        "feedback-submissions",
        "select *, source_customer_no as customer_no from company.surveys where system = 'hubspot'",
        "response_no",
        cells,
        [Feed("survey_responses", response)],
        [
            missing_id("hs_object_id"),
            missing_customer("hs_contact_id"),
            orphan("hs_contact_id"),
            bad_date("hs_submission_timestamp", "yesterday"),
            bad_score("hs_value", "great"),
        ],
    )


_ACTIVITIES = """
    select interactions.*, interactions.source_customer_no as customer_no, reps.name as rep_name
    from company.interactions left join company.reps using (rep_no) where system = 'hubspot'
"""


def _activity(number: str, start: str) -> dict[str, str]:
    return {
        "interaction_id": number,
        "source_customer_id": _CONTACT,
        "occurred_at": start,
        "channel": "channel",
        "owner_id": "rep_name",
    }


def _calls(on: date) -> Sheet:
    cells = {
        "hs_object_id": "61000000000 + interaction_no",
        "hs_call_title": "'Call'",
        "hs_timestamp": _time("occurred_at"),
        "hs_call_duration": "duration_s * 1000",
        "hs_call_direction": "upper(direction)",
        "hs_call_disposition": "'connected'",
        "hubspot_owner_id": "rep_name",
        "Associated Contact IDs": _CONTACT,
    }
    call = _activity(cells["hs_object_id"], _moment("occurred_at"))
    call |= {"direction": "direction", "duration_s": "duration_s"}
    return _sheet(
        on,
        "all-calls",
        f"{_ACTIVITIES} and channel = 'call'",
        "interaction_no",
        cells,
        [Feed("interactions", call)],
        [missing_id("hs_object_id"), missing_customer("Associated Contact IDs"), orphan("Associated Contact IDs")],
    )


def _emails(on: date) -> Sheet:
    cells = {
        "hs_object_id": "61000000000 + interaction_no",
        "hs_email_subject": "'Your order'",
        "hs_timestamp": _time("occurred_at"),
        "hs_email_direction": yes_no("direction = 'inbound'", "INCOMING_EMAIL", "EMAIL"),
        "hubspot_owner_id": "rep_name",
        "Associated Contact IDs": _CONTACT,
    }
    email = _activity(cells["hs_object_id"], _moment("occurred_at"))
    email |= {"direction": yes_no("direction = 'inbound'", "inbound", "outbound")}
    rows = f"{_ACTIVITIES} and channel = 'email'"
    return _sheet(on, "all-emails", rows, "interaction_no", cells, [Feed("interactions", email)], [])


def _meetings(on: date) -> Sheet:
    cells = {
        "hs_object_id": "61000000000 + interaction_no",
        "hs_meeting_title": "'Meeting'",
        "hs_meeting_start_time": _time("occurred_at"),
        "hubspot_owner_id": "rep_name",
        "Associated Contact IDs": _CONTACT,
    }
    meeting = _activity(cells["hs_object_id"], _moment("occurred_at"))
    rows = f"{_ACTIVITIES} and channel = 'meeting'"
    return _sheet(on, "all-meetings", rows, "interaction_no", cells, [Feed("interactions", meeting)], [])
