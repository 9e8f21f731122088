"""From the bytes of a csv file to records that two readers agree on.

Belongs here: decoding, line ends, the header, the independent count of records, setting aside records of the
wrong shape. Does not belong here: what a column means.

DuckDB reads fast and forgives much. So the file is first copied as plain UTF-8 with plain line ends, then
counted by Python's strict reader; DuckDB must find exactly as many records.
"""

import codecs
import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sources.errors import RefusedFileError
from sources.landing import CHUNK, Member, chunks
from sources.records import Records
from sources.sql import literal

__all__ = ["csv_header", "decode", "read_csv"]

MAX_LINE = 8 << 20
"""Longest physical line, in bytes; the strict reader holds one in memory."""

_MAGIC = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "a gzip file",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF document",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"SQLite format 3": "a database",
}

# Control characters are never data. The NUL byte is left for the record it stands in to be set aside.
_CONTROLS = bytes(code for code in (*range(1, 32), 127) if code not in b"\t\n\r")


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
    has_nul : bool
        Whether a NUL byte occurs.
    """

    path: Path
    lines: int
    ends_with_newline: bool
    has_nul: bool


def decode(pieces: Iterator[bytes]) -> Iterator[str]:
    """Decode bytes strictly and turn every kind of line end into LF.

    UTF-8, or what a byte order mark announces. Nothing is guessed and nothing replaced.

    Raises
    ------
    RefusedFileError
        At the first byte that does not belong to the encoding.
    """
    first = next(pieces, b"")
    encoding = "utf-8"
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif first.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)("strict"), translate=True)
    seen = 0
    lines = 0
    piece = first
    try:
        while piece:
            seen += len(piece)
            text = decoder.decode(piece)
            lines += text.count("\n")
            yield text
            piece = next(pieces, b"")
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        offset = seen - len(error.object) + error.start
        bad = error.object[error.start]
        line = lines + error.object[: error.start].count(b"\n") + 1
        raise RefusedFileError(
            f"byte 0x{bad:02x} at offset {offset} (line {line}) is not "
            f"{encoding.removesuffix('-sig').upper()}; "
            "export it again as 'CSV UTF-8'"
        ) from error


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


def csv_header(member: Member, delimiter: str) -> list[str]:
    """The first record of a csv file, read from its first bytes.

    Raises
    ------
    RefusedFileError
        If the file is empty, or something else than a csv file.
    """
    pieces = chunks(member)
    first = next(pieces, b"")
    pieces.close()
    _refuse_other_formats(first)
    # Without its last line the piece cannot end inside a character.
    whole = first if len(first) < CHUNK else first[: first.rfind(b"\n") + 1]
    text = "".join(decode(iter([whole])))
    if not text.strip():
        raise RefusedFileError("it is empty: not even a header; export it again")
    header = _first_record(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    if any("\0" in field for field in header):
        raise RefusedFileError("its header holds NUL bytes, as UTF-16 text does; export it again as 'CSV UTF-8'")
    return header


def _first_record(reader: Iterator[list[str]]) -> list[str]:
    try:
        return next((record for record in reader if record), [])
    except csv.Error as error:
        raise RefusedFileError(f"its header cannot be read ({error}); export it again") from error


def read_csv(member: Member, delivery_id: str, desk: Path, *, delimiter: str, final_newline_required: bool) -> Records:
    """Copy, decode and count the records of a csv file.

    Parameters
    ----------
    member : Member
        The file.
    delivery_id : str
        The digest it had when it was looked at.
    desk : Path
        Folder for the copy, which the query reads.
    delimiter : str
        What separates fields.
    final_newline_required : bool
        Whether a last line without an end means that the file was cut.

    Raises
    ------
    RefusedFileError
        If it is not in its encoding, changed meanwhile, or is not whole.
    """
    staged = _stage(member, desk / "records.csv", delivery_id)
    if final_newline_required and not staged.ends_with_newline:
        raise RefusedFileError("it was cut short: its last line has no end; export it again")
    return _count(staged, delimiter)


def _stage(member: Member, target: Path, delivery_id: str) -> _Staged:
    """Copy a csv file as plain UTF-8 and make sure that it is still the file that was looked at."""
    total = hashlib.sha256()

    def hashed() -> Iterator[bytes]:
        for chunk in chunks(member):
            total.update(chunk)
            yield chunk

    lines = 0
    since_newline = 0
    has_nul = False
    last = b""
    with target.open("wb") as copy:
        for text in decode(hashed()):
            piece = text.encode().translate(None, _CONTROLS)
            if not piece:
                continue
            lines += piece.count(b"\n")
            end = piece.rfind(b"\n")
            since_newline = len(piece) - end - 1 if end >= 0 else since_newline + len(piece)
            if since_newline > MAX_LINE:
                raise RefusedFileError(
                    f"a line near line {lines + 1} is longer than {MAX_LINE >> 20} MB; export it again"
                )
            has_nul = has_nul or b"\0" in piece
            last = piece[-1:]
            copy.write(piece)
    if total.hexdigest() != delivery_id:
        raise RefusedFileError("it changed while it was being read; run again when it is complete")
    return _Staged(target, lines, last == b"\n", has_nul)


def _count(staged: _Staged, delimiter: str) -> Records:
    """Count the records with a strict reader, and set aside those of the wrong shape."""
    with staged.path.open(encoding="utf-8", newline="") as text:
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        with _explained(reader):
            columns = len(_first_record(reader))
            header_line = reader.line_num
            widths = Counter(map(len, reader))
    records = widths.total()
    if set(widths) <= {columns} and not staged.has_nul and header_line == 1:
        # Where every record is one line, the file can be read in parallel without doubt.
        one_line_each = staged.lines + (not staged.ends_with_newline) == records + 1
        return Records(_query(staged.path, columns, delimiter, parallel=one_line_each), records)
    return _set_aside(staged, delimiter, columns)


class _Reader(Protocol):
    """What ``csv.reader`` makes; its class has no public name."""

    line_num: int

    def __next__(self) -> list[str]: ...

    def __iter__(self) -> Iterator[list[str]]: ...


@contextmanager
def _explained(reader: _Reader) -> Iterator[None]:
    """Put the strict reader's errors into words, with the place."""
    try:
        yield
    except csv.Error as error:
        line = reader.line_num
        if "unexpected end of data" in str(error) or "field larger" in str(error):
            raise RefusedFileError(
                f"a quote is opened and not closed before line {line}: it was cut short, or a quote inside a "
                "text is not doubled; export it again"
            ) from error
        raise RefusedFileError(f"line {line} cannot be read as csv ({error}); export it again") from error


