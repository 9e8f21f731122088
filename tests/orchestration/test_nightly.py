"""A night as its users meet it: what is published, what is refused, what stays the same."""

import gzip
import hashlib
import io
import shutil
import zipfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import duckdb
import pytest

# Columns that say when a run was, not what is true.
RUN_TABLES = {"release"}
RUN_COLUMNS = {"deliveries": ["received_at"]}
#: Where a row was read.
PLACES = {name: ["delivery_id", "record_no"] for name in ("orders", "order_lines")}
#: What tells of files.
TABLES_OF_FILES = frozenset({"deliveries", "gate_results"})


def fingerprint(
    home: Path, *, without: frozenset[str] = frozenset(), aside: Mapping[str, list[str]] = RUN_COLUMNS
) -> dict[str, str]:
    """A hash of the rows of every published table, in order, the columns of the run aside."""
    found = {}
    for file in sorted((home / "current" / "marts").glob("*.parquet")):
        if file.stem in RUN_TABLES or file.stem in without:
            continue
        dropped = aside.get(file.stem, [])
        columns = f"* exclude ({', '.join(dropped)})" if dropped else "*"
        with duckdb.connect() as con:
            rows = con.execute(f"select {columns} from read_parquet('{file}')").fetchall()
        found[file.stem] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return found


def said(home: Path, *without: str) -> dict[str, str]:
    """The same, but for the files in which it was said."""
    return fingerprint(home, without=TABLES_OF_FILES | set(without), aside=PLACES)


def mart_bytes(home: Path) -> dict[str, str]:
    """A hash of the bytes of every published table that holds no column of the run."""
    return {
        file.stem: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted((home / "current" / "marts").glob("*.parquet"))
        if file.stem not in RUN_TABLES and file.stem not in RUN_COLUMNS
    }


