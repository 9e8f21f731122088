"""Between the two table steps: fit the models, score every distinct state, and every buyer's chance of leaving.

Belongs here: the asset, what the purchase models read and write, and how scores are shown. Does not belong here:
statistics, what the churn models read and write (``churn_scores.py``), or which scores may be published
(``expectations``).
"""

import base64
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.churn_scores import CHURN_TABLES, score_as_published
from assets.night import ONE_RUN_PER_DAY, OWNERS, POOL, Night, step
from warehouse.build import replace_table, replace_table_from_numpy

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from models.churn import ChurnResult
    from models.scoring import Scores

__all__ = ["predict", "prediction_assets"]

_DESCRIPTIONS = {
    "btyd_states": "What the churn model says of each distinct purchase history.",
    "btyd_horizons": "Orders and spend expected of each distinct purchase history within each horizon.",
    "spend_model": "The parameters of the spend model, from which SQL computes each customer's expected spend.",
    "model_fits": "Parameters, standard errors, likelihood and status of every fitted model.",
    "churn_scores": "The probability that each buyer buys nothing within the horizon, and what it rests on.",
    "contract_scores": "The probability that each customer under contract leaves within the horizon, and why.",
    "score_facts": "Of which model, from which day, for which horizon and how good these scores are.",
    "churn_reasons": "What speaks for and against the scores of those who look likelier to leave than most.",
    "model_quality": "What every candidate would have said on past days, measured against what happened.",
    "model_deciles": "The same in tenths of the customers, for the champion and the rule about silence.",
}
_FIT_COLUMNS = {
    "model": "varchar",
    "parameter": "varchar",
    "value": "double",
    "standard_error": "double",
    "log_likelihood": "double",
    "status": "varchar",
}


def predict(
    con: "duckdb.DuckDBPyConnection", *, horizon_days: int, discount_rate_year: float
) -> "tuple[Scores, NDArray[np.integer[Any]]]":
    """Fit the models to the purchase histories of the build file and write what they say of each.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build file, with the tables before scores.
    horizon_days, discount_rate_year
        See ``models.scoring.score_states``.

    Returns
    -------
    Scores, ndarray
        What was written, and the number of customers of each history.
    """
    from models.scoring import score_states

    # Sorted, so that sums over them are the same every time.
    states = con.execute(
        "select frequency, recency_days, age_days, customers from core.btyd_states order by all"
    ).fetchnumpy()
    spend = con.execute(
        "select repeat_occasions as frequency, monetary_value from core.customer_snapshots "
        "where as_of = (select max(as_of) from run.as_of_dates) and repeat_occasions > 0 order by all"
    ).fetchnumpy()
    # Money is summed as decimal; a sum of doubles would depend on the number of threads.
    occasions, turnover = con.execute("select count(*), sum(amount) from core.customer_occasions").fetchall()[0]
    scores = score_states(
        states["frequency"],
        states["recency_days"],
        states["age_days"],
        states["customers"],
        spend_frequency=spend["frequency"],
        spend_value=spend["monetary_value"],
        mean_spend=float(turnover / occasions) if occasions else 0.0,
        horizon_days=horizon_days,
        discount_rate_year=discount_rate_year,
    )
    key = {name: states[name] for name in ("frequency", "recency_days", "age_days")}
    replace_table_from_numpy(con, "predictions", "btyd_states", key | scores.columns)
    _write_horizons(con, key, scores)
    replace_table(
        con,
        "predictions",
        "spend_model",
        dict.fromkeys("pqv", "double"),
        [[scores.spend.params_[name] for name in "pqv"]],
    )
    rows = [
        (fit.model, name, value, fit.standard_errors[name], fit.log_likelihood, fit.status)
        for fit in scores.fits
        for name, value in fit.parameters.items()
    ]
    replace_table(con, "predictions", "model_fits", _FIT_COLUMNS, rows)
    return scores, states["customers"]


def _write_horizons(con: "duckdb.DuckDBPyConnection", key: "dict[str, NDArray[Any]]", scores: "Scores") -> None:
    """Write a row per history and horizon."""
    import numpy as np

    value = scores.value
    width = len(value.horizons)
    columns = {name: np.repeat(column, width) for name, column in key.items()}
    columns |= {
        "horizon_days": np.tile(np.array(value.horizons, dtype=np.int32), len(value.expected_orders)),
        "expected_orders": value.expected_orders.ravel(),
        "discounted_orders": value.discounted_orders.ravel(),
        "discounted_spend_ratio_low": value.spend_ratio_low.ravel(),
        "discounted_spend_ratio_high": value.spend_ratio_high.ravel(),
    }
    replace_table_from_numpy(con, "predictions", "btyd_horizons", columns)


