"""What no CRM exports: the loyalty programme, in files that already speak the canonical language.

The programme numbers its members itself and knows them by the e-mail address and the phone number of their home record;
these are what joins a member to the customers of other systems. It holds points, referrals, contracts, answers to
surveys, campaigns with whom they touched, and consents of its members, and the company's rates of exchange.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import duckdb

from demo.dirt import (
    Dirt,
    bad_amount,
    bad_date,
    bad_score,
    dup_exact,
    id_mangled,
    missing_id,
    older_version,
    orphan,
    soft_deleted,
    wide_digits,
)
from demo.files import Csv
from demo.sheets import SCHEMA, Feed, Sheet
from demo.spelling import amount, instant, numbered, yes_no

__all__ = ["SETTINGS", "SOURCE", "identities", "sheets"]

SOURCE = "membership"
SETTINGS = "system: generic\ntimezone: Asia/Shanghai\ncurrency: CNY\ndefault_country: CN\n"

_MEMBERS = f"{SCHEMA}.members"
_MEMBER = numbered("M", "customer_no")
_OF_PROGRAMME = {
    "points": "true",
    "subscriptions": "true",
    "surveys": "system <> 'hubspot'",
    "touches": "system <> 'salesforce'",
}
"""Tables whose people are members; what HubSpot and Salesforce export themselves is not here."""


def identities(con: duckdb.DuckDBPyConnection) -> str:
    """SQL of the ids in this source and of the people whose they are."""
    return f"select {numbered('M', 'person_no')} as source_customer_id, person_no from {_MEMBERS}"


def sheets(con: duckdb.DuckDBPyConnection, ends_on: date) -> list[Sheet]:
    """One file per feed."""
    people = " union ".join(
        f"select person_no from company.{table} where {which}" for table, which in _OF_PROGRAMME.items()
    )
    people += "".join(
        f" union select r.person_no from company.referrals as f join company.records as r "
        f"on r.system = f.system and r.source_customer_no = f.{column}"
        for column in ("referrer_no", "referred_no")
    )
    con.execute(
        f"create or replace table {_MEMBERS} as "
        "select records.*, records.person_no as customer_no from company.records "
        f"where role = 'home' and person_no in ({people})"
    )
    on = ends_on + timedelta(days=1)
    return [
        _customers(on),
        _points(on),
        _referrals(on),
        _subscriptions(on),
        _surveys(on),
        _campaigns(on),
        _touches(on),
        _consents(on),
        _rates(on),
    ]


def _sheet(
    feed: str,
    on: date,
    rows: str,
    key: str,
    columns: Mapping[str, str],
    dirt: Sequence[Dirt] = (),
    *,
    written: Mapping[str, str] | None = None,
    order: str | None = None,
    verdict: str = "null",
) -> Sheet:
    """A file whose cells are canonical, but for those that are given."""
    return Sheet(
        source=SOURCE,
        file=f"{feed}_{on}.csv",
        rows=rows,
        order=order or key,
        key=key,
        cells={**columns, **(written or {})},
        feeds=[Feed(feed, columns)],
        layout=Csv(),
        dirt=dirt,
        verdict=verdict,
    )


def _customers(on: date) -> Sheet:
    columns = {
        "source_customer_id": _MEMBER,
        "customer_type": yes_no("company_name is not null", "account", "person"),
        "name": "name",
        "email": "email",
        "phone": "phone",
        "country": "country",
        "membership_level": "membership_level",
        "created_at": instant("created_at"),
        "updated_at": instant("updated_at"),
        "is_deleted": yes_no("is_deleted", "true", "false"),
    }
    return _sheet(
        "customers",
        on,
        f"select * from {_MEMBERS}",
        "customer_no",
        columns,
        [
            wide_digits("phone", "phone is not null"),
            missing_id("source_customer_id"),
            id_mangled("source_customer_id"),
            dup_exact(),
            older_version("updated_at", {"updated_at": "updated_at - interval 1 day", "membership_level": "null"}),
            soft_deleted("is_deleted", {"is_deleted": "true", "email": "null", "phone": "null"}),
        ],
        verdict="case when is_deleted then 'soft_deleted' end",
    )


def _points(on: date) -> Sheet:
    columns = {
        "entry_id": numbered("P", "entry_no", 10),
        "source_customer_id": _MEMBER,
        "at": instant('"at"'),
        "delta": "delta",
        "reason": "reason",
        "expires_at": instant("expires_at"),
    }
    return _sheet(
        "points",
        on,
        "select *, person_no as customer_no from company.points",
        "entry_no",
        columns,
        [
            missing_id("entry_id"),
            bad_date("at", "at New Year"),
            bad_amount("delta", "double"),
            orphan("source_customer_id"),
            dup_exact(),
        ],
    )


def _referrals(on: date) -> Sheet:
    columns = {
        "referral_id": numbered("R", "referral_no"),
        "referrer_id": numbered("M", "referrer"),
        "referred_id": numbered("M", "referred"),
        "at": instant('"at"'),
        "status": "status",
    }
    rows = """
        select f.*, a.person_no as referrer, b.person_no as referred
        from company.referrals as f
        join company.records as a on a.system = f.system and a.source_customer_no = f.referrer_no
        join company.records as b on b.system = f.system and b.source_customer_no = f.referred_no
    """
    return _sheet("referrals", on, rows, "referral_no", columns, [missing_id("referral_id")])


def _subscriptions(on: date) -> Sheet:
    columns = {
        "contract_id": numbered("C", "contract_no"),
        "source_customer_id": _MEMBER,
        "started_on": "started_on",
        "ends_on": "ends_on",
        "renewal_due_on": "renewal_due_on",
        "mrr": amount("mrr"),
        "currency": "currency",
        "status": "status",
        "cancelled_on": "cancelled_on",
        "cancel_reason": "cancel_reason",
    }
    return _sheet(
        "subscriptions",
        on,
        "select *, person_no as customer_no from company.subscriptions",
        "contract_no",
        columns,
        [
            missing_id("contract_id"),
            bad_date("started_on", "spring"),
            bad_amount("mrr", "as agreed"),
            orphan("source_customer_id"),
        ],
    )


def _surveys(on: date) -> Sheet:
    columns = {
        "response_id": numbered("A", "response_no"),
        "source_customer_id": _MEMBER,
        "survey": "survey",
        "score": "score",
        "scale_max": "scale_max",
        "responded_at": instant("responded_at"),
    }
    return _sheet(
        "survey_responses",
        on,
        f"select *, person_no as customer_no from company.surveys where {_OF_PROGRAMME['surveys']}",
        "response_no",
        columns,
        [
            missing_id("response_id"),
            bad_score("score", "-3"),
            bad_date("responded_at", "?"),
            orphan("source_customer_id"),
        ],
    )


def _campaigns(on: date) -> Sheet:
    columns = {
        "campaign_id": numbered("K", "campaign_no", 4),
        "name": "name",
        "kind": "kind",
        "started_on": "started_on",
        "ended_on": "ended_on",
        "budget": amount("budget"),
        "actual_cost": amount("actual_cost"),
        "currency": "currency",
    }
    return _sheet("campaigns", on, "select * from company.campaigns", "campaign_no", columns)


def _touches(on: date) -> Sheet:
    columns = {
        "touch_id": numbered("T", "touch_no"),
        "campaign_id": numbered("K", "campaign_no", 4),
        "source_customer_id": _MEMBER,
        "touched_at": instant("touched_at"),
        "channel": "channel",
        "status": "status",
        "cost_amount": amount("cost_amount"),
    }
    return _sheet(
        "campaign_touches",
        on,
        f"select *, person_no as customer_no from company.touches where {_OF_PROGRAMME['touches']}",
        "touch_no",
        columns,
        [
            missing_id("touch_id"),
            bad_date("touched_at", "in May"),
            bad_amount("cost_amount", "~1"),
            orphan("source_customer_id"),
            dup_exact(),
        ],
    )


def _consents(on: date) -> Sheet:
    columns = {
        "source_customer_id": _MEMBER,
        "channel": "channel",
        "purpose": "purpose",
        "at": instant('"at"'),
        "state": "state",
    }
    rows = f"""
        select distinct person_no as customer_no, channel, purpose, "at", state
        from company.consents where person_no in (select person_no from {_MEMBERS})
    """
    return _sheet(
        "consents",
        on,
        rows,
        "customer_no",
        columns,
        [missing_id("source_customer_id"), bad_date("at", "long ago"), orphan("source_customer_id"), dup_exact()],
        order='customer_no, channel, purpose, "at", state',
    )


def _rates(on: date) -> Sheet:
    columns = {"currency": "currency", "on": "valid_on", "rate": "rate"}
    rows = "select * from company.fx_rates"
    return _sheet("fx_rates", on, rows, "valid_on", columns, order="currency, valid_on")
