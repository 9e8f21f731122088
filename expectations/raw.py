"""The raw gate: may a night begin with what the sources delivered?

What belongs here: refused files, rejected records, volume, age, plausible codes. What does not: whether a
single record is good, which is decided where exports are read, and the reconciliation of records, which is a
test of the tables.

A feed that is absent or empty is reported as not available and never fails: a shop without orders is legal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from expectations.gate import Expectation, GateResult, Severity, validate
from expectations.limits import DEFAULT_LIMITS, Limits
from expectations.profile import Profile, RowRule, aged, bounded, row_rules, table_names

if TYPE_CHECKING:
    import duckdb

# The columns are text or typed, depending on what landed them. Corrected records are no measure of a source.
_DELIVERIES = """
select
    source,
    feed,
    file,
    delivery_id,
    coalesce(try_cast(records as bigint), 0) as records,
    coalesce(try_cast(rejected as bigint), 0) as rejected,
    coalesce(try_cast(exported_at as timestamp), try_cast(received_at as timestamp)) as exported_at
from raw.deliveries
where feed is not null and corrects is null
"""

_BY_FEED = f"""
with deliveries as ({_DELIVERIES}),

ranked as (
    select
        *,
        case when rejected > $min_rejected then rejected / nullif(records, 0) else 0 end as share,
        row_number() over (
            partition by source, feed order by exported_at desc nulls last, file desc, delivery_id desc
        ) - 1 as newer
    from deliveries
)

select
    source,
    feed,
    any_value(file) filter (where newer = 0) as newest_file,
    any_value(records) filter (where newer = 0) as newest_records,
    count(*) - 1 as earlier,
    coalesce(median(records) filter (where newer between 1 and $volume_window), 0) as usual_records,
    unnest(arg_max(
        {{'worst_file': file, 'worst_records': records, 'worst_rejected': rejected}},
        (coalesce(share, 0), coalesce(rejected / nullif(records, 0), 0), delivery_id)
    )),
    coalesce(max(share), 0) as worst_share,
    count(*) filter (where share > $max_rejected_share) as too_many
from ranked
group by source, feed
order by source, feed
"""

# Age is a property of a source: a feed that is delivered once, such as campaigns, does not get too old.
_BY_SOURCE = f"""
with deliveries as ({_DELIVERIES})

select
    source,
    cast(max(exported_at) as date) as newest
