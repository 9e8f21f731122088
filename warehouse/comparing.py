"""Two builds of the same customers by different rules, and what sets them apart.

Belongs here: copying what a second build starts from, counting who is classed otherwise, and what became of the
customers of each class. Does not belong here: building, or what a class is called.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from warehouse.connection import attached, connect, quote_name
from warehouse.errors import WarehouseError

__all__ = ["Backtest", "Move", "backtest", "copy_relations", "day_of", "moves_between"]

_MEMORY_LIMIT = "4GB"
_SOURCE, _BEFORE, _AFTER = "source", "before", "after"
#: What customers are classed by in customer_360.
_CLASSES = ("tier", "lifecycle_stage", "display_layer", "rfm_segment", "risk_level")
_SEGMENT, _TAG, _LIST = "segment_", "tag_", "list_"


@dataclass(frozen=True)
class Move:
    """Customers that are in one class by the first rules and in another, or the same, by the second.

    Attributes
    ----------
    axis : str
        What they are classed by: a column such as ``tier``, ``segment_<scheme>``, ``tag_<group>`` or ``list_<id>``.
    before, after : str or None
        The class; None where the customer is in none.
    customers : int
    net_revenue_365d, gross_margin_365d : float
        What they brought in the 365 days up to the day of the first build, in base currency.
    """

    axis: str
    before: str | None
    after: str | None
    customers: int
    net_revenue_365d: float
    gross_margin_365d: float


@dataclass(frozen=True)
class Backtest:
    """What the customers of one class did next.

    Attributes
    ----------
    axis, name : str
        What they were classed by, and the class.
    customers : int
    revenue_per_customer : float
        Net revenue per customer within the days that followed, in base currency.
    separation : float or None
        Times that of all other customers; None where those brought nothing or there are none.
    churned : int
        Of those who were not lost already, how many were within the days that followed.
    churned_share : float or None
        Share of all who were lost then; None where nobody was.
    """

    axis: str
    name: str | None
    customers: int
    revenue_per_customer: float
    separation: float | None
    churned: int
    churned_share: float | None


def copy_relations(source: Path, target: Path, relations: Sequence[tuple[str, str]]) -> None:
    """Copy tables and views of one build file into another, which is made if it is missing.

    Parameters
    ----------
    source, target : Path
        The build files; of the same stem, since views name the database they are in.
    relations : sequence of (str, str)
        Schema and name, in an order in which each view comes after what it reads. What the target has is left alone.

    Raises
    ------
    WarehouseError
        If the source lacks one of them.
    """
    with connect(target, memory_limit=_MEMORY_LIMIT) as con, attached(con, source, _SOURCE, read_only=True):
        views = {
            (schema, name): sql
            for schema, name, sql in con.execute(
                "select schema_name, view_name, sql from duckdb_views() where database_name = ? and not internal",
                [_SOURCE],
            ).fetchall()
        }
        tables = _relations(con, _SOURCE)
        present = _relations(con, target.stem)
        for relation in relations:
            if relation in present:
                continue
            con.execute(f"create schema if not exists {quote_name(relation[0])}")
            if relation in views:
                con.execute(views[relation])
            elif relation in tables:
                name = quote_name(*relation)
                con.execute(f"create table {name} as from {quote_name(_SOURCE, *relation)}")
            else:
                raise WarehouseError(f"{source} lacks the table {'.'.join(relation)}; run a night first.")


def moves_between(before: Path, after: Path) -> list[Move]:
    """Count the customers of every pair of classes, for everything that customers are classed by.

    Parameters
    ----------
    before, after : Path
        Build files with customer_360, customer_classes and list_members; `before` has customer_snapshots, too.

    Returns
    -------
    list of Move
        Those who stay included, so that the counts of one class add up to its customers. A scheme, group or list
        that only one of the builds knows has no class in the other.
    """
    with _both(before, after) as con:
        axes: dict[str, tuple[bool, bool]] = dict.fromkeys(_CLASSES, (True, True))
        known = [_axes(con, _BEFORE), _axes(con, _AFTER)]
        for axis in sorted(known[0] | known[1]):
            axes[axis] = (axis in known[0], axis in known[1])
        for side, name in enumerate((_BEFORE, _AFTER)):
            columns = ", ".join(
                f"customers.{axis}" if axis in _CLASSES else f"classes.{quote_name(axis)}"
                for axis, sides in axes.items()
                if sides[side]
            )
            con.execute(
                f"create temp table {name}_classes as select customers.customer_id, {columns} "
                f"from {name}.marts.customer_360 as customers "
                f"left join {name}.core.customer_classes as classes using (customer_id)"
            )
        con.execute(
            f"create temp table worth as select customer_id, net_revenue_365d, gross_margin_365d "
            f"from {_BEFORE}.core.customer_snapshots "
            f"where as_of = (select max(as_of) from {_BEFORE}.marts.customer_360)"
        )
        moves = []
        for axis, (is_before, is_after) in axes.items():
            moves += _moves(
                con,
                axis,
                f"before_classes.{quote_name(axis)}" if is_before else "null",
                f"after_classes.{quote_name(axis)}" if is_after else "null",
            )
        return moves + _list_moves(con)


def backtest(build: Path, facts: Path, *, days: int) -> list[Backtest]:
    """What the customers of a build of an earlier day did in the days after it.

    Parameters
    ----------
    build : Path
        Build file of the earlier day, with customer_360 and customer_classes.
    facts : Path
        Build file of a later day, with orders and customer_occasions.
    days : int
        How many of the days that followed count.
    """
    with _both(build, facts) as con:
        [(as_of,)] = con.execute(f"select max(as_of) from {_BEFORE}.marts.customer_360").fetchall()
        if as_of is None:
            return []
        con.execute(
            f"""
            create temp table outcomes as
            with revenue as (
                select customer_id, sum(net_amount) as net_revenue
                from {_AFTER}.marts.orders
                where is_valid and order_date > ? and order_date <= ?::date + {int(days)}
                group by customer_id
            ),

            lost as (
                select distinct customer_id
                from {_AFTER}.core.customer_occasions
                where churned_on > ? and churned_on <= ?::date + {int(days)} and occasion_on <= ?
            )

            select
                -- No other columns: what a customer ever brought is called like what is counted here.
                {", ".join(f"customers.{name}" for name in _CLASSES)},
                classes.* exclude (customer_id, as_of),
                coalesce(revenue.net_revenue, 0) as net_revenue,
                coalesce(lost.customer_id is not null and not customers.is_churned, false) as was_lost
            from {_BEFORE}.marts.customer_360 as customers
            left join {_BEFORE}.core.customer_classes as classes using (customer_id)
            left join revenue using (customer_id)
            left join lost using (customer_id)
            """,
            [as_of] * 5,
        )
        axes = [*_CLASSES, *sorted(each for each in _axes(con, _BEFORE) if each.startswith(_SEGMENT))]
        return [row for axis in axes for row in _backtest(con, axis)]


def _backtest(con: duckdb.DuckDBPyConnection, axis: str) -> Iterator[Backtest]:
    rows = con.execute(
        f"""
        select
            {quote_name(axis)},
            count(*),
            cast(sum(net_revenue) as double),
            cast(sum(sum(net_revenue)) over () as double),
            cast(sum(count(*)) over () as bigint),
            count(*) filter (where was_lost),
            cast(sum(count(*) filter (where was_lost)) over () as bigint)
        from outcomes
        group by all
        order by all
        """
    ).fetchall()
    for name, customers, revenue, all_revenue, all_customers, churned, all_churned in rows:
        others = all_customers - customers
        rest = (all_revenue - revenue) / others if others else 0.0
        own = revenue / customers
        yield Backtest(
            axis,
            name,
            customers,
            own,
            own / rest if rest > 0 else None,
            churned,
            churned / all_churned if all_churned else None,
        )


def day_of(build: Path) -> date:
    """The day whose truth a build file holds."""
    with connect(build, read_only=True) as con:
        [(as_of,)] = con.execute("select max(as_of) from run.as_of_dates where purpose = 'tonight'").fetchall()
    if not isinstance(as_of, date):
        raise WarehouseError(f"{build} holds no day; run a night first.")
    return as_of


def _moves(con: duckdb.DuckDBPyConnection, axis: str, before: str, after: str) -> list[Move]:
    rows = con.execute(
        f"""
        select
            {before} as class_before,
            {after} as class_after,
            count(*),
            cast(coalesce(sum(worth.net_revenue_365d), 0) as double),
            cast(coalesce(sum(worth.gross_margin_365d), 0) as double)
        from before_classes
        full join after_classes using (customer_id)
        left join worth using (customer_id)
        group by all
        order by class_before nulls last, class_after nulls last
        """
    ).fetchall()
    return [Move(axis, *row) for row in rows]


def _list_moves(con: duckdb.DuckDBPyConnection) -> list[Move]:
    members = (
        "select distinct list_id, customer_id, '{on}' as class from {build}.marts.list_members "
        "where state in ('new', 'continuing')"
    )
    before, after = (members.format(on="on_list", build=build) for build in (_BEFORE, _AFTER))
    rows = con.execute(
        f"""
        select
            list_id,
            members_before.class as class_before,
            members_after.class as class_after,
            count(*),
            cast(coalesce(sum(worth.net_revenue_365d), 0) as double),
            cast(coalesce(sum(worth.gross_margin_365d), 0) as double)
        from ({before}) as members_before
        full join ({after}) as members_after using (list_id, customer_id)
        left join worth using (customer_id)
        group by all
        order by list_id, class_before nulls last, class_after nulls last
        """
    ).fetchall()
    return [Move(f"{_LIST}{list_id}", *row) for list_id, *row in rows]


@contextmanager
def _both(before: Path, after: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    # In memory, with both attached under names of their own: both files have the same stem.
    with (
        connect(memory_limit=_MEMORY_LIMIT, temp_directory=after.parent / "spill") as con,
        attached(con, before, _BEFORE, read_only=True),
        attached(con, after, _AFTER, read_only=True),
    ):
        yield con


def _axes(con: duckdb.DuckDBPyConnection, database: str) -> set[str]:
    """The schemes and groups of tags that a build knows."""
    rows = con.execute(
        "select column_name from duckdb_columns() "
        "where database_name = ? and schema_name = 'core' and table_name = 'customer_classes'",
        [database],
    ).fetchall()
    return {name for (name,) in rows if name.startswith((_SEGMENT, _TAG))}


def _relations(con: duckdb.DuckDBPyConnection, database: str) -> set[tuple[str, str]]:
    return set(
        con.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = ? "
            "union all select schema_name, view_name from duckdb_views() where database_name = ? and not internal",
            [database, database],
        ).fetchall()
    )
