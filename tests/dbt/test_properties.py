"""What must hold whatever the customers did and whatever the rules say.

Two hundred random companies are built by dbt in one build, by random rules; two hundred other random sets of rules
class their customers by the SQL that the rules become. What is expected is counted from what was drawn, apart from SQL.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations, pairwise, product
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.churn_scores import score_churn
from assets.dbt_process import PROJECT_DIR, DbtProcess
from assets.identity import find_people
from assets.predictions import predict
from assets.raw import CUSTOMER_STATE, IDENTITY_STATE, LIST_STATE
from destinations.list_files import write_parquet
from orchestration.trials import PYTHON_STEPS
from rules import Rules, dbt_vars
from rules.checks import cross_checks
from rules.metrics import Use, usable_in
from rules.schema import Cells, Segment
from tests.dbt.conftest import prepare
from tests.dbt.random_companies import NEVER, Companies, day_of, draw_companies
from tests.dbt.random_rules import Drawer, RandomRules, first_that_holds
from warehouse.build import carry_over, write_run_tables
from warehouse.connection import connect
from warehouse.home import Home
from warehouse.states import grid_days, published_states

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb
    from numpy.typing import NDArray

COMPANIES, RULE_SETS = 200, 200
TONIGHT = date(2024, 3, 17)
#: What happens after tonight is delivered, too, and must be seen by nobody.
LAST_DAY = TONIGHT + timedelta(days=45)
#: Days of the grid that a home would have run nights for.
RECENT = (date(2024, 3, 1), date(2024, 3, 15), date(2024, 3, 16))
#: A month end whose snapshots are kept whole.
TRAINED_ON = date(2023, 12, 31)
STEPS = ("before_identity", "before_scores", "after_scores")

Rows = list[tuple[Any, ...]]


@contextmanager
def _home(home: Path) -> Iterator[None]:
    """Let dbt find the build file of a home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "KEEPRATE_HOME", str(home))
        yield


def build(home: Path, project: Project, days: Iterable[tuple[date, str]], *targets: str) -> None:
    """Build all tables as a night does, or those that some need, from the raw tables of a prepared home."""
    process, rules = project.process, project.drawn.rules
    file = Home(home).build_file
    with _home(home):
        tables = process.tables()
    wanted_tables = set(tables)
    if targets:
        names = [f"model.keeprate.{name}" for name in targets]
        wanted_tables = set()
        while names:
            name = names.pop()
            if name not in wanted_tables:
                wanted_tables.add(name)
                names += tables[name].reads
                # What Python writes between the steps is made of tables, too.
                if name.startswith("source."):
                    names += [f"model.keeprate.{each}" for each in PYTHON_STEPS.get(tables[name].relation[0], ())]
    wanted = list(days)
    tonight = max(day for day, _ in wanted)
    with connect(file) as con:
        write_run_tables(con, as_of_dates=wanted, snapshot_as_of=[tonight], list_member_columns=LIST_STATE)
        carry_over(con, "published_states", CUSTOMER_STATE, *published_states(Home(home), tonight))
    for step in STEPS:
        with _home(home):
            if of_step := [name for name in sorted(wanted_tables) if step in tables[name].tags]:
                process.make(of_step)
        with connect(file) as con:
            if step == "before_identity":
                find_people(con, rules.identity.max_records_per_customer)
            elif step == "before_scores" and "model.keeprate.btyd_states" in wanted_tables:
                predict(con, horizon_days=rules.churn.horizon_days, discount_rate_year=rules.clv.discount_rate_year)
                score_churn(con, horizon_days=rules.churn.horizon_days)


def month_ends(before: date, number: int) -> list[date]:
    """The last days of so many months before a day."""
    found = []
    for _ in range(number):
        before = before.replace(day=1) - timedelta(days=1)
        found.append(before)
    return found[::-1]


@dataclass(frozen=True)
class Built:
    """The companies, the rules, and the tables that dbt made of them.

    Attributes
    ----------
    record_of_customer : dict of str to int
        One of the records of each customer of tonight.
    """

    home: Path
    companies: Companies
    drawn: RandomRules
    process: DbtProcess
    record_of_customer: dict[str, int]

    def ask(self, query: str, *parameters: object) -> Rows:
        with connect(Home(self.home).build_file, read_only=True) as con:
            return con.execute(query, parameters or None).fetchall()

    @property
    def variables(self) -> Mapping[str, Any]:
        return self.process.variables


