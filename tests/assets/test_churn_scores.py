"""Churn scores between the tables: what is read reaches the models as it is, what they say is written as it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import date, timedelta
from statistics import median
from typing import Any

import duckdb
import numpy as np
import pytest
from numpy.typing import NDArray

from assets.churn_scores import (
    CHURN_TABLES,
    FEATURES,
    PREVIOUS_SCORES,
    SCORE_FACTS,
    judge_scores,
    keep_previous_scores,
    score_churn,
)
from expectations import Limits
from models.churn import Activity, Origin, Plan, learn, origins_for
from warehouse.build import replace_table

TONIGHT = date(2024, 12, 31)
HORIZON = 60
EPOCH = date(1970, 1, 1)

#: The columns of core.contract_terms that are read.
CONTRACT_TERMS = (
    dict.fromkeys(("contract_key", "customer_id", "outcome"), "varchar")
    | dict.fromkeys(("held_since", "started_on", "due_on", "ended_on", "renewed_on"), "date")
    | dict.fromkeys(("terms_before", "renewals_seen", "step_days"), "integer")
)

Purchases = dict[str, list[date]]
Shop = Callable[[int], tuple[duckdb.DuckDBPyConnection, Purchases]]


def purchases_of(customers: int, seed: int = 5) -> Purchases:
    """Days on which customers bought: they come over two years, buy at rates of their own, and may leave for good."""
    random = np.random.default_rng(seed)
    found: Purchases = {}
    for number in range(customers):
        day, gap = int(random.integers(0, 660)), float(random.gamma(2.0, 20.0)) + 5
        days = [day]
        while random.random() > 0.15 and (day := day + 1 + int(random.exponential(gap))) <= 730:
            days.append(day)
        # Ids may lie at both ends of what 64 bits can say.
        code = {0: 2**64 - 1, 1: 1}.get(number) or int(random.integers(2, 2**64 - 1, dtype=np.uint64))
        found[f"{code:016x}"] = [TONIGHT - timedelta(days=730 - each) for each in days]
    return found


def known(bought: Purchases, day: date) -> dict[str, list[date]]:
    return {name: days for name in sorted(bought) if (days := [each for each in bought[name] if each <= day])}


def distances(bought: Purchases) -> Plan:
    return origins_for(max(((TONIGHT - min(days)).days for days in bought.values()), default=0), HORIZON)


def variation(days: list[date]) -> float | None:
    """The sample deviation of the gaps over their mean; nothing below two gaps."""
    gaps = np.diff([each.toordinal() for each in days])
    return None if len(gaps) < 2 else float(gaps.std(ddof=1) / gaps.mean())


def snapshot(name: str, days: list[date], day: date) -> dict[str, Any]:
    return {
        "as_of": day,
        "customer_id": name,
        "occasions": len(days),
        "repeat_occasions": len(days) - 1,
        "repeat_recency_days": (days[-1] - days[0]).days,
        "age_days": (day - days[0]).days,
        "personal_gap_days": 30.0 + len(days),
        "gap_variation": variation(days),
        "is_annual_buyer": False,
        "own_gap_days": None if len(days) == 1 else (days[-1] - days[0]).days / (len(days) - 1),
        "net_revenue": 10.0 * len(days),
        "monetary_value": None if len(days) == 1 else 8.0 + len(days),
    }


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A build file with the tables that the scores are made of, for so many customers."""
    with duckdb.connect() as con:

        def build(customers: int) -> tuple[duckdb.DuckDBPyConnection, Purchases]:
            bought = purchases_of(customers)
            plan = distances(bought)
            past = [TONIGHT - timedelta(days=each) for each in plan.days_before]
            types = dict.fromkeys(FEATURES, "double") | {
                "as_of": "date",
                "customer_id": "varchar",
                "occasions": "bigint",
                "repeat_occasions": "integer",
                "repeat_recency_days": "integer",
                "age_days": "integer",
                "personal_gap_days": "double",
                "gap_variation": "double",
                "is_annual_buyer": "boolean",
                "has_contract": "boolean",
                "is_paused": "boolean",
                "champion_left": "boolean",
            }
            rows = [snapshot(name, days, day) for day in (TONIGHT, *past) for name, days in known(bought, day).items()]
            # Somebody who has bought nothing is no buyer.
            rows.append({"as_of": TONIGHT, "customer_id": "0" * 16, "occasions": 0})
            replace_table(con, "core", "customer_snapshots", types, [[row.get(name) for name in types] for row in rows])
            outcomes = [
                (day, name, min(later, default=None), count, 12.5 * count)
                for day in past
                for name in known(bought, day)
                for later in [[each for each in bought[name] if each > day]]
                for count in [sum((each - day).days <= plan.horizon_days for each in later)]
            ]
            replace_table(
                con,
                "core",
                "churn_outcomes",
                {
                    "as_of": "date",
                    "customer_id": "varchar",
                    "next_purchase_on": "date",
                    "purchases_after": "bigint",
                    "spent_after": "decimal(18, 4)",
                },
                outcomes,
            )
            occasions = [(name, each) for name, days in bought.items() for each in days]
            replace_table(
                con, "core", "customer_occasions", {"customer_id": "varchar", "occasion_on": "date"}, occasions
            )
            replace_table(con, "core", "contract_terms", CONTRACT_TERMS, [])
            days = [(TONIGHT, "tonight"), (TONIGHT - timedelta(days=1), "grid"), *((day, "training") for day in past)]
            replace_table(con, "run", "as_of_dates", {"as_of": "date", "purpose": "varchar"}, days)
            return con, bought

        yield build


