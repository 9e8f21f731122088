"""A company of a size that is given: its first night, the same tables by DuckDB alone, and the night after.

Belongs here: the order of these runs, and what of them is compared. Does not belong here: measuring (``measure.py``),
or what any of the children does.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.floor import compare
from benchmarks.measure import ChildRun, run_child

__all__ = ["SHARE_OF_A_DAY", "Scale", "measure_scale"]

#: The new rows of the day after, by all there are.
SHARE_OF_A_DAY = 0.005
_LINES_PER_ORDER = 3.5
#: What tells of the run itself, and not of the shop.
_OF_THE_RUN = {"release"}


@dataclass(frozen=True)
class Scale:
    """What was measured.

    Attributes
    ----------
    order_lines : int
        Raw rows of order lines that the first night found.
    first, after, again : ChildRun
        The first night, the one after it, and the latter once more with everything built anew.
    floor : ChildRun
        The tables of the first night by DuckDB alone.
    marts : int
        How many marts the floor made.
    unlike_floor, unlike_again : list of str
        Marts of the first night that are others in the floor; marts of the night after that are others if everything is
        built anew.
    delivered : dict of str to int
        What the day after brought.
    """

    order_lines: int
    first: ChildRun
    floor: ChildRun
    after: ChildRun
    again: ChildRun
    marts: int
    unlike_floor: list[str]
    unlike_again: list[str]
    delivered: dict[str, int]


def measure_scale(folder: Path, customers: int) -> Scale:
    """Run everything once for a company of so many customers, in a folder of its own."""
    home, work = folder / "home", folder / "floor"
    home.mkdir(parents=True)
    work.mkdir()
    run_child("company", "make", str(home), str(customers), str(_LINES_PER_ORDER))
    first = run_child("night", str(home), "latest")
    lines = _raw_rows(home, "order_lines")
    floor = run_child("floor", str(home), str(work), "raw")
    marts, unlike_floor = compare(home, work)
    shutil.rmtree(work)
    delivered = run_child("company", "follow", str(home / "landing"), str(SHARE_OF_A_DAY), str(lines)).facts
    after = run_child("night", str(home), "latest")
    kept = _published(home)
    again = run_child("night", str(home), "latest", "--full-refresh")
    anew = _published(home)
    unlike_again = sorted(mart for mart in kept.keys() | anew.keys() if kept.get(mart) != anew.get(mart))
    return Scale(lines, first, floor, after, again, marts, unlike_floor, unlike_again, delivered)


def _raw_rows(home: Path, feed: str) -> int:
    from warehouse.connection import connect

    with connect(home / "build" / "warehouse.duckdb", read_only=True) as con:
        [(rows,)] = con.execute(f"select count(*) from raw.{feed}").fetchall()
    return int(rows)


def _published(home: Path) -> dict[str, str]:
    """The bytes of every mart of the current release, as a hash."""
    return {
        file.stem: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted((home / "current" / "marts").glob("*.parquet"))
        if file.stem not in _OF_THE_RUN
    }
