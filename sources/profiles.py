"""How one system's headers become canonical feeds: profiles (``profiles/*.yml``) and a folder's own
``source.yml``.

Belongs here: the shape of both files, and choosing and resolving the profile of one file. Does not belong
here: opening files (``landing.py``) or reading their records (``csv_files.py``, ``mapping.py``).
"""

import difflib
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from sources.errors import RefusedFileError
from sources.feeds import FEEDS_FILE, ColumnType, Feed, canonical_feeds

__all__ = [
    "Cell",
    "FeedPlan",
    "Plan",
    "Profile",
    "SourceDefaults",
    "SourceSettings",
    "Value",
    "delimiter_of",
    "feed_by_name",
    "known_profiles",
    "load_settings",
    "normalise_header",
    "plan",
]

PROFILES = Path(__file__).with_name("profiles")

READER_VERSION = 1
"""Raised whenever the same file would be read differently; every delivery is then read again."""


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone; write a name such as Europe/London") from error
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]


_UNREAD = "no file of this folder was read"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class SourceDefaults:
    """What holds for a source that says nothing itself.

    Attributes
    ----------
    time_zone : str
        IANA name of the business time zone.
    currency : str
        ISO 4217 code of the business's base currency.
    """

    time_zone: str
    currency: str


class SourceSettings(_Strict):
    """``landing/<source>/source.yml``: what its owner declares about the files beside it."""

    system: str | None = Field(default=None, description="The profile to read the files with.")
    timezone: TimeZone | None = Field(default=None, description="The zone of times without an offset.")
    currency: Currency | None = Field(default=None, description="The currency of amounts without one.")
    default_country: str | None = Field(default=None, description="The country of customers without one.")
    deliveries: Literal["delta", "full"] = Field(
        default="delta", description="Whether a file replaces all earlier ones."
    )
    on_refused: Literal["stop", "skip"] = Field(default="stop", description="What a refused file does to the night.")
    max_age_days: int | None = Field(default=None, ge=0, description="How old the newest export may be.")
    guests: bool | None = Field(default=None, description="Whether a document may have no customer.")
    final_newline: Literal["required", "optional"] | None = Field(
        default=None, description="Whether files end with a line end."
    )
    delimiter: str | None = Field(default=None, min_length=1, max_length=1, description="What separates fields.")
    columns: dict[str, str] = Field(default_factory=dict, description="Column of the profile to header in the files.")


class Rule(_Strict):
    """One case of a mapped value; exactly one condition."""

    prefix: str | None = None
    equals: str | None = None
    below: int | None = None
    value: str

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        if sum(condition is not None for condition in (self.prefix, self.equals, self.below)) != 1:
            raise ValueError("a rule has exactly one of prefix, equals and below")
        return self


class Value(_Strict):
    """Where the value of a canonical column comes from: a cell, a mapped cell, a setting, or always the same
    word."""

    cell: str | None = Field(default=None, validation_alias=AliasChoices("from", "cell"))
    map: tuple[Rule, ...] = ()
    default: str | None = None
    setting: Literal["currency", "default_country"] | None = None
    value: str | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if sum(origin is not None for origin in (self.cell, self.setting, self.value)) != 1:
            raise ValueError("a value has exactly one of from, setting and value")
        return self


class ColumnSpec(_Strict):
    """One column of a system's file."""

    type: ColumnType = "text"
    aliases: tuple[str, ...] = ()
    required: bool = Field(default=False, description="A record without it is rejected.")
    optional: bool = Field(default=False, description="The header may be missing.")
    customer: bool = Field(
        default=False, description="It names the customer; blank is a guest where guests are allowed."
    )
    integer_id: bool = False
    formats: tuple[str, ...] = ()


class FeedSpec(_Strict):
    """One canonical feed of a profile."""

    derived: bool = Field(default=False, description="Made of the distinct rows of the primary feed's file.")
    only_with: str | None = Field(default=None, description="Leave out rows whose value here is empty.")
    columns: dict[str, str | Value] = Field(default_factory=dict)
    fill: dict[str, Value] = Field(default_factory=dict, description="What a missing or blank value becomes.")


