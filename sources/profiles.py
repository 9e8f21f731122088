"""How one system's files become canonical feeds: the profiles (``profiles/*.yml``).

Belongs here: the shape of a profile, and checking what it says. Does not belong here: choosing the profile of a
file (``planning.py``) or reading its records (``rows.py``, ``mapping.py``).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AliasChoices, BeforeValidator, Field, ValidationError, field_validator, model_validator

from sources.errors import ProfileError
from sources.feeds import Column, ColumnType, Feed, canonical_feeds
from sources.headers import Shape
from sources.settings import Contract, Currency, Decimal, Delimiter, Encoding, Formats, Strict, TimeZone, Word, Words
from sources.text import IdForm
from sources.written import MisplacedError, keys_of, line_of, load_yaml, nearest, told

__all__ = [
    "NUMBERS",
    "TOTALS",
    "ColumnSpec",
    "Condition",
    "Each",
    "FeedSpec",
    "FileSpec",
    "FillDown",
    "Profile",
    "ReadSpec",
    "Rule",
    "Value",
    "feed_by_name",
    "known_profiles",
    "read_profile",
]

PROFILES = Path(__file__).with_name("profiles")

RECORD_NO = "record_no"
"""The number of the record, which stands among the cells without a column."""

TOTALS = (
    *("小计", "合计", "总计", "共计", "累计", "本页小计", "本页合计", "本月合计", "本年累计", "汇总"),
    *("total", "totals", "subtotal", "sub total", "sub-total", "grand total", "grand totals", "sum"),
)
"""What stands in a row that adds up others, where a profile says nothing else."""

_PREFIX_OF_FEED = re.compile(r"[-\d\s(]|_\d{4}")


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_several)]
Shapes = Annotated[tuple[Shape, ...], BeforeValidator(_several)]


class Condition(Strict):
    """Something that holds of a cell or not; words are compared ignoring case."""

    cell: str | None = Field(default=None, description="The cell; in a rule by default the one that is mapped.")
    equals: Word | None = None
    is_in: Words | None = Field(default=None, alias="in")
    prefix: str | None = Field(default=None, description="How it starts; case counts.")
    suffix: str | None = None
    contains: str | None = None
    blank: bool | None = Field(default=None, description="Nothing is written there; false: something is.")
    above: float | None = None
    below: float | None = None
    negated: bool = Field(default=False, alias="not")
    also: "tuple[Condition, ...]" = Field(default=(), alias="and", description="What must hold besides.")

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        tests = (self.equals, self.is_in, self.prefix, self.suffix, self.contains, self.blank, self.above, self.below)
        if sum(test is not None for test in tests) != 1:
            raise ValueError("a condition has exactly one of equals, in, prefix, suffix, contains, blank, above, below")
        return self

    def cells(self) -> Iterator[str]:
        """Names of the cells it looks at."""
        if self.cell is not None:
            yield self.cell
        for condition in self.also:
            yield from condition.cells()


class Rule(Condition):
    """One case of a mapped value."""

    value: Word


def _rules(value: Any) -> Any:
    """``{word: meaning}`` is short for a list of rules."""
    if isinstance(value, Mapping):
        return [{"equals": word, "value": meaning} for word, meaning in value.items()]
    return value


class Value(Strict):
    """Where the value of a canonical column comes from.

    That is a cell or the first readable of several, cells put together, a mapped cell, a setting, or always the
    same word.
    """

    cells: Names | None = Field(default=None, validation_alias=AliasChoices("from", "cells"))
    concat: "tuple[str | Value, ...] | None" = None
    separator: str = " "
    map: Annotated[tuple[Rule, ...], BeforeValidator(_rules)] = ()
    default: Word | None = Field(default=None, description="What other words mean; empty: nothing.")
    keep: bool = Field(default=False, description="A word that no rule maps stays as it is.")
    split: str | None = Field(default=None, min_length=1, description="The cell is a list with this separator.")
    part: int | str = Field(default=1, description="Which part is meant: a place, or how it starts.")
    minus: tuple[str, ...] = ()
    plus: tuple[str, ...] = ()
    multiply: str | None = Field(default=None, pattern=r"^-?\d{1,6}(\.\d{1,6})?$")
    at_most: "Value | None" = None
    sign: Literal["negative", "positive", "flip", "by_kind"] | None = None
    setting: Literal["currency", "default_country", "exported_at"] | None = None
    value: Word | None = Field(default=None, validation_alias=AliasChoices("value", "text"))

    @field_validator("multiply", mode="before")
    @classmethod
    def _written(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int | float) else value

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        mapped = bool(self.map) and all(rule.cell is not None for rule in self.map) and not self.keep
        origins = [self.cells, self.concat, self.setting, self.value]
        if sum(origin is not None for origin in origins) != (0 if mapped and self.cells is None else 1):
            raise ValueError(
                "a value has exactly one of from, concat, setting and value, or a map whose rules name cells"
            )
        return self

    @property
    def is_plain(self) -> bool:
        """Whether it is what the cell holds, in the cell's own type."""
        return self.cells is not None and not (
            self.map or self.default is not None or self.split or self.concat or self.keep
        )

    @property
    def ruled(self) -> tuple[str, ...]:
        """The cells that decide where rules alone do: the one that most of them look at first."""
        if self.cells is not None or self.concat is not None:
            return ()
        named = [rule.cell for rule in self.map if rule.cell is not None]
        return tuple(sorted(dict.fromkeys(named), key=lambda cell: -named.count(cell)))

    def used(self) -> Iterator[str]:
        """Names of all cells it looks at."""
        yield from self.cells or ()
        for part in self.concat or ():
            if isinstance(part, Value):
                yield from part.used()
            elif part != RECORD_NO:
                yield part
        yield from self.minus
        yield from self.plus
        for rule in self.map:
            yield from rule.cells()
        if self.at_most is not None:
            yield from self.at_most.used()


