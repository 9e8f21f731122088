"""Canonical text: SQL expressions that rewrite what a system wrote into one spelling.

Belongs here: the spelling of every column type, independent of any system. Does not belong here: which column
has which type (``profiles.py``), nor what happens to a value without a canonical spelling (``mapping.py``).

Rewritings are SQL and work on whole columns. None of them passes through a binary number, so ``2.550`` stays
``2.550`` and a seventeen-digit id stays an id.
"""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import duckdb

from sources.feeds import ColumnType
from sources.sql import literal

__all__ = ["Step", "canonical_text", "clean", "is_mangled_id", "spell", "text_functions"]

Step = Callable[[str], str]
"""One rewriting of an SQL expression.

A value takes several, each in a projection of its own: an expression that is used twice inside one projection
is computed twice.
"""

NULL_SPELLINGS = ("", "NULL", "null", "\\N", "N/A", "n/a", "#N/A", "-")
"""Spellings of nothing, in any column. ``NA`` is missing here: it is the country code of Namibia."""

TYPED_NULL_SPELLINGS = ("NA", "na", "None", "none", "--")
"""Spellings of nothing where a word would make no sense anyway."""

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
_ISO_DAY = r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}"
_ISO_TIME = r"[T ]\d{1,2}:\d{2}(:\d{2}([.,]\d{1,9})?)?"
_OFFSET = r"\s*(Z|UTC|[-+]\d{2}(:?\d{2})?)"

_TRUE = ("true", "t", "yes", "y", "1", "1.0", "是", "启用")
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


def _one_of(expression: str, values: Sequence[str]) -> str:
    return f"{expression} IN ({', '.join(literal(value) for value in values)})"


def clean(kind: ColumnType) -> tuple[Step, ...]:
    """Steps from a cell to its text: trimmed, unified, NULL where it is a spelling of nothing.

    Plain ASCII, the common case, never leaves SQL: it has as many bytes as characters.
    """
    nothing = NULL_SPELLINGS if kind == "text" else NULL_SPELLINGS + TYPED_NULL_SPELLINGS
    return (
        lambda cell: (
            f"CASE WHEN strlen({cell}) = length({cell}) THEN trim({cell}, {_SPACES}) ELSE {_FUNCTION}({cell}) END"
        ),
        lambda text: f"CASE WHEN {_one_of(text, nothing)} THEN NULL ELSE {text} END",
    )


def spell(
    kind: ColumnType,
    *,
    time_zone: str,
    formats: Sequence[str] = (),
    integer_id: bool = False,
    values: Sequence[str] = (),
) -> tuple[Step, ...]:
    """Steps from clean text to the canonical spelling of a column type, NULL where the text has none.

    Parameters
    ----------
    kind : str
        The column's type.
    time_zone : str
        IANA name of the source's zone, for times without an offset.
    formats : sequence of str
        ``strptime`` patterns of this column beside ISO 8601; which of two numbers is the month is never
        guessed.
    integer_id : bool
        Ids are whole numbers: a trailing ``.0`` was added by a spreadsheet or a data frame.
    values : sequence of str
        The words of an ``enum``.
    """
    match kind:
        case "text":
            return ()
        case "id":
            return (_unwrapped_id, _without_point_zero) if integer_id else (_unwrapped_id,)
        case "amount" | "number":
            return _DECIMAL_STEPS
        case "integer":
            return (*_DECIMAL_STEPS, _whole)
        case "score":
            return (*_DECIMAL_STEPS, _not_negative)
        case "timestamp":
            return (lambda text: _utc_time(text, time_zone, formats), _iso_timestamp)
        case "date":
            return (lambda text: _local_day(text, time_zone, formats), _iso_date)
        case "boolean":
            return (_boolean,)
        case "enum":
            return (
                lambda text: f"lower({text})",
                lambda word: f"CASE WHEN {_one_of(word, values)} THEN {word} END",
            )


def is_mangled_id(value: str) -> str:
    """Whether an id was turned into a number in scientific notation, which no longer says what it was."""
    return f"regexp_full_match({value}, {literal(_MANGLED_ID)})"


# ids: ="00123" and '00123 are how spreadsheets are told to leave 00123 alone


def _unwrapped_id(text: str) -> str:
    return (
        f"CASE left({text}, 1) WHEN '=' THEN nullif(trim(regexp_replace({text}, '^=\"(.*)\"$', '\\1')), '') "
        f"WHEN '''' THEN nullif(trim(substr({text}, 2)), '') ELSE {text} END"
    )


def _without_point_zero(value: str) -> str:
    return f"regexp_replace({value}, '^([0-9]+)\\.0+$', '\\1')"


