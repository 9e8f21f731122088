"""How many records a csv file holds, counted on whole blocks of bytes.

Belongs here: where records end and how many fields they have. Does not belong here: what stands in a field, or
what becomes of records of the wrong shape (``rows.py``).

DuckDB's figure has to be held against one that another reader found, and a strict reader that makes every record a
list takes longer than all the rest. RFC 4180 leaves no doubt where a record ends: a quote opens only at the start
of a field and closes only at its end, and is doubled inside, so a line end after an even number of quotes ends a
record. A file that keeps to this everywhere is counted here; any other goes to the strict reader.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["EvenRecords"]

_QUOTE, _LINE_END, _BLANK, _TAB = b'"\n \t'

Marks = NDArray[np.uint8]


class EvenRecords:
    """Counts the records of a csv file as long as all of them have the same number of fields.

    Parameters
    ----------
    delimiter : str
        One ASCII character.
    fields : int
        How many fields every record has, the header among them; two or more, for a blank line looks like one.
    """

    def __init__(self, delimiter: str, fields: int) -> None:
        self._delimiter = delimiter.encode()[0]
        self._fields = fields
        self._is_even = True
        self._records = 0
        self._delimiters_since = 0
        self._is_quoted = False
        self._is_clean = True
        self._last = _LINE_END

    def add(self, block: bytes) -> None:
        """Count the next block of the file, in UTF-8 with lines ended by LF, cut anywhere."""
        self._is_even = self._is_even and b"\0" not in block and self._count(block)

    def count(self) -> int | None:
        """How many records there were, the header among them.

        None if a record has another number of fields, or a quote or a NUL byte stands where none may.
        """
        if not self._is_even or self._is_quoted:
            return None
        if self._last == _LINE_END:
            return self._records
        return self._records + 1 if self._delimiters_since + 1 == self._fields else None

    @property
    def is_clean(self) -> bool:
        """Whether all of it is ASCII without quotes, and no blank stands at the end of a field."""
        return self._is_clean and self._last != _BLANK

    def _count(self, block: bytes) -> bool:
        content = np.frombuffer(block, dtype=np.uint8)
        if not content.size:
            return True
        is_mark = (content == self._delimiter) | (content == _LINE_END)
        self._is_clean = self._is_clean and self._seems_clean(block, content, is_mark)
        if self._is_quoted or self._last == _QUOTE or b'"' in block:
            is_quote = content == _QUOTE
            places = np.flatnonzero(is_quote)
            if not self._are_in_place(content, places):
                return False
            # Odd where a quote is open.
            is_mark &= ~((np.cumsum(is_quote, dtype=np.uint8) + np.uint8(self._is_quoted)) & 1).astype(bool)
            self._is_quoted ^= bool(places.size % 2)
        self._last = int(content[-1])
        return self._add_marks(content[is_mark])

    def _seems_clean(self, block: bytes, content: Marks, is_mark: NDArray[np.bool_]) -> bool:
        if not block.isascii() or b'"' in block or (b"\t" in block and self._delimiter != _TAB):
            return False
        return not (self._last == _BLANK and is_mark[0]) and not ((content[:-1] == _BLANK) & is_mark[1:]).any()

    def _are_in_place(self, content: Marks, quotes: NDArray[np.intp]) -> bool:
        """Whether every quote that opens follows a field's start, and every one that closes is followed by its end.

        A doubled quote closes and opens again at once. The byte before the block is known; what follows its last
        byte is judged with the next block.
        """
        around = np.concatenate([[np.uint8(self._last)], content])
        opens = (np.arange(quotes.size) + int(self._is_quoted)) % 2 == 0
        before = around[quotes[opens]]
        closing = quotes[~opens] + 2
        after = around[closing[closing < around.size]]
        if self._last == _QUOTE and not self._is_quoted:
            after = np.append(after, content[0])
        return self._may_touch(before) and self._may_touch(after)

    def _may_touch(self, neighbours: Marks) -> bool:
        return bool(np.isin(neighbours, (self._delimiter, _LINE_END, _QUOTE)).all())

    def _add_marks(self, marks: Marks) -> bool:
        ends = np.flatnonzero(marks == _LINE_END)
        if not ends.size:
            self._delimiters_since += marks.size
            return self._delimiters_since < self._fields
        widths = np.diff(ends, prepend=-1 - self._delimiters_since)
        self._delimiters_since = int(marks.size - 1 - ends[-1])
        self._records += ends.size
        return bool((widths == self._fields).all())