def _values(value: Any) -> Any:
    """A name is short for a cell; one value for a list of one."""
    entries = value if isinstance(value, list) else [value]
    return [{"from": entry} if isinstance(entry, str) else entry for entry in entries]


Values = Annotated[tuple[Value, ...], BeforeValidator(_values)]


class ColumnSpec(Strict):
    """One column of a system's file."""

    type: ColumnType | None = Field(default=None, description="By default that of the canonical column it becomes.")
    values: tuple[str, ...] = Field(default=(), description="The words of an enum.")
    aliases: Names = ()
    required: bool = Field(default=False, description="A record without it is rejected.")
    customer: bool = Field(
        default=False, description="It names the customer; blank is a guest where guests are allowed."
    )
    contract: Contract | None = Field(default=None, description="What may change from one export to the next.")
    lenient: bool = Field(default=False, description="An unreadable value costs no record.")
    integer_id: bool = False
    id_form: IdForm = "plain"
    prefix: str = Field(default="", description="What stands in front of an id and is no part of it.")
    formats: Formats = ()
    decimal: Decimal | None = None
    words: dict[Word, Word] = Field(default_factory=dict, description="A word in the files to the word it means.")
    split: str | None = Field(default=None, min_length=1, description="The cell is a list; the first part is meant.")

    @property
    def is_optional(self) -> bool:
        """Whether the header may be missing."""
        if self.contract is not None:
            return self.contract in ("optional", "evolve")
        return not self.required


def _column(value: Any) -> Any:
    """A type is short for a column of that type."""
    return {"type": value} if isinstance(value, str) else value or {}


class Each(Strict):
    """A cell that holds a list, or several cells of one shape: each entry becomes a row."""

    cell: str | None = None
    cells: str | None = Field(default=None, description="Pattern of the headers of several columns.")
    separator: str = Field(default=";", min_length=1)
    name: str = Field(alias="as", description="What an entry is called among the cells.")
    number: str | None = Field(default=None, description="What its place in the list is called among the cells.")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.cell is None) == (self.cells is None):
            raise ValueError("each has exactly one of cell and cells")
        return self


class FeedSpec(Strict):
    """Rows of one canonical feed."""

    feed: str | None = Field(default=None, description="The canonical feed; by default what the entry is called.")
    derived: bool = Field(default=False, description="Made of the distinct rows of the file; counts no records.")
    only_with: str | None = Field(default=None, description="Leave out rows whose value here is empty.")
    only_when: tuple[Condition, ...] = Field(default=(), description="Leave out rows for which one does not hold.")
    each: Each | None = None
    columns: dict[str, Values] = Field(default_factory=dict)
    fill: dict[str, Value] = Field(default_factory=dict, description="What a missing or blank value becomes.")

    def used(self) -> Iterator[str]:
        """Names of all cells it looks at, entries of a list excepted."""
        own = {self.each.name, self.each.number} if self.each else set()
        for values in (*self.columns.values(), *((value,) for value in self.fill.values())):
            for value in values:
                yield from (cell for cell in value.used() if cell not in own)
        for condition in self.only_when:
            yield from (cell for cell in condition.cells() if cell not in own)
        if self.each is not None and self.each.cell is not None:
            yield self.each.cell


