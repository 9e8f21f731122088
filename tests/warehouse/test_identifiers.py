"""The secret of the ids that are published."""

import hashlib
import stat
from pathlib import Path

import pytest

from warehouse.errors import WarehouseError
from warehouse.home import Home
from warehouse.identifiers import hmac_pads, identifier_key

GIVEN = "00112233445566778899aabbccddeeff" * 2


def test_a_home_makes_its_key_once_and_keeps_it_to_itself(home: Home) -> None:
    key = identifier_key(home)
    assert len(key) == 32
    assert identifier_key(home) == key
    assert stat.S_IMODE(home.identifier_key.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.identifier_key.parent.stat().st_mode) == 0o700


def test_two_homes_have_two_keys(tmp_path: Path) -> None:
    homes = [Home(tmp_path / name) for name in ("one", "other")]
    for home in homes:
        home.prepare()
    assert identifier_key(homes[0]) != identifier_key(homes[1])


def test_a_key_that_is_given_goes_before_that_of_the_home(home: Home) -> None:
    assert identifier_key(home, GIVEN) == bytes.fromhex(GIVEN)
    assert not home.identifier_key.exists()


def test_a_variable_that_is_set_to_nothing_is_not_set(home: Home) -> None:
    assert identifier_key(home, "") == identifier_key(home)


@pytest.mark.parametrize("wrong", ["0011", GIVEN + "00", GIVEN[:-1] + "g", " " + GIVEN[1:], "٣" * 64])
def test_a_key_that_is_none_is_refused_and_not_repeated(home: Home, wrong: str) -> None:
    with pytest.raises(WarehouseError, match="KEEPRATE_IDENTIFIER_KEY is not 64 hexadecimal digits") as error:
        identifier_key(home, wrong)
    assert wrong not in str(error.value)
    home.identifier_key.write_text(wrong, encoding="utf-8")
    with pytest.raises(WarehouseError, match=r"identifier\.key is not 64 hexadecimal digits"):
        identifier_key(home)


@pytest.mark.parametrize(
    ("key", "text", "digest"),
    [
        (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    ],
)
def test_two_hashes_over_the_pads_are_the_hmac_of_the_standard(key: bytes, text: bytes, digest: str) -> None:
    """The first three test cases of RFC 4231."""
    inner, outer = map(bytes.fromhex, hmac_pads(key))
    assert hashlib.sha256(outer + hashlib.sha256(inner + text).digest()).hexdigest() == digest


def test_pads_are_made_of_one_block_at_most() -> None:
    with pytest.raises(ValueError, match="at most 64 bytes, not 65"):
        hmac_pads(b"k" * 65)
