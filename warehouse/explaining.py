"""From a published number back to the raw rows and the rules that it rests on.

Belongs here: who a customer is, what is published of them, and putting an explanation together. Does not belong here:
how a figure is worked out (``explained_figures.py`` and its neighbours), sentences and colours (``orchestration``).

Only the served release and the raw files are read, never the build file: a night may be writing it.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import duckdb

from warehouse.build import FeedFiles
from warehouse.connection import attached, connect, quote_literal, quote_name
from warehouse.errors import WarehouseError
from warehouse.explained_evidence import Evidence
from warehouse.explained_figures import (
    SEGMENT,
    TAG,
    Book,
    ClassOf,
    Formula,
    Given,
    Tally,
    Test,
    Working,
    counted,
    names_in,
    tallies_behind,
)
from warehouse.explained_formulas import figures_in, settings_in
from warehouse.explained_metrics import FIGURES, Signal, reasons, signals
from warehouse.explained_records import Calendar, Delivery, Member, RawFeeds, Record
from warehouse.export import DATABASE, MARTS
from warehouse.home import Home
from warehouse.releases import Release, current_release

__all__ = [
    "TOLD",
    "Customer",
    "Explainer",
    "Explanation",
    "Published",
    "Step",
    "UnknownCustomerError",
    "UnknownMetricError",
    "agree",
    "open_explainer",
]

#: What stands before the name of a signal, where a figure is called the same.
SIGNAL: Final = "signal:"
#: Published tables with one row per customer, the one that speaks first.
_TABLES: Final = ("customers", "customer_360", "customer_rfm", "customer_clv", "churn_risk")
#: Columns that say which customer and which day, or that are told by another table in full.
_NOT_FIGURES: Final = frozenset({"as_of", "customer_id", "horizon_days"})
#: Figures that signals make, whatever their own formula names.
_OF_SIGNALS: Final = frozenset(
    {
        *("risk_score", "risk_level", "reason_1", "reason_2", "reason_3"),
        *("reason_1_points", "reason_2_points", "reason_3_points"),
    }
)
#: Published figures that are taken from the release as they stand, and why.
TOLD: Final[Mapping[str, str]] = {
    "prev_segment": "the segment before this one, on the grid of days that customer_segments is read from",
    "segment_changed_on": "the first day of the grid with the segment of today; see customer_segments",
    "clv_predicted_365d_low": "10th percentile of 400 simulated futures, drawn for all customers together",
    "clv_predicted_365d_high": "90th percentile of 400 simulated futures, drawn for all customers together",
    "referral_value": "margin of other customers, whom this one brought; see referrals and the figures of each of them",
    "expected_next_order_low_on": "10th percentile of all with this history who will buy again, by the buying model",
    "expected_next_order_high_on": "90th percentile of all with this history who will buy again, by the buying model",
    "next_order_status": "whether the model of buying says when the next order comes, or why not",
    "renewals_made": "renewals that the contracts show, of the one likeliest to go on",
    "contract_leave_probability": "learned from how contracts went before, by renewals made and tenure",
    "score_status": "what the churn probability rests on: a model, an average, a rule; see model_quality",
    "score_reason_zh": "the sentence of score_status",
    "score_reason_en": "the sentence of score_status",
    "model": "the candidate that won the backtest on past days; see model_quality",
    "scored_on": "as_of, or the day of the last good scores where those of the night were held back",
    "reason_1_zh": "the sentence of the signal reason_1, with its numbers",
    "reason_1_en": "the sentence of the signal reason_1, with its numbers",
    "reason_2_zh": "the sentence of the signal reason_2, with its numbers",
    "reason_2_en": "the sentence of the signal reason_2, with its numbers",
    "reason_3_zh": "the sentence of the signal reason_3, with its numbers",
    "reason_3_en": "the sentence of the signal reason_3, with its numbers",
}
#: Doubles are published with nine digits, and a model's parameters, too; what is near zero has lost some of them.
_TOLERANCE: Final = 1e-6
_NEAR_ZERO: Final = 1e-7


class UnknownCustomerError(WarehouseError):
    """Nobody is called so, or several are."""


class UnknownMetricError(WarehouseError):
    """No figure is called so."""


@dataclass(frozen=True, slots=True)
class Customer:
    """Who is asked about.

    Attributes
    ----------
    customer_id : str
        The id of today.
    asked_for : str
        The id that was given.
    found_by : str
        ``id``, ``retired_id`` or ``source_id``.
    changed_on : date or None
        When a retired id became this one.
    """

    customer_id: str
    asked_for: str
    found_by: str
    changed_on: date | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """A figure as a table of the release has it."""

    table: str
    column: str
    value: Any


@dataclass(frozen=True)
class Step:
    """A figure below the one that is explained.

    Attributes
    ----------
    name, formula : str
        The figure, and how it is found.
    value : Any
        What it comes to.
    """

    name: str
    formula: str
    value: Any


@dataclass(frozen=True)
class Explanation:
    """Where one figure of one customer comes from.

    Attributes
    ----------
    metric, kind : str
        The figure, and what it is: ``tally``, ``formula``, ``working``, ``given``, ``class``, ``signal`` or ``told``,
        which is taken from the release as it stands.
    formula : str
        How it is found; names of figures stand in braces.
    figures : mapping of str to Any
        The figures and settings that the formula names.
    published : sequence of Published
        What the tables of the release say.
    recomputed : Any
        What follows from the raw rows.
    agrees : bool or None
        Whether the two are one; None where no table has the figure, or it is only told.
    steps : sequence of Step
        The figures in between, from the top down.
    tests : sequence of Test
        Rules that were tried.
    signals : sequence of Signal
        Warning signs that were tried.
    points : mapping of str to float
        What each of them adds to the risk score.
    records : sequence of Record
        The raw rows it rests on, those that do not count with the reason.
    shown : sequence of str
        The values of a record that count.
    """

    metric: str
    kind: str
    formula: str
    figures: Mapping[str, Any]
    published: Sequence[Published]
    recomputed: Any
    agrees: bool | None
    steps: Sequence[Step] = ()
    tests: Sequence[Test] = ()
    signals: Sequence[Signal] = ()
    points: Mapping[str, float] = field(default_factory=dict)
    records: Sequence[Record] = ()
    shown: Sequence[str] = ()


def agree(published: Any, recomputed: Any) -> bool:
    """Whether two values are one: exactly, and doubles to a millionth."""
    if published is None or recomputed is None:
        return published is None and recomputed is None
    if isinstance(published, float) or isinstance(recomputed, float):
        return math.isclose(float(published), float(recomputed), rel_tol=_TOLERANCE, abs_tol=_NEAR_ZERO)
    return bool(published == recomputed)


@contextmanager
def open_explainer(
    home: Home,
    feeds: Callable[[duckdb.DuckDBPyConnection], Mapping[str, FeedFiles]],
    variables: Mapping[str, Any],
    *,
    pads: tuple[str, str] | None,
    predict: Callable[[Mapping[str, Mapping[str, float]], int, int, int], Mapping[str, Any]],
) -> Iterator["Explainer"]:
    """Open the served release and the raw feeds of a home.

    Parameters
    ----------
    home : Home
        The home.
    feeds : callable
        Takes a connection, returns the raw files that count, by feed.
    variables : mapping
        The business rules as the tables read them.
    pads : (str, str) or None
        Of ``warehouse.identifiers.hmac_pads``; None where the home has no key.
    predict : callable
        Takes the parameters of the fitted models, and occasions, recency and age of a history.

    Raises
    ------
    WarehouseError
        If nothing is published, or the release is older than these explanations.
    """
    release = current_release(home)
    if release is None:
        raise WarehouseError(f"Nothing is published in {home.root} yet; run a night first.")
    with connect() as con, attached(con, release.path / DATABASE, "release", read_only=True):
        present = {
            tuple(row)
            for row in con.execute(
                "select table_name, column_name from duckdb_columns() "
                f"where database_name = 'release' and schema_name = {quote_literal(MARTS)}"
            ).fetchall()
        }
        needed = {("orders", "record_no"), ("order_lines", "record_no"), ("population_facts", "value")}
        if not needed <= present:
            raise WarehouseError(
                f"Release {release.seq} does not say which records its numbers rest on; run a night with this version."
            )
        released = con.execute("select source, delivery_id from release.marts.deliveries").fetchall()
        raw = RawFeeds(con, feeds(con), [tuple(row) for row in released])
        columns: dict[str, list[str]] = {}
        for table in _TABLES:
            columns[table] = [column for name, column in sorted(present) if name == table]
        yield Explainer(con, release, raw, columns, variables, pads, predict)


class Explainer:
    """Answers questions about the numbers of one release; see ``open_explainer``."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        release: Release,
        raw: RawFeeds,
        columns: Mapping[str, Sequence[str]],
        variables: Mapping[str, Any],
        pads: tuple[str, str] | None,
        predict: Callable[[Mapping[str, Mapping[str, float]], int, int, int], Mapping[str, Any]],
    ) -> None:
        self.release = release
        self._con = con
        self._raw = raw
        self._columns = columns
        self._variables = variables
        self._pads = pads
        self._predict = predict
        self._books: dict[str, Book] = {}

    # --------------------------------------------------------------------------------------------- who

    def find(self, asked_for: str) -> Customer:
        """Find a customer by id, by an id that has become another's, or by a source's own id (``shop:C-17``).

        Raises
        ------
        UnknownCustomerError
            If nobody, or more than one, is meant.
        """
        if self._ask("select 1 from release.marts.customers where customer_id = ?", asked_for):
            return Customer(asked_for, asked_for, "id")
        retired = self._ask(
            "select customer_id, changed_on from release.marts.customer_id_history where old_customer_id = ?", asked_for
        )
        if retired:
            customer_id, changed_on = retired[0]
            return Customer(customer_id, asked_for, "retired_id", changed_on)
        source, colon, number = asked_for.partition(":")
        if not colon:
            raise UnknownCustomerError(
                f"No customer of release {self.release.seq} has the id {asked_for}; name one of marts.customers, "
                "or SOURCE:ID with an id of the source, such as shop:C-17."
            )
        return self._of_source(source, number, asked_for)

    def _of_source(self, source: str, number: str, asked_for: str) -> Customer:
        known = {row[0] for row in self._ask("select distinct source from release.marts.customer_identities")}
        if source not in known:
            raise UnknownCustomerError(
                f"There is no source {source} in release {self.release.seq}; choose one of {', '.join(sorted(known))}."
            )
        published = self._raw.published_as(source, number, self._pads)
        found = {
            row[0]
            for row in self._ask(
                "select customer_id from release.marts.customer_identities where source = ? and source_customer_id = ?",
                source,
                published,
            )
        }
        if len(found) > 1:
            raise UnknownCustomerError(
                f"{asked_for} stands for several customers, {', '.join(sorted(found))}; name one of them."
            )
        if not found:
            raise UnknownCustomerError(f"{source} has no customer {number} in release {self.release.seq}.")
        return Customer(found.pop(), asked_for, "source_id")

    # --------------------------------------------------------------------------------------------- what

    def figures(self, customer: Customer) -> list[tuple[str, list[Published]]]:
        """Every figure of the published tables, with its values, in their order."""
        found: dict[str, list[Published]] = {}
        for table in _TABLES:
            for each in self._row(table, customer.customer_id):
                if each.column not in _NOT_FIGURES:
                    found.setdefault(each.column, []).append(each)
        return list(found.items())

    def explainable(self) -> list[str]:
        """Every figure that can be asked about, the signals and schemes of the rules among them."""
        names = [*FIGURES, *TOLD]
        names += [f"{SEGMENT}{scheme['id']}" for scheme in self._variables["segment_schemes"]]
        names += dict.fromkeys(f"{TAG}{tag['group']}" for tag in self._variables["tags"])
        return names + [f"{SIGNAL}{signal['id']}" for signal in self._variables["signals"]]

    def named(self, metric: str) -> str | None:
        """The figure of a name; a scheme, group of tags or signal may be called without what stands before it."""
        known = self.explainable()
        candidates = (metric, *(f"{before}{metric}" for before in (SEGMENT, TAG, SIGNAL)))
        return next((name for name in candidates if name in known), None)

    def kind(self, metric: str) -> str:
        """How a figure is found; see ``Explanation.kind``."""
        if metric in TOLD:
            return "told"
        figure = FIGURES.get(metric)
        kinds = {Formula: "formula", Working: "working", Given: "given", ClassOf: "class", Tally: "tally"}
        return kinds[type(figure)] if figure is not None else "class"

    def explain(self, customer: Customer, metric: str) -> Explanation:
        """Trace one figure of a customer back to raw rows.

        Raises
        ------
        UnknownMetricError
            If there is no such figure.
        """
        book = self.book(customer)
        if metric in book.figures:
            return self._of_figure(customer, book, metric)
        for signal in signals(book) if metric.startswith(SIGNAL) else ():
            if f"{SIGNAL}{signal.rule['id']}" == metric:
                return self._of_signal(customer, book, signal)
        if metric in TOLD:
            published = self._published(customer, metric)
            value = published[0].value if published else None
            return Explanation(metric, "told", TOLD[metric], {}, published, value, None)
        raise UnknownMetricError(f"There is no figure {metric} of a customer.")

    def _of_figure(self, customer: Customer, book: Book, metric: str) -> Explanation:
        figure = book.figures[metric]
        published = self._published(customer, metric)
        recomputed = book.value(metric)
        text, kind = _text(book, metric)
        sources = tallies_behind(book, metric)
        is_risk = metric in _OF_SIGNALS
        tried = signals(book) if is_risk else []
        steps = _steps(book, book.needs(metric), metric)
        if is_risk:
            fired = [signal for signal in tried if signal.state == "fired"]
            sources = [each for signal in fired for name in _figures_of(signal) for each in tallies_behind(book, name)]
            steps = _steps(book, [name for signal in fired for name in _figures_of(signal)], metric)
        return Explanation(
            metric=metric,
            kind=kind,
            formula=text,
            figures={name: book.value(name) for name in (*figures_in(text), *book.needs(metric))}
            | {path: book.setting(path) for path in settings_in(text) if _is_plain(book.setting(path))},
            published=published,
            recomputed=recomputed,
            agrees=all(agree(each.value, recomputed) for each in published) if published else None,
            steps=steps,
            tests=book.tests(metric) if isinstance(figure, ClassOf) else (),
            signals=tried,
            points={signal.rule["id"]: points for signal, points in reasons(book)} if is_risk else {},
            records=_records(book, sources),
            shown=_shown(sources),
        )

    def _of_signal(self, customer: Customer, book: Book, signal: Signal) -> Explanation:
        columns = ("fired", "value", "baseline", "threshold")
        rows = self._ask(
            f"select {', '.join(columns)} from release.marts.churn_signals where customer_id = ? and signal_id = ?",
            customer.customer_id,
            signal.rule["id"],
        )
        found = (signal.state == "fired", signal.value, signal.baseline, signal.threshold)
        published = [
            Published("churn_signals", column, value)
            for row in rows
            for column, value in zip(columns, row, strict=True)
        ]
        sources = [each for name in _figures_of(signal) for each in tallies_behind(book, name)]
        return Explanation(
            metric=f"{SIGNAL}{signal.rule['id']}",
            kind="signal",
            formula=f"{{{signal.rule['metric']}}}",
            figures={name: book.value(name) for name in _figures_of(signal)},
            published=published,
            recomputed=signal.state == "fired",
            agrees=all(agree(*pair) for pair in zip(rows[0], found, strict=True)) if rows else None,
            steps=_steps(book, _figures_of(signal), ""),
            signals=[signal],
            records=_records(book, sources),
            shown=_shown(sources),
        )

    def deliveries(self) -> Mapping[tuple[str, str], Delivery]:
        """The files of the release, by source and delivery."""
        return self._raw.deliveries

    def identities(self, customer: Customer) -> list[dict[str, Any]]:
        """The records that are this customer, and by which rule each of them is."""
        columns = self._names("customer_identities")
        listed = ", ".join(quote_name(column) for column in columns)
        rows = self._ask(
            f"select {listed} from release.marts.customer_identities where customer_id = ? order by all",
            customer.customer_id,
        )
        return [dict(zip(columns, row, strict=True)) for row in rows]

    # --------------------------------------------------------------------------------------------- the book

    def book(self, customer: Customer) -> Book:
        """All figures of a customer."""
        if customer.customer_id not in self._books:
            self._books[customer.customer_id] = self._open(customer)
        return self._books[customer.customer_id]

    def _open(self, customer: Customer) -> Book:
        rows = self._ask(
            "select source_system, source, source_customer_id from release.marts.customer_identities "
            "where customer_id = ?",
            customer.customer_id,
        )
        members = self._raw.named_by([Member(*row) for row in rows], self._pads)
        calendar = Calendar(ZoneInfo(self._variables["time_zone"]), self.release.as_of)
        evidence = Evidence(self._con, self._raw, customer.customer_id, members, calendar, self._variables)
        facts = _Facts(self._con, self._raw, customer.customer_id)
        fits: dict[str, dict[str, float]] = {}
        for model, parameter, value in self._ask("select model, parameter, value from release.marts.model_fits"):
            fits.setdefault(model, {})[parameter] = value

        def predict(occasions: int, recency: int, age: int) -> Mapping[str, Any]:
            return self._predict(fits, occasions, recency, age)

        return Book(FIGURES, calendar, self._variables, evidence, facts, self._holds, predict)

    def _holds(self, condition: str, figures: Mapping[str, Any]) -> bool:
        """Whether a condition holds of figures; it is as unknown as what it asks for, and then it does not."""
        row = ", ".join(f"{_literal(value)} as {quote_name(name)}" for name, value in figures.items()) or "1 as one"
        found = self._ask(f"select coalesce({condition}, false) from (select {row}) as figures")
        return bool(found[0][0])

    # --------------------------------------------------------------------------------------------- tables

    def _published(self, customer: Customer, metric: str) -> list[Published]:
        if metric.startswith(SEGMENT):
            rows = self._ask(
                "select segment from release.marts.segment_membership where customer_id = ? and scheme = ?",
                customer.customer_id,
                metric.removeprefix(SEGMENT),
            )
            return [Published("segment_membership", "segment", row[0]) for row in rows]
        if metric.startswith(TAG):
            rows = self._ask(
                "select tag, source_kind from release.marts.customer_tags "
                "where customer_id = ? and tag_group = ? and valid_to is null",
                customer.customer_id,
                metric.removeprefix(TAG),
            )
            # Where a person has decided, the rules are silent.
            found = [tag for tag, kind in rows if kind == "rule"] or ([] if rows else [None])
            return [Published("customer_tags", "tag", tag) for tag in found]
        return [
            each
            for table in _TABLES
            if metric in self._columns[table]
            for each in self._row(table, customer.customer_id)
            if each.column == metric
        ]

    def _row(self, table: str, customer_id: str) -> list[Published]:
        if not self._columns[table]:
            return []
        names = self._names(table)
        listed = ", ".join(quote_name(column) for column in names)
        rows = self._ask(f"select {listed} from release.marts.{table} where customer_id = ?", customer_id)
        return [Published(table, column, value) for row in rows for column, value in zip(names, row, strict=True)]

    def _names(self, table: str) -> list[str]:
        """The columns of a table, in its own order."""
        return [
            row[0]
            for row in self._ask(
                "select column_name from duckdb_columns() where database_name = 'release' and schema_name = ? "
                "and table_name = ? order by column_index",
                MARTS,
                table,
            )
        ]

    def _ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._con.execute(query, list(values)).fetchall()]