def _set_aside(staged: _Staged, delimiter: str, columns: int) -> Records:
    """The slow way, for files with blank lines or records of the wrong shape: rewrite what is whole."""
    target = staged.path.with_suffix(".whole.csv")
    misshapen: list[tuple[int, str]] = []
    blank = number = 0
    record: list[str] = []
    with (
        staged.path.open(encoding="utf-8", newline="") as text,
        target.open("w", encoding="utf-8", newline="") as whole,
    ):
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        writer = csv.writer(whole, lineterminator="\n")
        _first_record(reader)
        for number, record in enumerate(reader, start=1):
            if not record:
                blank += 1
            elif len(record) != columns or any("\0" in field for field in record):
                misshapen.append((number, delimiter.join(record).replace("\0", "\ufffd")[:1000]))
            else:
                writer.writerow([number, *record])
    if 0 < len(record) < columns:
        raise RefusedFileError(
            f"it was cut short: its last record has {len(record)} of {columns} fields; export it again"
        )
    return Records(_query(target, columns, ",", parallel=False, numbered=True), number, blank, misshapen)


def _query(path: Path, columns: int, delimiter: str, *, parallel: bool, numbered: bool = False) -> str:
    """SQL that reads a staged file. Every column is declared, so that DuckDB guesses nothing.

    A `numbered` file has the record's number as its first column, and no header.
    """
    names = [f"c{position}" for position in range(columns)]
    types = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in (["number"] if numbered else []) + names)
    options = {
        "header": "false" if numbered else "true",
        "delim": literal(delimiter),
        "quote": "'\"'",
        "escape": "'\"'",
        "new_line": "'\\n'",
        "auto_detect": "false",
        "strict_mode": "true",
        "null_padding": "false",
        "parallel": "true" if parallel else "false",
        "columns": "{" + types + "}",
    }
    arguments = ", ".join(f"{option} = {value}" for option, value in options.items())
    number = "CAST(number AS BIGINT)" if numbered else "row_number() OVER ()"
    return f"SELECT {number} AS record_no, {', '.join(names)} FROM read_csv({literal(path)}, {arguments})"