def prediction_assets(partitions_def: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Build the asset of the predictions."""

    @dg.multi_asset(
        name="predictions",
        specs=[
            dg.AssetSpec(
                ["predictions", name],
                deps=[
                    ["core", "btyd_states"],
                    ["core", "customer_snapshots"],
                    ["core", "customer_occasions"],
                    ["core", "churn_outcomes"],
                    ["core", "contract_terms"],
                ],
                description=text,
                group_name="predictions",
                owners=OWNERS,
                kinds={"python"},
            )
            for name, text in _DESCRIPTIONS.items()
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "score_gate",
                asset=["predictions", "churn_scores"],
                description="Churn scores that got worse than the rule, or than the last release, are held back.",
            )
        ],
        partitions_def=partitions_def,
        backfill_policy=ONE_RUN_PER_DAY,
        pool=POOL,
    )
    def predictions(
        context: dg.AssetExecutionContext, night: Night
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]
        from assets.gates import report
        from expectations import Limits

        rules = night.rules
        with step("predictions") as done, night.build() as con:
            scores, customers = predict(
                con, horizon_days=rules.churn.horizon_days, discount_rate_year=rules.clv.discount_rate_year
            )
            churn, verdict = score_as_published(
                con, horizon_days=rules.churn.horizon_days, limits=Limits.from_rules(rules.gates)
            )
            check = report(con, verdict)
            rows = sum(len(fit.parameters) for fit in scores.fits)
            counts = {
                name: con.execute(f"select count(*) from predictions.{name}").fetchall()[0][0] for name in CHURN_TABLES
            }
            horizons = scores.value.expected_orders.size
            # All that Dagster is told of below: the states, the spend model, the fits and the tables of churn.
            done["count"] = len(customers) + horizons + 1 + rows + sum(counts.values())
        metadata: dict[str, dict[str, Any]] = {
            "btyd_states": {
                "dagster/row_count": len(customers),
                "customers": int(customers.sum()),
            },
            "btyd_horizons": {"dagster/row_count": horizons},
            "spend_model": {"dagster/row_count": 1, **scores.spend.params_},
            "model_fits": {"dagster/row_count": rows, **{fit.model: fit.status for fit in scores.fits}},
            "churn_scores": {
                "champion": churn.champion,
                "learned horizon (days)": churn.learned_horizon,
                "carried by": churn.carried,
                "has season": churn.has_season,
                "churn probability": dg.MetadataValue.md(_histogram(churn.probability, rules.churn.horizon_days)),
            },
            "contract_scores": {},
            "score_facts": {},
            "churn_reasons": {},
            "model_quality": {"candidates": dg.MetadataValue.md(_candidates(churn))},
            "model_deciles": {"calibration": dg.MetadataValue.md(_calibration(churn))},
        }
        for name, count in counts.items():
            metadata[name]["dagster/row_count"] = count
        for name, facts in metadata.items():
            yield dg.MaterializeResult(asset_key=["predictions", name], metadata=facts)
        yield check._replace(check_name="score_gate", asset_key=dg.AssetKey(["predictions", "churn_scores"]))

    return predictions


def _histogram(probability: "NDArray[Any]", horizon_days: int) -> str:
    """Draw how many customers have which churn probability, as an image in markdown."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 2.5), layout="constrained")
    axes = figure.subplots()
    axes.hist(probability, bins=20, range=(0, 1), color="#2f6f9f")
    axes.set(xlabel=f"probability of no purchase within {horizon_days} days", ylabel="customers")
    return _picture(figure, "churn probability")


def _calibration(churn: "ChurnResult") -> str:
    """Draw what was forecast on past days against what happened, a point per tenth of the customers."""
    from matplotlib.figure import Figure

    if not churn.deciles:
        return "No past day could be forecast."
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot((0, 1), (0, 1), color="#999999", linewidth=1)
    for name in dict.fromkeys(row.candidate for row in churn.deciles):
        rows = [row for row in churn.deciles if row.candidate == name]
        axes.plot([row.probability for row in rows], [row.rate for row in rows], "o", label=name)
    axes.set(xlabel="forecast", ylabel=f"bought nothing within {churn.learned_horizon} days")
    axes.legend()
    return _picture(figure, "calibration")


def _candidates(churn: "ChurnResult") -> str:
    """Tell the means of the backtest, the champion first, as a table in markdown."""
    shown = ("auc", "brier", "ece", "lift")
    found: dict[str, dict[str, float]] = {}
    for row in churn.quality:
        if row.origin < 0 and row.metric in shown:
            found.setdefault(row.candidate, {})[row.metric] = row.value
    if not found:
        return "No past day could be forecast."
    lines = [" | ".join(("candidate", *shown)), " | ".join("---" for _ in ("", *shown))]
    for name in sorted(found, key=lambda name: (name != churn.champion, found[name]["brier"])):
        lines.append(" | ".join((name, *(f"{found[name][metric]:.4f}" for metric in shown))))
    return "\n".join(lines)


def _picture(figure: "Figure", name: str) -> str:
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=80)
    return f"![{name}](data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()})"
