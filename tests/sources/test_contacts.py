"""E-mail addresses and phone numbers: one spelling each, and nothing lost where there is none."""

from typing import TYPE_CHECKING

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from sources.contacts import canonical_email, canonical_phone, is_nobodys

if TYPE_CHECKING:
    from tests.sources.conftest import Home


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Li.Ming@Example.COM", "li.ming@example.com"),
        ("a+b@gmail.com", "a+b@gmail.com"),
        ("o'hara@example.ie", "o'hara@example.ie"),
        ("用户@例子.广告", "用户@例子.广告"),
        ("a@b", None),
        ("a b@example.com", None),
        ("a..b@example.com", None),
        ("a@company.local", None),
        ("a@test", None),
        ("a@shop.test", None),
        ("a@1.2.3.4", None),
        ("none", None),
        (f"a@{'x' * 64}.com", None),
    ],
)
def test_an_address_is_in_lower_case_or_none(written: str, expected: str | None) -> None:
    assert canonical_email(written) == expected


@given(st.from_regex(r"[a-zA-Z0-9._+'-]{1,12}@([a-zA-Z0-9-]{1,8}\.){1,3}[a-z]{1,8}", fullmatch=True))
def test_the_short_way_agrees_with_the_library(written: str) -> None:
    try:
        expected = validate_email(written, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        expected = None
    assert canonical_email(written) == expected


@pytest.mark.parametrize(
    "address",
    [
        "none@none.com",
        "test@test.com",
        "test@gmail.com",
        "noemail@shop.cn",
        "no-email@163.com",
        "no.mail@gmail.com",
        "no-e-mail@gmail.com",
        "no-reply@shop.com",
        "no_reply+7@shop.com",
        "donotreply@shop.com",
        "n.a@na.com",
        "a@a.com",
        "xxx@xxx.cn",
        "123@abc.com",
        "user@example.com",
        "name@domain.co.uk",
        "ann@shop.example",
    ],
)
def test_what_is_typed_for_want_of_an_address_is_nobodys(address: str) -> None:
    assert canonical_email(address) in (address, None)
    assert is_nobodys(address)


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.com",
        "ann@mail.example.com",
        "na@smith.com",
        "a@smith.com",
        "123@qq.com",
        "1234567@qq.com",
        "guest@hotel.com",
        "customer.service@company.com",
        "nonette@gmail.com",
        "testa@test.it",
        "info@test.de",
        "t.est@gmail.com",
        "g.uest@example.com",
        "ann@company.com",
        "smith@smith.com",
    ],
)
def test_what_may_be_somebodys_is_left_alone(address: str) -> None:
    assert canonical_email(address) == address
    assert not is_nobodys(address)


@pytest.mark.parametrize(
    ("written", "country", "expected"),
    [
        ("13800138000", "CN", "+8613800138000"),
        ("+86 138-0013-8000", "CN", "+8613800138000"),
        ("0086 138 0013 8000", "CN", "+8613800138000"),
        ("13800138000.0", "CN", "+8613800138000"),
        ("010-6552 9988", "CN", "+861065529988"),
        ("098765 43210", "IN", "+919876543210"),
        ("+44 20 7946 0958", None, "+442079460958"),
        ("(415) 555-0100", "US", "+14155550100"),
        ("415-555-0100 x12", "US", None),
        ("6234567", "CN", None),
        ("010-62345678", "CN", "+861062345678"),
        ("11111111111", "CN", None),
        ("020 7946 0958", None, None),
        ("12345", "CN", None),
        ("see note", "CN", None),
        ("1.38E+10", "CN", None),
        ("", "CN", None),
    ],
)
def test_a_number_is_written_for_the_whole_world_or_not_at_all(
    written: str, country: str | None, expected: str | None
) -> None:
    assert canonical_phone(written, country) == expected


@given(st.from_regex(r"(\+86|86|0086)?[ -]?1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}", fullmatch=True))
def test_chinese_mobiles_are_spelled_as_the_library_spells_them(written: str) -> None:
    import phonenumbers

    number = phonenumbers.parse(written, "CN")
    assert canonical_phone(written, "CN") == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def test_what_cannot_be_read_is_kept_and_said_and_costs_no_customer(home: "Home") -> None:
    home.put("shop/source.yml", "{system: generic, default_country: CN}")
    home.put(
        "shop/customers.csv",
        "source_customer_id,email,phone,colour\n"
        "1,LI@example.com,138 0013 8000,red\n2,none yet,ext. 5,\n3,,,\n4,li@EXAMPLE.com,+8613800138000,\n"
        "5,None@None.com,11111111111,\n",
    )
    result = home.load()
    assert home.rows(result.feeds["customers"], "source_customer_id", "email", "phone", "extra") == [
        ("1", "li@example.com", "+8613800138000", '{"colour":"red"}'),
        ("2", None, None, '{"email":"none yet","phone":"ext. 5"}'),
        ("3", None, None, None),
        ("4", "li@example.com", "+8613800138000", None),
        ("5", None, None, '{"email":"None@None.com","phone":"11111111111"}'),
    ]
    assert result.deliveries[0].rejected == 0
    assert [sentence.partition(": ")[2] for sentence in result.drift] == [
        "nobody reads the column 'colour'; kept in extra.",
        "2 of 4 values of email are no e-mail address; kept in extra.",
        "2 of 4 values of phone are no phone number; kept in extra.",
    ]
