"""Opening a home for questions about its numbers: release, raw files, rules and models, brought together.

Belongs here: handing what each room knows to the others. Does not belong here: any of their work.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

    from rules import Rules
    from rules.document import Document
    from warehouse.build import FeedFiles
    from warehouse.explaining import Explainer
    from warehouse.home import Home

__all__ = ["Questions", "open_home"]


@dataclass(frozen=True)
class Questions:
    """A home that can be asked about its numbers.

    Attributes
    ----------
    explainer : Explainer
        Answers them.
    rules : Rules
        The business rules.
    config : Path
        Their file.
    document : Document
        Its content with the line of each setting.
    is_of_release : bool
        Whether the release was made by these very rules.
    labels : mapping of str to (str, str)
        The Chinese and the English name of what the rules and the catalogue name.
    units : mapping of str to str
        The unit of a figure.
    meanings : mapping of str to (str, str)
        Its formula in words, and its edge cases.
    """

    explainer: "Explainer"
    rules: "Rules"
    config: Path
    document: "Document"
    is_of_release: bool
    labels: Mapping[str, tuple[str, str]]
    units: Mapping[str, str]
    meanings: Mapping[str, tuple[str, str]]

    def column(self, metric: str) -> str:
        """What the tables call a figure that a rule or a person names; the table may stand before it."""
        from rules.metrics import CATALOGUE

        name = metric.rpartition(".")[2]
        return CATALOGUE[name].column if name in CATALOGUE else name

    def condition(self, place: tuple[str | int, ...]) -> str:
        """A condition as it is written in the rules file."""
        value = self.document.value
        for step in place:
            value = value[step]
        return str(value["when"])

    def line(self, place: tuple[str | int, ...]) -> int:
        """The line of a rule, by its place among those that are in force."""
        # Signals that are switched off are counted in the file and nowhere else.
        if place[:1] == ("signals",) and len(place) > 1:
            switched_on = [number for number, signal in enumerate(self.rules.signals) if signal.enabled]
            place = ("signals", switched_on[int(place[1])], *place[2:])
        return self.document.line(place)


@contextmanager
def open_home(home: Path, config: Path | None = None, key: str | None = None) -> Iterator[Questions]:
    """Open the served release of a home.

    Parameters
    ----------
    home : Path
        The home.
    config : Path, optional
        The business rules; by default those that the release was made with.
    key : str, optional
        The secret of the published ids, where it is not in the home.

    Raises
    ------
    RulesError, WarehouseError
        If the rules, the release or the raw files cannot be read.
    """
    from rules import dbt_vars, load
    from rules.document import read_document
    from rules.metrics import CATALOGUE
    from sources import catalog
    from warehouse.build import FeedFiles
    from warehouse.explained_figures import SEGMENT
    from warehouse.explaining import SIGNAL, open_explainer
    from warehouse.home import Home
    from warehouse.identifiers import existing_identifier_key, hmac_pads

    paths = Home(home)
    config = config or _rules_of_release(paths)
    rules = load(config)
    secret = existing_identifier_key(paths, key)

    def feeds(con: "duckdb.DuckDBPyConnection") -> "Mapping[str, FeedFiles]":
        found = catalog(con, raw=paths.raw, rejected=paths.rejected)
        return {name: FeedFiles(each.columns, each.files) for name, each in found.items()}

    def predict(fits: Mapping[str, Mapping[str, float]], occasions: int, recency: int, age: int) -> Mapping[str, Any]:
        return _predicted(fits, (occasions, recency, age), rules.churn.horizon_days, rules.clv.discount_rate_year)

    with open_explainer(
        paths, feeds, dbt_vars(rules), pads=None if secret is None else hmac_pads(secret), predict=predict
    ) as explainer:
        yield Questions(
            explainer,
            rules,
            config,
            read_document(config),
            is_of_release=explainer.release.manifest.get("config_hash") == rules.hash,
            labels={
                **{metric.column: (metric.zh, metric.en) for metric in CATALOGUE.values()},
                **{f"{SEGMENT}{scheme.id}": (scheme.zh, scheme.en) for scheme in rules.segment_schemes},
                **{f"{SIGNAL}{signal.id}": (signal.zh, signal.en) for signal in rules.signals},
            },
            units={metric.column: metric.unit for metric in CATALOGUE.values()},
            meanings={metric.column: (metric.formula, metric.edge_cases) for metric in CATALOGUE.values()},
        )


def _rules_of_release(home: "Home") -> Path:
    """The copy of the rules file that the served release holds."""
    from warehouse.errors import WarehouseError
    from warehouse.releases import current_release

    release = current_release(home)
    if release is None:
        raise WarehouseError(f"Nothing is published in {home.root} yet; run a night first.")
    if "config_file" not in release.manifest:
        raise WarehouseError(f"Release {release.seq} does not hold its rules; name their file with --config.")
    return release.path / str(release.manifest["config_file"])


def _predicted(
    fits: Mapping[str, Mapping[str, float]], history: tuple[int, int, int], horizon_days: int, rate: float
) -> dict[str, float]:
    """What the published churn model says of one purchase history."""
    from models.gamma_gamma import GammaGamma
    from models.mbg_nbd import ModifiedBetaGeoNBD
    from models.value import HORIZONS, value_states

    model = ModifiedBetaGeoNBD.from_params(**fits["mbg_nbd"])
    states = tuple([float(each)] for each in history)
    # Spend says nothing of how often somebody buys, and no percentile is asked for.
    spend = GammaGamma.from_params(p=1.0, q=2.0, v=1.0)
    value = value_states(model, spend, *states, discount_rate_year=rate, draws=1)
    quarter, year = HORIZONS.index(90.0), HORIZONS.index(365.0)
    return {
        "p_alive": float(model.probability_alive(*states)[0]),
        "p_no_purchase": float(model.probability_no_purchase(float(horizon_days), *states)[0]),
        "expected_orders_90d": float(value.expected_orders[0, quarter]),
        "expected_orders_365d": float(value.expected_orders[0, year]),
        "discounted_orders_90d": float(value.discounted_orders[0, quarter]),
        "discounted_orders_365d": float(value.discounted_orders[0, year]),
        "discounted_orders_365d_if_alive": float(value.discounted_orders_if_alive[0, year]),
    }
