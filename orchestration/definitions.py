"""All definitions of the code location.

Belongs here: which assets, checks, jobs, schedules and sensors there are. Does not belong here: what they do.

Loading does no work: nothing is read but the rules and the parsed dbt project, which is parsed anew only
when one of its files or the rules
have changed. What is heavy to import is imported by the step that needs it.
"""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from assets.identity import identity_asset
from assets.lists import list_asset, list_gate_check
from assets.night import Night, nightly_partitions
from assets.predictions import prediction_assets
from assets.raw import raw_assets, raw_gate_check
from assets.release import release_asset
from assets.tables import dbt_process, table_assets, warehouse_gate_check
from orchestration.maintenance import prune_job, prune_schedule
from orchestration.notifications import failure_sensor
from orchestration.sensors import delivery_sensor
from rules import Rules, dbt_vars, load
from warehouse.home import Home

__all__ = ["JOB", "MAX_RUNTIME_SECONDS", "build_defs", "defs", "night_of"]

PROJECT = Path(__file__).resolve().parents[1]
JOB = "nightly"
#: A night that takes longer hangs: nobody will notice a result that comes after breakfast.
MAX_RUNTIME_SECONDS = 4 * 3600


def night_of(
    home: Path, landing: Path | None, config: Path, *, holds_lock: bool = True, full_refresh: bool = False
) -> Night:
    """Describe a night on a home."""
    return Night(
        home=str(home.resolve()),
        landing=str((landing or Home(home).landing).resolve()),
        config=str(config.resolve()),
        holds_lock=holds_lock,
        full_refresh=full_refresh,
    )


def build_defs(config_path: Path | None = None, *, night: Night | None = None) -> dg.Definitions:
    """Build the definitions for one home and one set of rules.

    Parameters
    ----------
    config_path : Path, optional
        Business rules; by default those of ``KEEPRATE_CONFIG``, else of the project.
    night : Night, optional
        Where to work; by default what ``KEEPRATE_HOME`` and ``KEEPRATE_LANDING`` say.
    """
    if night is None:
        config = config_path or Path(os.environ.get("KEEPRATE_CONFIG", PROJECT / "config" / "business.yml"))
        home = Path(os.environ.get("KEEPRATE_HOME", "data"))
        landing = os.environ.get("KEEPRATE_LANDING")
        night = night_of(home, Path(landing) if landing else None, config)
    os.environ.setdefault("KEEPRATE_HOME", night.home)
    rules: Rules = load(Path(night.config))
    time_zone = rules.business.time_zone
    partitions = nightly_partitions(time_zone)
    process = dbt_process(Path(night.home), dbt_vars(rules))
    tables = table_assets(process, partitions)
    marts = sorted(key for asset in tables for key in asset.keys if key.path[0] == "marts")
    nightly = dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.all(),
        description="Everything, once: exports, tables, scores, gates, lists, release.",
        executor_def=dg.in_process_executor,
        tags={dg.MAX_RUNTIME_SECONDS_TAG: str(MAX_RUNTIME_SECONDS)},
    )
    prune = prune_job(Path(night.home))
    return dg.Definitions(
        assets=[
            raw_assets(partitions),
            *tables,
            identity_asset(partitions),
            prediction_assets(partitions),
            list_asset(partitions),
            release_asset(marts, partitions),
        ],
        asset_checks=[raw_gate_check, warehouse_gate_check, list_gate_check],
        jobs=[nightly, prune],
        schedules=[
            dg.build_schedule_from_partitioned_job(
                nightly,
                name="every_night",
                description="Computes yesterday, at two o'clock in the business time zone.",
                hour_of_day=2,
                default_status=dg.DefaultScheduleStatus.RUNNING,
            ),
            prune_schedule(prune, time_zone),
        ],
        sensors=[
            delivery_sensor(nightly, Path(night.landing), time_zone=time_zone),
            failure_sensor(Path(night.home)),
        ],
        resources={"night": night},
        executor=dg.in_process_executor,
    )


defs = build_defs()
