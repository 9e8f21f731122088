"""dbt in this process: the private names it needs, and what its failures mean for a night."""

import dataclasses
import inspect
import os
import shutil
from pathlib import Path

import duckdb
import pytest
import yaml

from assets import dbt_process, tables
from assets.dbt_process import PROJECT_DIR
from orchestration.nightly import NightlyOptions, run
from rules import dbt_vars, load

AS_OF = "2024-03-31"

# Two lines of one invoice, of which one cannot be read.
INVOICES = b"""InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,HEART,6,2024-03-01 08:26:00,2.55,17850,United Kingdom
536365,71053,LANTERN,six,2024-03-01 08:26:00,3.39,17850,United Kingdom
"""


@pytest.fixture
def home(generic_night, tmp_path) -> Path:
    """A copy of a home that serves a release."""
    home = tmp_path / "home"
    shutil.copytree(generic_night.home, home, symlinks=True)
    return home


def served(home: Path) -> dict[str, bytes]:
    current = (home / "current").resolve()
    return {str(file): file.read_bytes() for file in sorted(current.rglob("*")) if file.is_file()}


# The private names of dbt and Dagster: an update that renames one fails here and not at two in the morning.


def test_the_events_that_are_kept_have_these_names_in_dbt():
    from dbt.events import types

    for name in dbt_process._RESULTS:
        assert inspect.isclass(getattr(types, name))


def test_an_event_of_dbt_core_is_translated_by_dagster():
    from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

    assert list(inspect.signature(DbtCoreCliEventMessage).parameters) == ["raw_event", "event_history_metadata"]
    arguments = inspect.signature(DbtCoreCliEventMessage.to_default_asset_events).parameters
    assert {"manifest", "context", "target_path"} <= arguments.keys()


def test_dbt_keeps_its_database_in_one_place_that_can_be_closed():
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.adapters.duckdb.environments import Environment

    assert DuckDBConnectionManager.__dict__["_ENV"] is None, "nothing is left open between two builds"
    assert callable(Environment.close)


def test_a_second_connection_opens_after_the_first_has_spilled(tmp_path, monkeypatch):
    """dbt opens one per thread when it first needs it: in a large shop, after a table that did not fit into memory."""
    from dbt.adapters.duckdb.credentials import DuckDBCredentials
    from dbt.adapters.duckdb.environments import Environment
    from dbt.clients.jinja import get_rendered

    (tmp_path / "build").mkdir()
    monkeypatch.setenv("KEEPRATE_HOME", str(tmp_path))
    monkeypatch.setenv("KEEPRATE_MEMORY_LIMIT", "60MB")
    written = (PROJECT_DIR / "profiles.yml").read_text(encoding="utf-8")
    profile = yaml.safe_load(get_rendered(written, {"env_var": lambda name, *_: os.environ[name]}))
    credentials = DuckDBCredentials.from_dict(profile["keeprate"]["outputs"]["duckdb"] | {"database": "warehouse"})
    with Environment.initialize_db(credentials) as database:
        first = Environment.initialize_cursor(credentials, database.cursor())
        first.execute("create temp table large as select random() as number from range(10000000)")
        assert list((tmp_path / "build" / "spill").iterdir())
        second = Environment.initialize_cursor(credentials, database.cursor())
        assert second.execute("select current_setting('TimeZone'), current_setting('memory_limit')").fetchone() == (
            "UTC",
            "57.2 MiB",
        )


def test_a_runner_takes_a_parsed_project_and_callbacks():
    from dbt.cli.main import dbtRunner, dbtRunnerResult

    assert {"manifest", "callbacks"} <= inspect.signature(dbtRunner.__init__).parameters.keys()
    assert {"exception", "result"} <= {field.name for field in dataclasses.fields(dbtRunnerResult)}


