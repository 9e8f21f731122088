"""The code location: that loading it is cheap and silent, and that it holds what it should."""

import json
from pathlib import Path

import dagster as dg
import pytest

from sources import canonical_feeds

PROJECT = Path(__file__).resolve().parents[2]
RULES = PROJECT / "examples" / "online_retail" / "business.yml"

MARTS = {
    "account_health",
    "account_members",
    "accounts",
    "calendar",
    "churn_causes",
    "churn_monthly",
    "churn_monthly_by",
    "churn_risk",
    "churn_signals",
    "clv_cube",
    "cohort_retention",
    "cohort_retention_by",
    "contacts_of_accounts",
    "cost_ledger",
    "customer_360",
    "customer_clv",
    "customer_clv_horizons",
    "customer_costs",
    "customer_id_history",
    "customer_identities",
    "customer_lifecycle",
    "customer_rfm",
    "customer_segments",
    "customer_tags",
    "customer_tiers",
    "customers",
    "deliveries",
    "feeds",
    "identity_conflicts",
    "kpi_daily",
    "lifecycle_migration",
    "list_members",
    "memberships",
    "metric_catalog",
    "model_deciles",
    "model_fits",
    "model_quality",
    "order_lines",
    "orders",
    "points_balances",
    "points_ledger",
    "points_monthly",
    "population_facts",
    "product_affinity",
    "referral_conversion",
    "referrals",
    "rejected_records",
    "rejected_summary",
    "repeat_buyers",
    "repurchase",
    "restated_states",
    "revenue_ledger",
    "revenue_monthly",
    "revenue_retention",
    "rfm_migration",
    "satisfaction_monthly",
    "score_reasons",
    "segment_membership",
    "segment_validation",
    "signal_coverage",
    "ticket_topics_monthly",
    "tier_migration",
    "value_concentration",
    "value_deciles",
}
CORE = {
    "customers_current",
    "identity_edges",
    "resolved_customers",
    "orders_current",
    "order_lines_current",
    "customer_days",
    "customer_snapshots",
    "btyd_states",
    "churn_outcomes",
    "contract_terms",
    "list_rows",
    "contacts",
}
PREDICTIONS = {
    "btyd_horizons",
    "btyd_states",
    "churn_reasons",
    "churn_scores",
    "contract_scores",
    "model_deciles",
    "model_fits",
    "model_quality",
    "score_facts",
    "spend_model",
}
#: Tables that the raw step fills beside its own, which dbt reads as sources: the parameters of one night.
PARAMETERS = {
    "as_of_dates",
    "identifier_key",
    "identity_decisions",
    "manual_tags",
    "metric_catalog",
    "previous_customer_id_history",
    "previous_customer_identities",
    "previous_customer_tags",
    "previous_list_members",
    "published_states",
    "snapshot_as_of",
}