@dataclass(frozen=True)
class Project:
    """Random rules, and dbt by them."""

    drawn: RandomRules
    process: DbtProcess


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    drawer = Drawer(Random(134))
    drawer.document["business"]["model"] = "mixed"
    # Short enough for somebody to come and be lost within one month.
    drawer.document["churn"]["threshold"] |= {"min_days": 7, "one_time_days": 25, "shrinkage": 1.5, "q": 0.85}
    drawer.document["churn"]["contract"]["grace_days"] = 4
    drawn = drawer.rules()
    assert cross_checks(drawn.rules) == []
    target = tmp_path_factory.mktemp("project")
    return Project(drawn, DbtProcess(target, json.loads(json.dumps(dbt_vars(drawn.rules)))))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, project: Project) -> Built:
    home = tmp_path_factory.mktemp("companies")
    companies = draw_companies(11, companies=COMPANIES, last_day=LAST_DAY, is_settled=False)
    with connect(prepare(home)) as con:
        companies.deliver(con, after=None, until=LAST_DAY)
    days = [(TONIGHT, "tonight"), *((day, "grid") for day in (*month_ends(TONIGHT, 24), *RECENT))]
    build(home, project, [*days, (TRAINED_ON, "training")])
    with connect(Home(home).build_file, read_only=True) as con:
        said = con.execute("select source, source_customer_id, customer_id from marts.customer_identities").fetchall()
    number = {
        (f"s{company:03d}", name): record
        for record, (company, name) in enumerate(
            zip(companies.records["company"], companies.records["name"], strict=True)
        )
    }
    owners = {customer: number[source, name] for source, name, customer in said}
    return Built(home, companies, project.drawn, project.process, owners)


@pytest.fixture(scope="module")
def grid(built: Built) -> dict[date, dict[str, tuple[Any, ...]]]:
    """Of each day what the grid says of each customer: tier, stage, segment, scores and whether lost."""
    found: dict[date, dict[str, tuple[Any, ...]]] = {}
    rows = built.ask(
        "select as_of, customer_id, tier, lifecycle_stage, rfm_segment, r_score, f_score, m_score, churned "
        "from core.customer_grid"
    )
    for as_of, customer, *states in rows:
        assert customer not in found.setdefault(as_of, {}), "a customer stands in the grid twice"
        found[as_of][customer] = tuple(states)
    return found


def test_every_test_of_the_project_holds(built: Built) -> None:
    manifest = json.loads(built.process.ensure_manifest().read_text(encoding="utf-8"))
    tests = {
        name: node
        for name, node in manifest["nodes"].items()
        if node["resource_type"] == "test" and node["config"]["severity"].lower() == "error"
    }
    with _home(built.home):
        compiled = built.process.compiled(tests)
    with connect(Home(built.home).build_file, read_only=True) as con:
        found = {tests[name]["name"]: con.execute(query).fetchmany(3) for name, query in compiled.items()}
    assert len(found) > 100
    assert {name: rows for name, rows in found.items() if rows} == {}


def test_customers_are_the_people_who_were_drawn(built: Built) -> None:
    companies = built.companies
    people, known = companies.people(TONIGHT), companies.known_from(TONIGHT)
    expected = {int(person) for person in people[known < NEVER]}
    records = list(built.record_of_customer.values())
    assert Counter(int(people[record]) for record in records) == Counter(expected)
    assert built.ask("select count(*) from marts.customers") == [(len(expected),)]
    # Each is called after one of their own records.
    ids = companies.record_ids()
    own = {(int(people[record]), ids[record]) for record in range(len(ids))}
    assert {(int(people[record]), customer) for customer, record in built.record_of_customer.items()} <= own
    # None of this is so for want of what makes it hard.
    assert len(expected) > 1_000
    assert len(records) < len(people)


def test_each_customer_has_one_tier_one_stage_and_one_segment_on_every_day_they_are_known(
    built: Built, grid: dict[date, dict[str, tuple[Any, ...]]]
) -> None:
    tiers, stages = ({each["id"] for each in built.variables[name]} for name in ("tiers", "lifecycle"))
    segments = {each["id"] for each in built.variables["rfm_segments"]}
    known_from = built.companies.known_from(TONIGHT)
    assert len(grid) == 24 + len(RECENT) + 1
    for as_of, states in grid.items():
        assert set(states) == {
            customer for customer, record in built.record_of_customer.items() if known_from[record] <= day_of(as_of)
        }, as_of
        purchases = built.companies.purchases(as_of, TONIGHT)
        for customer, (tier, stage, segment, *scores, _) in states.items():
            assert tier in tiers
            assert stage in stages
            # Only buyers have been scored.
            is_buyer = bool(purchases[built.record_of_customer[customer]])
            assert (segment in segments, None not in scores) == (is_buyer, is_buyer), (as_of, customer)


