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
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.events.base_types import EventMsg

__all__ = [
    "PROJECT_DIR",
    "BuildReport",
    "DbtProcess",
    "FailedTest",
    "TableNode",
    "TablesFailedError",
    "TestsFailedError",
]

PROJECT_DIR = Path(__file__).resolve().parents[1] / "dbt_project"
_STAMP = "parsed.json"
_RESULTS = {"LogModelResult", "LogSeedResult", "LogSnapshotResult", "LogTestResult"}
_LOG_LEVELS = {"info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_LOG_BYTES = 10 * 2**20


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
    is_warning: bool = False

    def sentence(self, found: str) -> str:
        """What failed and what to do, in one line."""
        return f"dbt test {self.name} {'warns' if self.is_warning else 'failed'}{found}: {self.protects}"


@dataclass(frozen=True)
class BuildReport:
    """What one build did: events for Dagster, the tests that said no or only warn, a sentence per failed table."""

    events: list[Any]
    failed_tests: list[FailedTest]
    warned_tests: list[FailedTest]
    failed_tables: list[str]


@dataclass(frozen=True)
class TableNode:
    """A table of the project: schema and name, what it reads, its tags; a source reads nothing."""

    relation: tuple[str, str]
    reads: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    is_view: bool = False


@dataclass(frozen=True)
class _Project:
    """A parsed project: as dbt itself holds it, and as Dagster reads it."""

    manifest: Manifest

    @cached_property
    def text(self) -> str:
        """The manifest as JSON; dbt's own way of writing it takes ten times as long."""
        from dbt_common.utils.encoding import JSONEncoder

        return json.dumps(
            self.manifest.writable_manifest().to_dict(omit_none=False, context={"artifact": True}), cls=JSONEncoder
        )


#: What this process has parsed, by the fingerprint of its files and rules: the steps of a night share one project.
_projects: dict[str, _Project] = {}


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
    parsed_by : DbtProcess, optional
        Another process whose parsed project is used. What refers to what does not depend on the rules, and parsing
        takes ten times as long as writing out the SQL by other rules.
    """

    target: Path
    variables: Mapping[str, Any]
    parsed_by: DbtProcess | None = None

    @property
    def manifest_file(self) -> Path:
        """The parsed project, for Dagster."""
        return self.target / "manifest.json"

    def ensure_manifest(self) -> Path:
        """Parse the project unless the manifest is of exactly these files and rules; return where it lies."""
        if not self.is_fresh():
            self.target.mkdir(parents=True, exist_ok=True)
            stamp = self.target / _STAMP
            # Whoever is interrupted while writing the manifest leaves none that passes for a fresh one.
            stamp.unlink(missing_ok=True)
            self.manifest_file.write_text(self._project().text, encoding="utf-8")
            stamp.write_text(self.fingerprint(), encoding="utf-8")
        return self.manifest_file

    def is_fresh(self) -> bool:
        """Whether the manifest on disk was parsed from exactly these files and rules."""
        stamp = self.target / _STAMP
        return (
            self.manifest_file.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == self.fingerprint()
        )

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
            results = self._invoke(arguments, self._project().manifest, keep)
        events = [
            event
            for raw in seen
            for event in DbtCoreCliEventMessage(raw_event=raw, event_history_metadata={}).to_default_asset_events(
                manifest, context=context, target_path=self.target
            )
        ]
        failed_tests = [_failed_test(each.node) for each in results if each.status == "fail"]
        warned_tests = [_failed_test(each.node) for each in results if each.status == "warn"]
        failed_tables = [_sentence(each) for each in results if each.status == "error"]
        return BuildReport(events, failed_tests, warned_tests, failed_tables)

    def compiled(self, unique_ids: Iterable[str]) -> dict[str, str]:
        """The SQL of these tables by these rules, by unique id; needs no database."""
        manifest = self._project().manifest
        names = [manifest.nodes[unique_id].name for unique_id in unique_ids]
        with _closing_database():
            results = self._invoke(["compile", *self._arguments(), "--select", *names], manifest)
        return {each.node.unique_id: each.node.compiled_code for each in results}

    def tables(self) -> dict[str, TableNode]:
        """Every table and source of the project, by unique id."""
        manifest = self._project().manifest
        models = {name: node for name, node in manifest.nodes.items() if node.resource_type == "model"}
        found = {
            name: TableNode(
                (node.schema, node.identifier),
                frozenset(node.depends_on.nodes),
                frozenset(node.config.tags),
                node.config.materialized == "view",
            )
            for name, node in models.items()
        }
        sources = {name: TableNode((node.schema, node.identifier)) for name, node in manifest.sources.items()}
        return found | sources

    def make(self, unique_ids: Iterable[str]) -> None:
        """Build these tables and nothing else, without tests.

        Raises
        ------
        TablesFailedError
            If one cannot be built.
        """
        manifest = self._project().manifest
        names = [manifest.nodes[unique_id].name for unique_id in unique_ids]
        with _closing_database():
            results = self._invoke(["run", *self._arguments(), "--select", *names], manifest)
        failed = [_sentence(each) for each in results if each.status == "error"]
        if failed:
            raise TablesFailedError("; ".join(failed))

    def _project(self) -> _Project:
        """The project of these files and rules, parsed where this process has not done so yet."""
        if self.parsed_by is not None:
            return self.parsed_by._project()
        fingerprint = self.fingerprint()
        if fingerprint not in _projects:
            _projects[fingerprint] = _Project(self._invoke(["parse", *self._arguments()]))
        return _projects[fingerprint]

    def _invoke(
        self,
        arguments: list[str],
        manifest: Manifest | None = None,
        callback: Callable[[EventMsg], None] | None = None,
    ) -> Any:
        from dbt.cli.main import dbtRunner

        with _log_into(self.target / "dbt.log") as log:
            runner = dbtRunner(manifest=manifest, callbacks=[log, callback] if callback else [log])
            # dbt would write the manifest anew at every step, and compose a line for each of its thousands of debug
            # events before it drops it: together a third of its time on a small shop.
            outcome = runner.invoke(
                [
                    *("--no-version-check", "--no-write-json", "--log-level", "none", "--log-level-file", "none"),
                    *arguments,
                ]
            )
        if outcome.exception is not None:
            raise TablesFailedError(" ".join(str(outcome.exception).split())) from outcome.exception
        return outcome.result

    def _arguments(self) -> list[str]:
        return [
            *("--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)),
            *("--target-path", str(self.target), "--log-path", str(self.target)),
            *("--vars", json.dumps(self.variables, ensure_ascii=False, sort_keys=True)),
        ]

    def fingerprint(self) -> str:
        """What names these files and rules: equal for equal ones only."""
        engine = f"{version('dbt-core')} {version('duckdb')} "
        digest = hashlib.sha256(engine.encode() + json.dumps(self.variables, sort_keys=True).encode())
        for file in sorted(PROJECT_DIR.rglob("*")):
            if file.suffix in {".sql", ".yml", ".md", ".csv"}:
                digest.update(str(file.relative_to(PROJECT_DIR)).encode() + file.read_bytes())
        return digest.hexdigest()


def _failed_test(node: Any) -> FailedTest:
    name, protects = node.name, " ".join(node.description.split())
    is_warning = node.config.severity.lower() == "warn"
    return FailedTest(
        name, protects or "see its query", node.compiled_code, list(node.config.meta.get("tells", [])), is_warning
    )


def _sentence(result: Any) -> str:
    """What could not be done, in one line."""
    node, message = result.node, " ".join((result.message or "").split())
    what = "evaluated" if node.resource_type == "test" else "built"
    return f"the {'dbt test' if what == 'evaluated' else 'table'} {node.name} could not be {what}: {message}"


@contextmanager
def _log_into(file: Path) -> Iterator[Callable[[EventMsg], None]]:
    """Keep what dbt tells people, a line each."""
    handler = RotatingFileHandler(file, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))

    def log(event: EventMsg) -> None:
        level = _LOG_LEVELS.get(event.info.level)
        if level is not None:
            handler.handle(logging.LogRecord("dbt", level, "", 0, event.info.msg, None, None))

    try:
        yield log
    finally:
        handler.close()


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
