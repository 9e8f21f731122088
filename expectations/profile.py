"""The profile: one SQL pass per table makes a table of any size one row that a gate can judge.

What belongs here: metrics as SQL aggregates, the pass that computes them, and expectations on what was
measured. What does not: which metrics are wanted and what they may be.

A profile is one wide row whose columns are named ``table.column.metric``, so that a suite reads as it stands:
``churn_risk.churn_probability.between_0_and_1.violations`` is at most 0. Rows are counted in SQL and never
fetched: a frame of ten million rows would cost Great Expectations half a minute and gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from expectations.gate import Expectation, GateError, Severity, count_of_rows

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

# A message names so many of the values that offending rows have in common.
_CULPRITS = 5


@dataclass(frozen=True)
class Metric:
    """An aggregate over one table.

    Parameters
    ----------
    column : str
        The column it is about; empty for the whole table.
    name : str
        Last part of its name in the profile.
    sql : str
        The aggregate expression.
    """

    column: str
    name: str
    sql: str

    def key(self, table: str) -> str:
        """Name in the profile: ``table.column.metric``, or ``table.metric``."""
        return ".".join(part for part in (table, self.column, self.name) if part)


@dataclass(frozen=True)
class Profile:
    """Measured values by name (``table.column.metric``)."""

    values: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def __or__(self, other: Profile) -> Profile:
        return Profile({**self.values, **other.values})

    def frame(self) -> pd.DataFrame:
        """The profile as a frame of one row."""
        import pandas as pd

        return pd.DataFrame([dict(self.values)])


def profile(con: duckdb.DuckDBPyConnection, schema: str, tables: Mapping[str, Iterable[Metric]]) -> Profile:
    """Measure tables, each in one pass.

    Parameters
    ----------
    con : DuckDBPyConnection
        Only read from.
    schema : str
        The schema of all the tables.
    tables : mapping of str to iterable of Metric
        What to measure on each table; a metric named twice is measured once.

    Raises
    ------
    GateError
        If a table or a column does not exist.
    """
    import duckdb

    values: dict[str, Any] = {}
    for table, wanted in tables.items():
        metrics = {metric.key(table): metric.sql for metric in wanted}
        aggregates = ",\n    ".join(metrics.values())
        try:
            row = con.execute(f"select\n    {aggregates}\nfrom {quoted(schema)}.{quoted(table)}").fetchone()
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            raise GateError(
                f"{schema}.{table} cannot be measured: {str(error).splitlines()[0]}; "
                "build the tables and the gates from the same version of the project."
            ) from error
        values.update(zip(metrics, row or (), strict=True))
    return Profile(values)


def rows() -> Metric:
    """Number of rows."""
    return Metric("", "rows", "count(*)")


def nulls(column: str) -> Metric:
    """Number of rows without a value."""
    return Metric(column, "nulls", f"count(*) - count({quoted(column)})")


def minimum(column: str) -> Metric:
    """Smallest value as text: for readers, while the gate judges violations."""
    return Metric(column, "min", f"cast(min({quoted(column)}) as varchar)")


def maximum(column: str) -> Metric:
    """Largest value as text."""
    return Metric(column, "max", f"cast(max({quoted(column)}) as varchar)")


def violations(column: str, name: str, predicate: str) -> Metric:
    """Number of rows for which a predicate, which must be true of no row, is true."""
    return Metric(column, f"{name}.violations", f"count(*) filter (where {predicate})")


@dataclass(frozen=True, kw_only=True)
class RowRule:
    """What every row of a table must satisfy, however many rows there are.

    Parameters
    ----------
    table, column, name, allowed, advice, severity
        As in `Expectation`; `table` without schema.
    broken : str
        SQL predicate that is true of a row that breaks the rule. A NULL breaks nothing.
    culprits : str
        A column whose values on broken rows are named in the message.
    """

    table: str
    column: str
    name: str
    broken: str
    allowed: str
    advice: str
    severity: Severity = "error"
    culprits: str = ""

    def metrics(self) -> list[Metric]:
        """What has to be measured to judge and to report the rule."""
        column = self.column
        measured = [rows(), nulls(column), minimum(column), maximum(column), self._violations]
        return [*measured, self._culprits] if self.culprits else measured

    def expectation(self, schema: str, measured: Profile) -> Expectation:
        """The rule, on a profile that holds its metrics."""
        return bounded(
            measured,
            self._violations.key(self.table),
            high=0,
            name=self.name,
            table=f"{schema}.{self.table}",
            column=self.column,
            observed=self._observed(measured),
            allowed=self.allowed,
            advice=self.advice,
            severity=self.severity,
            unavailable="" if measured[f"{self.table}.rows"] else "the table is empty",
        )

    @property
    def _violations(self) -> Metric:
        return violations(self.column, self.name, self.broken)

    @property
    def _culprits(self) -> Metric:
        of_broken = f"list(distinct {quoted(self.culprits)}) filter (where {self.broken})"
        return Metric(
            self.column,
            f"{self.name}.culprits",
            f"array_to_string(list_sort({of_broken})[:{_CULPRITS}], ', ')",
        )

    def _observed(self, measured: Profile) -> str:
        count = measured[f"{self.table}.rows"]
        if not count:
            return "no rows"
        broken = measured[self._violations.key(self.table)]
        about = f"{self.table}.{self.column}"
        smallest, largest = measured[f"{about}.min"], measured[f"{about}.max"]
        culprits = measured[self._culprits.key(self.table)] if self.culprits else None
        details = [
            "no values" if smallest is None else f"values {smallest} to {largest}",
            f"{measured[f'{about}.nulls']:,} empty",
            *([f"{self.culprits} {culprits}"] if culprits else []),
        ]
        where = f"not so in {broken:,} of {count_of_rows(count)}" if broken else count_of_rows(count)
        return f"{where} ({', '.join(details)})"


def row_rules(
    con: duckdb.DuckDBPyConnection,
    schema: str,
    rules: Sequence[RowRule],
    also: Mapping[str, Sequence[Metric]] | None = None,
) -> tuple[list[Expectation], Profile]:
    """State rules on tables measured in one pass each, together with the further metrics in `also`."""
    wanted: dict[str, list[Metric]] = {}
    for rule in rules:
        wanted.setdefault(rule.table, []).extend(rule.metrics())
    for table, metrics in (also or {}).items():
        wanted.setdefault(table, []).extend(metrics)
    measured = profile(con, schema, wanted)
    return [rule.expectation(schema, measured) for rule in rules], measured


def bounded(
    measured: Profile, key: str, *, low: float | None = None, high: float | None = None, **stated: Any
) -> Expectation:
    """Expect a measured number within bounds.

    Parameters
    ----------
    measured : Profile
        The frame that will be judged.
    key : str
        Name of the number in it.
    low, high : float, optional
        Inclusive bounds.
    **stated
        The other fields of `Expectation`.

    Raises
    ------
    GateError
        If the number is to be judged and missing: Great Expectations would let a null pass.
    """
    if not stated.get("unavailable") and measured[key] is None:
        raise GateError(f"{key} could not be measured; this is a fault of the gate, not of the data: report it.")
    return Expectation(
        type="expect_column_values_to_be_between",
        arguments={"column": key, "min_value": low, "max_value": high},
        **stated,
    )


def aged(
    measured: Profile, key: str, *, what: str, warn_after: int, refuse_after: int | None, **stated: Any
) -> Expectation:
    """Expect an age in days: refuse beyond a limit where one is set, else only warn.

    Parameters
    ----------
    measured, key
        As in `bounded`; the age is counted from the as-of day backwards, and negative after it.
    what : str
        What has that age, with its day, in words.
    warn_after, refuse_after : int, int or None
        The limits.
    **stated
        The other fields of `Expectation`.
    """
    age = measured.values.get(key)
    limit = warn_after if refuse_after is None else refuse_after
    return bounded(
        measured,
        key,
        high=limit,
        observed="" if age is None else f"{what}, {abs(age):,} days {'before' if age >= 0 else 'after'} the as-of day",
        allowed=f"at most {limit:,} days before it",
        severity="warning" if refuse_after is None else "error",
        **stated,
    )


def table_names(con: duckdb.DuckDBPyConnection, schema: str, column: str | None = None) -> list[str]:
    """Tables and views of a schema in order of name; with `column`, only those that have it."""
    found = con.execute(
        """
        select distinct table_name
        from information_schema.columns
        where table_catalog = current_database()
            and table_schema = $schema
            and ($column is null or column_name = $column)
        order by table_name
        """,
        {"schema": schema, "column": column},
    ).fetchall()
    return [name for (name,) in found]


def quoted(identifier: str) -> str:
    """An identifier as SQL."""
    return '"' + identifier.replace('"', '""') + '"'
