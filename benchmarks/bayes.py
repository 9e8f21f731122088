"""``pymc-marketing`` in an environment of its own, asked the same questions about the same customers.

Belongs here: making that environment, and holding its answers against this project's. Does not belong here: how the
library is asked (``bayes_peer.py``); the other peer, which lives in the project's own environment (``peer.py``).

It brings a compiler of models and half a gigabyte with it, and packages that this project pins to other versions: so it
is no dependency, not even of the benchmarks. The environment is made on the first run and kept.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import venv
import warnings
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.libraries import MODELS, Floats, Forecaster, Histories, Keeprate
from benchmarks.measure import Report, run_child
from benchmarks.peer import fit_row, forecasts
from benchmarks.purchases import Case, cases

__all__ = ["PACKAGE", "PRIORS", "NotAvailableError", "PymcMarketing", "environment"]

PACKAGE = "pymc-marketing==0.19.2"
#: Longer than this nobody waits for packages.
_INSTALL_SECONDS = 900
_REPEATS = 3
#: Priors of the fits: as the library comes, and flat ones, with which the answer is the maximum of the likelihood.
PRIORS = {"pymc-marketing": "own", "pymc-marketing, flat priors": "flat"}


class NotAvailableError(Exception):
    """The library cannot be asked on this machine, and why."""


def environment(folder: Path) -> Path:
    """The interpreter of the library's own environment, which is made where it is missing.

    Parameters
    ----------
    folder : Path
        Where the environment is, or is to be.

    Raises
    ------
    NotAvailableError
        If it cannot be made, or the library does not import in it.
    """
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    try:
        if not python.exists():
            venv.create(folder, with_pip=True)
            _call(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE)
        _call(python, "-c", "import pymc_marketing.clv")
    except (OSError, subprocess.SubprocessError) as error:
        told = getattr(error, "stderr", None) or str(error)
        raise NotAvailableError(f"{PACKAGE} cannot be used from {folder}: {told.strip().splitlines()[-1]}") from error
    return python


def _call(python: Path, *arguments: str) -> None:
    subprocess.run([python, *arguments], check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS)


class PymcMarketing:
    """What the other environment has answered, behind the questions that every library is asked.

    A fitted model is its name and its priors.

    Parameters
    ----------
    name : str
    fits : dict
        Seconds and parameters of each fitted model.
    arrays : mapping of str to ndarray
        Figures per customer, by fitted model and name.
    """

    def __init__(self, name: str, fits: Mapping[str, dict[str, Any]], arrays: Mapping[str, Floats]) -> None:
        self.name, self._fits, self._arrays = name, fits, arrays

    def expected_purchases(self, when: str, days: float, histories: Histories) -> Floats:
        return self._arrays[f"{when}/expected"]

    def probability_alive(self, when: str, histories: Histories) -> Floats:
        return self._arrays[f"{when}/alive"]

    def probability_no_purchase(self, when: str, days: float, histories: Histories) -> Floats | None:
        return self._arrays.get(f"{when}/none")

    def parameters(self, model: str) -> dict[str, float]:
        return dict(self._fits[model]["parameters"])


def main(home: Path, python: str) -> None:
    """Compare on every case and report."""
    warnings.simplefilter("ignore")
    from warehouse.connection import connect

    report = Report(facts={"figures": [], "forecasts": []})
    with tempfile.TemporaryDirectory(prefix="keeprate-bayes-") as desk, connect() as con:
        # What it compiles lasts as long as the run, so that every run compiles it once.
        surroundings = {"PYTENSOR_FLAGS": f"base_compiledir={desk}/compiled"}
        for case in cases(home):
            with report.stage(case.name):
                ours = Keeprate(con, case.purchases)
                histories = ours.summarise(case.cut)
                file = Path(desk) / "histories.npz"
                columns = {name: getattr(histories, name) for name in ("frequency", "recency", "T", "monetary_value")}
                np.savez(file, customer_id=histories.customer, holdout_days=case.holdout_days, **columns)
                told = run_child("bayes_peer", str(file), environment=surroundings, python=python).facts
                with np.load(file.with_suffix(".answers.npz")) as found:
                    arrays = dict(found)
                figures, foretold = _compared(case, histories, ours, told["fits"], arrays)
                report.facts["figures"] += [{"case": case.name, **row} for row in figures]
                report.facts["forecasts"] += [{"case": case.name, **row} for row in foretold]
                report.facts |= {"import": told["import"], "version": told["version"]}
    report.send()


def _compared(
    case: Case, histories: Histories, ours: Keeprate, fits: dict[str, dict[str, Any]], arrays: dict[str, Floats]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of the two tables for one case."""
    theirs = [PymcMarketing(name, fits, arrays) for name in PRIORS]
    libraries: list[Forecaster] = [ours, *theirs]
    rows: list[dict[str, Any]] = []
    when: dict[str, dict[str, Any]] = {}
    for model in (*MODELS, "Gamma-Gamma"):
        took = []
        for _ in range(_REPEATS):
            began = time.process_time()
            mine = ours.fit_spend(histories) if model == "Gamma-Gamma" else ours.fit(model, histories)
            took.append(time.process_time() - began)
        # The priors of its spend model are flat as it comes.
        fitted = {name: f"{model}/{'own' if model == 'Gamma-Gamma' else priors}" for name, priors in PRIORS.items()}
        for order in ("first", "again"):
            seconds = {name: fits[key][order] for name, key in fitted.items()}
            rows.append({"figure": f"{model} fit, {order}: processor s", ours.name: median(took), **seconds})
        when[model] = {ours.name: mine, **fitted}
        likelihood = fit_row(model, when[model], histories, libraries)
        rows.append({"figure": f"{model}: log-likelihood", **{each.name: likelihood[each.name] for each in libraries}})
        estimates = {each.name: each.parameters(when[model][each.name]) for each in libraries}
        for letter in estimates[ours.name]:
            rows.append({"figure": f"{model}: {letter}", **{name: known[letter] for name, known in estimates.items()}})
    del when["Gamma-Gamma"]
    foretold = forecasts(case, when, histories, libraries) if case.holdout_days else []
    return [{"customers": len(histories.customer), **row} for row in rows], foretold


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
