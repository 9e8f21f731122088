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
number of records     as far from the median of the last seven deliveries, where declared: likewise
====================  =====================================================================================
"""

from collections.abc import Mapping, Sequence
from statistics import median

from sources.errors import RefusedFileError
from sources.planning import Cell, Plan
from sources.settings import Tolerance, listed

__all__ = ["check_unknown_columns", "check_unreadable", "check_vanished_columns", "check_volume"]

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
        if tolerance is not None and tolerance.then == "refuse" and unreadable > tolerance.share * written:
            raise RefusedFileError(
                f"{sentence}, more than {tolerance.share:.0%}; correct the export, or the share under 'contract' in "
                "source.yml"
            )
        if _is_kept(cell) or (tolerance is not None and unreadable > tolerance.share * written):
            said.append(sentence + ("; kept in extra" if _is_kept(cell) else ""))
    return said


_WORDS = {
    "amount": "amount",
    "timestamp": "time",
    "boolean": "yes or no",
    "email": "e-mail address",
    "phone": "phone number",
    "enum": "known word",
}


def _is_kept(cell: Cell) -> bool:
    """Whether an unreadable value costs no record."""
    return cell.lenient or cell.type in ("boolean", "enum", "email", "phone")


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
