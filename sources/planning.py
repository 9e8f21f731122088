"""Deciding how one file is to be read, from its folder, its name and its first rows.

Belongs here: choosing the profile and the kind of file, and resolving both to a plan. Does not belong here: the
shape of profiles (``profiles.py``), opening files (``landing.py``), reading records (``rows.py``, ``mapping.py``).

Doubt is refused with a suggestion. Nothing is guessed: a file's name may decide between kinds whose headers it
has, headers decide alone where only one kind has them.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePath
from typing import Any

from pydantic import ValidationError

from sources.corrections import as_written, corrects, is_correction, original_name
from sources.errors import LeftAsideError, RefusedFileError, UnknownFileError
from sources.feeds import FEEDS_FILE, ColumnType, Feed, canonical_feeds
from sources.headers import Header, fits, headers, is_blank, normalise_header
from sources.profiles import (
    ColumnSpec,
    Condition,
    Each,
    FeedSpec,
    FileSpec,
    Profile,
    ReadSpec,
    Value,
    feed_by_name,
    known_profiles,
    merged_read,
)
from sources.settings import Delimiter, FileSettings, SourceDefaults, SourceSettings, listed
from sources.tables import Head
from sources.text import IdForm
from sources.written import nearest

__all__ = ["Cell", "Choice", "FeedPlan", "Plan", "choices", "plan", "sheets_of", "text_names"]

READER_VERSION = 5
"""Raised whenever the same file would be read differently; every delivery is then read again."""

MOST_PREAMBLE = 50

ENOUGH_HEADERS = 3
"""Headers alone tell the kind of a file only if it knows so many of them, or all that there are."""


@dataclass(frozen=True)
class Cell:
    """One column of a file as it is to be read.

    Attributes
    ----------
    name : str
        Its name in the profile.
    position : int or None
        Where it stands in the file, from 0; None when the file does not have it.
    type, formats, id_form, prefix, decimal_comma, values, words, separator
        How its text is to be spelled; see ``text.clean`` and ``text.spell``.
    required : bool
        A record without a value here is rejected.
    customer : bool
        It names the customer.
    key : bool
        It is part of the feed's key.
    lenient : bool
        An unreadable value costs no record.
    frozen : bool
        An unreadable value refuses the file.
    filled : bool
        It stands on the first row of a document only.
    """

    name: str
    position: int | None
    type: ColumnType
    required: bool = False
    customer: bool = False
    key: bool = False
    lenient: bool = False
    frozen: bool = False
    filled: bool = False
    id_form: IdForm = "plain"
    prefix: str = ""
    decimal_comma: bool = False
    separator: str | None = None
    formats: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FeedPlan:
    """How rows of one canonical feed are made of a file's cells.

    Attributes
    ----------
    feed : Feed
        The canonical feed.
    values : mapping of str to sequence of Value
        Canonical column to where its value comes from; of several the first that is not empty.
    fill : mapping of str to Value
        What a canonical column becomes where nothing is written.
    derived : bool
        Made of distinct rows; such a feed counts no records.
    only_with : str or None
        A canonical column that must not be empty.
    only_when : tuple of Condition
        What must hold of the cells.
    each : Each or None
        A list of which every entry becomes a row.
    entries : tuple of str
        The cells that hold the entries.
    """

    feed: Feed
    values: Mapping[str, Sequence[Value]]
    fill: Mapping[str, Value]
    derived: bool
    only_with: str | None = None
    only_when: tuple[Condition, ...] = ()
    each: Each | None = None
    entries: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Everything needed to read one file.

    Attributes
    ----------
    system, kind, customer_grain, time_zone, currency : str
        The profile, the kind of file in it, and what the rows will say about themselves.
    default_country : str or None
        Country of phone numbers without a prefix.
    guests : bool
        Whether a document may have no customer.
    direct_identifier : bool
        Whether e-mail addresses or phones are the ids of customers.
    settings : SourceSettings
        What the source's owner declared.
    read : ReadSpec
        The reading steps.
    dates : tuple of str
        How dates are written where a column says nothing.
    header : Header
        The file's own header.
    cells : tuple of Cell
        The columns that are mapped.
    ignore_when, reject_when : tuple of Condition
        Records that are no data, and those that contradict themselves.
    feeds : tuple of FeedPlan
        The primary feed first.
    profile_hash : str
        16 hex digits that change whenever the same bytes would be read differently.
    corrects : str or None
        The delivery whose records stand here corrected, where it is a correction.
    """

    system: str
    kind: str
    customer_grain: str
    time_zone: str
    currency: str
    default_country: str | None
    guests: bool
    direct_identifier: bool
    settings: SourceSettings
    read: ReadSpec
    dates: tuple[str, ...]
    header: Header
    cells: tuple[Cell, ...]
    ignore_when: tuple[Condition, ...]
    reject_when: tuple[Condition, ...]
    feeds: tuple[FeedPlan, ...]
    profile_hash: str
    corrects: str | None = None

    @property
    def primary(self) -> Feed:
        """The feed whose records are counted."""
        return self.feeds[0].feed

    @property
    def key_cell(self) -> Cell | None:
        """The cell that names a record to a reader: the first required one."""
        return next((cell for cell in self.cells if cell.required), None)

    @cached_property
    def by_name(self) -> Mapping[str, Cell]:
        """The cells by their name in the profile."""
        return {cell.name: cell for cell in self.cells}

    def title(self, cell: Cell) -> str:
        """What the file calls a cell; its name in the profile where the file does not have it."""
        return cell.name if cell.position is None else self.header.labels[cell.position]

    @cached_property
    def unmapped(self) -> Mapping[int, str]:
        """Position and name of the columns that nobody maps."""
        mapped = {cell.position for cell in self.cells} | self.header.dropped
        return {place: label for place, label in enumerate(self.header.labels) if place not in mapped}

    def filled(self) -> tuple[list[int], int | None]:
        """Places of the columns that stand on the first row of a document only, and of the one that stands on
        every row."""
        down = self.read.fill_down
        within = self.by_name[down.within].position if down and down.within else None
        return [cell.position for cell in self.cells if cell.filled and cell.position is not None], within


