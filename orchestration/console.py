"""How the command line talks: progress while a night runs, and tables afterwards.

Belongs here: turning outcomes, releases and findings into text. Does not belong here: commands and their
options (``cli.py``), or finding anything out.
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from demo import DemoSummary
    from orchestration.doctor import Finding
    from orchestration.nightly import Outcome
    from orchestration.trials import Comparison, Preview
    from rules import Rules
    from sources import Examined, Inspection, Replayed
    from warehouse.releases import Release

_FIGURES = {"customers": "customers", "orders": "orders", "list_members": "list members"}


@contextmanager
def progress(*, debug: bool) -> Iterator[None]:
    """Show the project's log on standard error: coloured for a person, plain for a file or a mail from cron.

    Parameters
    ----------
    debug : bool
        Also show what is only of use to a developer.
    """
    logger = logging.getLogger("keeprate")
    handler = _handler()
    before = (logger.level, logger.propagate)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if debug else logging.INFO)
    # Another handler above, such as Dagster's, would print every line twice.
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


def print_outcome(outcome: "Outcome", row_counts: dict[str, int]) -> None:
    """Print what a night did: steps with rows and seconds, figures, where to look, and the verdict last.

    Parameters
    ----------
    outcome : Outcome
        What the night returned.
    row_counts : dict of str to int
        Rows of each published table; empty if nothing was published.
    """
    console = _console()
    if outcome.steps:
        table = Table("step", box=SIMPLE_HEAD)
        table.add_column("rows", justify="right")
        table.add_column("seconds", justify="right")
        for step in outcome.steps:
            rows = "" if step.rows is None else f"{step.rows:,}"
            table.add_row(step.name, rows, f"{step.seconds:.1f}")
        console.print(table)
    figures = [f"{row_counts[table]:,} {name}" for table, name in _FIGURES.items() if table in row_counts]
    if figures:
        _line(console, " · ".join(figures))
    width = max(map(len, outcome.where), default=0)
    for name, path in outcome.where.items():
        _line(console, f"{name:<{width}}  {path}")
    for warning in outcome.warnings:
        _line(console, f"Warning: {warning}")
    for reason in outcome.reasons:
        _line(console, f"- {reason}")
    _line(console, verdict(outcome))


def verdict(outcome: "Outcome") -> str:
    """Say in a sentence or two what became of a night."""
    day = f" as of {outcome.as_of}"
    match outcome.kind:
        case "published" if outcome.served:
            return f"Published release {outcome.release}{day}; it is served now."
        case "published":
            return (
                f"Published release {outcome.release}{day}, but another one is pinned and still served. "
                "Run `keeprate unpin` to serve the newest."
            )
        case "backfilled":
            return f"Backfilled{day}: its state is in the history; a later day is served and did not change."
        case "refused":
            return f"Refused{day}: nothing was published, what was served before still is."
        case _:
            return f"Failed{day}: what was served before still is."


def print_releases(releases: Sequence["Release"], pinned: int | None) -> None:
    """Print the releases of a home, newest first."""
    console = _console()
    if not releases:
        _line(console, "Nothing is published yet; `keeprate run` publishes the first release.")
        return
    table = Table("release", "as of", "published (UTC)", "run", "", box=SIMPLE_HEAD)
    for release in reversed(releases):
        marks = [
            *(["served"] if release.served else []),
            *(["pinned"] if release.seq == pinned else []),
        ]
        table.add_row(
            str(release.seq),
            release.as_of.isoformat(),
            f"{release.published_at:%Y-%m-%d %H:%M}",
            release.run_id,
            ", ".join(marks),
        )
    console.print(table)


def print_rules(rules: "Rules", file: Path) -> None:
    """Print what a rules file that is in order consists of."""
    counts = {
        "tiers": rules.tiers,
        "stages": rules.lifecycle,
        "layers": rules.display_layer,
        "segment schemes": rules.segment_schemes,
        "tags": rules.tags,
        "signals": [signal for signal in rules.signals if signal.enabled],
        "lists": rules.lists,
    }
    _line(_console(), f"{file} is in order: {', '.join(f'{name} {len(each)}' for name, each in counts.items())}.")
    _line(_console(), f"Its hash is {rules.hash}.")


def print_preview(preview: "Preview") -> None:
    """Print who would be classed otherwise, by what they are classed by."""
    console = _wide_console()
    if preview.before == preview.after:
        _line(console, f"These are the rules of the last night, as of {preview.as_of}; nothing changes.")
        return
    stay = []
    for axis in preview.axes:
        if not preview.moved(axis):
            stay.append(str(preview.axis_label(axis)))
            continue
        table = Table(box=SIMPLE_HEAD)
        table.add_column(Text(str(preview.axis_label(axis))), no_wrap=True)
        for name in ("customers", "net revenue 365d", "margin 365d"):
            table.add_column(name, justify="right", no_wrap=True)
        for move in preview.moved(axis):
            labels = (preview.class_label(axis, name) for name in (move.before, move.after))
            table.add_row(
                Text(" → ".join(map(str, labels))),
                f"{move.customers:,}",
                f"{move.net_revenue_365d:,.0f}",
                f"{move.gross_margin_365d:,.0f}",
            )
        console.print(table)
        _line(console, f"  {sum(move.customers for move in preview.moved(axis)):,} customers move")
    if stay:
        _line(console, f"Nobody moves in {', '.join(stay)}.")
    _line(console, f"As of {preview.as_of}; {preview.rebuilt} tables were built aside, nothing was published.")


def print_comparison(comparison: "Comparison", names: tuple[str, str]) -> None:
    """Print who is classed otherwise by two sets of rules, and what the customers of each class did next."""
    console = _wide_console()
    print_preview(comparison.preview)
    days = comparison.backtest_days
    _line(console, f"A is {names[0]}, B is {names[1]}.")
    _line(console, f"Both classed the customers of {comparison.backtest_on}; what these did in the {days} days after:")
    one, other = ({(row.axis, row.name): row for row in rows} for rows in comparison.backtests)
    table = Table(box=SIMPLE_HEAD)
    table.add_column("A → B where they differ", no_wrap=True)
    for column in ("customers", "revenue each", "times all others", "share of the lost"):
        table.add_column(column, justify="right", no_wrap=True)
    for axis in dict.fromkeys(axis for axis, _ in (*one, *other)):
        table.add_row(Text(str(comparison.preview.axis_label(axis)), style="bold"))
        for key in dict.fromkeys(key for key in (*one, *other) if key[0] == axis):
            rows = one.get(key), other.get(key)
            table.add_row(
                Text(f"  {comparison.preview.class_label(*key)}"),
                _change(*("–" if row is None else f"{row.customers:,}" for row in rows)),
                _change(*("–" if row is None else f"{row.revenue_per_customer:,.2f}" for row in rows)),
                _change(*("–" if row is None or row.separation is None else f"{row.separation:,.2f}" for row in rows)),
                _change(
                    *("–" if row is None or row.churned_share is None else f"{row.churned_share:.0%}" for row in rows)
                ),
            )
    console.print(table)


def _change(before: str, after: str) -> Text:
    return Text(before if before == after else f"{before} → {after}")


def print_finding(finding: "Finding") -> None:
    """Print one finding of the doctor."""
    mark = "[green]✓[/]" if finding.ok else "[red]✗[/]"
    console = _console()
    console.print(mark, end=" ")
    _line(console, finding.what)
    if finding.advice:
        _line(console, f"  → {finding.advice}")


def print_inspection(inspection: "Inspection") -> None:
    """Print how files would be read, one after the other."""
    console = _console()
    for file in inspection.files:
        _print_examined(console, file)
    for name in inspection.ignored:
        _line(console, f"{name}: no export, left aside")


def _print_examined(console: Console, file: "Examined") -> None:
    _line(console, file.name)
    if file.kind is not None:
        share = f"{file.confidence:.0%} of its columns are known"
        _line(console, f"  profile   {file.system}, {file.kind} → {file.feed} (told by {file.told_by}; {share})")
    if file.derived:
        _line(console, f"  derived   {', '.join(file.derived)}")
    if file.encoding is not None:
        _line(console, f"  encoding  {file.encoding}")
    if file.columns:
        table = Table("header", "read as", "becomes", box=SIMPLE_HEAD)
        for column, header in file.columns.items():
            table.add_row(Text(header), Text(column), Text(_becomes(file, column)))
        console.print(table)
    for what, names in (("unmapped", file.unmapped), ("absent", file.absent)):
        if names:
            _line(console, f"  {what:<9} {', '.join(names)}")
    for sentence in file.drift:
        _line(console, f"  unusual   {sentence}")
    if file.refused is not None:
        _line(console, f"  refused   {file.refused}")
        return
    _line(
        console,
        f"  records   {file.records:,}: {file.readable:,} readable, {file.rejected:,} rejected, "
        f"{file.ignored:,} ignored",
    )
    for reject in file.rejects:
        where = f" in {reject['column']}" if reject["column"] else ""
        value = f": {reject['value']!r}" if reject["value"] is not None else ""
        _line(console, f"  rejected  record {reject['record_no']}, {reject['code']}{where}{value}")
    for told in file.words:
        said = ", ".join(f"{word!r} {count:,}× {meaning or 'unknown'}" for word, meaning, count in told["words"])
        others = f" and {told['others']:,} more" if told["others"] else ""
        _line(console, f"  words     {told['column']} → {told['becomes']}: {said}{others}")
    for feed, rows in file.first.items():
        for row in rows:
            _line(console, f"  first     {feed}: {' · '.join(f'{column} {value}' for column, value in row.items())}")


def _becomes(file: "Examined", column: str) -> str:
    """What a column becomes; the feed is said where it is not the one whose records are counted."""
    return ", ".join(name.removeprefix(f"{file.feed}.") for name in file.becomes.get(column, ()))


def print_demo(summary: "DemoSummary", folder: Path) -> None:
    """Print what a demo consists of, and what to do with it."""
    console = _console()
    table = Table("source", box=SIMPLE_HEAD)
    table.add_column("files", justify="right")
    table.add_column("records", justify="right")
    sources: dict[str, list[int]] = {}
    for name, records in summary.files.items():
        sources.setdefault(name.partition("/")[0], []).append(records)
    for source, counts in sources.items():
        table.add_row(source, f"{len(counts)}", f"{sum(counts):,}")
    console.print(table)
    truth = folder / "truth"
    _line(console, f"{summary.bad_rows:,} of the records do not load or do not count; {truth} says which and why.")
    _line(console, f"Next: keeprate run --home {folder} --as-of latest")


def print_replayed(replayed: "Replayed", landing: Path) -> None:
    """Print which corrections were written and which rows of the worklist came to nothing."""
    console = _console()
    for written in replayed.written:
        _line(console, f"{landing / written.file}: {written.records:,} records")
    if replayed.repeated:
        _line(console, f"{replayed.repeated:,} records were corrected so before")
    for one in replayed.refused:
        _line(console, f"line {one.line}: {one.reason}")
    if replayed.written:
        _line(console, "The next run loads them.")
    elif not (replayed.refused or replayed.repeated):
        _line(console, "Nothing to write; fill in the column corrected_value.")


def _line(console: Console, text: str) -> None:
    """Print a line as it is: whole paths to copy, and no square bracket taken for markup."""
    console.print(text, soft_wrap=True, markup=False, highlight=False)


def _console() -> Console:
    return Console(file=sys.stdout, highlight=False)


def _wide_console() -> Console:
    """For tables of labels in two languages, which a narrow one would break at every word."""
    console = _console()
    console.width = max(console.width, 110)
    return console


def _handler() -> logging.Handler:
    if sys.stderr.isatty():
        from rich.logging import RichHandler

        return RichHandler(
            console=Console(stderr=True), show_path=False, log_time_format="%H:%M:%S", rich_tracebacks=False
        )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    return handler
