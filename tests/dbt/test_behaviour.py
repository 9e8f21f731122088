"""What was known on a day of how customers behave, and which signals that fires: from landing to the tables.

Every customer is planted to meet one rule, or to miss it by as little as the rule allows.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rules import dbt_vars
from rules import load as load_rules
from tests.dbt.conftest import SCORES, land, prepare, run_dbt
from warehouse.connection import connect

if TYPE_CHECKING:
    from collections.abc import Iterable

NIGHT = datetime(2024, 4, 2, 2, tzinfo=UTC)
# Of the last 30 days 2 March is the first, of the 90 before them 3 December, of the last 90 2 January.
AS_OF, EARLIER = date(2024, 3, 31), date(2024, 2, 29)
RULES = Path(__file__).resolve().parents[2] / "config" / "business.yml"

CUSTOMERS = [
    *("logs in", "uses", "talks", "tickets", "consents", "nobody"),
    *("late", "in time", "orders less", "orders nearly as much", "forgot us", "just forgot us"),
    *("uses much less", "uses less", "unhappy", "content", "unhappy long ago", "one ticket"),
    *("renews soon", "renews and uses", "uses nothing any more"),
]

INTERACTIONS = """\
logs in,2023-12-02 12:00:00,login,,,,
logs in,2023-12-03 12:00:00,login,,,,
logs in,2024-03-01 12:00:00,login,,,,
logs in,2024-03-02 12:00:00,login,,,,
logs in,2024-03-20 12:00:00,login,,,90,3
logs in,2024-03-31 23:30:00,login,,,,
uses,2024-02-01 12:00:00,usage,,report,1200,5
uses,2024-02-10 12:00:00,usage,,export,,
uses,2024-03-05 12:00:00,usage,,report,600,
talks,2024-02-01 12:00:00,email,inbound,,,
talks,2024-03-28 12:00:00,chat,,,300,
talks,2024-03-29 12:00:00,email,outbound,,,
talks,2024-03-30 12:00:00,call,inbound,,60,
forgot us,2024-03-10 12:00:00,login,,,,
just forgot us,2024-03-17 12:00:00,login,,,,
uses much less,2024-02-01 12:00:00,usage,,report,21600,36
uses much less,2024-03-05 12:00:00,usage,,report,3600,2
uses less,2024-02-01 12:00:00,usage,,report,21600,36
uses less,2024-03-05 12:00:00,usage,,report,3601,3
uses nothing any more,2024-02-01 12:00:00,usage,,report,,3
renews soon,2024-02-01 12:00:00,usage,,report,,30
renews soon,2024-03-05 12:00:00,usage,,report,,6
renews and uses,2024-02-01 12:00:00,usage,,report,,30
renews and uses,2024-03-05 12:00:00,usage,,report,,7
"""
# Customer, opened, closed, kind, topic, status, last change, satisfaction.
TICKETS = """\
tickets,2023-12-15 12:00:00,2023-12-20 12:00:00,question,price,closed,,2
tickets,2024-03-01 12:00:00,,complaint,Delivery,open,,
tickets,2024-03-03 12:00:00,,question,delivery,Closed,2024-03-15 12:00:00,
tickets,2024-03-05 12:00:00,2024-04-01 12:00:00,question,delivery,closed,,
tickets,2024-03-10 12:00:00,,question,delivery,open,,
tickets,2024-03-25 12:00:00,,question,delivery,open,,
one ticket,2024-02-29 12:00:00,,complaint,delivery,open,,
one ticket,2024-03-20 12:00:00,2024-03-21 12:00:00,question,price,closed,,
"""
# Customer, survey, score, highest score of the scale, day.
ANSWERS = """\
tickets,nps,9,10,2024-01-31
tickets,nps,6.5,10,2024-03-01
tickets,nps,5,5,2024-03-02
tickets,csat,10,10,2024-03-30
tickets,csat,1,7,2024-03-31
unhappy,nps,6,10,2024-03-01
unhappy,csat,2,5,2024-03-01
content,nps,7,10,2024-03-01
content,csat,3,5,2024-03-01
unhappy long ago,nps,3,10,2023-10-02
unhappy long ago,csat,1,5,2023-10-02
"""
TOUCHES = """\
talks,2024-03-20 12:00:00,email,sent
talks,2024-03-25 12:00:00,email,opened
talks,2024-03-31 12:00:00,email,bounced
"""
CONSENTS = """\
consents,email,marketing,2024-01-01 12:00:00,out
consents,email,marketing,2024-02-01 12:00:00,in
consents,sms,marketing,2024-03-31 12:00:00,out
consents,phone,marketing,2024-04-01 12:00:00,out
"""
POINTS = """\
consents,2024-01-01 12:00:00,100,2024-04-30 12:00:00
consents,2024-01-02 12:00:00,50,2024-05-01 12:00:00
consents,2024-02-01 12:00:00,-30,
consents,2024-04-01 12:00:00,20,
"""
# Four purchases at an interval of ten days, long ago and lately; four and then one, four and then three.
ORDERS = {
    "late": dict.fromkeys(("2023-04-01", "2023-04-11", "2023-04-21", "2023-05-01"), 50),
    "in time": dict.fromkeys(("2024-02-28", "2024-03-09", "2024-03-19", "2024-03-29"), 50),
    "orders less": dict.fromkeys(("2023-11-01", "2023-11-15", "2023-12-01", "2023-12-15", "2024-03-01"), 50),
    "orders nearly as much": dict.fromkeys(
        ("2023-11-01", "2023-11-15", "2023-12-01", "2023-12-15", "2024-01-15", "2024-02-15", "2024-03-15"), 50
    ),
}
CONTRACTS = "renews soon,2023-05-30,2024-05-30\nrenews and uses,2023-05-30,2024-05-30\n"
CONTACTS = "renews soon,true,2024-03-01 12:00:00\nrenews and uses,true,\n"


def _numbered(key: str, header: str, rows: str) -> str:
    lines = rows.strip().splitlines()
    return "\n".join([f"{key},{header}", *(f"{number},{line}" for number, line in enumerate(lines))]) + "\n"


FILES = {
    "source.yml": "{system: generic, currency: GBP, timezone: UTC}",
    "customers.csv": "source_customer_id,name\n" + "".join(f"{name},{name}\n" for name in CUSTOMERS),
    "orders.csv": _numbered(
        "order_id",
        "source_customer_id,ordered_at,net_amount",
        "\n".join(f"{name},{day},{amount}" for name, days in ORDERS.items() for day, amount in days.items()),
    ),
    "interactions.csv": _numbered(
        "interaction_id",
        "source_customer_id,occurred_at,channel,direction,feature,duration_s,quantity",
        INTERACTIONS,
    ),
    "tickets.csv": _numbered(
        "ticket_id", "source_customer_id,opened_at,closed_at,kind,topic,status,updated_at,csat", TICKETS
    ),
    "survey_responses.csv": _numbered("response_id", "source_customer_id,survey,score,scale_max,responded_at", ANSWERS),
    "campaigns.csv": "campaign_id,name,kind\nK,Spring,email\n",
    "campaign_touches.csv": "touch_id,campaign_id,source_customer_id,touched_at,channel,status\n"
    + "".join(f"{number},K,{line}\n" for number, line in enumerate(TOUCHES.strip().splitlines())),
    "consents.csv": "source_customer_id,channel,purpose,at,state\n" + CONSENTS,
    "points.csv": _numbered("entry_id", "source_customer_id,at,delta,expires_at", POINTS),
    "subscriptions.csv": _numbered("contract_id", "source_customer_id,started_on,renewal_due_on", CONTRACTS),
    "contacts.csv": _numbered("contact_id", "source_customer_id,is_primary,left_at", CONTACTS),
}


def _record_id(name: str) -> str:
    return hashlib.sha256(f"generic|shop|{name}".encode()).hexdigest()[:16]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the snapshots of tonight and of an earlier day, and the signals of the default rules."""
    home = tmp_path_factory.mktemp("behaviour")
    land(home, {f"shop/{name}": text for name, text in FILES.items()}, NIGHT)
    with connect(prepare(home)) as con:
        con.execute("insert into run.as_of_dates values (?, 'training')", [EARLIER])
        con.executemany(
            "insert into identity.components (source_record_id, component_id) values (?, ?)",
            [[_record_id(name)] * 2 for name in CUSTOMERS],
        )
    variables = json.dumps({"signals": dbt_vars(load_rules(RULES))["signals"], "business_model": "mixed"})
    before, output = run_dbt(
        home, "run", "--vars", variables, "--select", "+signal_coverage", "--exclude", "tag:after_scores"
    )
    assert set(before.values()) == {"success"}, output
    # Everybody is as likely to leave as everybody else, so the model gives no sign.
    with connect(home / "build" / "warehouse.duckdb") as con:
        con.execute(
            f"""
            insert into predictions.btyd_states by name
            select distinct
                repeat_occasions as frequency, repeat_recency_days as recency_days, age_days,
                {", ".join(f"0.5 as {column}" for column, kind in SCORES.items() if kind == "double")},
                'model' as prediction_status
            from core.customer_snapshots where occasions > 0
            """
        )
    after, output = run_dbt(home, "run", "--vars", variables, "--select", "+signal_coverage,tag:after_scores")
    assert set(after.values()) == {"success"}, output
    return home


