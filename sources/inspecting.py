"""Looking at files without loading them, and suggesting a ``source.yml`` for those that nobody knows.

Belongs here: what ``keeprate inspect`` tells. Does not belong here: printing it.

``examine`` runs where files are read (``worker.py``) and gives plain facts; everything else works on those facts.
"""

import dataclasses
import difflib
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import yaml

from sources.errors import LeftAsideError, RefusedFileError
from sources.feeds import canonical_feeds
from sources.headers import fits, is_blank, normalise_header
from sources.landing import SETTINGS_FILE, members
from sources.limits import LIMITS, Limits
from sources.planning import choices, text_names
from sources.profiles import Profile, feed_by_name, known_profiles
from sources.reading import REJECTS, Job, draft, find, head_of, parts_of, read_part
from sources.settings import SourceDefaults, load_settings
from sources.sql import ask, literal
from sources.tables import Head, TextHead

__all__ = ["Examined", "Inspection", "examine", "inspect", "suggest"]

SHOWN_REJECTS = 5
SHOWN_ROWS = 25

CLOSE = 0.6
"""Two titles that agree to this share may mean the same."""


@dataclass(frozen=True)
class Examined:
    """What is known of one file, member or sheet after looking at it.

    Attributes
    ----------
    name : str
        Its name, with ``#member`` and ``#sheet``.
    refused : str or None
        Why nothing of it could be loaded.
    system, kind, feed : str or None
        The profile, its kind of file, and the canonical feed whose records are counted.
    told_by : str
        What told them: ``name and headers``, ``headers``, ``source.yml``.
    known, present : int
        How many of its columns the profile knows, and how many it has: the confidence.
    encoding : str or None
        How its text is written.
    columns : dict of str to str
        Column of the profile to header.
    absent, unmapped : list of str
        Columns that the profile knows and the file lacks; headers that nobody reads.
    records, loaded, rejected, ignored : int
        The count of its records.
    rejects : list of dict
        The first rejected records.
    drift : list of str
        What is unusual about it.
    rows : list of list of str
        Its first rows, where it could not be read.
    separator : str
        What separates the fields of these rows.
    """

    name: str
    refused: str | None = None
    system: str | None = None
    kind: str | None = None
    feed: str | None = None
    told_by: str = ""
    known: int = 0
    present: int = 0
    encoding: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)
    records: int = 0
    rejected: int = 0
    ignored: int = 0
    rejects: list[dict[str, Any]] = field(default_factory=list)
    drift: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    separator: str = ","

    @property
    def loaded(self) -> int:
        """Records that would become rows."""
        return self.records - self.rejected - self.ignored

    @property
    def confidence(self) -> float:
        """Share of the file's columns that the profile knows."""
        return self.known / self.present if self.present else 0.0


@dataclass(frozen=True)
class Inspection:
    """What is known of several files.

    Attributes
    ----------
    files : list of Examined
        Every file, member and sheet.
    ignored : list of str
        What is no delivery.
    """

    files: list[Examined]
    ignored: list[str]

    def suggestion(self) -> str:
        """The text of a ``source.yml`` for the files that could not be read; see ``suggest``."""
        return suggest(self.files)


def inspect(
    con: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    *,
    defaults: SourceDefaults,
    limits: Limits = LIMITS,
) -> Inspection:
    """Say how files would be read, without loading anything.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Its threads and memory are what reading may use.
    files : sequence of Path
        Files anywhere; the name of their folder and a ``source.yml`` in it count as in landing.
    defaults : SourceDefaults
        Time zone and currency of a source that declares none.
    limits : Limits
        What reading one file may cost.

    Returns
    -------
    Inspection
        A file that could not be loaded says why.
    """
    from sources.worker import Reader

    found: list[Examined] = []
    ignored: list[str] = []
    [(threads, memory)] = ask(con, "SELECT current_setting('threads'), current_setting('memory_limit')")
    with tempfile.TemporaryDirectory(prefix="keeprate-") as work, Reader(int(threads), str(memory)) as reader:
        for path in files:
            folder = path.resolve().parent
            try:
                settings = load_settings(folder / SETTINGS_FILE)
                job = Job(path.absolute(), path.name, folder.name, settings, defaults, limits)
                desk = Path(tempfile.mkdtemp(dir=work))
                examined, others = reader.examine(job, desk)
            except RefusedFileError as error:
                found.append(Examined(path.name, refused=error.reason))
                continue
            found += examined
            ignored += others
    return Inspection(found, ignored)