def learned_gaps(rows: Collection[list[date]]) -> NDArray[np.float64]:
    """Everybody's own gap, joined by three gaps as usual on that day: neither is the personal gap of the table."""
    gaps = [len(days) - 1 for days in rows]
    own = [(days[-1] - days[0]).days / number if (number := len(days) - 1) else None for days in rows]
    usual = median(each for each in own if each is not None)
    return np.array([(number * (each or 0) + 3 * usual) / (number + 3) for number, each in zip(gaps, own, strict=True)])


def origin_of(bought: Purchases, day: date, horizon: int | None) -> Origin:
    """What the models should be told of a day, put together without a table."""
    rows = known(bought, day)
    nothing = np.full(len(rows), np.nan)
    features = dict.fromkeys(FEATURES, nothing)
    features["net_revenue"] = np.array([10.0 * len(days) for days in rows.values()])
    features["own_gap_days"] = np.array(
        [np.nan if len(days) == 1 else (days[-1] - days[0]).days / (len(days) - 1) for days in rows.values()]
    )
    mean_spend = np.array([np.nan if len(days) == 1 else 8.0 + len(days) for days in rows.values()])
    features["monetary_value"] = mean_spend
    later = [[(each - day).days for each in bought[name] if each > day] for name in rows]
    after = np.array([float(sum(days <= (horizon or 0) for days in each)) for each in later])
    return Origin(
        day=(day - EPOCH).days,
        customer=np.array([int(name, 16) >> 1 for name in rows], dtype=np.int64),
        frequency=np.array([len(days) - 1.0 for days in rows.values()]),
        recency=np.array([float((days[-1] - days[0]).days) for days in rows.values()]),
        age=np.array([float((day - days[0]).days) for days in rows.values()]),
        cadence=learned_gaps(rows.values()),
        yearly=nothing,
        variation=np.array([variation(days) for days in rows.values()], dtype=np.float64),
        features=features,
        next_purchase=None if horizon is None else np.array([min(each, default=np.nan) for each in later], dtype=float),
        purchases_after=None if horizon is None else after,
        mean_spend=mean_spend,
        spent=features["net_revenue"],
        spent_after=None if horizon is None else 12.5 * after,
    )


