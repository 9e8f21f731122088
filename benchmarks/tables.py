"""What was measured, as tables.

Belongs here: which figure stands where, how it is rounded, and how a table is printed or written. Does not belong here:
measuring.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from benchmarks.measure import ChildRun, Stage

if TYPE_CHECKING:
    from rich.console import Console

    from benchmarks.scale import Scale

__all__ = [
    "Table",
    "bayes_table",
    "churn_table",
    "fit_table",
    "floor_table",
    "forecast_table",
    "identity_table",
    "landing_table",
    "markdown",
    "million_table",
    "night_table",
    "print_table",
    "ratio_table",
    "scale_table",
    "seconds_table",
]

_MB = 1e6
_NONE = "–"
_IMPORTS, _READING = "imports", "read the export"
#: What turns raw files into marts.
_TABLES = ("tables before identity", "identity", "tables before scores", "predictions", "tables after scores")


@dataclass(frozen=True)
class Table:
    """Text in rows and columns; the first column is left-aligned. A row of one cell opens a group."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def night_table(first: ChildRun, again: ChildRun) -> Table:
    """Seconds and memory of each step of two nights in one home."""
    repeated = {stage.name: stage for stage in again.stages}
    rows = [[stage.name, *_cells(first, stage), *_cells(again, repeated[stage.name])] for stage in first.stages]
    rows.append(["start and end of the process", *_rest(first), *_rest(again)])
    rows.append(["whole process", *_whole(first), *_whole(again)])
    rows.append(["processor seconds", f"{first.cpu_seconds:.1f}", "", f"{again.cpu_seconds:.1f}", ""])
    return Table(
        "A night on the bundled export",
        ["step", "first night, s", "MB", "the same again, s", "MB"],
        rows,
        "MB of a step: the largest resident set seen while it ran, sampled from outside 50 times a second; it includes "
        "what earlier steps left. Of the whole process: the peak as the system counted it.",
    )


def floor_table(floors: Sequence[ChildRun], marts: int, different: Sequence[str]) -> Table:
    """Seconds and memory of the floor: its median run."""
    floor = median_run(floors)
    rows = [[stage.name, *_cells(floor, stage)] for stage in floor.stages]
    rows += [["start and end of the process", *_rest(floor)], ["whole process", *_whole(floor)]]
    rows.append(["processor seconds", f"{floor.cpu_seconds:.1f}", ""])
    others = f"; these do not: {', '.join(different)}" if different else ""
    return Table(
        f"The floor: DuckDB alone (median of {len(floors)})",
        ["step", "s", "MB"],
        rows,
        f"{marts - len(different)} of {marts} marts hold exactly the night's rows{others}.",
    )


def ratio_table(first: ChildRun, again: ChildRun, floors: Sequence[ChildRun]) -> Table:
    """How many times the floor a night takes."""
    floor = median_run(floors)
    nights = (first, again)
    # The second night finds the export read.
    against = ((first, 0.0), (again, _seconds_of(floor, _READING)))
    tables = ("tables before identity", "tables before scores", "predictions", "tables after scores")
    return Table(
        "Night / floor",
        ["", "first night", "the same again"],
        [
            ["whole process", *(_times(run.seconds, floor.seconds - less) for run, less in against)],
            ["without start and imports", *(_times(_work(run), _work(floor) - less) for run, less in against)],
            *([name, *(_times(_seconds_of(run, name), _seconds_of(floor, name)) for run in nights)] for name in tables),
            ["processor seconds, of the whole floor", *(_times(run.cpu_seconds, floor.cpu_seconds) for run in nights)],
            ["peak memory", *(_times(run.peak_bytes, floor.peak_bytes) for run in nights)],
        ],
        "In seconds, the second night is held against the floor without reading: it finds the export read. A night's "
        "tables include contracts, descriptions and every dbt test. Processor seconds feel other work on the machine "
        "least.",
    )


