"""Suggesting a ``source.yml`` for files that nobody knows.

Belongs here: which kind of file an unknown one may be, told by the titles of its columns and the values below them.
Does not belong here: reading it. Nothing here decides how a file is read: every line is for its owner to check.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from sources.feeds import ColumnType, canonical_feeds
from sources.headers import is_blank, normalise_header, normalise_label
from sources.profiles import NUMBERS, TOTALS, Profile, feed_by_name, known_profiles

if TYPE_CHECKING:
    from sources.inspecting import Examined

__all__ = ["suggest"]

TITLES_FILE = Path(__file__).with_name("titles.yml")

CLOSE = 0.6
"""Two titles that agree to this share may mean the same."""

SPELLED_ALIKE = 0.8
"""From here on two words are one, spelled in another way; below, ``stage`` and ``tags`` look alike too."""

ENOUGH_VALUES = 0.7
"""So many of the values below a title must look like what it is to become."""


@dataclass(frozen=True)
class _Guess:
    """A kind of file that an unknown file may be, and how its columns would be read."""

    system: str
    kind: str
    header_at: int
    columns: dict[str, tuple[str, float]]
    missing: list[str]
    score: float


def suggest(files: Sequence["Examined"]) -> str:
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
    dates: list[str] = []
    system = next((file.system for file in files if file.system is not None), None)
    for file in files:
        if file.refused is None:
            continue
        guess = _guess(file, system)
        if guess is None:
            entries.append(f"# {_comment(file.name)}: nothing in it looks like a known feed.")
            continue
        system = guess.system
        dates += _dates(file, guess)
        entries += _entry(file, guess)
    if not entries:
        return "# Every file can be read as it is.\n"
    lines = ["# Suggested from the titles of the columns: look at every line before you rely on it."]
    if any(not entry.startswith("#") for entry in entries):
        lines.append(f"system: {system}")
        if dates:
            lines.append(f"dates: [{', '.join(map(_quoted, dict.fromkeys(dates)))}]")
        lines.append("files:")
    return "\n".join([*lines, *entries]) + "\n"


def _entry(file: "Examined", guess: _Guess) -> list[str]:
    stem = re.split(r"\.(csv|tsv|xlsx|json|txt|parquet|zip)", file.name.rpartition("#")[2], maxsplit=1)[0]
    pattern = re.sub(r"[\d_\-. ]*\d[\d_\-. ]*$", "", stem) or stem
    lines = [f"  {_quoted(pattern + '*')}:", f"    as: {guess.kind}"]
    if steps := _steps(file, guess):
        lines.append(f"    read: {{{', '.join(steps)}}}")
    lines.append("    columns:")
    for column, (title, share) in guess.columns.items():
        doubt = "" if share == 1 else f"   # {share:.0%} alike"
        lines.append(f"      {column}: {_quoted(title)}{doubt}")
    taken = {title for title, _ in guess.columns.values()}
    left = [title for title in map(str.strip, file.rows[guess.header_at]) if title and title not in taken]
    spec = known_profiles()[guess.system].files[guess.kind]
    for column in guess.missing:
        kind = spec.columns[column].type or "text"
        perhaps = [title for title in left if _looks_like(_values(file, guess.header_at, title), kind)]
        hint = f" Perhaps {_comment(' or '.join(perhaps[:3]))}." if perhaps else ""
        lines.append(f"      # {column}: which title is it? It must be there.{hint}")
    lines += [f"    # {remark}" for remark in _word_remarks(file, guess)]
    if left:
        lines.append(f"    # read by nobody, kept in extra: {_comment(', '.join(left))}")
    lines += [f"    # {remark}" for remark in _date_remarks(file, guess)]
    return lines


def _steps(file: "Examined", guess: _Guess) -> list[str]:
    """The reading steps that the file seems to need."""
    steps = []
    if file.separator != ",":
        steps.append(f"delimiter: {_quoted(file.separator)}")
    if above := sum(not is_blank(row) for row in file.rows[: guess.header_at]):
        steps.append(f"skip_preamble: {above}")
    spec = known_profiles()[guess.system].files[guess.kind]
    numbers = [
        value
        for column, (title, _) in guess.columns.items()
        if spec.columns[column].type in NUMBERS
        for value in _values(file, guess.header_at, title)
    ]
    if any(map(_DECIMAL_COMMA.search, numbers)) and not any(map(_DECIMAL_POINT.search, numbers)):
        steps.append("decimal: comma")
    firsts = [next((cell.strip() for cell in row if cell.strip()), "") for row in file.rows[guess.header_at + 1 :]]
    sums = {word: normalise_label(word) for word in firsts}
    if {*TOTALS, *_OTHER_TOTALS} & set(sums.values()):
        steps.append("drop_totals: true")
    if others := sorted(word for word, plain in sums.items() if plain in _OTHER_TOTALS):
        steps.append(f"totals: [{', '.join(map(_quoted, others))}]")
    return steps


_DECIMAL_COMMA = re.compile(r",\d{1,2}\D*$")
_DECIMAL_POINT = re.compile(r"\.\d{1,2}\D*$")
_OTHER_TOTALS = (
    "summe",
    "gesamt",
    "gesamtsumme",
    "zwischensumme",
    "endsumme",
    "totale",
    "somme",
    "сумма",
    "合計",
    "小計",
)


def _quoted(text: str) -> str:
    return yaml.safe_dump(text, allow_unicode=True, default_style='"', width=10_000).strip()


def _comment(text: str) -> str:
    return " ".join(text.split())


def _guess(file: "Examined", system: str | None) -> _Guess | None:
    """The kind of file whose columns agree best with the titles and what stands below them."""
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
            if (guess := _fitting(file, profile, kind, place, 1.0 if kind == named else 0.0)) is not None
        ]
    best = max(guesses, key=lambda guess: (guess.score, -guess.header_at), default=None)
    if best is None and system not in (None, "generic"):
        return _guess(file, None)
    return best


def _fitting(file: "Examined", profile: Profile, kind: str, place: int, bonus: float) -> _Guess | None:
    spec = profile.files[kind]
    titles = [cell.strip() for cell in file.rows[place]]
    values = {title: _values(file, place, title) for title in titles if title}
    pairs = sorted(
        (
            (share, column, title)
            for column, names in _vocabulary(profile.system, kind).items()
            for title in values
            if (share := max(map(_alike, [title] * len(names), names))) >= CLOSE
            and _looks_like(values[title], spec.columns[column].type or "text")
        ),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    columns: dict[str, tuple[str, float]] = {}
    taken: set[str] = set()
    for share, column, title in pairs:
        if column not in columns and title not in taken:
            columns[column] = (title, share)
            taken.add(title)
    missing = [column for column in spec.must_have() if column not in columns]
    if not columns or len(columns) < min(2, len(spec.columns)) or len(missing) == len(spec.must_have()) > 0:
        return None
    order = {column: number for number, column in enumerate(spec.columns)}
    found = dict(sorted(columns.items(), key=lambda item: order[item[0]]))
    needed = len(spec.must_have()) or 1
    # What may be documents or their lines is taken for the documents: without them lines have no day.
    is_dated = any(spec.columns[column].type in ("timestamp", "date") for column in spec.must_have())
    score = sum(share for _, share in columns.values()) + bonus + 0.5 * is_dated
    score += 2 * (needed - len(missing)) / needed - 2 * len(missing)
    return _Guess(profile.system, kind, place, found, missing, score)


def _values(file: "Examined", header_at: int, title: str) -> list[str]:
    """What is written below a title."""
    place = [cell.strip() for cell in file.rows[header_at]].index(title)
    below = (row[place].strip() for row in file.rows[header_at + 1 :] if place < len(row))
    return [value for value in below if value]


_NUMBER = re.compile(r"[-+(]{0,2}\s*([A-Z]{0,3}\s?[$€£¥₽₩₹]?)?\s*[-+]?\d[\d.,' \u00a0]*\)?\s*([A-Z]{3}|[$€£¥元%])?")
_DATE = re.compile(
    r"\d{4}\s?[-/.年]\s?\d{1,2}([-/.月]\d{1,2}日?)?.*|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}.*"
    r"|(19|20)\d{6}( ?\d{4,6})?|\d{10}|\d{13}"
    r"|(\d{1,2}\W{0,2})?[A-Za-z]{3,9}\.?\W{1,2}(\d{1,2},?\W)?\d{4}.*"
)
_DECIMALS = re.compile(r".*\d[.,]\d{1,2}\D*")


def _looks_like(values: Sequence[str], kind: ColumnType) -> bool:
    """Whether what is written may be read as a type; a column without values may."""
    return not values or sum(_is_one(value, kind) for value in values) >= ENOUGH_VALUES * len(values)


def _is_one(value: str, kind: ColumnType) -> bool:
    is_date = _DATE.fullmatch(value) is not None
    if kind in NUMBERS:
        return _NUMBER.fullmatch(value) is not None and not (is_date and re.search(r"[-/年].*[-/月]", value))
    if kind in ("timestamp", "date"):
        return is_date
    if kind == "email":
        return "@" in value
    if kind == "phone":
        return re.fullmatch(r"[-+()./ \d]{5,}(\s?x\d+)?", value) is not None and not _is_marked_date(value)
    if kind == "boolean":
        return len(value) <= 5 and not is_date
    if kind == "id" and " " in value:
        return False
    is_amount = _NUMBER.fullmatch(value) is not None and _DECIMALS.fullmatch(value) is not None
    return "@" not in value and not _is_marked_date(value) and not is_amount


def _is_marked_date(value: str) -> bool:
    """Whether a value is a date and not a mere number."""
    return _DATE.fullmatch(value) is not None and not value.isdigit()


@cache
def _vocabulary(system: str, kind: str) -> Mapping[str, tuple[str, ...]]:
    """Every title under which a column is known: in its profile, and for canonical columns in all profiles."""
    profile = known_profiles()[system]
    known = {column: [column, *spec.aliases] for column, spec in profile.files[kind].columns.items()}
    if profile.headers == "canonical":
        for column, titles in _titles_of(kind):
            known[column] += titles
    return {column: tuple(dict.fromkeys(map(normalise_header, names))) for column, names in known.items()}


@cache
def _common_titles() -> Mapping[str, Mapping[str, list[str]]]:
    titles: Mapping[str, Mapping[str, list[str]]] = yaml.safe_load(TITLES_FILE.read_text(encoding="utf-8"))
    return titles


def _titles_of(feed: str) -> Iterator[tuple[str, list[str]]]:
    """Canonical columns of a feed, each with the titles that any profile knows for it."""
    for column in canonical_feeds()[feed].columns:
        yield column, [column.replace("_", " ")]
    yield from _common_titles().get(feed, {}).items()
    for profile in known_profiles().values():
        if profile.headers == "canonical":
            continue
        for spec in profile.files.values():
            for entry, made in spec.feeds.items():
                if (made.feed or entry) != feed:
                    continue
                for column, values in made.columns.items():
                    cells = [cell for value in values for cell in value.cells or () if cell in spec.columns]
                    yield column, [title for cell in cells for title in (cell, *spec.columns[cell].aliases)]


_WITHOUT_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")


@cache
def _alike(title: str, known: str) -> float:
    """How far two titles agree: 1 for the same, less for one inside the other or a similar spelling."""
    one = normalise_header(title)
    if one == known:
        return 1.0
    shorter, longer = sorted((one, known), key=len)
    if _WITHOUT_SPACES.search(one):
        is_inside = len(shorter) >= 2 and shorter in longer
    else:
        is_inside = f" {_words(shorter)} " in f" {_words(longer)} "
    if is_inside:
        return 0.6 + 0.35 * len(shorter) / len(longer)
    ratio = difflib.SequenceMatcher(None, one, known).ratio()
    return ratio * 0.95 if ratio >= SPELLED_ALIKE else 0.0


def _words(title: str) -> str:
    return " ".join(re.findall(r"\w+", title.replace("_", " ")))


def _word_remarks(file: "Examined", guess: _Guess) -> Iterator[str]:
    """Words that the kind of file does not know and somebody has to translate."""
    spec = known_profiles()[guess.system].files[guess.kind]
    for column, (title, _) in guess.columns.items():
        known = spec.columns[column].values
        words = dict.fromkeys(value for value in _values(file, guess.header_at, title) if value.lower() not in known)
        if known and words:
            said = ", ".join(f"{_quoted(word)}: …" for word in words)
            yield f"words: {{{column}: {{{_comment(said)}}}}}   # each is one of {', '.join(known)}"


_NUMERIC_DATE = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2\d{4}( \d{1,2}:\d{2}(:\d{2})?)?")


def _numeric_dates(file: "Examined", guess: _Guess) -> Iterator[tuple[str, list[re.Match[str]]]]:
    """The columns whose dates are written with numbers only, and these dates."""
    spec = known_profiles()[guess.system].files[guess.kind]
    for column, (title, _) in guess.columns.items():
        if spec.columns[column].type in ("timestamp", "date"):
            written = map(_NUMERIC_DATE.fullmatch, _values(file, guess.header_at, title))
            if matches := [match for match in written if match]:
                yield column, matches


def _pattern(match: re.Match[str], *, day_first: bool) -> str:
    mark, clock = match[2], (" %H:%M" if match[4] else "") + (":%S" if match[5] else "")
    return (f"%d{mark}%m{mark}%Y" if day_first else f"%m{mark}%d{mark}%Y") + clock


def _order_of(matches: Sequence[re.Match[str]]) -> bool | None:
    """Whether the day stands first; None where the dates do not tell."""
    day_first = any(int(match[1]) > 12 for match in matches)
    month_first = any(int(match[3]) > 12 for match in matches)
    return day_first if day_first != month_first else None


def _dates(file: "Examined", guess: _Guess) -> Iterator[str]:
    """The patterns of dates that show which number is the month, in one column for all."""
    columns = [matches for _, matches in _numeric_dates(file, guess)]
    orders = {order for matches in columns if (order := _order_of(matches)) is not None}
    if len(orders) == 1:
        for matches in columns:
            yield from sorted({_pattern(match, day_first=next(iter(orders))) for match in matches})


def _date_remarks(file: "Examined", guess: _Guess) -> Iterator[str]:
    """What must be said about dates of which nobody can tell which number is the month."""
    if any(_dates(file, guess)):
        return
    for column, matches in _numeric_dates(file, guess):
        yield (
            f"{column} is written like {_comment(matches[0][0])}: say with 'dates' at the top which number is the "
            f"month, for example 'dates: [{_quoted(_pattern(matches[0], day_first=True))}]'"
        )
