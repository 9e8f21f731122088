"""The adapter to Great Expectations: a frame and its expectations in, a verdict in plain words out.

What belongs here: how an expectation is stated, judged and reported. What does not: which expectations there
are (`raw.py`, `marts.py`, `lists.py`), and SQL.

Great Expectations changes its API between minor versions, so this module alone touches it. It is imported
inside the function that judges, because the import takes seconds and most of the project never needs it. Two
of its habits shape the code. Every call of `validate` has a fixed cost: a frame is judged by one suite in one
call. And a null meets every expectation but "is not null": that a column is filled is stated on its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

Severity = Literal["error", "warning"]
Status = Literal["passed", "failed", "warned", "not_available"]

RESULT_COLUMNS = (
    "gate",
    "check",
    "table_name",
    "column_name",
    "severity",
    "status",
    "observed",
    "allowed",
    "message",
)

_GX_SEVERITY: Mapping[Severity, str] = {"error": "critical", "warning": "warning"}

# A message counts every offending row and shows this many of them.
_EXAMPLES = 3


class GateError(Exception):
    """A gate cannot be judged at all: a fault of the installation, never a verdict on the data."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """One thing that data may be refused for.

    Parameters
    ----------
    name : str
        Short and stable, such as ``between_0_and_1``; unique within gate, table and column.
    table, column : str
        What a reader looks up; `column` is empty when the whole table is meant.
    type : str
        Its name in Great Expectations, such as ``expect_column_values_to_be_between``.
    arguments : mapping
        Its arguments there; columns are those of the frame that is judged.
    allowed : str
        What is allowed, in words.
    advice : str
        What to do when it fails: a sentence.
    observed : str
        What was measured, in words. Empty for an expectation on every row: the offending rows are counted.
    sentence : str
        The whole message of a failure, where the caller already has one.
    severity : {"error", "warning"}
        A failed warning is listed and closes no gate.
    unavailable : str
        Why it cannot be judged tonight. When given, the expectation is listed and never fails.
    show_values : bool
        Whether a message may quote offending values: only where they say nothing about a person.
    """

    name: str
    table: str
    type: str
    arguments: Mapping[str, Any]
    allowed: str
    advice: str
    column: str = ""
    observed: str = ""
    sentence: str = ""
    severity: Severity = "error"
    unavailable: str = ""
    show_values: bool = False

    @property
    def place(self) -> str:
        """``table.column``, or the table alone."""
        return f"{self.table}.{self.column}" if self.column else self.table


@dataclass(frozen=True)
class Failure:
    """One failed expectation; `message` says what is wrong, where, and what to do."""

    gate: str
    table: str
    column: str
    expectation: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """What became of one expectation."""

    expectation: Expectation
    status: Status
    observed: str
    message: str = ""


@dataclass(frozen=True)
class GateResult:
    """The verdict of a gate: the outcome of every expectation, in the order of its suite."""

    gate: str
    outcomes: tuple[Outcome, ...]

    @property
    def passed(self) -> bool:
        """Whether no expectation of severity error failed."""
        return not self.failures

    @property
    def evaluated(self) -> int:
        """Number of expectations that could be judged."""
        return sum(outcome.status != "not_available" for outcome in self.outcomes)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The failed expectations that close the gate."""
        return self._with_status("failed")

    @property
    def warnings(self) -> tuple[Failure, ...]:
        """The failed expectations that do not close it."""
        return self._with_status("warned")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """One row per expectation, in the columns of `RESULT_COLUMNS`."""
        return [
            (
                self.gate,
                outcome.expectation.name,
                outcome.expectation.table,
                outcome.expectation.column,
                outcome.expectation.severity,
                outcome.status,
                outcome.observed,
                outcome.expectation.allowed,
                outcome.message,
            )
            for outcome in self.outcomes
        ]

    def lines(self) -> list[str]:
        """One line per expectation that closes the gate."""
        return [f"{self.gate} gate: {failure.message}" for failure in self.failures]

    def warning_lines(self) -> list[str]:
        """One line per failed expectation that does not close it."""
        return [f"{self.gate} gate, warning: {warning.message}" for warning in self.warnings]

    def table(self) -> str:
        """A markdown table of every expectation, as complete on success as on failure."""
        header = ("check", "table", "column", "status", "observed", "allowed")
        cells = [
            (stated.name, stated.table, stated.column, outcome.status, outcome.observed, stated.allowed)
            for outcome in self.outcomes
            for stated in [outcome.expectation]
        ]
        return "\n".join(map(_markdown_row, [header, ["---"] * len(header), *cells]))

    def _with_status(self, status: Status) -> tuple[Failure, ...]:
        return tuple(
            Failure(self.gate, stated.table, stated.column, stated.name, outcome.message)
            for outcome in self.outcomes
            for stated in [outcome.expectation]
            if outcome.status == status
        )


