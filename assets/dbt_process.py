"""How dbt is started: in this process, from one parsed project.

Belongs here: parsing, building, translating dbt's events, and the private names this needs. Does not belong
here: which tables are built when.

``DbtCliResource`` is the documented way. It starts a process per call and asks a package index for its
version, which costs a night ten
seconds and a network attempt; dbt's own ``dbtRunner`` costs neither. What is private in it stands in this
module alone, guarded by
``tests/assets/test_dbt_process.py``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.events.base_types import EventMsg

__all__ = ["PROJECT_DIR", "BuildReport", "DbtProcess", "FailedTest", "TablesFailedError", "TestsFailedError"]

PROJECT_DIR = Path(__file__).resolve().parents[1] / "dbt_project"
_STAMP = "parsed.json"
_RESULTS = {"LogModelResult", "LogSeedResult", "LogSnapshotResult", "LogTestResult"}


class TestsFailedError(Exception):
    """A dbt test said no; nothing is wrong with the program."""

    # pytest collects classes whose names begin with Test.
    __test__ = False


class TablesFailedError(Exception):
    """A table could not be built."""


@dataclass(frozen=True)
class FailedTest:
    """A test that found rows: its name, what it protects, its query, and the columns a message may quote."""

    name: str
    protects: str
    query: str
    tells: list[str]

    def sentence(self, found: str) -> str:
        """What failed and what to do, in one line."""
        return f"dbt test {self.name} failed{found}: {self.protects}"


@dataclass(frozen=True)
class BuildReport:
    """What one build did: events for Dagster, the tests that said no, a sentence per table that failed."""

    events: list[Any]
    failed_tests: list[FailedTest]
    failed_tables: list[str]


@dataclass(frozen=True)
class DbtProcess:
    """dbt for one home and one set of rules.

    Parameters
    ----------
    target : Path
        Folder for the manifest, compiled SQL and logs; it stays the same from night to night, because a
        changed path costs a full parse.
    variables : mapping
        What dbt receives as ``--vars``: the business rules, which change rarely.
    """

    target: Path
    variables: Mapping[str, Any]

    @property
    def manifest_file(self) -> Path:
        """The parsed project, for Dagster."""
        return self.target / "manifest.json"

    def ensure_manifest(self) -> Path:
        """Parse the project unless the manifest is of exactly these files and rules; return where it lies."""
        if not self.is_fresh():
            _ = self.manifest
        return self.manifest_file

    def is_fresh(self) -> bool:
        """Whether the manifest on disk was parsed from exactly these files and rules."""
        stamp = self.target / _STAMP
        return (
            self.manifest_file.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == self._fingerprint()
        )

    @cached_property
    def manifest(self) -> Manifest:
        """The parsed project, as dbt itself holds it."""
        self.target.mkdir(parents=True, exist_ok=True)
        result = self._invoke(["parse", *self._arguments()])
        (self.target / _STAMP).write_text(self._fingerprint(), encoding="utf-8")
        return result

    def build(self, context: dg.AssetExecutionContext, *, select: str, is_last: bool) -> BuildReport:
        """Build and test the selected tables.

        A test that needs tables of two steps is run by the last: by then every table stands. Before that, a
        test is run only where all its tables are selected or stand upstream.

        Unit tests are left to ``make test``: they test formulas, which do not change at night.
        """
        from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
        from google.protobuf.json_format import MessageToDict

        manifest = json.loads(self.manifest_file.read_text(encoding="utf-8"))
        seen: list[dict[str, Any]] = []

        def keep(event: EventMsg) -> None:
            if event.info.name in _RESULTS:
                seen.append(MessageToDict(event, preserving_proto_field_name=True))

        arguments = ["build", *self._arguments(), "--select", select]
        arguments += ["--exclude-resource-type", "unit_test"]
        arguments += ["--indirect-selection", "eager" if is_last else "buildable"]
        with _closing_database():
            results = self._invoke(arguments, keep)
        events = [
            event
            for raw in seen
            for event in DbtCoreCliEventMessage(raw_event=raw, event_history_metadata={}).to_default_asset_events(
                manifest, context=context, target_path=self.target
            )
        ]
        failed_tests = [_failed_test(each.node) for each in results if each.status == "fail"]
        failed_tables = [_sentence(each) for each in results if each.status == "error"]
        return BuildReport(events, failed_tests, failed_tables)

    def _invoke(self, arguments: list[str], callback: Any = None) -> Any:
        from dbt.cli.main import dbtRunner

        parsing = arguments[0] == "parse"
        runner = dbtRunner(manifest=None if parsing else self.manifest, callbacks=[callback] if callback else [])
        outcome = runner.invoke(["--no-version-check", "--log-level", "none", "--log-level-file", "info", *arguments])
        if outcome.exception is not None:
            raise TablesFailedError(" ".join(str(outcome.exception).split())) from outcome.exception
        return outcome.result

    def _arguments(self) -> list[str]:
        return [
            *("--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)),
            *("--target-path", str(self.target), "--log-path", str(self.target)),
            *("--vars", json.dumps(self.variables, ensure_ascii=False, sort_keys=True)),
        ]

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(json.dumps(self.variables, sort_keys=True).encode())
        for file in sorted(PROJECT_DIR.rglob("*")):
            if file.suffix in {".sql", ".yml", ".md", ".csv"}:
                digest.update(str(file.relative_to(PROJECT_DIR)).encode() + file.read_bytes())
        return digest.hexdigest()


def _failed_test(node: Any) -> FailedTest:
    name, protects = node.name, " ".join(node.description.split())
    return FailedTest(name, protects or "see its query", node.compiled_code, list(node.config.meta.get("tells", [])))


def _sentence(result: Any) -> str:
    """What could not be done, in one line."""
    node, message = result.node, " ".join((result.message or "").split())
    what = "evaluated" if node.resource_type == "test" else "built"
    return f"the {'dbt test' if what == 'evaluated' else 'table'} {node.name} could not be {what}: {message}"


@contextmanager
def _closing_database() -> Iterator[None]:
    """Close the database that dbt keeps open while the process lives: nobody here could open it otherwise."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    try:
        yield
    finally:
        environment = DuckDBConnectionManager._ENV
        if environment is not None:
            environment.close()
            DuckDBConnectionManager._ENV = None
