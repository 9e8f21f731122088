"""What the owner of a source declares about the files beside it: ``landing/<source>/source.yml``.

Belongs here: the shape of that file, and reading it. Does not belong here: what a system's files look like
(``profiles.py``).
"""

import codecs
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from sources.errors import RefusedFileError
from sources.text import check_formats
from sources.written import keys_of, line_of, load_yaml, told

__all__ = [
    "Contract",
    "Currency",
    "Decimal",
    "Delimiter",
    "Encoding",
    "FileSettings",
    "Formats",
    "SourceDefaults",
    "SourceSettings",
    "Strict",
    "TimeZone",
    "Tolerance",
    "Word",
    "Words",
    "listed",
    "load_settings",
]

_UNREAD = "no file of this folder was read"


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone; write a name such as Europe/London") from error
    return name


def _known_encoding(name: str) -> str:
    try:
        codecs.lookup(name)
    except LookupError as error:
        raise ValueError(f"{name!r} is not an encoding; write a name such as cp1252 or gb18030") from error
    return name


def _spelled(value: Any) -> Any:
    """YAML reads ``1`` and ``true`` as a number and a truth value; here they are words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str | int | float | bool) else value


TimeZone = Annotated[str, AfterValidator(_known_zone)]
Encoding = Annotated[str, AfterValidator(_known_encoding)]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]
Country = Annotated[str, Field(min_length=2)]
Delimiter = Annotated[str, Field(pattern=r"^([^\w\s\"]|\t|whitespace)$")]
Decimal = Literal["point", "comma"]
Contract = Literal["required", "optional", "evolve", "freeze"]
Word = Annotated[str, BeforeValidator(_spelled)]
Words = Annotated[tuple[Word, ...], BeforeValidator(_several)]
Formats = Annotated[tuple[str, ...], BeforeValidator(_several), AfterValidator(check_formats)]


class Strict(BaseModel):
    """A mapping in which an unknown key is an error."""

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


class FileSettings(Strict):
    """What holds for the files of one name pattern."""

    kind: str | None = Field(default=None, alias="as", description="The profile's kind of file that they are.")
    columns: dict[str, str] = Field(default_factory=dict, description="Column of the profile to header in the files.")
    words: dict[str, dict[Word, Word]] = Field(
        default_factory=dict, description="Per column of the profile: a word in the files to the word it means."
    )
    read: dict[str, Any] = Field(default_factory=dict, description="Reading steps, in place of the profile's.")


class Tolerance(Strict):
    """How much something may change, and what happens beyond that."""

    share: float = Field(gt=0)
    then: Literal["warn", "refuse"] = "warn"


class ContractSettings(Strict):
    """What may change from one export to the next."""

    unknown_columns: Literal["evolve", "freeze"] = Field(
        default="evolve", description="Columns that nobody maps are kept in `extra`, or refuse the file."
    )
    columns: dict[str, Contract] = Field(default_factory=dict, description="The contract of single columns.")
    type_drift: Tolerance | None = Field(
        default=None, description="Share of the values of one column that may be unreadable."
    )
    volume: Tolerance | None = Field(
        default=None, description="Distance from the median number of records of the last seven deliveries."
    )


class SourceSettings(Strict):
    """``landing/<source>/source.yml``: what its owner declares about the files beside it."""

    system: str | None = Field(default=None, description="The profile to read the files with.")
    timezone: TimeZone | None = Field(default=None, description="The zone of times without an offset.")
    currency: Currency | None = Field(default=None, description="The currency of amounts without one.")
    default_country: Country | None = Field(
        default=None, description="The country of customers without one, and of phone numbers without a prefix."
    )
    deliveries: Literal["delta", "full"] = Field(
        default="delta", description="Whether a file replaces all earlier ones."
    )
    on_refused: Literal["stop", "skip"] = Field(default="stop", description="What a refused file does to the night.")
    max_age_days: int | None = Field(default=None, ge=0, description="How old the newest export may be.")
    direct_identifier: Literal[True] | None = Field(
        default=None, description="E-mail addresses or phones are the ids of customers."
    )
    guests: bool | None = Field(default=None, description="Whether a document may have no customer.")
    final_newline: Literal["required", "optional"] | None = Field(
        default=None, description="Whether files end with a line end."
    )
    delimiter: Delimiter | None = Field(default=None, description="What separates fields.")
    encoding: Encoding | None = Field(default=None, description="The encoding of files without a byte order mark.")
    dates: Formats = Field(default=(), description="How dates and times are written.")
    decimal: Decimal | None = Field(default=None, description="What stands before the decimals.")
    also: tuple[str, ...] = Field(default=(), description="Kinds of files to read that are otherwise left aside.")
    skip: tuple[str, ...] = Field(default=(), description="Kinds of files to leave aside.")
    columns: dict[str, str] = Field(default_factory=dict, description="Column of the profile to header in the files.")
    files: dict[str, FileSettings] = Field(default_factory=dict, description="By pattern of the file's name.")
    contract: ContractSettings = ContractSettings()


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
    text = ""
    try:
        text = file.read_text(encoding="utf-8")
        document = load_yaml(text)
        if not isinstance(document, dict | None):
            raise RefusedFileError(f"it is not a list of settings such as 'currency: EUR'; correct it, {_UNREAD}")
        return SourceSettings.model_validate(document or {})
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = line_of(error, text) if isinstance(error, yaml.YAMLError) else ""
        raise RefusedFileError(f"it is not readable YAML{where}; correct it, {_UNREAD}") from error
    except ValidationError as error:
        keys = keys_of(SourceSettings, FileSettings, ContractSettings, Tolerance)
        raise RefusedFileError(f"{told(error, text, keys, 'a setting')}; correct it, {_UNREAD}") from error


def listed(names: Iterable[str]) -> str:
    """Names as they stand in a sentence."""
    return ", ".join(names)
