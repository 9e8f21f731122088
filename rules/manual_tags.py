"""Tags that people give to customers: the file that ``manual_tags`` names.

Here belongs reading that file and everything that it shows by itself. Which records there are, and what becomes of a
rule's tag where a person has decided, belongs to the SQL models.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

from rules.errors import Problem, RulesError
from rules.tables import read_lines

__all__ = ["ManualTag", "read_manual_tags"]

COLUMNS: Final = ("source", "id", "tag", "valid_from", "valid_to", "given_by")


class ManualTag(NamedTuple):
    """One line of the file.

    Attributes
    ----------
    line : int
        Where it stands, from 1.
    source, id : str
        A record of the customer, as its source knows it.
    tag : str
        The tag: the id of one of the rules' tags, or a word of its own.
    valid_from : date
        First day on which the customer has it.
    valid_to : date or None
        First day on which the customer has it no more; None: until somebody says so.
    given_by : str
        Who says so.
    """

    line: int
    source: str
    id: str
    tag: str
    valid_from: date
    valid_to: date | None
    given_by: str


def read_manual_tags(path: Path) -> tuple[ManualTag, ...]:
    """Read the file of tags that people give.

    Parameters
    ----------
    path : Path
        A table in CSV, UTF-8 with or without a byte order mark, whose first line names the columns; further columns
        are not read. Only ``valid_to`` may be blank.

    Returns
    -------
    tuple of ManualTag
        In the order of the file.

    Raises
    ------
    RulesError
        If the file cannot be read, a line is no tag, or two lines give one customer the same tag at one time; names
        every problem with its line and what to do.
    """
    problems: list[Problem] = []
    tags: list[ManualTag] = []
    for line, cells in read_lines(path, COLUMNS):
        try:
            tags.append(_tag(line, cells))
        except ValueError as error:
            problems.append(Problem(path, line, str(error)))
    problems += [Problem(path, line, message) for line, message in _overlaps(tags)]
    if problems:
        raise RulesError(problems)
    return tuple(tags)


def _tag(line: int, cells: dict[str, str]) -> ManualTag:
    blank = [name for name in COLUMNS if name != "valid_to" and not cells[name]]
    if blank:
        raise ValueError(f"leaves {', '.join(blank)} blank; fill it in")
    valid_from = _day("valid_from", cells["valid_from"])
    valid_to = _day("valid_to", cells["valid_to"]) if cells["valid_to"] else None
    if valid_to is not None and valid_to <= valid_from:
        raise ValueError("ends on its first day or before; valid_to is the first day without the tag")
    return ManualTag(line, cells["source"], cells["id"], cells["tag"], valid_from, valid_to, cells["given_by"])


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"has {text} in {name}; write a day such as 2026-03-31") from None


def _overlaps(tags: Sequence[ManualTag]) -> Iterator[tuple[int, str]]:
    """Lines that say of a customer what an earlier line says of the same time."""
    by_key: dict[tuple[str, str, str], list[ManualTag]] = {}
    for tag in tags:
        before = by_key.setdefault((tag.source, tag.id, tag.tag), [])
        for other in before:
            starts_in_time = other.valid_to is None or tag.valid_from < other.valid_to
            ends_in_time = tag.valid_to is None or other.valid_from < tag.valid_to
            if starts_in_time and ends_in_time:
                yield tag.line, f"gives the tag that line {other.line} gives for the same time; keep one"
                break
        before.append(tag)
