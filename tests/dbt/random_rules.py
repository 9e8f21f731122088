"""Random business rules that are valid, and what they say of a customer, computed apart from the SQL they become.

Belongs here: drawing conditions, classes and RFM segments, and reading them in numpy with the three truth values of
SQL. Does not belong here: a test, or any SQL.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rules import Rules
from rules.document import read_document
from rules.metrics import Use, usable_in

if TYPE_CHECKING:
    from random import Random

    from numpy.typing import NDArray

DEFAULT_RULES = Path(__file__).resolve().parents[2] / "config" / "business.yml"
#: Figures to compare with, of the sizes that days, counts and amounts have.
NUMBERS = (-0.3, 0, 0.5, 1, 2, 3, 6, 9, 30, 45, 90, 180, 365, 100.5, 250, 1000)
#: Figures that differ between the customers of most companies, and are drawn more often than the others.
LIVELY = (
    "recency_days", "orders_total", "orders_365d", "orders_90d", "tenure_days", "days_since_created", "cadence_ratio",
    "net_revenue", "net_revenue_365d", "aov_365d", "clv_net_margin_basis", "active_days_90d", "interactions_90d",
    "nps_latest", "mrr", "days_to_renewal",
)  # fmt: skip
OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    ">=": np.greater_equal, ">": np.greater, "<=": np.less_equal, "<": np.less, "=": np.equal, "<>": np.not_equal,
}  # fmt: skip
MIRRORED = {">=": "<=", ">": "<", "<=": ">=", "<": ">"}

#: What is known of all customers by the names of conditions: numbers and truths with NaN, texts with None.
Known = Mapping[str, "NDArray[Any]"]
#: Of whom a condition is true, and of whom it is false; of the others it is unknown.
Truth = tuple["NDArray[np.bool_]", "NDArray[np.bool_]"]


@dataclass(frozen=True)
class Condition:
    """A condition as a person writes it, and of whom it holds."""

    text: str
    holds: Callable[[Known], Truth]


ALWAYS = Condition("default", lambda known: _told(np.full(_size(known), 1.0)))


@dataclass(frozen=True)
class RandomRules:
    """A rules file, and its classes in the order in which they are tried.

    Attributes
    ----------
    rules : Rules
        The rules; nobody has checked yet that they fit together.
    tiers, lifecycle, display_layer : list of (str, Condition)
        Id and condition; ``from_tier`` stands for the tier.
    schemes : dict of str to list of (str, Condition)
        The same for every scheme.
    tags : dict of str to list of (str, Condition)
        The same for every group of tags, without a default.
    """

    rules: Rules
    tiers: list[tuple[str, Condition]]
    lifecycle: list[tuple[str, Condition]]
    display_layer: list[tuple[str, Condition]]
    schemes: dict[str, list[tuple[str, Condition]]]
    tags: dict[str, list[tuple[str, Condition]]]


def first_that_holds(classes: Sequence[tuple[str, Condition]], known: Known) -> NDArray[Any]:
    """The id of the first class whose condition is true of each customer; None where none is."""
    found = np.full(_size(known), None, dtype=object)
    for name, condition in reversed(classes):
        found[condition.holds(known)[0]] = name
    return found


def _size(known: Known) -> int:
    return len(next(iter(known.values())))


def _told(values: NDArray[np.float64]) -> Truth:
    """The truth of a column of ones, zeros and NaN."""
    return values == 1, values == 0


class Drawer:
    """Draws rules; `draw` decides all of it."""

    def __init__(self, draw: Random) -> None:
        self.draw = draw
        self.document: dict[str, Any] = json.loads(_default_rules())

    def rules(self) -> RandomRules:
        """One rules file with other tiers, stages, layers, schemes, tags and RFM segments than the default."""
        draw = self.draw
        self.rfm_segments: list[str] = []
        self.document["rfm"] = self._rfm()
        tiers = self._classes("t", draw.randint(1, 5), Use.TIER, {})
        lifecycle = self._classes("l", draw.randint(1, 5), Use.STAGE, {})
        # Whoever calls a stage lost means those who are.
        if draw.random() < 0.5:
            lost = self._one(draw.choice(["churned", "is_contract_churned"]), Use.STAGE)
            narrower = self._condition(Use.STAGE, {}, depth=1)
            lifecycle.insert(0, ("churned", draw.choice([lost, _joined("and", lost, narrower)])))
        made = {"tier": [name for name, _ in tiers], "lifecycle_stage": [name for name, _ in lifecycle]}
        layers = [(name, each) for name, each in self._classes("d", draw.randint(0, 3), Use.LAYER, made)[:-1]]
        display_layer = [*layers, ("from_tier", ALWAYS)]
        if layers and draw.random() < 0.3:
            # The tier may also stand first, and the default be a layer of its own.
            display_layer = [("from_tier", layers[0][1]), *layers[1:], ("rest", ALWAYS)]
        shown = [name for name, _ in display_layer if name != "from_tier"]
        shown += made["tier"] if len(shown) < len(display_layer) else []
        made |= {"display_layer": shown, "rfm_segment": self.rfm_segments}
        schemes = {
            f"scheme{number}": self._classes("s", draw.randint(1, 4), Use.SEGMENT, made)
            for number in range(draw.randint(0, 3))
        }
        tags = {
            f"group{number}": self._classes(f"g{number}_", draw.randint(2, 4), Use.SEGMENT, made)[:-1]
            for number in range(draw.randint(0, 2))
        }
        labels = {"zh": "类", "en": "Class"}
        self.document |= {
            "tiers": [{"id": name, "when": each.text, "owner": "crm", **labels} for name, each in tiers],
            "lifecycle": [{"id": name, "when": each.text, **labels} for name, each in lifecycle],
            "display_layer": [
                {"id": name, "when": each.text} | ({} if name == "from_tier" else labels)
                for name, each in display_layer
            ],
            "segment_schemes": [
                {
                    "id": scheme,
                    "family": "value",
                    **labels,
                    "segments": [{"id": name, "when": each.text, **labels} for name, each in segments],
                }
                for scheme, segments in schemes.items()
            ],
            "tags": [
                {"id": name, "when": each.text, "group": group, **labels}
                for group, members in tags.items()
                for name, each in members
            ],
        }
        rules = Rules.model_validate_json(json.dumps(self.document))
        return RandomRules(rules, tiers, lifecycle, display_layer, schemes, tags)

    def _rfm(self) -> dict[str, Any]:
        """Scores of 2 to 7 bins, and segments of which each takes cells that no earlier one has."""
        draw = self.draw
        bins = draw.choice([2, 3, 4, 5, 5, 5, 7])
        rfm: dict[str, Any] = {"window_days": None, "method": "quantile", "bins": bins}
        if draw.random() < 0.3:
            rfm |= {"method": "fixed", "cuts": {}}
            for axis, most in (("recency", 400), ("frequency", 20), ("monetary", 3000)):
                rfm["cuts"][axis] = sorted(draw.sample(range(1, most), bins - 1))
        return rfm | {"segments": self.segments(bins, draw.randint(0, 9))}

    def segments(self, bins: int, most: int) -> list[dict[str, Any]]:
        """Up to so many segments and the default, each with cells of its own."""
        free = set(product(range(1, bins + 1), repeat=3))
        segments: list[dict[str, Any]] = []
        for number in range(most):
            axes = {
                axis: sorted(self.draw.sample(range(1, bins + 1), self.draw.randint(1, bins)))
                for axis in "rfm"
                if self.draw.random() < 0.7
            }
            taken = set(product(*(axes.get(axis, range(1, bins + 1)) for axis in "rfm")))
            if taken & free and free - taken:
                free -= taken
                segments.append({"id": f"m{number}", "zh": "段", "en": "Segment", "when": axes})
        segments.append({"id": "others", "zh": "其他", "en": "Others", "when": "default"})
        self.rfm_segments = [segment["id"] for segment in segments]
        return segments

    def _classes(
        self, prefix: str, number: int, use: Use, made: Mapping[str, list[str]]
    ) -> list[tuple[str, Condition]]:
        """So many classes with a condition each, and one for all others, in an order that is no order of ids."""
        ids = [f"{prefix}{each}" for each in range(number + 1)]
        self.draw.shuffle(ids)
        conditions = [self._condition(use, made, depth=2) for _ in range(number)]
        return list(zip(ids, [*conditions, ALWAYS], strict=True))

    def _condition(self, use: Use, made: Mapping[str, list[str]], *, depth: int) -> Condition:
        draw = self.draw
        if depth and draw.random() < 0.45:
            left, right = (self._condition(use, made, depth=depth - 1) for _ in range(2))
            return _joined(draw.choice(["and", "or"]), left, right)
        if depth and draw.random() < 0.15:
            return _denied(self._condition(use, made, depth=depth - 1))
        return self._single(use, made)

    def _single(self, use: Use, made: Mapping[str, list[str]]) -> Condition:
        draw = self.draw
        metrics = usable_in(use)
        numbers = sorted(name for name, metric in metrics.items() if metric.type in (int, float))
        texts = sorted({*made, "risk_level"} & set(metrics))
        way = draw.choice(["number", "number", "number", "rank", "truth", "null", "between", "ratio", "either", "text"])
        metric, other = (draw.choice(LIVELY if draw.random() < 0.7 else numbers) for _ in range(2))
        [sign] = draw.choices([*OPERATORS], [4, 4, 4, 4, 1, 1])
        number = draw.choice(NUMBERS)
        match way:
            case "rank":
                return _ranked(draw.choice(LIVELY), draw.choice(sorted(MIRRORED)), draw.choice([0.1, 0.5, 0.8, 0.95]))
            case "truth":
                return self._one(draw.choice(["churned", "has_contract", "is_annual_buyer", "is_paused"]), use)
            case "null":
                return _is_null(metric, draw.choice(["is null", "is not null"]))
            case "between":
                low, high = sorted(draw.sample(NUMBERS, 2))
                return _between(metric, low, high)
            case "ratio":
                # A whole multiple keeps both readings exact; nothing is divided by zero.
                return _scaled(metric, sign, draw.choice([2, 3]), other)
            case "either":
                return _either(metric, draw.choice(NUMBERS[1:]), sign, number)
            case "text" if texts:
                metric = draw.choice(texts)
                ids = list(made.get(metric, ("low", "medium", "high", "critical")))
                return _one_of(metric, draw.sample(ids, draw.randint(1, len(ids))))
            case _:
                return _compared(metric, sign, number)

    def _one(self, metric: str, use: Use) -> Condition:
        assert usable_in(use)[metric].type is bool
        return Condition(metric, lambda known: _told(known[metric]))


@cache
def _default_rules() -> str:
    """The default rules as text, of which each drawer takes its own copy."""
    return json.dumps(read_document(DEFAULT_RULES).value)


def _joined(word: str, left: Condition, right: Condition) -> Condition:
    def holds(known: Known) -> Truth:
        (true, false), (also_true, also_false) = left.holds(known), right.holds(known)
        return (true & also_true, false | also_false) if word == "and" else (true | also_true, false & also_false)

    return Condition(f"({left.text}) {word} ({right.text})", holds)


def _denied(inner: Condition) -> Condition:
    return Condition(f"not ({inner.text})", lambda known: inner.holds(known)[::-1])


def _where_known(values: NDArray[np.float64], answer: NDArray[np.bool_]) -> Truth:
    return answer & ~np.isnan(values), ~answer & ~np.isnan(values)


def _compared(metric: str, sign: str, number: float) -> Condition:
    return Condition(
        f"{metric} {sign} {number}",
        lambda known: _where_known(known[metric], OPERATORS[sign](known[metric], number)),
    )


def _scaled(metric: str, sign: str, times: int, other: str) -> Condition:
    def holds(known: Known) -> Truth:
        scaled = times * known[other]
        return _where_known(known[metric] + scaled, OPERATORS[sign](known[metric], scaled))

    return Condition(f"{metric} {sign} {times} * {other}", holds)


def _either(metric: str, instead: float, sign: str, number: float) -> Condition:
    def holds(known: Known) -> Truth:
        values = np.where(np.isnan(known[metric]), instead, known[metric])
        return _where_known(values, OPERATORS[sign](values, number))

    return Condition(f"coalesce({metric}, {instead}) {sign} {number}", holds)


def _between(metric: str, low: float, high: float) -> Condition:
    return Condition(
        f"{metric} between {low} and {high}",
        lambda known: _where_known(known[metric], (known[metric] >= low) & (known[metric] <= high)),
    )


def _is_null(metric: str, word: str) -> Condition:
    def holds(known: Known) -> Truth:
        is_null = np.isnan(known[metric])
        return (is_null, ~is_null) if word == "is null" else (~is_null, is_null)

    return Condition(f"{metric} {word}", holds)


def _ranked(metric: str, sign: str, share: float) -> Condition:
    """A comparison with a quantile of those of whom the figure is known, by numpy's own linear interpolation."""

    def holds(known: Known) -> Truth:
        values = known[metric]
        if np.isnan(values).all():
            return _told(values)
        return _where_known(values, OPERATORS[sign](values, np.nanquantile(values, share)))

    return Condition(f"pct({metric}) {sign} {share}", holds)


def _one_of(metric: str, ids: Sequence[str]) -> Condition:
    def holds(known: Known) -> Truth:
        is_one = np.isin(known[metric].astype(str), ids)
        is_known = pd.notna(known[metric])
        return is_one & is_known, ~is_one & is_known

    listed = ", ".join(f"'{each}'" for each in ids)
    return Condition(f"{metric} in ({listed})", holds)
