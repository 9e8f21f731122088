"""A child in the environment of ``pymc-marketing``: it fits that library's models to histories it is given.

Belongs here: how that library is asked. Does not belong here: anything of this project but the report, for its packages
are not installed there; judging the answers (``bayes.py``).
"""

from __future__ import annotations

import resource
import sys
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.measure import Report

#: Fits of each model: the first translates it to C and compiles that, the others find it compiled.
_FITS = 3
#: Its own priors expect parameters of a few units: its guide counts in weeks.
_DAYS_PER_WEEK = 7.0
_LETTERS = ("r", "alpha", "a", "b", "p", "q", "v")
_CLASSES = {"BG/NBD": "BetaGeoModel", "MBG/NBD": "ModifiedBetaGeoModel"}


def main(file: Path) -> None:
    """Answer for the histories of a file; arrays go into another one beside it."""
    warnings.simplefilter("ignore")
    report = Report(facts={"fits": {}, "import": 0.0})
    started = _processor_seconds()
    import pandas as pd
    from pymc_extras.prior import Prior
    from pymc_marketing import __version__, clv

    report.facts |= {"import": _processor_seconds() - started, "version": __version__}
    with np.load(file) as asked:
        names = ("customer_id", "frequency", "recency", "T", "monetary_value")
        frame = pd.DataFrame({name: asked[name] for name in names})
        weeks = float(asked["holdout_days"]) / _DAYS_PER_WEEK
    frame[["recency", "T"]] /= _DAYS_PER_WEEK
    arrays: dict[str, Any] = {}

    def fit(key: str, kind: str, priors: Any, data: Any) -> Any:
        took: list[float] = []
        while len(took) < _FITS:
            began = _processor_seconds()
            model = getattr(clv, kind)(model_config=priors)
            model.fit(data, method="map", progressbar=False)
            took.append(_processor_seconds() - began)
        found = model.fit_result.mean(("chain", "draw"))
        # Some of what it estimates are other words for these.
        parameters = {name: float(found[name]) for name in _LETTERS if name in found.data_vars}
        if "alpha" in parameters:
            parameters["alpha"] *= _DAYS_PER_WEEK
        report.facts["fits"][key] = {"first": took[0], "again": median(took[1:]), "parameters": parameters}
        return model

    for priors in ("own", "flat"):
        flat = {name: Prior("HalfFlat") for name in ("a", "b", "alpha", "r")} if priors == "flat" else None
        for name, kind in _CLASSES.items():
            key = f"{name}/{priors}"
            model = fit(key, kind, flat, frame)
            arrays[f"{key}/alive"] = np.asarray(model.expected_probability_alive(frame)).ravel()
            if weeks:
                arrays[f"{key}/expected"] = np.asarray(model.expected_purchases(frame, future_t=weeks)).ravel()
            if weeks and name == "BG/NBD":
                # The other one does not offer it.
                arrays[f"{key}/none"] = np.asarray(model.expected_probability_no_purchase(weeks, data=frame)).ravel()
    back = frame[(frame["frequency"] > 0) & (frame["monetary_value"] > 0)]
    fit("Gamma-Gamma/own", "GammaGammaModel", None, back)
    np.savez(file.with_suffix(".answers.npz"), **arrays)
    report.send()


def _processor_seconds() -> float:
    """User and system time of this process and of the compilers it has started."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in spent)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