def test_who_has_not_bought_is_not_lost(built: Built, grid: dict[date, dict[str, tuple[Any, ...]]]) -> None:
    companies = built.companies
    people = companies.people(TONIGHT)
    with_contract = {int(people[record]) for record in companies.record_of["subscriptions"]}

    def prospects(as_of: date) -> set[str]:
        purchases = companies.purchases(as_of, TONIGHT)
        return {
            customer
            for customer, record in built.record_of_customer.items()
            if not purchases[record] and int(people[record]) not in with_contract
        }

    for as_of, states in grid.items():
        nobody = prospects(as_of) & states.keys()
        assert len(nobody) > 30
        assert not any(states[customer][-1] for customer in nobody), as_of
    tonight = prospects(TONIGHT)
    spells = {customer for (customer,) in built.ask("select customer_id from core.customer_spells")}
    assert not tonight & spells
    assert not tonight & {customer for (customer,) in built.ask("select customer_id from marts.churn_risk")}
    # Everybody else has begun something, and is therefore counted in the churn of the months.
    buyers = built.ask("select customer_id from core.customer_snapshots where as_of = ? and occasions > 0", TONIGHT)
    assert {customer for (customer,) in buyers} <= spells
    purchases = companies.purchases(TONIGHT, TONIGHT)
    assert dict(built.ask("select customer_id, orders from core.customer_snapshots where as_of = ?", TONIGHT)) == {
        customer: purchases[record] for customer, record in built.record_of_customer.items()
    }


def test_the_customers_of_every_table_of_states_are_those_of_the_night(
    built: Built, grid: dict[date, dict[str, tuple[Any, ...]]]
) -> None:
    tonight = grid[TONIGHT]
    buyers = sum(states[2] is not None for states in tonight.values())
    for table, column, expected in (
        ("customer_360", "tier", Counter(states[0] for states in tonight.values())),
        ("customer_360", "lifecycle_stage", Counter(states[1] for states in tonight.values())),
        ("customer_rfm", "rfm_segment", Counter(states[2] for states in tonight.values() if states[2])),
    ):
        assert dict(built.ask(f"select {column}, count(*) from marts.{table} group by all")) == expected
    # Of every period that lasts there is one, and it says what the grid says tonight.
    for table, column, place in (
        ("customer_tiers", "tier", 0), ("customer_lifecycle", "stage", 1), ("customer_segments", "rfm_segment", 2),
    ):  # fmt: skip
        lasting = built.ask(f"select customer_id, {column} from marts.{table} where left_on is null")
        found = dict(lasting)
        assert len(found) == len(lasting)
        assert {customer: found[customer] for customer, states in tonight.items() if states[place]} == {
            customer: states[place] for customer, states in tonight.items() if states[place]
        }
    schemes = [scheme["id"] for scheme in built.variables["segment_schemes"]]
    assert dict(built.ask("select scheme, count(*) from marts.segment_membership group by all")) == dict.fromkeys(
        schemes, len(tonight)
    )
    assert schemes
    shown = built.ask("select count(*), count(distinct customer_id), count(display_layer) from marts.customer_360")
    assert shown == [(len(tonight),) * 3]
    for table in ("customer_clv", "churn_risk"):
        assert built.ask(f"select count(*), count(distinct customer_id) from marts.{table}") == [(buyers, buyers)]


@pytest.mark.parametrize(
    ("table", "column", "place"),
    [("tier_migration", "tier", 0), ("lifecycle_migration", "stage", 1), ("rfm_migration", "segment", 2)],
)
def test_migrations_lead_from_the_opening_stock_to_the_closing_stock(
    built: Built, grid: dict[date, dict[str, tuple[Any, ...]]], table: str, column: str, place: int
) -> None:
    moves: dict[date, Counter[tuple[str, str]]] = {}
    for month, before, after, customers in built.ask(
        f"select month, from_{column}, to_{column}, customers from marts.{table}"
    ):
        assert (before, after) not in moves.setdefault(month, Counter())
        moves[month][before, after] = customers
    ends = month_ends(TONIGHT, 24)
    assert sorted(moves) == [end.replace(day=1) for end in ends[1:]]

    def stock(end: date) -> Counter[str]:
        return Counter(states[place] or "none" for states in grid[end].values())

    for opening, closing in pairwise(ends):
        matrix = moves[closing.replace(day=1)]
        rows, columns = Counter[str](), Counter[str]()
        for (before, after), customers in matrix.items():
            assert customers > 0
            rows[before] += customers
            columns[after] += customers
        # Who is not known yet, or has no segment yet, comes from `none` and is in no stock.
        for total, customers in ((rows, stock(opening)), (columns, stock(closing))):
            del total["none"], customers["none"]
            assert total == customers, closing
        moved = Counter(
            ((grid[opening].get(customer) or (None,) * 7)[place] or "none", states[place] or "none")
            for customer, states in grid[closing].items()
        )
        del moved["none", "none"]
        assert matrix == moved