@dataclass(frozen=True)
class Choice:
    """A kind of file that a file may be.

    Attributes
    ----------
    profile, kind, spec
        The profile and the kind of file in it.
    read : ReadSpec
        The reading steps that hold for it.
    header : Header
        The header with the fewest missing columns.
    missing : tuple of str
        Columns that must be there and are not.
    mapped : frozenset of int
        Places of the columns that it knows.
    named : int
        How closely the file's name is that of the kind; 0 when it is not.
    """

    profile: Profile
    kind: str
    spec: FileSpec
    read: ReadSpec
    header: Header
    missing: tuple[str, ...]
    mapped: frozenset[int]
    named: int
    declared: FileSettings

    @property
    def fits(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    @property
    def is_evident(self) -> bool:
        """Whether the headers alone tell the kind."""
        if self.profile.headers == "canonical":
            return True
        enough = min(ENOUGH_HEADERS, len(self.header.labels))
        return not self.spec.match.names_only and len(self.mapped) >= enough


def plan(
    head: Head,
    *,
    source: str,
    file_name: str,
    sheet: str | None = None,
    settings: SourceSettings,
    defaults: SourceDefaults,
) -> Plan:
    """Decide how a file is to be read, from its folder, its name and its first rows.

    Parameters
    ----------
    head : Head
        The first rows.
    source : str
        Name of its folder in landing.
    file_name, sheet : str
        Its own name, without folders, and that of the sheet if it is a workbook.
    settings, defaults
        What the source declares, and what holds otherwise.

    Raises
    ------
    RefusedFileError
        If the header is ambiguous or lacks a column, or no single profile fits.
    LeftAsideError
        If the owner does not want files of this kind to be read.
    """
    is_corrected = is_correction(file_name)
    system = settings.system or (source if source in known_profiles() else None)
    if system is not None and system not in known_profiles():
        raise RefusedFileError(
            f"source.yml names the system {system!r}, which has no profile"
            f"{nearest(system, known_profiles())}; known are {listed(known_profiles())}"
        )
    profiles = [known_profiles()[system]] if system else list(known_profiles().values())
    found = choices(head, profiles, file_name=file_name, sheet=sheet, settings=settings)
    try:
        chosen = _chosen(found, settings) if system else _recognised(found, settings)
    except RefusedFileError:
        _refuse_other_start(head, profiles, file_name, sheet, settings)
        _refuse_other_separator(head, _separators(profiles, settings))
        raise
    _check_settings(chosen.profile, settings)
    is_unwanted = chosen.spec.left_aside or (chosen.spec.opt_in and chosen.kind not in settings.also)
    if is_unwanted or chosen.kind in settings.skip:
        raise LeftAsideError(chosen.kind)
    resolved = _resolve(chosen, head, source, settings, defaults)
    if not is_corrected:
        return resolved
    return replace(resolved, corrects=corrects(head.rows(chosen.read), chosen.header))


def _profiles(source: str, settings: SourceSettings) -> list[Profile]:
    """The profiles that the files of a source may be read with, as far as that is known before any is opened."""
    system = settings.system or source
    return [known_profiles()[system]] if system in known_profiles() else list(known_profiles().values())


def text_names(source: str, settings: SourceSettings) -> list[str]:
    """Patterns of the text files that are exports."""
    profiles = _profiles(source, settings)
    names = [name for profile in profiles for spec in profile.files.values() for name in spec.match.names]
    return [name for name in (*names, *settings.files) if name.casefold().endswith(".txt")]


def sheets_of(source: str, settings: SourceSettings, file_name: str) -> tuple[str, ...]:
    """Patterns of the sheets to read of a workbook; none where only one has anything on it."""
    declared = _declared(settings, file_name, None).read
    if "sheet" in declared or "sheet" in declared.get("xlsx", {}):
        return merged_read(declared, kind="xlsx").sheet
    found: list[str] = []
    for profile in _profiles(source, settings):
        for spec in profile.files.values():
            found += merged_read(profile.read, spec.read, kind="xlsx").sheet
    return tuple(dict.fromkeys(found))


def choices(
    head: Head, profiles: Iterable[Profile], *, file_name: str, sheet: str | None, settings: SourceSettings
) -> list[Choice]:
    """Every kind of file of some profiles, and how far a file is from it; see ``plan``."""
    found = []
    for profile in profiles:
        for kind, spec in profile.files.items():
            declared = _declared(settings, file_name, sheet)
            if declared.kind is not None and declared.kind != kind and declared.kind in profile.files:
                continue
            choice = _choice(head, profile, kind, spec, declared, file_name, sheet, settings)
            if choice is not None:
                found.append(choice)
    return found


def _known_as(file_name: str, sheet: str | None) -> list[str]:
    """The names by which a file may be known; a correction goes by those of its original."""
    if is_correction(file_name):
        file_name, sheet = original_name(file_name)
    return [name for name in (file_name, _stem(file_name), sheet) if name is not None]


def _stem(file_name: str) -> str:
    name = file_name
    for ending in (".gz", ".csv", ".tsv", ".txt", ".xlsx", ".json", ".parquet"):
        if name.casefold().endswith(ending):
            name = name[: -len(ending)]
    return name


def _declared(settings: SourceSettings, file_name: str, sheet: str | None) -> FileSettings:
    """What the owner says about files of this name; all patterns that fit, the later ones first."""
    found = FileSettings()
    for pattern, declared in settings.files.items():
        if any(fits(name, [pattern]) for name in _known_as(file_name, sheet)):
            found = FileSettings.model_validate(
                {
                    "as": declared.kind or found.kind,
                    "columns": found.columns | declared.columns,
                    "words": dict(found.words) | declared.words,
                    "read": found.read | declared.read,
                }
            )
    return found


def _named(profile: Profile, kind: str, spec: FileSpec, file_name: str, sheet: str | None) -> int:
    """Length of the closest pattern that the file's name fits."""
    names = _known_as(file_name, sheet)
    if profile.headers == "canonical":
        return int(any(feed_by_name(name) == kind for name in names))
    return max(
        (
            1 + len(pattern.replace("*", ""))
            for pattern in spec.match.names
            if any(fits(name, [pattern]) for name in names)
        ),
        default=0,
    )


def _choice(
    head: Head,
    profile: Profile,
    kind: str,
    spec: FileSpec,
    declared: FileSettings,
    file_name: str,
    sheet: str | None,
    settings: SourceSettings,
) -> Choice | None:
    read = _reading(profile, spec, declared, head, file_name, settings)
    names = {column: _names(column, one, settings, declared) for column, one in spec.columns.items()}
    contracts = settings.contract.columns
    must = {column for column in spec.columns if contracts.get(column) in ("required", "freeze")}
    must |= {column for column in spec.must_have() if spec.columns[column].required or column not in contracts}
    best: tuple[Header, tuple[str, ...], frozenset[int]] | None = None
    for header in headers(
        head.rows(read),
        shapes=read.header,
        preamble=read.skip_preamble,
        names=read.names,
        dropped=read.drop_columns,
    ):
        if not _is_labelled(header, names):
            continue
        places = {column: header.find(known) for column, known in names.items()}
        missing = tuple(column for column in spec.columns if column in must and places[column] is None)
        mapped = frozenset(place for place in places.values() if place is not None)
        # Of the headers that could be one, the first that lacks least and explains most.
        if best is None or (len(missing), -len(mapped)) < (len(best[1]), -len(best[2])):
            best = header, missing, mapped
    if best is None:
        return None
    named = _named(profile, kind, spec, file_name, sheet)
    return Choice(profile, kind, spec, read, *best, named, declared)


def _is_labelled(header: Header, names: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether the second of two header rows is one: it calls at least one column by another of its names."""
    if not any(header.others):
        return True
    for known in names.values():
        place = header.find(known)
        if place is not None and normalise_header(header.others[place]) in map(normalise_header, known):
            return True
    return False


def _reading(
    profile: Profile, spec: FileSpec, declared: FileSettings, head: Head, file_name: str, settings: SourceSettings
) -> ReadSpec:
    """The reading steps of the profile, of its kind of file, and the owner's."""
    own: dict[str, Any] = {
        step: value
        for step in ("delimiter", "final_newline", "encoding", "decimal")
        if (value := getattr(settings, step)) is not None
    }
    by_name = {"delimiter": "\t"} if PurePath(file_name.casefold().removesuffix(".gz")).suffix == ".tsv" else {}
    try:
        read = merged_read(profile.read, spec.read, by_name, own, declared.read, kind=head.kind)
    except ValidationError as error:
        problem = error.errors()[0]
        step = ".".join(str(part) for part in problem["loc"])
        raise RefusedFileError(
            f"source.yml says something about reading that cannot be ({step}: "
            f"{problem['msg'].removeprefix('Value error, ')}); correct it"
        ) from error
    return as_written(read) if is_correction(file_name) else read


def _names(column: str, spec: ColumnSpec, settings: SourceSettings, declared: FileSettings) -> tuple[str, ...]:
    override = declared.columns.get(column) or settings.columns.get(column)
    return (override,) if override else (column, *spec.aliases)


def _chosen(found: Sequence[Choice], settings: SourceSettings) -> Choice:
    """The kind of file among those of one profile."""
    if not found:
        raise RefusedFileError("it has no header that could be one; export it again")
    profile = found[0].profile
    if len(found) == 1:
        _require(found[0])
        return found[0]
    fitting = [choice for choice in found if choice.fits]
    named = sorted((choice for choice in found if choice.named), key=lambda choice: -choice.named)
    closest = [choice for choice in named if choice.named == named[0].named]
    fitting_by_name = [choice for choice in named if choice.fits]
    if fitting_by_name:
        best = [choice for choice in fitting_by_name if choice.named == fitting_by_name[0].named]
        return _only(best, profile)
    evident = _widest([choice for choice in fitting if choice.is_evident], profile)
    if named:
        # A name that is also that of another kind gives way to headers that say more.
        if (
            profile.headers == "own"
            and len(evident) == 1
            and len(evident[0].mapped) > max(len(c.mapped) for c in named)
        ):
            return evident[0]
        _require(closest[0])
    if evident:
        return _only(evident, profile)
    if profile.headers == "canonical":
        raise UnknownFileError(
            "neither its name nor its headers say which feed it is; name it after its feed, for example "
            f"orders-2024.csv, with the headers {listed(canonical_feeds()['orders'].required)}"
        )
    near = _nearest_choice(found)
    raise UnknownFileError(
        f"neither its name nor its headers are those of a file of {profile.system}; the nearest is {near.kind}, "
        f"for which {_are_missing(near)}; write 'files: {{\"<name>*\": {{as: {near.kind}, columns: {{…}}}}}}' into "
        "source.yml beside the file"
    )


def _widest(fitting: Sequence[Choice], profile: Profile) -> list[Choice]:
    """Of several kinds that fit, the one that knows all columns that the others know, and more."""
    if profile.headers == "canonical":
        return list(fitting)
    for choice in fitting:
        if all(other is choice or other.mapped < choice.mapped for other in fitting):
            return [choice]
    return list(fitting)


def _only(fitting: Sequence[Choice], profile: Profile) -> Choice:
    fitting = _widest(fitting, profile)
    if len(fitting) == 1:
        return fitting[0]
    kinds = listed(choice.kind for choice in fitting)
    if profile.headers == "canonical":
        raise RefusedFileError(
            f"its headers fit several feeds ({kinds}); name the file after its feed, for example "
            f"{fitting[0].kind}-2024.csv"
        )
    raise RefusedFileError(
        f"it may be several kinds of file of {profile.system} ({kinds}); write "
        f"'files: {{\"<name>*\": {{as: {fitting[0].kind}}}}}' into source.yml beside the file"
    )


def _recognised(found: Sequence[Choice], settings: SourceSettings) -> Choice:
    """The kind of file among those of all profiles: the one profile whose headers the file has."""
    by_system: dict[str, list[Choice]] = {}
    for choice in found:
        by_system.setdefault(choice.profile.system, []).append(choice)
    fitting = [own for own in by_system.values() if any(choice.fits and _is_told(choice, own) for choice in own)]
    named = [own for own in fitting if any(choice.fits and choice.named for choice in own)]
    # Headers that several systems share are told apart by the name that one of them gives its files.
    if len(named) == 1 and named[0][0].profile.headers == "own":
        fitting = named
    advice = "write 'system: <profile>' into source.yml beside the file"
    if len(fitting) == 1:
        return _chosen(fitting[0], settings)
    if fitting:
        systems = sorted((own[0].profile for own in fitting), key=lambda profile: profile.headers == "canonical")
        raise RefusedFileError(
            f"its headers fit several profiles ({listed(profile.system for profile in systems)}); {advice}"
        )
    near = _nearest_choice([choice for choice in found if choice.profile.headers == "own"])
    raise UnknownFileError(
        f"its headers fit no profile; the nearest is {near.profile.system}, for which {_are_missing(near)}; {advice}"
    )


def _is_told(choice: Choice, own: Sequence[Choice]) -> bool:
    """Whether name or headers tell a kind of file without knowing the system."""
    if choice.profile.headers == "canonical":
        return bool(choice.named) or not any(other.named for other in own)
    # A file without header has as many columns as many other files.
    return bool(choice.named and choice.mapped) or (choice.is_evident and choice.header.rows > 0)


def _nearest_choice(found: Sequence[Choice]) -> Choice:
    """The kind of file that lacks least and knows most of the file's columns."""

    def distance(choice: Choice) -> float:
        lacking = len(choice.missing) / max(1, len(choice.spec.must_have()))
        return lacking + 1 - len(choice.mapped) / max(1, len(choice.header.labels))

    return min(found, key=distance)


def _are_missing(choice: Choice) -> str:
    if not choice.missing:
        return "too few columns are known"
    verb = "is" if len(choice.missing) == 1 else "are"
    return f"{listed(choice.missing)} {verb} missing{nearest(choice.missing[0], choice.header.positions)}"


def _require(choice: Choice) -> None:
    absent = choice.missing
    if not absent:
        return
    plural = len(absent) > 1
    raise RefusedFileError(
        f"the column{'s' if plural else ''} {listed(absent)} {'are' if plural else 'is'} missing"
        f"{nearest(absent[0], choice.header.positions)}; export it again with {'them' if plural else 'it'}, "
        "or name the header under 'columns' in source.yml beside the file"
    )


def _separators(profiles: Sequence[Profile], settings: SourceSettings) -> set[Delimiter]:
    """What separates fields as far as anybody said so; any profile may be meant where the system is unknown."""
    if settings.delimiter is not None:
        return {settings.delimiter}
    if len(profiles) > 1:
        return {","}
    kinds = [profiles[0].read | spec.read for spec in profiles[0].files.values()]
    return {read.get("csv", {}).get("delimiter", read.get("delimiter", ",")) for read in kinds}


def _refuse_other_separator(head: Head, known: Iterable[Delimiter]) -> None:
    """Give a hint instead of guessing: a single header with separators in it is a row of headers."""
    if head.kind != "csv":
        return
    rows = [next((row for row in head.rows(ReadSpec(delimiter=mark)) if row), []) for mark in sorted(known)]
    if any(len(row) != 1 for row in rows):
        return
    first = rows[0]
    separator = next((mark for mark in ";\t|" if mark in first[0].strip()), None)
    if separator is not None:
        shown = "a tab" if separator == "\t" else repr(separator)
        raise RefusedFileError(
            f"its fields seem to be separated by {shown}; set 'delimiter' in source.yml beside the file"
        )


def _refuse_other_start(
    head: Head, profiles: Sequence[Profile], file_name: str, sheet: str | None, settings: SourceSettings
) -> None:
    """Give a hint where a row further down is a whole header, below lines that nobody declared."""
    for mark in (None, *(";\t|" if head.kind == "csv" else "")):
        step = {} if mark is None else {"delimiter": mark}
        anywhere = FileSettings(read={"skip_preamble": MOST_PREAMBLE} | step)
        asked = settings.model_copy(update={"files": {**settings.files, "**": anywhere}})
        try:
            found = choices(head, profiles, file_name=file_name, sheet=sheet, settings=asked)
        except RefusedFileError:
            continue
        fitting = [one for one in found if one.fits and one.is_evident and one.header.rows > 1]
        if fitting:
            best = max(fitting, key=lambda one: (one.named, len(one.mapped)))
            above = sum(not is_blank(row) for row in head.rows(best.read)[: best.header.rows]) - 1
            if not above:
                continue
            steps = {"skip_preamble": above} | step
            written = ", ".join(f"{key}: {json.dumps(value)}" for key, value in steps.items())
            raise RefusedFileError(
                f"its header, that of {best.profile.system}'s {best.kind}, seems to stand in row {best.header.rows}, "
                f"below {above} other{'s' if above > 1 else ''}; write "
                f"'files: {{\"<name>*\": {{read: {{{written}}}}}}}' into source.yml beside the file"
            )


def _check_settings(profile: Profile, settings: SourceSettings) -> None:
    """Something that is said about a column or a kind that nobody reads would be a setting without effect."""
    columns = {column for spec in profile.files.values() for column in spec.columns}
    said = [("columns", column) for column in (*settings.columns, *settings.contract.columns)]
    for pattern, declared in settings.files.items():
        said += [(f"files.{pattern}", column) for column in (*declared.columns, *declared.words)]
    for place, column in said:
        if column not in columns:
            raise RefusedFileError(
                f"source.yml speaks of the column {column!r}, which the profile {profile.system} does not read"
                f"{nearest(column, sorted(columns))}; correct it under '{place}'"
            )
    kinds = (*settings.also, *settings.skip, *(one.kind for one in settings.files.values() if one.kind is not None))
    for kind in kinds:
        if kind not in profile.files:
            raise RefusedFileError(
                f"source.yml names the kind of file {kind!r}, which the profile {profile.system} does not have"
                f"{nearest(kind, profile.files)}; known are {listed(profile.files)}"
            )


def _resolve(chosen: Choice, head: Head, source: str, settings: SourceSettings, defaults: SourceDefaults) -> Plan:
    profile, spec, header = chosen.profile, chosen.spec, chosen.header
    header.refuse_repeated()
    guests = (
        settings.guests if settings.guests is not None else spec.guests if spec.guests is not None else profile.guests
    )
    cells = [_cell(name, one, chosen, settings, guests) for name, one in spec.columns.items()]
    feeds = []
    for name, one in spec.feeds.items():
        entries: tuple[str, ...] = (one.each.cell,) if one.each and one.each.cell else ()
        if one.each is not None and one.each.cells is not None:
            taken = {cell.position for cell in cells} | header.dropped
            listing = [
                Cell(label, place, "text")
                for place, label in enumerate(header.labels)
                if place not in taken and fits(label, [one.each.cells])
            ]
            cells += listing
            entries = tuple(cell.name for cell in listing)
        feeds.append(_feed(name, one, entries))
    _check_one_reader_each(cells, header)
    feeds.sort(key=lambda made: made.derived)
    return Plan(
        system=profile.system,
        kind=chosen.kind,
        customer_grain=profile.customer_grain,
        time_zone=spec.time_zone or settings.timezone or profile.time_zone or defaults.time_zone,
        currency=settings.currency or profile.currency or defaults.currency,
        default_country=settings.default_country or profile.default_country,
        guests=guests,
        direct_identifier=profile.direct_identifier or settings.direct_identifier is not None,
        settings=settings,
        read=chosen.read,
        dates=settings.dates or profile.dates,
        header=header,
        cells=tuple(cells),
        ignore_when=spec.ignore_when,
        reject_when=spec.reject_when,
        feeds=tuple(feeds),
        profile_hash=_hash(chosen, head.kind, feeds[0].feed, source, settings, defaults),
    )


def _cell(name: str, spec: ColumnSpec, chosen: Choice, settings: SourceSettings, guests: bool) -> Cell:
    assert spec.type is not None
    contract = settings.contract.columns.get(name, spec.contract)
    feed = canonical_feeds()[chosen.spec.primary]
    down = chosen.read.fill_down
    comma = (spec.decimal or chosen.read.decimal) == "comma"
    return Cell(
        name=name,
        position=chosen.header.find(_names(name, spec, settings, chosen.declared)),
        type=spec.type,
        required=spec.required or (spec.customer and not guests),
        customer=spec.customer,
        key=name in feed.key,
        lenient=spec.lenient or contract == "evolve",
        frozen=contract == "freeze",
        filled=down is not None and name in down.columns,
        id_form=spec.id_form,
        prefix=spec.prefix,
        decimal_comma=comma,
        separator=spec.split,
        formats=spec.formats or settings.dates or chosen.profile.dates,
        values=spec.values,
        words=spec.words | chosen.declared.words.get(name, {}),
    )


def _feed(name: str, spec: FeedSpec, entries: tuple[str, ...]) -> FeedPlan:
    feed = canonical_feeds()[spec.feed or name]
    return FeedPlan(feed, spec.columns, spec.fill, spec.derived, spec.only_with, spec.only_when, spec.each, entries)


def _check_one_reader_each(cells: Sequence[Cell], header: Header) -> None:
    readers: dict[int, str] = {}
    for cell in cells:
        if cell.position is None:
            continue
        if cell.position in readers:
            raise RefusedFileError(
                f"the header {header.labels[cell.position]!r} would be read as {readers[cell.position]} and as "
                f"{cell.name}; correct 'columns' in source.yml beside the file"
            )
        readers[cell.position] = cell.name


def _hash(
    chosen: Choice,
    kind: str,
    feed: Feed,
    source: str,
    settings: SourceSettings,
    defaults: SourceDefaults,
) -> str:
    """What decides how bytes are read: the reader, the profile's kind of file, the feeds, and what was declared.

    The primary feed is part of it, so that a canonical file renamed from ``payments`` to ``orders`` is read
    again.
    """
    parts = [
        READER_VERSION,
        chosen.profile.model_dump(mode="json", exclude={"files"}),
        chosen.kind,
        kind,
        chosen.spec.model_dump(mode="json"),
        hashlib.sha256(FEEDS_FILE.read_bytes()).hexdigest(),
        feed.name,
        source,
        settings.model_dump(mode="json"),
        [defaults.time_zone, defaults.currency],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
