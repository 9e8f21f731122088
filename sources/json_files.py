"""JSON documents as rows of text.

Belongs here: finding the list of records, nested objects as dotted columns, lists of objects as rows. Does not
belong here: what a column means.

A record with lists of objects becomes as many rows as its longest list has entries, the way a spreadsheet shows
a document: the values of the record itself stand on the first of them.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sources.decoding import decode, encoding_of
from sources.errors import RefusedFileError
from sources.landing import Member, chunks
from sources.limits import Limits
from sources.planning import Plan
from sources.profiles import ReadSpec
from sources.rows import settle
from sources.tables import HEAD_ROWS, Kind, Records

__all__ = ["JsonHead", "json_head", "read_json"]

RECORDS = "data"
"""Where the list of records usually is."""


def _document(member: Member, limits: Limits, encoding: str | None) -> tuple[Any, str]:
    """The document, with every number as it is written, and the digest of its bytes."""
    content = bytearray()
    for piece in chunks(member, limits):
        content += piece
        if len(content) > limits.json_bytes:
            raise RefusedFileError(f"it is larger than {limits.json_bytes // 10**6} MB; export it as csv")
    whole = bytes(content)
    text = "".join(decode([whole], encoding_of(lambda: [whole], declared=encoding)))
    if not text.strip():
        raise RefusedFileError("it is empty; export it again")
    try:
        document = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except json.JSONDecodeError as error:
        raise RefusedFileError(
            f"it is not readable JSON ({error.msg} in line {error.lineno}, column {error.colno}); export it again"
        ) from error
    except RecursionError as error:
        raise RefusedFileError("it is nested too deeply; export it as csv") from error
    return document, hashlib.sha256(whole).hexdigest()


def _records(document: Any, path: str | None) -> Sequence[Mapping[str, Any]]:
    found = document
    for part in (path or RECORDS).split("."):
        if path is None and isinstance(found, list):
            break
        found = found.get(part) if isinstance(found, dict) else None
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        raise RefusedFileError(
            f"it holds no list of records under {path or RECORDS!r}; set 'read: {{records: <path>}}' in source.yml "
            "beside the file, or export it again"
        )
    return found


def _table(document: Any, read: ReadSpec) -> Iterator[list[str]]:
    """The names of all columns in the order in which they appear, and the rows."""
    rows = [row for record in _records(document, read.records) for row in _rows(record, read.lines)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    yield names
    yield from ([row.get(name, "") for name in names] for row in rows)


def _rows(record: Mapping[str, Any], lines: tuple[str, ...] | None) -> Iterator[dict[str, str]]:
    own: dict[str, str] = {}
    lists: dict[str, Sequence[Mapping[str, Any]]] = {}
    _flatten(record, "", own, lists, lines)
    for place in range(max(1, *(len(entries) for entries in lists.values()), 1)):
        row = own if place == 0 else {}
        for name, entries in lists.items():
            if place < len(entries):
                _flatten(entries[place], f"{name}.", row, {}, ())
        yield row


def _flatten(
    value: Mapping[str, Any],
    prefix: str,
    row: dict[str, str],
    lists: dict[str, Sequence[Mapping[str, Any]]],
    lines: tuple[str, ...] | None,
) -> None:
    for key, content in value.items():
        name = f"{prefix}{key}"
        if isinstance(content, dict):
            _flatten(content, f"{name}.", row, lists, lines)
        elif isinstance(content, list):
            objects = [entry for entry in content if isinstance(entry, dict)]
            if not objects or len(objects) < len(content):
                row[name] = ",".join(_text(entry) for entry in content)
            elif lines is None or name in lines:
                lists[name] = objects
            else:
                for field in dict.fromkeys(field for entry in objects for field in entry):
                    row[f"{name}.{field}"] = ",".join(_text(entry.get(field)) for entry in objects)
        else:
            row[name] = _text(content)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True)
class JsonHead:
    """A JSON document; where its records are is for the profile to say."""

    document: Any
    kind: Kind = "json"

    def rows(self, read: ReadSpec) -> Sequence[Sequence[str]]:
        """The names of all columns, which in JSON are the first row, and some records."""
        return list(islice(_table(self.document, read), HEAD_ROWS))


def json_head(member: Member, limits: Limits, encoding: str | None) -> JsonHead:
    """Read a JSON document.

    Raises
    ------
    RefusedFileError
        If it is none.
    """
    return JsonHead(_document(member, limits, encoding)[0])


def read_json(member: Member, delivery_id: str, desk: Path, plan: Plan, limits: Limits) -> Records:
    """Write down the records of a JSON document.

    Raises
    ------
    RefusedFileError
        If it changed since it was looked at.
    """
    document, digest = _document(member, limits, plan.settings.encoding)
    if digest != delivery_id:
        raise RefusedFileError("it changed while it was being read; run again when it is complete")
    return settle(_table(document, plan.read), plan, desk / "records.csv", is_padded=True)