class FillDown(Strict):
    """Columns that stand only on the first row of a document."""

    columns: tuple[str, ...] = Field(min_length=1)
    within: str | None = Field(default=None, description="A column that stands on every row of the document.")


def _fill_down(value: Any) -> Any:
    return {"columns": _several(value)} if isinstance(value, str | list) else value


class ReadSpec(Strict):
    """How a system writes its files: the reading steps."""

    delimiter: Delimiter = Field(default=",", description="What separates fields; `whitespace` is any run of blanks.")
    encoding: Encoding | None = Field(default=None, description="What a file may be that is no UTF-8 nor Chinese.")
    final_newline: Literal["required", "optional"] = "optional"
    header: Shapes = Field(default=("plain",), description="The shapes of the header, in the order they are tried.")
    names: tuple[str, ...] = Field(default=(), description="The columns of a file without header.")
    skip_preamble: int = Field(default=0, ge=0, le=50, description="Rows that may stand above the header.")
    sheet: Names = Field(default=(), description="Patterns of the sheets to read.")
    fill_down: Annotated[FillDown | None, BeforeValidator(_fill_down)] = None
    drop_totals: bool | Names = Field(default=False, description="Leave out rows that add up others.")
    totals: Names = Field(default=TOTALS, description="What stands in such a row; in place of the words known anyway.")
    drop_footer: Names = Field(default=(), description="How the first line below the data starts.")
    drop_columns: Names = Field(default=(), description="Patterns of headers of columns without data.")
    decimal: Decimal = "point"
    records: str | None = Field(default=None, description="Path of the list of records in a JSON document.")
    lines: Names | None = Field(default=None, description="Lists of objects in JSON that are rows of a document.")
    csv: dict[str, Any] = Field(default_factory=dict, description="What holds for csv files only.")
    xlsx: dict[str, Any] = Field(default_factory=dict, description="What holds for workbooks only.")
    json_: dict[str, Any] = Field(default_factory=dict, alias="json", description="What holds for JSON only.")

    @model_validator(mode="after")
    def _names_belong_to_none(self) -> Self:
        if bool(self.names) != ("none" in self.header):
            raise ValueError("names are the columns of a file whose header is none")
        return self


def merged_read(*layers: Mapping[str, Any], kind: str) -> ReadSpec:
    """The reading steps that hold for one kind of file; a later layer goes before an earlier one."""
    steps: dict[str, Any] = {}
    for layer in layers:
        steps |= {key: value for key, value in layer.items() if key not in ("csv", "xlsx", "json")}
        steps |= layer.get(kind, {})
    return ReadSpec.model_validate(steps)


class MatchSpec(Strict):
    """How the files of one kind are recognised."""

    names: Names = Field(default=(), description="Patterns of file, member or sheet names, without extension.")
    names_only: bool = Field(default=False, description="Headers alone never decide.")
    headers: Names = Field(default=(), description="Columns whose header must be there beside the required ones.")


class FileSpec(Strict):
    """One kind of file of a system."""

    match: MatchSpec = MatchSpec()
    opt_in: bool = Field(default=False, description="Read only where the owner asks for it.")
    left_aside: bool = Field(default=False, description="Known by name, and never read: nothing in it is a feed.")
    guests: bool | None = None
    time_zone: TimeZone | None = None
    read: dict[str, Any] = Field(default_factory=dict)
    columns: dict[str, Annotated[ColumnSpec, BeforeValidator(_column)]] = Field(default_factory=dict)
    ignore_when: tuple[Condition, ...] = Field(default=(), description="Records that are no data.")
    reject_when: tuple[Condition, ...] = Field(default=(), description="Records that contradict themselves.")
    feeds: dict[str, FeedSpec] = Field(default_factory=dict)

    @property
    def primary(self) -> str:
        """The feed whose records are counted."""
        return next(spec.feed or name for name, spec in self.feeds.items() if not spec.derived)

    def must_have(self) -> list[str]:
        """Columns without whose header the file cannot be read."""
        return [name for name, spec in self.columns.items() if not spec.is_optional or name in self.match.headers]

    @field_validator("read")
    @classmethod
    def _readable(cls, value: dict[str, Any]) -> dict[str, Any]:
        _check_read(value)
        return value

    @model_validator(mode="after")
    def _speaks_of_known_columns(self) -> Self:
        if self.left_aside:
            if self.feeds or self.columns or not self.match.names:
                raise ValueError("a kind of file that is left aside has names, and neither columns nor feeds")
            return self
        if sum(not spec.derived for spec in self.feeds.values()) != 1:
            raise ValueError("exactly one feed of a file is not derived: the one whose records are counted")
        for name, spec in self.feeds.items():
            feed = canonical_feeds().get(spec.feed or name)
            if feed is None:
                raise MisplacedError(
                    f"{spec.feed or name} is not a canonical feed{nearest(spec.feed or name, canonical_feeds())}",
                    *("feeds", name),
                )
            only_with = [spec.only_with] if spec.only_with else []
            said: dict[str, Iterable[str]] = {"columns": spec.columns, "fill": spec.fill, "only_with": only_with}
            for key, columns in said.items():
                for column in columns:
                    if column not in feed.columns:
                        raise MisplacedError(
                            f"{column} is not a column of the feed {feed.name}{nearest(column, feed.columns)}",
                            *("feeds", name, key, column),
                        )
            if spec.each is not None and not spec.derived:
                raise MisplacedError(
                    f"the feed {name} makes several rows of a record and must be derived", "feeds", name
                )
            for cell in spec.used():
                self._known(cell, f"the feed {name}", "feeds", name)
        for key, conditions in {"ignore_when": self.ignore_when, "reject_when": self.reject_when}.items():
            for condition in conditions:
                if condition.cell is None:
                    raise ValueError(f"a condition of {key} names its cell")
                for cell in condition.cells():
                    self._known(cell, key, key)
        for cell in self.match.headers:
            self._known(cell, "match", "match")
        return self

    def _known(self, cell: str, reader: str, *place: str) -> None:
        if cell not in self.columns:
            raise MisplacedError(
                f"{cell}, which {reader} reads, is not among the columns{nearest(cell, self.columns)}", *place
            )