def examine(con: duckdb.DuckDBPyConnection, job: Job, desk: Path) -> tuple[list[Examined], list[str]]:
    """Read a file onto the desk and say what came of it.

    Raises
    ------
    RefusedFileError
        If the file itself cannot be trusted.
    """
    contents, ignored = members(job.path, job.name, text_names(job.source, job.settings))
    found = []
    for member in contents:
        try:
            parts, left = parts_of(member, job, desk)
        except RefusedFileError as error:
            found.append(Examined(member.name, refused=error.reason))
            continue
        ignored = [*ignored, *left]
        for number, part in enumerate(parts):
            own = desk / f"{len(found)}-{number}"
            own.mkdir()
            head: Head | None = None
            try:
                head = head_of(con, part, job, own)
                found.append(_examined(con, part, job, own))
            except LeftAsideError as error:
                ignored = [*ignored, f"{part.name} ({error.kind}: not asked for)"]
            except RefusedFileError as error:
                rows, mark = _rows(head) if head is not None else ([], ",")
                found.append(Examined(part.name, refused=error.reason, rows=rows, separator=mark, system=_system(job)))
    return found, ignored


def _system(job: Job) -> str | None:
    system = job.settings.system or job.source
    return system if system in known_profiles() else None


def _examined(con: duckdb.DuckDBPyConnection, part: Any, job: Job, desk: Path) -> Examined:
    found, plan = find(con, part, job, desk)
    base = Examined(
        name=part.name,
        refused=found.refused,
        system=plan.system,
        kind=plan.kind,
        feed=plan.primary.name,
        told_by=_told_by(con, part, job, desk, plan.system, plan.kind),
        known=sum(cell.position is not None for cell in plan.cells),
        present=len(plan.header.labels) - len(plan.header.dropped),
        columns={cell.name: plan.header.labels[cell.position] for cell in plan.cells if cell.position is not None},
        absent=[cell.name for cell in plan.cells if cell.position is None],
        unmapped=list(plan.unmapped.values()),
    )
    if found.refused is not None:
        return base
    try:
        reading = read_part(con, part, job, found, plan, "", desk)
    except RefusedFileError as error:
        return dataclasses.replace(base, refused=error.reason)
    rejects = []
    if reading.rejected:
        query = (
            "SELECT record_no, code, column_name, raw_value, source_key "
            f"FROM read_parquet({literal(draft(desk, REJECTS))}) ORDER BY record_no LIMIT {SHOWN_REJECTS}"
        )
        names = ("record_no", "code", "column", "value", "key")
        rejects = [dict(zip(names, row, strict=True)) for row in ask(con, query)]
    return dataclasses.replace(
        base,
        records=reading.records,
        rejected=reading.rejected,
        ignored=reading.ignored,
        encoding=reading.encoding,
        drift=reading.drift,
        rejects=rejects,
    )


def _told_by(con: duckdb.DuckDBPyConnection, part: Any, job: Job, desk: Path, system: str, kind: str) -> str:
    file_name = part.member.file_name
    if any(one.kind == kind and fits(file_name, [f"{pattern}*"]) for pattern, one in job.settings.files.items()):
        return "source.yml"
    head = head_of(con, part, job, desk)
    profile = known_profiles()[system]
    named = any(
        choice.kind == kind and choice.named
        for choice in choices(head, [profile], file_name=file_name, sheet=part.sheet, settings=job.settings)
    )
    return "name and headers" if named else "headers"


def _rows(head: Head) -> tuple[list[list[str]], str]:
    """The first rows of a file of which nobody knows how it is separated, and the separator that gives most columns."""
    from sources.profiles import ReadSpec

    if not isinstance(head, TextHead):
        return [list(row) for row in head.rows(ReadSpec())[:SHOWN_ROWS]], ","
    best: list[list[str]] = []
    separator = ","
    for mark in (",", ";", "\t", "|"):
        try:
            rows = [list(row) for row in head.rows(ReadSpec(delimiter=mark))[:SHOWN_ROWS]]
        except RefusedFileError:
            continue
        if max(map(len, rows), default=0) > max(map(len, best), default=0):
            best, separator = rows, mark
    return best, separator


