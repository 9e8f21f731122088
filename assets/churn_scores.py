"""Who leaves: what the churn models read of the build file, and what they write into it.

Belongs here: past days and tonight as arrays, contracts as arrays, scores with their reasons, facts and backtest as
tables, and the scores of the last release where tonight's are held back. Does not belong here: statistics (``models``),
how much worse is too much (``expectations``), the asset (``predictions.py``).
"""

from datetime import date, timedelta
from math import hypot
from typing import TYPE_CHECKING, Any

from warehouse.build import replace_table, replace_table_from_numpy

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    from numpy.typing import NDArray

    from expectations import GateResult, Limits
    from models.churn import ChurnResult, Origin
    from models.renewals import Book, ContractScores

__all__ = [
    "CHURN_TABLES",
    "FEATURES",
    "PREVIOUS_SCORES",
    "SCORE_FACTS",
    "judge_scores",
    "keep_previous_scores",
    "score_as_published",
    "score_churn",
]

#: What trees may learn from, beside the purchases themselves: columns of core.customer_snapshots. Who somebody is (age,
#: gender, place) is not among them.
FEATURES = (
    *("orders_365d", "orders_90d", "orders_prior_90d", "refunds_90d", "active_days_30d", "active_days_90d"),
    *("own_gap_days", "threshold_days", "monetary_value", "aov_365d"),
    *("net_revenue", "net_revenue_365d", "net_revenue_90d", "net_revenue_prior_90d", "refund_amount", "gross_margin"),
    *("costs_total", "days_since_created", "days_since_login", "logins_30d", "logins_prior_90d_monthly"),
    *("feature_events_30d", "feature_events_prior_90d_monthly", "features_used_30d", "features_used_prior_90d"),
    *("usage_seconds_30d", "usage_seconds_prior_90d_monthly", "tickets_30d", "tickets_prior_90d_monthly"),
    *("complaints_90d", "days_since_complaint", "open_tickets", "open_repeat_tickets"),
    *("nps_latest", "nps_age_days", "csat_latest", "csat_age_days", "interactions_90d", "days_since_contact"),
    *("touches_90d", "touch_responses_90d", "opted_out_channels", "points_balance", "points_expiring_30d"),
    *("has_contract", "mrr", "days_to_renewal", "is_paused", "champion_left"),
)
#: Buyers of past days that are read at most; learning takes fewer.
READ_CUSTOMERS = 100_000
#: Reasons cost up to a millisecond each: of those likelier to leave than most, the likeliest this many get them.
EXPLAINED_CUSTOMERS = 20_000
#: A silence longer than this is no news; whoever is silent longer belongs to no list of alerts.
EXPLAINED_SILENCE_DAYS = 365
#: Gaps of all that join a customer's own.
GAP_SHRINKAGE = 3
#: The personal gap of the tables stands still from the month of the last purchase on, so that nobody's threshold moves.
#: In a young shop little was known by then: a model is told what all gaps say on the day itself.
_CADENCE = f"""
    case
        when snapshots.is_annual_buyer then snapshots.own_gap_days
        else coalesce(
            (snapshots.repeat_occasions * coalesce(snapshots.own_gap_days, 0) + {GAP_SHRINKAGE} * usual.gap_days)
            / (snapshots.repeat_occasions + {GAP_SHRINKAGE}),
            snapshots.personal_gap_days
        )
    end
"""
_OWN = {
    "frequency": "repeat_occasions",
    "recency": "repeat_recency_days",
    "age": "age_days",
    "cadence": _CADENCE,
    "variation": "gap_variation",
    "yearly": "case when is_annual_buyer then own_gap_days end",
    "mean_spend": "monetary_value",
    "spent": "net_revenue",
}
#: What came of a past day, as the models call it; tonight's own is not known.
_OUTCOMES = {
    "next_purchase": "outcomes.next_purchase_on - snapshots.as_of",
    "purchases_after": "outcomes.purchases_after",
    "spent_after": "outcomes.spent_after",
}
#: Ids are 16 hexadecimal digits: their order as numbers is their order as text.
_BUYERS = """
    with usual as (
        select median(own_gap_days) as gap_days
        from core.customer_snapshots
        where as_of = $day
    )
    select
        cast('0x' || snapshots.customer_id as ubigint) as customer,
        {columns}
    from core.customer_snapshots as snapshots
    cross join usual
    left join core.churn_outcomes as outcomes
        on snapshots.as_of = outcomes.as_of and snapshots.customer_id = outcomes.customer_id
    where snapshots.as_of = $day and snapshots.occasions > 0 and snapshots.customer_id <= $bound
    order by customer
"""
_CONTRACTS = """
    select
        cast('0x' || customer_id as ubigint) as customer,
        outcome,
        {columns}
    from core.contract_terms
    order by contract_key
"""
_CONTRACT_DAYS = {
    "held_since": "held_since",
    "started": "started_on",
    "due": "due_on",
    "ended": "ended_on",
    "renewed": "renewed_on",
}
_CONTRACT_COUNTS = {"terms_before": "terms_before", "renewals_seen": "renewals_seen", "step": "step_days"}
_DAYS = """
    select cast(as_of as date), purpose = 'tonight'
    from run.as_of_dates
    where purpose in ('tonight', 'training')
    order by 1 desc
"""
SCORE_FACTS = {"fact": "varchar", "subject": "varchar", "known_on": "date", "value": "double"}
#: What was published of the scores of an earlier night: what may stay instead of tonight's.
PREVIOUS_SCORES = {
    "customer_id": "varchar",
    "churn_probability": "double",
    "horizon_days": "integer",
    "score_status": "varchar",
    "score_reason_zh": "varchar",
    "score_reason_en": "varchar",
    "model": "varchar",
    "scored_on": "date",
}
#: Columns that dbt reads, as SQL types: what :func:`score_churn` leaves behind.
CHURN_TABLES = {
    "churn_scores": {
        "customer_id": "varchar",
        "churn_probability": "double",
        "horizon_days": "integer",
        "prediction_status": "varchar",
        "reason_zh": "varchar",
        "reason_en": "varchar",
        "model": "varchar",
        "scored_on": "date",
    },
    "contract_scores": {
        "customer_id": "varchar",
        "leave_probability": "double",
        "horizon_days": "integer",
        "prediction_status": "varchar",
        "reason_zh": "varchar",
        "reason_en": "varchar",
        "renewals_made": "integer",
        "days_to_renewal": "integer",
        "renewals_ahead": "integer",
        "days_since_end": "integer",
        "next_hazard": "double",
        "renewal_hazard": "double",
        "cancellation_hazard": "double",
    },
    "score_facts": SCORE_FACTS,
    "churn_reasons": {
        "customer_id": "varchar",
        "feature": "varchar",
        "value": "double",
        "contribution": "double",
        "base": "double",
        "margin": "double",
    },
    "model_quality": {
        "origin_on": "date",
        "model": "varchar",
        "metric": "varchar",
        "value": "double",
        "low": "double",
        "high": "double",
        "customers": "bigint",
        "events": "bigint",
        "learned_horizon_days": "integer",
        "is_champion": "boolean",
    },
    "model_deciles": {
        "origin_on": "date",
        "model": "varchar",
        "decile": "integer",
        "customers": "bigint",
        "events": "bigint",
        "probability": "double",
        "rate": "double",
        "lift": "double",
        "capture": "double",
        "is_champion": "boolean",
    },
}