def _check_read(steps: Mapping[str, Any]) -> None:
    """Reading steps may be said in layers, so each is checked by itself; what belongs together, when merged."""
    for layer in (steps, *(steps.get(kind, {}) for kind in ("csv", "xlsx", "json"))):
        whole = (
            {"header": ["none"]} if "names" in layer else {"names": ["a"]} if "none" in layer.get("header", ()) else {}
        )
        try:
            ReadSpec.model_validate(whole | dict(layer))
        except ValidationError as error:
            problem = error.errors()[0]
            step = str(problem["loc"][0]) if problem["loc"] else ""
            if problem["type"] == "extra_forbidden":
                raise MisplacedError(f"{step} is no reading step{nearest(step, keys_of(ReadSpec))}") from error
            raise MisplacedError(str(problem["msg"]).removeprefix("Value error, "), step) from error


class Profile(Strict):
    """One system's exports."""

    system: str
    headers: Literal["own", "canonical"] = "own"
    customer_grain: str
    guests: bool
    direct_identifier: bool = Field(default=False, description="E-mail addresses or phones are the ids of customers.")
    currency: Currency | None = None
    time_zone: TimeZone | None = None
    default_country: str | None = None
    dates: Formats = ()
    read: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, FileSpec]

    @field_validator("read")
    @classmethod
    def _readable(cls, value: dict[str, Any]) -> dict[str, Any]:
        _check_read(value)
        return value

    @model_validator(mode="before")
    @classmethod
    def _with_files(cls, document: Any) -> Any:
        """A profile of one kind of file may say its columns and feeds at the top; the canonical one has the
        columns of ``feeds.yml``."""
        if not isinstance(document, dict) or "files" in document:
            return document
        feeds = document.get("feeds", {})
        feeds = feeds if isinstance(feeds, dict) else {}
        of_files = ("columns", "feeds", "match", "ignore_when", "reject_when")
        rest = {key: value for key, value in document.items() if key not in of_files}
        if document.get("headers") == "canonical":
            return rest | {
                "files": {name: _canonical_file(feed, feeds.get(name, {})) for name, feed in canonical_feeds().items()}
            }
        own = {key: document[key] for key in of_files if key in document}
        counted = (name for name, feed in feeds.items() if isinstance(feed, dict) and not feed.get("derived"))
        primary = next(counted, "file")
        return rest | {"files": {primary: own}}

    @model_validator(mode="after")
    def _types_agree(self) -> Self:
        """Give every column its type, and make sure that it can become what it is to become."""
        for kind, file in self.files.items():
            for name, spec in file.columns.items():
                targets = list(_targets(file, name))
                found = spec.type or _inferred(kind, name, targets)
                for feed, column in targets:
                    if not _agrees(found, column.type):
                        raise MisplacedError(
                            f"{name} is of the type {found} and cannot become {feed}.{column.name} ({column.type}); "
                            "name its type, or map it",
                            *("files", kind, "columns", name),
                        )
                lenient = spec.lenient or (bool(targets) and all(column.lenient for _, column in targets))
                form = "integer" if spec.integer_id else spec.id_form
                file.columns[name] = spec.model_copy(update={"type": found, "lenient": lenient, "id_form": form})
            _check_words(kind, file)
        return self


