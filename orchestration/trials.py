"""What other rules would make of a home's customers: the same steps as a night's, in a folder that nothing reads.

Belongs here: which tables a change of rules touches, building them aside, and the answers to ``keeprate rules``. Does
not belong here: any step of a night, the comparison itself (``warehouse``), or how it is printed (``console.py``).

A trial starts from the tables of the last night. Only what follows from the change is built again, by the very models
and by the very Python steps that a night would use; so what it says is what the next night does.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from warehouse.build import replace_table
from warehouse.comparing import Backtest, Move, backtest, copy_relations, day_of, moves_between
from warehouse.connection import connect, quote_name
from warehouse.home import Home

if TYPE_CHECKING:
    from assets.dbt_process import DbtProcess
    from expectations import Limits
    from rules import Rules

__all__ = ["Comparison", "Label", "Preview", "compare", "preview"]

_HOME: Final = "KEEPRATE_HOME"
MEMORY_LIMIT: Final = "4GB"
#: What is compared, and what it takes to compare it.
_TARGETS: Final = frozenset({"customer_360", "customer_classes", "list_members"})
#: Days after the day of a back-test whose revenue and losses count.
BACKTEST_DAYS: Final = 90
#: What Python writes between the steps of dbt: the sources of its schema, and the tables that they are made of.
PYTHON_STEPS: Final[Mapping[str, frozenset[str]]] = {
    "identity": frozenset({"identity_edges", "identity_decisions"}),
    "predictions": frozenset(
        {"btyd_states", "churn_outcomes", "contract_terms", "customer_occasions", "customer_snapshots"}
    ),
}
#: The rules that these steps read by themselves.
_RULES_OF_STEPS: Final = {
    "identity": ("identity_max_records_per_customer",),
    "predictions": ("churn_horizon_days", "discount_rate_year"),
}
#: What was published before, which the scores are held against: no table of dbt reads it.
_PREVIOUS_SCORES: Final = [("run", "previous_churn_scores"), ("run", "previous_score_facts")]
#: How the exports are read depends on these, so that tables alone cannot tell what a change does.
_READING: Final = {"time_zone": "business.time_zone", "base_currency": "business.base_currency"}


class Label(NamedTuple):
    """What something is called by Chinese and by English readers."""

    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.zh} · {self.en}"


@dataclass(frozen=True)
class Preview:
    """Who would be classed otherwise.

    Attributes
    ----------
    as_of : date
        The day of the last night.
    before, after : str
        Hashes of the rules of that night and of those that were tried.
    variables : tuple of mapping
        What both sets of rules are to the SQL models: for labels.
    moves : list of Move
        Every pair of classes, those who stay included.
    rebuilt : int
        How many tables were built again.
    """

    as_of: date
    before: str
    after: str
    variables: tuple[Mapping[str, Any], Mapping[str, Any]]
    moves: list[Move]
    rebuilt: int

    @property
    def axes(self) -> list[str]:
        """Everything that customers are classed by, as in :attr:`warehouse.comparing.Move.axis`."""
        return list(dict.fromkeys(move.axis for move in self.moves))

    def moved(self, axis: str) -> list[Move]:
        """Those who would be classed otherwise, the largest groups first."""
        moved = [move for move in self.moves if move.axis == axis and move.before != move.after]
        return sorted(moved, key=lambda move: -move.customers)

    def axis_label(self, axis: str) -> Label:
        """What an axis is called."""
        return _axis_label(axis, self.variables[1]) or _axis_label(axis, self.variables[0]) or Label(axis, axis)

    def class_label(self, axis: str, name: str | None) -> Label:
        """What a class is called; by the later rules, where both know it."""
        if name is None:
            return Label("无", "none")
        labels = _class_labels(axis, self.variables[0]) | _class_labels(axis, self.variables[1])
        return labels.get(name, Label(name, name))

    def as_json(self) -> dict[str, Any]:
        """The preview as plain values."""
        return {
            "as_of": self.as_of.isoformat(),
            "rules_before": self.before,
            "rules_after": self.after,
            "axes": [
                {
                    "axis": axis,
                    **self.axis_label(axis)._asdict(),
                    "moved_customers": sum(move.customers for move in self.moved(axis)),
                    "moves": [
                        {
                            "from": move.before,
                            "from_label": self.class_label(axis, move.before)._asdict(),
                            "to": move.after,
                            "to_label": self.class_label(axis, move.after)._asdict(),
                            "customers": move.customers,
                            "net_revenue_365d": move.net_revenue_365d,
                            "gross_margin_365d": move.gross_margin_365d,
                        }
                        for move in self.moves
                        if move.axis == axis
                    ],
                }
                for axis in self.axes
            ],
        }


@dataclass(frozen=True)
class Comparison:
    """Two sets of rules on the same customers.

    Attributes
    ----------
    preview : Preview
        Who would be classed otherwise by the second than by the first, tonight.
    backtest_on : date
        The earlier day from which both were tried.
    backtest_days : int
        How many days after it count.
    backtests : tuple of list of Backtest
        What the customers of each class did next, by the first and by the second rules.
    """

    preview: Preview
    backtest_on: date
    backtest_days: int
    backtests: tuple[list[Backtest], list[Backtest]]

    def as_json(self) -> dict[str, Any]:
        """The comparison as plain values."""
        return {
            **self.preview.as_json(),
            "backtest_on": self.backtest_on.isoformat(),
            "backtest_days": self.backtest_days,
            "backtests": [
                {"rules": rules, **asdict(row), "label": self.preview.class_label(row.axis, row.name)._asdict()}
                for rules, rows in zip((self.preview.before, self.preview.after), self.backtests, strict=True)
                for row in rows
            ],
        }


def preview(home: Path, rules: Rules) -> Preview:
    """Try rules on the tables of the last night.

    Raises
    ------
    orchestration.cli.MisuseError
        If there is no published night to start from, or the change needs the exports to be read again.
    warehouse.errors.LockHeld
        If a run works on the home.
    """
    with _workshop(home, rules) as shop:
        after = shop.build(_Version.of(rules), shop.start)
        return Preview(
            as_of=shop.start.as_of,
            before=shop.start.version.config_hash,
            after=rules.hash,
            variables=(shop.start.version.variables, after.version.variables),
            moves=moves_between(shop.start.file, after.file),
            rebuilt=shop.rebuilt,
        )


def compare(home: Path, first: Rules, second: Rules) -> Comparison:
    """Try two sets of rules on the tables of the last night, and on those of an earlier day; as :func:`preview`."""
    with _workshop(home, first, second) as shop:
        versions = _Version.of(first), _Version.of(second)
        earlier = shop.start.as_of - timedelta(days=BACKTEST_DAYS)
        one = shop.build(versions[0], shop.start)
        other = shop.build(versions[1], one)
        told = Preview(
            as_of=shop.start.as_of,
            before=first.hash,
            after=second.hash,
            variables=(one.version.variables, other.version.variables),
            moves=moves_between(one.file, other.file),
            rebuilt=shop.rebuilt,
        )
        one_earlier = shop.build(versions[0], shop.start, as_of=earlier)
        other_earlier = shop.build(versions[1], one_earlier, as_of=earlier)
        results = tuple(
            backtest(each.file, shop.start.file, days=BACKTEST_DAYS) for each in (one_earlier, other_earlier)
        )
        return Comparison(told, earlier, BACKTEST_DAYS, (results[0], results[1]))


_RISK_LABELS: Final = {
    "low": Label("低", "low"),
    "medium": Label("中", "medium"),
    "high": Label("高", "high"),
    "critical": Label("极高", "critical"),
}
_ON_LIST: Final = {"on_list": Label("在名单上", "on the list")}


def _axis_label(axis: str, variables: Mapping[str, Any]) -> Label | None:
    from rules.metrics import CATALOGUE

    if axis in CATALOGUE:
        return Label(CATALOGUE[axis].zh, CATALOGUE[axis].en)
    kind, _, name = axis.partition("_")
    if kind == "tag":
        return Label(f"标签 {name}", f"Tags {name}")
    named = {"segment": variables["segment_schemes"], "list": variables["lists"]}.get(kind, ())
    return next((Label(each["zh"], each["en"]) for each in named if each["id"] == name), None)


def _class_labels(axis: str, variables: Mapping[str, Any]) -> dict[str, Label]:
    kind, _, name = axis.partition("_")
    if axis == "risk_level":
        return _RISK_LABELS
    if kind == "list":
        return _ON_LIST
    scheme = next((each for each in variables["segment_schemes"] if axis == f"segment_{each['id']}"), None)
    classes = {
        "tier": variables["tiers"],
        "lifecycle_stage": variables["lifecycle"],
        "display_layer": [*variables["tiers"], *variables["display_layer"]],
        "rfm_segment": variables["rfm_segments"],
    }.get(axis) or (scheme["segments"] if scheme else [tag for tag in variables["tags"] if tag["group"] == name])
    return {each["id"]: Label(each["zh"] or each["id"], each["en"] or each["id"]) for each in classes}


@dataclass(frozen=True)
class _Version:
    """Rules as far as tables follow from them; without the rules themselves for those of a night."""

    config_hash: str
    variables: Mapping[str, Any]
    rules: Rules | None = None

    @classmethod
    def of(cls, rules: Rules) -> _Version:
        from rules import dbt_vars

        # By way of JSON, in which a night keeps them: equal rules are then equal.
        return cls(rules.hash, json.loads(json.dumps(dbt_vars(rules))), rules)


@dataclass(frozen=True)
class _Build:
    """A build file of some rules and a day; what it does not hold itself is that of the build it came from."""

    file: Path
    version: _Version
    as_of: date
    origin: _Build | None = None
    own: frozenset[str] = frozenset()

    def holding(self, unique_id: str) -> Path:
        """The file in which a table is to be read."""
        if self.origin is None or unique_id in self.own:
            return self.file
        return self.origin.holding(unique_id)


class _Workshop:
    """The tables of one home, and a folder in which to build them by other rules."""

    def __init__(self, folder: Path, start: _Build, process: DbtProcess) -> None:
        self.start = start
        self.rebuilt = 0
        self._folder = folder
        self._process = process
        self._tables = process.tables()
        self._sources = {name for name in self._tables if name.startswith("source.")}
        self._models = set(self._tables) - self._sources
        self._wanted = self._upstream_of(self._named(_TARGETS))
        self._compiled: dict[str, dict[str, str]] = {}
        self._builds = 0

    def build(self, version: _Version, origin: _Build, as_of: date | None = None) -> _Build:
        """Build what follows from other rules, or another day, than those of `origin`."""
        from assets.night import step

        self._builds += 1
        folder = self._folder / f"build-{self._builds}"
        file = Home(folder).build_file
        file.parent.mkdir(parents=True)
        made = _Build(file, version, as_of or origin.as_of, origin)
        stale = self._stale(made, origin)
        models = stale & self._wanted & self._models
        inputs = {parent for name in models for parent in self._tables[name].reads}
        # A step of Python reads tables, too: those that the change did not touch are taken over for it.
        for step_name in self._steps_of(stale):
            inputs |= self._named(PYTHON_STEPS.get(step_name, frozenset()))
        inputs -= stale
        # Whoever compares reads these, whether the change touched them or not.
        compared = self._named(_TARGETS | {"customer_snapshots"})
        with step(f"rules {version.config_hash[:8]} as of {made.as_of}", "tables") as done:
            self._copy(made, (inputs | compared) - models)
            copy_relations(self.start.file, file, _PREVIOUS_SCORES)
            self._set_run(made, stale)
            with _environment(folder):
                self._make(made, models, stale)
            done["count"] = len(models)
        self.rebuilt += len(models)
        return replace(made, own=frozenset(stale))

    def _stale(self, made: _Build, origin: _Build) -> set[str]:
        """Tables and sources that are not as in `origin`."""
        old, new = origin.version, made.version
        before, after = self._sql(old), self._sql(new)
        stale = {name for name in before if before[name] != after[name]}
        stale |= {name for name in self._sources if self._is_changed(name, made, origin)}
        while True:
            found = {name for name in self._models if stale.intersection(self._tables[name].reads)}
            for name in self._sources:
                step = self._tables[name].relation[0]
                read = self._named(PYTHON_STEPS.get(step, frozenset()))
                ruled = any(old.variables[rule] != new.variables[rule] for rule in _RULES_OF_STEPS.get(step, ()))
                ruled = ruled or (step == "predictions" and _allowed_by(made) != _allowed_by(origin))
                if ruled or stale.intersection(read):
                    found.add(name)
            if found <= stale:
                return stale
            stale |= found

    def _sql(self, version: _Version) -> dict[str, str]:
        """The SQL of every table that matters, by these rules."""
        if version.config_hash not in self._compiled:
            folder = self._folder / "compiling"
            Home(folder).build_file.parent.mkdir(parents=True, exist_ok=True)
            with _environment(folder):
                self._compiled[version.config_hash] = self._process_in(folder, version).compiled(
                    sorted(self._wanted & self._models)
                )
        return self._compiled[version.config_hash]

    def _is_changed(self, source: str, made: _Build, origin: _Build) -> bool:
        """Whether a parameter of the run is another."""
        relation = self._tables[source].relation
        if relation == ("run", "as_of_dates"):
            # The horizon says which days are learned from.
            horizons = {build.version.variables["churn_horizon_days"] for build in (made, origin)}
            return made.as_of != origin.as_of or len(horizons) > 1
        if relation == ("run", "snapshot_as_of"):
            return made.as_of != origin.as_of
        rows = _rows_of_rules(made.version).get(relation)
        if rows is None:
            return False
        with connect(origin.holding(source), read_only=True) as con:
            found = con.execute(f"select * from {quote_name(*relation)}").fetchall()
        return sorted(rows, key=repr) != sorted(found, key=repr)

    def _upstream_of(self, found: set[str]) -> set[str]:
        """Tables, and everything that they follow from."""
        upstream: set[str] = set()
        while found:
            upstream |= found
            parents = {parent for name in found for parent in self._tables[name].reads}
            steps = {self._tables[parent].relation[0] for parent in parents & self._sources}
            behind = [self._named(PYTHON_STEPS[step]) for step in steps if step in PYTHON_STEPS]
            found = parents.union(*behind) - upstream
        return upstream

    def _steps_of(self, stale: set[str]) -> set[str]:
        """The schemas of the sources among some tables: what Python writes has one of its own."""
        return {self._tables[name].relation[0] for name in stale & self._sources & self._wanted}

    def _named(self, names: frozenset[str]) -> set[str]:
        """The tables of these names, by unique id."""
        return {name for name in self._models if self._tables[name].relation[1] in names}

    def _copy(self, made: _Build, names: set[str]) -> None:
        """Take over tables as they are, and what the views among them read."""
        ordered: list[str] = []

        def add(name: str) -> None:
            if name in ordered:
                return
            if self._tables[name].is_view:
                for parent in sorted(self._tables[name].reads):
                    add(parent)
            ordered.append(name)

        for name in sorted(names):
            add(name)
        assert made.origin is not None
        for file, held in groupby(ordered, made.origin.holding):
            copy_relations(file, made.file, [self._tables[name].relation for name in held])

    def _set_run(self, made: _Build, stale: set[str]) -> None:
        """Write the parameters of the run: the one day that is compared, and what the rules say in rows."""
        from assets.churn_scores import PREVIOUS_SCORES, SCORE_FACTS
        from assets.raw import RULE_TABLES, training_days

        business = made.version.variables
        with connect(self.start.file, read_only=True) as con:
            learned = training_days(con, business["time_zone"], business["churn_horizon_days"], made.as_of)
        with connect(made.file) as con:
            # The days of the grid tell what was, which nobody compares, and cost as much as tonight each.
            days = [(made.as_of, "tonight"), *((day, "training") for day in learned)]
            replace_table(con, "run", "as_of_dates", {"as_of": "date", "purpose": "varchar"}, days)
            replace_table(con, "run", "snapshot_as_of", {"as_of": "date"}, [(made.as_of,)])
            # A night goes on from the release of an earlier day. Of days before tonight nobody has kept what that was.
            for name, columns in (("previous_churn_scores", PREVIOUS_SCORES), ("previous_score_facts", SCORE_FACTS)):
                if made.as_of != self.start.as_of:
                    replace_table(con, "run", name, columns, [])
            for (schema, name), rows in _rows_of_rules(made.version).items():
                if any(self._tables[source].relation == (schema, name) for source in stale & self._sources):
                    replace_table(con, schema, name, RULE_TABLES[name], rows)

    def _make(self, made: _Build, models: set[str], stale: set[str]) -> None:
        """Do what a night does, for the tables that are to be made."""
        from assets.churn_scores import score_as_published
        from assets.identity import find_people
        from assets.predictions import predict

        process, variables = self._process_in(made.file.parents[1], made.version), made.version.variables
        stale_steps = self._steps_of(stale)

        def make(tag: str) -> None:
            if names := sorted(name for name in models if tag in self._tables[name].tags):
                process.make(names)

        make("before_identity")
        if "identity" in stale_steps:
            with connect(made.file, memory_limit=MEMORY_LIMIT) as con:
                find_people(con, variables["identity_max_records_per_customer"])
        make("before_scores")
        if "predictions" in stale_steps:
            with connect(made.file, memory_limit=MEMORY_LIMIT) as con:
                predict(
                    con,
                    horizon_days=variables["churn_horizon_days"],
                    discount_rate_year=variables["discount_rate_year"],
                )
                score_as_published(con, horizon_days=variables["churn_horizon_days"], limits=_limits_of(made.version))
        make("after_scores")

    def _process_in(self, folder: Path, version: _Version) -> DbtProcess:
        target = Home(folder).build / "dbt"
        target.mkdir(exist_ok=True)
        return replace(self._process, target=target, variables=version.variables, parsed_by=self._process)


def _limits_of(version: _Version) -> Limits:
    """What the gates of rules that are tried allow."""
    from expectations import Limits

    assert version.rules is not None
    return Limits.from_rules(version.rules.gates)


def _allowed_by(build: _Build) -> list[tuple[str, str]]:
    """What the scores of a build were allowed, in the words of the gate: of a night nothing else is kept of it."""
    from expectations import RESULT_COLUMNS, score_gate

    if build.version.rules is None:
        with connect(build.file, read_only=True) as con:
            return sorted(con.execute('select "check", allowed from run.gate_score').fetchall())
    told = score_gate(None, rule_skill=None, previous_skill=None, limits=_limits_of(build.version))
    rows = [dict(zip(RESULT_COLUMNS, row, strict=True)) for row in told.rows]
    return sorted((row["check"], row["allowed"]) for row in rows)


def _rows_of_rules(version: _Version) -> dict[tuple[str, str], list[tuple[object, ...]]]:
    """What the rules say in rows, by the table that a night puts them into; nothing of the rules of a night itself."""
    from assets.raw import rule_rows

    if version.rules is None:
        return {}
    return {("run", name): rows for name, rows in rule_rows(version.rules).items()}


@contextmanager
def _workshop(root: Path, *versions: Rules) -> Iterator[_Workshop]:
    """A folder to build in, beside the tables of the last night; it is gone at the end of the block."""
    from assets.tables import dbt_process
    from warehouse.lock import RunLock

    home = Home(root.resolve())
    with RunLock(home):
        start = _last_night(home)
        process = dbt_process(home.root, start.version.variables)
        for rules in versions:
            _require_same_reading(rules, start.version)
        with _environment(home.root):
            if process.fingerprint() != _fingerprint_of(start.file):
                raise _misuse(
                    "The program has changed since the last night, so its tables may differ; run a night first."
                )
            folder = Path(mkdtemp(prefix="trial-", dir=home.work))
            try:
                yield _Workshop(folder, start, process)
            finally:
                shutil.rmtree(folder, ignore_errors=True)


def _last_night(home: Home) -> _Build:
    """The tables of the last night, if it was published."""
    from warehouse.releases import list_releases

    releases = list_releases(home)
    if not releases or not home.build_file.exists():
        raise _misuse(f"Nothing is published in {home.root} yet; run a night first.")
    with connect(home.build_file, read_only=True) as con:
        found = con.execute(
            "select 1 from duckdb_tables() where schema_name = 'run' and table_name = 'rules'"
        ).fetchall()
        rows = con.execute("select run_id, config_hash, variables from run.rules").fetchall() if found else []
    newest = max(releases, key=lambda release: release.seq)
    if not rows or rows[0][0] != newest.run_id:
        raise _misuse("The last night published nothing, so its tables may be half done; run a night first.")
    return _Build(home.build_file, _Version(rows[0][1], json.loads(rows[0][2])), day_of(home.build_file))


def _fingerprint_of(build: Path) -> str:
    with connect(build, read_only=True) as con:
        [(fingerprint,)] = con.execute("select fingerprint from run.rules").fetchall()
    return str(fingerprint)


def _require_same_reading(rules: Rules, night: _Version) -> None:
    for name, setting in _READING.items():
        if getattr(rules.business, name) != night.variables[name]:
            raise _misuse(
                f"{setting} is not that of the last night: it decides how exports are read, so only a night can tell. "
                "Run one with these rules in another home."
            )


def _misuse(sentence: str) -> Exception:
    from orchestration.cli import MisuseError

    return MisuseError(sentence)


@contextmanager
def _environment(home: Path) -> Iterator[None]:
    """Let dbt work in this home: it knows of one only by this variable."""
    before = os.environ.get(_HOME)
    os.environ[_HOME] = str(home)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_HOME]
        else:
            os.environ[_HOME] = before