def score_churn(con: "duckdb.DuckDBPyConnection", *, horizon_days: int) -> "ChurnResult":
    """Learn who leaves on the past days of the build file, and write what that says of tonight's buyers.

    Whoever is under contract is judged by how contracts went before, and not by the silence between purchases.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build file, with the snapshots of tonight and of the days learned from.
    horizon_days : int
        Days ahead that the probability speaks of.

    Returns
    -------
    ChurnResult
        What was learned; the tables of :data:`CHURN_TABLES` are written.
    """
    import numpy as np

    from models.churn import STATUS_REASONS, Activity, Plan, learn
    from models.renewals import CONTRACT_MODEL, CONTRACT_REASONS, score_contracts

    days = con.execute(_DAYS).fetchall()
    as_of = next(day for day, is_tonight in days if is_tonight)
    past = sorted({day for day, is_tonight in days if not is_tonight and day < as_of}, reverse=True)
    distances = tuple((as_of - day).days for day in past)
    plan = Plan(distances[0] if distances else horizon_days, distances)
    tonight, codes = _origin(con, as_of)
    share = READ_CUSTOMERS / max(len(tonight.customer), READ_CUSTOMERS)
    origins = [_origin(con, day, share, has_outcome=True)[0] for day in past]
    busy = con.execute(
        "select occasion_on - date '1970-01-01' as day, count(*) as occasions "
        "from core.customer_occasions group by occasion_on order by day"
    ).fetchnumpy()
    activity = None
    if busy["day"].size:
        first = int(busy["day"][0])
        occasions = np.zeros(tonight.day - first + 1)
        occasions[busy["day"] - first] = busy["occasions"]
        activity = Activity(first, occasions)
    result = learn(origins, tonight, horizon_days=horizon_days, plan=plan, activity=activity)

    contracts = score_contracts(_book(con), today=tonight.day, horizon_days=horizon_days)

    names = [(code, *words) for code, words in (*STATUS_REASONS.items(), *CONTRACT_REASONS.items())]
    replace_table(con, "predictions", "reason_words", dict.fromkeys(("code", "zh", "en"), "varchar"), names)
    replace_table_from_numpy(
        con,
        "predictions",
        "scored",
        {
            "customer": codes,
            "churn_probability": result.probability,
            "horizon_days": result.horizon,
            "prediction_status": result.status,
            "reason": result.reason,
        },
    )
    replace_table_from_numpy(
        con,
        "predictions",
        "scored_contracts",
        vars(contracts) | {"customer": contracts.customer.astype(np.uint64)},
    )
    con.execute(_CONTRACT_SCORES, [horizon_days])
    con.execute(_SCORES, [CONTRACT_MODEL, result.champion, as_of])
    _write_facts(con, result, as_of, horizon_days)
    _write_reasons(con, tonight, codes, result, contracts)
    _write_quality(con, result)
    for name in ("reason_words", "scored", "scored_contracts", "explained"):
        con.execute(f"drop table predictions.{name}")
    return result