MOVEMENTS = ("opening", "new", "reactivated", "churned", "intra_period_churn", "closing")


def test_the_stock_of_every_company_closes_with_what_came_and_went(built: Built) -> None:
    """Opening - churned + new + reactivated - lost within the month of coming = closing, for each company by itself."""
    spells = built.ask("select customer_id, spell_no, started_on, churned_on from core.customer_spells")
    months = dict(built.ask("select month, is_complete from marts.churn_monthly"))
    by_company: dict[int, list[tuple[Any, ...]]] = {}
    for customer, *spell in spells:
        company = int(built.companies.records["company"][built.record_of_customer[customer]])
        by_company.setdefault(company, []).append((customer, *spell))
    assert len(by_company) > 190
    totals: dict[date, Counter[str]] = {month: Counter() for month in months}
    for members in by_company.values():
        closing_before = 0
        for month in sorted(months):
            after = (month + timedelta(days=31)).replace(day=1)
            counts = Counter(dict.fromkeys(MOVEMENTS, 0))
            for _, number, started, churned in members:
                is_over = churned is not None and churned < after and churned <= TONIGHT
                counts["opening"] += started < month and not (churned is not None and churned < month)
                counts["closing"] += started < after and started <= TONIGHT and not is_over
                if month <= started < after:
                    counts["new" if number == 1 else "reactivated"] += 1
                if is_over and churned >= month:
                    counts["churned" if started < month else "intra_period_churn"] += 1
            flow = counts["new"] + counts["reactivated"] - counts["churned"] - counts["intra_period_churn"]
            assert counts["opening"] == closing_before
            assert counts["opening"] + flow == counts["closing"]
            closing_before = counts["closing"]
            totals[month].update(counts)
    for month, *found in built.ask(f"select month, {', '.join(MOVEMENTS)} from marts.churn_monthly"):
        assert dict(zip(MOVEMENTS, found, strict=True)) == dict(totals[month]), month
    divided = built.ask(
        f"select dimension, month, {', '.join(f'sum({each})' for each in MOVEMENTS)} "
        "from marts.churn_monthly_by group by all"
    )
    for dimension, month, *found in divided:
        assert dict(zip(MOVEMENTS, map(int, found), strict=True)) == dict(totals[month]), (dimension, month)
    assert len({dimension for dimension, *_ in divided}) == 4
    happened: Counter[str] = sum(totals.values(), Counter())
    assert min(happened[each] for each in MOVEMENTS) > 0, happened


def test_spells_of_a_customer_follow_each_other(built: Built) -> None:
    by_customer: dict[str, list[tuple[Any, ...]]] = {}
    for customer, *spell in built.ask(
        "select customer_id, spell_no, started_on, churned_on from core.customer_spells order by customer_id, spell_no"
    ):
        by_customer.setdefault(customer, []).append(tuple(spell))
    for customer, spells in by_customer.items():
        assert [number for number, *_ in spells] == list(range(1, len(spells) + 1))
        for _, started, churned in spells:
            assert churned is None or started <= churned, customer
        for (_, _, churned), (_, started, _) in pairwise(spells):
            assert churned is not None, customer
            assert churned < started, customer
    assert max(map(len, by_customer.values())) > 1


FIRST_NIGHT, SECOND_NIGHT = date(2024, 2, 27), date(2024, 3, 5)


class Homes:
    """Homes of the same companies, to which they deliver as one likes.

    Attributes
    ----------
    targets : tuple of str
        The tables that a night builds, with all that they read.
    """

    def __init__(self, folder: Path, project: Project, companies: Companies, *targets: str) -> None:
        self.folder, self.project, self.companies, self.targets = folder, project, companies, targets

    def begin(self, name: str) -> Home:
        """Begin a home to which nothing has been delivered."""
        (self.folder / name).mkdir()
        prepare(self.folder / name)
        return Home(self.folder / name)

    def deliver(self, home: Home, after: date | None, until: date) -> None:
        """Deliver what was written after one day and until another."""
        with connect(home.build_file) as con:
            self.companies.deliver(con, after=after, until=until)

    def night(self, home: Home, as_of: date) -> dict[tuple[date, str], tuple[Any, ...]]:
        """Run a night, keep what the next one goes on from, and return what the grid says by day and customer."""
        days = [(as_of, "tonight"), *((day, "grid") for day in grid_days(home, as_of))]
        build(home.root, self.project, days, *self.targets)
        with connect(home.build_file) as con:
            state = home.state_file(as_of)
            state.parent.mkdir(parents=True, exist_ok=True)
            # Without predictions, what is kept of a day is what the grid says of it.
            kept = "core.customer_states" if "customer_states" in self.targets else "core.customer_grid"
            write_parquet(con, f"select * from {kept} where as_of = '{as_of}' order by customer_id", state)
            for table, columns in IDENTITY_STATE.items():
                con.execute(
                    f"create or replace table run.previous_{table} as select {', '.join(columns)} from marts.{table}"
                )
            rows = con.execute("from core.customer_grid").fetchall()
        found = {row[:2]: row[2:] for row in rows}
        assert len(found) == len(rows)
        return found


