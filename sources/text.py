"""Canonical text: SQL expressions that rewrite what a system wrote into one spelling.

Belongs here: the spelling of every column type, independent of any system. Does not belong here: which column
has which type (``profiles.py``), nor what happens to a value without a canonical spelling (``mapping.py``).

Rewritings are SQL and work on whole columns. None of them passes through a binary number, so ``2.550`` stays
``2.550`` and a seventeen-digit id stays an id.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import duckdb

from sources.feeds import ColumnType
from sources.sql import literal, one_of

__all__ = [
    "IdForm",
    "Step",
    "canonical_text",
    "check_formats",
    "clean",
    "is_mangled_id",
    "is_plain",
    "spell",
    "text_functions",
]

IdForm = Literal["plain", "integer", "salesforce"]
"""What is particular about the ids of a column: nothing; whole numbers, to which a spreadsheet may have added
``.0``; or Salesforce's, which have 15 characters or, with a checksum of their case, 18."""

Step = Callable[[str], str]
"""One rewriting of an SQL expression.

A value takes several, each in a projection of its own: an expression that is used twice inside one projection
is computed twice.
"""

NULL_SPELLINGS = ("", "NULL", "null", "\\N", "N/A", "n/a", "#N/A", "-")
"""Spellings of nothing, in any column. ``NA`` is missing here: it is the country code of Namibia."""

TYPED_NULL_SPELLINGS = ("NA", "na", "None", "none", "--")
"""Spellings of nothing where a word would make no sense anyway."""

_NOTHING = NULL_SPELLINGS + TYPED_NULL_SPELLINGS

_FUNCTION = "keeprate_canonical_text"

_SPACES = "' ' || chr(9) || chr(10) || chr(13)"

# Zero-width spaces, direction overrides and byte order marks: invisible, and able to make two names look like
# one. The zero-width joiner stays, because emoji and several scripts are spelled with it.
_INVISIBLE = dict.fromkeys((8203, 8288, 65279, *range(8234, 8239), *range(8294, 8298)))

# Eighteen digits before the point and twelve after it: more is noise of binary arithmetic or a damaged id,
# and could not be typed later without rounding.
_DECIMAL = r"-?(0|[1-9]\d{0,17})(\.\d{1,12})?"

_DIGITS = r"(\d+|\d{1,3}(,\d{3})+|\d{1,2}(,\d{2})*,\d{3})(\.\d*)?|\.\d+"
_CURRENCY = r"\s*([A-Z]{3}|[A-Z]{0,2}[$€£¥₽₩₹]|元)?\s*"
_WRITTEN_AMOUNT = (
    rf"[-+]?{_CURRENCY}({_DIGITS}){_CURRENCY}"
    rf"|{_CURRENCY}[-+]({_DIGITS})"
    rf"|\({_CURRENCY}({_DIGITS}){_CURRENCY}\)"
)

# Excel writes a long id as 1.23457E+11. Without a sign or a point (12E5) it may well be a part number.
_MANGLED_ID = r"[-+]?\d+(\.\d+)?[eE][-+]\d+|[-+]?\d+\.\d+[eE]\d+"

_DATABASE_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d"
_ISO_DAY = r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?"
_ISO_TIME = r"[T ]\d{1,2}:\d{2}(:\d{2}([.,]\d{1,9})?)?"
_OFFSET = r"\s*(Z|UTC|[-+]\d{2}(:?\d{2})?)"

_EXCEL_SERIAL = r"[1-9]\d{4}(\.\d{1,10})?"
_EPOCHS = {"epoch": ("9,10", 1_000_000), "epoch_ms": ("12,13", 1_000), "epoch_us": ("15,16", 1)}
_CLOCK = ("%H", "%I", "%X", "%c", "%T")

_TRUE = ("true", "t", "yes", "y", "1", "1.0", "是", "启用", "✓", "√")
_FALSE = ("false", "f", "no", "n", "0", "0.0", "否", "禁用")


