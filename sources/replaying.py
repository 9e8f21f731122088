"""Corrected rejects: from the worklist that somebody filled in to files that the next night loads.

Belongs here: what ``keeprate replay`` does. Does not belong here: the shape of a correction (``corrections.py``),
reading records (``reading.py``), printing.

The worklist is the table of rejected records that lies beside a release. Whoever looks after a source writes what
should stand in the column at fault into its last column, ``corrected_value``. The record is taken from landing once
more, completed, and read the way a night would read it; only what would be loaded is written.
"""

import csv
import io
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from sources.corrections import correction_name, encoded, is_correction, read_back, text
from sources.csv_files import csv_head
from sources.decoding import decode, encoding_of
from sources.errors import RefusedFileError
from sources.landing import SETTINGS_FILE, Member, chunks, digest, source_folders, walk
from sources.ledger import commit, newest, read_ledger
from sources.limits import LIMITS, Limits
from sources.reading import REJECTS, Job, Picked, draft
from sources.settings import SourceDefaults, listed, load_settings
from sources.sql import ask, literal
from sources.tables import split_lines
from sources.worker import Reader

__all__ = ["NotCorrected", "Replayed", "WrittenCorrection", "replay"]

VALUE = "corrected_value"
_NEEDED = ("source", "file", "delivery_id", "feed", "record_no", "column_name", VALUE)
_SEPARATORS = (",", ";", "\t")
# The writer of worklists puts an apostrophe before what a spreadsheet would take for a formula.
_GUARD = re.compile(r"^'(?=\s*[=+\-@＝＋－＠])")


@dataclass(frozen=True)
class WrittenCorrection:
    """A file with corrected records: its name below landing, and how many it holds."""

    file: str
    records: int


@dataclass(frozen=True)
class NotCorrected:
    """A row of the worklist that came to nothing: its line, counted from 1 with the header, and why."""

    line: int
    reason: str


@dataclass
class Replayed:
    """What became of a worklist.

    Attributes
    ----------
    written : list of WrittenCorrection
        New files in landing.
    repeated : int
        Records that were corrected in the same way before.
    refused : list of NotCorrected
        Rows that came to nothing, in the order of the file.
    """

    written: list[WrittenCorrection] = field(default_factory=list)
    repeated: int = 0
    refused: list[NotCorrected] = field(default_factory=list)


@dataclass(frozen=True)
class _Wish:
    """One row of the worklist that was filled in."""

    line: int
    source: str
    file: str
    delivery_id: str
    feed: str
    record_no: int
    column: str
    value: str


@dataclass(frozen=True)
class _Desk:
    """What it takes to correct the records of one delivery."""

    reader: Reader
    landing: Path
    work: Path
    defaults: SourceDefaults
    limits: Limits
    loaded: frozenset[tuple[str, str]]

    def folder(self) -> Path:
        """A new folder for copies."""
        return Path(tempfile.mkdtemp(dir=self.work))


def replay(
    con: duckdb.DuckDBPyConnection,
    worklist: Path,
    *,
    landing: Path,
    raw: Path,
    defaults: SourceDefaults,
    limits: Limits = LIMITS,
) -> Replayed:
    """Write the corrections of a worklist into landing, for the next night to load.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        A connection for the ledger; its threads and memory are what reading may use.
    worklist : Path
        ``restricted/rejected_records.csv`` of a release with ``corrected_value`` filled in, as a spreadsheet saves
        it: UTF-8 or GB18030, separated by comma, semicolon or tab.
    landing, raw : Path
        As for ``load``.
    defaults : SourceDefaults
        Time zone and currency of a source that declares none.
    limits : Limits
        What reading one file may cost.

    Returns
    -------
    Replayed
        What was written and what was not. The same worklist once more writes nothing.

    Raises
    ------
    RefusedFileError
        If the worklist itself cannot be read.
    """
    result = Replayed()
    wishes: dict[tuple[str, str, str], list[_Wish]] = {}
    for wish in _wishes(worklist, limits):
        if isinstance(wish, NotCorrected):
            result.refused.append(wish)
        else:
            wishes.setdefault((wish.source, wish.file, wish.delivery_id), []).append(wish)
    loaded = frozenset(newest(read_ledger(con, raw)))
    [(threads, memory)] = ask(con, "SELECT current_setting('threads'), current_setting('memory_limit')")
    with (
        tempfile.TemporaryDirectory(prefix="keeprate-") as work,
        Reader(int(threads), str(memory)) as reader,
    ):
        desk = _Desk(reader, landing, Path(work), defaults, limits, loaded)
        for (source, file, delivery_id), wanted in wishes.items():
            try:
                _correct(desk, con, source, file, delivery_id, wanted, result)
            except RefusedFileError as error:
                reason = f"{source}/{file}: {error.reason}"
                said = {one.line for one in result.refused}
                result.refused += [NotCorrected(wish.line, reason) for wish in wanted if wish.line not in said]
    result.refused.sort(key=lambda one: one.line)
    return result


