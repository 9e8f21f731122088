"""What a figure of a customer may be, and how all of them are worked out from each other.

Belongs here: the kinds of figures and the book that works them out when they are asked for. Does not belong here: which
figures there are (``explained_metrics.py``), reading records (``explained_records.py``), showing anything.

=========  ==========================================================================================================
tally      counts, adds up or looks at records: ``orders`` are the documents that are purchases
formula    follows from other figures as it is written: ``aov`` is ``{net_revenue} ÷ {orders}``
working    follows from records and figures by a method of its own, such as a median or a model
given      what is known of all customers together; taken from the release as it stands
class      the first of the rules whose condition is met: the tier, the stage, the layer
=========  ==========================================================================================================
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from warehouse.explained_documents import MARGIN_SOURCES
from warehouse.explained_formulas import evaluated, figures_in
from warehouse.explained_records import Calendar, Record, Verdict

__all__ = [
    "SEGMENT",
    "TAG",
    "Book",
    "ClassOf",
    "Figure",
    "Formula",
    "Given",
    "Tally",
    "Test",
    "Working",
    "counted",
    "names_in",
    "tallies_behind",
]

#: What stands before the name of a scheme or a group of tags, where a figure might be called the same.
SEGMENT: Final = "segment:"
TAG: Final = "tag:"
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Tally:
    """A figure that is read off records.

    Attributes
    ----------
    name : str
        The figure.
    kind : str
        Which records: a kind of evidence of :class:`Book`.
    take : str
        What is made of them: a key of ``TAKES``.
    of : str
        The value of a record that is taken; none where records are counted.
    keep : str
        The value of a record that must be true for it to count.
    days : int, str or None
        How many days it looks back on; a name is that of a setting of the rules.
    skip : int
        How many of the last days are left out.
    divide : int
        By what the result is divided.
    """

    name: str
    kind: str
    take: str
    of: str = ""
    keep: str = ""
    days: int | str | None = None
    skip: int = 0
    divide: int = 1


@dataclass(frozen=True, slots=True)
class Formula:
    """A figure that follows from others as it is written; see ``explained_formulas.py``.

    Attributes
    ----------
    name : str
        The figure.
    text : str
        The formula.
    cases : tuple of (str, str)
        Conditions under which another formula holds, and that formula; the first that is met.
    """

    name: str
    text: str
    cases: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Working:
    """A figure with a method of its own.

    Attributes
    ----------
    name : str
        The figure.
    text : str
        The method in words; the figures it works with stand in braces.
    work : callable
        Takes the book.
    kind : str
        The records that it looks at, if it looks at any.
    """

    name: str
    text: str
    work: Callable[["Book"], Any]
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """A figure that is not worked out from the customer's records.

    Attributes
    ----------
    name : str
        The figure.
    text : str
        What it is, and where it comes from.
    find : callable
        Takes the book.
    """

    name: str
    text: str
    find: Callable[["Book"], Any]


@dataclass(frozen=True, slots=True)
class ClassOf:
    """A figure that is the first rule whose condition is met.

    Attributes
    ----------
    name : str
        The figure.
    section : str
        Part of the rules file, such as ``tiers``.
    within : int, str or None
        Number of the scheme, or name of the group of tags, where the section has several.
    """

    name: str
    section: str
    within: int | str | None = None


Figure = Tally | Formula | Working | Given | ClassOf


@dataclass(frozen=True, slots=True)
class Test:
    """One rule that was tried.

    Attributes
    ----------
    place : tuple
        Where it stands in the rules file.
    id : str
        What it gives.
    condition : str
        As SQL over figures.
    figures : mapping
        The figures that it names.
    is_met : bool
        Whether it holds.
    """

    place: tuple[str | int, ...]
    id: str
    condition: str
    figures: Mapping[str, Any]
    is_met: bool


class Book:
    """All figures of one customer, each worked out when it is asked for, once.

    Parameters
    ----------
    figures : mapping of str to Figure
        Every figure but the classes of the rules' own schemes.
    calendar : Calendar
        The business's day, and the last that counts.
    variables : mapping
        The business rules as the tables read them.
    evidence : callable
        Records of a kind; those that do not count at all have a verdict.
    released : callable
        What the release says of all customers: takes the name of a fact and what it is about.
    holds : callable
        Whether a condition in SQL holds of some figures.
    predict : callable
        What the fitted models say of a purchase history: takes occasions, recency and age.
    """

    def __init__(
        self,
        figures: Mapping[str, Figure],
        calendar: Calendar,
        variables: Mapping[str, Any],
        evidence: Callable[[str], Sequence[Record]],
        released: Callable[..., Any],
        holds: Callable[[str, Mapping[str, Any]], bool],
        predict: Callable[[int, int, int], Mapping[str, Any]],
    ) -> None:
        self.as_of = calendar.as_of
        self.day = calendar.day
        self.variables = variables
        self.released = released
        self.predict = predict
        self.figures: dict[str, Figure] = dict(figures)
        # The rules may call a scheme or a group like a figure.
        for number, scheme in enumerate(variables["segment_schemes"]):
            name = f"{SEGMENT}{scheme['id']}"
            self.figures[name] = ClassOf(name, "segment_schemes", number)
        for tag in variables["tags"]:
            name = f"{TAG}{tag['group']}"
            self.figures[name] = ClassOf(name, "tags", tag["group"])
        for cut in variables["percentile_cuts"]:
            self.figures[cut["column"]] = _percentile(cut)
        self._evidence = evidence
        self._holds = holds
        self._known: dict[str, Any] = {}
        self._tests: dict[str, list[Test]] = {}
        self._records: dict[str, Sequence[Record]] = {}

    def records(self, kind: str) -> Sequence[Record]:
        """Records of a kind of evidence."""
        if kind not in self._records:
            self._records[kind] = self._evidence(kind)
        return self._records[kind]

    def value(self, name: str) -> Any:
        """A figure, worked out."""
        if name not in self._known:
            figure = self.figures[name]
            match figure:
                case Tally():
                    kept = [record for record in counted(self, figure) if record.verdict is None]
                    taken = [record.values.get(figure.of) for record in kept] if figure.of else kept
                    found = TAKES[figure.take](taken)
                    self._known[name] = found if figure.divide == 1 else float(found) / figure.divide
                case Formula():
                    self._known[name] = self._evaluated(self.formula(name))
                case Working():
                    self._known[name] = figure.work(self)
                case Given():
                    self._known[name] = figure.find(self)
                case ClassOf():
                    met = next((test.id for test in self.tests(name) if test.is_met), None)
                    self._known[name] = self.value("tier") if met == "from_tier" else met
        return self._known[name]

    def formula(self, name: str) -> str:
        """The formula that holds for this customer."""
        figure = self.figures[name]
        assert isinstance(figure, Formula)
        for condition, text in figure.cases:
            if self._evaluated(condition):
                return text
        return figure.text

    def setting(self, path: str) -> Any:
        """A setting, by its place in the rules file."""
        steps = path.split(".")
        for start in range(len(steps)):
            name = "_".join(steps[start:])
            if name in self.variables:
                return self.variables[name]
            section = self.variables.get("_".join(steps[start:-1]))
            if isinstance(section, Mapping) and steps[-1] in section:
                return section[steps[-1]]
        raise KeyError(path)

    def tests(self, name: str) -> list[Test]:
        """The rules that were tried for a class, in order, up to the first that holds."""
        if name not in self._tests:
            figure = self.figures[name]
            assert isinstance(figure, ClassOf)
            tried = []
            for place, entry in self._entries(figure):
                tried.append(self.test(place, entry["id"], entry["when"]))
                if tried[-1].is_met:
                    break
            self._tests[name] = tried
        return self._tests[name]

    def _entries(self, figure: ClassOf) -> list[tuple[tuple[str | int, ...], Mapping[str, Any]]]:
        """The rules of a class, each with its place in the rules file."""
        section, within = figure.section, figure.within
        entries = self.variables[section]
        if isinstance(within, int):
            return [((section, within, "segments", n), each) for n, each in enumerate(entries[within]["segments"])]
        return [((section, n), each) for n, each in enumerate(entries) if within in (None, each.get("group"))]

    def test(self, place: tuple[str | int, ...], label: str, condition: str) -> Test:
        """Try one condition on the customer's figures."""
        figures = {name: self.value(name) for name in names_in(condition)}
        return Test(place, label, condition, figures, self._holds(condition, figures))

    def needs(self, name: str) -> list[str]:
        """The figures that a figure was worked out from, in order."""
        figure = self.figures[name]
        match figure:
            case Formula():
                conditions = [condition for condition, _ in figure.cases]
                return list(dict.fromkeys([*figures_in(self.formula(name)), *figures_in(" ".join(conditions))]))
            case Working():
                return figures_in(figure.text)
            case ClassOf():
                return list(dict.fromkeys(need for test in self.tests(name) for need in test.figures))
        return []

    def _evaluated(self, text: str) -> Any:
        return evaluated(text, self._named)

    def _named(self, name: str) -> Any:
        """What a formula calls by a name."""
        if name == "as_of":
            return self.as_of
        return self.setting(name) if "." in name else self.value(name)


