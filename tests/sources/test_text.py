"""Canonical text: what each spelling becomes, worked out by hand."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import cast

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.feeds import ColumnType
from sources.text import IdForm, canonical_text, clean, is_mangled_id, spell, text_functions


class Speller:
    """Runs the steps of a column type over single values."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con

    def __call__(
        self,
        value: str | None,
        kind: ColumnType = "text",
        time_zone: str = "UTC",
        *,
        formats: Sequence[str] = (),
        id_form: IdForm = "plain",
        prefix: str = "",
        decimal_comma: bool = False,
        values: Sequence[str] = (),
        words: Mapping[str, str] | None = None,
        separator: str | None = None,
    ) -> str | None:
        steps = spell(
            kind,
            time_zone=time_zone,
            formats=formats,
            id_form=id_form,
            prefix=prefix,
            decimal_comma=decimal_comma,
            values=values,
        )
        query = "SELECT CAST($value AS VARCHAR) AS v"
        for step in clean(kind, words, separator) + steps:
            query = f"SELECT {step('v')} AS v FROM ({query})"
        return cast("str | None", self.con.execute(query, {"value": value}).fetchall()[0][0])

    def mangled(self, value: str) -> bool:
        [(answer,)] = self.con.execute(f"SELECT {is_mangled_id('$value')}", {"value": value}).fetchall()
        return bool(answer)


@pytest.fixture(scope="module")
def spelled() -> Iterator[Speller]:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'America/New_York'").fetchall()
        with text_functions(con):
            yield Speller(con)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("  plain \t", "plain"),
        ("\u3000ＡＢＣ１２３\u3000", "ABC123"),
        ("\xa0caf\u0065\u0301\xa0", "café"),
        ("\u202eevil\u202c\u200b name\ufeff", "evil name"),
        ("👩\u200d👧 王小明", "👩\u200d👧 王小明"),
        ("=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
        ("", None),
        ("   ", None),
        ("NULL", None),
        ("N/A", None),
        ("\\N", None),
        ("-", None),
        ("NA", "NA"),
        (None, None),
    ],
)
def test_text_is_trimmed_unified_and_emptied(spelled: Speller, written: str | None, expected: str | None) -> None:
    assert spelled(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2.550", "2.550"),
        ("-12", "-12"),
        ("0", "0"),
        ("0.00", "0.00"),
        ("-0.00", "0.00"),
        ("-0.5", "-0.5"),
        ("+7", "7"),
        ("007.50", "7.50"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        ("5.", "5"),
        ("1,234.50", "1234.50"),
        ("1,25,000.00", "125000.00"),
        ("-1,234,567", "-1234567"),
        ("$2.00", "2.00"),
        ("£ 1,000", "1000"),
        ("￥１２.５", "12.5"),
        ("-€3.10", "-3.10"),
        ("€-3.10", "-3.10"),
        ("12.00 GBP", "12.00"),
        ("CNY 12.00", "12.00"),
        ("100元", "100"),
        ("(5.00)", "-5.00"),
        ("($1,005.00)", "-1005.00"),
        ("(0.00)", "0.00"),
        ("\u22125.00", "-5.00"),
        ("123456789012345678.123456789012", "123456789012345678.123456789012"),
        ("1234567890123456789", None),
        ("0.1234567890123", None),
        ("2,50", None),
        ("1.234,50", None),
        ("1,23.00", None),
        ("1e3", None),
        ("1.0E+12", None),
        ("NaN", None),
        ("Infinity", None),
        ("--5", None),
        ("(-5)", None),
        ("5 6", None),
        ("five", None),
        ("NA", None),
    ],
)
def test_amounts_become_plain_decimals(spelled: Speller, written: str, expected: str | None) -> None:
    assert spelled(written, "amount") == expected


def with_separators(amount: Decimal) -> str:
    return f"{amount:,f}"


def in_parentheses(amount: Decimal) -> str:
    return f"({-amount:,f})" if amount < 0 else f"{amount:f}"


def with_currency(amount: Decimal) -> str:
    return f"-£{-amount:f}" if amount < 0 else f"£{amount:f}"


@settings(max_examples=60, deadline=None)
@given(
    amount=st.decimals(-(10**17), 10**17, places=4, allow_nan=False, allow_infinity=False),
    write=st.sampled_from([with_separators, in_parentheses, with_currency, str]),
)
def test_every_amount_keeps_its_value_in_any_spelling(
    spelled: Speller, amount: Decimal, write: Callable[[Decimal], str]
) -> None:
    canonical = spelled(write(Decimal(f"{amount:f}")), "amount")
    assert canonical is not None
    assert Decimal(canonical) == amount
    assert spelled(canonical, "amount") == canonical


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="ascii", categories=["Lu", "Ll", "Nd"]), min_size=1, max_size=30))
def test_ids_survive_every_wrapping(spelled: Speller, name: str) -> None:
    if spelled(name, "id") is None:  # a spelling of nothing, such as NA
        return
    for wrapped in (name, f'="{name}"', f"'{name}", f"{name}\t", f"  {name} "):
        assert spelled(wrapped, "id") == name


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_text_is_canonical_after_one_pass(value: str) -> None:
    assert canonical_text(canonical_text(value)) == canonical_text(value)


@pytest.mark.parametrize(
    ("written", "expected"),
    [("00123", "00123"), ("17850.0", "17850.0"), ('="007"', "007"), ("'007", "007"), ('=""', None), ("１２", "12")],
)
def test_ids_stay_text(spelled: Speller, written: str, expected: str | None) -> None:
    assert spelled(written, "id") == expected