def score_as_published(
    con: "duckdb.DuckDBPyConnection", *, horizon_days: int, limits: "Limits"
) -> "tuple[ChurnResult, GateResult]":
    """Do what a night does: :func:`score_churn`, and the last good scores instead where these are too much worse.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build file, with the snapshots of tonight and of the days learned from, and with what was published
        before: ``run.previous_churn_scores`` and ``run.previous_score_facts``.
    horizon_days : int
        Days ahead that the probability speaks of.
    limits : Limits
        How much worse is too much.

    Returns
    -------
    ChurnResult, GateResult
        What was learned, and whether it may be published.
    """
    churn = score_churn(con, horizon_days=horizon_days)
    verdict = judge_scores(con, churn, horizon_days, limits)
    if verdict.warnings:
        keep_previous_scores(con)
    return churn, verdict


def keep_previous_scores(con: "duckdb.DuckDBPyConnection") -> None:
    """Put the scores of the last release in the place of tonight's, where it has any.

    Who has none there, because the first purchase is younger, keeps tonight's. So does whoever is under contract: what
    is held back says nothing of contracts. Reasons of scores that are not published are none: they are taken out.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build file, after :func:`score_churn`; ``run.previous_churn_scores`` and ``run.previous_score_facts`` have
        what was published.
    """
    from models.renewals import CONTRACT_MODEL

    con.execute(_KEPT_SCORES, [CONTRACT_MODEL, CONTRACT_MODEL])
    con.execute(
        "delete from predictions.churn_reasons "
        "where customer_id not in (select customer_id from predictions.contract_scores)"
    )
    con.execute("create or replace table predictions.score_facts as select * from run.previous_score_facts")


def _write_facts(con: "duckdb.DuckDBPyConnection", result: "ChurnResult", scored_on: date, horizon_days: int) -> None:
    facts = {"score_horizon_days": float(horizon_days)}
    if result.skill is not None:
        facts |= {"score_skill": result.skill.value, "score_skill_error": result.skill.error}
    rows = [(fact, result.champion, scored_on, value) for fact, value in facts.items()]
    replace_table(con, "predictions", "score_facts", SCORE_FACTS, rows)


