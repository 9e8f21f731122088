"""The header of a file: where it stands, in which of its shapes, and where each column is.

Belongs here: comparing headers, the shapes of ``read.header``, finding a column by its names. Does not belong
here: which columns a system has (``profiles.py``), and the rows below (``rows.py``).
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Literal

from sources.errors import RefusedFileError

__all__ = ["Header", "Shape", "fits", "headers", "is_blank", "normalise_header", "normalise_label"]

Shape = Literal["plain", "merged", "keyed", "none"]


def normalise_header(text: str) -> str:
    """The form in which headers are compared: NFKC, one space for any run of spaces, case folded.

    The star with which templates mark what must be filled in is no part of a name.
    """
    plain = _plain(text)
    return plain.strip("*").strip() or plain


def normalise_label(text: str) -> str:
    """The form in which words in front of a sum are compared, such as "Total:"."""
    return normalise_header(text).rstrip(":： ")


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip().casefold()


def fits(text: str, patterns: Iterable[str]) -> bool:
    """Whether a name matches one of several patterns such as ``Account_*``, ignoring case and width."""
    return any(fnmatchcase(_plain(text), _plain(pattern)) for pattern in patterns)


def is_blank(row: Sequence[str]) -> bool:
    """Whether nothing is written in a row."""
    return not any(cell and not cell.isspace() for cell in row)


@dataclass(frozen=True)
class Header:
    """A file's header as one row of names.

    Attributes
    ----------
    labels : tuple of str
        What a reader would call each column; unique unless the file repeats a name.
    others : tuple of str
        A second name per column, where the header has one; else empty texts.
    rows : int
        Rows of the file up to and including the header.
    dropped : frozenset of int
        Columns that hold no data.
    """

    labels: tuple[str, ...]
    others: tuple[str, ...]
    rows: int
    dropped: frozenset[int] = frozenset()

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Normalised name to place. A second name that occurs more than once finds nothing."""
        found: dict[str, int] = {}
        for position, label in enumerate(self.labels):
            if position not in self.dropped:
                found.setdefault(normalise_header(label), position)
        seconds: dict[str, list[int]] = {}
        for position, other in enumerate(self.others):
            if other and position not in self.dropped:
                seconds.setdefault(normalise_header(other), []).append(position)
        return {name: places[0] for name, places in seconds.items() if len(places) == 1} | found

    def find(self, names: Iterable[str]) -> int | None:
        """Place of the first of several names that the file has."""
        places = (self.positions.get(normalise_header(name)) for name in names)
        return next((place for place in places if place is not None), None)

    def refuse_repeated(self) -> None:
        """Make sure that no name stands over two columns.

        Raises
        ------
        RefusedFileError
            If one does.
        """
        for position, label in enumerate(self.labels):
            first = self.positions.get(normalise_header(label), position)
            if first != position and position not in self.dropped:
                raise RefusedFileError(
                    f"the header {label!r} occurs twice (columns {first + 1} and {position + 1}); "
                    "remove or rename one of them"
                )


def headers(
    rows: Sequence[Sequence[str]],
    *,
    shapes: Sequence[Shape],
    preamble: int,
    names: Sequence[str] = (),
    dropped: Sequence[str] = (),
) -> Iterator[Header]:
    """Every header that the first rows of a file may be read with, the likeliest first.

    Parameters
    ----------
    rows : sequence of sequence of str
        The first rows of the file.
    shapes : sequence of str
        The shapes to try.
    preamble : int
        How many rows that are not blank may stand above the header.
    names : sequence of str
        The names of the columns of a file without header.
    dropped : sequence of str
        Patterns of columns that hold no data.
    """
    starts = [place for place, row in enumerate(rows) if not is_blank(row)][: preamble + 1]
    for shape in shapes:
        if shape == "none":
            if starts and len(rows[starts[0]]) == len(names):
                yield Header(tuple(names), ("",) * len(names), 0)
            continue
        for start in starts:
            header = _header(rows, start, shape)
            if header is not None:
                lost = {
                    place
                    for place, both in enumerate(zip(header.labels, header.others, strict=True))
                    if any(text and (text in dropped or fits(text, dropped)) for text in both)
                }
                yield Header(header.labels, header.others, header.rows, frozenset(lost))


def _header(rows: Sequence[Sequence[str]], start: int, shape: Shape) -> Header | None:
    first = [cell.strip() for cell in rows[start]]
    if shape == "plain":
        return Header(_named(first), ("",) * len(first), start + 1)
    if start + 1 >= len(rows):
        return None
    second = [cell.strip() for cell in rows[start + 1]]
    width = max(len(first), len(second))
    first += [""] * (width - len(first))
    second += [""] * (width - len(second))
    if shape == "keyed":
        return Header(
            _named([key or label for key, label in zip(first, second, strict=True)]), tuple(second), start + 2
        )
    return Header(_named(_merged(first, second)), ("",) * width, start + 2)


def _merged(groups: Sequence[str], fields: Sequence[str]) -> list[str]:
    """Titles of two rows in one: a group's title stands over its first field only."""
    names = []
    group = ""
    for title, field in zip(groups, fields, strict=True):
        group = title or group
        names.append(f"{group}.{field}" if group and field else title or field)
    return names


def _named(texts: Sequence[str]) -> tuple[str, ...]:
    """A column without a title, as spreadsheets leave them, is called by its place."""
    return tuple(text or f"(column {position})" for position, text in enumerate(texts, start=1))
