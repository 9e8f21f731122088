"""The small language of conditions, compiled to SQL that DuckDB and Spark both read alike.

Here belong parsing, the whitelist and writing the SQL. Which metrics exist belongs to ``rules/metrics.py``.
Only what is listed here can reach the database: comparisons, and/or/not, in, between, is null, + - * /, plain
numbers, text in single quotes, known metrics and a few functions. The parser is a library's, the SQL is
written here, node by node: a translation by the library may change what a condition means.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Literal, cast

from rules.suggestions import suggestion

if TYPE_CHECKING:
    from sqlglot import exp

Kind = Literal["number", "text", "condition", "rank"]

_KINDS: Final[Mapping[type, Kind]] = {int: "number", float: "number", str: "text", bool: "condition"}
_NAMES: Final[Mapping[Kind, str]] = {
    "number": "a number",
    "text": "a text",
    "condition": "a condition",
    "rank": "a rank among all customers",
}

# More than any condition that a person maintains; they bound the recursion of the parsers, here and later.
MAX_LENGTH: Final = 2000
MAX_PARENTHESES: Final = 20
MAX_TREE_DEPTH: Final = 100

FUNCTIONS: Final = ("abs", "coalesce", "greatest", "least", "lower", "round", "upper")
#: Where a customer stands among all: ``pct(orders_365d) >= 0.8`` is true of the fifth with the most orders.
RANK: Final = "pct"
_MIRRORED: Final[Mapping[str, str]] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
#: Ranks are told apart to a hundredth of a percent.
_RANK_STEPS: Final = 10_000

# What a Chinese keyboard types for quotes, brackets, signs and spaces.
_FULL_WIDTH: Final = re.compile("[\\u2018\\u2019\\u201c\\u201d\\u3000\\uff01-\\uff5e]")
_FORBIDDEN: Final[Mapping[str, str]] = {
    "\\": "a backslash",
    "{": "a brace",
    "}": "a brace",
    ";": "a semicolon",
    "--": "a comment",
    "/*": "a comment",
    '"': "a double quote, but metrics stand without quotes and text in single quotes",
    "`": "a backquote, but metrics stand without quotes and text in single quotes",
}
_NUMBER: Final = re.compile(r"\d{1,18}(\.\d{1,9})?")


class ExpressionError(ValueError):
    """A condition that cannot be compiled; the message is a clause that says what is wrong and what to do."""


class _Binds(IntEnum):
    """How tightly an operator binds, so that parentheses stand only where they are needed."""

    OR = 1
    AND = 2
    NOT = 3
    COMPARISON = 4
    SUM = 5
    PRODUCT = 6
    SIGN = 7
    ATOM = 8


@dataclass(frozen=True, slots=True)
class _Sql:
    """Compiled SQL of a part, what it yields, and the text itself if it is nothing but a text."""

    text: str
    kind: Kind
    binds: _Binds = _Binds.ATOM
    literal: str | None = None

    def within(self, binds: _Binds) -> str:
        """The SQL as an operand of something that binds this tightly."""
        return self.text if self.binds >= binds else f"({self.text})"


@dataclass(frozen=True, slots=True, order=True)
class Cut:
    """The value of a column below which a share of all customers lies.

    Attributes
    ----------
    metric : str
        Column, of which only values that are known count.
    p : float
        The share, from 0 to 1.
    """

    metric: str
    p: float

    @property
    def column(self) -> str:
        """Name of the column that holds the value, such as ``pct_orders_365d_8000``."""
        return f"{RANK}_{self.metric}_{round(self.p * _RANK_STEPS):04d}"


@dataclass(frozen=True, slots=True)
class Compiled:
    """SQL of a condition, the metrics it names and the cuts it compares them with."""

    sql: str
    names: frozenset[str]
    cuts: frozenset[Cut]


def compile_expression(
    text: str, metrics: Mapping[str, type], *, values: Mapping[str, Collection[str]] | None = None
) -> str:
    """Compile a condition to lower-case SQL; arguments and errors as :func:`compile_parts`."""
    return compile_parts(text, metrics, values=values).sql


def compile_parts(
    text: str,
    metrics: Mapping[str, type],
    *,
    values: Mapping[str, Collection[str]] | None = None,
    columns: Mapping[str, str] | None = None,
    ranked: Collection[str] = (),
) -> Compiled:
    """Compile a condition to lower-case SQL, and say what it rests on.

    Parameters
    ----------
    text : str
        The condition, such as ``risk_level in ('high', 'critical') and recency_days <= 365``.
    metrics : mapping of str to type
        Metrics that may be named, each ``int``, ``float``, ``str`` or ``bool``.
    values : mapping of str to collection of str, optional
        Every value of the text metrics whose values are known: a misspelt one would silently select nobody.
    columns : mapping of str to str, optional
        The column of each metric that is called otherwise.
    ranked : collection of str, optional
        Metrics by which ``pct`` may rank customers; without any, it is not a function of the language.

    Returns
    -------
    Compiled
        A SQL condition whose columns are those of the metrics, without alias. Divisors are guarded with
        ``nullif``; a comparison with ``pct`` is one with the column of a cut.

    Raises
    ------
    ExpressionError
        If the text is not a condition of the language; names what is refused and the nearest metric.
    """
    _check_text(text)
    compiler = _Compiler(metrics, values or {}, columns or {}, ranked)
    compiled = compiler.compile(_parse(text))
    if compiled.kind != "condition":
        raise ExpressionError(f"is {_NAMES[compiled.kind]}, not a condition; compare it with something")
    return Compiled(compiled.text, frozenset(compiler.names), frozenset(compiler.cuts))


def _check_text(text: str) -> None:
    """Refuse by sight what has no place in a condition, before the parser can make something of it."""
    if not text.strip():
        raise ExpressionError("is empty; write a condition such as recency_days <= 365")
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"is {len(text)} characters long; use at most {MAX_LENGTH}")
    if any(not char.isprintable() and char not in "\n\t" for char in text):
        raise ExpressionError("contains an unprintable character; type the condition again")
    for mark, name in _FORBIDDEN.items():
        if mark in text:
            raise ExpressionError(f"contains {name}; remove it")
    depth = 0
    for outside in _outside_quotes(text):
        if found := _FULL_WIDTH.search(outside):
            raise ExpressionError(f"contains the full-width sign {found.group()}; type it in half-width")
        for char in outside:
            depth += {"(": 1, ")": -1}.get(char, 0)
            if depth > MAX_PARENTHESES:
                raise ExpressionError(f"nests more than {MAX_PARENTHESES} parentheses; make it simpler")


def _outside_quotes(text: str) -> Iterable[str]:
    return text.split("'")[::2]


def _parse(text: str) -> exp.Expression:
    import sqlglot
    from sqlglot.errors import ParseError, TokenError

    try:
        return cast("exp.Expression", sqlglot.parse_one(text))
    except ParseError as error:
        where = error.errors[0] if error.errors else {}
        near = str(where.get("highlight") or "").strip()
        place = f"near '{near}'; check the signs around it" if near else "as a whole; write it anew"
        raise ExpressionError(f"cannot be understood {place}") from None
    except TokenError:
        raise ExpressionError("has a quote that is never closed; put text between two single quotes") from None
    except RecursionError:
        raise ExpressionError("is nested too deeply; make it simpler") from None


class _Compiler:
    """Writes the SQL of a syntax tree; a node or a part of a node that is not named here is refused."""

    def __init__(
        self,
        metrics: Mapping[str, type],
        values: Mapping[str, Collection[str]],
        columns: Mapping[str, str],
        ranked: Collection[str],
    ) -> None:
        self._metrics = metrics
        self._columns = columns
        self._values = {columns.get(metric, metric): known for metric, known in values.items()}
        self._ranked = ranked
        self.names: set[str] = set()
        self.cuts: set[Cut] = set()

    def compile(self, node: exp.Expression) -> _Sql:
        from sqlglot import exp

        if node.depth > MAX_TREE_DEPTH:
            raise ExpressionError(f"joins or nests more than {MAX_TREE_DEPTH} parts; make it simpler")
        match node:
            case exp.Paren():
                self._only(node, "this")
                return self.compile(node.this)
            case exp.And():
                return self._junction(node, "and", _Binds.AND)
            case exp.Or():
                return self._junction(node, "or", _Binds.OR)
            case exp.Not():
                return self._negation(node)
            case exp.EQ() | exp.NEQ() | exp.LT() | exp.LTE() | exp.GT() | exp.GTE():
                return self._comparison(node)
            case exp.In():
                return self._membership(node, "in")
            case exp.Between():
                return self._range(node, "between")
            case exp.Is():
                return self._is_null(node, "is null")
            case exp.Add():
                return self._arithmetic(node, "+", _Binds.SUM)
            case exp.Sub():
                return self._arithmetic(node, "-", _Binds.SUM)
            case exp.Mul():
                return self._arithmetic(node, "*", _Binds.PRODUCT)
            case exp.Div():
                return self._division(node)
            case exp.Neg():
                self._only(node, "this")
                return _Sql(f"-{self._typed(node.this, 'number').within(_Binds.ATOM)}", "number", _Binds.SIGN)
            case exp.Literal():
                return self._literal(node)
            case exp.Column():
                return self._column(node)
            case exp.Null():
                raise ExpressionError("compares with null, which is never true; write 'is null' or 'is not null'")
            case exp.Func():
                return self._function(node)
            case _:
                raise ExpressionError(f"uses {_describe(node)}, which is not allowed here; remove it")

    def _only(self, node: exp.Expression, *names: str) -> None:
        """Refuse every part of a node that would be dropped silently."""
        extra = [name for name, part in node.args.items() if part not in (None, False, []) and name not in names]
        if extra or node.comments:
            raise ExpressionError(f"uses {_describe(node)}, which is not allowed here; remove it")

    def _typed(self, node: exp.Expression, kind: Kind) -> _Sql:
        part = self.compile(node)
        if part.kind != kind:
            raise ExpressionError(f"has {_NAMES[part.kind]}, {part.text}, where {_NAMES[kind]} is needed")
        return part

    def _alike(self, first: _Sql, others: Iterable[_Sql]) -> None:
        """Refuse putting unlike things side by side."""
        for part in (first, *others):
            if part.kind == "condition":
                raise ExpressionError(f"compares the condition {part.text}; join conditions with and, or, not")
            if part.kind != first.kind:
                raise ExpressionError(
                    f"compares {first.text}, {_NAMES[first.kind]}, with {part.text}, {_NAMES[part.kind]}; "
                    "write numbers without quotes and text in single quotes"
                )

    def _comparable(self, first: _Sql, others: Sequence[_Sql]) -> None:
        """Refuse comparing unlike things, and a metric with a text that it never is."""
        self._alike(first, others)
        parts = (first, *others)
        texts = [part for part in parts if part.literal is not None]
        for metric, known in ((part.text, self._values[part.text]) for part in parts if part.text in self._values):
            for text in texts:
                if text.literal not in known:
                    hint = suggestion(str(text.literal), known)
                    raise ExpressionError(f"compares {metric} with {text.text}, which it never is; {hint}")

    def _junction(self, node: exp.Expression, word: str, binds: _Binds) -> _Sql:
        self._only(node, "this", "expression")
        left = self._typed(node.this, "condition")
        right = self._typed(node.args["expression"], "condition")
        return _Sql(f"{left.within(binds)} {word} {right.within(binds)}", "condition", binds)

    def _negation(self, node: exp.Expression) -> _Sql:
        from sqlglot import exp

        self._only(node, "this")
        match node.this:
            case exp.In():
                return self._membership(node.this, "not in")
            case exp.Between():
                return self._range(node.this, "not between")
            case exp.Is():
                return self._is_null(node.this, "is not null")
            case inner:
                return _Sql(f"not {self._typed(inner, 'condition').within(_Binds.ATOM)}", "condition", _Binds.NOT)

    def _comparison(self, node: exp.Expression) -> _Sql:
        self._only(node, "this", "expression")
        sign = {"eq": "=", "neq": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}[node.key]
        left, right = self.compile(node.this), self.compile(node.args["expression"])
        if right.kind == "rank" and sign in _MIRRORED:
            left, right, sign = right, left, _MIRRORED[sign]
        if left.kind == "rank":
            if sign not in _MIRRORED:
                raise ExpressionError(f"compares {RANK} with {sign}; use one of {', '.join(_MIRRORED)}")
            return _Sql(f"{left.text} {sign} {self._cut(left, right)}", "condition", _Binds.COMPARISON)
        self._comparable(left, [right])
        return _Sql(f"{left.within(_Binds.SUM)} {sign} {right.within(_Binds.SUM)}", "condition", _Binds.COMPARISON)

    def _membership(self, node: exp.Expression, word: str) -> _Sql:
        self._only(node, "this", "expressions")
        if not node.expressions:
            raise ExpressionError("has an empty list after in; write the values between parentheses")
        left = self._value(node.this)
        options = [self._value(option) for option in node.expressions]
        self._comparable(left, options)
        listed = ", ".join(option.within(_Binds.SUM) for option in options)
        return _Sql(f"{left.within(_Binds.SUM)} {word} ({listed})", "condition", _Binds.COMPARISON)

    def _range(self, node: exp.Expression, word: str) -> _Sql:
        self._only(node, "this", "low", "high")
        value, low, high = (self.compile(node.args[name]) for name in ("this", "low", "high"))
        if value.kind == "rank":
            bounds = f"{self._cut(value, low)} and {self._cut(value, high)}"
            return _Sql(f"{value.text} {word} {bounds}", "condition", _Binds.COMPARISON)
        self._comparable(value, [low, high])
        bounds = f"{low.within(_Binds.SUM)} and {high.within(_Binds.SUM)}"
        return _Sql(f"{value.within(_Binds.SUM)} {word} {bounds}", "condition", _Binds.COMPARISON)

    def _is_null(self, node: exp.Expression, words: str) -> _Sql:
        from sqlglot import exp

        self._only(node, "this", "expression")
        if not isinstance(node.args["expression"], exp.Null):
            raise ExpressionError("uses 'is' with something other than null; compare with = instead")
        return _Sql(f"{self._value(node.this).within(_Binds.SUM)} {words}", "condition", _Binds.COMPARISON)

    def _arithmetic(self, node: exp.Expression, sign: str, binds: _Binds) -> _Sql:
        self._only(node, "this", "expression")
        left = self._typed(node.this, "number").within(binds)
        # One step tighter on the right: a - (b - c) must keep its parentheses.
        right = self._typed(node.args["expression"], "number").within(_Binds(binds + 1))
        return _Sql(f"{left} {sign} {right}", "number", binds)

    def _division(self, node: exp.Expression) -> _Sql:
        self._only(node, "this", "expression")
        left = self._typed(node.this, "number").within(_Binds.PRODUCT)
        divisor = self._typed(node.args["expression"], "number").text
        return _Sql(f"{left} / nullif({divisor}, 0)", "number", _Binds.PRODUCT)

    def _literal(self, node: exp.Expression) -> _Sql:
        content = str(node.this)
        if node.is_string and not content.isprintable():
            raise ExpressionError("breaks a line inside a text; write the text on one line")
        if node.is_string:
            return _Sql("'" + content.replace("'", "''") + "'", "text", literal=content)
        if not _NUMBER.fullmatch(content):
            raise ExpressionError(f"has the number {content}; write plain digits, such as 365 or 0.5")
        return _Sql(content, "number")

    def _value(self, node: exp.Expression) -> _Sql:
        """Anything but a rank, which is known by its cut points only and has no value of its own."""
        found = self.compile(node)
        if found.kind == "rank":
            signs = ", ".join(_MIRRORED)
            raise ExpressionError(f"uses {RANK} other than with {signs} or between; write {RANK}(orders_365d) >= 0.8")
        return found

    def _column(self, node: exp.Expression) -> _Sql:
        self._only(node, "this")
        name = str(node.this.this).lower()
        if name not in self._metrics:
            raise ExpressionError(
                f"names {name}, which is not a metric that can stand here; " + suggestion(name, self._metrics)
            )
        self.names.add(name)
        return _Sql(self._columns.get(name, name), _KINDS[self._metrics[name]])

    def _rank(self, node: exp.Expression) -> _Sql:
        from sqlglot import exp

        self._only(node, "this", "expressions")
        match node.expressions:
            case [exp.Column() as column]:
                ranked = self._column(column)
            case _:
                raise ExpressionError(f"calls {RANK} with something other than one metric; write {RANK}(orders_365d)")
        if str(column.this.this).lower() not in self._ranked:
            hint = suggestion(str(column.this.this).lower(), self._ranked)
            raise ExpressionError(f"ranks customers by {ranked.text}, which is not possible; {hint}")
        return _Sql(ranked.text, "rank")

    def _cut(self, ranked: _Sql, share: _Sql) -> str:
        """The column that holds the value at a share of all customers."""
        if share.kind != "number" or not _NUMBER.fullmatch(share.text):
            raise ExpressionError(f"compares {RANK} with {share.text}; write a number between 0 and 1, such as 0.8")
        steps = Decimal(share.text) * _RANK_STEPS
        if steps > _RANK_STEPS or steps != steps.to_integral_value():
            raise ExpressionError(
                f"compares {RANK} with {share.text}; write a number between 0 and 1 with up to four decimals"
            )
        cut = Cut(ranked.text, float(Decimal(share.text)))
        self.cuts.add(cut)
        return cut.column

    def _function(self, node: exp.Expression) -> _Sql:
        name = _function_name(node)
        if name == RANK and self._ranked:
            return self._rank(node)
        if name not in FUNCTIONS:
            known = (*FUNCTIONS, RANK) if self._ranked else FUNCTIONS
            raise ExpressionError(
                f"calls the function {name}, which is not allowed here; use one of {', '.join(known)}"
            )
        self._only(node, "this", "expressions", "decimals", "ignore_nulls")
        nodes = [node.this, *node.expressions, *filter(None, [node.args.get("decimals")])]
        if name in ("lower", "upper"):
            return _Sql(f"{name}({self._typed(node.this, 'text').text})", "text")
        if name in ("coalesce", "greatest", "least"):
            parts = [self._value(part) for part in nodes]
            self._alike(parts[0], parts[1:])
            return _Sql(f"{name}({', '.join(part.text for part in parts)})", parts[0].kind)
        numbers = [self._typed(part, "number").text for part in nodes]
        if len(numbers) == 2 and not numbers[1].isdigit():
            raise ExpressionError(f"rounds to {numbers[1]} decimals; write a whole number")
        return _Sql(f"{name}({', '.join(numbers)})", "number")


def _function_name(node: exp.Expression) -> str:
    """Name of a function as it was written, or of the library's class where it was a known one."""
    from sqlglot import exp

    return str(node.this).lower() if isinstance(node, exp.Anonymous) else cast("exp.Func", node).sql_name().lower()


def _describe(node: exp.Expression) -> str:
    """A name for a refused construct that its author recognises."""
    from sqlglot import exp

    if node.find(exp.Query):
        return "a subquery"
    return f"'{node.sql(comments=False)}'"