# numbers: a currency sign or code, thousands separators (also 1,25,000.00), a leading plus and accounting's
# (5.00) are understood. A decimal comma and scientific notation are not: nothing in the value says which was
# meant.


def _is_decimal(text: str) -> str:
    return f"(regexp_full_match({text}, {literal(_DECIMAL)}) AND NOT starts_with({text}, '-0'))"


def _sign_and_digits(text: str) -> str:
    # U+2212, the minus sign of typesetting.
    written = f"replace({text}, chr(8722), '-')"
    return (
        f"CASE WHEN {_is_decimal(text)} THEN {text} "
        f"WHEN regexp_full_match({written}, {literal(_WRITTEN_AMOUNT)}) "
        f"THEN CASE WHEN regexp_matches({written}, '[-(]') THEN '-' ELSE '' END "
        f"|| regexp_replace({text}, '[^0-9.]', '', 'g') END"
    )


def _plain_decimal(number: str) -> str:
    zero_first = f"regexp_replace({number}, '^(-?)', '\\10')"
    one_zero = f"regexp_replace({zero_first}, '^(-?)0+([0-9])', '\\1\\2')"
    without_end_point = f"regexp_replace({one_zero}, '\\.$', '')"
    unsigned_zero = f"regexp_replace({without_end_point}, '^-(0(\\.0+)?)$', '\\1')"
    return f"CASE WHEN {_is_decimal(number)} THEN {number} ELSE {unsigned_zero} END"


def _fitting(number: str) -> str:
    return f"CASE WHEN regexp_full_match({number}, {literal(_DECIMAL)}) THEN {number} END"


def _whole(number: str) -> str:
    return f"nullif(regexp_extract({number}, '^(-?[0-9]+)(\\.0+)?$', 1), '')"


def _not_negative(number: str) -> str:
    return f"CASE WHEN NOT starts_with({number}, '-') THEN {number} END"


_DECIMAL_STEPS: tuple[Step, ...] = (_sign_and_digits, _plain_decimal, _fitting)


# times


def _iso_spelling(text: str) -> str:
    """Hyphens in the day, at most six digits after a point, the offset close to the time."""
    dashed = f"regexp_replace({text}, '^([0-9]{{4}})[-/.]([0-9]{{1,2}})[-/.]([0-9]{{1,2}})', '\\1-\\2-\\3')"
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
    declared = [f"try_strptime({text}, {literal(pattern)})" + ("" if "%H" in pattern else noon) for pattern in formats]
    otherwise = f" ELSE coalesce({', '.join(declared)})" if declared else ""
    return f"CASE {' '.join(cases)}{otherwise} END"


def _has_offset(text: str) -> str:
    return f"regexp_full_match({text}, {literal(_ISO_DAY + _ISO_TIME + _OFFSET)})"


def _utc_time(text: str, time_zone: str, formats: Sequence[str]) -> str:
    """TIMESTAMP in UTC. In the hour that a zone skips or repeats, standard time applies."""

    def utc(local: str) -> str:
        return f"timezone('UTC', timezone({literal(time_zone)}, {local}))"

    return (
        # What databases write is by far the most common spelling, and the cheapest to recognise.
        f"CASE WHEN regexp_full_match({text}, {literal(_DATABASE_TIME)}) "
        f"THEN {utc(f'try_cast({text} AS TIMESTAMP)')} "
        f"WHEN {_has_offset(text)} THEN timezone('UTC', try_cast({_iso_spelling(text)} AS TIMESTAMPTZ)) "
        f"ELSE {utc(_local_time(text, formats))} END"
    )


def _local_day(text: str, time_zone: str, formats: Sequence[str]) -> str:
    """TIMESTAMP in the source's zone."""
    return (
        f"CASE WHEN {_has_offset(text)} "
        f"THEN timezone({literal(time_zone)}, try_cast({_iso_spelling(text)} AS TIMESTAMPTZ)) "
        f"ELSE {_local_time(text, formats)} END"
    )


def _iso_timestamp(utc: str) -> str:
    fraction = f"CASE WHEN microsecond({utc}) % 1000000 = 0 THEN '' ELSE strftime({utc}, '.%f') END"
    return f"CASE WHEN {_plausible(utc)} THEN strftime({utc}, '%Y-%m-%dT%H:%M:%S') || {fraction} || 'Z' END"


def _iso_date(local: str) -> str:
    return f"CASE WHEN {_plausible(local)} THEN strftime({local}, '%Y-%m-%d') END"


def _plausible(time: str) -> str:
    return f"year({time}) BETWEEN 1900 AND 9999"


def _boolean(text: str) -> str:
    word = f"lower({text})"
    return f"CASE WHEN {_one_of(word, _TRUE)} THEN 'true' WHEN {_one_of(word, _FALSE)} THEN 'false' END"
