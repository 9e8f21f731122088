"""A child that scores a million customers as a night does: features by the project's SQL, models that learn from them.

Belongs here: bringing the customers of ``million.py`` into the tables that the features are read from. Does not belong
here: making those customers; how SQL that dbt has compiled is executed (``floor.py``); the scores (``assets``).

::

    python -m benchmarks.churn HOME WORK

`HOME` has had a night of the bundled export: its SQL, its days and its rules are taken.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import AS_OF, RULES
from benchmarks.floor import TRACE, Model, build, compiled_models, copy_what_a_night_is_given, make_raw_tables
from benchmarks.measure import Report
from benchmarks.million import CUSTOMERS, CUT, simulate

if TYPE_CHECKING:
    import duckdb

_FEATURES = "customer_snapshots"
#: What the scores are learned from.
_READ = (_FEATURES, "customer_occasions", "churn_outcomes", "contract_terms")
_FEEDS = {
    "orders": """
        select
            cast(row_number() over () as varchar) as order_id,
            cast(customer as varchar) as source_customer_id,
            strftime(day, '%Y-%m-%dT12:00:00Z') as ordered_at,
            'completed' as status,
            'sale' as kind,
            'GBP' as currency,
            cast(amount as varchar) as net_amount,
            row_number() over () as record_no
        from purchases
    """,
    "customers": """
        select cast(customer as varchar) as source_customer_id, row_number() over () as record_no
        from (select distinct customer from purchases)
    """,
}


def main(home: Path, work: Path) -> None:
    """Make the features, learn and score, and report seconds and processor seconds of both."""
    from assets.churn_scores import score_churn
    from assets.identity import find_people
    from assets.night import MEMORY_LIMIT
    from rules import load
    from warehouse.build import replace_table_from_numpy
    from warehouse.connection import attached, connect

    rules = load(RULES)
    report = Report()

    wanted = _read_by(list(compiled_models(home / "build" / "dbt")), _READ)
    with (
        connect(work / "warehouse.duckdb", memory_limit=MEMORY_LIMIT, temp_directory=work / "spill") as con,
        attached(con, home / "build" / "warehouse.duckdb", "night", read_only=True),
    ):
        copy_what_a_night_is_given(con)
        make_raw_tables(con)
        bought = simulate(np.random.default_rng(1), CUSTOMERS)
        day = bought.day + (np.datetime64(AS_OF) - np.datetime64(CUT))
        columns = {"customer": bought.customer, "day": day, "amount": bought.amount}
        replace_table_from_numpy(con, "main", "purchases", columns)
        _deliver(con)
        build(con, [model for model in wanted if model.step == "before identity"])
        find_people(con, rules.identity.max_records_per_customer)
        for model in wanted:
            if model.step == "before scores":
                with report.stage("features") if model.name == _FEATURES else nullcontext():
                    build(con, [model])
        with report.stage("scores"):
            result = score_churn(con, horizon_days=rules.churn.horizon_days)
        [(rows, days)] = con.execute(f"select count(*), count(distinct as_of) from core.{_FEATURES}").fetchall()
        [(scored,)] = con.execute("select count(*) from predictions.churn_scores").fetchall()
    candidates = sorted({row.candidate for row in result.quality if row.origin >= 0})
    report.facts |= {
        "customers": scored,
        "purchases": len(bought.customer),
        "rows": rows,
        "days": days,
        "candidates": candidates,
        "champion": result.champion,
    }
    report.send()


def _read_by(in_order: list[Model], names: tuple[str, ...]) -> list[Model]:
    """The models that these are made of, and they themselves, in the order in which they can be built."""
    wanted = set(names)
    for model in reversed(in_order):
        if model.name in wanted:
            wanted |= model.reads
    return [model for model in in_order if model.name in wanted]


def _deliver(con: duckdb.DuckDBPyConnection) -> None:
    for name, query in _FEEDS.items():
        con.execute(
            f"insert into raw.{name} by name "
            f"select feed.*, {TRACE} from ({query}) as feed cross join raw.deliveries as delivery"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
