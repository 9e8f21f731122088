"""The secret under which ids that are e-mail addresses or phones are published.

Belongs here: making and reading the key, and the form in which SQL computes with it. Does not belong here: which
sources need it, or the computation itself (both SQL).
"""

import secrets
from string import hexdigits

from warehouse.durable import write_whole
from warehouse.errors import IdentifierKeyError
from warehouse.home import Home

__all__ = ["KEY_VARIABLE", "existing_identifier_key", "hmac_pads", "identifier_key"]

KEY_VARIABLE = "KEEPRATE_IDENTIFIER_KEY"
"""The environment variable that may hold the key instead of the home."""

_KEY_BYTES = 32
_BLOCK_BYTES = 64


def identifier_key(home: Home, given: str | None = None) -> bytes:
    """Return the key of a home, and make it first if there is none.

    Parameters
    ----------
    home : Home
        Prepared; its key lies in ``home.identifier_key``, readable by its owner alone.
    given : str, optional
        The key as 64 hexadecimal digits; where it is given, the home's own is neither read nor made.

    Returns
    -------
    bytes
        32 bytes.

    Raises
    ------
    IdentifierKeyError
        If the key is something else; the message does not repeat it.
    """
    key = existing_identifier_key(home, given)
    if key is None:
        key = secrets.token_bytes(_KEY_BYTES)
        write_whole(home.identifier_key, key.hex() + "\n")
    return key


def existing_identifier_key(home: Home, given: str | None = None) -> bytes | None:
    """Return the key of a home, or None where the first night is still to make it; see ``identifier_key``.

    Raises
    ------
    IdentifierKeyError
        If the key is something else; the message does not repeat it.
    """
    if given:
        return _decoded(given, f"the environment variable {KEY_VARIABLE}")
    file = home.identifier_key
    if not file.exists():
        return None
    return _decoded(file.read_text(encoding="utf-8", errors="replace").strip(), str(file))


def hmac_pads(key: bytes) -> tuple[str, str]:
    """Return the inner and the outer pad of HMAC-SHA-256 (RFC 2104), in hexadecimal digits.

    ``sha256(outer + sha256(inner + text))`` is then the HMAC of a text.

    Parameters
    ----------
    key : bytes
        At most 64 bytes; the RFC hashes longer ones first, and no key of ours is longer.
    """
    if len(key) > _BLOCK_BYTES:
        raise ValueError(f"a key has at most {_BLOCK_BYTES} bytes, not {len(key)}")
    block = key.ljust(_BLOCK_BYTES, b"\0")
    return bytes(byte ^ 0x36 for byte in block).hex(), bytes(byte ^ 0x5C for byte in block).hex()


def _decoded(text: str, place: str) -> bytes:
    if len(text) != 2 * _KEY_BYTES or not set(text) <= set(hexdigits):
        raise IdentifierKeyError(
            f"The key in {place} is not {2 * _KEY_BYTES} hexadecimal digits; restore it from a backup, "
            "or make a new one with `openssl rand -hex 32`, which changes the published ids."
        )
    return bytes.fromhex(text)