def test_scores_are_those_of_the_models_on_what_was_known(shop: Shop) -> None:
    con, bought = shop(600)
    score_churn(con, horizon_days=HORIZON)
    plan = distances(bought)
    assert plan.days_before == (60, 120, 180, 240)
    past = [origin_of(bought, TONIGHT - timedelta(days=each), plan.horizon_days) for each in plan.days_before]
    first = min(min(days) for days in bought.values())
    activity = np.zeros((TONIGHT - first).days + 1)
    for days in bought.values():
        for each in days:
            activity[(each - first).days] += 1
    expected = learn(
        past,
        origin_of(bought, TONIGHT, None),
        horizon_days=HORIZON,
        plan=plan,
        activity=Activity((first - EPOCH).days, activity),
    )
    rows = con.execute(
        "select customer_id, churn_probability, horizon_days, prediction_status, model, scored_on "
        "from predictions.churn_scores order by customer_id"
    ).fetchall()
    assert [row[0] for row in rows] == sorted(bought)
    assert [row[1] for row in rows] == pytest.approx(expected.probability.tolist(), abs=1e-12)
    assert {row[2:] for row in rows} == {(HORIZON, "model", expected.champion, TONIGHT)}
    # Silence is what the data were made to tell: the scores see it, and the backtest says so.
    measured = dict(
        con.execute(
            "select model, value from predictions.model_quality where origin_on is null and metric = 'auc'"
        ).fetchall()
    )
    assert measured[expected.champion] > 0.7
    written = con.execute(
        "select model, metric, value from predictions.model_quality where origin_on is null"
    ).fetchall()
    assert {row[:2]: row[2] for row in written} == {
        (row.candidate, row.metric): row.value for row in expected.quality if row.origin < 0
    }
    assert {("naive_rate", "value_gini"), ("last_period", "orders_mae")} < {row[:2] for row in written}


def test_reasons_add_up_to_the_margin_of_those_likelier_to_leave_than_most(shop: Shop) -> None:
    con, bought = shop(600)
    result = score_churn(con, horizon_days=HORIZON)
    reasons = con.execute(
        "select customer_id, max(margin), max(base) + sum(contribution), count(*), count(distinct feature) "
        "from predictions.churn_reasons group by customer_id"
    ).fetchall()
    assert [row[1] for row in reasons] == pytest.approx([row[2] for row in reasons], abs=1e-9)
    assert all(row[3] == row[4] for row in reasons)
    scores = dict(con.execute("select customer_id, churn_probability from predictions.churn_scores").fetchall())
    recent = {name for name, days in bought.items() if (TONIGHT - days[-1]).days <= 365}
    assert {row[0] for row in reasons} == {name for name in recent if scores[name] > result.base_rate}


def put_contracts(con: duckdb.DuckDBPyConnection, contracts: list[dict[str, Any]]) -> None:
    """Write contracts, of which each says only what is peculiar to it; days are those before tonight."""
    rows = []
    for number, one in enumerate(contracts):
        row: dict[str, Any] = {"terms_before": 0, "renewals_seen": 0, "outcome": "running"} | one
        row |= {"contract_key": f"{number:06d}", "held_since": row.get("held_since", row["started_on"])}
        for name in ("held_since", "started_on", "due_on", "ended_on", "renewed_on"):
            row[name] = TONIGHT - timedelta(days=row[name]) if name in row else None
        rows.append([row.get(name) for name in CONTRACT_TERMS])
    replace_table(con, "core", "contract_terms", CONTRACT_TERMS, rows)


#: 100 contracts of a year that were due: 90 of them were not renewed.
PAST_CONTRACTS: list[dict[str, Any]] = [
    {
        "customer_id": f"{number + 2**40:016x}",
        "started_on": 800,
        "ended_on": 435,
        **({"outcome": "not_renewed"} if number < 90 else {"outcome": "renewed", "renewed_on": 435}),
    }
    for number in range(100)
]


