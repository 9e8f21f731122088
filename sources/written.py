"""The YAML files that people write, and saying where one of them is wrong.

Belongs here: reading YAML so that a word stays a word, and a sentence with line and key for whatever a model finds
wrong with it. Does not belong here: what may stand in such a file (``settings.py``, ``profiles.py``).
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

__all__ = ["MisplacedError", "keys_of", "line_of", "load_yaml", "nearest", "told"]

_BOOL = "tag:yaml.org,2002:bool"

# Ten times faster where libyaml is there, as it is in the wheels.
_BASE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LOADER: Any = type(
    "_Loader",
    (_BASE,),
    {
        "yaml_implicit_resolvers": {
            first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
            for first, resolvers in _BASE.yaml_implicit_resolvers.items()
        }
    },
)
# YAML 1.1 takes No, On and Yes for truth values, and columns are called so.
_LOADER.add_implicit_resolver(_BOOL, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))

SHOWN_PROBLEMS = 5


class MisplacedError(ValueError):
    """Something in a document that cannot be, deeper than where it was noticed.

    Parameters
    ----------
    reason : str
        What is wrong.
    place : str
        The keys that lead to it from there.
    """

    def __init__(self, reason: str, *place: str) -> None:
        super().__init__(reason)
        self.place = place


def load_yaml(text: str) -> Any:
    """Read a document; only ``true`` and ``false`` are truth values.

    Raises
    ------
    yaml.YAMLError
        If it is not YAML.
    """
    return yaml.load(text, Loader=_LOADER)


def line_of(error: yaml.YAMLError, text: str) -> str:
    """Where a document is no YAML, as a part of a sentence."""
    mark = getattr(error, "problem_mark", None)
    return f" in line {min(mark.line + 1, max(1, len(text.splitlines())))}" if mark else ""


def keys_of(*models: type[BaseModel]) -> set[str]:
    """Every key that some models read, as it is written."""
    found: set[str] = set()
    for model in models:
        for field_name, spec in model.model_fields.items():
            choices = getattr(spec.validation_alias, "choices", None)
            found.add(str(choices[0]) if choices else spec.alias or field_name)
    return found


def told(error: ValidationError, text: str, keys: Iterable[str], what: str) -> str:
    """What is wrong with a document, each with its line and key.

    Parameters
    ----------
    error : ValidationError
        What its model found.
    text : str
        The document as it is written.
    keys : iterable of str
        Keys that are known somewhere in it.
    what : str
        What a key is called: "a setting".
    """
    root = yaml.compose(text, Loader=_LOADER)
    places: dict[tuple[str, ...], str] = {}
    # A key that is spelled wrong explains what is missing elsewhere.
    for problem in sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden"):
        cause = problem.get("ctx", {}).get("error")
        path = (*problem["loc"], *(cause.place if isinstance(cause, MisplacedError) else ()))
        names, steps, line = _found(root, path)
        sentence = _sentence(problem, names, keys, what)
        if line is not None and names:
            places.setdefault(steps, f"line {line}, {sentence}")
        else:
            places.setdefault(steps, sentence)
    # Where one of several shapes would do, the one that fits furthest tells what is meant.
    kept = [
        sentence
        for steps, sentence in places.items()
        if not any(other != steps and other[: len(steps)] == steps for other in places)
    ]
    return "; ".join((kept or list(places.values()))[:SHOWN_PROBLEMS])


def _found(root: Any, path: Sequence[str | int]) -> tuple[list[str], tuple[str, ...], int | None]:
    """How far a place can be followed in the document: its keys, its steps, its line.

    A model may add to the place what nobody wrote, such as which of several shapes it tried.
    """
    node, line = root, None
    names: list[str] = []
    steps: list[str] = []
    for part in path:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if pair is None:
                continue
            key, node = pair
            names.append(key.value)
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            continue
        steps.append(str(part))
    return names, tuple(steps), line


_SHAPES = {
    "dict_type": "should be keys with values",
    "model_type": "should be keys with values",
    "model_attributes_type": "should be keys with values",
    "tuple_type": "should be a list",
    "string_type": "should be text; put it into quotes",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
}


def _sentence(problem: Mapping[str, Any], names: Sequence[str], keys: Iterable[str], what: str) -> str:
    kind, last = problem["type"], str(problem["loc"][-1]) if problem["loc"] else ""
    where = ".".join(names)
    if kind == "extra_forbidden":
        above = ".".join(names[:-1])
        return f"{above}: {last}"[0 if above else 2 :] + f" is not {what}{nearest(last, sorted(keys))}"
    if kind == "missing":
        return ".".join([*names, last]) + " is missing"
    if last == "[key]":
        return f"{where}: YAML takes this key for a number or a date; put it into quotes"
    message = _SHAPES.get(kind) or str(problem["msg"]).removeprefix("Value error, ")
    if kind == "literal_error":
        message = f"should be {problem['ctx']['expected']}"
    return f"{where}: {message}" if where else message


def nearest(wanted: str, seen: Iterable[str] | Mapping[str, Any]) -> str:
    """The name among `seen` that was probably meant, as a part of a sentence; empty when none is close."""
    close = difflib.get_close_matches(wanted.casefold(), list(seen), n=1, cutoff=0.5)
    return f" (the nearest seen is {close[0]!r})" if close else ""
