"""Customers under contract: hand calculation on small books, the ladder, and what renewals the days of a book show."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest

from models import ShiftedBetaGeometric
from models.renewals import CONTRACT_REASONS, Book, ContractScores, score_contracts

Contract = dict[str, float | str]

TODAY = 20_000
#: Of the published prior, alpha / (alpha + beta): the chance that a first renewal is not made.
FIRST = 0.668 / (0.668 + 3.806)


def book(*contracts: Contract) -> Book:
    """A book of contracts: days are those before today, for due days those after it."""
    rows = []
    for number, one in enumerate(contracts):
        row: dict[str, float | str] = {
            "customer": number + 1,
            "outcome": "running",
            "due": np.nan,
            "ended": np.nan,
            "renewed": np.nan,
            "terms_before": 0,
            "renewals_seen": 0,
            "step": np.nan,
            **one,
        }
        row["held_since"] = row.get("held_since", row["started"])
        for name in ("held_since", "started", "ended", "renewed"):
            row[name] = TODAY - float(row[name])
        row["due"] = TODAY + float(row["due"])
        rows.append(row)
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else Book.__annotations__)}
    return Book(
        customer=np.array(columns.pop("customer"), dtype=np.uint64),
        outcome=np.array(columns.pop("outcome"), dtype=np.str_),
        **{name: np.array(values, dtype=np.float64) for name, values in columns.items()},
    )


def scored(*contracts: Contract, horizon: int = 90) -> ContractScores:
    return score_contracts(book(*contracts), today=TODAY, horizon_days=horizon)


def renewed(terms_before: int = 0) -> Contract:
    """A contract of a year that ran out long ago and was renewed on the day."""
    return {
        "outcome": "renewed",
        "started": 1000,
        "ended": 635,
        "renewed": 635,
        "terms_before": terms_before,
        "held_since": 1000 + 365 * terms_before,
    }


def lost(terms_before: int = 0) -> Contract:
    return renewed(terms_before) | {"outcome": "not_renewed", "renewed": np.nan}


def test_without_any_history_a_prior_stands_in_and_says_so() -> None:
    found = scored({"started": 300, "due": 65}, {"started": 100, "due": 265})
    # Half a cancellation in five years, and the 400 days that both have run: all in the first year of tenure.
    years = 400 / 365
    common = 0.5 / (years + 5)
    first, second = 10 * common / (years + 10), common
    # The first is 25 days further in its second year.
    cancelling = [65 / 365 * first + 25 / 365 * second, 90 / 365 * first]
    assert found.probability == pytest.approx(
        [1 - (1 - FIRST) * exp(-cancelling[0]), 1 - exp(-cancelling[1])], rel=1e-12
    )
    assert found.status.tolist() == ["insufficient", "insufficient"]
    assert found.reason.tolist() == ["no_renewals", "no_renewals"]
    assert found.renewals_ahead.tolist() == [1, 0]
    assert found.days_to_renewal.tolist() == [65, 265]


def test_few_renewals_are_shares_of_those_at_risk_drawn_to_their_average() -> None:
    # First renewals: 6 made, 2 not. Second: 3 made, 1 not.
    history = [renewed()] * 6 + [lost()] * 2 + [renewed(1)] * 3 + [lost(1)]
    average = (3 + 10 * FIRST) / (12 + 10)
    expected = {0: (2 + 10 * average) / 18, 1: (1 + 10 * average) / 14, 2: average}
    running: list[Contract] = [{"started": 300, "due": 30, "terms_before": made} for made in expected]
    found = scored(*history, *running, horizon=60)
    assert found.next_hazard == pytest.approx(list(expected.values()))
    assert found.renewal_hazard == pytest.approx([-log(1 - each) for each in expected.values()])
    assert set(found.reason) == {"few_renewals"}
    assert set(found.status) == {"segment_average"}


def test_many_renewals_carry_the_shifted_beta_geometric_and_each_renewal_makes_the_next_likelier() -> None:
    # 100 contracts: 30 lost at the first renewal, 14 of 70 at the second, 8 of 56 at the third.
    history = [lost()] * 30 + [renewed()] * 70 + [lost(1)] * 14 + [renewed(1)] * 56 + [lost(2)] * 8 + [renewed(2)] * 48
    running: list[Contract] = [{"started": 300, "due": 65, "terms_before": made} for made in range(3)]
    found = scored(*history, *running)
    assert set(found.reason) == {"renewals"}
    assert set(found.status) == {"model"}
    fitted = ShiftedBetaGeometric().fit([1, 2, 3, 3], [True, True, True, False], [30, 14, 8, 48])
    expected = 1 - fitted.probability_renewed(1, [0, 1, 2])
    assert found.next_hazard == pytest.approx(expected, rel=1e-6)
    # The shares themselves are 0.3, 0.2 and 0.143.
    assert found.next_hazard == pytest.approx([0.3, 0.2, 8 / 56], abs=0.01)
    assert np.all(np.diff(found.probability) < 0)


def test_several_renewals_within_the_horizon_are_all_at_risk() -> None:
    # A month is due in 10, 40 and 70 days; the horizon ends at 90.
    monthly: Contract = {"started": 170, "due": 10, "renewals_seen": 5, "step": 30}
    found = scored(*[renewed()] * 30, *[lost()] * 10, monthly, *[renewed(made) for made in range(1, 9)] * 5)
    assert found.renewals_ahead.tolist() == [3]
    assert found.renewals_made.tolist() == [5]
    # Renewals made: 31 first ones, 6 of each up to the fifth, 5 up to the ninth; ten were not, all first ones.
    fitted = ShiftedBetaGeometric().fit([1, 1, 5, 9], [True, False, False, False], [10, 31 - 6, 6 - 5, 5])
    survival = fitted.probability_renewed(3, 5)
    assert found.renewal_hazard == pytest.approx(-np.log(survival), rel=1e-5)


def test_cancellations_are_a_rate_by_the_years_under_contract() -> None:
    # 20 contracts of 730 days: 8 cancelled at day 200, none later.
    gone: list[Contract] = [{"outcome": "cancelled", "started": 730, "ended": 530}] * 8
    stay: list[Contract] = [{"started": 730}] * 12
    found = scored(*gone, *stay, {"started": 0}, horizon=30)
    years = [8 * 200 / 365 + 12, 12.0, 0.0]
    common = 8.5 / (sum(years) + 5)
    rates = [(8 + 10 * common) / (years[0] + 10), 10 * common / (years[1] + 10), common]
    new = found.probability[found.customer == 21]
    old = found.probability[found.customer == 9]
    assert new == pytest.approx(1 - exp(-rates[0] * 30 / 365))
    assert old == pytest.approx(1 - exp(-rates[2] * 30 / 365))
    assert new > old


def test_a_customer_leaves_with_the_last_contract() -> None:
    soon: Contract = {"customer": 7, "started": 300, "due": 20}
    late: Contract = {"customer": 7, "started": 300, "due": 200}
    assert scored(soon, late).probability == pytest.approx(
        scored(late, {**soon, "customer": 8}).probability[:1], rel=1e-12
    )


def test_what_has_ended_is_judged_by_what_became_of_such() -> None:
    # Three ended and were lost, one was renewed twelve days later; one was renewed at once and says nothing of it.
    late: Contract = renewed() | {"renewed": 623}
    lapsed: Contract = {"outcome": "in_grace", "started": 370, "ended": 5}
    found = scored(lost(), lost(), lost() | {"outcome": "cancelled"}, late, renewed(), lapsed)
    assert found.probability.tolist() == pytest.approx([4 / 6])
    assert found.reason.tolist() == ["in_grace"]
    assert found.days_since_end.tolist() == [5]


def test_rows_that_are_rolled_forward_count_the_renewals_that_their_days_show() -> None:
    # Young contracts are made for a year. One is due 3 years after it began, within a year from now: renewed twice.
    young: list[Contract] = [{"started": age, "due": 365 - age} for age in (20, 60, 100, 200, 300)]
    rolled: list[Contract] = [{"started": 1000, "due": 95}, {"started": 500, "due": 230}]
    gone: Contract = {"outcome": "cancelled", "started": 1500, "ended": 700}
    found = scored(*young, *rolled, gone)
    assert found.renewals_made.tolist() == [0, 0, 0, 0, 0, 2, 1]
    # Five renewals were made (2, 1, and 2 before the cancellation), none was not: at numbers 1, 2, 1, 1, 2.
    average = 10 * FIRST / (5 + 10)
    hazard = {1: 10 * average / (3 + 10), 2: 10 * average / (2 + 10), 3: average}
    assert found.next_hazard == pytest.approx([hazard[1]] * 5 + [hazard[3], hazard[2]])
    # A term that is really so long is not over within a year from now.
    long = scored(*young, {"started": 400, "due": 695})
    assert long.renewals_made.tolist() == [0] * 6
    assert set(long.reason) == {"no_renewals"}


@pytest.mark.parametrize("column", ["started", "ended", "renewed"])
def test_what_lies_after_today_is_an_error(column: str) -> None:
    known = book(renewed(), {"started": 10})
    later = np.where(np.arange(2) == 0, TODAY + 1.0, getattr(known, column))
    with pytest.raises(ValueError, match=column):
        score_contracts(replace(known, **{column: later}), today=TODAY, horizon_days=90)


def test_an_empty_book_and_one_without_running_contracts_have_nobody_to_score() -> None:
    for history in ([], [renewed(), lost()]):
        found = scored(*history)
        assert found.probability.shape == (0,)
        assert found.explain(np.arange(0)).contributions.shape == (0, 3)


def random_book(seed: int, contracts: int) -> Book:
    random = np.random.default_rng(seed)
    outcome = random.choice(["running", "renewed", "replaced", "in_grace", "not_renewed", "cancelled"], contracts)
    started = TODAY - random.integers(0, 2000, contracts).astype(float)
    ended = np.where(outcome == "running", np.nan, started + np.floor(random.random(contracts) * (TODAY - started)))
    due = np.where(random.random(contracts) < 0.8, TODAY + random.integers(-20, 400, contracts), np.nan)
    seen = random.integers(0, 30, contracts) * (random.random(contracts) < 0.3)
    return Book(
        customer=random.integers(0, contracts, contracts).astype(np.uint64),
        outcome=outcome,
        held_since=started - random.integers(0, 500, contracts),
        started=started,
        due=np.where(outcome == "running", due, np.nan),
        ended=ended,
        renewed=np.where(np.isin(outcome, ["renewed", "replaced"]), ended, np.nan),
        terms_before=random.integers(0, 5, contracts).astype(float),
        renewals_seen=seen.astype(float),
        step=np.where(seen > 0, random.choice([7.0, 30.0, 365.0], contracts), np.nan),
    )


@pytest.mark.parametrize("contracts", [1, 3, 30, 1000])
def test_any_book_gives_each_customer_under_contract_a_probability_with_its_reasons(contracts: int) -> None:
    for seed in range(20):
        given = random_book(seed, contracts)
        found = score_contracts(given, today=TODAY, horizon_days=90)
        held = given.customer[np.isin(given.outcome, ["running", "in_grace"])]
        assert found.customer.tolist() == np.unique(held).tolist()
        assert np.all((found.probability > 0) & (found.probability < 1))
        assert set(found.reason) <= set(CONTRACT_REASONS)
        farther = score_contracts(given, today=TODAY, horizon_days=200)
        assert np.all(farther.probability >= found.probability - 1e-12)
        reasons = found.explain(np.arange(len(found.customer)))
        assert reasons.base + reasons.contributions.sum(axis=1) == pytest.approx(reasons.margin, abs=1e-9)
        assert reasons.margin == pytest.approx(np.log(found.probability / (1 - found.probability)))


def test_simulated_contracts_leave_as_often_as_foretold() -> None:
    """Yearly contracts of alpha 0.8 and beta 3 over eight years, and cancellations of 5 % a year in between."""
    random = np.random.default_rng(3)
    rows: list[Contract] = []
    leaves = []
    for customer in range(6000):
        theta, age = random.beta(0.8, 3), int(random.integers(1, 8 * 365))
        start = TODAY - age
        number, day = 0, start
        while True:
            cancelled = day + int(random.exponential(365 / 0.05))
            ends = day + 365
            stays = random.random() > theta
            base: Contract = {
                "customer": customer,
                "started": TODAY - day,
                "held_since": age,
                "terms_before": number,
            }
            over = min(cancelled, ends) if cancelled < ends or not stays else np.inf
            if min(over, ends) > TODAY:
                rows.append(base | {"due": ends - TODAY})
                # Nobody is renewed twice within the ninety days.
                leaves.append((customer, over <= TODAY + 90))
                break
            if over <= TODAY:
                rows.append(
                    base | {"outcome": "cancelled" if cancelled < ends else "not_renewed", "ended": TODAY - over}
                )
                break
            rows.append(base | {"outcome": "renewed", "ended": TODAY - ends, "renewed": TODAY - ends})
            number, day = number + 1, ends
    found = scored(*rows)
    assert set(found.status) == {"model"}
    assert found.customer.tolist() == [customer for customer, _ in leaves]
    happened = np.array([has_left for _, has_left in leaves])
    for group in (
        found.renewals_ahead == 0,
        found.renewals_ahead == 1,
        found.renewals_made == 0,
        found.renewals_made > 2,
    ):
        expected, spread = found.probability[group].sum(), found.probability[group] * (1 - found.probability[group])
        assert abs(happened[group].sum() - expected) < 3 * np.sqrt(spread.sum()), group.sum()
