"""A YAML file as plain values, with the line of each.

Here belongs YAML and nothing of what the rules mean. The dialect is the part of YAML that its readers expect:
``no`` and ``12:30`` are text, ``010`` is not eight, and a value stands where it is used instead of being
referred to.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from rules.errors import Problem, RulesError

Location = tuple[str | int, ...]

_TAG: Final = "tag:yaml.org,2002:"
_WHOLE: Final = "(?:0|[1-9][0-9]{0,17})"
_PLAIN_VALUES: Final[Mapping[str, tuple[str, Iterable[str]]]] = {
    # Tag: what it looks like, and its possible first characters.
    f"{_TAG}null": (r"~|null|Null|NULL|", ("", *"~nN")),
    f"{_TAG}bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    f"{_TAG}int": (rf"[-+]?{_WHOLE}", "-+0123456789"),
    f"{_TAG}float": (rf"[-+]?{_WHOLE}?\.[0-9]{{1,17}}", "-+.0123456789"),
}
_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    f"{_TAG}null": lambda _: None,
    f"{_TAG}bool": lambda text: text.lower() == "true",
    f"{_TAG}int": int,
    f"{_TAG}float": float,
    f"{_TAG}str": str,
}


class _Loader(yaml.SafeLoader):
    """The dialect described above: other rules for what an unquoted word is."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.yaml_implicit_resolvers = defaultdict(list)
        for tag, (pattern, firsts) in _PLAIN_VALUES.items():
            for first in firsts:
                self.yaml_implicit_resolvers[first].append((tag, re.compile(rf"(?:{pattern})$")))


# Half of a surrogate pair, or a number beyond all characters: neither is text.
_ESCAPE: Final = re.compile(r"\\(?:U[0-9a-fA-F]{8}|u[dD][89a-fA-F][0-9a-fA-F]{2})")


@dataclass(frozen=True, slots=True)
class Document:
    """Content of a YAML file, and the line of each key and item."""

    value: Any
    lines: Mapping[Location, int]

    def line(self, location: Location) -> int:
        """Line of a location, or of the nearest thing around it where it is missing."""
        while location not in self.lines:
            location = location[:-1]
        return self.lines[location]

    def name(self, location: Location) -> str:
        """Name of a setting as a person would say it, such as ``lists[churn_alert].owner``."""
        return _name(location, self.value)


def read_document(path: Path) -> Document:
    """Read a YAML file.

    Parameters
    ----------
    path : Path
        The file, UTF-8 with or without a byte order mark.

    Returns
    -------
    Document
        Plain dicts, lists, texts, numbers, booleans and None.

    Raises
    ------
    RulesError
        If the file cannot be read, is empty, is not YAML or names a setting twice.
    """
    text = read_text(path)
    if escape := _ESCAPE.search(text):
        line = text[: escape.start()].count("\n") + 1
        raise RulesError([Problem(path, line, f"holds the escape {escape.group()}; type the character itself")])
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            raise RulesError([Problem(path, None, "is empty; start from config/business.yml")])
        nodes = _NodeReader(loader)
        value = nodes.read(root, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = f"is not valid YAML: {error.problem}; check indentation, brackets and quotes here and just above"
        raise RulesError([Problem(path, mark.line + 1 if mark else None, message)]) from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise RulesError([Problem(path, line, "holds an unprintable character; delete it")]) from None
    except RecursionError:
        raise RulesError([Problem(path, None, "is nested too deeply; check its brackets")]) from None
    if nodes.findings:
        raise RulesError(Problem(path, line, message) for line, message in nodes.findings)
    return Document(value, nodes.lines)


def read_text(path: Path) -> str:
    """The text of a file that people write, UTF-8 with or without a byte order mark.

    Raises
    ------
    RulesError
        If it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise RulesError([Problem(path, None, "does not exist; check the path")]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise RulesError([Problem(path, line, "is not UTF-8 text; save the file with UTF-8 encoding")]) from None
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise RulesError(
            [Problem(path, None, f"cannot be read ({reason}); check the path and its permissions")]
        ) from None


class _NodeReader:
    """Turns YAML nodes into plain values and notes the line of each."""

    def __init__(self, loader: _Loader) -> None:
        # The types of the library leave this method out.
        self._resolve: Callable[[type, str, tuple[bool, bool]], str] = loader.resolve
        self._seen: set[int] = set()
        self.lines: dict[Location, int] = {(): 1}
        self.findings: list[tuple[int, str]] = []

    def read(self, node: yaml.Node, location: Location) -> Any:
        if id(node) in self._seen:
            self._find(node, "is referred to with * elsewhere; write the value out where it is used")
            return None
        self._seen.add(id(node))
        # An explicit tag such as !!set or !!int is the only way to another type than the text shows.
        plain = getattr(node, "style", None) is None
        if node.tag != self._resolve(type(node), node.value, (plain, True)):
            self._find(node, f"uses the tag {node.tag.replace(_TAG, '!!')}; remove it")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode):
            return self._sequence(node, location)
        return _READERS[node.tag](node.value)

    def _sequence(self, node: yaml.SequenceNode, location: Location) -> list[Any]:
        items = []
        for index, item in enumerate(node.value):
            self.lines[*location, index] = item.start_mark.line + 1
            items.append(self.read(item, (*location, index)))
        return items

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = (*location, str(key_node.value))
            if not isinstance(key_node, yaml.ScalarNode):
                self._find(
                    key_node,
                    "has brackets where the name of a setting is expected; check the brackets and quotes",
                )
            elif place in self.lines:
                self._find(key_node, f"{_name(place)} is written twice, first on line {self.lines[place]}; keep one")
            else:
                self.lines[place] = key_node.start_mark.line + 1
                content[key_node.value] = self.read(value_node, place)
        return content

    def _find(self, node: yaml.Node, message: str) -> None:
        self.findings.append((node.start_mark.line + 1, message))


def _name(location: Location, value: Any = None) -> str:
    name = ""
    for step in location:
        value = _child(value, step)
        if isinstance(step, str):
            name = f"{name}.{step}" if name else step
        else:
            label = value.get("id") if isinstance(value, dict) else None
            name += f"[{' '.join(label.split())}]" if isinstance(label, str) else f"[{step + 1}]"
    return name or "the file"


def _child(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None
