"""A child that writes the exports of a simulated company, and those of the day after.

Belongs here: how large the company is, and what a day brings. Does not belong here: the company itself (``demo``).

A day brings one new row for every so many: orders with all their lines, and what the loyalty programme writes down.
They are rows of the company's own exports, delivered in the same form under new ids, as of the next day.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

from benchmarks.measure import Report

#: Where documents are delivered with all their lines, and the columns that name an order and its days.
_SHOP, _ORDER, _DAYS = "shopify/orders_export", "Name", ("Created at", "Paid at", "Fulfilled at")
#: Files of single rows: the columns that name a row and its day. What is booked on that day lapses on no earlier one.
_LOYALTY = {
    "membership/points": ("entry_id", "at"),
    "membership/campaign_touches": ("touch_id", "touched_at"),
    "membership/survey_responses": ("response_id", "responded_at"),
}


def make(folder: Path, customers: int, lines_per_order: float) -> None:
    """Write all exports of a company into a home."""
    from demo import write_demo
    from warehouse.connection import connect

    report = Report()
    with (
        report.stage("company"),
        tempfile.TemporaryDirectory(prefix=".demo-", dir=folder) as desk,
        connect(Path(desk) / "simulation.duckdb", memory_limit="4GB") as con,
    ):
        write_demo(con, folder, customers=customers, seed=7, lines_per_order=lines_per_order)
    report.send()


def follow(landing: Path, share: float, order_lines: int) -> None:
    """Deliver what the next day brings: a share of all rows there are, that of `order_lines` by one shop alone."""
    from warehouse.connection import connect

    report = Report()
    with report.stage("the day after"), connect() as con:
        file, day = _newest(landing, _SHOP)
        days = ", ".join(f"""'{day}' || "{name}"[11:] as "{name}\"""" for name in _DAYS)
        con.execute(f"create temp table shop as from read_csv('{file}', all_varchar = true, comment = '')")
        # Whole orders, in an order that is none of theirs, until there are lines enough.
        con.execute(f"""
            create temp table chosen as
            select name
            from (
                select name, lines, sum(lines) over (order by hash(name), name) as lines_so_far
                from (
                    select "{_ORDER}" as name, count(*) as lines
                    from shop
                    where "{_ORDER}" is not null
                    group by "{_ORDER}"
                    having count("Cancelled at") = 0 and count(*) filter (where "Created at" like '____-__-__ %') > 0
                )
            )
            where lines_so_far <= {share * order_lines}
        """)
        [(orders, lines)] = con.execute(f"""
            select count(distinct "{_ORDER}"), count(*) from shop semi join chosen on chosen.name = shop."{_ORDER}"
        """).fetchall()
        con.execute(f"""
            copy (
                select shop.* replace ('#N' || shop."{_ORDER}"[2:] as "{_ORDER}", '9' || shop."Id" as "Id", {days})
                from shop semi join chosen on chosen.name = shop."{_ORDER}"
            ) to '{_next(file, day)}' (header)
        """)
        others = 0
        for name, (key, at) in _LOYALTY.items():
            file, day = _newest(landing, name)
            lapses = ", null as expires_at" if name.endswith("points") else ""
            [(written,)] = con.execute(f"""
                copy (
                    select * replace ('N' || "{key}" as "{key}", '{day}' || "{at}"[11:] as "{at}"{lapses})
                    from read_csv('{file}', all_varchar = true, comment = '')
                    where hash("{key}") % 100000 < {round(100000 * share)} and "{at}" like '____-__-__T%'
                ) to '{_next(file, day)}' (header)
            """).fetchall()
            others += written
    report.facts = {"orders": orders, "order_lines": lines, "others": others}
    report.send()


def _newest(landing: Path, name: str) -> tuple[Path, date]:
    """The newest file of a kind, and the day that it was exported on: the first of which it tells nothing."""
    file = max(landing.glob(f"{name}_*.csv"))
    return file, date.fromisoformat(file.stem[-10:])


def _next(file: Path, day: date) -> Path:
    return file.with_name(f"{file.stem[:-10]}{day + timedelta(days=1)}.csv")


if __name__ == "__main__":
    what, where, *numbers = sys.argv[1:]
    if what == "make":
        make(Path(where), int(numbers[0]), float(numbers[1]))
    else:
        follow(Path(where), float(numbers[0]), int(numbers[1]))