def validate(gate: str, frame: pd.DataFrame, expectations: Sequence[Expectation]) -> GateResult:
    """Judge a frame: one suite, one call.

    Parameters
    ----------
    gate : str
        Name of the gate, for the report.
    frame : DataFrame, shape (rows, columns)
        A profile (one row), or the rows of a small table; it is not changed.
    expectations : sequence of Expectation
        Those marked unavailable are reported without being judged.

    Returns
    -------
    GateResult
        Outcomes in the order of `expectations`.

    Raises
    ------
    GateError
        If an expectation names a column the frame lacks, or cannot be evaluated: data is neither refused nor
        let through because a check is broken.
    """
    available = [stated for stated in expectations if not stated.unavailable]
    _require_columns(gate, frame, available)
    verdicts = iter(_judge(gate, frame, available) if available else ())
    return GateResult(
        gate,
        tuple(
            Outcome(stated, "not_available", stated.observed, stated.unavailable)
            if stated.unavailable
            else _outcome(stated, next(verdicts))
            for stated in expectations
        ),
    )


@dataclass(frozen=True)
class _Verdict:
    success: bool
    result: Mapping[str, Any]


def _judge(gate: str, frame: pd.DataFrame, expectations: Sequence[Expectation]) -> list[_Verdict]:
    """Ask Great Expectations; verdicts in the order of `expectations`."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas(gate).add_dataframe_asset(gate)
    # Offending rows are reported by position, whatever index the frame came with.
    rows = frame.reset_index(drop=True)
    batch = asset.add_batch_definition_whole_dataframe(gate).get_batch({"dataframe": rows})
    suite = gx.ExpectationSuite(
        name=gate,
        expectations=[
            {
                "type": stated.type,
                "kwargs": dict(stated.arguments),
                "severity": _GX_SEVERITY[stated.severity],
                # Results come back in an order of their own.
                "meta": {"position": position},
            }
            for position, stated in enumerate(expectations)
        ],
    )
    answers: Any = batch.validate(suite, result_format="COMPLETE").results
    verdicts: dict[int, _Verdict] = {}
    for answer in answers:
        position = answer.expectation_config.meta["position"]
        # An expectation that raised comes back as failed, with nothing in its result.
        if not answer.result:
            stated = expectations[position]
            raise GateError(
                f"The {gate} gate cannot check {stated.name} on {stated.place}: "
                f"{_exception_message(answer.exception_info)}; this is a fault of the gate, not of the data: "
                "compare the installed great-expectations with the lock file."
            )
        verdicts[position] = _Verdict(bool(answer.success), answer.result)
    return [verdicts[position] for position in range(len(expectations))]


def _require_columns(gate: str, frame: pd.DataFrame, expectations: Sequence[Expectation]) -> None:
    for stated in expectations:
        single = stated.arguments.get("column")
        named = stated.arguments.get("column_list", [] if single is None else [single])
        missing = [column for column in named if column not in frame.columns]
        if missing:
            raise GateError(
                f"The {gate} gate cannot check {stated.name} on {stated.table}: there is no column "
                f"{', '.join(missing)}; build the tables and the gates from the same version of the project."
            )


def _exception_message(exception_info: Any) -> str:
    """The first message in one line; the information is keyed by metric when it was a metric that raised."""
    single = exception_info if "exception_message" in exception_info else next(iter(exception_info.values()), {})
    return _one_line(str(single.get("exception_message") or "it has no result"))


def _outcome(stated: Expectation, verdict: _Verdict) -> Outcome:
    observed = stated.observed or _observed(stated, verdict.result)
    if verdict.success:
        return Outcome(stated, "passed", observed)
    message = stated.sentence or f"{stated.place}: {observed}; allowed: {stated.allowed}. {stated.advice}"
    return Outcome(stated, "failed" if stated.severity == "error" else "warned", observed, _one_line(message))


def _observed(stated: Expectation, result: Mapping[str, Any]) -> str:
    """What an expectation on every row saw; rows are counted from 1, in the order of the frame."""
    if "observed_value" in result:
        return count_of_rows(result["observed_value"])
    rows, offending = result["element_count"], result["unexpected_count"]
    if not offending:
        return count_of_rows(rows)
    positions = ", ".join(str(index + 1) for index in result["unexpected_index_list"][:_EXAMPLES])
    more = ", …" if offending > _EXAMPLES else ""
    values = list(dict.fromkeys(result["unexpected_list"]))[:_EXAMPLES] if stated.show_values else []
    quoted = f": {', '.join(map(repr, values))}" if values else ""
    return f"not so in {offending:,} of {count_of_rows(rows)} (row {positions}{more}{quoted})"


def count_of_rows(number: int) -> str:
    """A number of rows in words."""
    return f"{number:,} row" if number == 1 else f"{number:,} rows"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_one_line(cell).replace("|", r"\|") for cell in cells) + " |"