def _wishes(worklist: Path, limits: Limits) -> Iterator[_Wish | NotCorrected]:
    """The rows in which a corrected value stands."""
    member = Member(worklist, worklist.name, worklist.name, "csv")
    # Says what it is where it is a workbook or a page.
    csv_head(member, limits)
    encoding = encoding_of(lambda: chunks(member, limits), declared=None)
    content = "".join(decode(chunks(member, limits), encoding))
    first = content.partition("\n")[0]
    separator = next((mark for mark in _SEPARATORS if set(_NEEDED) <= set(_header(first, mark))), None)
    if separator is None:
        raise RefusedFileError(
            f"its header lacks one of {listed(_NEEDED)}; take restricted/rejected_records.csv of the current release, "
            "fill in the last column and save it as csv"
        )
    places = {name: place for place, name in enumerate(_header(first, separator))}
    rows = split_lines(io.StringIO(content, newline=""), separator)
    try:
        for row in rows:
            line = getattr(rows, "line_num", 0)
            if line > 1 and any(row):
                wish = _wish(line, row, places)
                if wish is not None:
                    yield wish
    except csv.Error as error:
        raise RefusedFileError(f"line {getattr(rows, 'line_num', 0)} cannot be read as csv ({error})") from error


def _header(line: str, separator: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(split_lines([line], separator), [])]
    except csv.Error:
        return []


def _wish(line: int, row: Sequence[str], places: Mapping[str, int]) -> _Wish | NotCorrected | None:
    if len(row) < len(places):
        row = [*row, *[""] * (len(places) - len(row))]
    said = {name: _GUARD.sub("", row[places[name]]) for name in _NEEDED}
    if not said[VALUE].strip():
        return None
    if not said["record_no"].strip().isdecimal():
        return NotCorrected(line, f"record_no {said['record_no']!r} is no number of a record; leave it as it was")
    if not said["column_name"]:
        return NotCorrected(
            line, "the whole record is at fault and not one column; correct the export itself and deliver it again"
        )
    return _Wish(
        line,
        said["source"],
        said["file"],
        said["delivery_id"].strip(),
        said["feed"],
        int(said["record_no"]),
        said["column_name"],
        said[VALUE],
    )


def _correct(
    desk: _Desk,
    con: duckdb.DuckDBPyConnection,
    source: str,
    file: str,
    delivery_id: str,
    wishes: Sequence[_Wish],
    result: Replayed,
) -> None:
    """Write the corrections of one delivery."""
    folder, path = _place(desk.landing, source, file)
    settings = load_settings(folder / SETTINGS_FILE)
    job = Job(path, path.relative_to(folder).as_posix(), source, settings, desk.defaults, desk.limits)
    numbers = sorted({wish.record_no for wish in wishes})
    picked = desk.reader.pick(job, file, delivery_id, numbers, desk.folder())
    corrections = _corrected(picked, wishes, result)
    _leave_out(corrections, _said_before(desk, source, path.parent, delivery_id, corrections, result), wishes, result)
    while corrections:
        records = [record for correction in corrections.values() for record in correction.items()]
        content = text(picked.header, delivery_id, sorted(records))
        name = correction_name(picked.file_name, picked.sheet, content)
        failed = _still_rejected(desk, con, job, name, content, delivery_id, picked)
        if not failed:
            _write(path.parent / name, content)
            written = (path.parent / name).relative_to(desk.landing).as_posix()
            result.written.append(WrittenCorrection(written, len(records)))
        _leave_out(corrections, failed or dict.fromkeys(corrections), wishes, result)


def _leave_out(
    corrections: dict[int, dict[int, list[str]]],
    reasons: Mapping[int, str | None],
    wishes: Sequence[_Wish],
    result: Replayed,
) -> None:
    """Take corrections out, by a number of any of their records; where there is a reason, it is for the report."""
    for number, reason in reasons.items():
        wanted = next((wanted for wanted, records in corrections.items() if number in records), None)
        if wanted is None:
            continue
        del corrections[wanted]
        if reason is not None:
            result.refused += [NotCorrected(wish.line, reason) for wish in wishes if wish.record_no == wanted]


def _place(landing: Path, source: str, file: str) -> tuple[Path, Path]:
    """The folder of a source, and the file in it that a delivery came from; names in the worklist are no paths."""
    folder = next((one for one in source_folders(landing)[0] if one.name == source), None)
    if folder is None:
        raise RefusedFileError(
            f"there is no folder {landing / source}; put it back, or name with --landing where the exports arrive"
        )
    for path in walk(folder):
        name = path.relative_to(folder).as_posix()
        if file == name or file.startswith(f"{name}#"):
            return folder, path
    raise RefusedFileError(f"it is not in {folder} any more; put it back, or deliver a corrected export")


