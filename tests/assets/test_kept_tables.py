"""What a night keeps of the build file of the one before."""

import logging
from pathlib import Path

import pytest

from assets.night import Night
from assets.raw import forget_tables_of_others, write_rules
from warehouse.connection import connect

CONFIG = Path(__file__).resolve().parents[2] / "config" / "business.yml"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("", None),
        ("update run.rules set variables = '{}', fingerprint = 'another'", "the rules have changed"),
        ("update run.rules set fingerprint = 'another'", "the project or its engine has changed"),
    ],
)
def test_a_night_keeps_nothing_that_others_made_and_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: str, why: str | None
) -> None:
    night = Night(home=str(tmp_path), landing=str(tmp_path / "landing"), config=str(CONFIG), holds_lock=False)
    with connect() as con:
        write_rules(con, night, "the night before")
        con.execute("create schema core")
        con.execute("create table core.customer_grid as select 1 as as_of")
        if change:
            con.execute(change)
        with caplog.at_level(logging.INFO, logger="keeprate"):
            forget_tables_of_others(con, night)
        tables = con.execute("select table_name from duckdb_tables() where schema_name = 'core'").fetchall()
    assert tables == ([] if why else [("customer_grid",)])
    assert [record.getMessage() for record in caplog.records] == ([f"all tables are built anew: {why}"] if why else [])


def test_a_home_without_a_night_has_nothing_to_forget(tmp_path: Path) -> None:
    night = Night(home=str(tmp_path), landing=str(tmp_path / "landing"), config=str(CONFIG), holds_lock=False)
    with connect() as con:
        forget_tables_of_others(con, night)