def landing_table(ours: Sequence[ChildRun], peers: Mapping[str, Sequence[ChildRun]], size: int) -> Table:
    """Seconds and memory of landing one large file, against DuckDB's bare readings of it."""
    landed = median_run(ours)
    [rows] = {run.facts["rows"] for runs in (ours, *peers.values()) for run in runs}
    cells = [["landed as raw Parquet", *_landing(landed), ""]]
    for where, runs in peers.items():
        bare = median_run(runs)
        times = _times(landed.seconds_in_stages, bare.seconds_in_stages)
        cells.append([f"DuckDB, all VARCHAR, into {where}", *_landing(bare), times])
    return Table(
        f"One csv file of {rows:,} order lines, {size / _MB:,.0f} MB",
        ["", "s", "processor s", "MB", "Keeprate / this"],
        cells,
        f"Medians of {len(ours)}, asked in turn. Landing finds out what the file is, copies it, counts its records "
        "without DuckDB, spells and judges every value and writes Parquet; a bare reading does none of this. MB: "
        "largest resident set of the process and its children.",
    )


def scale_table(scale: Scale) -> Table:
    """A company's first night, its floor, and the night after."""
    first, floor, after, again = scale.first, scale.floor, scale.after, scale.again
    runs = {"first night": first, "the night after": after, "the same anew": again, "floor": floor}
    names = [*(stage.name for stage in first.stages)]
    cells = [[name, *(f"{_seconds_of(run, name):.1f}" for run in runs.values())] for name in names]
    cells.append(["whole process", *(f"{run.seconds:.1f}" for run in runs.values())])
    cells.append(["processor seconds", *(f"{run.cpu_seconds:.1f}" for run in runs.values())])
    cells.append(["peak memory, MB", *(f"{run.peak_bytes / _MB:,.0f}" for run in runs.values())])
    cells.append(["processor seconds, share of the first night", "", *_shares(first, after, again), ""])
    tables = {name: sum(_seconds_of(run, step) for step in _TABLES) for name, run in runs.items()}
    cells.append(["tables, times the floor", f"{tables['first night'] / tables['floor']:.2f}", "", "", ""])
    cells.append(
        ["tables, share of the first night", "", f"{tables['the night after'] / tables['first night']:.0%}", "", ""]
    )
    alike = scale.marts - len(scale.unlike_floor)
    others = f" (not {', '.join(scale.unlike_floor)})" if scale.unlike_floor else ""
    anew = f"all but {', '.join(scale.unlike_again)}" if scale.unlike_again else "every mart, byte for byte"
    new = " and ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in scale.delivered.items())
    return Table(
        f"A company with {scale.order_lines:,} order lines",
        ["step, seconds", *runs],
        cells,
        f"The night after brings {new}. {alike} of {scale.marts} marts of the floor hold exactly the first night's "
        f"rows{others}. Built anew, the night after publishes the same: {anew}. Tables: the three steps of SQL with "
        "their tests, identity and predictions.",
    )


def seconds_table(rows: Iterable[dict[str, Any]]) -> Table:
    """Seconds of both libraries for each task, by case."""
    cells: list[list[str]] = []
    for case, group in groupby(rows, key=lambda row: row["case"]):
        tasks = list(group)
        cells.append([f"{case}: {tasks[0]['customers']:,} customers"])
        total = {name: sum(row[name] for row in tasks) for name in ("Keeprate", "lifetimes")}
        for row in [*tasks, {"task": "all of it", **total}]:
            ours, theirs = row["Keeprate"], row["lifetimes"]
            cells.append([row["task"], f"{1000 * ours:.1f}", f"{1000 * theirs:.1f}", _times(theirs, ours)])
    return Table(
        "The same customers, two libraries: time",
        ["task", "Keeprate, ms", "lifetimes, ms", "lifetimes / Keeprate"],
        cells,
        "Medians of 3, asked in turn, one BLAS thread; above 1 Keeprate is faster. Both build the same histories from "
        "single purchases (checked), Keeprate in SQL. The value is BG/NBD with Gamma-Gamma. Keeprate's fits include "
        "standard errors, several starts and a certificate that the maximum is one.",
    )