def on(days: set[date], states: Mapping[tuple[date, str], tuple[Any, ...]]) -> dict[tuple[date, str], tuple[Any, ...]]:
    """What is said of these days."""
    return {key: said for key, said in states.items() if key[0] in days}


def days_of(states: Iterable[tuple[date, str]]) -> set[date]:
    return {day for day, _ in states}


@pytest.mark.slow
def test_three_nights_keep_the_states_that_one_night_finds(tmp_path: Path, project: Project) -> None:
    companies = draw_companies(23, companies=COMPANIES, last_day=LAST_DAY, is_settled=True)
    homes = Homes(tmp_path, project, companies, "customer_states", "restated_states", "customer_identities")

    # One home is told of each day when it has passed, one of all of it at once, and one of more than has happened.
    step_by_step, before = homes.begin("kept"), None
    kept = {}
    for as_of in (FIRST_NIGHT, SECOND_NIGHT, TONIGHT):
        homes.deliver(step_by_step, before, as_of)
        kept[as_of] = homes.night(step_by_step, as_of)
        before = as_of
    at_once = homes.begin("anew")
    homes.deliver(at_once, None, TONIGHT)
    anew = homes.night(at_once, TONIGHT)
    too_early = homes.begin("ahead")
    homes.deliver(too_early, None, LAST_DAY)
    ahead = homes.night(too_early, FIRST_NIGHT)

    assert days_of(kept[TONIGHT]) == {*month_ends(TONIGHT, 24), FIRST_NIGHT, SECOND_NIGHT, TONIGHT}
    assert days_of(anew) == {*month_ends(TONIGHT, 24), TONIGHT}
    assert on(days_of(anew), kept[TONIGHT]) == anew
    # What a night said of a day is what every later one says of it, and nobody knows what has not happened yet.
    for earlier, later in combinations((FIRST_NIGHT, SECOND_NIGHT, TONIGHT), 2):
        common = days_of(kept[earlier]) & days_of(kept[later])
        assert earlier in common
        assert on(common, kept[earlier]) == on(common, kept[later]), (earlier, later)
    assert ahead == kept[FIRST_NIGHT]
    with connect(step_by_step.build_file, read_only=True) as con:
        published = con.execute(f"select {', '.join(CUSTOMER_STATE)} from run.published_states").fetchall()
        restated = con.execute("from marts.restated_states order by as_of").fetchall()
    assert {row[:2]: row[2:] for row in published} == {
        key: states[:3] for key, states in kept[TONIGHT].items() if key[0] in (FIRST_NIGHT, SECOND_NIGHT)
    }
    assert [(as_of, *counts) for as_of, _, *counts in restated] == [
        (as_of, 0, 0, 0) for as_of in (FIRST_NIGHT, SECOND_NIGHT)
    ]
    # The nights are not alike.
    first, last = (
        {customer: states for (as_of, customer), states in kept[night].items() if as_of == night}
        for night in (FIRST_NIGHT, TONIGHT)
    )
    assert sum(states[:3] != first[customer][:3] for customer, states in last.items() if customer in first) > 100
    assert len(last) > len(first)


@pytest.mark.slow
def test_what_changes_the_past_changes_it_however_it_was_told(tmp_path: Path, project: Project) -> None:
    companies = draw_companies(29, companies=COMPANIES, last_day=LAST_DAY, is_settled=False)
    homes = Homes(tmp_path, project, companies, "restated_states", "customer_identities")
    step_by_step, at_once = homes.begin("kept"), homes.begin("anew")
    homes.deliver(step_by_step, None, FIRST_NIGHT)
    first = homes.night(step_by_step, FIRST_NIGHT)
    homes.deliver(step_by_step, FIRST_NIGHT, TONIGHT)
    kept = homes.night(step_by_step, TONIGHT)
    homes.deliver(at_once, None, TONIGHT)
    anew = homes.night(at_once, TONIGHT)

    assert on(days_of(anew), kept) == anew
    assert days_of(kept) - days_of(anew) == {FIRST_NIGHT}
    # The differences from what was published are counted: by tier, by stage and by segment.
    now = on({FIRST_NIGHT}, kept)
    history = dict(_asked(step_by_step, "select old_customer_id, customer_id from marts.customer_id_history"))
    changes = [0, 0, 0]
    for (as_of, customer), said in on({FIRST_NIGHT}, first).items():
        says = now.get((as_of, history.get(customer, customer)), (None,) * 3)
        for place in range(3):
            changes[place] += said[place] != says[place]
    [(_, customers, *restated)] = _asked(step_by_step, "from marts.restated_states")
    assert customers == len(on({FIRST_NIGHT}, first))
    assert restated == changes
    assert min(changes) > 0


