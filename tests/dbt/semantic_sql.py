"""The SQL that a metric of a semantic model stands for, for tests: MetricFlow is not part of the project.

Covers what the project uses: simple, ratio and derived metrics, stocks that are read on the last day, groups by the
dimensions of the metric's own table. No joins and no filters.
"""

import re
from dataclasses import dataclass
from typing import Any

AGGREGATES = {
    "sum": "sum({})",
    "sum_boolean": "sum(case when {} then 1 else 0 end)",
    "count": "count({})",
    "count_distinct": "count(distinct {})",
    "average": "avg({})",
    "max": "max({})",
    "min": "min({})",
}


@dataclass(frozen=True)
class Semantics:
    """The semantic models and metrics of a manifest.

    Attributes
    ----------
    models : list of dict
        The semantic models, each with ``table`` for the model that it describes.
    metrics : dict of str to dict
        The metrics by name.
    """

    models: list[dict[str, Any]]
    metrics: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, manifest: dict[str, Any]) -> "Semantics":
        models = [
            model | {"table": model["refs"][0]["name"], "unique_id": model["depends_on"]["nodes"][0]}
            for model in manifest["semantic_models"].values()
        ]
        return cls(models, {metric["name"]: metric for metric in manifest["metrics"].values()})

    def inputs(self, name: str) -> list[str]:
        """The metrics that a metric is computed from, none for a simple one."""
        given = self.metrics[name]["type_params"]
        used = [given["numerator"], given["denominator"], *(given["metrics"] or [])]
        return [each["name"] for each in used if each]

    def measures(self, name: str) -> list[str]:
        """The measures that a metric is computed from."""
        measure = self.metrics[name]["type_params"]["measure"]
        return [measure["name"]] if measure else [part for each in self.inputs(name) for part in self.measures(each)]

    def model_of(self, measure: str) -> dict[str, Any]:
        """The semantic model that has a measure."""
        return next(model for model in self.models if any(each["name"] == measure for each in model["measures"]))

    def table_of(self, name: str) -> str:
        """The table that a metric is counted in."""
        (table,) = {str(self.model_of(measure)["table"]) for measure in self.measures(name)}
        return table

    def expression(self, name: str) -> str:
        """What a metric stands for in the select list of a query of its table."""
        metric = self.metrics[name]
        given = metric["type_params"]
        if given["measure"]:
            measure = given["measure"]["name"]
            return next(aggregate(each) for each in self.model_of(measure)["measures"] if each["name"] == measure)
        if metric["type"] == "ratio":
            top, bottom = (self.expression(given[part]["name"]) for part in ("numerator", "denominator"))
            return f"cast({top} as double) / nullif({bottom}, 0)"
        parts = {each: self.expression(each) for each in self.inputs(name)}
        return re.sub(r"\w+", lambda word: parts.get(word[0], word[0]), given["expr"])

    def query(self, name: str, *, by: tuple[str, ...] = (), schema: str = "marts") -> str:
        """The query of a metric, by columns of its table."""
        model = self.model_of(self.measures(name)[0])
        stock = next(
            (
                each["non_additive_dimension"]
                for each in model["measures"]
                if each["name"] in self.measures(name) and each["non_additive_dimension"]
            ),
            None,
        )
        source = f"{schema}.{model['table']}"
        keys = "".join(f'"{column}", ' for column in by)
        where = ""
        if stock and not by:
            day = next(expression(each) for each in model["dimensions"] if each["name"] == stock["name"])
            where = f" where {day} = (select max({day}) from {source})"
        return f"select {keys}{self.expression(name)} as {name} from {source}{where}{' group by all' if by else ''}"


def expression(element: dict[str, Any]) -> str:
    """What an entity, dimension or measure reads of its table."""
    return element["expr"] or element["name"]


def aggregate(measure: dict[str, Any]) -> str:
    """A measure, aggregated."""
    return AGGREGATES[measure["agg"]].format(expression(measure))