def _percentile(cut: Mapping[str, Any]) -> Given:
    text = f"{cut['p']:.0%} of all customers of whom {cut['metric']} is known have less"
    return Given(cut["column"], text, lambda book: book.released("percentile", cut["column"]))


_WORD: Final = re.compile(r"[a-z_][a-z_0-9]*")
_SQL_WORDS: Final = frozenset(
    {
        *("abs", "and", "as", "between", "case", "cast", "coalesce", "double", "e", "else", "end", "false", "greatest"),
        *("in", "is", "least", "lower", "not", "null", "nullif", "or", "round", "then", "true", "upper", "when"),
    }
)


def names_in(condition: str) -> list[str]:
    """The figures that a compiled condition names, in order."""
    words = [word for outside in condition.split("'")[::2] for word in _WORD.findall(outside)]
    return [word for word in dict.fromkeys(words) if word not in _SQL_WORDS]


def counted(book: Book, tally: Tally) -> list[Record]:
    """The records that a tally looks at, those that do not count in it with the reason."""
    days = book.setting(tally.days) if isinstance(tally.days, str) else tally.days
    first = None if days is None else book.as_of - timedelta(days=days - 1)
    last = book.as_of - timedelta(days=tally.skip)
    found = []
    for record in book.records(tally.kind):
        day, verdict = record.values.get("on"), None
        if record.verdict is None:
            if tally.keep and not record.values.get(tally.keep):
                verdict = record.values.get("instead") or Verdict("other_kind", (tally.keep,))
            elif first is not None and (day is None or day < first):
                verdict = Verdict("before", (str(first),))
            elif tally.skip and (day is None or day > last):
                verdict = Verdict("after", (str(last),))
        found.append(record.saying(verdict))
    return found


