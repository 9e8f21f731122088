"""The JSON Schema of the rules file: in step with the code, and a sentence for every setting."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rules import json_schema
from rules.metrics import CATALOGUE, RISK_LEVELS
from rules.schema import schema_text
from rules.wording import PATTERNS

ROOT = Path(__file__).parents[2]


def settings() -> Iterator[tuple[str, dict[str, Any]]]:
    schema = json_schema()
    for section in [schema, *schema["$defs"].values()]:
        for name, setting in section["properties"].items():
            reference = setting.get("$ref", "").rpartition("/")[2]
            yield f"{section['title']}.{name}", {**schema["$defs"].get(reference, {}), **setting}


def test_the_schema_file_is_in_step_with_the_code() -> None:
    stored = (ROOT / "config" / "business.schema.json").read_text(encoding="utf-8")

    assert stored == schema_text(), "run: python -m rules > config/business.schema.json"


@pytest.mark.parametrize(("name", "setting"), list(settings()))
def test_every_setting_has_a_sentence(name: str, setting: dict[str, Any]) -> None:
    sentence = setting.get("description", "")

    assert sentence.endswith(".")
    assert len(sentence.split()) >= 4


def patterns(part: Any) -> Iterator[str]:
    """Every pattern of a part of the schema, wherever it stands."""
    if isinstance(part, dict):
        if isinstance(part.get("pattern"), str):
            yield part["pattern"]
        for inner in part.values():
            yield from patterns(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from patterns(inner)


def test_every_pattern_has_words_and_no_words_are_left_over() -> None:
    found = set(patterns(json_schema()))

    assert len(found) > 4
    assert found == set(PATTERNS)
    assert all(PATTERNS.values())


def test_unknown_settings_are_refused_by_editors_too() -> None:
    schema = json_schema()

    assert all(part["additionalProperties"] is False for part in [schema, *schema["$defs"].values()])


def test_every_metric_is_explained_in_both_languages() -> None:
    for name, metric in CATALOGUE.items():
        assert metric.name == name
        assert metric.zh
        assert metric.en
        assert metric.sentence.endswith(".")
        assert metric.uses


def test_the_risk_levels_of_the_catalogue_are_those_of_the_file() -> None:
    levels = json_schema()["$defs"]["RiskLevels"]["properties"]

    assert ("low", *levels) == RISK_LEVELS
