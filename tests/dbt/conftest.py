"""A shop that has delivered nothing, with every table built and tested by dbt once for all tests of this room."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from assets.churn_scores import CHURN_TABLES
from assets.identity import COMPONENT_COLUMNS
from assets.raw import (
    CUSTOMER_STATE,
    IDENTIFIER_KEY,
    IDENTITY_DECISIONS,
    IDENTITY_STATE,
    LIST_STATE,
    MANUAL_TAGS,
    METRIC_CATALOG,
    TAG_STATE,
)
from rules.indicators import catalogue_rows
from sources import SourceDefaults, catalog
from tests.landing import put, read_landing
from warehouse.build import FeedFiles, carry_over, register_raw, replace_table, write_run_tables
from warehouse.connection import connect

PROJECT_DIR = Path(__file__).resolve().parents[2] / "dbt_project"

# What models/scoring.py says of each purchase history, as SQL types.
SCORES = dict.fromkeys(("frequency", "recency_days", "age_days"), "integer") | dict.fromkeys(
    (
        "p_alive",
        "p_no_purchase",
        "expected_orders_90d",
        "expected_orders_365d",
        "discounted_orders_90d",
        "discounted_orders_365d",
        "discounted_orders_365d_if_alive",
        "discounted_spend_ratio_365d_low",
        "discounted_spend_ratio_365d_high",
        "next_order_low_days",
        "next_order_high_days",
    ),
    "double",
)
HORIZONS = dict.fromkeys(("frequency", "recency_days", "age_days", "horizon_days"), "integer") | dict.fromkeys(
    ("expected_orders", "discounted_orders", "discounted_spend_ratio_low", "discounted_spend_ratio_high"), "double"
)
FITS = {"model": "varchar", "parameter": "varchar", "status": "varchar"} | dict.fromkeys(
    ("value", "standard_error", "log_likelihood"), "double"
)


@dataclass(frozen=True)
class EmptyShop:
    """What one build of everything left behind.

    Attributes
    ----------
    manifest : dict
        The parsed project.
    status : dict of str to str
        The outcome of each node by its unique id: success, pass, fail, error or skipped.
    columns : dict of str to list of str
        Columns of each table of the schema ``marts``, as the database has them.
    compiled : Path
        The folder of the compiled SQL.
    output : str
        What dbt printed.
    """

    manifest: dict[str, Any]
    status: dict[str, str]
    columns: dict[str, list[str]]
    compiled: Path
    output: str

    def models(self) -> list[dict[str, Any]]:
        """The models of the project."""
        return [node for node in self.manifest["nodes"].values() if node["resource_type"] == "model"]

    def marts(self) -> list[dict[str, Any]]:
        """The models that are published."""
        return [node for node in self.models() if node["schema"] == "marts"]


def prepare(home: Path) -> Path:
    """Put every relation that dbt reads into a new build file, without a row, and return the file."""
    database = home / "build" / "warehouse.duckdb"
    database.parent.mkdir()
    with connect(database) as con:
        feeds = catalog(con, raw=home / "raw", rejected=home / "rejected")
        register_raw(con, {name: FeedFiles(feed.columns, feed.files) for name, feed in feeds.items()})
        write_run_tables(
            con,
            as_of_dates=[(date(2024, 3, 31), "tonight")],
            snapshot_as_of=[date(2024, 3, 31)],
            list_member_columns=LIST_STATE,
        )
        replace_table(con, "run", "identifier_key", IDENTIFIER_KEY, [("36" * 64, "5c" * 64)])
        replace_table(con, "run", "identity_decisions", IDENTITY_DECISIONS, [])
        replace_table(con, "run", "metric_catalog", METRIC_CATALOG, catalogue_rows())
        for table, columns in IDENTITY_STATE.items():
            carry_over(con, f"previous_{table}", columns, None)
        carry_over(con, "published_states", CUSTOMER_STATE)
        carry_over(con, "previous_customer_tags", TAG_STATE, None)
        replace_table(con, "run", "manual_tags", MANUAL_TAGS, [])
        replace_table(con, "identity", "components", COMPONENT_COLUMNS, [])
        replace_table(con, "predictions", "btyd_states", SCORES | {"prediction_status": "varchar"}, [])
        replace_table(con, "predictions", "btyd_horizons", HORIZONS, [])
        replace_table(con, "predictions", "spend_model", dict.fromkeys("pqv", "double"), [(6.0, 4.0, 15.0)])
        replace_table(con, "predictions", "model_fits", FITS, [])
        for table, columns in CHURN_TABLES.items():
            replace_table(con, "predictions", table, columns, [])
    return database


def land(home: Path, files: Mapping[str, bytes | str], now: datetime) -> None:
    """Put files below landing and read them; none may be refused."""
    for name, content in files.items():
        put(home, name, content)
    with connect() as con:
        assert read_landing(con, home, SourceDefaults("UTC", "GBP"), now).refusals == []


def target_of(home: Path) -> Path:
    """Where dbt leaves the manifest, the compiled SQL and the results of a home."""
    return home / "build" / "dbt"


def run_dbt(home: Path, *arguments: str) -> tuple[dict[str, str], str]:
    """Run dbt in a process of its own, for it keeps the database open for as long as its process lives.

    Returns the outcome of each node by its unique id, and what dbt printed.
    """
    run = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("dbt")), "--no-version-check", "--no-use-colors", *arguments),
            *("--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)),
            *("--target-path", str(target_of(home)), "--log-path", str(target_of(home))),
        ],
        env={**os.environ, "KEEPRATE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    results = target_of(home) / "run_results.json"
    assert results.exists(), run.stdout + run.stderr
    outcomes = json.loads(results.read_text(encoding="utf-8"))["results"]
    return {each["unique_id"]: each["status"] for each in outcomes}, run.stdout + run.stderr


@pytest.fixture(scope="session")
def empty_shop(tmp_path_factory: pytest.TempPathFactory) -> EmptyShop:
    """Build all tables of a shop without a single record, and run every test and unit test of the project."""
    home = tmp_path_factory.mktemp("empty shop")
    database = prepare(home)
    status, output = run_dbt(home, "build")
    with connect(database, read_only=True) as con:
        rows = con.execute(
            "select table_name, list(column_name order by column_index) from duckdb_columns() "
            "where schema_name = 'marts' group by all"
        ).fetchall()
    return EmptyShop(
        manifest=json.loads((target_of(home) / "manifest.json").read_text(encoding="utf-8")),
        status=status,
        columns=dict(rows),
        compiled=target_of(home) / "compiled",
        output=output,
    )


@pytest.fixture
def shop_without_a_rate(tmp_path: Path) -> Path:
    """A home whose only sale is in US dollars, while the business counts in pounds and nobody delivered a rate."""
    document = {
        "order_id": "A-1",
        "ordered_at": "2024-02-29T12:00:00Z",
        "status": "completed",
        "kind": "sale",
        "currency": "USD",
        "net_amount": "100.00",
    }
    trace = {"source_system": "generic", "source": "shop", "delivery_id": "d", "received_at": "2024-03-01T00:00:00Z"}
    delivery = {
        "file": "orders.csv",
        "feed": "orders",
        "records": "1",
        "ignored": "0",
        "rejected": "0",
        "currency": "GBP",
    }
    with connect(prepare(tmp_path)) as con:
        for table, row in (("orders", document | trace), ("deliveries", delivery | trace)):
            names, marks = ", ".join(row), ", ".join("?" for _ in row)
            con.execute(f"insert into raw.{table} ({names}) values ({marks})", list(row.values()))
    return tmp_path
