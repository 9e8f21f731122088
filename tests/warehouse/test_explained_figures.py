"""Figures from hand-made records, each worked out by hand."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from tests.warehouse.explained import CALENDAR, RULES, document, pricing, record
from warehouse.explained_documents import worth
from warehouse.explained_evidence import told
from warehouse.explained_figures import Book, Tally, counted, names_in, tallies_behind
from warehouse.explained_metrics import FIGURES, reasons, signals
from warehouse.explained_records import Record, Verdict


def holds(condition: str, figures: Mapping[str, Any]) -> bool:
    """Conditions in the engine's own words."""
    row = ", ".join(f"? as {name}" for name in figures) or "1 as one"
    with duckdb.connect() as con:
        query = f"select coalesce({condition}, false) from (select {row})"
        return bool(con.execute(query, list(figures.values())).fetchall()[0][0])


def book(
    documents: Sequence[Record] = (),
    *,
    released: Mapping[tuple[Any, ...], Any] | None = None,
    predict: Callable[[int, int, int], Mapping[str, Any]] = lambda *_: {},
    evidence: Mapping[str, Sequence[Record]] | None = None,
    **rules: Any,
) -> Book:
    """The book of a customer who has these documents and whatever else is given."""
    kinds = {"documents": [told(each) for each in worth(documents, pricing(**rules))], **(evidence or {})}
    known = released or {}
    return Book(
        FIGURES,
        CALENDAR,
        {**RULES, **rules},
        lambda kind: kinds.get(kind, []),
        lambda *key: known.get(key),
        holds,
        predict,
    )


def sale(on: str, amount: str = "100", order_id: str | None = None, **cells: str) -> Record:
    number = int(on.replace("-", ""))
    return document(order_id or on, number, net_amount=amount, ordered_at=f"{on}T04:00:00Z", **cells)


# ------------------------------------------------------------------------------------------------- tallies


def test_a_window_ends_with_the_last_day_and_counts_it() -> None:
    found = book([sale("2025-06-30"), sale("2025-04-02"), sale("2025-04-01"), sale("2025-01-02"), sale("2025-01-01")])
    assert found.value("orders") == 5
    # 90 days: from 2 April to 30 June.
    assert found.value("orders_90d") == 2
    # The 90 days before: from 2 January to 1 April.
    assert found.value("orders_prior_90d") == 2
    assert found.value("net_revenue_90d") == Decimal("200.0000")


def test_what_does_not_count_says_why() -> None:
    found = book(
        [
            sale("2025-06-30"),
            sale("2025-04-01"),
            sale("2025-05-01", status="cancelled"),
            sale("2025-05-02", "50", "back"),
            document("r", 9, net_amount="-50", kind="refund", original="back"),
        ]
    )
    tally = FIGURES["orders_90d"]
    assert isinstance(tally, Tally)
    verdicts = {row.values["order_id"]: row.verdict for row in counted(found, tally)}
    assert verdicts == {
        "2025-06-30": None,
        "2025-04-01": Verdict("before", ("2025-04-02",)),
        "2025-05-01": Verdict("status", ("cancelled",)),
        "back": Verdict("refunded", ("r",)),
        "r": Verdict("other_kind", ("is_purchase",)),
    }


def test_a_prospect_has_counts_of_zero_and_nothing_else() -> None:
    found = book()
    counts = ("orders", "orders_365d", "net_revenue", "costs_total", "tickets_30d", "points_balance")
    assert [found.value(name) for name in counts] == [0, 0, 0, 0, 0, 0]
    unknown = (
        *("recency_days", "aov", "clv_net", "clv_historic_margin", "monetary", "r_score", "rfm_segment", "margin_rate"),
        *("personal_gap_days", "threshold_days", "churned_on", "p_alive", "expected_spend", "risk_score", "risk_level"),
        *("relationship_years", "clv_revenue_formula", "value_at_risk", "mrr", "nps_latest", "preferred_channel"),
    )
    assert {name: found.value(name) for name in unknown} == dict.fromkeys(unknown)
    assert found.value("churned") is False
    assert found.value("prediction_status") == "insufficient"


def test_the_channel_used_last_decides_between_equals() -> None:
    def reply(number: int, channel: str, day: int) -> Record:
        return record("interactions", number).saying(channel=channel, is_reply=True, on=date(2025, 6, day))

    rows = [reply(1, "email", 1), reply(2, "wechat", 2), reply(3, "wechat", 3), reply(4, "email", 4)]
    rows += [reply(number, "other", 5) for number in range(5, 9)]
    assert book(evidence={"contacts_made": rows}).value("preferred_channel") == "email"