def _asked(home: Home, query: str) -> Rows:
    with connect(home.build_file, read_only=True) as con:
        return con.execute(query).fetchall()


class Macros:
    """The SQL of the project's own macros by other rules, which dbt would take half a minute to compile so often."""

    def __init__(self) -> None:
        names = ("snapshots", "rfm", "segments")
        text = "\n".join((PROJECT_DIR / "macros" / f"{name}.sql").read_text(encoding="utf-8") for name in names)
        self._template = jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(text)

    def by(self, variables: Mapping[str, Any]) -> Any:
        """The macros as they are with these variables."""
        return self._template.make_module({"var": variables.__getitem__})


def classes_by(macros: Macros, variables: Mapping[str, Any]) -> str:
    """Who is what on one day, as customer_grid, customer_classes and customer_360 say it."""
    sql = macros.by(variables)
    schemes = "".join(f", {each['case']} as {sql.segment_column(each)}" for each in variables["segment_schemes"])
    tags = "".join(f", {each['case']} as tag_{each['group']}" for each in variables["tag_groups"])
    return f"""
        with snapshots as (
            select * from core.customer_snapshots where as_of = (select max(as_of) from core.customer_snapshots)
        ),
        {sql.rfm_scores("snapshots")},
        grid as (
            with {sql.measures("snapshots")},
            classified as (
                select customer_id, {variables["tier_case"]} as tier, {variables["stage_case"]} as lifecycle_stage
                from measures
            )
            select classified.*, segmented.rfm_segment
            from classified
            left join (select customer_id, {sql.rfm_segment()} as rfm_segment from scored) as segmented
                on classified.customer_id = segmented.customer_id
        ),
        customers as (from marts.customers),
        attributes as (from core.customer_attributes),
        clv as (from marts.customer_clv),
        risk as (from marts.churn_risk),
        {sql.segment_facts()}
        select customer_id, tier, lifecycle_stage, rfm_segment, display_layer {schemes} {tags} from facts order by all
    """


def known_of(con: duckdb.DuckDBPyConnection, facts: str) -> dict[str, NDArray[Any]]:
    """Everything that a condition may name of the customers in a query, by its name there."""
    columns = con.execute(facts).fetchnumpy()
    known: dict[str, NDArray[Any]] = {"customer_id": columns["customer_id"]}
    for name, metric in usable_in(Use.SEGMENT).items():
        if metric.column not in columns:
            continue
        values = columns[metric.column]
        if metric.type is str:
            known[name] = np.array([None if each is np.ma.masked else each for each in values], dtype=object)
        else:
            known[name] = np.ma.filled(np.ma.asarray(values).astype(float), np.nan)
    known["rfm_frequency"], known["rfm_monetary"] = (
        np.ma.filled(np.ma.asarray(columns[name]).astype(float), np.nan) for name in ("rfm_frequency", "rfm_monetary")
    )
    return known