@pytest.mark.parametrize(("written", "expected"), [("17850.0", "17850"), ("17850", "17850"), ("A1.0", "A1.0")])
def test_whole_number_ids_lose_the_point_of_data_frames(spelled: Speller, written: str, expected: str) -> None:
    assert spelled(written, "id", id_form="integer") == expected


@pytest.mark.parametrize(
    ("value", "mangled"),
    [("1.23457E+11", True), ("5E+10", True), ("1.5e12", True), ("12E5", False), ("E10", False), ("1.5", False)],
)
def test_scientific_notation_is_recognised_in_ids(spelled: Speller, value: str, mangled: bool) -> None:
    assert spelled.mangled(value) is mangled


@pytest.mark.parametrize(
    ("written", "expected"), [("5", "5"), ("5.0", "5"), ("-5.00", "-5"), ("1.5", None), ("x", None), ("1,000", "1000")]
)
def test_integers_are_never_rounded(spelled: Speller, written: str, expected: str | None) -> None:
    assert spelled(written, "integer") == expected


@pytest.mark.parametrize(
    ("written", "zone", "expected"),
    [
        ("2010-12-01 08:26:00", "Europe/London", "2010-12-01T08:26:00Z"),
        ("2011-07-01 08:26:00", "Europe/London", "2011-07-01T07:26:00Z"),
        ("2024-01-31 00:30", "Asia/Shanghai", "2024-01-30T16:30:00Z"),
        ("2024-01-31T08:26:00.5", "UTC", "2024-01-31T08:26:00.500000Z"),
        ("2024-01-31T08:26:00.1234567", "UTC", "2024-01-31T08:26:00.123456Z"),
        ("2024-01-31T08:26:00Z", "Asia/Shanghai", "2024-01-31T08:26:00Z"),
        ("2024-01-31T08:26:00+08:00", "Europe/London", "2024-01-31T00:26:00Z"),
        ("2024-01-31 08:26:00 -0500", "Europe/London", "2024-01-31T13:26:00Z"),
        ("2024-01-31 08:26:00+02", "Europe/London", "2024-01-31T06:26:00Z"),
        ("2024-01-31 08:26 UTC", "Europe/London", "2024-01-31T08:26:00Z"),
        ("2024/1/5 9:05", "UTC", "2024-01-05T09:05:00Z"),
        ("2024-01-31", "Asia/Shanghai", "2024-01-31T04:00:00Z"),
        ("2024-01-31", "Pacific/Kiritimati", "2024-01-30T22:00:00Z"),
        ("20240131", "UTC", "2024-01-31T12:00:00Z"),
        # In the hour that London skips, and in the one it repeats, standard time applies.
        ("2011-03-27 01:30:00", "Europe/London", "2011-03-27T01:30:00Z"),
        ("2011-10-30 01:30:00", "Europe/London", "2011-10-30T01:30:00Z"),
        ("0000-00-00", "UTC", None),
        ("0000-00-00 00:00:00", "UTC", None),
        ("2024-02-30", "UTC", None),
        ("2024-13-01 10:00:00", "UTC", None),
        ("45992", "UTC", None),
        ("03/04/2024", "UTC", None),
        ("1601-01-01 00:00:00", "UTC", None),
        ("yesterday", "UTC", None),
        ("infinity", "UTC", None),
        ("epoch", "UTC", None),
    ],
)
def test_times_become_utc(spelled: Speller, written: str, zone: str, expected: str | None) -> None:
    assert spelled(written, "timestamp", zone) == expected


def test_a_declared_format_decides_which_number_is_the_month(spelled: Speller) -> None:
    assert spelled("12/1/2010 8:26", "timestamp", formats=("%m/%d/%Y %H:%M",)) == "2010-12-01T08:26:00Z"
    assert spelled("03/04/2024", "timestamp", formats=("%d/%m/%Y",)) == "2024-04-03T12:00:00Z"
    assert spelled("31/12/2024", "timestamp", formats=("%m/%d/%Y",)) is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2024-01-31", "2024-01-31"),
        ("2024-01-31 23:59:59", "2024-01-31"),
        ("2024-01-30T20:00:00Z", "2024-01-31"),
        ("2024-02-30", None),
    ],
)
def test_dates_are_days_of_the_source(spelled: Speller, written: str, expected: str | None) -> None:
    assert spelled(written, "date", "Asia/Shanghai") == expected


@pytest.mark.parametrize(("written", "expected"), [("Yes", "true"), ("0", "false"), ("是", "true"), ("maybe", None)])
def test_booleans_are_true_or_false(spelled: Speller, written: str, expected: str | None) -> None:
    assert spelled(written, "boolean") == expected


def test_enums_know_their_words(spelled: Speller) -> None:
    assert spelled("Sale", "enum", values=("sale", "refund")) == "sale"
    assert spelled("exchange", "enum", values=("sale", "refund")) is None


@pytest.mark.parametrize(("written", "expected"), [("9", "9"), ("4.5", "4.5"), ("-1", None), ("good", None)])
def test_scores_are_numbers_that_are_not_negative(spelled: Speller, written: str, expected: str | None) -> None:
    assert spelled(written, "score") == expected


def test_no_canonical_decimal_looks_like_a_damaged_id(spelled: Speller) -> None:
    assert not spelled.mangled("123456789012345678")
    assert re.fullmatch(r"\d+", spelled("000", "amount") or "")
