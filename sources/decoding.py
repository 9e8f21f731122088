"""From bytes to characters, strictly.

Belongs here: which encoding a file is in. Does not belong here: what the text says.

A byte order mark decides, then strict UTF-8, then GB18030 where the text makes sense as Chinese, then the encoding
that was declared. Nothing is ever replaced: bytes that fit none of them refuse the file. Only where a file is UTF-8
beyond doubt are single damaged records set aside instead.
"""

import codecs
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sources.errors import RefusedFileError

__all__ = ["DAMAGED_UTF_8", "as_utf_8", "decode", "encoding_of"]

DAMAGED_UTF_8 = "utf-8 (damaged)"
"""UTF-8 in which some bytes are not; decoded, each of those is a lone surrogate (PEP 383)."""

PROOF_OF_UTF_8 = 10
"""So many characters beyond ASCII must be right for every byte that is wrong: other encodings hardly have any."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

EVERYDAY_SHARE = 0.7
"""A text is Chinese if so many of its characters beyond ASCII are among the 7,445 of GB 2312.

Western text read as GB18030 gives Chinese characters as well, but rare ones: there the second byte is a letter.
"""

_CONTROLS = bytes(code for code in (*range(1, 32), 127) if code not in b"\t\n\r")
_CHANGED = tuple(bytes([code]) for code in _CONTROLS + b"\r\0")

_NOTHING_PENDING = (b"", 0)

Pieces = Callable[[], Iterable[bytes]]


def decode(pieces: Iterable[bytes], encoding: str = "utf-8") -> Iterator[str]:
    """Decode bytes strictly and turn every kind of line end into LF.

    Parameters
    ----------
    pieces : iterable of bytes
        The bytes, cut anywhere.
    encoding : str
        What holds when there is no byte order mark.

    Raises
    ------
    RefusedFileError
        At the first byte that does not belong to the encoding.
    """
    return (text for text in _decoded(pieces, encoding, lambda piece: False) if isinstance(text, str))


def as_utf_8(pieces: Iterable[bytes], encoding: str = "utf-8") -> Iterator[bytes]:
    """The same text in UTF-8, without control characters, which are never data.

    The NUL byte is left for the record it stands in to be set aside.

    Parameters
    ----------
    pieces : iterable of bytes
        The bytes, cut anywhere.
    encoding : str
        What holds when there is no byte order mark.

    Raises
    ------
    RefusedFileError
        At the first byte that does not belong to the encoding.
    """
    for text in _decoded(pieces, encoding, _is_as_it_should_be):
        if isinstance(text, bytes):
            yield text
        elif text:
            yield text.encode(errors="surrogateescape").translate(None, _CONTROLS)


def _is_as_it_should_be(piece: bytes) -> bool:
    """Whether bytes are ASCII without anything to be changed, as nearly all of most files are."""
    return piece.isascii() and not any(byte in piece for byte in _CHANGED)


def _decoded(pieces: Iterable[bytes], encoding: str, is_done: Callable[[bytes], bool]) -> Iterator[str | bytes]:
    """The text of every piece, or the piece itself where it is done already."""
    source = iter(pieces)
    piece = next(source, b"")
    encoding, errors = ("utf-8", "surrogateescape") if encoding == DAMAGED_UTF_8 else (encoding, "strict")
    encoding = next((name for mark, name in _MARKS if piece.startswith(mark)), encoding)
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(errors), translate=True)
    holds_ascii = encoding == "utf-8"
    seen = lines = 0
    try:
        while piece:
            seen += len(piece)
            if holds_ascii and decoder.getstate() == _NOTHING_PENDING and is_done(piece):
                lines += piece.count(b"\n")
                yield piece
            else:
                text = decoder.decode(piece)
                lines += text.count("\n")
                yield text
            piece = next(source, b"")
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        offset = seen - len(error.object) + error.start
        line = lines + error.object[: error.start].count(b"\n") + 1
        name = encoding.removesuffix("-sig").upper()
        also = ", nor is the file Chinese in GB18030" if encoding == "utf-8" else ""
        raise RefusedFileError(
            f"byte 0x{error.object[error.start]:02x} at offset {offset} (line {line}) is not {name}{also}; "
            "export it again as 'CSV UTF-8', or set 'encoding' in source.yml beside the file"
        ) from error


@dataclass
class _Evidence:
    """What speaks for a text being Chinese."""

    beyond_ascii: int = 0
    everyday: int = 0

    def add(self, text: str) -> None:
        characters = [character for character in text if not character.isascii()]
        self.beyond_ascii += len(characters)
        self.everyday += len("".join(characters).encode("gb2312", "ignore")) // 2

    @property
    def is_chinese(self) -> bool:
        return self.everyday > 0 and self.everyday >= EVERYDAY_SHARE * self.beyond_ascii


def encoding_of(pieces: Pieces, *, declared: str | None = None, fallback: str | None = None) -> str:
    """The encoding in which a whole file can be read.

    Parameters
    ----------
    pieces : callable
        Gives the bytes of the file, from the start.
    declared : str or None
        What the owner says; it goes before any guess.
    fallback : str or None
        What the system's files usually are if they are nothing better.

    Returns
    -------
    str
        UTF-8 also where nothing fits; decoding will then say where.
    """
    if declared is not None:
        return declared
    if _is_readable(pieces, "utf-8"):
        return "utf-8"
    evidence = _Evidence()
    if _is_readable(pieces, "gb18030", evidence) and evidence.is_chinese:
        return "gb18030"
    if fallback is not None and _is_readable(pieces, fallback):
        return fallback
    return DAMAGED_UTF_8 if _is_damaged_utf_8(pieces) else "utf-8"


def _is_damaged_utf_8(pieces: Pieces) -> bool:
    wrong = right = 0
    for text in decode(pieces(), DAMAGED_UTF_8):
        beyond_ascii = [character for character in text if not character.isascii()]
        lone = sum("\udc80" <= character <= "\udcff" for character in beyond_ascii)
        wrong += lone
        right += len(beyond_ascii) - lone
    return right >= PROOF_OF_UTF_8 * wrong


def _is_readable(pieces: Pieces, encoding: str, evidence: _Evidence | None = None) -> bool:
    try:
        for text in decode(pieces(), encoding):
            if evidence is not None:
                evidence.add(text)
    except RefusedFileError:
        return False
    return True
