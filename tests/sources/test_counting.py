"""Records are counted on bytes exactly where a strict reader would count the same."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sources.counting import EvenRecords


def _counted(text: str, size: int, fields: int) -> int | None:
    content = text.encode()
    counting = EvenRecords(",", fields)
    for start in range(0, len(content), size):
        counting.add(content[start : start + size])
    return counting.count()


def _widths(text: str) -> list[int] | None:
    """Fields per record by Python's strict reader; None where it finds that this is no csv."""
    try:
        return [len(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True)]
    except csv.Error:
        return None


@pytest.mark.parametrize(
    ("text", "records"),
    [
        ("a,b\n1,2\n3,4\n", 3),
        ("a,b\n1,2\n3,4", 3),
        ('a,b\n"1","2"\n', 2),
        ('a,b\n"1\n1",2\n', 2),
        ('a,b\n"1,1",2\n', 2),
        ('a,b\n"say ""yes""\n",2\n', 2),
        ('a,b\n"","\n"\n', 2),
        ("甲,乙\n一,二\n", 2),
        ("a,b\n1,2,3\n", None),
        ("a,b\n1\n", None),
        ("a,b\n1", None),
        ("a,b\n\n1,2\n", None),
        ('a,b\n5" pipe,2\n', None),
        ('a,b\n"5" pipe,2\n', None),
        ('a,b\n"5",2 "x\n', None),
        ('a,b\n1,"2\n', None),
        ('a,b\n1,"2"\n"', None),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_a_record_ends_at_a_line_end_outside_quotes(text, records, size):
    assert _counted(text, size, 2) == records


CELLS = st.text(alphabet='ab,"\n 中', max_size=4)


@given(rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=6), size=st.integers(1, 12))
def test_what_a_writer_wrote_is_counted(rows, size):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    assert _counted(text.getvalue(), size, 3) == len(rows)


@given(text=st.text(alphabet='ab,"\n', max_size=30), size=st.integers(1, 12))
@example(text='a,""\n"",b\n', size=4)
def test_whatever_is_counted_a_strict_reader_counts_too(text, size):
    counted = _counted(text, size, 2)
    if counted:
        assert _widths(text) == [2] * counted
    elif text and _widths(text) == [2] * len(_widths(text) or [0]):
        # What is left to the strict reader although it is even: quotes where RFC 4180 has none.
        assert '"' in text


@pytest.mark.parametrize(
    ("text", "is_clean"),
    [
        ("a,b\n1,2 3\n", True),
        ("a,b\n 1,2\n", True),
        ("a,b\n1 ,2\n", False),
        ("a,b\n1,2 \n", False),
        ("a,b\n1,2 ", False),
        ("a,b\n1,2\t\n", False),
        ('a,b\n"1 ",2\n', False),
        ("a,b\n1,é\n", False),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_what_may_have_a_blank_at_its_end_is_not_clean(text, is_clean, size):
    counting = EvenRecords(",", 2)
    content = text.encode()
    for start in range(0, len(content), size):
        counting.add(content[start : start + size])
    assert counting.is_clean == is_clean