class _Facts:
    """What the release says of all customers; called with the name of a fact and what it is about."""

    def __init__(self, con: duckdb.DuckDBPyConnection, raw: RawFeeds, customer_id: str) -> None:
        self._con = con
        self._raw = raw
        self._customer_id = customer_id
        self._known: dict[tuple[Any, ...], Any] = {}

    def __call__(self, fact: str, *about: Any) -> Any:
        key = (fact, *about)
        if key not in self._known:
            match fact:
                case "rfm_cut":
                    self._known[key] = self._rfm_cut(*about)
                case "base_rate":
                    self._known[key] = self._one("select avg(churn_probability) from release.marts.churn_risk")
                case "books_expiry":
                    self._known[key] = self._raw.books_expiry(*about)
                case "not_available":
                    query = "select distinct signal_id from release.marts.churn_signals where availability = ?"
                    self._known[key] = {row[0] for row in self._con.execute(query, [fact]).fetchall()}
                case "fit_status":
                    query = "select max(status) from release.marts.model_fits where model = ?"
                    self._known[key] = self._one(query, *about)
                case "of_customer":
                    query = f"select {quote_name(about[0])} from release.marts.customer_clv where customer_id = ?"
                    self._known[key] = self._one(query, self._customer_id)
                case "risk_of_customer":
                    query = f"select {quote_name(about[0])} from release.marts.churn_risk where customer_id = ?"
                    self._known[key] = self._one(query, self._customer_id)
                case _:
                    subject, day = (*about, None, None)[:2]
                    condition = "fact = ? and subject = ?" + ("" if day is None else " and known_on = ?")
                    values = [fact, subject or "", *([] if day is None else [day])]
                    self._known[key] = self._one(
                        f"select value from release.marts.population_facts where {condition}", *values
                    )
        return self._known[key]

    def _rfm_cut(self, dimension: str, share: float) -> float | None:
        column = {"recency": "recency_days", "frequency": "frequency", "monetary": "monetary"}[dimension]
        found: float | None = self._one(
            f"select percentile_cont({share}) within group (order by cast({column} as double)) "
            "from release.marts.customer_rfm"
        )
        return found

    def _one(self, query: str, *values: object) -> Any:
        row = self._con.execute(query, list(values)).fetchone()
        return None if row is None else row[0]


