"""Formulas as they are written for people, and worked out exactly as they are written.

Belongs here: the little arithmetic of formulas such as ``{net_revenue} ÷ {orders}``. Does not belong here: which figure
has which formula (``explained_metrics.py``).

A name in braces is a figure; a name with points is a setting of the rules file. What needs an unknown figure is
unknown, and so is a quotient by zero.
"""

import ast
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Final

__all__ = ["evaluated", "figures_in", "in_words", "settings_in", "with_numbers"]

_FIGURE: Final = re.compile(r"\{([a-z_0-9]+)\}")
_SETTING: Final = re.compile(r"[a-z_]+(?:\.[a-z_0-9]+)+")
_SIGNS: Final = str.maketrans({"×": "*", "÷": "/", "−": "-"})
_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "max": max,
    "min": min,
    # A product like 17.5 × 1.2 may come out a hair above 21.
    "up": lambda value: math.ceil(round(float(value), 6)),
    "nearest": lambda value: math.floor(value + 0.5),
    "latest": max,
    "whole_years": lambda born, day: day.year - born.year - ((day.month, day.day) < (born.month, born.day)),
}


def figures_in(text: str) -> list[str]:
    """The figures that a formula names, in order."""
    return list(dict.fromkeys(_FIGURE.findall(text)))


def settings_in(text: str) -> list[str]:
    """The settings that a formula names, in order."""
    return list(dict.fromkeys(_SETTING.findall(text)))


def in_words(text: str) -> str:
    """The formula for a reader, without braces."""
    return _FIGURE.sub(r"\1", text)


def with_numbers(text: str, numbers: Mapping[str, str]) -> str:
    """The formula with numbers in the place of names."""
    filled = _FIGURE.sub(lambda found: numbers[found[1]], text)
    return _SETTING.sub(lambda found: numbers.get(found[0], found[0]), filled)


def evaluated(text: str, called: Callable[[str], Any]) -> Any:
    """Work a formula out.

    Parameters
    ----------
    text : str
        Figures, settings and plain numbers with ``+ − × ÷``, comparisons, ``and``, ``or``, ``not``, ``max``, ``min``,
        ``latest`` (of what is known), ``up`` and ``nearest`` (to whole numbers); ``none`` is unknown.
    called : callable
        Takes the name of a figure or setting, or ``as_of``, and returns what is called so. It is not asked for what
        decides nothing.

    Returns
    -------
    Any
        A number, a truth value, a text, a day, or None where it is unknown. Sums of decimals are exact.
    """
    return _value(_parsed(text), called)


@cache
def _parsed(text: str) -> ast.expr:
    plain = _SETTING.sub(lambda found: _as_name(found[0]), _FIGURE.sub(r"\1", text)).translate(_SIGNS)
    return ast.parse(re.sub(r"(?<![<>!=])=(?!=)", "==", plain), mode="eval").body


def _as_name(path: str) -> str:
    return path.replace(".", "__")


def _value(node: ast.expr, called: Callable[[str], Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id="none"):
            return None
        case ast.Name(id=name):
            return called(name.replace("__", "."))
        case ast.BinOp(left=left, op=op, right=right):
            return _combined(_value(left, called), op, _value(right, called))
        case ast.BoolOp(op=op, values=parts):
            truths = (bool(_value(part, called)) for part in parts)
            return all(truths) if isinstance(op, ast.And) else any(truths)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, called)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _compared(_value(left, called), op, _value(right, called))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            found = [_value(argument, called) for argument in arguments]
            if name == "latest":
                found = [value for value in found if value is not None]
            if not found or any(value is None for value in found):
                return None
            return _FUNCTIONS[name](found) if name in ("max", "min", "latest") else _FUNCTIONS[name](*found)
    raise ValueError(f"a formula cannot hold {ast.unparse(node)}")


def _combined(left: Any, op: ast.operator, right: Any) -> Any:
    if left is None or right is None:
        return None
    match op:
        case ast.Add() if isinstance(left, date):
            return left + timedelta(days=right)
        case ast.Sub() if isinstance(left, date):
            return (left - right).days
        case ast.Add():
            return sum(_alike(left, right))
        case ast.Sub():
            first, second = _alike(left, right)
            return first - second
        case ast.Mult():
            return float(left) * float(right)
        case ast.Div():
            return float(left) / float(right) if right else None
    raise ValueError(f"a formula cannot hold {type(op).__name__}")


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Two numbers of one kind: exact ones stay exact."""
    if isinstance(left, Decimal | int) and isinstance(right, Decimal | int):
        return left, right
    return float(left), float(right)


def _compared(left: Any, op: ast.cmpop, right: Any) -> bool:
    if left is None or right is None:
        return False
    match op:
        case ast.Gt():
            return bool(left > right)
        case ast.GtE():
            return bool(left >= right)
        case ast.Lt():
            return bool(left < right)
        case ast.LtE():
            return bool(left <= right)
        case ast.Eq():
            return bool(left == right)
    raise ValueError(f"a formula cannot hold {type(op).__name__}")
