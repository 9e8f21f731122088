"""From the errors of the shape to sentences for the person who wrote the file.

Here belongs wording. What is an error is decided in ``rules/schema.py``; the words for a limit and for the
meaning of a setting are taken from the JSON Schema, so that they cannot differ from it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rules.checks import Finding
from rules.document import Location
from rules.schema import (
    CURRENCY_PATTERN,
    DEFAULT,
    DOMAIN_PATTERN,
    HEADER_PATTERN,
    ID_PATTERN,
    LABEL_PATTERN,
    json_schema,
)
from rules.suggestions import nearest

Part = Mapping[str, Any]

_NOUNS: Final = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a group of settings",
}
#: What the pattern of a text asks for; a pattern of the schema without words could not be told to anybody.
PATTERNS: Final = {
    ID_PATTERN: "a short name of small letters, digits and underscores that starts with a letter",
    LABEL_PATTERN: "one line of text without a backslash",
    CURRENCY_PATTERN: "three capital letters",
    HEADER_PATTERN: "one line of text without quotes or a backslash",
    DOMAIN_PATTERN: "what stands after the @ of an e-mail address, in small letters",
}
_LIMITS: Final = {
    "exclusiveMinimum": "more than",
    "minimum": "at least",
    "exclusiveMaximum": "less than",
    "maximum": "at most",
}
_OUT_OF_RANGE: Final = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")
_LONGEST_SHOWN: Final = 60


def shape_findings(error: ValidationError) -> list[Finding]:
    """Each error of the shape as a finding: its place in the file and what to say about it."""
    schema = json_schema()
    errors = error.errors(include_url=False)
    findings: list[Finding] = []
    meant: set[Location] = set()
    for loc in (details["loc"] for details in errors if details["type"] == "extra_forbidden"):
        location, _ = _resolve(loc, schema)
        siblings = _resolve(loc[:-1], schema)[1]["properties"]
        near = nearest(str(location[-1]), siblings)
        hint = f"did you mean {near}?" if near else f"remove it or use one of {', '.join(sorted(siblings))}"
        findings.append(Finding(location, f"is not a known setting; {hint}"))
        meant.add((*loc[:-1], near or ""))
    for details in errors:
        # A misspelt setting is also a missing one, but that is told already.
        told = details["type"] == "extra_forbidden" or (details["type"] == "missing" and details["loc"] in meant)
        if not told:
            findings.append(_finding(details, schema))
    return findings


def _finding(details: ErrorDetails, schema: Part) -> Finding:
    location, part = _resolve(details["loc"], schema)
    meaning = str(part.get("description", "")).rstrip(".")
    if details["type"] == "missing":
        return Finding(location, f"is missing; add it (meaning: {meaning})")
    expected = _range(part) if details["type"] in _OUT_OF_RANGE else _expectation(part)
    shown = _show(details["input"])
    return Finding(location, f"must be {expected}, but is {shown}; correct it (meaning: {meaning})")


def _resolve(loc: Sequence[str | int], schema: Part) -> tuple[Location, Part]:
    """Place in the file and part of the schema for the location of an error.

    They differ from the location where a value may be one of several things: there pydantic adds a step that
    names the alternative it tried.
    """
    definitions = schema["$defs"]
    part = schema
    location: list[str | int] = []
    for step in loc:
        part = _follow(part, definitions)
        if alternatives := part.get("oneOf"):
            wanted = "string" if step == DEFAULT else "object"
            options = (_follow(option, definitions) for option in alternatives)
            choice = next(option for option in options if option["type"] == wanted)
            part = {**choice, "description": part["description"]}
            continue
        location.append(step)
        if isinstance(step, int):
            part = {"description": part.get("description", ""), **part["items"]}
        else:
            part = part.get("properties", {}).get(step, {})
    return tuple(location), _follow(part, definitions)


def _follow(part: Part, definitions: Part) -> Part:
    """A part with its reference replaced by what it refers to, and ``or null`` as a key of its own."""
    if options := part.get("anyOf"):
        (option,) = (option for option in options if option.get("type") != "null")
        part = {**option, **part, "nullable": True}
    if reference := part.get("$ref"):
        part = {**definitions[reference.rpartition("/")[2]], **part}
    return part


def _expectation(part: Part) -> str:
    """What a value must be, in words."""
    if "const" in part:
        words = f"the word {part['const']}"
    elif "enum" in part:
        words = f"one of {', '.join(part['enum'])}"
    elif "pattern" in part:
        words = PATTERNS[part["pattern"]]
    else:
        words = " ".join(filter(None, (_NOUNS[part.get("type", "object")], _range(part), _size(part))))
    return f"{words} or null" if part.get("nullable") else words


def _range(part: Part) -> str:
    limits = [f"{words} {part[key]:g}" for key, words in _LIMITS.items() if key in part]
    if "minimum" in part and "maximum" in part:
        return f"between {part['minimum']:g} and {part['maximum']:g}"
    return " and ".join(limits)


def _size(part: Part) -> str:
    if part.get("minLength"):
        return "that is not empty"
    low, high = part.get("minItems"), part.get("maxItems")
    if low is None:
        return ""
    return f"with {low} to {high} items" if high else f"with at least {low} item"


def _show(value: object) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"
