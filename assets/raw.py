"""First step: from exports in the landing folder to raw feeds in the build file, and the gate on them.

Belongs here: calling ``sources`` and registering its files, with the parameters of the run beside them. Does not
belong here: reading or judging a file.
"""

import json
import logging
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import dagster as dg

from assets.churn_scores import PREVIOUS_SCORES, SCORE_FACTS
from assets.night import MEMORY_LIMIT, ONE_RUN_PER_DAY, OWNERS, POOL, Night, as_of_of, io_retries, step
from assets.tables import dbt_process
from rules import Rules, dbt_vars
from rules.indicators import CATALOGUE_COLUMNS, catalogue_rows
from sources import SourceDefaults, canonical_feeds
from warehouse.build import FeedFiles, carry_over, register_raw, replace_table, write_run_tables
from warehouse.identifiers import KEY_VARIABLE, hmac_pads, identifier_key
from warehouse.states import grid_days, published_states

if TYPE_CHECKING:
    import duckdb

    from sources import LoadResult

__all__ = ["forget_tables_of_others", "latest_day", "load_exports", "raw_assets", "raw_gate_check", "training_days"]

_log = logging.getLogger("keeprate")

LEDGERS = {
    "deliveries": "One row per delivery: the file, what was read from it and when.",
    "rejected": "One row per record that could not be kept, with the reason.",
}
PARAMETERS = {
    "as_of_dates": "The days that snapshots and states are wanted for, and what for; one of them is tonight.",
    "snapshot_as_of": "The day the snapshots are computed for now.",
    "identifier_key": "The secret of the ids that are published for customers named by e-mail address or phone.",
    "identity_decisions": "What people have decided about records of customers: who is, or is not, one customer.",
    "previous_list_members": "The list state that tonight continues: that of the newest release of an earlier day.",
    "previous_customer_identities": "Whose each source record was in that release.",
    "metric_catalog": "Every figure that a rule may name or a table publishes, and what it means.",
    "published_states": "What was published of the customers on the earlier days of the grid.",
    "previous_customer_id_history": "Which customer ids had become others by that release.",
    "previous_customer_tags": "Which tags customers had, and have had, by that release.",
    "manual_tags": "Tags that people gave to customers.",
}
LIST_STATE = {
    "list_id": "varchar",
    "customer_id": "varchar",
    "alert_id": "varchar",
    "state": "varchar",
    "arm": "varchar",
    "owner_id": "varchar",
    "entered_on": "date",
    "left_on": "date",
}
#: Whose a source record was, and which ids had become others: what tonight's ids are compared with.
IDENTITY_STATE = {
    "customer_identities": {
        "source_system": "varchar",
        "source": "varchar",
        "source_customer_id": "varchar",
        "customer_id": "varchar",
    },
    "customer_id_history": {"old_customer_id": "varchar", "customer_id": "varchar", "changed_on": "date"},
}
#: What the models read of a decision; why it was made and by whom stays in the file.
IDENTITY_DECISIONS = {
    "line_no": "integer",
    "action": "varchar",
    "source_a": "varchar",
    "id_a": "varchar",
    "source_b": "varchar",
    "id_b": "varchar",
    "decided_on": "date",
}
#: What was published of a customer on an earlier day.
CUSTOMER_STATE = {
    "as_of": "date",
    "customer_id": "varchar",
    "tier": "varchar",
    "lifecycle_stage": "varchar",
    "rfm_segment": "varchar",
}
#: Which tags customers had: what tonight's tags go on from.
TAG_STATE = {
    "customer_id": "varchar",
    "tag": "varchar",
    "tag_group": "varchar",
    "source_kind": "varchar",
    "source": "varchar",
    "version": "varchar",
    "valid_from": "date",
    "valid_to": "date",
}
#: What the models read of a tag that somebody gave; who gave it stays in the file.
MANUAL_TAGS = {
    "line_no": "integer",
    "source": "varchar",
    "source_customer_id": "varchar",
    "tag": "varchar",
    "valid_from": "date",
    "valid_to": "date",
}
#: One row: by which rules the tables of this build file are built.
RULES = dict.fromkeys(("run_id", "config_hash", "variables", "fingerprint"), "varchar")
RULE_TABLES = {"identity_decisions": IDENTITY_DECISIONS, "manual_tags": MANUAL_TAGS}
METRIC_CATALOG = dict.fromkeys(CATALOGUE_COLUMNS, "varchar")
IDENTIFIER_KEY = {"inner_pad": "varchar", "outer_pad": "varchar"}
REFUSALS = {"file": "varchar", "source": "varchar", "message": "varchar", "is_skipped": "boolean"}