class ReadSpec(_Strict):
    """How a system writes its files."""

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    final_newline: Literal["required", "optional"] = "optional"


class Profile(_Strict):
    """One system's export."""

    system: str
    headers: Literal["own", "canonical"] = "own"
    customer_grain: str
    guests: bool
    currency: Currency | None = None
    time_zone: TimeZone | None = None
    read: ReadSpec = ReadSpec()
    columns: dict[str, ColumnSpec] = Field(default_factory=dict)
    feeds: dict[str, FeedSpec]

    @model_validator(mode="after")
    def _speaks_of_known_columns(self) -> Self:
        for name, spec in self.feeds.items():
            feed = canonical_feeds().get(name)
            if feed is None:
                raise ValueError(f"{name} is not a canonical feed")
            for column in (*spec.columns, *spec.fill, *filter(None, [spec.only_with])):
                if column not in feed.columns:
                    raise ValueError(f"{column} is not a column of the feed {name}")
            cells = self.columns if self.headers == "own" else feed.columns
            for value in (*spec.columns.values(), *spec.fill.values()):
                cell = value if isinstance(value, str) else value.cell
                if cell is not None and cell not in cells:
                    raise ValueError(f"{cell}, which the feed {name} reads, is not among the columns")
        if self.headers == "own" and sum(not spec.derived for spec in self.feeds.values()) != 1:
            raise ValueError("exactly one feed of a profile is not derived: the one whose records are counted")
        return self


@dataclass(frozen=True)
class Cell:
    """One column of a file as it is to be read.

    Attributes
    ----------
    name : str
        Its name in the profile.
    position : int or None
        Where it stands in the file, from 0; None when the file does not have it.
    type, formats, integer_id, values, lenient
        How its text is to be spelled; see ``text.spell`` and ``feeds.Column``.
    required : bool
        A record without a value here is rejected.
    customer : bool
        It names the customer.
    key : bool
        It is part of the feed's key.
    """

    name: str
    position: int | None
    type: ColumnType
    required: bool = False
    customer: bool = False
    key: bool = False
    integer_id: bool = False
    lenient: bool = False
    formats: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeedPlan:
    """How one canonical feed is made of a file's cells.

    Attributes
    ----------
    feed : Feed
        The canonical feed.
    values : mapping of str to sequence of Value
        Canonical column to where its value comes from; of several the first that is not empty.
    derived : bool
        Made of distinct rows; such a feed counts no records.
    only_with : str or None
        A canonical column that must not be empty.
    """

    feed: Feed
    values: Mapping[str, Sequence[Value]]
    derived: bool
    only_with: str | None


@dataclass(frozen=True)
class Plan:
    """Everything needed to read one file.

    Attributes
    ----------
    system, customer_grain, time_zone, currency : str
        What the rows will say about themselves.
    guests : bool
        Whether a document may have no customer.
    settings : SourceSettings
        What the source's owner declared.
    header : tuple of str
        The file's own header.
    cells : tuple of Cell
        The columns that are mapped.
    feeds : tuple of FeedPlan
        The primary feed first.
    profile_hash : str
        16 hex digits that change whenever the same bytes would be read differently.
    """

    system: str
    customer_grain: str
    time_zone: str
    currency: str
    guests: bool
    settings: SourceSettings
    delimiter: str
    final_newline_required: bool
    header: tuple[str, ...]
    cells: tuple[Cell, ...]
    feeds: tuple[FeedPlan, ...]
    profile_hash: str

    @property
    def primary(self) -> Feed:
        """The feed whose records are counted."""
        return self.feeds[0].feed

    @property
    def key_cell(self) -> Cell | None:
        """The cell that names a record to a reader: the first required one."""
        return next((cell for cell in self.cells if cell.required), None)

    @property
    def unmapped(self) -> dict[int, str]:
        """Position and name of the columns that nobody maps."""
        mapped = {cell.position for cell in self.cells}
        return {position: label for position, label in enumerate(_labels(self.header)) if position not in mapped}


@cache
def known_profiles() -> Mapping[str, Profile]:
    """Read every profile that ships with the project.

    Returns
    -------
    mapping of str to Profile
        By system, in alphabetical order.
    """
    profiles = (
        Profile.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
        for file in sorted(PROFILES.glob("*.yml"))
    )
    return MappingProxyType({profile.system: profile for profile in profiles})


