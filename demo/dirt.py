"""What goes wrong in exports: kinds of damage that are planted into them, each with what must become of it.

Belongs here: the kinds of damage that any system may have. Does not belong here: planting them (``sheets.py``).

A damaged record is always one more, a copy of a sound one under a number of its own: what the simulated company did
stands whole in its exports, and a bad record costs nothing but itself. Only spellings that are understood are planted
into the sound records themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from demo.spelling import full_width, literal

__all__ = [
    "BLANK",
    "FRESH",
    "NOBODY",
    "Dirt",
    "bad_amount",
    "bad_date",
    "bad_score",
    "dup_exact",
    "id_mangled",
    "missing_customer",
    "missing_id",
    "older_version",
    "orphan",
    "soft_deleted",
    "wide_digits",
]

FRESH = 90_000_000
"""Numbers of planted records begin here, above all that the company has."""

NOBODY = 95_000_000
"""Numbers of customers whom no export holds begin here."""

_KEPT = {None, "orphan_customer", "dup_exact", "dup_key", "soft_deleted", "excluded_status"}
_COPIES_OF_ONE_KEY = {"dup_exact", "dup_key"}


@dataclass(frozen=True)
class Dirt:
    """One kind of damage in one sheet.

    Attributes
    ----------
    name : str
        Its name in the sheet.
    code : str or None
        What becomes of the record; None: it is read as if nothing were wrong.
    why : str
        A sentence for whoever looks into the truth.
    column : str
        The header of the cell that shows it; empty where no single one does.
    cells : mapping of str to str
        Header to the SQL of what stands there instead; ``{}`` is what would stand there.
    record : mapping of str to str
        Column of the record to SQL of another value in the copy; ``copy_no`` numbers the copies of the sheet.
    where : str
        SQL: which records it may be planted into.
    one_line : bool
        Only documents of one line are taken.
    """

    name: str
    code: str | None
    why: str
    column: str = ""
    cells: Mapping[str, str] = field(default_factory=dict)
    record: Mapping[str, str] = field(default_factory=dict)
    where: str = "true"
    one_line: bool = True

    @property
    def is_copy(self) -> bool:
        """Whether a record is added."""
        return self.code is not None

    @property
    def is_read(self) -> bool:
        """Whether the record is among those that reading gives back."""
        return self.code in _KEPT

    @property
    def has_own_key(self) -> bool:
        """Whether the copy has a number of its own."""
        return self.code not in _COPIES_OF_ONE_KEY


BLANK = "blank"
"""A row in which nothing is written."""


def _unreadable(code: str, header: str, text: str, why: str, where: str = "true", one_line: bool = True) -> Dirt:
    return Dirt(f"{code}: {header}", code, why, header, {header: literal(text)}, where=where, one_line=one_line)


def missing_id(*headers: str) -> Dirt:
    """A record without its key."""
    return Dirt("missing_id", "missing_id", "The key is blank.", headers[0], dict.fromkeys(headers, "null"))


def id_mangled(header: str, text: str = "7.21045E+12") -> Dirt:
    """An id that a spreadsheet turned into a number."""
    return _unreadable("id_mangled", header, text, "A spreadsheet has turned the id into a number.")


def missing_customer(*headers: str) -> Dirt:
    """A document that is nobody's."""
    return Dirt(
        "missing_customer",
        "missing_customer",
        "No customer is named.",
        headers[0],
        dict.fromkeys(headers, "null"),
    )


def orphan(header: str, column: str = "customer_no") -> Dirt:
    """A document of a customer who was not exported."""
    return Dirt(
        "orphan_customer",
        "orphan_customer",
        "No export holds this customer.",
        header,
        record={column: f"{NOBODY} + copy_no"},
    )


def bad_date(header: str, text: str, *, one_line: bool = True) -> Dirt:
    """A day that no calendar has, or no date at all."""
    return _unreadable("bad_date", header, text, "No date can be read there.", one_line=one_line)


def bad_amount(header: str, text: str, *, where: str = "true") -> Dirt:
    """An amount or a quantity that is no number."""
    return _unreadable("bad_amount", header, text, "No number can be read there.", where)


def bad_score(header: str, text: str, *, where: str = "true") -> Dirt:
    """An answer that is not on the scale."""
    return _unreadable("bad_score", header, text, "No score can be read there.", where)


def dup_exact(*, one_line: bool = True) -> Dirt:
    """The same record once more, letter by letter."""
    return Dirt("dup_exact", "dup_exact", "It repeats the record before it.", one_line=one_line)


def older_version(header: str, record: Mapping[str, str], where: str = "true") -> Dirt:
    """The same key again, as it was at an earlier time."""
    return Dirt("dup_key", "dup_key", "The same key was modified later.", header, record=record, where=where)


def soft_deleted(header: str, record: Mapping[str, str]) -> Dirt:
    """A record that its system has deleted and exports all the same."""
    return Dirt("soft_deleted", "soft_deleted", "It is marked as deleted.", header, record=record)


def wide_digits(header: str, where: str = "true") -> Dirt:
    """Digits of an input method, which are read as digits."""
    return Dirt(
        f"wide digits: {header}",
        None,
        "",
        header,
        {header: full_width("{}")},
        where=where,
        one_line=False,
    )
