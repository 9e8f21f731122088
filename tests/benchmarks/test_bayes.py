"""Answers of the library that lives elsewhere are judged as this project's own; asking it is left to ``make bench``."""

import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.bayes import PRIORS, NotAvailableError, _compared, environment
from benchmarks.libraries import MODELS, Keeprate
from benchmarks.million import simulate
from benchmarks.purchases import Case, Purchases, _company
from benchmarks.tables import bayes_table, forecast_table
from demo.company import simulate as simulate_company
from warehouse.connection import connect


def test_an_environment_without_the_library_is_told_and_not_used(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")
    with pytest.raises(NotAvailableError, match=r"cannot be used from .*No module named 'pymc_marketing'"):
        environment(tmp_path)


def test_equal_estimates_have_equal_likelihoods_and_forecasts() -> None:
    log = simulate(np.random.default_rng(4), 3_000)
    case = Case("a shop", Purchases(log.customer, log.day, log.amount), date(2024, 12, 31), 180)
    with connect() as con:
        ours = Keeprate(con, case.purchases)
        histories = ours.summarise(case.cut)
        fits, arrays = {}, {}
        for model in MODELS:
            fitted = ours.fit(model, histories)
            # One has the same estimates, the other twice the rate of purchases.
            for priors, double in (("own", 1), ("flat", 2)):
                estimates = dict(fitted.params_)
                estimates["alpha"] /= double
                fits[f"{model}/{priors}"] = {"first": 9.0, "again": 2.0, "parameters": estimates}
                arrays[f"{model}/{priors}/expected"] = double * ours.expected_purchases(fitted, 180, histories)
                arrays[f"{model}/{priors}/alive"] = ours.probability_alive(fitted, histories)
        spend = ours.fit_spend(histories)
        fits["Gamma-Gamma/own"] = {"first": 9.0, "again": 2.0, "parameters": dict(spend.params_)}
        figures, foretold = _compared(case, histories, ours, fits, arrays)
    same, other = PRIORS
    rows = {row["figure"]: row for row in figures}
    for model in MODELS:
        likelihood = rows[f"{model}: log-likelihood"]
        assert likelihood[same] == pytest.approx(likelihood["Keeprate"], rel=1e-12)
        assert likelihood[other] < likelihood["Keeprate"] - 10
        assert rows[f"{model}: alpha"][other] == pytest.approx(rows[f"{model}: alpha"]["Keeprate"] / 2)
        seconds = [rows[f"{model} fit, {order}: processor s"][same] for order in ("first", "again")]
        assert seconds == [9.0, 2.0]
    scores = {row["score"]: row for row in foretold}
    mine = scores["BG/NBD, Keeprate"]
    assert scores[f"BG/NBD, {same}"]["mae"] == mine["mae"]
    assert scores[f"BG/NBD, {other}"]["bias"] == pytest.approx(2 * (1 + mine["bias"]) - 1)
    # It was not asked for P(no purchase).
    assert scores[f"BG/NBD, {same}"]["auc_no_purchase"] is None
    named = [{"case": "a shop", **row} for row in figures]
    table = bayes_table({"figures": named, "version": "1.0", "import": 12.3}, list(PRIORS))
    assert table.rows[0] == [f"a shop: {len(histories.customer):,} customers"]
    assert [table.rows[1][0], table.rows[1][2]] == ["BG/NBD fit, first: processor s", "9.000"]
    assert "pymc" in forecast_table([{"case": "a shop", **row} for row in foretold], "pymc-marketing").title


def test_the_demo_is_measured_in_its_base_currency_and_its_own_days() -> None:
    found = _company()
    with connect() as con:
        simulate_company(con, customers=20_000, seed=7, ends_on=date(2025, 12, 31))
        orders = con.sql("select person_no, ordered_at, kind, status, currency, net_amount from company.orders").df()
        rates = con.sql("select currency as c, valid_on, rate from company.fx_rates").df()
    orders = orders[(orders["kind"] == "sale") & orders["status"].isin(["paid", "shipped", "completed"])]
    day = (orders["ordered_at"] + pd.Timedelta(hours=8)).dt.normalize()
    assert sorted(found.day.tolist()) == sorted(day.dt.date)
    per_day = rates.astype({"rate": float}).pivot_table(index="valid_on", columns="c", values="rate")
    per_day.index = pd.to_datetime(per_day.index)
    per_day = per_day.reindex(pd.date_range("2023-01-01", "2025-12-31")).ffill().assign(CNY=1.0)
    rate = per_day.to_numpy()[per_day.index.get_indexer(day), per_day.columns.get_indexer(orders["currency"])]
    assert found.amount.sum() == pytest.approx(float((orders["net_amount"].astype(float) * rate).sum()), rel=1e-9)
    assert set(found.customer.tolist()) == set(orders["person_no"])