from deliveries
group by source
order by source
"""


def raw_gate(
    con: duckdb.DuckDBPyConnection,
    *,
    as_of: date,
    refusals: Sequence[str] = (),
    skipped: Sequence[str] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> GateResult:
    """Judge what the sources delivered, before any table is built from it.

    Parameters
    ----------
    con : DuckDBPyConnection
        With schema ``raw``: ``deliveries`` and one relation per feed. Only read from.
    as_of : date
        The business day of the night, from which ages are counted.
    refusals : sequence of str
        One sentence per file that cannot be trusted: each closes the gate and is reported word for word.
    skipped : sequence of str
        The same for files that are left out on purpose: reported as warnings.
    limits : Limits
        What is allowed.

    Raises
    ------
    GateError
        If a relation cannot be measured.
    """
    parts = [
        _refused_files(refusals, skipped),
        _deliveries(con, as_of, limits),
        row_rules(con, "raw", _rules(con)),
    ]
    measured = Profile({})
    for _, part in parts:
        measured |= part
    return validate("raw", measured.frame(), [stated for expectations, _ in parts for stated in expectations])


def _refused_files(refusals: Sequence[str], skipped: Sequence[str]) -> tuple[list[Expectation], Profile]:
    """One expectation per refused file or, without any, one that says so."""
    stated: dict[str, Any] = {
        "name": "refused_files",
        "table": "landing",
        "allowed": "no file whose structure cannot be trusted",
        "advice": "Remove the file or deliver it again.",
    }
    none: list[tuple[str, Severity]] = [("", "error")]
    files: list[tuple[str, Severity]] = [(sentence, "error") for sentence in refusals]
    files += [(sentence, "warning") for sentence in skipped]
    measured = Profile(
        {f"landing.file_{number}.refused": int(bool(files)) for number, _ in enumerate(files or none, 1)}
    )
    return [
        bounded(
            measured,
            key,
            high=0,
            observed="refused" if files else "none",
            sentence=sentence,
            severity=severity,
            **stated,
        )
        for key, (sentence, severity) in zip(measured.values, files or none, strict=True)
    ], measured


@dataclass(frozen=True)
class _Feed:
    """The deliveries of one source and feed: a row of `_BY_FEED`."""

    source: str
    feed: str
    newest_file: str
    newest_records: int
    earlier: int
    usual_records: float
    worst_file: str
    worst_records: int
    worst_rejected: int
    worst_share: float
    too_many: int

    @property
    def key(self) -> str:
        return f"deliveries.{self.source}.{self.feed}"


def _deliveries(con: duckdb.DuckDBPyConnection, as_of: date, limits: Limits) -> tuple[list[Expectation], Profile]:
    parameters = {
        "min_rejected": limits.min_rejected,
        "volume_window": limits.volume_window,
        "max_rejected_share": limits.max_rejected_share,
    }
    feeds = [_Feed(*row) for row in con.execute(_BY_FEED, parameters).fetchall()]
    newest: dict[str, date | None] = dict(con.execute(_BY_SOURCE).fetchall())
    measured = Profile(
        {f"{feed.key}.rejected_share": feed.worst_share for feed in feeds}
        | {f"{feed.key}.newest_records": feed.newest_records for feed in feeds}
        | {f"deliveries.{source}.age_days": (as_of - day).days for source, day in newest.items() if day}
    )
    if not feeds:
        return [_nothing_delivered(measured)], measured
    return [
        *(_rejected_share(measured, feed, limits) for feed in feeds),
        *(_volume(measured, feed, limits) for feed in feeds),
        *(_age(measured, source, day, limits) for source, day in newest.items()),
    ], measured


def _nothing_delivered(measured: Profile) -> Expectation:
    return bounded(
        measured,
        "deliveries.rows",
        name="deliveries",
        table="raw.deliveries",
        allowed="none or more",
        advice="",
        unavailable="nothing has been delivered",
    )


def _rejected_share(measured: Profile, feed: _Feed, limits: Limits) -> Expectation:
    others = f", and {feed.too_many - 1:,} more deliveries have too many" if feed.too_many > 1 else ""
    return bounded(
        measured,
        f"{feed.key}.rejected_share",
        high=limits.max_rejected_share,
        name=f"rejected_share of {feed.source} {feed.feed}",
        table="raw.deliveries",
        column="rejected",
        observed=(
            f"{feed.worst_rejected:,} of {feed.worst_records:,} records of {feed.worst_file} are rejected "
            f"({_percent(feed.worst_rejected, feed.worst_records)}){others}"
        ),
        allowed=f"{limits.max_rejected_share:.1%} of a delivery, or {limits.min_rejected:,} records",
        advice="Read the rejected records, then correct the export or the source's column mapping.",
    )


def _percent(part: int, whole: int) -> str:
    """A share in words: what is not nothing is never said to be."""
    share = part / whole if whole else 0.0
    return "less than 0.1%" if 0 < share < 0.001 else f"{share:.1%}"


def _volume(measured: Profile, feed: _Feed, limits: Limits) -> Expectation:
    low, high = limits.volume_band
    usual = feed.usual_records
    known = feed.earlier >= limits.volume_history and usual > 0
    return bounded(
        measured,
        f"{feed.key}.newest_records",
        low=low * usual,
        high=high * usual,
        name=f"volume of {feed.source} {feed.feed}",
        table="raw.deliveries",
        column="records",
        observed=f"{feed.newest_records:,} records in {feed.newest_file}",
        allowed=f"{low:g} to {high:g} times the usual" + (f" {usual:,.0f} records" if known else ""),
        advice="If the export is complete, widen the volume band; if not, deliver it again.",
        # An empty export is what a day without business looks like, and what a broken export does too.
        severity="error" if feed.newest_records else "warning",
        unavailable=""
        if known
        else f"{feed.earlier:,} earlier deliveries, {limits.volume_history:,} with records are needed",
    )


def _age(measured: Profile, source: str, newest: date | None, limits: Limits) -> Expectation:
    return aged(
        measured,
        f"deliveries.{source}.age_days",
        warn_after=limits.warn_age_days,
        refuse_after=limits.source_max_age_days.get(source, limits.max_age_days),
        name=f"age of {source}",
        table="raw.deliveries",
        column="exported_at",
        what=f"the newest delivery of {source} is of {newest}",
        advice="Find out why the source has stopped exporting.",
        unavailable="" if newest else f"no delivery of {source} has a time",
    )


def _rules(con: duckdb.DuckDBPyConnection) -> list[RowRule]:
    currencies = [
        RowRule(
            table=feed,
            column="currency",
            name="plausible_code",
            broken="trim(currency) <> '' and not regexp_full_match(trim(currency), '[A-Z]{3}')",
            allowed="three capital letters (ISO 4217), or empty",
            advice="Map the code in the source's profile: documents in it cannot be converted.",
            # Whether a document that counts lacks a rate is for the warehouse gate to say.
            severity="warning",
            culprits="currency",
        )
        for feed in table_names(con, "raw", "currency")
    ]
    rate = "try_cast(rate as double)"
    rates = [
        RowRule(
            table="fx_rates",
            column="rate",
            name="positive",
            broken=f"not coalesce({rate} > 0 and isfinite({rate}), false)",
            allowed="above 0, never empty",
            advice="Correct the exchange rates: base currency for one unit.",
        )
        for feed in table_names(con, "raw", "rate")
        if feed == "fx_rates"
    ]
    return currencies + rates
