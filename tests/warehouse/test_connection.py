"""Opening DuckDB."""

import os
from pathlib import Path

import duckdb
import pytest
import yaml

from assets.dbt_process import PROJECT_DIR
from warehouse.connection import attached, connect, quote_literal, quote_name
from warehouse.errors import WarehouseError

from .conftest import Start


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.duckdb"
    with connect(path) as con:
        con.execute("create table t as select 1 as x")
    return path


def setting(con: duckdb.DuckDBPyConnection, name: str) -> object:
    row = con.execute("select current_setting(?)", [name]).fetchone()
    assert row is not None
    return row[0]


def test_every_connection_is_in_utc_and_never_downloads(tmp_path: Path) -> None:
    with connect(memory_limit="300MB", threads=1, temp_directory=tmp_path / "spill") as con:
        assert setting(con, "TimeZone") == "UTC"
        assert setting(con, "autoinstall_known_extensions") is False
        assert setting(con, "autoload_known_extensions") is False
        assert setting(con, "threads") == 1
        assert setting(con, "memory_limit") == "286.1 MiB"
        assert setting(con, "temp_directory") == str(tmp_path / "spill")
        with pytest.raises(duckdb.Error, match="httpfs"):
            con.execute("select * from 'http://127.0.0.1:9/x.csv'")


def test_a_sum_over_rows_of_one_day_is_compared_by_its_value(tmp_path: Path) -> None:
    """100,000 rows of 0 to 999 on ten days: 4,990,000 on the fifth. DuckDB by itself takes that for 5,000 at most."""
    query = (
        "select total, total > 4000000 from "
        "(select sum(amount) as total from bought where day = (select max(day) from days))"
    )
    with connect(tmp_path / "some.duckdb") as con:
        con.execute("create table days as select i as day from range(5) as t(i)")
        con.execute(
            "create table bought as "
            "select i % 10 as day, cast(i % 1000 as integer) as amount from range(100000) as t(i)"
        )
        assert con.execute(query).fetchall() == [(4_990_000, True)]
        ours = setting(con, "disabled_optimizers")
    profile = yaml.safe_load((PROJECT_DIR / "profiles.yml").read_text(encoding="utf-8"))
    assert profile["keeprate"]["outputs"]["duckdb"]["settings"]["disabled_optimizers"] == ours


def test_a_query_that_spills_is_stopped_before_it_fills_the_disk(tmp_path: Path) -> None:
    with (
        connect(memory_limit="50MB", temp_directory=tmp_path / "spill", max_temp_directory_size="1MB") as con,
        pytest.raises(duckdb.OutOfMemoryException),
    ):
        con.execute("create table t as select md5(i::varchar) as x from range(3000000) as r(i) order by x")


def test_a_reader_leaves_no_trace_beside_the_file(file: Path) -> None:
    with connect(file, read_only=True) as con:
        assert con.execute("select x from t").fetchall() == [(1,)]
        assert setting(con, "temp_directory") == ""
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            con.execute("drop table t")
        assert os.listdir(file.parent) == [file.name]


def test_a_database_in_memory_spills_nowhere_unless_told() -> None:
    with connect() as con:
        assert setting(con, "temp_directory") == ""


def test_a_file_in_use_by_a_writer_is_refused_with_its_number(file: Path, start: Start) -> None:
    process = start("writer.py", file)
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    with pytest.raises(WarehouseError, match=f"in use by process {process.pid}; close it"), connect(file):
        pass
    with (
        connect() as con,
        pytest.raises(WarehouseError, match=f"in use by process {process.pid}"),
        attached(con, file, "a", read_only=True),
    ):
        pass


def test_a_file_that_this_process_writes_is_refused_with_advice(file: Path) -> None:
    with (
        connect(file),
        pytest.raises(WarehouseError, match="open elsewhere in this process"),
        connect(file, read_only=True),
    ):
        pass
    with (
        connect(file),
        connect() as other,
        pytest.raises(WarehouseError, match="open elsewhere in this process"),
        attached(other, file, "a", read_only=True),
    ):
        pass


def test_a_missing_file_and_one_that_is_no_database_are_named(tmp_path: Path) -> None:
    missing, text = tmp_path / "none.duckdb", tmp_path / "text.duckdb"
    with (
        pytest.raises(WarehouseError, match=r"none\.duckdb cannot be opened because it, or its folder"),
        connect(missing, read_only=True),
    ):
        pass
    text.write_text("not a database" * 1000)
    with pytest.raises(WarehouseError, match=r"text\.duckdb cannot be opened as a database"), connect(text):
        pass


def test_an_attached_file_is_detached_even_after_an_error(file: Path) -> None:
    with connect() as con:
        with pytest.raises(KeyError), attached(con, file, "a", read_only=True):
            raise KeyError
        with attached(con, file, "a", read_only=True):
            assert con.execute("select x from a.t").fetchall() == [(1,)]


def test_names_and_texts_are_quoted() -> None:
    assert quote_name("raw", 'odd"name') == '"raw"."odd""name"'
    assert quote_literal("it's") == "'it''s'"
    with connect() as con:
        assert con.execute(f"select {quote_literal(Path('a/b'))} as {quote_name('select')}").fetchall() == [("a/b",)]
