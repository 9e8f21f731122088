"""From the worklist of a release, by way of the command, to the next release. All figures are worked out by hand."""

import csv
import logging
from decimal import Decimal

import duckdb
import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from tests.conftest import RULES

CUSTOMERS = "source_customer_id,name,created_at\nC1,Ann,2024-01-01\nC2,Bob,2024-01-02\n"
# C9 was never delivered, the third has no number, the fourth no date, and of the two lines of the last one is bad.
ORDERS = """\
order_id,source_customer_id,ordered_at,net_amount
O1,C1,2024-01-10,10.00
O2,C9,2024-01-11,20.00
,C1,2024-01-12,40.00
O4,C2,soon,80.00
"""
ORDER_LINES = """\
order_id,product_id,quantity,unit_price,net_amount
O1,P1,1,4.00,4.00
O1,P2,two,3.00,6.00
"""
ANSWERS = {("orders.csv", "2"): "C2", ("orders.csv", "3"): "O3", ("order_lines.csv", "2"): "2"}


class Log(logging.Handler):
    """Keeps what the night tells."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def ask(home, query):
    with duckdb.connect(str(home / "current" / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(query).fetchall()


def worklist(home):
    text = (home / "current" / "restricted" / "rejected_records.csv").read_text(encoding="utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


@pytest.fixture(scope="module")
def replayed(tmp_path_factory, night, deliver):
    """A home after two nights, between which an administrator corrected three of four rejected records.

    Also the worklist between them, what the commands said, and the outcome and the log of the second night.
    """
    home = tmp_path_factory.mktemp("replay") / "home"
    deliver(home, "source.yml", b"system: generic\ndeliveries: full\n", "shop")
    for feed, text in {"customers": CUSTOMERS, "orders": ORDERS, "order_lines": ORDER_LINES}.items():
        deliver(home, f"{feed}.csv", text.encode(), "shop")
    outcome = night(home, "2024-01-31")
    assert outcome.kind == "published", outcome.reasons
    before = worklist(home)
    file = home / "corrected.csv"
    with file.open("w", encoding="gb18030", newline="") as target:
        writer = csv.DictWriter(target, before[0], delimiter=";")
        writer.writeheader()
        writer.writerows(row | {"corrected_value": ANSWERS.get((row["file"], row["record_no"]), "")} for row in before)
    commands = [
        CliRunner().invoke(app, ["replay", str(file), "--home", str(home), "--config", str(RULES)]) for _ in range(2)
    ]
    log = Log()
    logger = logging.getLogger("keeprate")
    logger.addHandler(log)
    logger.setLevel(logging.INFO)
    try:
        outcome = night(home, "2024-01-31")
    finally:
        logger.setLevel(logging.NOTSET)
        logger.removeHandler(log)
    assert outcome.kind == "published", outcome.reasons
    return home, before, commands, outcome, log.lines


def test_the_worklist_names_what_to_correct_and_where(replayed):
    before = replayed[1]
    assert [(row["file"], row["record_no"], row["code"], row["column_name"]) for row in before] == [
        ("order_lines.csv", "2", "bad_amount", "quantity"),
        ("orders.csv", "2", "orphan_customer", "source_customer_id"),
        ("orders.csv", "3", "missing_id", "order_id"),
        ("orders.csv", "4", "bad_date", "ordered_at"),
    ]
    assert {row["corrected_value"] for row in before} == {""}


def test_the_command_says_what_it_wrote_and_writes_it_once(replayed):
    home, _, (first, second), *_ = replayed
    assert first.exit_code == 0, first.output
    assert "landing/shop/orders.corrected-" in first.output
    assert "The next run loads them." in first.output
    assert second.exit_code == 0, second.output
    assert second.output.strip() == "3 records were corrected so before"
    assert len(list((home / "landing" / "shop").glob("*.corrected-*.csv"))) == 2


def test_the_next_release_has_the_corrected_records(replayed):
    home = replayed[0]
    assert ask(
        home,
        "select source_order_id, orders.net_amount_orig, count(order_lines.order_id) from marts.orders "
        "left join marts.order_lines using (order_id) where orders.is_valid group by all order by all",
    ) == [("O1", Decimal("10.00"), 2), ("O2", Decimal("20.00"), 0), ("O3", Decimal("40.00"), 0)]


def test_a_corrected_record_stays_in_the_account_of_its_file(replayed):
    """The orphan has become a row that its correction replaced; the others were rejected on sight and stay so."""
    home = replayed[0]
    accounts = ask(
        home,
        "select split_part(file, '.corrected-', 1), records, loaded, duplicates, excluded, rejected "
        "from marts.deliveries order by all",
    )
    assert accounts == [
        ("customers.csv", 2, 2, 0, 0, 0),
        ("order_lines", 1, 1, 0, 0, 0),
        ("order_lines.csv", 2, 1, 0, 0, 1),
        ("orders", 2, 2, 0, 0, 0),
        ("orders.csv", 4, 1, 1, 0, 2),
    ]
    assert ask(home, "select file, record_no, is_corrected from marts.rejected_records order by all") == [
        ("order_lines.csv", 2, True),
        ("orders.csv", 3, True),
        ("orders.csv", 4, False),
    ]
    assert ask(home, "select file, code, records, corrected from marts.rejected_summary order by all") == [
        ("order_lines.csv", "bad_amount", 1, 1),
        ("orders.csv", "bad_date", 1, 0),
        ("orders.csv", "missing_id", 1, 1),
    ]


def test_only_open_records_are_on_the_next_worklist(replayed):
    home = replayed[0]
    assert [(row["file"], row["record_no"]) for row in worklist(home)] == [("orders.csv", "4")]


def test_the_summary_of_the_night_counts_rows_as_its_log_does(replayed):
    *_, outcome, lines = replayed
    logged = {}
    for line in lines:
        name, _, rest = line.partition(": ")
        if " rows, " in rest or " records, " in rest:
            logged[name] = int(rest.split()[0].replace(",", ""))
    counted = {step.name: step.rows for step in outcome.steps if step.rows is not None}
    assert len(counted) > 6
    assert {name: logged.get(name) for name in counted} == counted


def test_a_file_that_is_no_worklist_is_misuse(tmp_path):
    (tmp_path / "landing").mkdir()
    file = tmp_path / "orders.csv"
    file.write_text("order_id\nO1\n")
    done = CliRunner().invoke(app, ["replay", str(file), "--home", str(tmp_path), "--config", str(RULES)])
    assert done.exit_code == 2
    assert "its header lacks one of source, file" in done.output
    assert CliRunner().invoke(app, ["replay", "none.csv", "--home", str(tmp_path)]).exit_code == 2
