"""From the bytes of a csv file to records that two readers agree on.

Belongs here: line ends, the independent count of records, setting aside records of the wrong shape. Does not
belong here: decoding (``decoding.py``), the reading steps (``rows.py``), what a column means.

DuckDB reads fast and forgives much. So the file is first copied as plain UTF-8 with plain line ends, then its
records are counted, on the bytes where they are beyond doubt and else by Python's strict reader; DuckDB must find
exactly as many.
"""

import codecs
import csv
import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sources.decoding import DAMAGED_UTF_8, as_utf_8, decode, encoding_of
from sources.errors import RefusedFileError
from sources.landing import CHUNK, Member, chunks
from sources.limits import Limits
from sources.planning import Plan
from sources.rows import csv_query, settle, steps_needed
from sources.tables import Records, TextHead, split_lines

__all__ = ["csv_head", "read_csv"]

_MAGIC = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "a gzip file",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF document",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"SQLite format 3": "a database",
}


@dataclass(frozen=True)
class _Staged:
    """A normalised copy of a csv file.

    Attributes
    ----------
    path : Path
        UTF-8, without byte order mark, lines ended by LF.
    lines : int
        Line ends in it.
    ends_with_newline : bool
        Whether the last line has its end.
    records : int or None
        Records in it, the header among them, where all are beyond doubt.
    is_clean : bool
        Whether it is known to be ASCII without quotes and without blanks at the ends of fields.
    """

    path: Path
    lines: int
    ends_with_newline: bool
    records: int | None
    is_clean: bool


def csv_head(member: Member, limits: Limits, encoding: str | None = None) -> TextHead:
    """The first lines of a csv file.

    Parameters
    ----------
    member : Member
        The file.
    limits : Limits
        How large it may be.
    encoding : str or None
        What the owner says it is in.

    Raises
    ------
    RefusedFileError
        If the file is empty, or something else than a csv file.
    """
    pieces = chunks(member, limits)
    first = next(pieces, b"")
    pieces.close()
    _refuse_other_formats(first)
    # Without its last line the piece cannot end inside a character.
    whole = first if len(first) < CHUNK else first[: first.rfind(b"\n") + 1]
    # Which western encoding it is, if it is one, the profile says later; its headers are ASCII.
    known = encoding_of(lambda: [whole], declared=encoding, fallback="latin-1")
    text = "".join(decode([whole], known))
    if not text.strip():
        raise RefusedFileError("it is empty: not even a header; export it again")
    if "\0" in text.partition("\n")[0]:
        raise RefusedFileError("its header holds NUL bytes, as UTF-16 text does; export it again as 'CSV UTF-8'")
    return TextHead(text)


def _refuse_other_formats(first: bytes) -> None:
    if not first:
        raise RefusedFileError("it is empty: not even a header; export it again")
    for magic, what in _MAGIC.items():
        if first.startswith(magic):
            raise RefusedFileError(f"it is {what}, though its name says csv; send it under its own extension or as csv")
    text = first.removeprefix(codecs.BOM_UTF8).lstrip()
    if text.startswith(b"<"):
        raise RefusedFileError(
            "it is a web page, not a csv file: perhaps the login page of the system; export it again"
        )
    if text.startswith((b"{", b"[")):
        raise RefusedFileError("it is JSON, not a csv file; export it again as csv")


def read_csv(member: Member, delivery_id: str, desk: Path, plan: Plan, limits: Limits) -> Records:
    """Copy, decode and count the records of a csv file.

    Parameters
    ----------
    member : Member
        The file.
    delivery_id : str
        The digest it had when it was looked at.
    desk : Path
        Folder for the copy, which the query reads.
    plan : Plan
        How it is to be read.
    limits : Limits
        How large it may be.

    Raises
    ------
    RefusedFileError
        If it is not in its encoding, changed meanwhile, or is not whole.
    """
    target = desk / "records.csv"
    encoding = plan.settings.encoding or "utf-8"
    try:
        staged = _stage(member, target, delivery_id, encoding, plan, limits)
    except RefusedFileError as error:
        if not isinstance(error.__cause__, UnicodeDecodeError):
            raise
        encoding = encoding_of(
            lambda: chunks(member, limits), declared=plan.settings.encoding, fallback=plan.read.encoding
        )
        if encoding == "utf-8":
            raise
        staged = _stage(member, target, delivery_id, encoding, plan, limits)
    if plan.read.final_newline == "required" and not staged.ends_with_newline:
        raise RefusedFileError("it was cut short: its last line has no end; export it again")
    return replace(_counted(staged, plan), encoding=encoding)


