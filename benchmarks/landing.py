"""A child that brings one large csv file somewhere: into raw Parquet as a night does, or where DuckDB alone brings it.

Belongs here: making the file, landing it, the bare readings it is held against. Does not belong here: measuring from
outside (``measure.py``).

::

    python -m benchmarks.landing make FILE
    python -m benchmarks.landing keeprate|memory|table|parquet FILE WORK
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from benchmarks.measure import Report
from warehouse.connection import connect, quote_literal

__all__ = ["LINES", "PEERS"]

LINES = 10_000_000
"""Lines of orders in the file: 3 to an order, 70 bytes each."""

MEMORY_LIMIT = "2GB"

PEERS = {
    "table": "a table on disk",
    "parquet": "Parquet (zstd)",
    "memory": "a table in memory",
}
"""Where DuckDB brings what it read, and what that is called."""


def main(what: str, file: Path, work: Path | None = None) -> None:
    """Do one thing and report."""
    report = Report()
    if what == "make":
        _make(file)
    else:
        assert work is not None
        with report.stage(what):
            report.facts["rows"] = _land(file, work) if what == "keeprate" else _read(what, file, work)
    report.send()


def _make(file: Path) -> None:
    file.parent.mkdir(parents=True)
    with connect() as con:
        con.execute(
            f"""
            copy (
                select
                    'SO-' || lpad(cast(i // 3 as varchar), 9, '0') as order_id,
                    1 + i % 3 as line_no,
                    'SKU-' || lpad(cast(hash(i) % 5000 as varchar), 5, '0') as product_id,
                    'Article ' || hash(i) % 5000 || ' of the household range' as description,
                    1 + hash(i, 1) % 9 as quantity,
                    cast((100 + hash(i, 2) % 100000) / 100 as decimal(12, 2)) as unit_price
                from range({LINES}) as lines(i)
            ) to {quote_literal(file)} (header)
            """
        ).fetchall()


def _land(file: Path, home: Path) -> int:
    """Read the file as a night does, and count what has landed."""
    from sources import SourceDefaults, load

    for folder in ("raw", "rejected", "work"):
        (home / folder).mkdir(parents=True)
    with TemporaryDirectory(dir=home) as spill, connect(memory_limit=MEMORY_LIMIT, temp_directory=Path(spill)) as con:
        result = load(
            con,
            landing=file.parent.parent,
            raw=home / "raw",
            rejected=home / "rejected",
            work=home / "work",
            defaults=SourceDefaults(time_zone="UTC", currency="CNY"),
            now=datetime.now(UTC),
        )
    if result.refusals:
        raise RuntimeError(result.refusals[0].message)
    return sum(delivery.records - delivery.ignored - delivery.rejected for delivery in result.deliveries)


def _read(where: str, file: Path, work: Path) -> int:
    """DuckDB's own reading of the file, every column as text."""
    work.mkdir()
    query = f"select * from read_csv({quote_literal(file)}, all_varchar = true)"
    database = work / "bare.duckdb" if where == "table" else ":memory:"
    with duckdb.connect(str(database), config={"memory_limit": MEMORY_LIMIT if where != "memory" else "16GB"}) as con:
        if where == "parquet":
            target = quote_literal(work / "bare.parquet")
            statement = f"copy ({query}) to {target} (format parquet, compression zstd)"
        else:
            statement = f"create table bare as {query}"
        [(rows,)] = con.execute(statement).fetchall()
        con.execute("checkpoint").fetchall()
    return int(rows)


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
