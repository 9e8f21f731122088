"""Homes that hold whole exports of CRMs, and what figures worked out by hand say of each.

The exports and their figures lie in ``tests/sources/crm``. Belongs here: putting them into a home and running its
night. Does not belong here: what a figure is compared with.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from tests.sources.crm.landing import accounts_of, land, land_western, said_of, said_of_western

__all__ = ["COPIES", "EXPORTS", "RATES", "Export", "ask", "put_rates", "run_night", "write_rules"]

RULES = Path(__file__).resolve().parents[2] / "examples" / "online_retail" / "business.yml"
# After the last of all exports.
NIGHT = "2025-04-02"
# Base currency per one unit, whatever the base: numbers that no export knows.
RATES = {name: Decimal(rate) for name, rate in (("BRL", "1.25"), ("CNY", "2"), ("EUR", "8.5"), ("GBP", "10"))}
RATES |= {"INR": Decimal("0.1"), "USD": Decimal("8")}


@dataclass(frozen=True)
class Export:
    """One landing folder.

    Attributes
    ----------
    source : str
        Its name.
    currency : str
        The source's own.
    files : mapping
        Landed file or archive member to its feed and records.
    rejected : set
        File, record and code of every bad record.
    outcome : mapping
        What comes of the export, as its folder says.
    land : callable
        Puts its files into the landing folder that it is given.
    """

    source: str
    currency: str
    files: Mapping[str, tuple[str, int]]
    rejected: Collection[tuple[str, int, str]]
    outcome: Mapping[str, Any]
    land: Callable[[Path], None]

    def land_in(self, home: Path) -> None:
        """Drop it into a home."""
        self.land(home / "landing" / self.source)

    def net_in(self, base: str) -> Decimal:
        """Net revenue in a base currency; a document's own rate counts where the base is the source's currency."""
        own = self.outcome.get("own_rates", {}) if base == self.currency else {}
        return sum(
            (
                Decimal(amount) * (1 if currency == base else Decimal(own.get(currency, RATES[currency])))
                for currency, amount in self.outcome["net"].items()
            ),
            Decimal(0),
        )


def _orphans(outcome: Mapping[str, Any]) -> set[tuple[str, int, str]]:
    return {(file, number, "orphan_customer") for file, numbers in outcome["orphans"].items() for number in numbers}


def _eastern(system: str, source: str) -> Export:
    said = said_of(system)[source]
    accounts = dict(accounts_of(said))
    rejected = {(file, number, code) for file, each in accounts.items() for number, code, _ in each.get("rejected", [])}
    return Export(
        source,
        said["outcome"]["currency"],
        {file: (each["feed"], each["records"]) for file, each in accounts.items()},
        rejected | _orphans(said["outcome"]),
        said["outcome"],
        partial(land, system, source),
    )


def _western(system: str) -> Export:
    said = said_of_western(system)
    rejected = {
        (file, number, code)
        for file, each in said["files"].items()
        for number, (code, _) in each.get("rejected", {}).items()
    }
    return Export(
        system,
        said["source"]["currency"],
        {file: (each["feed"], each["records"]) for file, each in said["files"].items()},
        rejected | _orphans(said["outcome"]),
        said["outcome"],
        partial(land_western, system),
    )


def _copy(source: str, name: str, file: str, packing: Mapping[str, Any]) -> Export:
    """The outbound notes of 星辰, packed in another way and found in `file`."""
    export = _eastern("kingdee", source)
    [account] = export.files.values()
    return replace(
        export,
        source=name,
        files={file: account},
        land=partial(land, "kingdee", source, repack=lambda _, how: {**how, **packing}),
    )


EXPORTS = {
    export.source: export
    for export in (
        *map(_western, ("salesforce", "hubspot", "zoho", "shopify", "woocommerce", "woocommerce_items")),
        _eastern("jiandaoyun", "jiandaoyun"),
        _eastern("yonyou", "yonyou"),
        _eastern("yonyou", "yonsuite"),
        _eastern("kingdee", "kingdee"),
        _eastern("kingdee", "xingchen"),
        _eastern("tencent_qidian", "tencent_qidian"),
        _eastern("olist", "olist"),
        _eastern("cdnow", "cdnow"),
        _eastern("online_retail_ii", "online_retail"),
    )
}
"""Every landing folder by its name; the one that repeats another's orders through the API is left out."""

COPIES = {
    export.source: export
    for export in (
        _copy("xingchen", "xingchen_utf_8", "出库单列表.csv", {"encoding": "utf-8-sig"}),
        _copy("xingchen", "xingchen_workbook", "出库单列表.xlsx", {"as": "xlsx", "name": "出库单列表.xlsx"}),
        _copy("xingchen", "xingchen_archive", "出库.zip#出库单列表.csv", {"archive": "出库.zip"}),
    )
}
"""The same small export in other encodings and containers, each as a source of its own."""


def write_rules(home: Path, base: str) -> Path:
    """The example's rules for a business in Shanghai that counts in `base`."""
    text = RULES.read_text(encoding="utf-8")
    for old, new in (("time_zone: Europe/London", "time_zone: Asia/Shanghai"), ("currency: GBP", f"currency: {base}")):
        assert old in text
        text = text.replace(old, new)
    home.mkdir(parents=True, exist_ok=True)
    rules = home / "business.yml"
    rules.write_text(text, encoding="utf-8")
    return rules


def put_rates(home: Path, currencies: Iterable[str]) -> None:
    """What each of these currencies is worth in the base currency, ever since."""
    folder = home / "landing" / "rates"
    folder.mkdir(parents=True)
    folder.joinpath("source.yml").write_text("system: generic\n", encoding="utf-8")
    rows = "".join(f"{currency},1990-01-01,{RATES[currency]}\n" for currency in currencies)
    folder.joinpath("fx_rates.csv").write_text(f"currency,on,rate\n{rows}", encoding="utf-8")


def run_night(home: Path, base: str) -> Any:
    """One night of a home whose files have landed; returns its outcome."""
    # Only a night needs what this imports.
    from orchestration.nightly import NightlyOptions, run

    return run(NightlyOptions(home, None, write_rules(home, base), NIGHT))


def ask(home: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows of what is served."""
    with duckdb.connect(str(home / "current" / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(query, list(values)).fetchall()