def _canonical_file(feed: Feed, said: Mapping[str, Any]) -> dict[str, Any]:
    """A file whose headers are the names of the canonical columns; what the profile says about it goes first."""
    named = "source_customer_id" if "source_customer_id" not in feed.key else None
    is_document = feed.name == "orders"
    return {
        "columns": {
            name: {
                "type": column.type,
                "values": column.values,
                "lenient": column.lenient,
                "required": name in feed.required,
                "customer": name == named and (is_document or name in feed.required),
            }
            for name, column in feed.columns.items()
        },
        "feeds": {
            feed.name: {
                "columns": {name: name for name in feed.columns} | said.get("columns", {}),
                "fill": said.get("fill", {}),
            }
        },
        "reject_when": said.get("reject_when", ()),
    }


def _targets(file: FileSpec, cell: str) -> Iterator[tuple[str, Column]]:
    """The canonical columns that a cell becomes without being mapped."""
    for name, spec in file.feeds.items():
        feed = canonical_feeds()[spec.feed or name]
        for column, values in (*spec.columns.items(), *((key, (value,)) for key, value in spec.fill.items())):
            for value in values:
                if value.is_plain and cell in (value.cells or ()):
                    yield feed.name, feed.columns[column]


NUMBERS = ("amount", "number", "integer", "score")
"""The column types that are written in digits."""


def _inferred(kind: str, name: str, targets: Sequence[tuple[str, Column]]) -> ColumnType:
    kinds = {column.type for _, column in targets}
    if len(kinds - {"text"}) > 1:
        raise MisplacedError(
            f"{name} becomes columns of several types ({', '.join(sorted(kinds))}); name its type",
            *("files", kind, "columns", name),
        )
    return next(iter(kinds - {"text"}), "text")


def _agrees(cell: ColumnType, column: ColumnType) -> bool:
    if column == "text" or cell == column:
        return True
    return (cell in NUMBERS and column in NUMBERS) or (column == "id" and cell in ("email", "phone"))


def _check_words(kind: str, file: FileSpec) -> None:
    """Words that a profile says itself must be words of the canonical column."""
    for name, spec in file.feeds.items():
        feed = canonical_feeds()[spec.feed or name]
        for column, values in (*spec.columns.items(), *((key, (value,)) for key, value in spec.fill.items())):
            allowed = feed.columns[column].values
            if not allowed:
                continue
            for value in values:
                said = [*(rule.value for rule in value.map), value.default or None, value.value]
                for word in said:
                    if word is not None and word not in allowed:
                        raise MisplacedError(
                            f"{word!r} is no value of {feed.name}.{column} ({', '.join(allowed)})",
                            *("files", kind, "feeds", name, "columns" if column in spec.columns else "fill", column),
                        )


def read_profile(file: Path) -> Profile:
    """Read and check one profile.

    Raises
    ------
    ProfileError
        If it says something that nobody reads, or that cannot be.
    """
    text = file.read_text(encoding="utf-8")
    try:
        profile = Profile.model_validate(load_yaml(text))
    except yaml.MarkedYAMLError as error:
        where = line_of(error, text)
        raise ProfileError(
            f"The profile {file.name} is not readable YAML{where} ({error.problem}); correct it."
        ) from error
    except ValidationError as error:
        keys = keys_of(Profile, FileSpec, MatchSpec, ReadSpec, FillDown, ColumnSpec, FeedSpec, Each, Value, Rule)
        problems = told(error, text, keys, "a key of a profile")
        raise ProfileError(f"The profile {file.name} cannot be used: {problems}; correct it.") from error
    if profile.system != file.stem:
        raise ProfileError(
            f"The profile {file.name} cannot be used: it says 'system: {profile.system}'; call the file "
            f"{profile.system}.yml, or write 'system: {file.stem}'."
        )
    return profile


@cache
def known_profiles() -> Mapping[str, Profile]:
    """Read every profile that ships with the project.

    Returns
    -------
    mapping of str to Profile
        By system, in alphabetical order.
    """
    profiles = (read_profile(file) for file in sorted(PROFILES.glob("*.yml")))
    return MappingProxyType({profile.system: profile for profile in profiles})


def feed_by_name(file_name: str) -> str | None:
    """The canonical feed that a file's name states: ``orders-2024.csv`` is orders."""
    stem = Path(file_name).name.casefold().split(".")[0]
    name = _PREFIX_OF_FEED.split(stem, maxsplit=1)[0].rstrip("_")
    return name if name in canonical_feeds() else None