def million_table(ours: ChildRun, theirs: ChildRun) -> Table:
    """Processor seconds of a million customers with both libraries, once each."""
    took = {stage.name: stage.cpu_seconds for stage in theirs.stages}
    cells = [
        [
            stage.name,
            f"{stage.cpu_seconds:.2f}",
            *((f"{its:.2f}", _times(its, stage.cpu_seconds)) if (its := took.get(stage.name)) else (_NONE, _NONE)),
        ]
        for stage in ours.stages
    ]
    peaks = ours.peak_bytes, theirs.peak_bytes
    cells.append(["peak memory, MB", *(f"{peak / _MB:,.0f}" for peak in peaks), _times(peaks[1], peaks[0])])
    return Table(
        f"{ours.facts['customers']:,} simulated customers, {ours.facts['purchases']:,} purchases: processor seconds",
        ["task", "Keeprate", "lifetimes", "lifetimes / Keeprate"],
        cells,
        "One run each, in a process of its own, one BLAS thread; user and system time of all threads. Histories are "
        f"built from single purchases. The values differ by {theirs.facts['value'] / ours.facts['value'] - 1:+.3%} in "
        "total. What lifetimes does not offer has no figure; its Pareto/NBD is left out, it takes too long.",
    )


def churn_table(run: ChildRun) -> Table:
    """What it takes to score a million customers."""
    facts = run.facts
    cells = [
        [stage.name, f"{stage.seconds:.1f}", f"{stage.cpu_seconds:.1f}", f"{(run.sampled_peak(stage) or 0) / _MB:,.0f}"]
        for stage in run.stages
    ]
    worked = sum(stage.cpu_seconds for stage in run.stages)
    cells.append(["both", f"{run.seconds_in_stages:.1f}", f"{worked:.1f}", f"{run.peak_bytes / _MB:,.0f}"])
    return Table(
        f"Churn probabilities of {facts['customers']:,} simulated customers with {facts['purchases']:,} purchases",
        ["task", "s", "processor s", "MB"],
        cells,
        f"Features: {facts['rows']:,} rows of the snapshots of {facts['days']} days. Scores: learned by "
        f"{', '.join(facts['candidates'])}, judged by a rolling backtest, calibrated; everybody scored by "
        f"{facts['champion']}, with reasons.",
    )


def identity_table(run: ChildRun) -> Table:
    """What it takes to find people in ten million records."""
    ours = run.stages[0]
    cells = [
        [
            stage.name,
            f"{stage.seconds:.1f}",
            f"{stage.cpu_seconds:.1f}",
            _times(ours.cpu_seconds, stage.cpu_seconds),
        ]
        for stage in run.stages
    ]
    return Table(
        f"{run.facts['records']:,} records with {run.facts['links']:,} links",
        ["found by", "s", "processor s", "Keeprate / this"],
        cells,
        "Links are pairs of ids of 64 bits in no order. Keeprate also keeps to the most records of a customer "
        f"and names the links it did not believe. Peak memory: {run.peak_bytes / _MB:,.0f} MB.",
    )


def fit_table(rows: Iterable[dict[str, Any]]) -> Table:
    """Log-likelihoods and totals of both libraries."""
    cells: list[list[str]] = []
    for case, group in groupby(rows, key=lambda row: row["case"]):
        cells.append([case])
        for row in group:
            ours, theirs = row["Keeprate"], row["lifetimes"]
            cells.append(
                [row["model"], f"{ours:,.4f}", f"{theirs:,.4f}", _difference(ours, theirs), row["status"] or _NONE]
            )
    return Table(
        "The same customers, two libraries: what the fits found",
        ["figure", "Keeprate", "lifetimes", "difference", "Keeprate's status"],
        cells,
        "Of a model: the total log-likelihood in natural units, by one formula at each library's estimates; higher is "
        "better. Of the value: the sum over all customers, in money.",
    )


def forecast_table(rows: Iterable[dict[str, Any]], peer: str = "lifetimes") -> Table:
    """Errors and rankings over the hold-outs."""
    cells: list[list[str]] = []
    for case, group in groupby(rows, key=lambda row: row["case"]):
        scores = list(group)
        cells.append([f"{case}: {scores[0]['actual']:,} purchases held out, {scores[0]['silent']:.1%} bought nothing"])
        for row in scores:
            areas = [_or_none(row[name], ".4f") for name in ("auc_no_purchase", "auc_expected", "auc_dead")]
            cells.append([row["score"], _or_none(row["bias"], "+.1%"), _or_none(row["mae"], ".3f"), *areas])
    return Table(
        f"Forecasts of customers' next months, made before they came: Keeprate and {peer}",
        [
            "score",
            "bias of purchases",
            "mean absolute error",
            "AUC: P(no purchase)",
            "AUC: few expected purchases",
            "AUC: 1 − P(alive)",
        ],
        cells,
        "AUC of telling who buys nothing in the hold-out; 0.5 is chance. Where there is none, the library offers no "
        "P(no purchase); the gap rule is one score and stands in its column.",
    )


