"""Copying finished tables into the formats that readers open."""

import struct
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from warehouse.connection import connect
from warehouse.durable import sha256
from warehouse.errors import WarehouseError
from warehouse.export import count_rows, export_marts, stamp_release
from warehouse.home import Home
from warehouse.releases import new_work

STAMP: dict[str, Any] = {
    "seq": 3,
    "run_id": "it-s_a-run",
    "as_of": date(2011, 12, 9),
    "published_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "code_version": "0.1.0",
    "config_hash": "c0ffee",
}


def build(home: Home, *statements: str) -> Path:
    home.build_file.unlink(missing_ok=True)
    with connect(home.build_file) as con:
        con.execute("create schema marts")
        for statement in statements:
            con.execute(statement)
    return home.build_file


def parquet(work: Path, table: str) -> list[tuple[object, ...]]:
    with connect() as con:
        rows: list[tuple[object, ...]] = con.execute(f"from '{work / 'marts' / table}.parquet'").fetchall()
    return rows


def test_both_formats_have_every_row_in_the_order_of_the_key(home: Home) -> None:
    work = new_work(home, "r1")
    build(
        home,
        "create table marts.t as select * from (values (2, 'b'), (1, 'z'), (null, 'n'), (1, 'a')) v(k, s)",
    )
    assert export_marts(home.build_file, work, {"t": ["k", "s"]}) == {"t": 4}
    expected = [(None, "n"), (1, "a"), (1, "z"), (2, "b")]
    assert parquet(work, "t") == expected
    with connect(work / "warehouse.duckdb", read_only=True) as con:
        assert con.execute("select * from marts.t").fetchall() == expected
    assert sorted(path.name for path in work.iterdir()) == ["marts", "warehouse.duckdb"]
    assert list(home.work.iterdir()) == [work], "no spill folder stays"


def test_every_client_since_duckdb_1_0_can_read_the_file_before_and_after_the_stamp(home: Home) -> None:
    work = new_work(home, "r1")
    build(home, "create table marts.t as select 1 as k")
    export_marts(home.build_file, work, {"t": ["k"]})
    # The file begins with a checksum of 8 bytes, DUCK, and the storage version; 64 is what 1.0 wrote itself.
    # itself.
    assert struct.unpack("<8x4sQ", (work / "warehouse.duckdb").read_bytes()[:20]) == (b"DUCK", 64)
    stamp_release(work, **STAMP)
    assert struct.unpack("<8x4sQ", (work / "warehouse.duckdb").read_bytes()[:20]) == (b"DUCK", 64)
    with connect() as con:
        con.execute(f"attach '{work / 'warehouse.duckdb'}' as w (read_only)")
        tags = con.execute("select tags from duckdb_databases() where database_name = 'w'").fetchone()
    assert tags is not None
    assert tags[0]["storage_version"].startswith("v1.0.0")


def test_the_same_rows_give_the_same_bytes_in_any_order_on_any_threads(home: Home) -> None:
    digests = set()
    rows = (
        "select (hash(i) % 50000)::bigint as k, (i % 7)::integer as j, (i * 7919 % 100003) / 1e3 as x, "
        "'v' || (i % 1000) as s, (i % 900)::decimal(18, 3) as m from range(200000) as r(i)"
    )
    for run, (order, threads) in enumerate([("i", 2), ("i desc", 2), ("hash(i + 1)", 1), ("hash(i + 2)", 2)]):
        work = new_work(home, f"r{run}")
        build(home, f"create table marts.t as {rows} order by {order}")
        # The key is not unique: four rows share each value, and still may not trade places.
        export_marts(home.build_file, work, {"t": ["k"]}, threads=threads)
        digests.add(sha256(work / "marts" / "t.parquet"))
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("sum(1)", r"marts\.t\.x is HUGEINT, .*; cast it to bigint"),
        ("1::uhugeint", "UHUGEINT"),
        ("[1]", r"INTEGER\[\], .*; cast it to a flat type"),
        ("{'a': 1}", "STRUCT"),
        ("now()", "TIMESTAMP WITH TIME ZONE"),
    ],
)
def test_a_type_that_some_readers_cannot_take_is_refused(home: Home, expression: str, complaint: str) -> None:
    build(home, f"create table marts.t as select {expression} as x")
    with pytest.raises(WarehouseError, match=complaint):
        export_marts(home.build_file, new_work(home, "r1"), {"t": []})


@pytest.mark.parametrize(
    ("tables", "complaint"),
    [
        ({"missing": []}, r"marts\.missing is not in the build file"),
        ({"t": ["nope"]}, r"marts\.t has no column nope"),
        ({"release": []}, "cannot be the name"),
        ({"../t": []}, "cannot be the name"),
    ],
)
def test_a_table_that_cannot_be_published_is_refused(home: Home, tables: dict[str, list[str]], complaint: str) -> None:
    build(home, "create table marts.t as select 1 as k")
    with pytest.raises(WarehouseError, match=complaint):
        export_marts(home.build_file, new_work(home, "r1"), tables)
    assert [path.name for path in home.work.iterdir()] == ["r1"], "no spill folder stays"


def test_a_missing_build_file_is_named(home: Home) -> None:
    with pytest.raises(WarehouseError, match=r"build/warehouse\.duckdb cannot be opened"):
        export_marts(home.build_file, new_work(home, "r1"), {"t": []})


def test_a_second_attempt_replaces_the_first(home: Home) -> None:
    work = new_work(home, "r1")
    build(home, "create table marts.t as select 1 as k", "create table marts.u as select 1 as k")
    export_marts(home.build_file, work, {"t": ["k"], "u": ["k"]})
    stamp_release(work, **STAMP)
    assert export_marts(home.build_file, work, {"t": ["k"]}) == {"t": 1}
    assert [path.name for path in (work / "marts").iterdir()] == ["t.parquet"]


def test_a_view_of_the_build_file_is_published_as_a_table(home: Home) -> None:
    work = new_work(home, "r1")
    build(
        home,
        "create schema core",
        "create table core.base as select 5 as k",
        "create view marts.t as select k from warehouse.core.base",
    )
    assert export_marts(home.build_file, work, {"t": ["k"]}) == {"t": 1}
    assert parquet(work, "t") == [(5,)]


def test_the_stamp_says_which_release_it_is_and_can_be_repeated(home: Home) -> None:
    work = new_work(home, "r1")
    build(home, "create table marts.t as select 1 as k")
    export_marts(home.build_file, work, {"t": ["k"]})
    for _ in range(2):
        assert stamp_release(work, **STAMP) == {"release": 1, "t": 1}
        (work / "warehouse.duckdb").chmod(0o444)
    expected = [(3, "it-s_a-run", date(2011, 12, 9), datetime(2026, 1, 2, 3, 4, 5), "0.1.0", "c0ffee")]
    assert parquet(work, "release") == expected
    assert not (work / "warehouse.duckdb.wal").exists()
    assert count_rows(work) == {"release": 1, "t": 1}


def test_formats_that_differ_are_noticed(home: Home) -> None:
    work = new_work(home, "r1")
    build(home, "create table marts.t as select 1 as k")
    export_marts(home.build_file, work, {"t": ["k"]})
    with connect() as con:
        con.execute(f"copy (from range(2)) to '{work / 'marts' / 't.parquet'}' (format parquet)")
    with pytest.raises(WarehouseError, match=r"t\.parquet has 2 rows, but the table in warehouse\.duckdb has 1"):
        count_rows(work)
