"""The examples of "Add a CRM": the page's own files and its own profile become what the page says.

Profiles are found beside the code, so the example is read by a copy of the room with the page's profile in it.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from sources import SourceDefaults, inspect
from sources.errors import ProfileError
from sources.profiles import known_profiles, read_profile
from sources.settings import SourceSettings

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs" / "add-a-crm.md").read_text(encoding="utf-8")
EXAMPLES = dict(zip(("florapos", "floraweb"), PAGE.split("### Refunds in a column"), strict=True))

LOAD = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
import duckdb
from sources import SourceDefaults, load

home = Path(sys.argv[1])
folders = {name: home / name for name in ("landing", "raw", "rejected", "work")}
with duckdb.connect() as con:
    result = load(con, **folders, defaults=SourceDefaults("UTC", "USD"), now=datetime(2026, 11, 3, tzinfo=UTC))
    rows = {}
    for feed, columns in json.loads(sys.argv[2]).items():
        query = f"SELECT {', '.join(columns)} FROM read_parquet(?) ORDER BY record_no"
        files = [str(file) for file in result.feeds[feed].files]
        rows[feed] = con.execute(query, [files]).fetchall() if files else []
counts = {one.file: (one.records, one.rejected, one.ignored) for one in result.deliveries}
refusals = [one.message for one in result.refusals]
print(json.dumps({"refusals": refusals, "drift": result.drift, "counts": counts, "rows": rows}))
"""

Tables = dict[str, tuple[list[str], list[list[str | None]]]]


def tables(system: str) -> Tables:
    """What the page says becomes of the files of an example: per feed the columns and the rows."""

    def cells(line: str) -> list[str]:
        return [cell.strip() for cell in line.strip("|").split("|")]

    found: Tables = {}
    shown = re.findall(r"^\| `(\w+)`: (\w+) \|(.*)\n\|[-|]+\n((?:\|.*\n)+)", EXAMPLES[system], re.MULTILINE)
    for feed, first, rest, body in shown:
        rows: list[list[str | None]] = [[cell or None for cell in cells(line)] for line in body.splitlines()]
        found[feed] = [first, *cells(rest)], rows
    return found


def profile_of(system: str) -> str:
    """The profile that the page shows."""
    [profile] = re.findall(rf"```yaml\n(system: {system}\n.*?)```", PAGE, re.DOTALL)
    return str(profile)


def loaded_as_shown(system: str, home: Path) -> dict[str, Any]:
    """The page's files, read with the page's profile."""
    shutil.copytree(PROJECT / "sources", home / "sources", ignore=shutil.ignore_patterns("__pycache__"))
    (home / "sources" / "profiles" / f"{system}.yml").write_text(profile_of(system), encoding="utf-8")
    files = rf"^`(landing/{system}/.+?)`:\n\n```csv\n(.*?)```"
    for name, content in re.findall(files, PAGE, re.DOTALL | re.MULTILINE):
        file = home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    wanted = {feed: columns for feed, (columns, _) in tables(system).items()} | {
        "rejected": ["file", "record_no", "code", "column_name", "raw_value"]
    }
    command = [sys.executable, "-c", LOAD, str(home), json.dumps(wanted)]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return loaded_as_shown("florapos", tmp_path_factory.mktemp("florapos"))


def test_the_files_become_the_tables_of_the_page(loaded: dict[str, Any]) -> None:
    shown = tables("florapos")
    assert set(shown) == {"customers", "orders", "order_lines"}
    assert loaded["refusals"] == loaded["drift"] == []
    assert {feed: loaded["rows"][feed] for feed in shown} == {feed: rows for feed, (_, rows) in shown.items()}


def test_refunds_in_a_column_become_documents_and_buyers_customers(tmp_path: Path) -> None:
    loaded, shown = loaded_as_shown("floraweb", tmp_path), tables("floraweb")
    assert set(shown) == {"orders", "customers"}
    assert loaded["refusals"] == loaded["drift"] == []
    assert {feed: loaded["rows"][feed] for feed in shown} == {feed: rows for feed, (_, rows) in shown.items()}


def test_a_mistake_in_the_profile_is_told_as_the_page_says(tmp_path: Path) -> None:
    [sentence] = re.findall(r"`(The profile\sflorapos\.yml cannot be used: .*?)`", PAGE, re.DOTALL)
    wrong = profile_of("florapos").replace("source_customer_id: Client No", "source_customer: Client No", 1)
    (tmp_path / "florapos.yml").write_text(wrong, encoding="utf-8")
    with pytest.raises(ProfileError) as caught:
        read_profile(tmp_path / "florapos.yml")
    assert str(caught.value) == " ".join(sentence.split())


def test_the_records_are_counted_as_the_page_says(loaded: dict[str, Any]) -> None:
    [shown] = re.findall(r"records   (\d): (\d) readable, (\d) rejected, (\d) ignored", PAGE)
    records, _, rejected, ignored = map(int, shown)
    assert loaded["counts"] == {
        "clients_2026-11-02.csv": [2, 0, 0],
        "sales_2026-11-02.csv": [records, rejected, ignored],
    }


def test_the_reject_is_the_one_that_the_page_shows(loaded: dict[str, Any]) -> None:
    [(number, code, column, value)] = re.findall(r"rejected  record (\d), (\w+) in (\w+): '(.+)'", PAGE)
    assert loaded["rows"]["rejected"] == [["sales_2026-11-02.csv", int(number), code, column, value]]


def test_the_example_of_a_source_yml_speaks_of_what_its_system_has() -> None:
    [example] = re.findall(r"```yaml\n(system: zoho\n.*?)```", PAGE, re.DOTALL)
    settings = SourceSettings.model_validate(yaml.safe_load(example))
    assert settings.system is not None
    profile = known_profiles()[settings.system]
    assert {*settings.also, *settings.skip} <= set(profile.files)
    for declared in settings.files.values():
        assert declared.kind is not None
        assert {*declared.columns, *declared.words} <= set(profile.files[declared.kind].columns)


def test_the_suggestion_is_what_inspect_suggests(tmp_path: Path) -> None:
    [shown] = re.findall(r"```text\n(# Suggested .*?)```", PAGE, re.DOTALL)
    folder = tmp_path / "jiandaoyun"
    folder.mkdir()
    file = folder / "成交记录.csv"
    titles = "成交单号,成交日期,客户编码,成交金额,流程状态"
    file.write_text(f"{titles}\nDD-1,2026-10-01,K1,20.00,流转完成\n", encoding="utf-8")
    with duckdb.connect() as con:
        assert inspect(con, [file], defaults=SourceDefaults("Asia/Shanghai", "CNY")).suggestion() == shown