def tallies_behind(book: Book, name: str) -> list[Tally | Working]:
    """What a figure rests on in the end: the figures among its sources that look at records, each once."""
    found: dict[str, Tally | Working] = {}
    seen: set[str] = set()
    queue = [name]
    while queue:
        each = queue.pop(0)
        if each in seen:
            continue
        seen.add(each)
        figure = book.figures[each]
        if isinstance(figure, Tally) or (isinstance(figure, Working) and figure.kind):
            found[each] = figure
        queue += book.needs(each)
    return list(found.values())


# ------------------------------------------------------------------------------------------------- what a tally takes


def _whole(values: Iterable[Any]) -> int | Decimal:
    total = sum((value or _ZERO for value in values), _ZERO)
    return int(total) if total == total.to_integral_value() else total


def _latest(records: Sequence[Record]) -> Any:
    """The score of the last answer; of equally late ones, a ticket's goes after a survey's."""

    def place(record: Record) -> tuple[Any, ...]:
        is_ticket = record.feed == "tickets"
        own = record.cell("ticket_id" if is_ticket else "response_id")
        return record.values["at"], is_ticket, record.source_system, record.place.source, own

    return max(records, key=place).values["score"] if records else None


def _favourite(records: Sequence[Record]) -> str | None:
    """The channel used most often; the one used last decides between equals, then its name."""
    uses: dict[str, list[date]] = defaultdict(list)
    for record in records:
        if record.values["channel"] != "other":
            uses[record.values["channel"]].append(record.values["on"])
    ranked = sorted(uses, key=lambda channel: (-len(uses[channel]), -max(uses[channel]).toordinal(), channel))
    return ranked[0] if ranked else None


def _known(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if value is not None]


#: What can be made of records, or of one value of each.
TAKES: Final[Mapping[str, Callable[[Sequence[Any]], Any]]] = {
    "count": len,
    "sum": lambda values: sum(_known(values), _ZERO),
    "whole_sum": _whole,
    "distinct": lambda values: len(set(_known(values))),
    "first": lambda values: min(_known(values), default=None),
    "last": lambda values: max(_known(values), default=None),
    "weakest": lambda values: max(values, key=MARGIN_SOURCES.index, default=None),
    "latest": _latest,
    "favourite": _favourite,
    "most": lambda values: max(Counter(_known(values)).values(), default=0),
    "all_in": lambda values: bool(values) and all(value == "in" for value in values),
}
