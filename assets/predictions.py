"""Between the two table steps: fit the models, score every distinct state.

Belongs here: reading states, writing scores, showing how they are distributed. Does not belong here:
statistics, or a customer.
"""

import base64
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.night import ONE_RUN_PER_DAY, OWNERS, POOL, Night, step
from warehouse.build import replace_table, replace_table_from_numpy

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    from numpy.typing import NDArray

    from models.scoring import Scores

__all__ = ["predict", "prediction_assets"]

_DESCRIPTIONS = {
    "btyd_states": "What the churn model says of each distinct purchase history.",
    "spend_model": "The parameters of the spend model, from which SQL computes each customer's expected spend.",
    "model_fits": "Parameters, standard errors, likelihood and status of every fitted model.",
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
                ],
                description=text,
                group_name="predictions",
                owners=OWNERS,
                kinds={"python"},
            )
            for name, text in _DESCRIPTIONS.items()
        ],
        partitions_def=partitions_def,
        backfill_policy=ONE_RUN_PER_DAY,
        pool=POOL,
    )
    def predictions(context: dg.AssetExecutionContext, night: Night) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        rules = night.rules
        with step("predictions") as done, night.build() as con:
            scores, customers = predict(
                con, horizon_days=rules.churn.horizon_days, discount_rate_year=rules.clv.discount_rate_year
            )
            rows = sum(len(fit.parameters) for fit in scores.fits)
            # The states, the spend model and the fits: all that Dagster is told of below.
            done["count"] = len(customers) + 1 + rows
        churn = scores.columns["p_no_purchase"]
        metadata: dict[str, dict[str, Any]] = {
            "btyd_states": {
                "dagster/row_count": len(churn),
                "customers": int(customers.sum()),
                "churn probability": dg.MetadataValue.md(_histogram(churn, customers, rules.churn.horizon_days)),
            },
            "spend_model": {"dagster/row_count": 1, **scores.spend.params_},
            "model_fits": {"dagster/row_count": rows, **{fit.model: fit.status for fit in scores.fits}},
        }
        for name, facts in metadata.items():
            yield dg.MaterializeResult(asset_key=["predictions", name], metadata=facts)

    return predictions


def _histogram(probability: "NDArray[Any]", customers: "NDArray[np.integer[Any]]", horizon_days: int) -> str:
    """Draw how many customers have which churn probability, as an image in markdown."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 2.5), layout="constrained")
    axes = figure.subplots()
    axes.hist(probability, bins=20, range=(0, 1), weights=customers, color="#2f6f9f")
    axes.set(xlabel=f"probability of no purchase within {horizon_days} days", ylabel="customers")
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=80)
    return f"![churn probability](data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()})"
