"""What people have decided about records of customers: the file that ``identity.decisions`` names.

Here belongs reading that file and everything that it shows by itself. Which records there are, and what a decision
does to them, belongs to the SQL models and to ``models/components.py``.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Final, Literal, NamedTuple, cast, get_args

from rules.errors import Problem, RulesError
from rules.suggestions import nearest
from rules.tables import read_lines

__all__ = ["Action", "Decision", "Record", "read_decisions"]

Action = Literal["merge", "split"]
COLUMNS: Final = ("action", "source_a", "id_a", "source_b", "id_b", "reason", "decided_by", "decided_on")


class Record(NamedTuple):
    """A record of a customer, as its source knows it."""

    source: str
    id: str


class Decision(NamedTuple):
    """One line of the file: whether two records are one customer.

    Attributes
    ----------
    line : int
        Where it stands, from 1.
    action : str
        ``merge``: they are; ``split``: they are not.
    a, b : Record
        The two. The second is the one that leaves a split.
    reason, decided_by : str
        Why, and who says so.
    decided_on : date
        From which day on it counts.
    """

    line: int
    action: Action
    a: Record
    b: Record
    reason: str
    decided_by: str
    decided_on: date

    @property
    def pair(self) -> frozenset[Record]:
        """The two records, in no order."""
        return frozenset((self.a, self.b))


def read_decisions(path: Path) -> tuple[Decision, ...]:
    """Read the file of decisions.

    Parameters
    ----------
    path : Path
        A table in CSV, UTF-8 with or without a byte order mark, whose first line names the columns; further columns
        are not read.

    Returns
    -------
    tuple of Decision
        In the order of the file.

    Raises
    ------
    RulesError
        If the file cannot be read, a line is not a decision, or two lines contradict each other; names every problem
        with its line and what to do.
    """
    problems: list[Problem] = []
    decisions: list[Decision] = []
    for line, cells in read_lines(path, COLUMNS):
        try:
            decisions.append(_decision(line, cells))
        except ValueError as error:
            problems.append(Problem(path, line, str(error)))
    problems += [Problem(path, line, message) for line, message in _contradictions(decisions)]
    if problems:
        raise RulesError(problems)
    return tuple(decisions)


def _decision(line: int, cells: dict[str, str]) -> Decision:
    blank = [name for name in COLUMNS if not cells[name]]
    if blank:
        raise ValueError(f"leaves {', '.join(blank)} blank; fill it in")
    action = cells["action"].lower()
    if action not in get_args(Action):
        near = nearest(action, get_args(Action))
        raise ValueError(
            f"has the action {cells['action']}; {f'did you mean {near}?' if near else 'write merge or split'}"
        )
    try:
        decided_on = date.fromisoformat(cells["decided_on"])
    except ValueError:
        raise ValueError(f"has {cells['decided_on']} in decided_on; write a day such as 2026-03-31") from None
    a, b = Record(cells["source_a"], cells["id_a"]), Record(cells["source_b"], cells["id_b"])
    if a == b:
        raise ValueError("names the same record twice; name two")
    return Decision(line, cast(Action, action), a, b, cells["reason"], cells["decided_by"], decided_on)


def _contradictions(decisions: Sequence[Decision]) -> Iterator[tuple[int, str]]:
    said: dict[tuple[Action, frozenset[Record]], int] = {}
    for decision in decisions:
        before = said.setdefault((decision.action, decision.pair), decision.line)
        if before != decision.line:
            yield decision.line, f"says again what line {before} says; keep one"
    merges = [decision for decision in decisions if decision.action == "merge"]
    together = _together(merges)
    for decision in decisions:
        if decision.action == "split" and together.get(decision.a, -1) == together.get(decision.b, -2):
            lines = sorted(merge.line for merge in merges if together[merge.a] == together[decision.a])
            said_by = f"line {lines[0]} merges" if len(lines) == 1 else f"lines {', '.join(map(str, lines))} merge"
            yield decision.line, f"splits two records that {said_by}; keep one or the other"


def _together(merges: Iterable[Decision]) -> dict[Record, int]:
    """The group of every record that merges name, where they are followed over any number of records."""
    neighbours: defaultdict[Record, set[Record]] = defaultdict(set)
    for merge in merges:
        neighbours[merge.a].add(merge.b)
        neighbours[merge.b].add(merge.a)
    groups: dict[Record, int] = {}
    for number, start in enumerate(neighbours):
        waiting = [start]
        while waiting:
            record = waiting.pop()
            if record not in groups:
                groups[record] = number
                waiting += neighbours[record]
    return groups