def ask(home: Path, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    with connect(home / "build" / "warehouse.duckdb", read_only=True) as con:
        return con.execute(query, parameters).fetchall()


def known(home: Path, name: str, columns: Iterable[str], as_of: date = AS_OF) -> tuple[Any, ...]:
    """What a snapshot says of a customer."""
    rows = ask(
        home,
        f"select {', '.join(columns)} from core.customer_snapshots where customer_id = ? and as_of = ?",
        _record_id(name),
        as_of,
    )
    assert len(rows) == 1
    return rows[0]


LOGINS = ("logins_30d", "logins_prior_90d_monthly", "days_since_login", "active_days_30d", "active_days_90d")


def test_logins_are_counted_in_two_windows_that_touch(home: Path) -> None:
    # 2 and 20 March, the latter three times; 3 December and 1 March before. Half past eleven is tomorrow in London.
    assert known(home, "logs in", LOGINS) == (4, pytest.approx(2 / 3), 11, 2, 3)
    assert known(home, "logs in", ("usage_seconds_30d", "last_activity_on")) == (90, date(2024, 3, 20))


def test_an_earlier_day_knows_nothing_of_what_came_after_it(home: Path) -> None:
    # On 29 February the last 30 days begin on 31 January, and the last 90 on 2 December.
    assert known(home, "logs in", LOGINS, EARLIER) == (0, pytest.approx(2 / 3), 88, 0, 2)
    tickets = ("tickets_30d", "open_tickets", "nps_latest", "nps_age_days", "csat_latest", "complaints_90d")
    assert known(home, "tickets", tickets, EARLIER) == (0, 0, 9, 29, 2, 0)
    assert known(home, "consents", ("opted_out_channels", "points_balance"), EARLIER) == (0, Decimal(120))
    assert known(home, "talks", ("touches_90d", "preferred_channel"), EARLIER) == (0, "email")


def test_use_is_counted_by_what_was_used_and_for_how_long(home: Path) -> None:
    columns = ("feature_events_30d", "feature_events_prior_90d_monthly", "usage_trend_30d")
    assert known(home, "uses", columns) == (1, 2, -0.5)
    assert known(home, "uses nothing any more", columns) == (0, 1, -1)
    assert known(home, "nobody", columns) == (0, 0, None)
    columns = ("usage_seconds_30d", "usage_seconds_prior_90d_monthly", "features_used_30d", "features_used_prior_90d")
    assert known(home, "uses", columns) == (600, 400, 1, 2)


def test_contacts_go_in_two_directions(home: Path) -> None:
    columns = ("interactions_90d", "days_since_contact", "active_days_30d", "last_activity_on")
    assert known(home, "talks", columns) == (4, 1, 2, date(2024, 3, 30))
    # One mail answered and one written make e-mail the channel used most; what bounced has reached nobody.
    columns = ("touches_90d", "touch_responses_90d", "preferred_channel")
    assert known(home, "talks", columns) == (2, 1, "email")


def test_a_ticket_is_open_until_the_day_it_was_closed(home: Path) -> None:
    columns = ("tickets_30d", "tickets_prior_90d_monthly", "open_tickets", "open_repeat_tickets")
    # About delivery, those of 1, 5 and 10 March are late; that of 3 was closed by its last change, that of 25 is young.
    assert known(home, "tickets", columns) == (4, pytest.approx(2 / 3), 4, 3)
    assert known(home, "tickets", ("complaints_90d", "days_since_complaint")) == (1, 30)


def test_the_latest_answer_on_a_known_scale_counts(home: Path) -> None:
    columns = ("nps_latest", "nps_age_days", "csat_latest", "csat_age_days")
    # No recommendation is asked for on a scale to 5, and the rules know no satisfaction up to 7.
    assert known(home, "tickets", columns) == (6.5, 30, 5, 1)


def test_the_last_word_of_a_customer_on_a_channel_counts(home: Path) -> None:
    assert known(home, "consents", ("opted_out_channels",)) == (1,)


def test_points_that_expire_within_30_days_are_those_not_spent_before(home: Path) -> None:
    assert known(home, "consents", ("points_balance", "points_expiring_30d")) == (Decimal(120), Decimal(70))


def test_nothing_recorded_is_nothing_done_and_nothing_known(home: Path) -> None:
    columns = ("logins_30d", "open_tickets", "points_balance", "days_since_login", "nps_latest", "last_activity_on")
    assert known(home, "nobody", columns) == (0, 0, 0, None, None, None)


def test_every_signal_fires_for_those_it_was_planted_for_and_for_nobody_else(home: Path) -> None:
    names = {_record_id(name): name for name in CUSTOMERS}
    found = {}
    for customer, signal, is_escalated in ask(
        home, "select customer_id, signal_id, is_escalated from marts.churn_signals where fired"
    ):
        found.setdefault(signal, {})[names[customer]] = is_escalated
    # Whom the orders of others make late is told by other tests.
    late = found.pop("overdue"), found.pop("no_order_months")
    assert all("late" in fired and "in time" not in fired for fired in late)
    assert found == {
        "order_count_drop": {"orders less": False},
        "spend_drop": {"orders less": False},
        "no_login_14d": {"forgot us": True, "just forgot us": False},
        "feature_use_drop_80pct": {"uses much less": False},
        "usage_time_drop": {"uses much less": False},
        "low_nps": {"unhappy": False},
        "low_csat": {"unhappy": False},
        "tickets_rising": {"tickets": False},
        "complaint_recent": {"tickets": False},
        "unresolved_repeat_ticket": {"tickets": False},
        "renewal_near_inactive": {"renews soon": False},
        "champion_left": {"renews soon": False},
    }


def test_a_signal_says_what_it_saw(home: Path) -> None:
    said = dict(
        ask(
            home,
            "select signal_id, reason_zh || ' / ' || reason_en from marts.churn_signals "
            "where fired and customer_id in (?, ?, ?)",
            *map(_record_id, ("uses much less", "renews soon", "forgot us")),
        )
    )
    assert said == {
        "no_login_14d": "21 天未登录（阈值 21 天） / No login for 21 days (threshold 21)",
        "feature_use_drop_80pct": (
            "近 30 天使用功能 2 次，此前月均 12 次，下降 83%（阈值 80%） / "
            "Feature uses in the last 30 days: 2, 12 a month before, down 83% (threshold 80%)"
        ),
        "usage_time_drop": (
            "近 30 天使用 1 小时，此前月均 2 小时，下降 50%（阈值 50%） / "
            "Hours of use in the last 30 days: 1, 2 a month before, down 50% (threshold 50%)"
        ),
        "renewal_near_inactive": (
            "距续费 60 天（阈值 60 天）；功能使用量较此前月均变化 -40% / "
            "Renewal due in 60 days (threshold 60); Feature use against the months before: -40%"
        ),
        "champion_left": "主要联系人已离职 / The main contact has left",
    }


def test_coverage_counts_whom_a_signal_could_speak_of(home: Path) -> None:
    rows = ask(
        home,
        "select signal_id, tried, available, not_available, no_baseline, fired, escalated from marts.signal_coverage "
        "where signal_id in ('no_login_14d', 'order_count_drop')",
    )
    # None of the four buyers logs in, but the two who forgot us have a row for it; two buyers had bought enough before.
    assert sorted(rows) == [("no_login_14d", 6, 2, 0, 4, 2, 1), ("order_count_drop", 4, 2, 0, 2, 1, 0)]
