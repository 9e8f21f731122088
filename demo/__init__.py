"""One simulated company and its exports.

Belongs here: what the company and its customers do (``company.py``), how several systems export it (``exports/``), what
is wrong with these exports (``dirt.py``), and the truth about all of it (``truth.py``). Does not belong here: reading
anything. The package knows nothing of the other rooms; that loading gives back what was simulated is theirs to show.
"""

import shutil
import tempfile
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

    from demo.sheets import Settled

__all__ = ["DemoSummary", "write_demo"]

_EARLY = time(6)
"""Exports are made in the morning."""


@dataclass(frozen=True)
class DemoSummary:
    """What was written.

    Attributes
    ----------
    files : dict of str to int
        Every file of the exports, as ``<source>/<name>``, with ``#member`` for a member of an archive, and its records.
    bad_rows : int
        How many of the records do not load or do not count.
    ends_on : date
        The last day of the company's history.
    """

    files: dict[str, int]
    bad_rows: int
    ends_on: date


def write_demo(
    con: "duckdb.DuckDBPyConnection", folder: Path, *, customers: int, seed: int, lines_per_order: float | None = None
) -> DemoSummary:
    """Simulate a company and write the exports of its systems, with the truth about them.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        A connection to compute with; the schemas ``company`` and ``exports`` in it are replaced, and removed again.
    folder : Path
        Gets ``landing/<source>/…`` and ``truth/…``, in place of what an earlier call has written there.
    customers : int
        How many people and accounts the company has.
    seed : int
        The same number makes the same bytes.
    lines_per_order : float, optional
        About how many goods are in an order, from 1 to 5; 1.8 by default.
    """
    from demo.company import LINES_PER_ORDER, simulate
    from demo.exports import SYSTEMS
    from demo.sheets import SCHEMA, settle
    from demo.truth import write_truth

    ends_on = date(2025, 12, 31)
    parameters = simulate(
        con, customers=customers, seed=seed, ends_on=ends_on, lines_per_order=lines_per_order or LINES_PER_ORDER
    )
    con.execute(f"drop schema if exists {SCHEMA} cascade")
    con.execute(f"create schema {SCHEMA}")
    landing, truth = folder / "landing", folder / "truth"
    settled: list[Settled] = []
    for system in SYSTEMS:
        shutil.rmtree(landing / system.SOURCE, ignore_errors=True)
        found = [settle(con, sheet, number, seed) for number, sheet in enumerate(system.sheets(con, ends_on))]
        found = [each for each in found if each.records]
        if found:
            _write_export(con, landing / system.SOURCE, found, system.SETTINGS, ends_on)
        settled += found
    shutil.rmtree(truth, ignore_errors=True)
    truth.mkdir(parents=True)
    identities = {system.SOURCE: system.identities(con) for system in SYSTEMS}
    bad_rows = write_truth(con, truth, settled=settled, identities=identities, parameters=asdict(parameters))
    con.execute(f"drop schema {SCHEMA} cascade")
    con.execute("drop schema company cascade")
    return DemoSummary({f"{each.sheet.source}/{each.sheet.file}": each.records for each in settled}, bad_rows, ends_on)


def _write_export(
    con: "duckdb.DuckDBPyConnection", folder: Path, settled: "list[Settled]", settings: str | None, ends_on: date
) -> None:
    """Write the files of one system."""
    from demo.files import Csv, write_archive, write_csv, write_workbook

    folder.mkdir(parents=True)
    if settings is not None:
        folder.joinpath("source.yml").write_text(settings, encoding="utf-8")
    morning = ends_on + timedelta(days=1)
    archives: dict[tuple[str, date], list[tuple[str, Path]]] = {}
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as desk:
        work = Path(desk)
        for number, each in enumerate(settled):
            archive, _, member = each.sheet.file.rpartition("#")
            target = work / f"{number}-{member}" if archive else folder / each.sheet.file
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(each.sheet.layout, Csv):
                with target.open("wb") as file:
                    write_csv(con, each.cells, list(each.sheet.cells), each.sheet.layout, file, work)
            else:
                made_at = datetime.combine(morning, _EARLY)
                write_workbook(con, each.cells, list(each.sheet.cells), each.sheet.layout, target, made_at)
            if archive:
                archives.setdefault((archive, each.sheet.packed_on or morning), []).append((member, target))
        for (name, packed_on), members in archives.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            write_archive(members, target, datetime.combine(packed_on, _EARLY))