def test_of_answers_of_one_moment_the_ticket_is_the_later() -> None:
    at = datetime(2025, 6, 1)
    rows = [
        record("tickets", 1, ticket_id="1").saying(is_csat=True, at=at, on=at.date(), score=2.0),
        record("survey_responses", 2, response_id="9").saying(is_csat=True, at=at, on=at.date(), score=5.0),
    ]
    found = book(evidence={"answers": rows})
    assert (found.value("csat_latest"), found.value("csat_age_days")) == (2.0, 29)


def test_a_channel_is_open_only_if_no_purpose_is_closed() -> None:
    def said(number: int, state: str) -> Record:
        return record("consents", number).saying(is_email=True, state=state, channel="email", is_out=state == "out")

    assert book(evidence={"consents": [said(1, "in"), said(2, "in")]}).value("consent_email") is True
    mixed = book(evidence={"consents": [said(1, "in"), said(2, "out")]})
    assert (mixed.value("consent_email"), mixed.value("opted_out_channels")) == (False, 1)
    assert book().value("consent_email") is False


# ------------------------------------------------------------------------------------------------- formulas


def test_the_three_values_have_three_names() -> None:
    """3 orders a year of 1000 over 3 years at 30 per cent: 9000 of revenue, 2700 of margin."""
    years = [2022, 2023, 2024]
    days = [f"{year}-{day}" for year in years for day in ("06-30", "09-30", "12-31")]
    found = book([sale(day, "1000") for day in days])
    # From 30 June 2022 to 30 June 2025, a leap day among them.
    assert found.value("tenure_days") == 1096
    assert found.value("orders_per_year") == pytest.approx(9 / (1096 / 365))
    assert found.value("clv_revenue_formula") == pytest.approx(9000)
    assert found.value("clv_margin_formula") == pytest.approx(2700)


def test_net_value_is_margin_less_costs_and_may_be_negative() -> None:
    costs = [record("tickets", 1).saying(amount=Decimal("45.5000"), is_service=True, is_any_service=True)]
    found = book([sale("2025-06-01")], evidence={"costs": costs})
    assert found.value("clv_net_margin_basis") == Decimal("-15.5000")
    assert found.value("clv_net_spend_basis") == Decimal("54.5000")
    assert found.value("clv_net") == found.value("clv_net_margin_basis")
    assert found.value("service_cost_ratio") == pytest.approx(0.455)
    # A month is the shortest time that a yearly value is made of.
    assert found.value("clv_net_per_year") == pytest.approx(-15.5 * 12)


def test_a_full_refund_leaves_no_purchase_and_no_order_value() -> None:
    found = book([sale("2025-06-01", "50", "a"), document("r", 2, net_amount="-50", kind="refund", original="a")])
    assert (found.value("orders"), found.value("net_revenue"), found.value("aov")) == (0, 0, None)
    assert found.value("recency_days") is None


def test_the_default_margin_rate_stands_in_where_nothing_was_sold() -> None:
    assert book([sale("2025-06-01", cost_amount="90")]).value("margin_rate") == pytest.approx(0.1)


def test_the_cap_says_that_it_is_one() -> None:
    found = book([sale("2015-06-01")])
    assert (found.value("relationship_years"), found.value("relationship_source")) == (5, "cap")
    assert book([sale("2024-06-01")]).value("relationship_source") == "observed"


def test_scores_are_cut_where_the_rules_say() -> None:
    # 10 days is still within the first cut; 2 purchases and 100 reach theirs.
    found = book([sale("2025-06-20", "60"), sale("2025-05-01", "40")])
    assert [found.value(f"{axis}_score") for axis in "rfm"] == [5, 2, 2]
    assert found.value("rfm_segment") == "rest"


def test_a_quantile_must_be_exceeded() -> None:
    cuts = {("rfm_cut", "frequency", number / 5): 1.0 for number in range(1, 5)}
    cuts |= {("rfm_cut", axis, number / 5): 0.0 for axis in ("recency", "monetary") for number in range(1, 5)}
    found = book([sale("2025-06-30")], released=cuts, rfm_method="quantile")
    assert [found.value(f"{axis}_score") for axis in "rfm"] == [5, 1, 5]


# ------------------------------------------------------------------------------------------------- cadence

JUNE = date(2025, 6, 1)


