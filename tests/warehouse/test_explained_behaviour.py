"""What raw rows of talks, tickets, answers, consents, points and contracts mean, by hand."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.warehouse.explained import CALENDAR, delivery, record
from warehouse import explained_behaviour as behaviour
from warehouse.explained_contracts import contracts
from warehouse.explained_profile import attribute, described
from warehouse.explained_records import Member, Record, Verdict

DELIVERIES = {
    ("shop", "d1"): delivery("d1", at="2025-06-30"),
    ("shop", "own"): delivery("own", feed="customers", at="2025-06-30"),
}


def flags(row: Record) -> set[str]:
    return {name for name, value in row.values.items() if value is True}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"channel": "login"}, {"is_login", "is_active"}),
        ({"channel": "app", "kind": "Login"}, {"is_login", "is_active"}),
        ({"channel": "page_view"}, {"is_usage", "is_active"}),
        ({"channel": "app", "feature": "search"}, {"is_usage", "is_active"}),
        ({"channel": "call", "direction": "inbound"}, {"is_talk", "is_reply", "is_active", "is_contact"}),
        # A call may have rung in vain.
        ({"channel": "call"}, {"is_talk", "is_contact"}),
        # Where nobody says who began, both met.
        ({"channel": "meeting"}, {"is_talk", "is_reply", "is_active", "is_contact"}),
        ({"channel": "email", "direction": "outbound"}, {"is_talk", "is_contact"}),
        ({"channel": "email"}, {"is_talk"}),
    ],
)
def test_a_record_is_a_login_a_use_or_a_talk(cells: dict[str, str], expected: set[str]) -> None:
    [row] = behaviour.interactions([record("interactions", occurred_at="2025-06-01T00:00:00Z", **cells)], CALENDAR)
    assert flags(row) == expected


def test_what_happens_after_the_last_day_does_not_count() -> None:
    [row] = behaviour.interactions([record("interactions", occurred_at="2025-06-30T16:00:00Z")], CALENDAR)
    assert row.verdict == Verdict("later")


def test_one_row_may_tell_of_many_events() -> None:
    rows = [record("interactions", occurred_at="2025-06-01T00:00:00Z", quantity=n) for n in ("3", "-1")]
    assert [row.values["events"] for row in behaviour.interactions(rows, CALENDAR)] == [3, 0]


def test_what_bounced_has_reached_nobody() -> None:
    rows = [
        record("campaign_touches", touched_at="2025-06-01T00:00:00Z", channel="Email", status=status)
        for status in ("Sent", "bounced", "clicked")
    ]
    found = behaviour.touches(rows, CALENDAR)
    assert [flags(row) for row in found] == [
        {"is_touch", "is_contact"},
        set(),
        {"is_touch", "is_contact", "is_reply", "is_response"},
    ]


def ticket(**cells: str) -> Record:
    plain = {"opened_at": "2025-06-10T00:00:00Z", "kind": "complaint"}
    return behaviour.tickets([record("tickets", **(plain | cells))], CALENDAR, DELIVERIES, sla_days=7)[0]


def test_a_ticket_is_open_until_the_day_it_is_closed() -> None:
    assert ticket().values["is_open"]
    assert not ticket(closed_at="2025-06-30T00:00:00Z").values["is_open"]
    assert ticket(closed_at="2025-06-30T16:00:00Z").values["is_open"]
    # Called closed without a day: by the last change of the row, else by the export.
    assert ticket(status="已解决").values["closed_on"] == date(2025, 6, 30)
    assert ticket(status="solved", updated_at="2025-06-12T00:00:00Z").values["closed_on"] == date(2025, 6, 12)
    # Nothing is closed before it was opened.
    assert ticket(closed_at="2025-01-01T00:00:00Z").values["closed_on"] == date(2025, 6, 10)


def test_a_ticket_is_late_beyond_the_service_level() -> None:
    assert ticket(opened_at="2025-06-22T00:00:00Z").values["is_late"]
    assert not ticket(opened_at="2025-06-23T00:00:00Z").values["is_late"]


@pytest.mark.parametrize(
    ("cells", "score"),
    [
        ({"survey": "nps", "score": "9"}, 9.0),
        ({"survey": "nps", "score": "9", "scale_max": "5"}, None),
        ({"survey": "csat", "score": "4"}, 4.0),
        # 7.5 of 0 to 10 is three quarters of the way from 1 to 5.
        ({"survey": "csat", "score": "7.5", "scale_max": "10"}, 4.0),
        ({"survey": "csat", "score": "6"}, None),
        ({"survey": "ces", "score": "3"}, None),
    ],
)
def test_an_answer_is_put_on_the_scale_of_its_figure(cells: dict[str, str], score: float | None) -> None:
    scales = [{"min": 1, "max": 5}, {"min": 0, "max": 10}]
    row = record("survey_responses", responded_at="2025-06-01T00:00:00Z", **cells)
    [found] = behaviour.answers([row], [], CALENDAR, scales)
    assert found.values["score"] == score
    assert (found.verdict is None) is (score is not None)


def test_of_consents_the_last_stands_and_of_one_moment_the_no() -> None:
    def said(number: int, state: str, at: str) -> Record:
        return record("consents", number, channel="Email", purpose="marketing", state=state, at=at)

    found = behaviour.consents(
        [
            said(1, "in", "2025-06-01T00:00:00Z"),
            said(2, "out", "2025-06-02T00:00:00Z"),
            said(3, "in", "2025-06-02T00:00:00Z"),
            said(4, "in", "2025-07-02T00:00:00Z"),
        ],
        CALENDAR,
        DELIVERIES,
    )
    assert [row.verdict for row in found] == [Verdict("restated"), None, Verdict("restated"), Verdict("later")]


def test_a_consent_without_a_date_of_its_own_is_as_old_as_its_export() -> None:
    [row] = behaviour.consents(
        [record("consents", written_at="2025-01-01T00:00:00Z", channel="sms", state="in", at="2025-01-01T00:00:00Z")],
        CALENDAR,
        DELIVERIES,
    )
    assert row.values["on"] == date(2025, 6, 30)


def points(*entries: tuple[str, int, str | None], books_expiry: tuple[str, ...] = ()) -> behaviour.PointsAccount:
    rows = []
    for number, (on, delta, expires) in enumerate(entries, 1):
        cells = {"at": f"{on}T00:00:00Z", "delta": str(delta)} | (
            {"expires_at": f"{expires}T00:00:00Z"} if expires else {}
        )
        rows.append(record("points", number, **cells))
    return behaviour.account(behaviour.entries(rows, CALENDAR), CALENDAR.as_of, books_expiry)


def test_points_are_spent_in_the_order_in_which_they_expire() -> None:
    found = points(
        ("2025-01-01", 100, "2025-03-01"),
        ("2025-01-02", 50, None),
        ("2025-02-01", -30, None),
        ("2025-04-01", -40, None),
        ("2025-05-01", 20, "2025-07-15"),
    )
    # Of the first hundred 30 were spent in time; the 40 of April came from the 50 without an end.
    assert (found.granted, found.spent, found.lapsed) == (170, 70, 70)
    assert found.balance == 30
    # 120 expire by the end of July, 140 are gone: nothing of what is left.
    assert found.expiring == 0


def test_points_about_to_expire_are_those_not_spent_yet() -> None:
    found = points(("2025-05-01", 20, "2025-07-15"), ("2025-05-02", 10, None), ("2025-06-01", -5, None))
    assert (found.balance, found.expiring) == (25, 15)


def test_what_a_source_books_as_expired_is_not_found_out_twice() -> None:
    entries = (("2025-01-01", 100, "2025-03-01"), ("2025-03-02", -100, None))
    assert points(*entries, books_expiry=("shop",)).balance == 0
    assert points(*entries).balance == -100


def contract(*versions: dict[str, str], as_written: str = "2025-06-30") -> dict[str, Any]:
    rows = [
        record("subscriptions", number, contract_id="k", started_on="2024-07-01", **cells)
        for number, cells in enumerate(versions, 1)
    ]
    known = {("shop", "d1"): delivery("d1", at=as_written)}

    def in_base(value: Decimal | None, currency: str | None, day: date) -> Decimal | None:
        return None if value is None else value * (7 if currency == "USD" else 1)

    found = contracts(rows[-1:], rows, CALENDAR, known, in_base, grace_days=30)
    return {"verdict": found[0].verdict, **found[0].values}


def test_a_contract_runs_until_its_end_and_its_days_of_grace() -> None:
    running = contract({"ends_on": "2025-07-20", "mrr": "100", "currency": "USD"})
    assert (running["is_counted"], running["days_to_renewal"], running["mrr"]) == (True, 20, 700)
    in_grace = contract({"ends_on": "2025-06-01"})
    assert (in_grace["is_counted"], in_grace["has_ended"], in_grace["days_to_renewal"]) == (True, True, -29)
    over = contract({"ends_on": "2025-05-31"})
    assert (over["is_counted"], over["last_day"]) == (False, date(2025, 5, 31))


def test_what_was_cancelled_is_not_to_be_renewed() -> None:
    found = contract({"ends_on": "2025-12-31", "cancelled_on": "2025-06-10"})
    assert (found["ended_on"], found["is_expired"], found["days_to_renewal"]) == (date(2025, 6, 10), False, None)


def test_a_pause_stops_the_clock() -> None:
    found = contract({"ends_on": "2025-01-31", "status": "Paused"})
    assert (found["is_unended"], found["is_resting"]) == (True, True)


def test_a_status_that_says_the_end_ends_it_on_the_day_it_said_so() -> None:
    found = contract(
        {"status": "active", "updated_at": "2025-01-01T00:00:00Z"},
        {"status": "ended", "updated_at": "2025-06-05T00:00:00Z"},
        {"status": "expired", "updated_at": "2025-06-20T00:00:00Z"},
    )
    assert found["ended_on"] == date(2025, 6, 5)


def test_what_was_cancelled_before_it_began_never_was_a_contract() -> None:
    assert contract({"cancelled_on": "2024-06-30"})["verdict"] == Verdict("never_began")


def customer(number: int, **cells: str) -> Record:
    delivery_id = cells.pop("delivery_id", "own")
    return record("customers", number, delivery_id=delivery_id, **({"source_customer_id": "c"} | cells))


def told(*rows: Record) -> list[Record]:
    members = sorted({Member("generic", "shop", row.cells["source_customer_id"]) for row in rows})
    return described(rows, members, {}, CALENDAR, DELIVERIES)


def test_each_attribute_is_of_the_newest_record_that_has_it() -> None:
    rows = told(
        customer(1, country="CN", province="上海", owner_id="r1", updated_at="2025-01-01T00:00:00Z"),
        customer(2, source_customer_id="d", country="GB", name="Ann", updated_at="2025-02-01T00:00:00Z"),
    )
    assert attribute(rows, "owner_id") == "r1"
    # Country and region are of one record.
    assert (attribute(rows, "country"), attribute(rows, "region")) == ("GB", None)
    assert attribute(rows, "name") == "Ann"
    assert attribute(rows, "customer_type") == "person"


def test_a_blank_in_a_file_of_customers_is_a_statement_and_in_a_document_it_is_none() -> None:
    own = told(
        customer(1, phone="1", updated_at="2025-01-01T00:00:00Z"), customer(2, updated_at="2025-02-01T00:00:00Z")
    )
    assert attribute(own, "phone") is None
    implied = told(
        customer(1, delivery_id="d1", phone="1", updated_at="2025-01-01T00:00:00Z"),
        customer(2, delivery_id="d1", updated_at="2025-02-01T00:00:00Z"),
    )
    assert attribute(implied, "phone") == "1"


def test_a_deleted_record_describes_nobody() -> None:
    rows = told(
        customer(1, name="Gone", is_deleted="true", updated_at="2025-03-01T00:00:00Z"),
        customer(2, source_customer_id="d", name="Here", is_active="false", updated_at="2025-01-01T00:00:00Z"),
    )
    assert (attribute(rows, "name"), attribute(rows, "is_active")) == ("Here", False)
