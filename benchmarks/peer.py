"""A child that asks both libraries the same questions about the same customers, and reports seconds and accuracy.

Belongs here: what is timed, and how answers are judged. Does not belong here: how a library is asked
(``libraries.py``), or where the customers come from (``purchases.py``).
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.libraries import MODELS, Floats, Forecaster, Histories, Keeprate, Library, Lifetimes
from benchmarks.measure import Report
from benchmarks.purchases import Case, cases

__all__ = ["area_under_curve", "fit_row", "forecasts"]

_REPEATS = 3
_MONTHLY_RATE = 1.08 ** (1 / 12) - 1


def main(home: Path) -> None:
    """Compare on every case and report."""
    # lifetimes was written for older numpy and pandas; its warnings say nothing about the figures.
    warnings.simplefilter("ignore")
    from warehouse.connection import connect

    report = Report(facts={"seconds": [], "fits": [], "forecasts": []})
    with connect() as con:
        for case in cases(home):
            with report.stage(case.name):
                libraries: list[Library] = [Keeprate(con, case.purchases), Lifetimes(case.purchases)]
                for kind, rows in _compared(case, libraries).items():
                    report.facts[kind] += [{"case": case.name, **row} for row in rows]
    report.send()


def area_under_curve(score: Floats, event: Any) -> float:
    """Chance that a customer with the event scores higher than one without; ties count half.

    Parameters
    ----------
    score, event : array_like, shape (n,)
        Higher scores should mean that the event is more likely; events are true or false.
    """
    from scipy.stats import rankdata

    happened = np.asarray(event, dtype=bool)
    events, others = int(happened.sum()), int((~happened).sum())
    return float((rankdata(score)[happened].sum() - events * (events + 1) / 2) / (events * others))


def _compared(case: Case, libraries: list[Library]) -> dict[str, list[dict[str, Any]]]:
    """Rows of the three tables for one case."""
    ours, theirs = libraries
    seconds: list[dict[str, Any]] = []

    def both(task: str, ask: Callable[[Library], Any]) -> dict[str, Any]:
        """Ask both in turn, so that a busy machine disturbs both alike; keep the medians and the last answers."""
        took: dict[str, list[float]] = {library.name: [] for library in libraries}
        answers = {}
        for _ in range(_REPEATS):
            for library in libraries:
                started = time.perf_counter()
                answers[library.name] = ask(library)
                took[library.name].append(time.perf_counter() - started)
        seconds.append({"task": task, **{name: median(each) for name, each in took.items()}})
        return answers

    summaries = both("histories", lambda library: library.summarise(case.cut))
    histories: Histories = summaries[ours.name]
    _require_equal(histories, summaries[theirs.name], case.name)
    when = {model: both(f"{model} fit", partial(_fit, model, histories)) for model in MODELS}
    spend = both("Gamma-Gamma fit", lambda library: library.fit_spend(histories))
    values = both(
        "value of the next 12 months",
        lambda library: library.lifetime_value(
            when["BG/NBD"][library.name], spend[library.name], histories, _MONTHLY_RATE
        ),
    )
    totals = {name: float(np.sum(value)) for name, value in values.items()}
    fits = [fit_row(model, fitted, histories, libraries) for model, fitted in [*when.items(), ("Gamma-Gamma", spend)]]
    fits.append({"model": "value of the next 12 months, total", "status": "", **totals})
    return {
        "seconds": [{**row, "customers": len(histories.customer)} for row in seconds],
        "fits": fits,
        "forecasts": forecasts(case, when, histories, libraries) if case.holdout_days else [],
    }


def _fit(model: str, histories: Histories, library: Library) -> Any:
    return library.fit(model, histories)


def _require_equal(histories: Histories, summary: Any, name: str) -> None:
    """Both must speak of the same customers, or no figure means anything."""
    theirs = summary.sort_index()
    for column in ("frequency", "recency", "T", "monetary_value"):
        np.testing.assert_allclose(
            theirs[column].to_numpy(), getattr(histories, column), rtol=1e-9, atol=1e-9, err_msg=f"{name}: {column}"
        )


def fit_row(
    model: str, fitted: dict[str, Any], histories: Histories, libraries: Sequence[Forecaster]
) -> dict[str, Any]:
    """Total log-likelihood at each library's estimates, by one formula: the libraries scale theirs differently."""
    found = {
        library.name: _log_likelihood(model, library.parameters(fitted[library.name]), histories)
        for library in libraries
    }
    return {"model": model, "status": fitted[libraries[0].name].status_, **found}


def _log_likelihood(model: str, parameters: dict[str, float], histories: Histories) -> float:
    from models import BetaGeoNBD, ModifiedBetaGeoNBD

    if model == "Gamma-Gamma":
        return _spend_log_likelihood(parameters, histories)
    family = BetaGeoNBD if model == "BG/NBD" else ModifiedBetaGeoNBD
    return float(np.sum(family.from_params(**parameters).log_likelihood(*histories.when)))


def _spend_log_likelihood(parameters: dict[str, float], histories: Histories) -> float:
    """Fader & Hardie (2013), eq. (1a)."""
    from scipy.special import betaln

    p, q, v = (parameters[name] for name in "pqv")
    back = (histories.frequency > 0) & (histories.monetary_value > 0)
    x, mean = histories.frequency[back], histories.monetary_value[back]
    total = x * mean
    each = p * x * np.log(total / (v + total)) + q * np.log(v / (v + total)) - np.log(mean) - betaln(p * x, q)
    return float(np.sum(each))


def forecasts(
    case: Case, when: dict[str, dict[str, Any]], histories: Histories, libraries: Sequence[Forecaster]
) -> list[dict[str, Any]]:
    """Errors over the hold-out, and how well each score ranks the customers who bought nothing in it."""
    actual = case.future_days_with_purchase(histories.customer)
    silent = actual == 0
    rows = []
    for model in MODELS:
        for library in libraries:
            fitted = when[model][library.name]
            expected = library.expected_purchases(fitted, case.holdout_days, histories)
            no_purchase = library.probability_no_purchase(fitted, case.holdout_days, histories)
            rows.append(
                {
                    "score": f"{model}, {library.name}",
                    "bias": float(expected.sum() / actual.sum() - 1),
                    "mae": float(np.mean(np.abs(expected - actual))),
                    "auc_no_purchase": None if no_purchase is None else area_under_curve(no_purchase, silent),
                    "auc_expected": area_under_curve(-expected, silent),
                    "auc_dead": area_under_curve(-library.probability_alive(fitted, histories), silent),
                }
            )
    gap = area_under_curve(histories.T - histories.recency, silent)
    rows.append({"score": "days since the last purchase", "bias": None, "mae": None, "auc_no_purchase": gap})
    sizes = {"actual": int(actual.sum()), "silent": float(silent.mean())}
    return [{"auc_expected": None, "auc_dead": None, **row, **sizes} for row in rows]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