def test_after_one_purchase_the_usual_gap_stands_in() -> None:
    found = book([sale("2025-06-10")], released={("usual_gap_days", None, JUNE): 42.0})
    assert (found.value("personal_gap_days"), found.value("threshold_days")) == (42.0, 180)
    assert found.value("expected_next_order_on") == date(2025, 7, 22)


def test_own_gaps_are_drawn_towards_those_of_all() -> None:
    released = {("usual_gap_days", None, JUNE): 60.0, ("usual_gap_ratio", None, JUNE): 210.0}
    found = book([sale("2025-05-01"), sale("2025-05-11"), sale("2025-06-10")], released=released)
    # Gaps of 10 and 30 days: (2 × 20 + 3 × 60) ÷ 5 = 44; 2.1 times that is 92.4.
    assert found.value("own_gap_days") == 20
    assert found.value("personal_gap_days") == 44
    assert found.value("threshold_days") == 93
    assert found.value("cadence_ratio") == pytest.approx(20 / 44)
    assert found.value("days_overdue") == 0


def test_the_gap_of_all_is_that_of_the_category_bought_last() -> None:
    def of(category: str, amount: str) -> Record:
        return record("order_lines", int(amount), category=category, net_amount=amount)

    day = document("a", lines=(of("tea", "40"), of("cups", "60")), ordered_at="2025-06-10T00:00:00Z")
    released = {("usual_gap_days", "cups", JUNE): 20.0, ("usual_gap_days", "tea", JUNE): 99.0}
    found = book([day], released=released)
    assert (found.value("usual_gap_days"), found.value("top_category")) == (20.0, "cups")


def test_what_came_after_the_first_purchase_day_is_repeat_value() -> None:
    found = book(
        [
            sale("2025-01-01", order_id="first"),
            sale("2025-02-01", "200"),
            document("r", 9, net_amount="-50", kind="refund", original="first", ordered_at="2025-03-01T04:00:00Z"),
        ]
    )
    # At 30 percent: 60 of the second order, less 15 of what came back of the first.
    assert found.value("repeat_value") == Decimal("45.0000")
    assert book([sale("2025-01-01")]).value("repeat_value") == 0
    assert book().value("repeat_value") is None


def test_what_is_bought_beside_what_somebody_came_for_is_cross_selling() -> None:
    def of(category: str, amount: str) -> Record:
        return record("order_lines", int(amount), net_amount=amount, category=category)

    first = document("a", 1, lines=(of("tea", "40"), of("cups", "60")), ordered_at="2025-06-10T00:00:00Z")
    later = document("b", 2, lines=(of("tea", "100"), of("cups", "10")), ordered_at="2025-06-20T00:00:00Z")
    lost = document("c", 3, lines=(of("tea", "900"),), ordered_at="2025-06-21T00:00:00Z", status="cancelled")
    found = book([first, later, lost])
    # Most was spent on cups at first. At 30 percent 42 of 140 for tea.
    assert found.value("cross_sell_value") == Decimal("42.0000")
    assert book([sale("2025-01-01")]).value("cross_sell_value") is None


def test_somebody_is_lost_the_day_after_the_threshold() -> None:
    last = book([sale("2025-01-01")])
    # 180 days are over on 30 June; the loss would be of 1 July.
    assert (last.value("recency_days"), last.value("churned"), last.value("churned_on")) == (180, False, None)
    lost = book([sale("2024-12-31")])
    assert (lost.value("churned"), lost.value("churned_on")) == (True, date(2025, 6, 30))


def test_who_buys_once_a_year_has_their_own_threshold() -> None:
    found = book([sale("2022-12-01"), sale("2023-12-05"), sale("2024-12-01")])
    # Gaps of 369 and 362 days: 365.5 × 1.25 = 456.875.
    assert found.value("is_annual_buyer")
    assert (found.value("personal_gap_days"), found.value("threshold_days")) == (365.5, 457)
    assert not found.value("churned")


def test_one_gap_of_a_year_counts_only_where_such_gaps_stand_out() -> None:
    days = [sale("2023-12-01"), sale("2024-12-01")]
    stands_out = {("yearly_gaps_stand_out", None, date(2024, 12, 1)): 1.0}
    assert not book(days).value("is_annual_buyer")
    assert book(days, released=stands_out).value("is_annual_buyer")