def load_settings(file: Path) -> SourceSettings:
    """Read a ``source.yml``; a file that does not exist declares nothing.

    Raises
    ------
    RefusedFileError
        If it is not YAML, or says something that nobody reads.
    """
    if file.is_symlink():
        raise RefusedFileError(f"it is a link; put the file itself there, {_UNREAD}")
    if not file.exists():
        return SourceSettings()
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(document, dict | None):
            raise RefusedFileError(f"it is not a list of settings such as 'currency: EUR'; correct it, {_UNREAD}")
        return SourceSettings.model_validate(document or {})
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise RefusedFileError(f"it is not readable YAML{where}; correct it, {_UNREAD}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            problem = f"{key} is not a setting{_nearest(key, SourceSettings.model_fields)}"
        else:
            problem = f"{key}: {first['msg'].removeprefix('Value error, ')}"
        raise RefusedFileError(f"{problem}; correct it, {_UNREAD}") from error


def normalise_header(text: str) -> str:
    """The form in which headers are compared: NFKC, one space for any run of spaces, case folded."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip().casefold()


def plan(
    header: Sequence[str],
    *,
    source: str,
    file_name: str,
    settings: SourceSettings,
    defaults: SourceDefaults,
) -> Plan:
    """Decide how a file is to be read, from its folder, its name and its header.

    Parameters
    ----------
    header : sequence of str
        The file's first record.
    source : str
        Name of its folder in landing.
    file_name : str
        Its own name, without folders.
    settings, defaults
        What the source declares, and what holds otherwise.

    Raises
    ------
    RefusedFileError
        If the header is ambiguous or lacks a column, or no single profile fits.
    """
    _refuse_other_separator(header)
    positions = _positions(header)
    system = settings.system or (source if source in known_profiles() else None)
    if system is not None and system not in known_profiles():
        raise RefusedFileError(
            f"source.yml names the system {system!r}, which has no profile"
            f"{_nearest(system, known_profiles())}; known are {_listed(known_profiles())}"
        )
    profile = known_profiles()[system] if system else _recognise(positions, file_name, settings)
    _check_overrides(profile, settings)
    if profile.headers == "canonical":
        feed = canonical_feeds()[_feed_of(file_name, positions, settings)]
        feeds: tuple[FeedPlan, ...] = (_canonical_feed(profile, feed),)
        cells = _canonical_cells(profile, feed, positions, settings)
    else:
        feeds = tuple(
            sorted((_own_feed(name, spec) for name, spec in profile.feeds.items()), key=lambda made: made.derived)
        )
        cells = _own_cells(profile, positions, settings)
    _check_one_reader_each(cells, header)
    return Plan(
        system=profile.system,
        customer_grain=profile.customer_grain,
        time_zone=settings.timezone or profile.time_zone or defaults.time_zone,
        currency=settings.currency or profile.currency or defaults.currency,
        guests=_guests(profile, settings),
        settings=settings,
        delimiter=settings.delimiter or profile.read.delimiter,
        final_newline_required=(settings.final_newline or profile.read.final_newline) == "required",
        header=tuple(header),
        cells=cells,
        feeds=feeds,
        profile_hash=_hash(profile, feeds[0].feed, source, settings, defaults),
    )


def delimiter_of(source: str, settings: SourceSettings) -> str:
    """What separates fields in a source's files, as far as it is known before a file is opened."""
    profile = known_profiles().get(settings.system or source)
    return settings.delimiter or (profile.read.delimiter if profile else ReadSpec().delimiter)


def feed_by_name(file_name: str) -> str | None:
    """The canonical feed that a file's name states: ``orders-2024.csv`` is orders."""
    stem = Path(file_name).name.casefold().split(".")[0]
    name = re.split(r"[-\d\s(]|_\d{4}", stem, maxsplit=1)[0].rstrip("_")
    return name if name in canonical_feeds() else None


def _guests(profile: Profile, settings: SourceSettings) -> bool:
    return profile.guests if settings.guests is None else settings.guests


def _refuse_other_separator(header: Sequence[str]) -> None:
    """Give a hint instead of guessing: a single header with separators in it is a row of headers."""
    separator = next((mark for mark in ";\t|" if len(header) == 1 and mark in header[0].strip()), None)
    if separator is not None:
        shown = "a tab" if separator == "\t" else repr(separator)
        raise RefusedFileError(
            f"its fields seem to be separated by {shown}; set 'delimiter' in source.yml beside the file"
        )


def _labels(header: Sequence[str]) -> list[str]:
    """The header's texts; a column without one, as spreadsheets leave them, is called by its place."""
    return [text.strip() or f"(column {position})" for position, text in enumerate(header, start=1)]


def _positions(header: Sequence[str]) -> dict[str, int]:
    """Normalised header to position."""
    positions: dict[str, int] = {}
    for position, text in enumerate(_labels(header)):
        name = normalise_header(text)
        if name in positions:
            raise RefusedFileError(
                f"the header {text!r} occurs twice "
                f"(columns {positions[name] + 1} and {position + 1}); "
                "remove or rename one of them"
            )
        positions[name] = position
    return positions


def _find(positions: Mapping[str, int], names: Iterable[str]) -> int | None:
    found = (positions.get(normalise_header(name)) for name in names)
    return next((position for position in found if position is not None), None)


def _names(column: str, aliases: Sequence[str], settings: SourceSettings) -> tuple[str, ...]:
    override = settings.columns.get(column)
    return (override,) if override else (column, *aliases)


def _check_overrides(profile: Profile, settings: SourceSettings) -> None:
    """A header that is given to a column nobody reads would be a setting without effect."""
    if profile.headers == "canonical":
        known = {column for feed in canonical_feeds().values() for column in feed.columns}
    else:
        known = set(profile.columns)
    for column in settings.columns:
        if column not in known:
            raise RefusedFileError(
                f"source.yml names a header for the column {column!r}, which the profile {profile.system} does not "
                f"read{_nearest(column, sorted(known))}; correct it under 'columns'"
            )


def _check_one_reader_each(cells: Sequence[Cell], header: Sequence[str]) -> None:
    readers: dict[int, str] = {}
    for cell in cells:
        if cell.position is None:
            continue
        if cell.position in readers:
            raise RefusedFileError(
                f"the header {header[cell.position].strip()!r} would be read as {readers[cell.position]} and as "
                f"{cell.name}; correct 'columns' in source.yml beside the file"
            )
        readers[cell.position] = cell.name


def _missing(profile: Profile, positions: Mapping[str, int], settings: SourceSettings) -> list[str]:
    return [
        name
        for name, spec in profile.columns.items()
        if not spec.optional and _find(positions, _names(name, spec.aliases, settings)) is None
    ]


def _recognise(positions: Mapping[str, int], file_name: str, settings: SourceSettings) -> Profile:
    """The one profile whose headers the file has."""
    own = [profile for profile in known_profiles().values() if profile.headers == "own"]
    fitting = [profile for profile in own if not _missing(profile, positions, settings)]
    if _canonical_candidates(file_name, positions, settings):
        fitting += [profile for profile in known_profiles().values() if profile.headers == "canonical"]
    if len(fitting) == 1:
        return fitting[0]
    advice = "write 'system: <profile>' into source.yml beside the file"
    if fitting:
        raise RefusedFileError(
            f"its headers fit several profiles ({_listed(profile.system for profile in fitting)}); {advice}"
        )
    nearest = min(own, key=lambda profile: len(_missing(profile, positions, settings)) / len(profile.columns))
    absent = _missing(nearest, positions, settings)
    raise RefusedFileError(
        f"its headers fit no profile; the nearest is {nearest.system}, for which {_listed(absent)} "
        f"{'is' if len(absent) == 1 else 'are'} missing{_nearest(absent[0], positions)}; {advice}"
    )


def _lacking(feed: Feed, positions: Mapping[str, int], settings: SourceSettings) -> list[str]:
    return [name for name in feed.required if _find(positions, _names(name, (), settings)) is None]


def _canonical_candidates(file_name: str, positions: Mapping[str, int], settings: SourceSettings) -> list[str]:
    """Canonical feeds that a file can be: the one its name states, else every one whose required headers it
    has."""
    named = feed_by_name(file_name)
    names = [named] if named else list(canonical_feeds())
    return [name for name in names if not _lacking(canonical_feeds()[name], positions, settings)]


def _feed_of(file_name: str, positions: Mapping[str, int], settings: SourceSettings) -> str:
    candidates = _canonical_candidates(file_name, positions, settings)
    if len(candidates) == 1:
        return candidates[0]
    named = feed_by_name(file_name)
    if named:
        _require(_lacking(canonical_feeds()[named], positions, settings), positions)
    if candidates:
        raise RefusedFileError(
            f"its headers fit several feeds ({_listed(candidates)}); name the file after its feed, "
            f"for example {candidates[0]}-2024.csv"
        )
    raise RefusedFileError(
        "neither its name nor its headers say which feed it is; name it after its feed, for example "
        f"orders-2024.csv, with the headers {_listed(canonical_feeds()['orders'].required)}"
    )


def _require(absent: Sequence[str], positions: Mapping[str, int]) -> None:
    if not absent:
        return
    plural = len(absent) > 1
    raise RefusedFileError(
        f"the column{'s' if plural else ''} {_listed(absent)} {'are' if plural else 'is'} missing"
        f"{_nearest(absent[0], positions)}; export it again with {'them' if plural else 'it'}, "
        "or name the header under 'columns' in source.yml beside the file"
    )


def _own_cells(profile: Profile, positions: Mapping[str, int], settings: SourceSettings) -> tuple[Cell, ...]:
    _require(_missing(profile, positions, settings), positions)
    guests = _guests(profile, settings)
    return tuple(
        Cell(
            name=name,
            position=_find(positions, _names(name, spec.aliases, settings)),
            type=spec.type,
            required=spec.required or (spec.customer and not guests),
            customer=spec.customer,
            integer_id=spec.integer_id,
            formats=spec.formats,
        )
        for name, spec in profile.columns.items()
    )


def _own_feed(name: str, spec: FeedSpec) -> FeedPlan:
    values = {
        column: (Value(cell=value) if isinstance(value, str) else value,) for column, value in spec.columns.items()
    }
    return FeedPlan(canonical_feeds()[name], values, spec.derived, spec.only_with)


def _canonical_cells(
    profile: Profile, feed: Feed, positions: Mapping[str, int], settings: SourceSettings
) -> tuple[Cell, ...]:
    _require(_lacking(feed, positions, settings), positions)
    document_needs_customer = feed.name == "orders" and not _guests(profile, settings)
    customer = "source_customer_id" if "source_customer_id" not in feed.key else None
    return tuple(
        Cell(
            name=name,
            position=_find(positions, _names(name, (), settings)),
            type=column.type,
            required=name in feed.required or (name == customer and document_needs_customer),
            customer=name == customer,
            key=name in feed.key,
            lenient=column.lenient,
            values=column.values,
        )
        for name, column in feed.columns.items()
    )


def _canonical_feed(profile: Profile, feed: Feed) -> FeedPlan:
    fill = profile.feeds[feed.name].fill if feed.name in profile.feeds else {}
    values = {column: (Value(cell=column), *([fill[column]] if column in fill else [])) for column in feed.columns}
    return FeedPlan(feed, values, derived=False, only_with=None)


def _hash(profile: Profile, feed: Feed, source: str, settings: SourceSettings, defaults: SourceDefaults) -> str:
    """What decides how bytes are read: the reader, the profile, the feeds, and what was declared for the
    source.

    The primary feed is part of it, so that a canonical file renamed from ``payments`` to ``orders`` is read
    again.
    """
    parts = [
        READER_VERSION,
        profile.model_dump(mode="json"),
        hashlib.sha256(FEEDS_FILE.read_bytes()).hexdigest(),
        feed.name,
        source,
        settings.model_dump(mode="json"),
        [defaults.time_zone, defaults.currency],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _nearest(wanted: str, seen: Iterable[str]) -> str:
    close = difflib.get_close_matches(normalise_header(wanted), list(seen), n=1, cutoff=0.5)
    return f" (the nearest seen is {close[0]!r})" if close else ""
