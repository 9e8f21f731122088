"""What the pages say exists: links lead somewhere; commands, variables, tables and settings have their names."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from orchestration.cli import app
from rules.schema import json_schema
from sources.mapping import CODES
from sources.profiles import (
    ColumnSpec,
    Condition,
    Each,
    FeedSpec,
    FileSpec,
    FillDown,
    MatchSpec,
    Profile,
    ReadSpec,
    Value,
    known_profiles,
)
from sources.settings import ContractSettings, FileSettings, SourceSettings, Tolerance

PROJECT = Path(__file__).resolve().parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
VARIABLE = re.compile(r"\bKEEPRATE_[A-Z_]+\b")
COMMAND = re.compile(r"(?:`|^)(?:\.venv/bin/)?keeprate ([a-z]+)", re.MULTILINE)
TARGET = re.compile(r"(?:`|^)make ([a-z-]+)", re.MULTILINE)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def read(page: str) -> str:
    return (PROJECT / page).read_text(encoding="utf-8")


def names_of(part: type[BaseModel]) -> list[str]:
    """The keys of a mapping as they are written in a file."""
    return [entry.alias or name.removesuffix("_") for name, entry in part.model_fields.items()]


def code_files() -> Iterator[Path]:
    """What runs: Python, dbt's settings; neither tests nor the environment."""
    rooms = (
        "assets",
        "demo",
        "destinations",
        "expectations",
        "models",
        "orchestration",
        "rules",
        "sources",
        "warehouse",
    )
    for room in rooms:
        yield from (PROJECT / room).rglob("*.py")
    yield from (PROJECT / "dbt_project").glob("*.yml")


@every_page
def test_relative_links_lead_to_a_file(page: Path) -> None:
    targets = [link.partition("#")[0] for link in LINK.findall(page.read_text(encoding="utf-8")) if ":" not in link]
    missing = [target for target in targets if target and not (page.parent / target).exists()]
    assert not missing


@every_page
def test_no_link_is_absolute(page: Path) -> None:
    assert not [link for link in LINK.findall(page.read_text(encoding="utf-8")) if link.startswith("/")]


@every_page
def test_commands_exist(page: Path) -> None:
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    known |= {group.name for group in app.registered_groups if group.name}
    assert set(COMMAND.findall(page.read_text(encoding="utf-8"))) <= known


@every_page
def test_make_targets_exist(page: Path) -> None:
    known = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(TARGET.findall(page.read_text(encoding="utf-8"))) <= known


def test_variables_are_documented_and_exist() -> None:
    used = {name for file in code_files() for name in VARIABLE.findall(file.read_text(encoding="utf-8"))}
    named = {name for page in PAGES for name in VARIABLE.findall(page.read_text(encoding="utf-8"))}
    operate = set(VARIABLE.findall((PROJECT / "docs" / "operate.md").read_text(encoding="utf-8")))
    assert named <= used
    assert used <= operate


def test_every_published_table_is_listed() -> None:
    page = (PROJECT / "docs" / "connect-bi.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([a-z_0-9]+)` \|", page, re.MULTILINE))
    built = {model.stem for model in (PROJECT / "dbt_project" / "models" / "marts").rglob("*.sql")}
    # These two are written by the release step.
    assert listed == built | {"gate_results", "release"}


def test_every_setting_of_the_rules_is_explained() -> None:
    page = (PROJECT / "docs" / "change-a-rule.md").read_text(encoding="utf-8")
    schema = json_schema()
    settings = {name for part in (schema, *schema["$defs"].values()) for name in part.get("properties", {})}
    # Axes of scores and parts of an action are explained by the setting they belong to.
    settings -= {"r", "f", "m", "code"}
    assert {name for name in settings if not re.search(rf"\b{name}\b", page)} == set()


def test_every_rejection_code_is_explained() -> None:
    page = read("docs/add-a-crm.md")
    assert {code for code in (*CODES, "orphan_customer") if f"`{code}`" not in page} == set()


def test_every_setting_of_a_source_is_explained() -> None:
    rows = re.findall(r"^\| (`.+?`) \|", read("docs/add-a-crm.md"), re.MULTILINE)
    explained = {name for cell in rows for name in re.findall(r"`(\w+)`", cell)}
    assert set(SourceSettings.model_fields) <= explained
    parts = [*names_of(FileSettings), *names_of(ContractSettings), *names_of(Tolerance)]
    assert {name for name in parts if not re.search(rf"\b{name}\b", read("docs/add-a-crm.md"))} == set()


@pytest.mark.parametrize(
    "part", [Profile, FileSpec, MatchSpec, ColumnSpec, FeedSpec, Each, Value, Condition, ReadSpec, FillDown]
)
def test_every_key_of_a_profile_is_explained(part: type[BaseModel]) -> None:
    page = read("docs/profile-reference.md")
    assert {name for name in names_of(part) if f"`{name}`" not in page and f"`{name}:" not in page} == set()


def test_every_system_that_loads_is_listed() -> None:
    listed = set(re.findall(r"^\| `(\w+)`", read("docs/add-a-crm.md"), re.MULTILINE))
    assert set(known_profiles()) <= listed


def test_the_yaml_examples_are_yaml() -> None:
    for page in PAGES:
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            assert isinstance(yaml.safe_load(block), dict)


def test_both_readmes_link_to_the_same_pages() -> None:
    def pages(name: str) -> set[str]:
        return {link for link in LINK.findall((PROJECT / name).read_text(encoding="utf-8")) if link.startswith("docs/")}

    assert pages("README.md") == pages("README.zh-CN.md")