def test_who_has_a_contract_is_judged_by_it() -> None:
    running = [record("subscriptions", 1).saying(is_counted=True, is_unended=True, mrr=Decimal(5), days_to_renewal=9)]
    over = [record("subscriptions", 1).saying(has_ended=True, last_day=date(2025, 5, 1))]
    silent = [sale("2020-01-01")]
    stays = book(silent, evidence={"contracts": running}, business_model="mixed")
    assert (stays.value("churned"), stays.value("mrr"), stays.value("days_to_renewal")) == (False, 5, 9)
    lost = book(evidence={"contracts": over}, business_model="mixed")
    assert (lost.value("churned"), lost.value("churned_on")) == (True, date(2025, 5, 31))
    assert book(silent, evidence={"contracts": running}).value("churned") is True


# ------------------------------------------------------------------------------------------------- predictions


def test_the_models_are_asked_for_the_state_of_the_customer() -> None:
    asked = []

    def predict(*history: int) -> Mapping[str, Any]:
        asked.append(history)
        return {"p_alive": 0.5, "p_no_purchase": 0.25, "discounted_orders_365d": 2.0}

    spend = {("spend_model", name): value for name, value in (("p", 6.0), ("q", 4.0), ("v", 15.0))}
    days = [sale("2025-01-01", "10"), sale("2025-03-01", "40"), sale("2025-05-01", "20")]
    found = book(days, predict=predict, released=spend)
    assert found.value("p_alive") == 0.5
    assert asked == [(2, 120, 180)]
    # 6 × (15 + 2 × 30) ÷ (6 × 2 + 4 − 1)
    assert found.value("expected_spend") == pytest.approx(30)
    assert found.value("clv_predicted_365d") == pytest.approx(2 * 30 * 0.3)


def test_after_one_purchase_the_spend_of_all_is_expected() -> None:
    spend = {("spend_model", name): value for name, value in (("p", 6.0), ("q", 4.0), ("v", 15.0))}
    assert book([sale("2025-06-01", "999")], released=spend).value("expected_spend") == pytest.approx(30)


# ------------------------------------------------------------------------------------------------- rules


def signal(metric: str, op: str, value: float, weight: float = 0.5, **more: Any) -> dict[str, Any]:
    plain = {"id": f"{metric}_{op}", "zh": "", "en": "", "vs": None, "metric": metric, "op": op, "value": value}
    return {**plain, "weight": weight, **more}


def only(found: Book) -> Any:
    [one] = signals(found)
    return one


def test_a_signal_fires_at_its_threshold_and_counts_more_beyond_the_next() -> None:
    rule = signal("recency_days", ">=", 10, 0.3, escalate_value=20, escalate_weight=0.6)
    states = {
        day: (each.state, each.threshold, each.strength)
        for day in ("2025-06-21", "2025-06-20", "2025-06-10")
        for each in signals(book([sale(day)], signals=[rule]))
    }
    assert states == {
        "2025-06-21": ("not_reached", 10, 0),
        "2025-06-20": ("fired", 10, 0.3),
        "2025-06-10": ("fired", 20, 0.6),
    }


@pytest.mark.parametrize(
    ("before", "now", "more", "state"),
    [
        (4, 2, {}, "fired"),
        (4, 3, {}, "not_reached"),
        (2, 0, {"min_baseline": 3}, "no_baseline"),
        (0, 2, {}, "no_baseline"),
    ],
)
def test_a_drop_is_a_share_of_what_was_before(before: int, now: int, more: dict[str, Any], state: str) -> None:
    days = [sale(f"2025-02-{day:02}") for day in range(1, before + 1)]
    days += [sale(f"2025-06-{day:02}") for day in range(1, now + 1)]
    rule = signal("orders_90d", "drop_pct", 0.5, vs="orders_prior_90d", **more)
    assert only(book(days, signals=[rule])).state == state


def test_from_nothing_anything_is_a_rise() -> None:
    rule = signal("tickets_30d", "rise_pct", 1, vs="tickets_prior_90d_monthly", min_value=2)
    tickets = [record("tickets", n).saying(on=date(2025, 6, n)) for n in (2, 3)]
    assert only(book(evidence={"tickets": tickets}, signals=[rule])).state == "fired"
    assert only(book(evidence={"tickets": tickets[:1]}, signals=[rule])).state == "too_small"


def test_an_old_answer_and_an_unmet_condition_silence_a_signal() -> None:
    old = [
        record("survey_responses", 1, response_id="1").saying(
            is_nps=True, at=datetime(2024, 1, 1), on=date(2024, 1, 1), score=3.0
        )
    ]
    aged = signal("nps_latest", "<=", 6, max_age_metric="nps_age_days", max_age_days=180)
    assert only(book(evidence={"answers": old}, signals=[aged])).state == "too_old"
    joined = signal("nps_latest", "<=", 6, and_sql="orders >= 1")
    assert only(book(evidence={"answers": old}, signals=[joined])).state == "condition"
    assert only(book(signals=[joined])).state == "no_value"