def test_whoever_is_under_contract_is_scored_by_contracts_and_not_by_silence(shop: Shop) -> None:
    con, bought = shop(600)
    score_churn(con, horizon_days=HORIZON)
    query = "select customer_id, churn_probability, model, prediction_status from predictions.churn_scores"
    before = {name: rest for name, *rest in con.execute(query).fetchall()}
    # The most silent of all is due in 20 days, somebody else after the horizon; a third has never bought.
    silent = min(bought, key=lambda name: max(bought[name]))
    held = {silent: -20, max(bought, key=lambda name: max(bought[name])): -61, "00000000000000ff": -59}
    running = [{"customer_id": name, "started_on": 300, "due_on": due} for name, due in held.items()]
    put_contracts(con, [*PAST_CONTRACTS, *running])
    result = score_churn(con, horizon_days=HORIZON)
    after = {name: rest for name, *rest in con.execute(query).fetchall()}
    # 90 losses and 10 renewals, all first ones: 0.9. Of 100 + 3 contracts none was cancelled in their first years.
    years = (100 * 365 + 3 * 300) / 365
    rate = 10 * 0.5 / (years + 5) / (years + 10)
    stays = np.exp(-HORIZON / 365 * rate)
    contracts = dict(con.execute("select customer_id, leave_probability from predictions.contract_scores").fetchall())
    assert sorted(contracts) == sorted(held)
    expected = [1 - 0.1 * stays, 1 - stays, 1 - 0.1 * stays]
    assert [contracts[name] for name in held] == pytest.approx(expected, rel=1e-5)
    for name, probability in contracts.items():
        if name in bought:
            assert after[name] == [probability, "contract_hazard", "model"]
    # Everybody else is scored as ever, and no score is missing.
    assert set(after) == set(bought)
    assert {name: each for name, each in after.items() if name not in held} == {
        name: each for name, each in before.items() if name not in held
    }
    assert result.champion == next(iter(before.values()))[1] != "contract_hazard"
    # The reasons of the silent one are those of the contract.
    reasons = con.execute(
        "select feature, value, contribution, base, margin from predictions.churn_reasons where customer_id = ?",
        [silent],
    ).fetchall()
    told = {feature: value for feature, value, *_ in reasons}
    assert after[silent][0] > np.mean([each[0] for each in after.values()])
    assert told == {"days_to_renewal": 20.0, "renewals_made": 0.0, "contract_ended": None}
    assert reasons[0][3] + sum(row[2] for row in reasons) == pytest.approx(reasons[0][4], abs=1e-9)
    assert reasons[0][4] == pytest.approx(np.log(after[silent][0] / (1 - after[silent][0])))


def test_scores_of_contracts_stay_tonights_where_those_of_purchases_are_held_back(shop: Shop) -> None:
    con, bought = shop(200)
    held, was_held, *others = sorted(bought)
    put_contracts(con, [{"customer_id": held, "started_on": 300, "due_on": -20}])
    score_churn(con, horizon_days=HORIZON)
    query = "select customer_id, churn_probability, model from predictions.churn_scores"
    tonight = {name: rest for name, *rest in con.execute(query).fetchall()}
    before = TONIGHT - timedelta(days=3)
    rows = [
        (name, 0.25, 30, "model", "旧", "Old", "contract_hazard" if name == was_held else "logistic", before)
        for name in sorted(bought)
    ]
    replace_table(con, "run", "previous_churn_scores", PREVIOUS_SCORES, rows)
    replace_table(con, "run", "previous_score_facts", SCORE_FACTS, [])
    keep_previous_scores(con)
    kept = {name: rest for name, *rest in con.execute(query).fetchall()}
    assert kept[held] == tonight[held]
    assert kept[held][1] == "contract_hazard"
    # A contract that is over says nothing any more.
    assert kept[was_held] == tonight[was_held]
    assert {tuple(kept[name]) for name in others} == {(0.25, "logistic")}


@pytest.mark.parametrize("customers", [0, 1, 2, 3, 50, 200])
def test_every_buyer_has_a_score_however_few_there_are(shop: Shop, customers: int) -> None:
    con, bought = shop(customers)
    score_churn(con, horizon_days=HORIZON)
    rows = con.execute(
        "select customer_id, churn_probability, prediction_status, reason_zh, reason_en from predictions.churn_scores"
    ).fetchall()
    assert {row[0] for row in rows} == set(bought)
    assert all(0 < row[1] < 1 for row in rows)
    assert {row[2] for row in rows} <= {"model", "segment_average", "rule_only", "insufficient"}
    assert all(row[3] and row[4] for row in rows)
    for table, columns in CHURN_TABLES.items():
        found = {row[0]: row[1].lower() for row in con.execute(f"describe predictions.{table}").fetchall()}
        assert found == columns, table


