"""What is learned of contracts on a day: nothing that lies after it has a say in any score."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Any

import duckdb
import pytest

from assets.churn_scores import _book
from models.renewals import ContractScores, score_contracts
from tests.dbt.conftest import EmptyShop
from warehouse.build import replace_table

TONIGHT = date(2024, 3, 31)
#: Only what the two models read.
SUBSCRIPTIONS = {
    **dict.fromkeys(("source_system", "source", "contract_id", "cancel_reason"), "varchar"),
    **dict.fromkeys(("started_on", "ends_on", "renewal_due_on", "cancelled_on"), "date"),
}
VERSIONS = {
    **dict.fromkeys(("contract_key", "source_system", "source", "contract_id", "customer_id"), "varchar"),
    "version_no": "integer",
    **dict.fromkeys(("is_paused", "is_ended"), "boolean"),
    **dict.fromkeys(("due_on", "said_on", "valid_to"), "date"),
}
Row = dict[str, Any]


def drawn_book(seed: int) -> tuple[list[Row], list[Row]]:
    """Contracts that had begun by tonight, as their source says them now, and what it had said of them by then."""
    draw = Random(seed)
    contracts: list[Row] = []
    versions: list[Row] = []
    for customer in range(150):
        begins = TONIGHT - timedelta(days=draw.randint(1, 1500))
        for number in range(draw.randint(1, 4)):
            if begins > TONIGHT:
                break
            ends = begins + timedelta(days=draw.choice([30, 365]))
            cancelled = begins + timedelta(days=draw.randint(0, 300)) if draw.random() < 0.2 else None
            if cancelled is not None and cancelled > TONIGHT:
                cancelled = None
            name: Row = {"source_system": "generic", "source": "crm", "contract_id": f"K{customer}-{number}"}
            contracts.append({**name, "started_on": begins, "ends_on": ends, "cancelled_on": cancelled})
            versions.append(
                {**name, "contract_key": name["contract_id"], "customer_id": f"{customer + 1:016x}", "version_no": 1}
                | {"is_paused": False, "is_ended": False, "due_on": ends, "said_on": begins}
            )
            begins = (cancelled or ends) + timedelta(days=draw.choice([0, 0, 0, 10, 200]))
    return contracts, versions


def with_the_future(contracts: list[Row], versions: list[Row], seed: int) -> tuple[list[Row], list[Row]]:
    """The same, and what came after tonight: cancellations, renewals that were said later, contracts that follow."""
    draw = Random(seed)
    told, said = [dict(each) for each in contracts], [dict(each) for each in versions]
    for contract, version in zip(list(told), list(said), strict=True):
        ends = contract["ends_on"]
        if ends <= TONIGHT or contract["cancelled_on"]:
            continue
        later = TONIGHT + timedelta(days=draw.randint(1, 90))
        kind = draw.choice(["cancelled", "moved", "followed", "nothing"])
        if kind == "cancelled":
            contract["cancelled_on"] = later
        elif kind == "moved":
            contract["ends_on"] = ends + timedelta(days=365)
            version["valid_to"] = later
            said.append({**version, "version_no": 2, "due_on": contract["ends_on"], "said_on": later, "valid_to": None})
        elif kind == "followed":
            told.append({**contract, "contract_id": f"{contract['contract_id']}+", "started_on": later})
    return told, said


def scores_of(empty_shop: EmptyShop, contracts: list[Row], versions: list[Row]) -> ContractScores:
    """Build the tables of contracts by their own SQL, and score them as a night does."""
    with duckdb.connect() as con:
        con.execute("attach ':memory:' as warehouse")
        con.execute("use warehouse")
        replace_table(con, "run", "as_of_dates", {"as_of": "date", "purpose": "varchar"}, [(TONIGHT, "tonight")])
        for name, columns, rows in (
            ("subscriptions_current", SUBSCRIPTIONS, contracts),
            ("contract_versions", VERSIONS, versions),
        ):
            replace_table(con, "core", name, columns, [[row.get(column) for column in columns] for row in rows])
        for name in ("contract_periods", "contract_terms"):
            [sql] = empty_shop.compiled.rglob(f"models/intermediate/contracts/{name}.sql")
            con.execute(f"create table core.{name} as {sql.read_text(encoding='utf-8')}")
        return score_contracts(_book(con), today=(TONIGHT - date(1970, 1, 1)).days, horizon_days=90)


@pytest.mark.parametrize("seed", range(10))
def test_what_comes_after_tonight_changes_no_score_of_a_contract(empty_shop: EmptyShop, seed: int) -> None:
    contracts, versions = drawn_book(seed)
    known = scores_of(empty_shop, contracts, versions)
    told, said = with_the_future(contracts, versions, seed)
    assert (len(told), len(said)) > (len(contracts), len(versions))
    found = scores_of(empty_shop, told, said)
    assert len(known.customer) > 30
    assert set(known.status) & {"model", "segment_average"}
    assert found.customer.tolist() == known.customer.tolist()
    assert found.probability.tolist() == known.probability.tolist()
    assert found.status.tolist() == known.status.tolist()
    # It is not for want of a say: the same facts, dated before, change the scores.
    earlier = [
        {**each, "cancelled_on": TONIGHT - timedelta(days=60)}
        if not each["cancelled_on"] and each["ends_on"] > TONIGHT > each["started_on"] + timedelta(days=60)
        else each
        for each in contracts
    ]
    assert len(scores_of(empty_shop, earlier, versions).customer) < len(known.customer)
