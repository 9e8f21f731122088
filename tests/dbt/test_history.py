"""What was said of the past stays said: two nights of one shop agree on every day that both of them know.

What may change the past (a sale made void, a late or corrected document) does not happen in this shop: its refunds name
no sale, and all of it is delivered at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from warehouse.connection import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import SmallShop

EARLIER, LATER = date(2011, 9, 20), date(2011, 12, 9)

Rows = list[tuple[Any, ...]]


# Two whole nights.
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Night:
    """The tables that one night built.

    Attributes
    ----------
    build : Path
        The build file.
    """

    build: Path

    def ask(self, query: str, **parameters: object) -> Rows:
        """The rows of a query."""
        with connect(self.build, read_only=True) as con:
            rows: Rows = con.execute(query, parameters or None).fetchall()
        return rows


@pytest.fixture(scope="module")
def nights(
    tmp_path_factory: pytest.TempPathFactory,
    small_shop: SmallShop,
    night: Callable[..., Any],
    deliver: Callable[..., Path],
) -> tuple[Night, Night]:
    """The small shop as of two days, each in a home of its own."""
    built = []
    for as_of in (EARLIER, LATER):
        home = tmp_path_factory.mktemp("history") / "home"
        deliver(home, "online_retail.csv", small_shop.content)
        outcome = night(home, as_of.isoformat())
        assert outcome.kind == "published", outcome.reasons
        built.append(Night(home / "build" / "warehouse.duckdb"))
    earlier, later = built
    return earlier, later


def test_an_occasion_keeps_its_gap_its_threshold_and_its_loss(nights: tuple[Night, Night]) -> None:
    earlier, later = nights
    # Of what came after the earlier day, that night could not know.
    query = """
        select * replace (
            case when next_occasion_on <= $known then next_occasion_on end as next_occasion_on,
            case when churned_on <= $known then churned_on end as churned_on
        )
        from core.customer_occasions
        where occasion_on <= $known
        order by customer_id, occasion_on
    """
    found, expected = (each.ask(query, known=EARLIER) for each in (earlier, later))
    assert len(found) > 500
    assert found == expected
    assert found == earlier.ask("from core.customer_occasions order by customer_id, occasion_on")
    # What is usual in the shop was known, and not the same in every month.
    usual = "select count(distinct personal_gap_days) from core.customer_occasions where occasion_no = 1"
    assert earlier.ask(usual)[0][0] > 3


def test_a_month_that_is_over_keeps_its_churn(nights: tuple[Night, Night]) -> None:
    earlier, later = nights
    query = "from marts.churn_monthly where is_complete and month < $month order by month"
    found, expected = (each.ask(query, month=EARLIER.replace(day=1)) for each in (earlier, later))
    assert len(found) == 9
    assert found == expected


@pytest.mark.parametrize("column", ["active_customers", "churned_customers", "reactivated_customers", "churn_rate_30d"])
def test_a_day_keeps_who_left_and_who_came_back(nights: tuple[Night, Night], column: str) -> None:
    earlier, later = nights
    query = f"select day, {column} from marts.kpi_daily where day <= $known order by day"
    found, expected = (each.ask(query, known=EARLIER) for each in (earlier, later))
    assert len(found) > 250
    assert found == expected


def test_tonight_judges_by_the_last_occasion(nights: tuple[Night, Night]) -> None:
    query = """
        select customer_id, own_gap_days, personal_gap_days, threshold_days
        from core.customer_occasions
        where next_occasion_on is null
        order by customer_id
    """
    snapshot = """
        select customer_id, own_gap_days, personal_gap_days, threshold_days
        from core.customer_snapshots
        where as_of = $as_of and occasions > 0
        order by customer_id
    """
    for each, as_of in zip(nights, (EARLIER, LATER), strict=True):
        assert each.ask(query) == each.ask(snapshot, as_of=as_of)