def _corrected(picked: Picked, wishes: Iterable[_Wish], result: Replayed) -> dict[int, dict[int, list[str]]]:
    """The wishes fulfilled: per wanted record its own cells by its number, and those of the records that go on with
    its document, where the column is one of the document."""
    found: dict[int, dict[int, list[str]]] = {}
    for number, wanted, cells in picked.records:
        found.setdefault(wanted, {})[number] = cells
    corrections: dict[int, dict[int, list[str]]] = {}
    changed: dict[tuple[int, int], str] = {}
    for wish in wishes:
        place = picked.places.get(wish.column, picked.places.get(f"{wish.feed}.{wish.column}"))
        if wish.record_no not in found:
            reason = f"the file has no record {wish.record_no} that could be corrected; leave record_no as it was"
        elif place is None:
            reason = f"the file has no column {wish.column!r} to correct; deliver an export that has it"
        elif changed.setdefault((wish.record_no, place), wish.value) != wish.value:
            reason = f"another row says that {wish.column!r} of this record is {changed[wish.record_no, place]!r}"
        else:
            document = found[wish.record_no]
            own = document if place in picked.filled else {wish.record_no: document[wish.record_no]}
            for cells in own.values():
                cells[place] = wish.value
            corrections.setdefault(wish.record_no, {}).update(own)
            continue
        result.refused.append(NotCorrected(wish.line, reason))
    return corrections


def _said_before(
    desk: _Desk,
    source: str,
    folder: Path,
    delivery_id: str,
    corrections: Mapping[int, Mapping[int, Sequence[str]]],
    result: Replayed,
) -> dict[int, str | None]:
    """Of which records a correction in landing says the same, and which it says otherwise and waits.

    The last correction of a record counts, so nothing else can be said of one before a night has loaded the first.
    """
    settled: dict[int, str | None] = {}
    for path in sorted(folder.iterdir()):
        if not is_correction(path.name):
            continue
        member = Member(path, path.name, path.name, "csv")
        said = read_back(decode(chunks(member, desk.limits)), delivery_id)
        is_waiting = (source, digest(member, desk.limits)) not in desk.loaded
        for wanted, records in corrections.items():
            if wanted not in said or wanted in settled:
                continue
            if all(said.get(number) == list(cells) for number, cells in records.items()):
                result.repeated += 1
                settled[wanted] = None
            elif is_waiting:
                settled[wanted] = f"{path.name}, which the next run will load, says otherwise; remove it first"
    return settled


def _still_rejected(
    desk: _Desk,
    con: duckdb.DuckDBPyConnection,
    original: Job,
    name: str,
    content: str,
    delivery_id: str,
    picked: Picked,
) -> dict[int, str | None]:
    """Read a correction as the next night will; per record that it would not load, the reason.

    Raises
    ------
    RefusedFileError
        If the night would not read it as what its original is.
    """
    trial = desk.folder() / name
    trial.write_bytes(encoded(content))
    job = Job(trial, name, original.source, original.settings, original.defaults, original.limits)
    found = next(iter(desk.reader.look(job, desk.folder()).found), None)
    if found is None:
        raise RefusedFileError("its correction would be left aside, as files of its kind are; read 'also' and 'skip'")
    if found.refused is not None:
        raise RefusedFileError(f"its correction would be refused: {found.refused}")
    if (found.system, found.kind) != (picked.system, picked.kind):
        raise RefusedFileError(
            f"its correction would be read as {found.kind} instead of {picked.kind}; write "
            f"'files: {{\"*\": {{as: {picked.kind}}}}}' for this file into source.yml"
        )
    folder = desk.folder()
    reading = desk.reader.read(job, found, "", folder)
    if not reading.rejected:
        return {}
    rejects = ask(
        con,
        f"SELECT record_no, code, column_name, raw_value FROM read_parquet({literal(draft(folder, REJECTS))})",
    )
    numbers = list(read_back([content], delivery_id))
    return {numbers[place - 1]: _why(numbers[place - 1], *said) for place, *said in rejects}


def _why(number: int, code: str, column: str | None, value: str | None) -> str:
    where = f" in {column!r}" if column else ""
    what = f", where {value!r} stands" if value else ""
    return f"record {number} would be rejected again: {code}{where}{what}"


def _write(target: Path, content: str) -> None:
    """Put a correction into landing: under its name it is whole or not there."""
    unfinished = target.with_name(f".{target.name}.part")
    unfinished.write_bytes(encoded(content))
    commit(unfinished, target)