def expected_segment(variables: Mapping[str, Any], known: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """The RFM segment of each customer; None of who has not bought."""
    bins = variables["rfm_bins"]
    is_buyer = known["occasions"] > 0
    cells = []
    for axis, name in (("recency", "recency_days"), ("frequency", "rfm_frequency"), ("monetary", "rfm_monetary")):
        values = known[name]
        if variables["rfm_method"] == "fixed":
            cuts = variables["rfm_cuts"][axis]
        else:
            cuts = np.quantile(values[is_buyer], [cut / bins for cut in range(1, bins)])
        # Recency counts backwards, and a fixed cut of the others is reached rather than passed.
        is_reached = variables["rfm_method"] == "fixed" and axis != "recency"
        passed = sum((values >= cut if is_reached else values > cut).astype(int) for cut in cuts)
        cells.append(bins - passed if axis == "recency" else 1 + passed)
    owners = [
        next(each["id"] for each in variables["rfm_segments"] if r in each["r"] and f in each["f"] and m in each["m"])
        for r, f, m in zip(*cells, strict=True)
    ]
    return np.where(is_buyer, np.array(owners, dtype=object), None)


def expected_classes(drawn: RandomRules, variables: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """What rules make of every customer, by the reading of their conditions in numpy."""
    known = dict(facts)
    known["tier"] = first_that_holds(drawn.tiers, known)
    known["lifecycle_stage"] = first_that_holds(drawn.lifecycle, known)
    known["rfm_segment"] = expected_segment(variables, known)
    layers = first_that_holds(drawn.display_layer, known)
    known["display_layer"] = np.where(layers == "from_tier", known["tier"], layers)
    found = {name: known[name] for name in ("tier", "lifecycle_stage", "rfm_segment", "display_layer")}
    found |= {f"segment_{name}": first_that_holds(classes, known) for name, classes in drawn.schemes.items()}
    return found | {f"tag_{name}": first_that_holds(classes, known) for name, classes in drawn.tags.items()}


@pytest.fixture(scope="module")
def facts(built: Built) -> dict[str, NDArray[Any]]:
    """What was known of the customers tonight before any rule classed them."""
    with connect(Home(built.home).build_file, read_only=True) as con:
        return known_of(
            con,
            """
            select snapshots.*, customers.customer_type, customers.country, customers.region,
                customers.acquisition_channel, attributes.gender, clv.clv_predicted_365d, risk.churn_probability,
                risk.risk_score, risk.risk_level, risk.value_at_risk, cast(null as integer) as age_years
            from core.customer_snapshots as snapshots
            inner join marts.customers using (customer_id)
            left join core.customer_attributes as attributes using (customer_id)
            left join marts.customer_clv as clv using (customer_id)
            left join marts.churn_risk as risk using (customer_id)
            where snapshots.as_of = (select max(as_of) from core.customer_snapshots)
            order by customer_id
            """,
        )


def test_the_tables_are_what_the_rules_say_read_apart_from_sql(
    built: Built, facts: dict[str, NDArray[Any]], grid: dict[date, dict[str, tuple[Any, ...]]]
) -> None:
    expected = expected_classes(built.drawn, built.variables, facts)
    customers = facts["customer_id"]
    for place, name in enumerate(("tier", "lifecycle_stage", "rfm_segment")):
        assert {customer: states[place] for customer, states in grid[TONIGHT].items()} == dict(
            zip(customers, expected[name], strict=True)
        )
    columns = [name for name in expected if name.startswith(("segment_", "tag_"))]
    rows = built.ask(f"select {', '.join(['customer_id', *columns])} from core.customer_classes order by customer_id")
    assert rows == list(zip(customers, *(expected[name] for name in columns), strict=True))
    assert dict(built.ask("select customer_id, display_layer from marts.customer_360")) == dict(
        zip(customers, expected["display_layer"], strict=True)
    )
    # On an earlier day the same rules see what was known on that day.
    with connect(Home(built.home).build_file, read_only=True) as con:
        earlier = known_of(con, f"from core.customer_snapshots where as_of = date '{TRAINED_ON}' order by customer_id")
    for place, classes in enumerate((built.drawn.tiers, built.drawn.lifecycle)):
        assert {customer: states[place] for customer, states in grid[TRAINED_ON].items()} == dict(
            zip(earlier["customer_id"], first_that_holds(classes, earlier), strict=True)
        )


def test_two_hundred_sets_of_rules_give_each_customer_one_of_each(built: Built, facts: dict[str, NDArray[Any]]) -> None:
    draw, macros = Random(5), Macros()
    customers = len(facts["customer_id"])
    seen: Counter[str] = Counter()
    with connect(Home(built.home).build_file, read_only=True) as con:
        # The rules of the build first, by which the tables were made: what is put together here is what dbt builds.
        for number in range(RULE_SETS + 1):
            drawn = Drawer(draw).rules() if number else built.drawn
            assert cross_checks(drawn.rules) == [], number
            variables = dbt_vars(drawn.rules)
            found = con.execute(classes_by(macros, variables)).fetchnumpy()
            assert found["customer_id"].tolist() == facts["customer_id"].tolist(), number
            expected = expected_classes(drawn, variables, facts)
            shown = {each["id"] for each in [*variables["tiers"], *variables["display_layer"]]}
            allowed = {
                "tier": {each["id"] for each in variables["tiers"]},
                "lifecycle_stage": {each["id"] for each in variables["lifecycle"]},
                "display_layer": shown - {"from_tier"},
            } | {
                f"segment_{scheme['id']}": {each["id"] for each in scheme["segments"]}
                for scheme in variables["segment_schemes"]
            }
            for name, values in expected.items():
                told = [None if each is np.ma.masked else each for each in found[name]]
                assert told == values.tolist(), (number, name)
                if name in allowed:
                    counts = Counter(told)
                    assert counts.keys() <= allowed[name], (number, name)
                    assert counts.total() == customers
                    seen[name.partition("_")[0]] += len(counts) > 1
            is_prospect = (facts["orders_total"] == 0) & (facts["is_contract_churned"] == 0)
            assert "churned" not in set(found["lifecycle_stage"][is_prospect].tolist()), number
            seen["churned"] += "churned" in set(found["lifecycle_stage"].tolist())
    # Most rules part the customers into more than one class.
    assert min(seen[name] for name in ("tier", "lifecycle", "display", "segment", "churned")) > RULE_SETS / 4, seen


CELLS = list(product(range(1, 6), repeat=3))


@pytest.fixture(scope="module")
def plain_rules() -> Rules:
    """Rules whose check is quick: nothing but defaults."""
    document = Drawer(Random(1)).document
    labels = {"zh": "类", "en": "Class", "when": "default"}
    document |= {"tiers": [{"id": "all", "owner": "crm", **labels}], "lifecycle": [{"id": "everybody", **labels}]}
    document |= {name: [] for name in ("display_layer", "segment_schemes", "tags", "signals", "lists")}
    return Rules.model_validate_json(json.dumps(document))


def test_each_of_the_125_cells_is_of_one_segment_by_two_hundred_schemes(plain_rules: Rules) -> None:
    draw, macros = Random(7), Macros()
    drawer = Drawer(draw)
    cells = ", ".join(map(str, CELLS))
    largest = 0
    with connect() as con:
        for number in range(RULE_SETS + 1):
            # The segments of the default rules first.
            drawn = drawer.segments(5, draw.randint(0, 12)) if number else drawer.document["rfm"]["segments"]
            segments = tuple(Segment.model_validate_json(json.dumps(each)) for each in drawn)
            rfm = plain_rules.rfm.model_copy(update={"segments": segments})
            rules = plain_rules.model_copy(update={"rfm": rfm})
            assert cross_checks(rules) == [], number
            owner = macros.by(dbt_vars(rules)).rfm_segment()
            found = con.execute(
                f"select r_score, f_score, m_score, {owner} from (values {cells}) as cells (r_score, f_score, m_score)"
            ).fetchall()
            owners = [segments[place].id for place in _owners(segments)]
            assert {tuple(cell): segment for *cell, segment in found} == dict(zip(CELLS, owners, strict=True)), number
            assert len(found) == len(CELLS)
            # No segment of a scheme that is accepted is empty.
            assert {segment for *_, segment in found} == {each.id for each in segments}
            largest = max(largest, len(segments))
    assert largest > 6


def _owners(segments: Sequence[Segment]) -> list[int | None]:
    """The place of the first segment that has each of the cells."""
    scores = np.array(CELLS)
    found = np.full(len(CELLS), None, dtype=object)
    for place, segment in reversed([*enumerate(segments)]):
        has = np.ones(len(CELLS), dtype=bool)
        if isinstance(segment.when, Cells):
            for axis, wanted in enumerate((segment.when.r, segment.when.f, segment.when.m)):
                has &= wanted is None or np.isin(scores[:, axis], wanted)
        found[has] = place
    return found.tolist()


axes = st.none() | st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple)
whens = st.builds(Cells, r=axes, f=axes, m=axes) | st.just("default")


@given(
    whens=st.lists(whens, min_size=1, max_size=5),
    has_default=st.booleans(),
    names=st.permutations(["a", "b", "c", "d"]),
)
def test_segments_are_accepted_just_when_every_cell_has_one_and_every_segment_has_a_cell(
    plain_rules: Rules, whens: list[Any], has_default: bool, names: list[str]
) -> None:
    whens = [*whens, "default"] if has_default else whens
    ids = [*names, *names][: len(whens)]
    segments = tuple(Segment(id=name, zh="段", en="Segment", when=when) for name, when in zip(ids, whens, strict=True))
    rfm = plain_rules.rfm.model_copy(update={"segments": segments})

    scores = [
        axis for when in whens if isinstance(when, Cells) for axis in (when.r, when.f, when.m) if axis is not None
    ]
    # A default may be left with nothing; who leaves out the default leaves cells without a segment, or might tomorrow.
    owners = set(_owners(segments))
    is_sound = (
        len(set(ids)) == len(ids)
        and all(max(axis) <= 5 and len(set(axis)) == len(axis) for axis in scores)
        and [when == "default" for when in whens] == [False] * (len(whens) - 1) + [True]
        and owners | {len(whens) - 1} == set(range(len(whens)))
    )
    findings = cross_checks(plain_rules.model_copy(update={"rfm": rfm}))
    assert (findings == []) == is_sound, findings
    assert all(finding.location[:2] == ("rfm", "segments") for finding in findings)
