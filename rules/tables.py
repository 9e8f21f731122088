"""Tables beside the rules file, which people fill in with a spreadsheet.

Here belongs reading the lines of such a table. What a line means belongs to the module of its table.
"""

import csv
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

from rules.document import read_text
from rules.errors import Problem, RulesError

__all__ = ["read_lines"]


def read_lines(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Every line that is not blank, by the names of its columns.

    Parameters
    ----------
    path : Path
        A table in CSV, UTF-8 with or without a byte order mark, whose first line names the columns; further columns
        are not read.
    columns : sequence of str
        Columns that there must be.

    Yields
    ------
    tuple of int and dict of str to str
        The number of the line, from 1, and its cells without blanks at their ends.

    Raises
    ------
    RulesError
        If the table cannot be read, or its lines are not of one shape.
    """
    reader = csv.reader(StringIO(read_text(path), newline=""), strict=True)
    expected = ",".join(columns)
    try:
        header = [name.strip() for name in next(reader, [])]
        if missing := [name for name in columns if name not in header]:
            message = f"has no column {', '.join(missing)}; its first line must be {expected}, with commas between"
            raise RulesError([Problem(path, 1, message)])
        line = reader.line_num + 1
        for row in reader:
            if any(cell.strip() for cell in row):
                if len(row) != len(header):
                    message = f"has {len(row)} cells, but the first line names {len(header)}; check commas and quotes"
                    raise RulesError([Problem(path, line, message)])
                yield line, dict(zip(header, (cell.strip() for cell in row), strict=True))
            line = reader.line_num + 1
    except csv.Error:
        raise RulesError([Problem(path, reader.line_num, "is not valid CSV; check the quotes here")]) from None