def canonical_text(value: str) -> str:
    """Unify the spelling of text that is not plain ASCII.

    Parameters
    ----------
    value : str
        Any text.

    Returns
    -------
    str
        NFKC (full-width forms become ordinary ones), without invisible characters and without spaces at the
        ends.
    """
    return unicodedata.normalize("NFKC", value).translate(_INVISIBLE).strip()


@contextmanager
def text_functions(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Lend the connection the function that ``clean_text`` needs, and take it back afterwards."""
    con.create_function(_FUNCTION, canonical_text, ["VARCHAR"], "VARCHAR")
    try:
        yield
    finally:
        con.remove_function(_FUNCTION)


def clean(kind: ColumnType, words: Mapping[str, str] | None = None, separator: str | None = None) -> tuple[Step, ...]:
    """Steps from a cell to its text: trimmed, unified, unwrapped, NULL where it is a spelling of nothing.

    Plain ASCII, the common case, never leaves SQL: it has as many bytes as characters.

    Parameters
    ----------
    kind : str
        The column's type.
    words : mapping of str to str or None
        Words of the system, in any case, and what they mean; an empty meaning is nothing.
    separator : str or None
        The cell is a list; its first part that is not empty is meant.
    """
    nothing = NULL_SPELLINGS if kind == "text" else _NOTHING
    steps: list[Step] = [
        _trimmed,
        lambda text: (
            f"CASE WHEN {_is_something(text)} THEN {text} "
            f"WHEN {one_of(text, nothing)} THEN NULL {_unwrapped(text, kind)} ELSE {text} END"
        ),
    ]
    if separator is not None:
        steps.append(lambda text: _first_part(text, separator))
    if words:
        meanings = " ".join(
            f"WHEN {literal(canonical_text(word).lower())} THEN {literal(words[word])}" for word in words
        )
        steps.append(lambda text: f"nullif(CASE lower({text}) {meanings} ELSE {text} END, '')")
    return tuple(steps)


def is_plain(cell: str, kind: ColumnType, id_form: IdForm = "plain", *, is_clean: bool = False) -> str | None:
    """A condition under which ``clean`` and ``spell`` leave a cell as it is; None where there is none so cheap.

    It holds for most columns of ids, numbers and ASCII text, and costs a fraction of rewriting them.

    Parameters
    ----------
    cell : str
        SQL of what is written; blank cells are NULL.
    kind, id_form
        As in ``spell``, for a column without words, separator, prefix or decimal comma.
    is_clean : bool
        Every cell is known to be ASCII and not to end with a blank, which costs most to find out.
    """
    ends = f"{cell} > '!'" if is_clean else f"strlen({cell}) = length({cell}) AND {_is_trim(cell)}"
    clean = f"{ends} AND {_is_something(cell)}"
    match kind:
        case "text" | "email" | "phone":
            return clean
        case "id" if id_form == "plain":
            return clean
        case "amount" | "number":
            return _is_decimal(cell)
        case "integer":
            return f"{_is_decimal(cell)} AND NOT contains({cell}, '.')"
        case "score":
            return f"{_is_decimal(cell)} AND NOT starts_with({cell}, '-')"
    return None


def _trimmed(cell: str) -> str:
    return (
        f"CASE WHEN strlen({cell}) <> length({cell}) THEN {_FUNCTION}({cell}) "
        f"WHEN {_is_trim(cell)} THEN {cell} ELSE trim({cell}, {_SPACES}) END"
    )


def _is_trim(cell: str) -> str:
    # Looking at both ends costs a tenth of trimming, and seldom is there anything to trim.
    return f"{cell} > '!' AND {cell}[-1] > ' '"


def _is_something(text: str) -> str:
    """What neither spells nothing nor is wrapped, told by its start and length alone: nearly every value."""
    return f"({text} BETWEEN '0' AND ':' OR ({text} > '>' AND strlen({text}) > {max(map(len, _NOTHING))}))"


def _first_part(text: str, separator: str) -> str:
    return f"nullif(trim(split_part(ltrim({text}, {literal(separator + ' ')}), {literal(separator)}, 1)), '')"


def spell(
    kind: ColumnType,
    *,
    time_zone: str,
    formats: Sequence[str] = (),
    id_form: IdForm = "plain",
    prefix: str = "",
    decimal_comma: bool = False,
    values: Sequence[str] = (),
) -> tuple[Step, ...]:
    """Steps from clean text to the canonical spelling of a column type, NULL where the text has none.

    E-mail addresses and phone numbers are only cleaned here; ``contacts.py`` spells them.

    Parameters
    ----------
    kind : str
        The column's type.
    time_zone : str
        IANA name of the source's zone, for times without an offset.
    formats : sequence of str
        How the column's dates are written beside ISO 8601: ``strptime`` patterns, or one of ``excel``,
        ``epoch``, ``epoch_ms`` and ``epoch_us``. Which of two numbers is the month is never guessed.
    id_form : str
        What is particular about the ids; see ``IdForm``.
    prefix : str
        What stands in front of the ids and is no part of them.
    decimal_comma : bool
        Numbers are written 1.234,56.
    values : sequence of str
        The words of an ``enum``.
    """
    match kind:
        case "text" | "email" | "phone":
            return ()
        case "id":
            return _id_steps(id_form, prefix)
        case "amount" | "number" | "integer" | "score":
            first: tuple[Step, ...] = (_point_for_comma,) if decimal_comma else ()
            last: tuple[Step, ...] = {"integer": (_whole,), "score": (_not_negative,)}.get(kind, ())
            return (*first, _number, *last)
        case "timestamp":
            return (lambda text: _utc_time(text, time_zone, formats), _iso_timestamp)
        case "date":
            return (lambda text: _local_day(text, time_zone, formats), _iso_date)
        case "boolean":
            return (_boolean,)
        case "enum":
            return (
                lambda text: f"lower({text})",
                lambda word: f"CASE WHEN {one_of(word, values)} THEN {word} END",
            )


def check_formats(formats: Sequence[str]) -> Sequence[str]:
    """Make sure that date formats are known and leave no doubt which number is the month.

    Raises
    ------
    ValueError
        If one is unknown, or two of them differ only in the order of day and month.
    """
    for pattern in formats:
        if "%" not in pattern and pattern not in ("excel", *_EPOCHS):
            raise ValueError(f"{pattern!r} is no date format; write one such as %d/%m/%Y, or excel, epoch, epoch_ms")
    orders: dict[str, str] = {}
    for pattern in formats:
        shape = re.sub("%-?[dm]", "%", pattern)
        numbers = "".join(re.findall("%-?([dm])", pattern))
        if orders.setdefault(shape, numbers) != numbers:
            raise ValueError(f"{pattern!r} and another format differ only in the order of day and month; keep one")
    return formats


def is_mangled_id(value: str) -> str:
    """Whether an id was turned into a number in scientific notation, which no longer says what it was."""
    # Only what begins like a number and has an E is worth the expression.
    may_be = f"{value} < ':' AND (contains({value}, 'E') OR contains({value}, 'e'))"
    return f"({may_be} AND regexp_full_match({value}, {literal(_MANGLED_ID)}))"


# ="00123" and '00123 are how spreadsheets are told to leave 00123 alone. In free text an apostrophe may be
# meant.


def _unwrapped(text: str, kind: ColumnType) -> str:
    """Cases for text in a spreadsheet's wrapping."""
    inside = f"regexp_replace({text}, '^=\"(.*)\"$', '\\1')"
    cases = f"WHEN starts_with({text}, '=\"') THEN nullif(trim({inside}, {_SPACES}), '')"
    if kind == "text":
        return cases
    return f"{cases} WHEN starts_with({text}, '''') THEN nullif(trim(substr({text}, 2)), '')"


def _id_steps(form: IdForm, prefix: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    if prefix:
        steps.append(lambda text: _without_prefix(text, prefix))
    if form == "integer":
        steps.append(lambda value: f"regexp_replace({value}, '^([0-9]+)\\.0+$', '\\1')")
    elif form == "salesforce":
        steps.append(_with_checksum)
    return tuple(steps)


def _without_prefix(text: str, prefix: str) -> str:
    rest = f"nullif(substr({text}, {len(prefix) + 1}), '')"
    return f"CASE WHEN starts_with({text}, {literal(prefix)}) THEN {rest} ELSE {text} END"


def _with_checksum(value: str) -> str:
    """The 18 characters of a 15-character id: each of the last three says which of five letters are capitals."""

    def mark(block: int) -> str:
        capitals = " + ".join(
            f"CASE WHEN {value}[{block * 5 + place + 1}] BETWEEN 'A' AND 'Z' THEN {1 << place} ELSE 0 END"
            for place in range(5)
        )
        return f"substr('ABCDEFGHIJKLMNOPQRSTUVWXYZ012345', 1 + {capitals}, 1)"

    marks = " || ".join(mark(block) for block in range(3))
    return f"CASE WHEN regexp_full_match({value}, '[A-Za-z0-9]{{15}}') THEN {value} || {marks} ELSE {value} END"


# numbers: a currency sign or code, thousands separators (also 1,25,000.00), a leading plus and accounting's
# (5.00) are understood. Scientific notation is not, nor a decimal comma where none was declared: nothing in the
# value says which was meant.


def _point_for_comma(text: str) -> str:
    """With the two marks exchanged, 1.234,56 is read by the same rules as 1,234.56."""
    return f"translate({text}, '.,', ',.')"


def _is_decimal(text: str) -> str:
    return f"(regexp_full_match({text}, {literal(_DECIMAL)}) AND NOT starts_with({text}, '-0'))"


def _number(text: str) -> str:
    """A plain decimal as it is, in the common case; whatever else may be one, rewritten."""
    return f"CASE WHEN {_is_decimal(text)} THEN {text} ELSE {_fitting(_plain_decimal(_sign_and_digits(text)))} END"


def _sign_and_digits(text: str) -> str:
    # U+2212, the minus sign of typesetting.
    written = f"replace({text}, chr(8722), '-')"
    return (
        f"CASE WHEN regexp_full_match({written}, {literal(_WRITTEN_AMOUNT)}) "
        f"THEN CASE WHEN regexp_matches({written}, '[-(]') THEN '-' ELSE '' END "
        f"|| regexp_replace({text}, '[^0-9.]', '', 'g') END"
    )


def _plain_decimal(number: str) -> str:
    zero_first = f"regexp_replace({number}, '^(-?)', '\\10')"
    one_zero = f"regexp_replace({zero_first}, '^(-?)0+([0-9])', '\\1\\2')"
    without_end_point = f"regexp_replace({one_zero}, '\\.$', '')"
    return f"regexp_replace({without_end_point}, '^-(0(\\.0+)?)$', '\\1')"


def _fitting(number: str) -> str:
    return f"CASE WHEN regexp_full_match({number}, {literal(_DECIMAL)}) THEN {number} END"


def _whole(number: str) -> str:
    without_zeros = f"nullif(regexp_extract({number}, '^(-?[0-9]+)(\\.0+)?$', 1), '')"
    return f"CASE WHEN contains({number}, '.') THEN {without_zeros} ELSE {number} END"


def _not_negative(number: str) -> str:
    return f"CASE WHEN NOT starts_with({number}, '-') THEN {number} END"


# times


def _iso_spelling(text: str) -> str:
    """Hyphens in the day, at most six digits after a point, the offset close to the time."""
    dashed = f"regexp_replace({text}, '^([0-9]{{4}})[-/.年]([0-9]{{1,2}})[-/.月]([0-9]{{1,2}})日?', '\\1-\\2-\\3')"
    pointed = f"regexp_replace({dashed}, ':([0-9]{{2}})[.,]([0-9]{{1,6}})[0-9]*', ':\\1.\\2')"
    close = f"regexp_replace({pointed}, '\\s+([-+][0-9:]+)$', '\\1')"
    return f"regexp_replace({close}, '\\s*UTC$', 'Z')"


def _local_time(text: str, formats: Sequence[str]) -> str:
    """TIMESTAMP of a value without an offset; a day without a time of day is taken at noon."""
    spelled = _iso_spelling(text)
    noon = " + INTERVAL 12 HOUR"
    day, time = literal(_ISO_DAY), literal(_ISO_DAY + _ISO_TIME)
    cases = [
        f"WHEN regexp_full_match({text}, {day}) THEN try_cast({spelled} AS TIMESTAMP){noon}",
        f"WHEN regexp_full_match({text}, {time}) THEN try_cast({spelled} AS TIMESTAMP)",
        f"WHEN regexp_full_match({text}, '[0-9]{{8}}') THEN try_strptime({text}, '%Y%m%d'){noon}",
    ]
    if "excel" in formats:
        cases.append(f"WHEN regexp_full_match({text}, {literal(_EXCEL_SERIAL)}) THEN {_from_excel(text)}")
    declared = [
        f"try_strptime({text}, {literal(pattern)})" + ("" if any(part in pattern for part in _CLOCK) else noon)
        for pattern in formats
        if "%" in pattern
    ]
    otherwise = f" ELSE coalesce({', '.join(declared)})" if declared else ""
    return f"CASE {' '.join(cases)}{otherwise} END"


def _from_excel(text: str) -> str:
    """TIMESTAMP of a spreadsheet's day number, to the second; a whole number is a day without a time of day."""
    seconds = f"CAST(round(CAST({text} AS DECIMAL(20, 10)) * 86400, 0) AS BIGINT)"
    noon = f"CASE WHEN contains({text}, '.') THEN 0 ELSE 43200 END"
    return f"TIMESTAMP '1899-12-30 00:00:00' + to_seconds({seconds} + {noon})"


def _has_offset(text: str) -> str:
    return f"regexp_full_match({text}, {literal(_ISO_DAY + _ISO_TIME + _OFFSET)})"


def _instants(text: str, formats: Sequence[str]) -> list[tuple[str, str]]:
    """Conditions and TIMESTAMPTZ of the spellings that name an instant, whatever the zone."""
    return [
        (_has_offset(text), f"try_cast({_iso_spelling(text)} AS TIMESTAMPTZ)"),
        *(
            (
                f"regexp_full_match({text}, '[0-9]{{{digits}}}')",
                f"timezone('UTC', make_timestamp(CAST({text} AS BIGINT) * {microseconds}))",
            )
            for word, (digits, microseconds) in _EPOCHS.items()
            if word in formats
        ),
    ]


def _utc_time(text: str, time_zone: str, formats: Sequence[str]) -> str:
    """TIMESTAMP in UTC. In the hour that a zone skips or repeats, standard time applies."""

    def utc(local: str) -> str:
        return f"timezone('UTC', timezone({literal(time_zone)}, {local}))"

    instants = " ".join(f"WHEN {holds} THEN timezone('UTC', {instant})" for holds, instant in _instants(text, formats))
    return (
        # What databases write is by far the most common spelling, and the cheapest to recognise.
        f"CASE WHEN regexp_full_match({text}, {literal(_DATABASE_TIME)}) "
        f"THEN {utc(f'try_cast({text} AS TIMESTAMP)')} "
        f"{instants} ELSE {utc(_local_time(text, formats))} END"
    )


def _local_day(text: str, time_zone: str, formats: Sequence[str]) -> str:
    """TIMESTAMP in the source's zone."""
    instants = " ".join(
        f"WHEN {holds} THEN timezone({literal(time_zone)}, {instant})" for holds, instant in _instants(text, formats)
    )
    return f"CASE {instants} ELSE {_local_time(text, formats)} END"


def _iso_timestamp(utc: str) -> str:
    fraction = f"CASE WHEN microsecond({utc}) % 1000000 = 0 THEN '' ELSE strftime({utc}, '.%f') END"
    return f"CASE WHEN {_plausible(utc)} THEN strftime({utc}, '%Y-%m-%dT%H:%M:%S') || {fraction} || 'Z' END"


def _iso_date(local: str) -> str:
    return f"CASE WHEN {_plausible(local)} THEN strftime({local}, '%Y-%m-%d') END"


def _plausible(time: str) -> str:
    return f"year({time}) BETWEEN 1900 AND 9999"


def _boolean(text: str) -> str:
    word = f"lower({text})"
    return f"CASE WHEN {one_of(word, _TRUE)} THEN 'true' WHEN {one_of(word, _FALSE)} THEN 'false' END"