def load_exports(night: Night) -> "LoadResult":
    """Read what is new in the landing folder into raw Parquet, and tell all that is there."""
    from sources import load
    from warehouse.connection import connect

    paths, business = night.paths, night.rules.business
    paths.prepare()
    with (
        TemporaryDirectory(prefix="reading-", dir=paths.work) as work,
        connect(memory_limit=MEMORY_LIMIT, temp_directory=Path(work) / "spill") as con,
    ):
        return load(
            con,
            landing=Path(night.landing),
            raw=paths.raw,
            rejected=paths.rejected,
            work=Path(work),
            defaults=SourceDefaults(time_zone=business.time_zone, currency=business.base_currency),
            now=datetime.now(UTC),
        )


def latest_day(night: Night) -> date | None:
    """The last business day with an order, by what has been delivered so far; None without any order."""
    from warehouse.connection import connect

    orders = load_exports(night).feeds["orders"]
    if not orders.files:
        return None
    with connect() as con:
        register_raw(con, {"orders": FeedFiles(orders.columns, orders.files)})
        newest = con.execute(
            "select max(cast(timezone(?, cast(ordered_at as timestamptz)) as date)) from raw.orders",
            [night.rules.business.time_zone],
        ).fetchall()[0][0]
    return newest if isinstance(newest, date) else None


def training_days(con: "duckdb.DuckDBPyConnection", time_zone: str, horizon_days: int, as_of: date) -> list[date]:
    """The past days that the churn model of a night learns from, the latest first.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        With the relation ``raw.orders``, whose first order says how long the history is.
    time_zone : str
        Of the business.
    horizon_days : int
        Days ahead that the model speaks of.
    as_of : date
        The day of the night.
    """
    from models.churn import origins_for

    first = con.execute(
        "select min(day) from (select cast(timezone(?, cast(ordered_at as timestamptz)) as date) as day "
        "from raw.orders where kind is distinct from 'refund') where day <= ?",
        [time_zone, as_of],
    ).fetchall()[0][0]
    if first is None:
        return []
    plan = origins_for((as_of - first).days, horizon_days)
    return [as_of - timedelta(days=days) for days in plan.days_before]


