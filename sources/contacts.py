"""E-mail addresses and phone numbers, one spelling each.

Belongs here: the canonical form of both, and what is typed where there is none. Does not belong here: who is reached
by them, or whether anybody is: nothing is looked up.

Distinct values are spelled once, whatever the number of records. The everyday forms are told by a pattern that
gives what the library would give; all others go through the library.
"""

import csv
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from sources.sql import ask, literal, name, run

if TYPE_CHECKING:
    from sources.planning import Plan

__all__ = ["canonical_email", "canonical_phone", "is_nobodys", "with_contacts"]

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EVERYDAY_EMAIL = re.compile(rf"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:{_LABEL}\.)+[a-z]{{2,24}}")
_CHINESE_MOBILE = re.compile(r"(?:\+?86|0086)?[\s-]*(1[3-9]\d)[\s-]*(\d{4})[\s-]*(\d{4})(?:\.0)?")
_LONGEST_LOCAL_PART = 64
_LONGEST_EMAIL = 200
"""Far below the limit of an address; longer ones go through the library."""

_SAYS_NOBODY = re.compile(
    r"none|null|nobody|unknown|test|example|no[._-]?(?:e-?)?mail|no[._-]?address|(?:no|do[._-]?not)[._-]?reply"
)
"""Before the @: nobody's, whatever the domain."""
_FILLERS = (
    frozenset(("no", "na", "n.a", "email", "mail", "user", "name", "domain", "company", "customer", "guest"))
    | frozenset(("none", "null", "noemail", "nomail", "test", "example"))
    | frozenset(("a", "aa", "aaa", "abc", "asd", "asdf", "x", "xx", "xxx", "xyz"))
    | frozenset(("1", "11", "111", "123", "1234", "12345", "123456"))
)
"""Nobody's where both sides of the @ are such words; each alone may be somebody's."""


def canonical_email(text: str) -> str | None:
    """An address in lower case, or None where the text is no address.

    Parameters
    ----------
    text : str
        Clean text, perhaps with ``mailto:`` or a name before ``<address>``.
    """
    lower = text.lower()
    if _EVERYDAY_EMAIL.fullmatch(lower) and len(lower) <= _LONGEST_EMAIL and not _is_special(lower):
        return lower
    from email_validator import EmailNotValidError, validate_email

    try:
        valid = validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return None
    return valid.normalized.lower()


@cache
def _special_domains() -> tuple[str, ...]:
    from email_validator import SPECIAL_USE_DOMAIN_NAMES

    return tuple(f".{domain}" for domain in SPECIAL_USE_DOMAIN_NAMES)


def _is_special(email: str) -> bool:
    """Whether only the library knows: reserved domains, long local parts, names in their ASCII form."""
    local, _, domain = email.partition("@")
    return len(local) > _LONGEST_LOCAL_PART or "--" in domain or f".{domain}".endswith(_special_domains())


def is_nobodys(email: str) -> bool:
    """Whether an address is one that forms are filled in with where there is none, as ``none@none.com``.

    Parameters
    ----------
    email : str
        An address as `canonical_email` spells it.
    """
    local, _, domain = email.partition("@")
    word = local.partition("+")[0]
    if _SAYS_NOBODY.fullmatch(word) or {word, domain.partition(".")[0]} <= _FILLERS:
        return True
    # RFC 2606 reserves four names at the top; the library refuses the other three.
    return domain.endswith(".example")


def canonical_phone(text: str, country: str | None) -> str | None:
    """A number in E.164, or None where the text is no number that could be dialled.

    Parameters
    ----------
    text : str
        Clean text.
    country : str or None
        ISO 3166 code of the country of numbers without a prefix.
    """
    if country == "CN" and (mobile := _CHINESE_MOBILE.fullmatch(text)):
        return f"+86{''.join(mobile.groups())}"
    import phonenumbers

    written = re.sub(r"\.0$", "", text)
    try:
        number = phonenumbers.parse(written, country)
    except phonenumbers.NumberParseException:
        return None
    # Of a number behind an extension, or without its area code, many have the same.
    if number.extension or not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def with_contacts(con: duckdb.DuckDBPyConnection, spelled: str, plan: "Plan", desk: Path) -> str:
    """The relation of a file's records with its addresses and numbers spelled.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        A connection to compute with.
    spelled : str
        Relation with the columns of ``mapping.spelled_query``, in which both are only clean text.
    plan : Plan
        How the file is read.
    desk : Path
        Folder for the spellings, which the relation reads.

    Returns
    -------
    str
        A relation; what has no spelling is NULL there and kept in ``extra``.
    """
    joined, replaced, kept = spelled, [], []
    for cell in plan.cells:
        if cell.position is None or cell.type not in ("email", "phone"):
            continue
        column = f"v{cell.position}"
        texts = (text for (text,) in ask(con, f"SELECT DISTINCT {column} FROM {spelled} WHERE {column} IS NOT NULL"))
        spellings = _spellings(texts, cell.type == "phone", plan.default_country)
        file = desk / f"contacts-{cell.position}.parquet"
        _write(con, spellings, file)
        joined += f" LEFT JOIN read_parquet({literal(file)}) AS m{cell.position} ON {column} = m{cell.position}.written"
        replaced.append(f"m{cell.position}.spelled AS {column}")
        unread = f"CASE WHEN m{cell.position}.spelled IS NULL THEN {column} END"
        kept.append(f"{name(plan.header.labels[cell.position])} := {unread}")
    if not replaced:
        return spelled
    patch = f"to_json(struct_pack({', '.join(kept)}))"
    extra = f"nullif(CAST(json_merge_patch(coalesce(extra, '{{}}'), {patch}) AS VARCHAR), '{{}}') AS extra"
    columns = ", ".join([*replaced, extra])
    outer = ", ".join(part.rpartition(" AS ")[2] for part in [*replaced, extra])
    return f"(SELECT records.* EXCLUDE ({outer}), {columns} FROM {joined.replace(spelled, f'{spelled} AS records', 1)})"


def _spellings(texts: Iterable[str], is_phone: bool, country: str | None) -> list[tuple[str, str]]:
    spelled = ((text, canonical_phone(text, country) if is_phone else canonical_email(text)) for text in texts)
    return [
        (text, canonical)
        for text, canonical in spelled
        if canonical is not None and (is_phone or not is_nobodys(canonical))
    ]


def _write(con: duckdb.DuckDBPyConnection, spellings: list[tuple[str, str]], target: Path) -> None:
    """Write the pairs down as Parquet, by way of a file that DuckDB reads at once."""
    draft = target.with_suffix(".csv")
    with draft.open("w", encoding="utf-8", newline="") as text:
        csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(spellings)
    columns = "{written: 'VARCHAR', spelled: 'VARCHAR'}"
    options = "header = false, auto_detect = false, delim = ',', quote = '\"', escape = '\"'"
    source = f"read_csv({literal(draft)}, {options}, columns = {columns})"
    run(con, f"COPY (SELECT * FROM {source}) TO {literal(target)} (FORMAT parquet)")