PREPARE = """
import json, os, pathlib
from assets.tables import dbt_process
from rules import dbt_vars, load

rules = load(pathlib.Path(os.environ["KEEPRATE_CONFIG"]))
print(json.dumps(str(dbt_process(pathlib.Path(os.environ["KEEPRATE_HOME"]), dbt_vars(rules)).ensure_manifest())))
"""
LOAD = """
import json, sys
import orchestration.definitions

print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("definitions") / "home"


@pytest.fixture(scope="module")
def manifest(home, witness) -> Path:
    """The parsed project, prepared as a night leaves it."""
    done = witness.run("python", "-c", PREPARE, KEEPRATE_HOME=str(home), KEEPRATE_CONFIG=str(RULES))
    assert done.returncode == 0, done.stderr
    assert witness.attempts() == []
    return Path(json.loads(done.stdout))


@pytest.fixture(scope="module")
def loaded(home, manifest, witness):
    """Modules that loading the definitions in a process of its own imports; what it wrote and tried to reach."""
    before = {file: file.stat().st_mtime_ns for file in home.rglob("*") if file.is_file()}
    done = witness.run("python", "-c", LOAD, KEEPRATE_HOME=str(home), KEEPRATE_CONFIG=str(RULES))
    assert done.returncode == 0, done.stderr
    after = {file: file.stat().st_mtime_ns for file in home.rglob("*") if file.is_file()}
    changed = sorted(str(file) for file in before.keys() | after.keys() if before.get(file) != after.get(file))
    return set(json.loads(done.stdout)), changed, witness.attempts()


@pytest.mark.parametrize(
    "package", ["great_expectations", "scipy", "lightgbm", "matplotlib", "pandas", "numpy", "sklearn", "apprise"]
)
def test_loading_the_definitions_does_not_import(loaded, package):
    modules, _, _ = loaded
    assert package not in modules


def test_loading_the_definitions_parses_nothing_when_the_manifest_is_fresh(loaded, manifest):
    modules, changed, _ = loaded
    assert manifest.exists()
    assert "dbt.cli.main" not in modules
    assert "dbt.parser.manifest" not in modules
    assert changed == []


def test_loading_the_definitions_tries_to_reach_nothing(loaded):
    _, _, attempts = loaded
    assert attempts == []


@pytest.fixture(scope="module")
def definitions(home, manifest):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEEPRATE_HOME", str(home))
        patch.setenv("KEEPRATE_CONFIG", str(RULES))
        from orchestration.definitions import build_defs, night_of

        return build_defs(night=night_of(home, None, RULES))


@pytest.fixture(scope="module")
def graph(definitions):
    return definitions.resolve_asset_graph()


@pytest.fixture(scope="module")
def assets(graph):
    return [graph.get(key) for key in graph.get_all_asset_keys()]


def test_the_steps_of_the_flow_are_assets(graph):
    by_schema: dict[str, set[str]] = {}
    for key in graph.materializable_asset_keys:
        by_schema.setdefault(key.path[0], set()).add("/".join(key.path[1:]))
    assert set(by_schema) == {"raw", "run", "staging", "core", "identity", "predictions", "marts", "release"}
    assert by_schema["marts"] == MARTS
    assert by_schema["core"] >= CORE
    assert by_schema["identity"] == {"components"}
    assert by_schema["predictions"] == PREDICTIONS
    assert by_schema["raw"] == {*canonical_feeds(), "deliveries", "rejected"}
    assert by_schema["release"] == {"current", "lists"}
    assert by_schema["run"] == PARAMETERS
    assert graph.materializable_asset_keys == graph.get_all_asset_keys()


def test_every_asset_says_whose_it_is_and_what_it_is(assets):
    for asset in assets:
        assert asset.owners, asset.key
        assert asset.kinds, asset.key
        assert asset.group_name not in {None, "default"}, asset.key
        assert len((asset.description or "").split()) >= 3, asset.key


def test_every_asset_of_a_night_is_partitioned_by_the_day_in_the_business_time_zone(assets):
    for asset in assets:
        assert isinstance(asset.partitions_def, dg.DailyPartitionsDefinition), asset.key
        assert asset.partitions_def.timezone == "Europe/London"
        assert asset.backfill_policy == dg.BackfillPolicy.multi_run(max_partitions_per_run=1), asset.key


def test_the_release_depends_on_every_published_table(graph):
    parents = graph.get(dg.AssetKey(["release", "current"])).parent_keys
    assert {key.path[1] for key in parents if key.path[0] == "marts"} == MARTS
    assert graph.get(dg.AssetKey(["release", "current"])).freshness_policy is not None


def test_three_gates_stop_what_follows(graph):
    gates = {key for key in graph.asset_check_keys if key.name.endswith("_gate")}
    assert {("/".join(key.asset_key.path), key.name) for key in gates} == {
        ("raw/deliveries", "raw_gate"),
        ("marts/list_members", "warehouse_gate"),
        ("release/lists", "list_gate"),
        ("predictions/churn_scores", "score_gate"),
    }
    for key in gates:
        spec = graph.get_check_spec(key)
        # Bad scores are held back, and stop nothing.
        assert spec.blocking == (key.name != "score_gate")
        assert spec.description


def test_the_tests_of_dbt_are_checks(graph, manifest):
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    tests = {node["name"] for node in nodes if node["resource_type"] == "test"}
    checks = {key.name for key in graph.asset_check_keys if not key.name.endswith("_gate")}
    assert len(tests) > 20
    assert checks == tests


def test_the_night_is_one_job_in_one_process_with_a_deadline(definitions, graph):
    from orchestration.definitions import JOB, MAX_RUNTIME_SECONDS

    job = definitions.resolve_job_def(JOB)
    assert JOB == "nightly"
    assert job.executor_def is dg.in_process_executor
    assert job.tags["dagster/max_runtime"] == str(MAX_RUNTIME_SECONDS)
    assert set(job.asset_layer.executable_asset_keys) == set(graph.materializable_asset_keys)
    assert isinstance(job.partitions_def, dg.DailyPartitionsDefinition)


def test_the_night_starts_at_two_in_the_business_time_zone(definitions):
    schedule = definitions.resolve_schedule_def("every_night")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 2 * * *", "Europe/London")
    assert schedule.job_name == "nightly"
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


def test_deliveries_and_failures_are_watched_and_old_runs_are_pruned(definitions):
    repository = definitions.get_repository_def()
    sensors = {sensor.name: sensor for sensor in repository.sensor_defs}
    assert len(sensors) == 2
    assert any(target.job_name == "nightly" for sensor in sensors.values() for target in sensor.targets)
    assert any(sensor.sensor_type.value == "RUN_STATUS" for sensor in sensors.values())
    pruning = [schedule for schedule in repository.schedule_defs if schedule.name != "every_night"]
    assert [schedule.execution_timezone for schedule in pruning] == ["Europe/London"]
