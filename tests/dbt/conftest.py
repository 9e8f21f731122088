"""A shop that has delivered nothing, with every table built and tested by dbt once for all tests of this room."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from assets.raw import LIST_STATE
from sources import catalog
from warehouse.build import FeedFiles, register_raw, replace_table, write_run_tables
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
    ),
    "double",
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


@pytest.fixture(scope="session")
def empty_shop(tmp_path_factory: pytest.TempPathFactory) -> EmptyShop:
    """Build all tables of a shop without a single record, and run every test and unit test of the project."""
    home = tmp_path_factory.mktemp("empty shop")
    database, target = home / "build" / "warehouse.duckdb", home / "build" / "dbt"
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
        replace_table(con, "predictions", "btyd_states", SCORES | {"prediction_status": "varchar"}, [])
        replace_table(con, "predictions", "spend_model", dict.fromkeys("pqv", "double"), [(6.0, 4.0, 15.0)])
        replace_table(con, "predictions", "model_fits", FITS, [])

    # A process of its own: dbt keeps the database open for as long as its process lives.
    run = subprocess.run(
        [
            *(sys.executable, "-m", "dbt.cli.main", "--no-version-check", "--no-use-colors", "build"),
            *("--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)),
            *("--target-path", str(target), "--log-path", str(target)),
        ],
        env={**os.environ, "KEEPRATE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    output = run.stdout + run.stderr
    assert (target / "run_results.json").exists(), output
    results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    with connect(database, read_only=True) as con:
        rows = con.execute(
            "select table_name, list(column_name order by column_index) from duckdb_columns() "
            "where schema_name = 'marts' group by all"
        ).fetchall()
    return EmptyShop(
        manifest=json.loads((target / "manifest.json").read_text(encoding="utf-8")),
        status={result["unique_id"]: result["status"] for result in results},
        columns=dict(rows),
        compiled=target / "compiled",
        output=output,
    )