def test_the_score_is_a_noisy_or_and_the_reasons_add_up_to_it() -> None:
    rules = [signal("recency_days", ">=", 1, 0.4), signal("orders", ">=", 1, 0.5), signal("orders", ">", 9, 0.9)]
    found = book([sale("2025-06-01")], signals=rules)
    assert found.value("risk_score") == pytest.approx(100 * (1 - 0.6 * 0.5))
    assert found.value("risk_level") == "high"
    assert (found.value("reason_1"), found.value("reason_2"), found.value("reason_3")) == (
        "orders_>=",
        "recency_days_>=",
        None,
    )
    assert math.fsum(points for _, points in reasons(found)) == pytest.approx(70)
    assert found.value("reason_1_points") == pytest.approx(70 * math.log(0.5) / math.log(0.3))


def test_the_first_class_whose_condition_is_met_wins() -> None:
    tiers = [
        {"id": "high", "when": "net_revenue >= pct_net_revenue_8000 and orders >= 3"},
        {"id": "middle", "when": "nps_latest >= 9 or orders >= 1"},
        {"id": "rest", "when": "true"},
    ]
    layers = [{"id": "at_risk", "when": "risk_level in ('high', 'critical')"}, {"id": "from_tier", "when": "true"}]
    cuts = [{"metric": "net_revenue", "p": 0.8, "column": "pct_net_revenue_8000"}]
    rules: dict[str, Any] = {"tiers": tiers, "display_layer": layers, "percentile_cuts": cuts}
    found = book([sale("2025-06-01")], released={("percentile", "pct_net_revenue_8000"): 50.0}, **rules)
    assert [(test.id, test.is_met) for test in found.tests("tier")] == [("high", False), ("middle", True)]
    assert found.tests("tier")[0].figures == {"net_revenue": 100, "pct_net_revenue_8000": 50.0, "orders": 1}
    assert (found.value("tier"), found.value("display_layer")) == ("middle", "middle")
    risky = book([sale("2025-06-01")], **rules, signals=[signal("orders", ">=", 1, 0.9)])
    assert (risky.value("tier"), risky.value("display_layer")) == ("middle", "at_risk")
    assert book(**rules).value("tier") == "rest"


def test_a_scheme_of_the_rules_may_be_called_like_a_figure() -> None:
    scheme = {"id": "gender", "segments": [{"id": "often", "when": "orders >= 2"}, {"id": "seldom", "when": "true"}]}
    found = book([sale("2025-06-01")], segment_schemes=[scheme])
    assert found.value("segment:gender") == "seldom"
    assert found.value("gender") is None
    assert found.tests("segment:gender")[1].place == ("segment_schemes", 0, "segments", 1)


def test_of_the_tags_of_a_group_a_customer_has_the_first_that_holds() -> None:
    tags = [
        {"id": "vip", "group": "value", "when": "orders >= 9"},
        {"id": "dormant", "group": "risk", "when": "recency_days > 180"},
        {"id": "buyer", "group": "value", "when": "orders >= 1"},
    ]
    found = book([sale("2025-06-01")], tags=tags)
    assert (found.value("tag:value"), found.value("tag:risk")) == ("buyer", None)
    assert [test.place for test in found.tests("tag:value")] == [("tags", 0), ("tags", 2)]


def test_a_condition_names_figures_and_not_words() -> None:
    sql = "coalesce(tenure_days, days_since_created) <= 30 and not churned or lower(gender) in ('male', 'orders')"
    assert names_in(sql) == ["tenure_days", "days_since_created", "churned", "gender"]


def test_every_figure_rests_on_records_or_is_given() -> None:
    found = book(
        [sale("2025-06-01"), sale("2025-05-01")],
        released={("spend_model", name): 2.0 for name in "pqv"},
        predict=lambda *_: dict.fromkeys(("p_alive", "p_no_purchase"), 0.5),
    )
    behind = {each.name for each in tallies_behind(found, "clv_net_per_year")}
    assert behind == {
        "gross_margin",
        "touch_cost",
        "coupon_cost",
        "event_cost",
        "service_cost",
        "occasions",
        "first_order_on",
    }
    for name in FIGURES:
        for need in found.needs(name):
            assert need in found.figures, (name, need)