def _text(book: Book, name: str) -> tuple[str, str]:
    """How a figure is found, and of which kind it is."""
    figure = book.figures[name]
    match figure:
        case Formula():
            return book.formula(name), "formula"
        case Working():
            return figure.text, "working"
        case Given():
            return figure.text, "given"
        case ClassOf():
            return "", "class"
        case Tally():
            return _words_of(book, figure), "tally"


_TAKEN: Final[Mapping[str, str]] = {
    "count": "number of {kind}",
    "sum": "sum of {of} of {kind}",
    "whole_sum": "sum of {of} of {kind}",
    "distinct": "different {of} of {kind}",
    "first": "first {of} of {kind}",
    "last": "last {of} of {kind}",
    "weakest": "weakest {of} of {kind}",
    "latest": "score of the latest of {kind}",
    "favourite": "most frequent channel of {kind}",
    "most": "most {kind} with one {of}",
    "all_in": "whether all {kind} are a yes",
}


def _words_of(book: Book, tally: Tally) -> str:
    """What a tally does, in words."""
    text = _TAKEN[tally.take].format(kind=tally.kind.replace("_", " "), of=tally.of)
    if tally.keep:
        text += f" with {tally.keep}"
    days = book.setting(tally.days) if isinstance(tally.days, str) else tally.days
    if days is not None and tally.skip:
        text += f", from {days - 1} to {tally.skip} days before as_of"
    elif days is not None:
        text += f", in the {days} days up to as_of"
    return text


