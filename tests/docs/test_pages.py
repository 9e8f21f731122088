"""What the pages say exists: links lead somewhere; commands, variables, tables and settings have their names."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from orchestration.cli import app
from rules.schema import json_schema
from sources.mapping import CODES

PROJECT = Path(__file__).resolve().parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
VARIABLE = re.compile(r"\bKEEPRATE_[A-Z_]+\b")
COMMAND = re.compile(r"(?:`|^)(?:\.venv/bin/)?keeprate ([a-z]+)", re.MULTILINE)
TARGET = re.compile(r"(?:`|^)make ([a-z-]+)", re.MULTILINE)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def code_files() -> Iterator[Path]:
    """What runs: Python, dbt's settings; neither tests nor the environment."""
    rooms = ("assets", "destinations", "expectations", "models", "orchestration", "rules", "sources", "warehouse")
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
    page = (PROJECT / "docs" / "add-a-source.md").read_text(encoding="utf-8")
    assert {code for code in (*CODES, "orphan_customer") if f"`{code}`" not in page} == set()


def test_the_yaml_examples_are_yaml() -> None:
    for page in PAGES:
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            assert isinstance(yaml.safe_load(block), dict)


def test_the_example_of_a_source_file_and_of_a_profile_are_valid() -> None:
    from sources.profiles import Profile, SourceSettings

    page = (PROJECT / "docs" / "add-a-source.md").read_text(encoding="utf-8")
    settings, profile = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    SourceSettings.model_validate(yaml.safe_load(settings))
    Profile.model_validate(yaml.safe_load(profile))


def test_both_readmes_link_to_the_same_pages() -> None:
    def pages(name: str) -> set[str]:
        return {link for link in LINK.findall((PROJECT / name).read_text(encoding="utf-8")) if link.startswith("docs/")}

    assert pages("README.md") == pages("README.zh-CN.md")