def judge_scores(
    con: "duckdb.DuckDBPyConnection", churn: "ChurnResult", horizon_days: int, limits: "Limits"
) -> "GateResult":
    """Compare tonight's scores with the rule about silence, and with those of the last release.

    Scores older than their own horizon are nobody's measure any more: what they foretold has happened.
    """
    from expectations import score_gate

    # Scores of another horizon are easier or harder to get right.
    previous = con.execute(
        "select skill.value, error.value "
        "from run.previous_score_facts as skill cross join run.previous_score_facts as horizon "
        "left join run.previous_score_facts as error on error.fact = 'score_skill_error' "
        "where skill.fact = 'score_skill' and horizon.fact = 'score_horizon_days' and horizon.value = ? "
        "and skill.known_on > (select max(as_of) from run.as_of_dates where purpose = 'tonight') - cast(? as integer)",
        [horizon_days, horizon_days],
    ).fetchall()
    skill = churn.skill
    before, error_before = previous[0] if previous else (None, None)
    error = skill.error if skill else 0.0
    return score_gate(
        skill.value if skill else None,
        rule_skill=skill.of_rule if skill else None,
        rule_error=skill.difference_error if skill else 0.0,
        previous_skill=before,
        # Two samples. Of a release that did not tell its error yet, as many customers are supposed.
        previous_error=hypot(error, error if error_before is None else error_before),
        limits=limits,
    )


_CONTRACT_SCORES = """
    create or replace table predictions.contract_scores as
    select
        printf('%016x', scored.customer) as customer_id,
        scored.probability as leave_probability,
        cast(? as integer) as horizon_days,
        scored.status as prediction_status,
        reason_words.zh as reason_zh,
        reason_words.en as reason_en,
        cast(scored.renewals_made as integer) as renewals_made,
        cast(scored.days_to_renewal as integer) as days_to_renewal,
        cast(scored.renewals_ahead as integer) as renewals_ahead,
        cast(scored.days_since_end as integer) as days_since_end,
        scored.next_hazard,
        scored.renewal_hazard,
        scored.cancellation_hazard
    from predictions.scored_contracts as scored
    left join predictions.reason_words
        on scored.reason = reason_words.code
"""
_SCORES = """
    create or replace table predictions.churn_scores as
    select
        printf('%016x', scored.customer) as customer_id,
        coalesce(contracts.leave_probability, scored.churn_probability) as churn_probability,
        coalesce(contracts.horizon_days, cast(scored.horizon_days as integer)) as horizon_days,
        coalesce(contracts.prediction_status, scored.prediction_status) as prediction_status,
        coalesce(contracts.reason_zh, reason_words.zh) as reason_zh,
        coalesce(contracts.reason_en, reason_words.en) as reason_en,
        case when contracts.customer_id is not null then cast(? as varchar) else cast(? as varchar) end as model,
        cast(? as date) as scored_on
    from predictions.scored
    left join predictions.contract_scores as contracts
        on printf('%016x', scored.customer) = contracts.customer_id
    left join predictions.reason_words
        on scored.reason = reason_words.code
"""
_KEPT_SCORES = """
    create or replace table predictions.churn_scores as
    select
        tonight.customer_id,
        coalesce(previous.churn_probability, tonight.churn_probability) as churn_probability,
        coalesce(previous.horizon_days, tonight.horizon_days) as horizon_days,
        coalesce(previous.score_status, tonight.prediction_status) as prediction_status,
        coalesce(previous.score_reason_zh, tonight.reason_zh) as reason_zh,
        coalesce(previous.score_reason_en, tonight.reason_en) as reason_en,
        coalesce(previous.model, tonight.model) as model,
        coalesce(previous.scored_on, tonight.scored_on) as scored_on
    from predictions.churn_scores as tonight
    left join run.previous_churn_scores as previous
        on tonight.customer_id = previous.customer_id
        and tonight.model <> ?
        and previous.model <> ?
"""
_REASONS = """
    create or replace table predictions.churn_reasons as
    select printf('%016x', customer) as customer_id, feature, value, contribution, base, margin
    from predictions.explained
"""


def _origin(
    con: "duckdb.DuckDBPyConnection", day: date, share: float = 1.0, *, has_outcome: bool = False
) -> "tuple[Origin, NDArray[np.uint64]]":
    """Read what was known of the buyers on a day; of a share of them, the same on every day. With it go their ids."""
    import numpy as np

    from models.churn import Origin

    columns = ",\n".join(
        f"cast({sql} as double) as {name}"
        for name, sql in (_OWN | {name: f"snapshots.{name}" for name in FEATURES} | _OUTCOMES).items()
    )
    # Ids are hashes: those up to a bound are a sample drawn by nothing that a customer does.
    bound = f"{min(int(share * 2**64), 2**64 - 1):016x}"
    found = con.execute(_BUYERS.format(columns=columns), {"day": day, "bound": bound}).fetchnumpy()

    def floats(name: str) -> "NDArray[np.float64]":
        return np.ma.filled(np.ma.asarray(found[name], dtype=np.float64), np.nan)

    ids = np.asarray(found["customer"], dtype=np.uint64)
    origin = Origin(
        day=(day - date(1970, 1, 1)).days,
        # Signed numbers have a bit less; 63 tell customers apart as well.
        customer=(ids >> np.uint64(1)).astype(np.int64),
        **{name: floats(name) for name in _OWN},
        features={name: floats(name) for name in FEATURES},
        next_purchase=floats("next_purchase") if has_outcome else None,
        purchases_after=floats("purchases_after") if has_outcome else None,
        spent_after=floats("spent_after") if has_outcome else None,
    )
    return origin, ids


