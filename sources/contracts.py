"""What may change from one export to the next, and what is said when it does.

Belongs here: comparing a file with its plan and with earlier deliveries. Does not belong here: rejecting single
records (``mapping.py``).

====================  =====================================================================================
a column is           required: its header must be there · optional: it may be missing · evolve: and
                      unreadable values cost no record · freeze: it must be there, and one unreadable value
                      refuses the file
vanished columns      that the delivery before still had: a warning
unknown columns       evolve: kept in ``extra`` and reported · freeze: refuse the file
unreadable values     from a share on, where one is declared: a warning, or the file is refused
unknown words         a warning; freeze and the share hold for them like for unreadable values
number of records     as far from the median of the last seven deliveries, where declared: likewise
====================  =====================================================================================
"""

import json
import re
from collections.abc import Mapping, Sequence
from statistics import median

from sources.errors import RefusedFileError
from sources.planning import Cell, Plan
from sources.settings import Tolerance, listed
from sources.words import UnknownWords

__all__ = ["check_unknown_columns", "check_unreadable", "check_vanished_columns", "check_volume", "check_words"]

COMPARED_DELIVERIES = 7
ENOUGH_DELIVERIES = 4
"""With fewer earlier deliveries nobody knows what is usual."""


def check_unknown_columns(plan: Plan) -> list[str]:
    """Sentences about columns that nobody maps.

    Raises
    ------
    RefusedFileError
        If a column is unknown where none may be.
    """
    said = []
    unknown = [repr(label) for label in plan.unmapped.values()]
    if unknown:
        columns = f"the column{'s' if len(unknown) > 1 else ''} {listed(unknown)}"
        if plan.settings.contract.unknown_columns == "freeze":
            raise RefusedFileError(
                f"nobody reads {columns}, and source.yml allows no unknown columns; leave them out of the export, or "
                "set 'contract: {unknown_columns: evolve}'"
            )
        said.append(f"nobody reads {columns}; kept in extra")
    return said


def check_vanished_columns(present: str, before: str | None) -> list[str]:
    """Sentences about optional columns that the delivery before still had.

    Parameters
    ----------
    present, before : str
        The profile's columns in this file and in the one before it of the same kind, one a line; None where no
        earlier one is known.
    """
    now = set(present.splitlines())
    gone = [column for column in (before or "").splitlines() if column not in now]
    if not gone:
        return []
    subject, verb = ("the columns", "are") if len(gone) > 1 else ("the column", "is")
    return [f"{subject} {listed(gone)}, which the delivery before had, {verb} missing; empty in its records"]


def check_unreadable(plan: Plan, counts: Mapping[str, tuple[int, int]]) -> list[str]:
    """Sentences about columns whose values changed their type.

    Parameters
    ----------
    plan : Plan
        How the file was read.
    counts : mapping of str to tuple of (int, int)
        Per cell, how many values are written and how many of them are unreadable.

    Raises
    ------
    RefusedFileError
        If a frozen column has an unreadable value, or there are more than are tolerated.
    """
    said = []
    tolerance = plan.settings.contract.type_drift
    for name, (written, unreadable) in counts.items():
        if not unreadable:
            continue
        cell = plan.by_name[name]
        sentence = f"{unreadable} of {written} values of {name} are no {_WORDS.get(cell.type, cell.type)}"
        if cell.frozen:
            raise RefusedFileError(f"{sentence}, and its contract is to freeze; correct the export")
        _refuse_if_too_many(sentence, unreadable, written, tolerance)
        if _is_kept(cell) or (tolerance is not None and unreadable > tolerance.share * written):
            said.append(sentence + ("; kept in extra" if _is_kept(cell) else ""))
    return said


_WORDS = {
    "amount": "amount",
    "timestamp": "time",
    "boolean": "yes or no",
    "email": "e-mail address",
    "phone": "phone number",
}


def _is_kept(cell: Cell) -> bool:
    """Whether an unreadable value costs no record."""
    return cell.lenient or cell.type in ("boolean", "email", "phone")