def test_every_table_and_every_test_of_dbt_reaches_dagster(generic_night, monkeypatch):
    """What the translated events must add up to, read from the instance that the night's own process wrote."""
    import dagster as dg

    from orchestration.definitions import build_defs, night_of
    from orchestration.instance import dagster_home

    monkeypatch.setenv("KEEPRATE_HOME", str(generic_night.home))
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home(generic_night.home)))
    graph = build_defs(night=night_of(generic_night.home, None, generic_night.rules)).resolve_asset_graph()
    with dg.DagsterInstance.get() as instance:
        (finished,) = instance.get_runs()
        events = [entry.dagster_event for entry in instance.all_logs(finished.run_id) if entry.dagster_event]
    materialized = {
        event.asset_key: event.step_materialization_data.materialization
        for event in events
        if event.is_step_materialization
    }
    assert set(materialized) == set(graph.materializable_asset_keys)
    checks = [
        event.asset_check_evaluation_data for event in events if event.event_type_value == "ASSET_CHECK_EVALUATION"
    ]
    assert {check.asset_check_key for check in checks} == set(graph.asset_check_keys)
    assert all(check.passed for check in checks)
    with duckdb.connect(str(generic_night.home / "current" / "warehouse.duckdb"), read_only=True) as con:
        for key, event in materialized.items():
            if key.path[0] == "marts":
                (rows,) = con.execute(f"select count(*) from marts.{key.path[1]}").fetchone()
                assert event.metadata["dagster/row_count"].value == rows, key
                columns = [column.name for column in event.metadata["dagster/column_schema"].value.columns]
                assert columns == [name for name, *_ in con.execute(f"describe marts.{key.path[1]}").fetchall()]


def test_the_steps_of_a_night_share_one_parsed_project(generic_night):
    """The project is parsed once, and built from three times."""
    log = (generic_night.home / "build" / "dbt" / "dbt.log").read_text(encoding="utf-8")
    assert log.count("Running with dbt=") == 4
    assert "OK created sql table model marts.orders" in log
    assert "debug" not in log.casefold()


def test_a_manifest_that_could_not_be_written_does_not_pass_for_fresh(home, generic_night, monkeypatch):
    monkeypatch.setenv("KEEPRATE_HOME", str(home))
    process = tables.dbt_process(home, dbt_vars(load(generic_night.rules)))
    assert process.is_fresh()
    process.manifest_file.unlink()
    process.manifest_file.symlink_to(home / "nowhere" / "manifest.json")
    with pytest.raises(FileNotFoundError):
        process.ensure_manifest()
    process.manifest_file.unlink()
    process.manifest_file.touch()
    assert not process.is_fresh()
    assert process.ensure_manifest().stat().st_size > 0
    assert process.is_fresh()


# What a failure of dbt means.


def test_a_currency_without_a_rate_is_refused_by_name_and_nothing_is_published(home, generic_night, deliver):
    before = served(home)
    deliver(home, "orders-2.csv", b"order_id,ordered_at,currency,net_amount\nX1,2024-03-30 10:00:00,XAU,5.00\n", "shop")

    outcome = run(NightlyOptions(home, None, generic_night.rules, AS_OF))

    assert (outcome.exit_code, outcome.kind, outcome.release) == (1, "refused", None)
    assert len(outcome.reasons) == 1
    assert "every_valid_order_has_an_amount" in outcome.reasons[0]
    assert "XAU" in outcome.reasons[0]
    assert served(home) == before
    # Nothing is left open, and once the rate is there the same night passes.
    with duckdb.connect(str(home / "build" / "warehouse.duckdb"), read_only=True) as con:
        assert con.execute("select count(*) from core.orders_current where currency = 'XAU'").fetchone() == (1,)
    deliver(home, "fx_rates-2.csv", b"currency,on,rate\nXAU,2024-01-01,400\nGBP,2024-01-01,9\n", "shop")
    deliver(home, "invoices.csv", INVOICES, "online_retail")
    outcome = run(NightlyOptions(home, None, generic_night.rules, AS_OF))
    assert outcome.kind == "published"
    # What a test only warns of stops nothing, and is said.
    assert [warning.partition(": ")[0] for warning in outcome.warnings if "dbt test" in warning] == [
        "dbt test every_order_has_all_its_lines warns for 1 document"
    ]
    with duckdb.connect(str(home / "current" / "warehouse.duckdb"), read_only=True) as con:
        query = "select net_amount from marts.orders where source_order_id = 'X1'"
        assert [str(amount) for (amount,) in con.execute(query).fetchall()] == ["2000.0000"]


def test_a_table_that_cannot_be_built_is_a_failure_and_not_a_refusal(home, generic_night, tmp_path, monkeypatch):
    before = served(home)
    broken = tmp_path / "dbt_project"
    shutil.copytree(PROJECT_DIR, broken)
    model = broken / "models" / "marts" / "value" / "value_concentration.sql"
    model.write_text(
        model.read_text(encoding="utf-8").replace("sum(gross_margin)", "sum(gross_margins)"), encoding="utf-8"
    )
    monkeypatch.setattr(dbt_process, "PROJECT_DIR", broken)

    outcome = run(NightlyOptions(home, None, generic_night.rules, AS_OF))

    assert (outcome.exit_code, outcome.kind, outcome.release) == (4, "failed", None)
    assert any("value_concentration" in reason and "gross_margins" in reason for reason in outcome.reasons)
    assert served(home) == before
