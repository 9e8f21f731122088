"""Which version of a record holds, when the same content comes again: from landing to the tables."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from tests.dbt.conftest import land, prepare, run_dbt
from warehouse.connection import connect

NIGHT = datetime(2026, 2, 1, 2, tzinfo=UTC)
FULL = "system: generic\ndeliveries: full\n"
HEADER = "order_id,source_customer_id,ordered_at,net_amount\n"
# The second export changes O1 and has no O2; the third is the first, byte for byte.
A = HEADER + "O1,C1,2025-12-01,10.00\nO2,C1,2025-12-02,20.00\n"
B = HEADER + "O1,C1,2025-12-01,11.00\n"
DATED = {"orders_2026-01-01.csv": A, "orders_2026-01-02.csv": B, "orders_2026-01-03.csv": A}
WHAT_A_SAYS = [("O1", 10.0), ("O2", 20.0)]
RETAIL = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
INVOICES = RETAIL + "".join(f"{line},1,2025-12-01 10:00:00,1.0,7,France\n" for line in ("1,A,x", "1,B,y", "2,A,x"))
INVOICE = RETAIL + "1,A,x,5,2025-12-01 10:00:00,1.0,7,France\n"
# Together one document: the line that both have counts as often as in the part that has it more often.
PART_ONE = RETAIL + "".join(f"5,{line},1,2025-12-01 10:00:00,1.0,7,France\n" for line in ("P,p", "P,p", "Q,q"))
PART_TWO = RETAIL + "".join(f"5,{line},1,2025-12-01 10:00:00,1.0,7,France\n" for line in ("P,p", "R,r"))
LINES = "order_id,line_no,quantity,unit_price\n"
OPT_IN = "Record ID,Email,Unsubscribed from all email\n1,ann@example.net,false\n"
OPT_OUT = "Record ID,Email,Unsubscribed from all email\n1,ann@example.net,true\n"


def zipped(members: Mapping[str, tuple[str, tuple[int, int, int]]]) -> bytes:
    """An archive of members, each dated at noon of its day."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for name, (text, day) in members.items():
            writer.writestr(zipfile.ZipInfo(name, (*day, 12, 0, 0)), text)
    return archive.getvalue()