def everything(folder: Path) -> dict[str, bytes]:
    """Every byte that readers see."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def ask(home: Path, query: str) -> list[tuple]:
    with duckdb.connect(str(home / "current" / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(query).fetchall()


@pytest.fixture(scope="module")
def served(tmp_path_factory, small_shop, night, deliver):
    """A home that has published the small shop once. Tests that change it copy it."""
    home = tmp_path_factory.mktemp("served") / "home"
    deliver(home, "online_retail.csv", small_shop.content)
    outcome = night(home)
    assert outcome.kind == "published", outcome.reasons
    return home


@pytest.fixture
def copied(served, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(served, home, symlinks=True)
    return home


def test_the_same_night_with_more_copies_of_its_export_gives_the_same_bytes_and_raises_no_alert_twice(
    copied, small_shop, night, deliver
):
    before, alerts = mart_bytes(copied), ask(copied, "from marts.list_members order by all")
    rows = fingerprint(copied)
    deliver(copied, "online_retail.csv.gz", gzip.compress(small_shop.content))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        # Without a date of its own, which would say anew when the export was made.
        file.writestr(zipfile.ZipInfo("export/online_retail.csv"), small_shop.content, zipfile.ZIP_DEFLATED)
    deliver(copied, "online_retail.zip", archive.getvalue())

    assert night(copied).kind == "published"

    assert mart_bytes(copied) == before
    assert fingerprint(copied) == rows
    assert ask(copied, "select count(*) from marts.deliveries") == [(1,)]
    assert ask(copied, "from marts.list_members order by all") == alerts
    assert len(alerts) > 0


@pytest.mark.slow
def test_a_deleted_build_costs_time_and_no_data(copied, night, deliver):
    before = mart_bytes(copied)
    shutil.rmtree(copied / "build")

    assert night(copied).kind == "published"

    assert mart_bytes(copied) == before


def test_an_alert_keeps_its_id_on_the_following_night(copied, night):
    members = "from marts.list_members where left_on is null"
    first = dict(ask(copied, f"select customer_id, alert_id {members}"))

    assert night(copied, "2011-12-10").kind == "published"

    second = ask(copied, f"select customer_id, alert_id, state, entered_on {members}")
    stayed = [row for row in second if row[0] in first]
    assert stayed
    for customer, alert, state, entered_on in stayed:
        assert (alert, state, entered_on) == (first[customer], "continuing", date(2011, 12, 9))
    assert {state for customer, _, state, _ in second if customer not in first} <= {"new"}


@pytest.mark.slow
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first half first", "second half first"])
def test_two_halves_in_either_order_say_what_the_whole_says(served, tmp_path, small_shop, night, deliver, order):
    halves = small_shop.cut_at_an_invoice()
    home = tmp_path / "home"
    for place in order:
        deliver(home, f"half-{'ab'[place]}.csv", halves[place])
        outcome = night(home)
    assert outcome.kind == "published"

    assert said(home) == said(served)
    (sums,) = ask(home, "select sum(records), sum(loaded + duplicates + excluded + rejected) from marts.deliveries")
    assert sums == (len(small_shop.lines), len(small_shop.lines))


@pytest.mark.slow
def test_rows_in_another_order_say_the_same(served, tmp_path, small_shop, night, deliver):
    home = tmp_path / "home"
    deliver(home, "online_retail.csv", small_shop.header + b"".join(reversed(small_shop.lines)))
    assert night(home).kind == "published"

    assert said(home) == said(served)


def test_a_corrected_delivery_replaces_its_invoices_and_counts_the_old_lines_as_duplicates(
    copied, small_shop, night, deliver
):
    number = next(line.split(b",")[0] for line in small_shop.lines if not line.startswith((b"C", b"A")))
    lines = [line for line in small_shop.lines if line.split(b",")[0] == number]
    corrected = [
        line.rsplit(b",", 3)[0] + b",99.000," + line.split(b",")[-2] + b"," + line.split(b",")[-1] for line in lines
    ]
    quantities = [int(line.split(b",")[-5]) for line in lines]
    deliver(copied, "correction.csv", small_shop.header + b"".join(corrected))

    assert night(copied).kind == "published"

    order = f"select net_amount from marts.orders where source_order_id = '{number.decode()}'"
    assert [float(amount) for (amount,) in ask(copied, order)] == [99.0 * sum(quantities)]
    counts = ask(copied, "select file, records, loaded, duplicates from marts.deliveries order by file")
    assert counts == [
        ("correction.csv", len(lines), len(lines), 0),
        ("online_retail.csv", len(small_shop.lines), len(small_shop.lines) - 3 - len(lines), len(lines)),
    ]


def bad_files(content: bytes) -> dict[str, tuple[str, bytes]]:
    packed = gzip.compress(content)
    return {
        "cut archive": ("cut.csv.gz", packed[: len(packed) * 2 // 3]),
        "cut in the last record": ("cut.csv", content[:-4]),
        "renamed column": ("renamed.csv", content.replace(b"UnitPrice", b"Xyzzy", 1)),
        "empty": ("empty.csv", b""),
    }


@pytest.mark.parametrize("fault", ["cut archive", "cut in the last record", "renamed column", "empty"])
def test_a_file_that_cannot_be_trusted_stops_the_night_with_one_sentence(copied, small_shop, night, deliver, fault):
    before = everything(copied / "current")
    name, content = bad_files(small_shop.content)[fault]
    deliver(copied, name, content)

    outcome = night(copied)

    assert (outcome.exit_code, outcome.kind) == (1, "refused")
    assert len(outcome.reasons) == 1
    assert name in outcome.reasons[0]
    assert everything(copied / "current") == before


@pytest.mark.slow
def test_an_earlier_day_in_a_fresh_home_knows_nothing_of_what_came_later(tmp_path, small_shop, night, deliver):
    until = "2011-06-30"
    earlier = [line for line in small_shop.lines if _day(line) <= until]
    assert 0 < len(earlier) < len(small_shop.lines)
    homes = []
    for name, lines in (("all", small_shop.lines), ("earlier", earlier)):
        home = tmp_path / name
        deliver(home, "online_retail.csv", small_shop.header + b"".join(lines))
        assert night(home, until).kind == "published"
        homes.append(home)

    # What has been delivered is told whole, whatever day it is for.
    assert said(homes[0], "feeds") == said(homes[1], "feeds")
    assert ask(homes[0], "select max(order_date) from marts.orders") == [(date(2011, 6, 30),)]


@pytest.mark.slow
def test_an_earlier_day_in_a_home_that_serves_a_later_one_only_adds_to_its_history(copied, night, deliver):
    before = everything(copied / "current")

    outcome = night(copied, "2011-06-30")

    assert (outcome.exit_code, outcome.kind) == (0, "backfilled")
    assert everything(copied / "current") == before
    states = sorted(file.name for file in (copied / "history" / "states").iterdir())
    assert states == ["as_of=2011-06-30.parquet", "as_of=2011-12-09.parquet"]


def test_a_home_without_any_delivery_publishes_empty_tables(tmp_path, night, deliver):
    outcome = night(tmp_path / "home")

    assert outcome.kind == "published", outcome.reasons
    assert ask(tmp_path / "home", "select count(*) from marts.orders") == [(0,)]
    assert ask(tmp_path / "home", "select count(*) from marts.customer_360") == [(0,)]


@pytest.mark.slow
def test_the_last_day_in_the_data_can_be_asked_for(tmp_path, small_shop, night, deliver):
    home = tmp_path / "home"
    deliver(home, "online_retail.csv", small_shop.content)
    outcome = night(home, "latest")
    last = max(_day(line) for line in small_shop.lines)
    assert outcome.as_of.isoformat() == last


def _day(line: bytes) -> str:
    return line.split(b",")[-4][:10].decode()