def _is_plain(value: Any) -> bool:
    """Whether a setting is one value, and no list of rules."""
    return not isinstance(value, Mapping | list)


def _steps(book: Book, names: Sequence[str], top: str) -> list[Step]:
    """The figures below a figure, each once, those that it names itself first."""
    found: dict[str, Step] = {}
    queue = list(names)
    while queue:
        each = queue.pop(0)
        if each not in found and each != top:
            found[each] = Step(each, _text(book, each)[0], book.value(each))
            queue += book.needs(each)
    return list(found.values())


def _figures_of(signal: Signal) -> list[str]:
    """The figures that a signal looks at."""
    rule = signal.rule
    named = [rule["metric"], rule["vs"], rule.get("max_age_metric"), *names_in(rule.get("and_sql") or "")]
    return list(dict.fromkeys(name for name in named if name))


def _shown(sources: Sequence[Tally | Working]) -> list[str]:
    """The values of records that some figures take."""
    return list(dict.fromkeys(each.of for each in sources if isinstance(each, Tally) and each.of))


def _records(book: Book, sources: Sequence[Tally | Working]) -> list[Record]:
    """The records behind some figures, each once: one that counts in any of them counts."""
    found: dict[tuple[Any, ...], Record] = {}
    for figure in sources:
        looked_at = counted(book, figure) if isinstance(figure, Tally) else book.records(figure.kind)
        for record in looked_at:
            said = record.values
            key = record.feed, record.place, record.cell("order_id"), said.get("rule")
            if key not in found or (found[key].verdict is not None and record.verdict is None):
                found[key] = record
    return sorted(found.values(), key=lambda record: (record.verdict is not None, record.feed, record.place))


def _literal(value: Any) -> str:
    """A value in SQL, with its type."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int():
            return f"cast({value} as bigint)"
        case float():
            return f"cast({value!r} as double)"
        case Decimal():
            return f"cast({value} as decimal(18, 4))"
        case date():
            return f"date {quote_literal(value)}"
    return quote_literal(value)