def nights_of(source: str, nights: Iterable[Mapping[str, str | bytes]]) -> dict[int, dict[str, str | bytes]]:
    """Files by the number of the night before which they arrive, below a source."""
    return {number: {f"{source}/{name}": text for name, text in files.items()} for number, files in enumerate(nights)}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One build over a source for each way in which exports may arrive; every night reads landing once."""
    home = tmp_path_factory.mktemp("versions")
    arrivals = [
        nights_of(
            f"{mode}-{''.join(name[15:17] for name in order)}", [settings, *({name: DATED[name]} for name in order)]
        )
        for mode, settings in (("full", {"source.yml": FULL}), ("delta", {}))
        for order in permutations(DATED)
    ]
    arrivals += [
        nights_of(f"{mode}-at-once", [files | DATED]) for mode, files in (("full", {"source.yml": FULL}), ("delta", {}))
    ]
    arrivals += [
        nights_of(f"{mode}-overwritten", [files | {"orders.csv": A}, {"orders.csv": B}, {"orders.csv": A}, {}])
        for mode, files in (("full", {"source.yml": FULL}), ("delta", {}))
    ]
    january, february = (2026, 1, 1), (2026, 1, 20)
    first = {"north/orders.csv": (A, january), "south/orders.csv": (HEADER + "O3,C1,2025-12-03,3.00\n", january)}
    later = {**first, "south/orders.csv": (HEADER + "O3,C1,2025-12-03,3.50\n", february)}
    arrivals += [
        nights_of("archives", [{"source.yml": FULL, "backup-1.zip": zipped(first)}, {"backup-2.zip": zipped(later)}]),
        nights_of(
            "archives-backwards", [{"source.yml": FULL, "backup-2.zip": zipped(later)}, {"backup-1.zip": zipped(first)}]
        ),
        nights_of(
            "consents",
            [
                {"contacts-2026-01-01.csv": OPT_IN, "source.yml": "system: hubspot\n"},
                {"contacts-2026-01-02.csv": OPT_OUT},
                {"contacts-2026-01-03.csv": OPT_IN},
            ],
        ),
    ]
    arrivals += [
        nights_of(
            "documents", [{"r_2026-01-01.csv": INVOICES}, {"r_2026-01-02.csv": INVOICE}, {"r_2026-01-03.csv": INVOICES}]
        ),
        nights_of("parts", [{"a_2026-01-05.csv": PART_ONE, "b_2026-01-05.csv": PART_TWO}]),
        nights_of(
            "keyed",
            [
                {"orders.csv": B, "order_lines_2026-01-01.csv": LINES + "O1,1,1,4.00\nO1,2,1,7.00\n"},
                {"order_lines_2026-01-02.csv": LINES + "O1,2,2,3.50\n"},
            ],
        ),
    ]
    for number in range(max(map(max, arrivals)) + 1):
        files = {name: text for arrival in arrivals for name, text in arrival.get(number, {}).items()}
        land(home, files, NIGHT + timedelta(days=number))
    build = prepare(home)
    # Without tests: nobody is identified here.
    status, output = run_dbt(home, "run", "--select", "+deliveries")
    assert set(status.values()) == {"success"}, output
    return build


def ask(build: Path, query: str) -> list[tuple[Any, ...]]:
    with connect(build, read_only=True) as con:
        return con.execute(query).fetchall()


def test_what_the_newest_export_says_holds_in_whatever_order_the_files_came(tables: Path) -> None:
    found = ask(
        tables,
        "select source, list((source_order_id, cast(net_amount as double)) order by source_order_id) "
        "from core.order_versions where not is_deleted and (source like 'full-%' or source like 'delta-%') "
        "group by source",
    )
    assert len(found) == 2 * (6 + 1 + 1)
    assert dict(found) == {source: WHAT_A_SAYS for source, _ in found}


def test_a_content_is_called_and_dated_by_its_newest_file(tables: Path) -> None:
    ages = ask(
        tables,
        "select distinct source like 'delta%', file, version_at from core.deliveries_current where source like '%-0%'",
    )
    assert sorted(ages) == [
        (is_delta, f"orders_2026-01-{day}.csv", datetime(2026, 1, int(day), 12))
        for is_delta in (False, True)
        for day in ("02", "03")
    ]


def test_an_archive_is_one_export_even_if_a_member_has_not_changed_since_the_one_before(tables: Path) -> None:
    standing = (
        "select source_order_id, cast(net_amount as double) from core.order_versions where not is_deleted and source = "
    )
    wanted = [("O1", 10.0), ("O2", 20.0), ("O3", 3.5)]
    for source in ("archives", "archives-backwards"):
        assert ask(tables, f"{standing} '{source}' order by all") == wanted, source
        assert ask(
            tables,
            f"select count(*), count(*) filter (is_replaced) from core.deliveries_current where source = '{source}'",
        ) == [(3, 1)]


def test_a_statement_without_a_date_of_its_own_is_as_old_as_its_newest_export(tables: Path) -> None:
    assert ask(tables, "select state, stated_at from core.consents_current order by stated_at") == [
        ("out", datetime(2026, 1, 2, 12)),
        ("unknown", datetime(2026, 1, 3, 12)),
    ]


def test_every_record_is_loaded_or_replaced_and_none_is_counted_twice(tables: Path) -> None:
    accounts = ask(
        tables,
        "select source, file, records, loaded, duplicates, excluded from marts.deliveries "
        "where source in ('documents', 'keyed', 'delta-010203', 'archives') order by all",
    )
    assert accounts == [
        ("archives", "backup-1.zip#north/orders.csv", 2, 2, 0, 0),
        # The key stands in the other archive.
        ("archives", "backup-1.zip#south/orders.csv", 1, 0, 1, 0),
        ("archives", "backup-2.zip#south/orders.csv", 1, 1, 0, 0),
        ("delta-010203", "orders_2026-01-02.csv", 1, 0, 1, 0),
        ("delta-010203", "orders_2026-01-03.csv", 2, 2, 0, 0),
        ("documents", "r_2026-01-02.csv", 1, 0, 1, 0),
        ("documents", "r_2026-01-03.csv", 3, 3, 0, 0),
        ("keyed", "order_lines_2026-01-01.csv", 2, 1, 1, 0),
        ("keyed", "order_lines_2026-01-02.csv", 1, 1, 0, 0),
        ("keyed", "orders.csv", 1, 1, 0, 0),
    ]
    assert ask(
        tables, "select sum(records), sum(loaded), sum(duplicates) from marts.deliveries where source = 'parts'"
    ) == [(5, 4, 1)]
    assert ask(tables, "from marts.deliveries where records <> loaded + duplicates + excluded + rejected") == []
