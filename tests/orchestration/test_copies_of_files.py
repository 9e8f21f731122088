"""A file is what it says, not how it is packed: copies in other encodings and containers give the same tables."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.sources.crm.landing import Packing, land

from .crm_homes import EXPORTS, put_rates, run_night

# What names the file, is made of its bytes, or says when it came; gates name files in what they observed.
OF_THE_FILE = {"file", "delivery_id", "exported_at", "received_at", "last_exported_at", "observed"}

OTHER_ENCODING = {"utf-8": "gb18030", "utf-8-sig": "gb18030", "gb18030": "utf-8-sig", "gbk": "utf-8"}


def recoded(_: str, how: Mapping[str, Any]) -> Mapping[str, Any]:
    """GB18030 for UTF-8, and the other way round."""
    if not how["made_of"].endswith(".csv"):
        return how
    return {**how, "encoding": OTHER_ENCODING[how.get("encoding", "utf-8")]}


def resaved(name: str, how: Mapping[str, Any]) -> Mapping[str, Any]:
    """A workbook for a text, and the other way round."""
    stem, _, extension = name.rpartition(".")
    if how["made_of"].endswith(".csv"):
        return {**how, "as": "xlsx", "name": f"{stem}.xlsx"}
    return {**how, "as": "csv", "name": f"{stem}.csv"} if extension == "xlsx" and how.get("flat") else how


def zipped(name: str, how: Mapping[str, Any]) -> Mapping[str, Any]:
    """Each file in an archive of its own."""
    return {**how, "archive": f"{name}.zip"}


def marts_of(home: Path) -> Mapping[str, object]:
    """Rows and checksum of every published table, but for what names the file, and the one about the release itself."""
    with duckdb.connect(str(home / "current" / "warehouse.duckdb"), read_only=True) as con:
        tables = con.execute(
            "select table_name, list(column_name order by column_index) from duckdb_columns() "
            "where schema_name = 'marts' and table_name <> 'release' group by all"
        ).fetchall()
        assert len(tables) > 15
        return {
            table: con.execute(
                # Hashes are added up as whole numbers, so that neither order nor repeats are lost.
                f"select count(*), sum(cast(hash({', '.join(_kept(columns))}) as hugeint)) from marts.{table}"
            ).fetchone()
            for table, columns in tables
        }


def _kept(columns: list[str]) -> list[str]:
    return [f'"{column}"' for column in columns if column not in OF_THE_FILE]


@pytest.fixture(scope="module")
def marts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Mapping[str, object]]]:
    """The tables of a home with one system alone, its files packed as the system does or in another way.

    All homes have one key, under which they publish the evidence of their identities.
    """

    @cache
    def build(system: str, repack: Packing | None = None) -> Mapping[str, object]:
        home = tmp_path_factory.mktemp(system) / "home"
        land(system, system, home / "landing" / system, repack)
        export = EXPORTS[system]
        if foreign := export.outcome["net"].keys() - {export.currency}:
            put_rates(home, foreign)
        outcome = run_night(home, export.currency)
        assert outcome.kind == "published", outcome.reasons
        return marts_of(home)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEEPRATE_IDENTIFIER_KEY", "5e" * 32)
        yield build


@pytest.mark.slow
@pytest.mark.parametrize("repack", [recoded, resaved, zipped])
@pytest.mark.parametrize("system", ["jiandaoyun", "kingdee"])
def test_copies_of_all_files_give_the_same_tables(
    marts: Callable[..., Mapping[str, object]], system: str, repack: Packing
) -> None:
    copied, original = marts(system, repack), marts(system)
    assert copied == original