# Suggestions


@dataclass(frozen=True)
class _Guess:
    """A kind of file that an unknown file may be, and how its columns would be read."""

    system: str
    kind: str
    header_at: int
    columns: dict[str, tuple[str, float]]
    missing: list[str]
    score: float


def suggest(files: Sequence[Examined]) -> str:
    """Write a ``source.yml`` with the best mapping found for files that could not be read.

    Parameters
    ----------
    files : sequence of Examined
        What is known of them; those that could be read are passed over.

    Returns
    -------
    str
        YAML with a remark at everything that is not certain; a file for which nothing fits is named in a remark.
    """
    entries: list[str] = []
    system = next((file.system for file in files if file.system is not None), None)
    for file in files:
        if file.refused is None:
            continue
        guess = _guess(file, system)
        if guess is None:
            entries.append(f"# {_comment(file.name)}: nothing in it looks like a known feed.")
            continue
        system = guess.system
        entries += _entry(file, guess)
    if not entries:
        return "# Every file can be read as it is.\n"
    lines = ["# Suggested from the titles of the columns: look at every line before you rely on it."]
    if any(not entry.startswith("#") for entry in entries):
        lines += [f"system: {system}", "files:"]
    return "\n".join([*lines, *entries]) + "\n"


def _entry(file: Examined, guess: _Guess) -> list[str]:
    stem = re.split(r"\.(csv|tsv|xlsx|json|txt|parquet|zip)", file.name.rpartition("#")[2], maxsplit=1)[0]
    pattern = re.sub(r"[\d_\-. ]*\d[\d_\-. ]*$", "", stem) or stem
    lines = [f"  {_quoted(pattern + '*')}:", f"    as: {guess.kind}"]
    steps = []
    if file.separator != ",":
        steps.append(f"delimiter: {_quoted(file.separator)}")
    if guess.header_at:
        steps.append(f"skip_preamble: {guess.header_at}")
    if steps:
        lines.append(f"    read: {{{', '.join(steps)}}}")
    lines.append("    columns:")
    for column, (title, share) in guess.columns.items():
        doubt = "" if share == 1 else f"   # {share:.0%} alike"
        lines.append(f"      {column}: {_quoted(title)}{doubt}")
    lines += [f"      # {column}: which title is it? It must be there." for column in guess.missing]
    taken = {title for title, _ in guess.columns.values()}
    left = [title for title in file.rows[guess.header_at] if title.strip() and title.strip() not in taken]
    if left:
        lines.append(f"    # read by nobody, kept in extra: {_comment(', '.join(left))}")
    lines += [f"    # {remark}" for remark in _date_remarks(file, guess)]
    return lines


def _quoted(text: str) -> str:
    return yaml.safe_dump(text, allow_unicode=True, default_style='"', width=10_000).strip()


def _comment(text: str) -> str:
    return " ".join(text.split())


def _guess(file: Examined, system: str | None) -> _Guess | None:
    """The kind of file whose columns agree best with the titles."""
    profile = known_profiles()[system or "generic"]
    guesses = []
    for place, row in enumerate(file.rows[:10]):
        titles = [cell.strip() for cell in row]
        if is_blank(row) or not any(re.search(r"[^\W\d]", title) for title in titles):
            continue
        named = feed_by_name(file.name.rpartition("#")[2])
        guesses += [
            guess
            for kind in profile.files
            if (guess := _fitting(profile, kind, titles, place, 1.0 if kind == named else 0.0)) is not None
        ]
    best = max(guesses, key=lambda guess: (guess.score, -guess.header_at), default=None)
    if best is None and system not in (None, "generic"):
        return _guess(file, None)
    return best