def _stage(member: Member, target: Path, delivery_id: str, encoding: str, plan: Plan, limits: Limits) -> _Staged:
    """Copy a csv file as plain UTF-8, count it, and make sure that it is still the file that was looked at."""
    # Loading the definitions of a night must not load numpy.
    from sources.counting import EvenRecords

    columns = len(plan.header.labels)
    is_countable = columns > 1 and not steps_needed(plan) and encoding != DAMAGED_UTF_8
    counting = EvenRecords(plan.read.delimiter, columns) if is_countable else None
    total = hashlib.sha256()
    lines = 0
    since_newline = 0
    last = b""
    # Hashing, counting and writing go on beside reading and decoding.
    with target.open("wb") as copy, ThreadPoolExecutor(1) as beside:
        under_way: list[Future[object]] = []

        def hand_over(task: Callable[[bytes], object], piece: bytes) -> None:
            while len(under_way) >= _WAITING:
                under_way.pop(0).result()
            under_way.append(beside.submit(task, piece))

        def hashed() -> Iterator[bytes]:
            for chunk in chunks(member, limits):
                hand_over(total.update, chunk)
                yield chunk

        for piece in as_utf_8(hashed(), encoding):
            if counting is not None:
                hand_over(counting.add, piece)
            lines += piece.count(b"\n")
            end = piece.rfind(b"\n")
            since_newline = len(piece) - end - 1 if end >= 0 else since_newline + len(piece)
            if since_newline > limits.line_bytes:
                raise RefusedFileError(
                    f"a line near line {lines + 1} is longer than {limits.line_bytes >> 20} MB; export it again"
                )
            last = piece[-1:] or last
            hand_over(copy.write, piece)
        for task in under_way:
            task.result()
    if total.hexdigest() != delivery_id:
        raise RefusedFileError("it changed while it was being read; run again when it is complete")
    records, is_clean = (counting.count(), counting.is_clean) if counting is not None else (None, False)
    return _Staged(target, lines, last == b"\n", records, is_clean)


_WAITING = 4
"""So many pieces may wait to be hashed, counted or written."""


def _counted(staged: _Staged, plan: Plan) -> Records:
    """The records of a file; files with blank lines, misshapen records or quotes in odd places go the slow way."""
    if staged.records is None:
        return _settled(staged, plan)
    # Where every record is one line, the file can be read in parallel without doubt.
    one_line_each = staged.lines + (not staged.ends_with_newline) == staged.records
    query = csv_query(staged.path, len(plan.header.labels), plan.read.delimiter, parallel=one_line_each)
    return Records(query, staged.records - 1, is_numbered=False, is_clean=staged.is_clean)


def _settled(staged: _Staged, plan: Plan) -> Records:
    with _records(staged, plan.read.delimiter) as rows:
        return settle(rows, plan, staged.path.with_suffix(".whole.csv"), is_padded=False)


@contextmanager
def _records(staged: _Staged, delimiter: str) -> Iterator[Iterable[list[str]]]:
    """The records of a staged file; errors of the strict reader are put into words, with the place."""
    with staged.path.open(encoding="utf-8", errors="surrogateescape", newline="") as text:
        reader = split_lines(text, delimiter)
        try:
            yield reader
        except csv.Error as error:
            line = getattr(reader, "line_num", 0)
            if "unexpected end of data" in str(error) or "field larger" in str(error):
                raise RefusedFileError(
                    f"a quote is opened and not closed before line {line}: it was cut short, or a quote inside a "
                    "text is not doubled; export it again"
                ) from error
            raise RefusedFileError(f"line {line} cannot be read as csv ({error}); export it again") from error
