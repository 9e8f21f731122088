"""How systems spell what they know: SQL expressions from a value to the text of a cell, and to canonical text.

Belongs here: spellings that several exports share, and those that need more than a line of SQL. Does not belong here:
which column is spelled how (``exports/``).

Every function takes SQL expressions and returns one.
"""

__all__ = [
    "amount",
    "clock",
    "comma_grouped",
    "country_name",
    "day",
    "full_width",
    "hours",
    "indian_grouped",
    "instant",
    "literal",
    "national",
    "noon",
    "numbered",
    "salesforce_id",
    "shortest",
    "yes_no",
]

SHANGHAI = 480
KOLKATA = 330
PHOENIX = -420
"""Minutes ahead of UTC, all year."""

_COUNTRIES = {
    "AE": "United Arab Emirates",
    "AU": "Australia",
    "BR": "Brazil",
    "CA": "Canada",
    "CN": "China",
    "DE": "Germany",
    "ES": "Spain",
    "FR": "France",
    "GB": "United Kingdom",
    "IN": "India",
    "IT": "Italy",
    "JP": "Japan",
    "KR": "South Korea",
    "MX": "Mexico",
    "NL": "Netherlands",
    "SG": "Singapore",
    "US": "United States",
}

_BASE_62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def literal(text: str | None) -> str:
    """A constant text."""
    return "null" if text is None else "'" + text.replace("'", "''") + "'"


def hours(moment: str, minutes: int) -> str:
    """A time in UTC on the clock of a place so many minutes ahead of it."""
    return f"({moment} + to_minutes({minutes}))" if minutes else f"({moment})"


def clock(moment: str, minutes: int = 0, pattern: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A time as it stands in a cell."""
    return f"strftime({hours(moment, minutes)}, {literal(pattern)})"


def day(moment: str, minutes: int = 0) -> str:
    """The day of a time, on the clock of a place."""
    return clock(moment, minutes, "%Y-%m-%d")


def instant(moment: str) -> str:
    """Canonical text of a time in UTC."""
    return f"strftime({moment}, '%Y-%m-%dT%H:%M:%SZ')"


def to_minute(moment: str) -> str:
    """What is left of a time that was written without its seconds."""
    return f"date_trunc('minute', {moment})"


def noon(moment: str, minutes: int = 0) -> str:
    """Canonical text of a time of which only the day was written: noon, on the clock of the place."""
    return instant(f"date_trunc('day', {hours(moment, minutes)}) + to_minutes({720 - minutes})")


def amount(number: str) -> str:
    """Money with its two decimals."""
    return f"cast(cast({number} as decimal(18, 2)) as varchar)"


def shortest(number: str) -> str:
    """Money without the zeros at its end."""
    return f"regexp_replace(regexp_replace({amount(number)}, '(\\.[0-9]*?)0+$', '\\1'), '\\.$', '')"


def comma_grouped(number: str) -> str:
    """Money as 1,234,567.80."""
    return f"format('{{:,.2f}}', cast({number} as double))"


def indian_grouped(number: str) -> str:
    """Money as 12,34,567.80: thousands, then pairs of digits."""
    digits = f"split_part({amount(f'abs({number})')}, '.', 1)"
    thousands = f"reverse(substr({digits}, 1, length({digits}) - 3))"
    pairs = f"reverse(rtrim(regexp_replace({thousands}, '([0-9][0-9])', '\\1,', 'g'), ','))"
    whole = f"case when length({digits}) <= 3 then {digits} else {pairs} || ',' || right({digits}, 3) end"
    sign = f"case when {number} < 0 then '-' else '' end"
    return f"({sign} || {whole} || '.' || split_part({amount(number)}, '.', 2))"


def numbered(prefix: str, number: str, width: int = 8) -> str:
    """A document's number: a prefix and a running number with leading zeros."""
    return f"({literal(prefix)} || lpad(cast({number} as varchar), {width}, '0'))"


def salesforce_id(prefix: str, number: str) -> str:
    """An id of 18 characters: the object's prefix, the number in base 62, and three that say which are capitals."""
    digits = " || ".join(
        f"substr({literal(_BASE_62)}, 1 + cast(({number}) // {62**place} % 62 as integer), 1)"
        for place in reversed(range(6))
    )
    marks = []
    for block in range(3):
        capitals = " + ".join(
            f"case when substr(x, {block * 5 + place + 1}, 1) between 'A' and 'Z' then {1 << place} else 0 end"
            for place in range(5)
        )
        marks.append(f"substr({literal(_CHECKSUM)}, 1 + {capitals}, 1)")
    return f"list_transform([{literal(prefix + '5g0000')} || {digits}], lambda x: x || {' || '.join(marks)})[1]"


def full_width(text: str) -> str:
    """Digits as a Chinese input method writes them."""
    return f"translate({text}, '0123456789', '０１２３４５６７８９')"


def national(phone: str) -> str:
    """A phone number as it is written at home: without +86, and an American one as (415) 555-0132."""
    american = f"'(' || substr({phone}, 3, 3) || ') ' || substr({phone}, 6, 3) || '-' || substr({phone}, 9)"
    return (
        f"case when starts_with({phone}, '+86') then substr({phone}, 4) "
        f"when starts_with({phone}, '+1') then {american} else {phone} end"
    )


def country_name(code: str) -> str:
    """A country by its English name."""
    names = " ".join(f"when {literal(short)} then {literal(name)}" for short, name in _COUNTRIES.items())
    return f"case {code} {names} else {code} end"


def yes_no(condition: str, yes: str = "1", no: str = "0") -> str:
    """One of two words."""
    return f"case when {condition} then {literal(yes)} else {literal(no)} end"
