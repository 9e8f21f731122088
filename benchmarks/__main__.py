"""``python -m benchmarks``: run every measurement once and show the tables.

Belongs here: the order of the measurements. Does not belong here: a measurement.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import AS_OF, EXPORT, SOURCE
from benchmarks.bayes import PRIORS, NotAvailableError, environment
from benchmarks.floor import compare
from benchmarks.landing import PEERS
from benchmarks.measure import ChildRun, run_child
from benchmarks.million import PEERS as MILLION
from benchmarks.scale import measure_scale
from benchmarks.tables import (
    Table,
    bayes_table,
    churn_table,
    fit_table,
    floor_table,
    forecast_table,
    identity_table,
    landing_table,
    markdown,
    million_table,
    night_table,
    print_table,
    ratio_table,
    scale_table,
    seconds_table,
)

#: Not among this project's packages, and larger than all of them.
PYMC = Path(sys.prefix) / "pymc-marketing"
RESULTS = Path(__file__).with_name("results.md")
_FLOORS = 3
_LANDINGS = 3
#: On matrices of four by four, more threads than one only wait for each other, the longer the busier the machine is.
_ONE_BLAS_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_PACKAGES = ("dagster", "dbt-core", "duckdb", "great-expectations", "numpy", "scipy", "pandas", "lifetimes")


def main(
    write: Annotated[bool, typer.Option("--write", help=f"Also write the tables to {RESULTS.name}.")] = False,
    customers: Annotated[int, typer.Option(min=100, help="Of the simulated company; 20 order lines each.")] = 100_000,
    only_scale: Annotated[bool, typer.Option("--only-scale", help="Measure the simulated company alone.")] = False,
    pymc: Annotated[Path, typer.Option(help="Environment of pymc-marketing; made where it is missing.")] = PYMC,
) -> None:
    """Measure a night against its floor, and the models against a peer."""
    console = Console(highlight=False, width=None if Console().is_terminal else 140)
    console.print(surroundings(), soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="keeprate-bench-") as folder:
        tables = [] if only_scale else measure(Path(folder), console, pymc)
        tables.append(scale_table(measure_scale(Path(folder) / "company", customers)))
        print_table(console, tables[-1])
    if write:
        RESULTS.write_text(
            "\n".join([f"# Results of one run\n\n{surroundings()}\n", *map(markdown, tables)]), encoding="utf-8"
        )
        console.print(f"Written to {RESULTS.name}.")


def measure(folder: Path, console: Console, pymc: Path) -> list[Table]:
    """Run every measurement in a folder of its own, and print each table as soon as it is known."""
    tables: list[Table] = []

    def show(table: Table) -> None:
        tables.append(table)
        print_table(console, table)

    home = folder / "home"
    landing = home / "landing" / SOURCE
    landing.mkdir(parents=True)
    shutil.copy(EXPORT, landing)
    first, again = (run_child("night", str(home)) for _ in range(2))
    show(night_table(first, again))
    floors = [_floor(home, folder / f"floor-{number}") for number in range(_FLOORS)]
    show(floor_table(floors, *compare(home, folder / "floor-0")))
    show(ratio_table(first, again, floors))
    compared = run_child("peer", str(home), environment=_ONE_BLAS_THREAD).facts
    show(seconds_table(compared["seconds"]))
    show(fit_table(compared["fits"]))
    show(forecast_table(compared["forecasts"]))
    for table in _bayes(home, pymc, console):
        show(table)
    show(million_table(*(run_child("million", which, environment=_ONE_BLAS_THREAD) for which in MILLION)))
    show(churn_table(_churn(home, folder / "churn")))
    show(identity_table(run_child("identity")))
    show(_landing(folder))
    return tables


def _bayes(home: Path, pymc: Path, console: Console) -> list[Table]:
    """Ask the library in an environment of its own, or say why it cannot be asked."""
    try:
        python = environment(pymc)
    except NotAvailableError as error:
        console.print(f"Not compared with pymc-marketing: {error}", soft_wrap=True)
        return []
    facts = run_child("bayes", str(home), str(python), environment=_ONE_BLAS_THREAD).facts
    return [bayes_table(facts, list(PRIORS)), forecast_table(facts["forecasts"], "pymc-marketing")]


def _landing(folder: Path) -> Table:
    """Land one large file, and let DuckDB alone read it."""
    file = folder / "large" / "landing" / "shop" / "order_lines_2025-01-01.csv"
    run_child("landing", "make", str(file))
    runs: dict[str, list[ChildRun]] = {what: [] for what in ("keeprate", *PEERS)}
    for _ in range(_LANDINGS):
        for what, done in runs.items():
            work = folder / "large" / what
            done.append(run_child("landing", what, str(file), str(work)))
            shutil.rmtree(work)
    ours = runs.pop("keeprate")
    return landing_table(ours, {PEERS[what]: done for what, done in runs.items()}, file.stat().st_size)


def surroundings() -> str:
    """On what the figures were measured: they mean nothing without."""
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{date.today()}, as of {AS_OF}, {os.cpu_count()} processors, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {versions}."
    )


def _churn(home: Path, work: Path) -> ChildRun:
    work.mkdir()
    run = run_child("churn", str(home), str(work), environment=_ONE_BLAS_THREAD)
    shutil.rmtree(work)
    return run


def _floor(home: Path, work: Path) -> ChildRun:
    work.mkdir()
    return run_child("floor", str(home), str(work))


if __name__ == "__main__":
    typer.run(main)