def _refuse_if_too_many(sentence: str, bad: int, written: int, tolerance: Tolerance | None) -> None:
    if tolerance is not None and tolerance.then == "refuse" and bad > tolerance.share * written:
        raise RefusedFileError(
            f"{sentence}, more than {tolerance.share:.0%}; correct the export, or the share under 'contract' in "
            "source.yml"
        )


def check_words(plan: Plan, unknown: Sequence[UnknownWords]) -> list[str]:
    """Sentences about words that no rule of the profile knows.

    Parameters
    ----------
    plan : Plan
        How the file was read.
    unknown : sequence of UnknownWords
        The words, per column of the file.

    Raises
    ------
    RefusedFileError
        If a frozen column has one, or there are more than are tolerated.
    """
    said = []
    for words in unknown:
        cell = plan.by_name.get(words.cell)
        column = repr(plan.title(cell)) if cell is not None else words.cell
        shown = ", ".join(f"{word!r} {count}×" for word, count in words.words)
        more = words.different - len(words.words)
        sentence = f"the column {column} has words that the profile does not know: {shown}"
        sentence += f" and {more} more" if more else ""
        means = f'files: {{"<name>*": {{words: {{{_key(words.cell)}: {{{_quoted(words.words[0][0])}: …}}}}}}}}'
        if cell is not None and cell.frozen:
            raise RefusedFileError(
                f"{sentence}, and its contract is to freeze; correct the export, or say in source.yml what they mean, "
                f"under {means}"
            )
        _refuse_if_too_many(sentence, words.records, words.written, plan.settings.contract.type_drift)
        known = _known_words(plan, words.cell)
        hint = f" (known are {listed(map(repr, known[:SHOWN_KNOWN]))}{' …' if known[SHOWN_KNOWN:] else ''})"
        if _COUNTED & set(words.becomes):
            effect = "such orders count for nothing until"
        else:
            effect = f"{listed(words.becomes)} {'stay' if len(words.becomes) > 1 else 'stays'} empty until"
        said.append(f"{sentence}; {effect} source.yml says what they mean, under {means}{hint if known else ''}")
    return said


SHOWN_KNOWN = 8

_COUNTED = {"orders.status", "orders.kind"}
"""An order with nothing here is no revenue."""


def _key(column: str) -> str:
    return column if re.fullmatch(r"\w[\w .-]*", column) else _quoted(column)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _known_words(plan: Plan, cell: str) -> list[str]:
    """The words that the profile knows in a column of the file."""
    found = list(plan.by_name[cell].values) if cell in plan.by_name else []
    for made in plan.feeds:
        for value in (value for values in made.values.values() for value in values):
            own = cell in (value.cells or ())
            for rule in value.map:
                if rule.cell == cell or (rule.cell is None and own):
                    found += [word for word in (rule.equals, *(rule.is_in or ())) if word is not None]
    return list(dict.fromkeys(found))


def check_volume(records: int, earlier: Sequence[int], tolerance: Tolerance | None) -> list[str]:
    """Sentences about a delivery that is much larger or smaller than the ones before.

    Parameters
    ----------
    records : int
        What it holds.
    earlier : sequence of int
        What the earlier deliveries of the same kind of file held, the newest last.
    tolerance : Tolerance or None
        The distance that is usual.

    Raises
    ------
    RefusedFileError
        If it is too far from them and shall be refused then.
    """
    if tolerance is None or len(earlier) < ENOUGH_DELIVERIES:
        return []
    usual = median(earlier[-COMPARED_DELIVERIES:])
    if abs(records - usual) <= tolerance.share * usual:
        return []
    sentence = (
        f"it has {records} records, while the median of the last {len(earlier[-COMPARED_DELIVERIES:])} is {usual:g}"
    )
    if tolerance.then == "refuse":
        raise RefusedFileError(f"{sentence}; look at the export, or change 'volume' under 'contract' in source.yml")
    return [sentence]