def _fitting(profile: Profile, kind: str, titles: Sequence[str], place: int, bonus: float) -> _Guess | None:
    pairs = sorted(
        (
            (share, column, title)
            for column, names in _vocabulary(profile.system, kind).items()
            for title in titles
            if title and (share := max(map(_alike, [title] * len(names), names))) >= CLOSE
        ),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    columns: dict[str, tuple[str, float]] = {}
    taken: set[str] = set()
    for share, column, title in pairs:
        if column not in columns and title not in taken:
            columns[column] = (title, share)
            taken.add(title)
    spec = profile.files[kind]
    missing = [column for column in spec.must_have() if column not in columns]
    if not columns or len(columns) < min(2, len(spec.columns)) or len(missing) == len(spec.must_have()) > 0:
        return None
    order = {column: number for number, column in enumerate(spec.columns)}
    found = dict(sorted(columns.items(), key=lambda item: order[item[0]]))
    needed = len(spec.must_have()) or 1
    score = (
        sum(share for _, share in columns.values()) + bonus + 2 * (needed - len(missing)) / needed - 2 * len(missing)
    )
    return _Guess(profile.system, kind, place, found, missing, score)


@cache
def _vocabulary(system: str, kind: str) -> Mapping[str, tuple[str, ...]]:
    """Every title under which a column is known: in its profile, and for canonical columns in all profiles."""
    profile = known_profiles()[system]
    known = {column: [column, *spec.aliases] for column, spec in profile.files[kind].columns.items()}
    if profile.headers == "canonical":
        for column, titles in _titles_of(kind):
            known[column] += titles
    return {column: tuple(dict.fromkeys(map(normalise_header, names))) for column, names in known.items()}


def _titles_of(feed: str) -> Iterator[tuple[str, list[str]]]:
    """Canonical columns of a feed, each with the titles that any profile knows for it."""
    for column in canonical_feeds()[feed].columns:
        yield column, [column.replace("_", " ")]
    for profile in known_profiles().values():
        if profile.headers == "canonical":
            continue
        for spec in profile.files.values():
            for name, made in spec.feeds.items():
                if (made.feed or name) != feed:
                    continue
                for column, values in made.columns.items():
                    cells = [cell for value in values for cell in value.cells or () if cell in spec.columns]
                    yield column, [title for cell in cells for title in (cell, *spec.columns[cell].aliases)]


@cache
def _alike(title: str, known: str) -> float:
    """How far two titles agree: 1 for the same, less for one inside the other or a similar spelling."""
    one = normalise_header(title)
    if one == known:
        return 1.0
    shorter, longer = sorted((one, known), key=len)
    if len(shorter) >= 2 and shorter in longer:
        return 0.6 + 0.35 * len(shorter) / len(longer)
    return difflib.SequenceMatcher(None, one, known).ratio() * 0.95


_NUMERIC_DATE = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2\d{4}( \d{1,2}:\d{2}(:\d{2})?)?")


def _date_remarks(file: Examined, guess: _Guess) -> Iterator[str]:
    """What must be said about dates that are written with numbers only."""
    spec = known_profiles()[guess.system].files[guess.kind]
    header = [cell.strip() for cell in file.rows[guess.header_at]]
    for column, (title, _) in guess.columns.items():
        if spec.columns[column].type not in ("timestamp", "date"):
            continue
        place = header.index(title)
        written = [row[place].strip() for row in file.rows[guess.header_at + 1 :] if place < len(row)]
        matches = [match for match in map(_NUMERIC_DATE.fullmatch, written) if match]
        if not matches:
            continue
        day_first = any(int(match[1]) > 12 for match in matches)
        month_first = any(int(match[3]) > 12 for match in matches)
        mark, clock = matches[0][2], (" %H:%M" if matches[0][4] else "") + (":%S" if matches[0][5] else "")
        if day_first != month_first:
            order = f"%d{mark}%m{mark}%Y" if day_first else f"%m{mark}%d{mark}%Y"
            yield f"{column} is written like {_comment(matches[0][0])}: add 'dates: [\"{order}{clock}\"]' at the top"
        else:
            yield (
                f"{column} is written like {_comment(matches[0][0])}: say with 'dates' at the top which number is the "
                f"month, for example 'dates: [\"%d{mark}%m{mark}%Y{clock}\"]'"
            )
