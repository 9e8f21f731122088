"""Corrected records as a file in landing: how it is called and what stands in it.

Belongs here: the shape of a correction. Does not belong here: finding the records that are corrected, and writing
the file (``replaying.py``).

A correction holds records of one delivery under that delivery's own headers, after its reading steps were taken,
and in two columns more where each of them comes from. It is a plain csv file in UTF-8 with a byte order mark,
whatever the original was::

    orders-2024.csv                   → orders-2024.corrected-5f0c1a77.csv
    backup.zip#Accounts.csv           → Accounts.corrected-0b9d33e1.csv
    book.xlsx#客户                     → book#客户.corrected-77aa01c2.csv

It is recognised by the name that it starts with, and is as old as what it corrects.
"""

import codecs
import csv
import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from sources.errors import RefusedFileError
from sources.headers import Header
from sources.profiles import ReadSpec

__all__ = [
    "CORRECTED",
    "RECORD",
    "as_written",
    "correction_name",
    "corrects",
    "encoded",
    "is_correction",
    "original_name",
    "read_back",
    "text",
]

DELIVERY = "keeprate_delivery_id"
RECORD = "keeprate_record_no"
CORRECTED = (DELIVERY, RECORD)
"""The columns that say where a corrected record comes from; they stand after the file's own."""

_NAME = re.compile(r"^(?P<stem>.+?)(\.corrected-[0-9a-f]{8})+\.csv$", re.IGNORECASE)
_DIGEST = re.compile(r"[0-9a-f]{64}")


def is_correction(name: str) -> bool:
    """Whether a file is called like a correction."""
    return _NAME.match(PurePath(name).name) is not None


def original_name(name: str) -> tuple[str, str | None]:
    """What a correction's original was called, without extension, and its sheet where it had several."""
    found = _NAME.match(PurePath(name).name)
    assert found is not None
    book, _, sheet = found["stem"].partition("#")
    return book, sheet or None


def correction_name(original: str, sheet: str | None, content: str) -> str:
    """The name of a correction with this content.

    Parameters
    ----------
    original : str
        Name of the file or member that is corrected.
    sheet : str or None
        Its sheet, where it has several.
    content : str
        The text of the correction: the same corrections make the same file.
    """
    if is_correction(original):
        stem = re.sub(r"\.csv$", "", original, flags=re.IGNORECASE)
    else:
        plain = re.sub(r"\.gz$", "", original, flags=re.IGNORECASE)
        stem = PurePath(plain).stem + (f"#{sheet}" if sheet else "")
    digest = hashlib.sha256(encoded(content)).hexdigest()
    return f"{stem.replace('/', '_')}.corrected-{digest[:8]}.csv"


def as_written(read: ReadSpec) -> ReadSpec:
    """The reading steps of a correction: those of its original were taken when it was written."""
    return ReadSpec(
        decimal=read.decimal,
        header=("keyed", "plain") if "keyed" in read.header else ("plain",),
        drop_columns=CORRECTED,
    )


def corrects(rows: Sequence[Sequence[str]], header: Header) -> str:
    """The delivery that a correction corrects, from its first record.

    Raises
    ------
    RefusedFileError
        If it does not say so.
    """
    first = rows[header.rows] if len(rows) > header.rows else ()
    values = dict(zip(header.labels, first, strict=False))
    if not set(CORRECTED) <= set(header.labels) or not _DIGEST.fullmatch(values.get(DELIVERY, "")):
        raise RefusedFileError(
            f"it is called like a correction but does not say in {DELIVERY} and {RECORD} what it corrects; rename it, "
            "or write it with `keeprate replay`"
        )
    return values[DELIVERY]


def text(header: Sequence[Sequence[str]], delivery_id: str, records: Iterable[tuple[int, Sequence[str]]]) -> str:
    """The text of a correction.

    Parameters
    ----------
    header : sequence of sequence of str
        The one or two rows of the header.
    delivery_id : str
        The delivery that is corrected.
    records : iterable of (int, sequence of str)
        Number and cells of each record, in their order.
    """
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerows([*row, *CORRECTED] for row in header)
    writer.writerows([*cells, delivery_id, number] for number, cells in records)
    return target.getvalue()


def read_back(pieces: Iterable[str], delivery_id: str) -> dict[int, list[str]]:
    """The records of a correction of one delivery by their numbers in it; none of a correction of another."""
    rows = csv.reader(io.StringIO("".join(pieces), newline=""))
    own = len(CORRECTED)
    return {
        int(row[-1]): row[:-own] for row in rows if len(row) > own and row[-own] == delivery_id and row[-1].isdecimal()
    }


def encoded(content: str) -> bytes:
    """The bytes of a correction. The mark at their start goes before any encoding that source.yml declares."""
    return codecs.BOM_UTF8 + content.encode()