def _book(con: "duckdb.DuckDBPyConnection") -> "Book":
    """Read all contracts of the build file, as known tonight."""
    import numpy as np

    from models.renewals import Book

    columns = [f"cast({sql} - date '1970-01-01' as double) as {name}" for name, sql in _CONTRACT_DAYS.items()]
    columns += [f"cast({sql} as double) as {name}" for name, sql in _CONTRACT_COUNTS.items()]
    found = con.execute(_CONTRACTS.format(columns=",\n".join(columns))).fetchnumpy()
    numbers = {
        name: np.ma.filled(np.ma.asarray(found[name], dtype=np.float64), np.nan)
        for name in (*_CONTRACT_DAYS, *_CONTRACT_COUNTS)
    }
    return Book(
        customer=np.asarray(found["customer"], dtype=np.uint64),
        outcome=np.asarray(found["outcome"], dtype=np.str_),
        **numbers,
    )


def _write_reasons(
    con: "duckdb.DuckDBPyConnection",
    tonight: "Origin",
    codes: "NDArray[np.uint64]",
    result: "ChurnResult",
    contracts: "ContractScores",
) -> None:
    """Write the reasons of those who look likelier to leave than most, and have not been silent for too long."""
    import numpy as np

    silence = tonight.age - tonight.recency
    is_held = np.isin(codes, contracts.customer)
    bought = np.isin(contracts.customer, codes)
    everybody = np.concatenate([result.probability[~is_held], contracts.probability[bought]])
    usual = float(everybody.mean()) if everybody.size else float("nan")
    # Buyers once a year are judged by their year, not by the model.
    listed = (result.probability > usual) & (silence <= EXPLAINED_SILENCE_DAYS)
    listed &= (result.reason != "yearly_buyer") & ~is_held
    rows = np.flatnonzero(listed)
    likeliest = np.argsort(-result.probability[rows], kind="stable")[:EXPLAINED_CUSTOMERS]
    rows = np.sort(rows[likeliest])
    # Whoever has a contract is not silent.
    held = np.flatnonzero(bought & (contracts.probability > usual))
    parts: list[dict[str, NDArray[Any]]] = []
    for customers, reasons in (
        (codes[rows], result.explain(rows)),
        (contracts.customer[held], contracts.explain(held)),
    ):
        width = len(reasons.names)
        parts.append(
            {
                "customer": np.repeat(customers.astype(np.uint64), width),
                "feature": np.tile(np.array(reasons.names, dtype=np.str_), len(customers)),
                "value": reasons.values.ravel(),
                "contribution": reasons.contributions.ravel(),
                "base": np.full(len(customers) * width, reasons.base),
                "margin": np.repeat(reasons.margin, width),
            }
        )
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    replace_table_from_numpy(con, "predictions", "explained", columns)
    con.execute(_REASONS)


def _write_quality(con: "duckdb.DuckDBPyConnection", result: "ChurnResult") -> None:
    """Write the backtest."""

    def number(value: float) -> float | None:
        return None if value != value else value

    def day(origin: int) -> date | None:
        return None if origin < 0 else date(1970, 1, 1) + timedelta(days=origin)

    replace_table(
        con,
        "predictions",
        "model_quality",
        CHURN_TABLES["model_quality"],
        [
            (
                *(day(row.origin), row.candidate, row.metric, number(row.value), number(row.low), number(row.high)),
                *(row.customers, row.events, result.learned_horizon, row.candidate == result.champion),
            )
            for row in result.quality
        ],
    )
    replace_table(
        con,
        "predictions",
        "model_deciles",
        CHURN_TABLES["model_deciles"],
        [
            (
                *(day(row.origin), row.candidate, row.decile, row.customers, row.events),
                *(number(row.probability), number(row.rate), number(row.lift), number(row.capture)),
                row.candidate == result.champion,
            )
            for row in result.deciles
        ],
    )