def raw_assets(partitions_def: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Build the asset of the raw layer: one asset key per feed, loaded together."""
    described = {
        name: f"Delivered {name.replace('_', ' ')}, as canonical text." for name in canonical_feeds()
    } | LEDGERS

    @dg.multi_asset(
        name="raw_feeds",
        specs=[
            dg.AssetSpec(["raw", name], description=text, group_name="raw", owners=OWNERS, kinds={"parquet"})
            for name, text in described.items()
        ]
        + [
            dg.AssetSpec(["run", name], description=text, group_name="run", owners=OWNERS, kinds={"duckdb"})
            for name, text in PARAMETERS.items()
        ],
        partitions_def=partitions_def,
        backfill_policy=ONE_RUN_PER_DAY,
        pool=POOL,
    )
    def raw_feeds(context: dg.AssetExecutionContext, night: Night) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        as_of, business = as_of_of(context), night.rules.business
        with step("exports") as done:
            with io_retries():
                result = load_exports(night)
            for name in result.ignored:
                _log.warning("%s was left aside: it is no export of a kind that is read", name)
            for sentence in result.drift:
                _log.warning("%s", sentence)
            with night.build() as con:
                _forget_verdicts(con)
                forget_tables_of_others(con, night)
                register_raw(con, {name: FeedFiles(files.columns, files.files) for name, files in result.feeds.items()})
                write_run_tables(
                    con,
                    as_of_dates=[
                        (as_of, "tonight"),
                        *((day, "grid") for day in grid_days(night.paths, as_of)),
                        *(
                            (day, "training")
                            for day in training_days(con, business.time_zone, night.rules.churn.horizon_days, as_of)
                        ),
                    ],
                    snapshot_as_of=[as_of],
                    list_member_columns=LIST_STATE,
                    previous_list_members=_previous_state(night, as_of, "list_members"),
                )
                key = identifier_key(night.paths, os.environ.get(KEY_VARIABLE))
                replace_table(con, "run", "identifier_key", IDENTIFIER_KEY, [hmac_pads(key)])
                write_rules(con, night, context.run.run_id)
                for table, columns in IDENTITY_STATE.items():
                    carry_over(con, f"previous_{table}", columns, _previous_state(night, as_of, table))
                carry_over(con, "previous_customer_tags", TAG_STATE, _previous_state(night, as_of, "customer_tags"))
                # The file has facts of other kinds, too; only those of the scores say how good these were.
                facts = _previous_state(night, as_of, "population_facts")
                carry_over(con, "previous_score_facts", SCORE_FACTS, facts)
                con.execute("delete from run.previous_score_facts where not starts_with(fact, 'score_')")
                carry_over(con, "previous_churn_scores", PREVIOUS_SCORES, _previous_state(night, as_of, "churn_risk"))
                carry_over(con, "published_states", CUSTOMER_STATE, *published_states(night.paths, as_of))
                replace_table(
                    con,
                    "run",
                    "refusals",
                    REFUSALS,
                    [(each.file, each.source, each.message, each.on_refused == "skip") for each in result.refusals],
                )
                counts = {
                    name: con.execute(f'select count(*) from raw."{name}"').fetchall()[0][0] for name in result.feeds
                }
            done["count"] = sum(counts.values())
        for name, files in result.feeds.items():
            yield dg.MaterializeResult(
                asset_key=["raw", name],
                metadata={
                    "dagster/row_count": counts[name],
                    "files": len(files.files),
                    "dagster/column_schema": dg.TableSchema(
                        [dg.TableColumn(column, kind.lower()) for column, kind in files.types.items()]
                    ),
                },
            )

    return raw_feeds


def rule_rows(rules: Rules) -> dict[str, list[tuple[object, ...]]]:
    """What the rules say in rows, by the table of :data:`RULE_TABLES` that holds it."""
    return {
        "identity_decisions": [(each.line, each.action, *each.a, *each.b, each.decided_on) for each in rules.decisions],
        "manual_tags": [tag[:-1] for tag in rules.given_tags],
    }


def write_rules(con: "duckdb.DuckDBPyConnection", night: Night, run_id: str) -> None:
    """Put into the schema ``run`` what the rules say in rows, and by which rules and models the tables are built."""
    rules = night.rules
    for table, rows in rule_rows(rules).items():
        replace_table(con, "run", table, RULE_TABLES[table], rows)
    replace_table(con, "run", "metric_catalog", METRIC_CATALOG, catalogue_rows())
    variables = json.dumps(dbt_vars(rules), ensure_ascii=False, sort_keys=True)
    fingerprint = dbt_process(night.paths.root, night.dbt_vars).fingerprint()
    replace_table(con, "run", "rules", RULES, [(run_id, rules.hash, variables, fingerprint)])


def forget_tables_of_others(con: "duckdb.DuckDBPyConnection", night: Night) -> None:
    """Drop what this night would keep of the one before, if other rules, another project or another engine made it."""
    tables = {
        (schema, name) for schema, name in con.execute("select schema_name, table_name from duckdb_tables()").fetchall()
    }
    if ("run", "rules") not in tables or ("core", "customer_grid") not in tables:
        return
    [(variables, fingerprint)] = con.execute("select variables, fingerprint from run.rules").fetchall()
    if fingerprint == dbt_process(night.paths.root, night.dbt_vars).fingerprint():
        return
    same_rules = variables == json.dumps(dbt_vars(night.rules), ensure_ascii=False, sort_keys=True)
    _log.info(
        "all tables are built anew: %s changed", "the project or its engine has" if same_rules else "the rules have"
    )
    con.execute("drop table core.customer_grid")


def _forget_verdicts(con: "duckdb.DuckDBPyConnection") -> None:
    """Drop what the gates of an earlier night said."""
    con.execute("create schema if not exists run")
    for (gate,) in con.execute(
        "select table_name from duckdb_tables() where schema_name = 'run' and starts_with(table_name, 'gate_')"
    ).fetchall():
        con.execute(f'drop table run."{gate}"')


def _previous_state(night: Night, as_of: date, table: str) -> Path | None:
    """The table that a night of `as_of` continues: that of the newest release of an earlier day."""
    from warehouse.releases import previous_release

    release = previous_release(night.paths, as_of)
    if release is None:
        return None
    file = release.path / "marts" / f"{table}.parquet"
    return file if file.exists() else None


def _ages(con: "duckdb.DuckDBPyConnection") -> dict[str, int]:
    """How many days old the newest delivery of a source may be, for the sources whose ``source.yml`` says so."""
    return dict(
        con.execute(
            "select source, cast(max_by(max_age_days, received_at) as integer) from raw.deliveries "
            "where max_age_days is not null group by source"
        ).fetchall()
    )


@dg.asset_check(
    asset=["raw", "deliveries"],
    name="raw_gate",
    blocking=True,
    description="Nothing is built from files that cannot be trusted: structure, rejected share, volume, age.",
    pool=POOL,
)
def raw_gate_check(context: dg.AssetCheckExecutionContext, night: Night) -> dg.AssetCheckResult:
    """Judge the raw feeds."""
    from assets.gates import report
    from expectations import Limits, raw_gate

    with step("raw gate", "expectations") as done, night.build() as con:
        refusals = con.execute("select message, is_skipped from run.refusals order by file").fetchall()
        result = raw_gate(
            con,
            as_of=con.execute("select max(as_of) from run.as_of_dates").fetchall()[0][0],
            refusals=[message for message, skipped in refusals if not skipped],
            skipped=[message for message, skipped in refusals if skipped],
            limits=Limits.from_rules(night.rules.gates, _ages(con)),
        )
        done["count"] = result.evaluated
        return report(con, result)