def test_the_same_data_give_the_same_scores(shop: Shop) -> None:
    con, _ = shop(300)
    query = "select * from predictions.{} order by all"
    told = []
    for _ in range(2):
        score_churn(con, horizon_days=HORIZON)
        told.append([con.execute(query.format(table)).fetchall() for table in CHURN_TABLES])
    assert told[0] == told[1]


def test_the_last_good_scores_stay_with_their_date_and_newcomers_get_tonights(shop: Shop) -> None:
    con, bought = shop(200)
    score_churn(con, horizon_days=HORIZON)
    tonight = dict(con.execute("select customer_id, churn_probability from predictions.churn_scores").fetchall())
    newcomer, *old = sorted(bought)
    before = TONIGHT - timedelta(days=3)
    rows = [(name, 0.25, 30, "model", "旧", "Old", "logistic", before) for name in old]
    replace_table(con, "run", "previous_churn_scores", PREVIOUS_SCORES, rows)
    facts = [("score_skill", "logistic", before, 0.4), ("score_horizon_days", "logistic", before, 30.0)]
    replace_table(con, "run", "previous_score_facts", SCORE_FACTS, facts)
    keep_previous_scores(con)
    kept = con.execute("select * from predictions.churn_scores order by customer_id").fetchall()
    assert kept[1:] == rows
    assert kept[0][:2] == (newcomer, tonight[newcomer])
    assert kept[0][7] == TONIGHT
    assert con.execute("select count(*) from predictions.churn_reasons").fetchall() == [(0,)]
    assert sorted(con.execute("select * from predictions.score_facts").fetchall()) == sorted(facts)


@pytest.mark.parametrize(("days_ago", "is_held"), [(3, True), (HORIZON - 1, True), (HORIZON, False)])
def test_better_scores_are_the_measure_until_their_horizon_has_passed(shop: Shop, days_ago: int, is_held: bool) -> None:
    con, _ = shop(200)
    learned = score_churn(con, horizon_days=HORIZON)
    before = TONIGHT - timedelta(days=days_ago)
    facts = [("score_skill", "logistic", before, 0.99), ("score_horizon_days", "logistic", before, float(HORIZON))]
    replace_table(con, "run", "previous_score_facts", SCORE_FACTS, facts)
    verdict = judge_scores(con, learned, HORIZON, Limits(max_score_loss=1.0))
    assert not verdict.warnings
    verdict = judge_scores(con, learned, HORIZON, Limits(max_score_loss=0.05))
    assert bool(verdict.warnings) is is_held


def test_a_loss_within_two_standard_errors_of_both_nights_holds_nothing_back(shop: Shop) -> None:
    con, _ = shop(200)
    learned = score_churn(con, horizon_days=HORIZON)
    facts = dict(con.execute("select fact, value from predictions.score_facts").fetchall())
    assert learned.skill is not None
    assert (facts["score_skill"], facts["score_skill_error"]) == (learned.skill.value, learned.skill.error)
    # Of a few hundred forecasts the skill is not known to a hundredth.
    error = facts["score_skill_error"]
    assert 0.01 < error < 0.2
    # As 3, 4 and 5: the error of the difference is 5 / 3 of tonight's.
    allowed = 2 * error * 5 / 3
    for loss, error_before, is_held in (
        (allowed * 0.99, error * 4 / 3, False),
        (allowed * 1.01, error * 4 / 3, True),
        # A release that did not tell its error is taken to know as much as tonight.
        (2 * error * 2**0.5 * 0.99, None, False),
        (2 * error * 2**0.5 * 1.01, None, True),
    ):
        before = TONIGHT - timedelta(days=3)
        told = {"score_skill": facts["score_skill"] + loss, "score_horizon_days": float(HORIZON)}
        if error_before is not None:
            told["score_skill_error"] = error_before
        rows = [(fact, "logistic", before, value) for fact, value in told.items()]
        replace_table(con, "run", "previous_score_facts", SCORE_FACTS, rows)
        verdict = judge_scores(con, learned, HORIZON, Limits(max_score_loss=0.01))
        assert bool(verdict.warnings) is is_held, (loss, error_before)