def bayes_table(facts: Mapping[str, Any], names: Sequence[str]) -> Table:
    """Seconds, likelihoods and estimates of the library that lives in an environment of its own."""
    cells: list[list[str]] = []
    for case, group in groupby(facts["figures"], key=lambda row: row["case"]):
        rows = list(group)
        cells.append([f"{case}: {rows[0]['customers']:,} customers"])
        for row in rows:
            form = ",.4f" if "log-likelihood" in row["figure"] else ".3f" if "processor" in row["figure"] else ",.4g"
            cells.append([row["figure"], *(format(row[name], form) for name in ("Keeprate", *names))])
    return Table(
        f"The same customers, pymc-marketing {facts['version']}: time and fits",
        ["figure", "Keeprate", *names],
        cells,
        "Fits by its method 'map'. Processor seconds, with the compilers it starts; first: translated, and compiled "
        "where no case before did it; again: median of two more. Keeprate's are medians of three, with standard errors "
        f"and a certificate. Importing it takes {facts['import']:.0f} processor seconds more. Its own priors are for "
        "weeks; alpha is in days. Gamma-Gamma has flat priors as it comes.",
    )


def print_table(console: Console, table: Table) -> None:
    """Print a table."""
    import rich.table
    from rich.box import SIMPLE_HEAD
    from rich.padding import Padding

    shown = rich.table.Table(title=table.title, box=SIMPLE_HEAD, title_justify="left", title_style="bold")
    for number, column in enumerate(table.columns):
        shown.add_column(column, justify="right" if number else "left", no_wrap=number == 0)
    for number, row in enumerate(table.rows):
        if len(row) == 1 and number:
            shown.add_section()
        shown.add_row(*row, style="bold" if len(row) == 1 else None)
    console.print(shown)
    console.print(Padding(table.note, (0, 0, 1, 1)), style="dim", highlight=False)


def markdown(table: Table) -> str:
    """Write a table as Markdown."""
    width = len(table.columns)
    lines = [
        f"## {table.title}",
        "",
        f"| {' | '.join(table.columns)} |",
        f"|---|{'--:|' * (width - 1)}",
        *(f"| {' | '.join([f'**{row[0]}**', *[''] * (width - 1)] if len(row) == 1 else row)} |" for row in table.rows),
        "",
        table.note,
    ]
    return "\n".join(lines) + "\n"


def median_run(runs: Sequence[ChildRun]) -> ChildRun:
    """The run of which half of the others were no faster."""
    return sorted(runs, key=lambda run: run.seconds_in_stages)[len(runs) // 2]


def _cells(run: ChildRun, stage: Stage) -> list[str]:
    peak = run.sampled_peak(stage)
    return [f"{stage.seconds:.2f}", _NONE if peak is None else f"{peak / _MB:.0f}"]


def _rest(run: ChildRun) -> list[str]:
    return [f"{run.seconds - run.seconds_in_stages:.2f}", _NONE]


def _whole(run: ChildRun) -> list[str]:
    return [f"{run.seconds:.2f}", f"{run.peak_bytes / _MB:.0f}"]


def _landing(run: ChildRun) -> list[str]:
    [stage] = run.stages
    return [f"{stage.seconds:.1f}", f"{run.cpu_seconds:.1f}", _cells(run, stage)[1]]


def _work(run: ChildRun) -> float:
    return run.seconds_in_stages - _seconds_of(run, _IMPORTS)


def _seconds_of(run: ChildRun, name: str) -> float:
    return sum(stage.seconds for stage in run.stages if stage.name == name)


def _shares(first: ChildRun, *others: ChildRun) -> list[str]:
    return [f"{other.cpu_seconds / first.cpu_seconds:.0%}" for other in others]


def _times(one: float, other: float) -> str:
    return f"{one / other:.1f}"


def _difference(one: float, other: float) -> str:
    # Adding zero takes the sign from a difference that was rounded away.
    return f"{round(one - other, 4) + 0.0:+.4f}"


def _or_none(value: float | None, form: str) -> str:
    return _NONE if value is None else format(value, form)
