"""From records of text to canonical feeds and rejects, in SQL over whole columns.

Belongs here: spelling every cell, what one record shows to be wrong by itself, filling the feeds. Does not
belong here: anything that needs a second record or file (duplicates, orphans, validity): that is decided over
all deliveries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sources.profiles import Cell, FeedPlan, Plan, Rule, Value
from sources.sql import literal, name
from sources.text import Step, clean, is_mangled_id, spell

__all__ = ["CODES", "REJECTED", "feed_query", "rejected_query", "spelled_query"]

CODES = (
    "bad_structure",
    "missing_id",
    "id_mangled",
    "missing_customer",
    "bad_date",
    "bad_amount",
    "bad_score",
)
"""Why a record is rejected. A record has one code: the first that applies."""

REJECTED: Mapping[str, str] = {
    "source_system": "VARCHAR",
    "source": "VARCHAR",
    "delivery_id": "VARCHAR",
    "feed": "VARCHAR",
    "file": "VARCHAR",
    "record_no": "BIGINT",
    "source_key": "VARCHAR",
    "code": "VARCHAR",
    "column_name": "VARCHAR",
    "raw_value": "VARCHAR",
}
"""Columns of the rejected records, with their SQL types."""

IGNORED = "ignored"
"""In place of a code: a record without any value, such as the empty rows below a spreadsheet."""

_UNREADABLE = {
    "timestamp": "bad_date",
    "date": "bad_date",
    "amount": "bad_amount",
    "number": "bad_amount",
    "integer": "bad_amount",
    "score": "bad_score",
}


@dataclass(frozen=True)
class _Reason:
    code: str
    cell: Cell
    condition: str


def _text(position: int) -> str:
    return f"t{position}"


def _value(cell: Cell) -> str:
    return "CAST(NULL AS VARCHAR)" if cell.position is None else f"v{cell.position}"


def _is_blank(cell: Cell) -> str:
    return "true" if cell.position is None else f"b{cell.position}"


def spelled_query(records: str, plan: Plan) -> str:
    """SQL that spells every cell and judges every record.

    Parameters
    ----------
    records : str
        SQL of the records, with ``record_no`` and ``c0``, ``c1`` ….
    plan : Plan
        How to read them.

    Returns
    -------
    str
        SQL with ``record_no``, per mapped cell ``v<position>`` (canonical text) and ``b<position>`` (nothing
        was written there), ``extra``, ``code`` (NULL for a good record), ``column_name``, ``raw_value``,
        ``source_key``.
    """
    cells = [cell for cell in plan.cells if cell.position is not None]
    unmapped = plan.unmapped
    cleaning: dict[int, tuple[Step, ...]] = {position: clean("text") for position in unmapped}
    spelling: dict[int, tuple[Step, ...]] = {}
    for cell in cells:
        assert cell.position is not None
        cleaning[cell.position] = clean(cell.type)
        spelling[cell.position] = spell(
            cell.type,
            time_zone=plan.time_zone,
            formats=cell.formats,
            integer_id=cell.integer_id,
            values=cell.values,
        )
    texts = {position: _text(position) for position in cleaning}
    query = _layers(records, {position: (f"c{position}", steps) for position, steps in cleaning.items()}, texts)
    query = _layers(
        query,
        {position: (texts[position], steps) for position, steps in spelling.items()},
        {position: f"v{position}" for position in spelling},
    )
    reasons = _reasons(plan)
    blank = " AND ".join(f"{text} IS NULL" for text in texts.values())
    judged = " ".join(f"WHEN {reason.condition} THEN {number}" for number, reason in enumerate(reasons))
    verdict = f"CASE WHEN {blank} THEN -1 {judged} END"
    key = plan.key_cell
    columns = [
        "record_no",
        *(f"v{cell.position}" for cell in cells),
        *(f"{_text(cell.position)} IS NULL AS b{cell.position}" for cell in cells if cell.position is not None),
        f"{_extra(plan)} AS extra",
        _by_reason({-1: IGNORED} | {number: reason.code for number, reason in enumerate(reasons)}, "code"),
        _by_reason({number: reason.cell.name for number, reason in enumerate(reasons)}, "column_name"),
        _raw_by_reason(reasons),
        f"{'NULL' if key is None or key.position is None else _text(key.position)} AS source_key",
    ]
    return f"SELECT {', '.join(columns)} FROM (SELECT *, {verdict} AS reason FROM ({query}))"


def _layers(query: str, columns: Mapping[int, tuple[str, tuple[Step, ...]]], names: Mapping[int, str]) -> str:
    """Apply the steps of all columns, one projection per step."""
    depth = max((len(steps) for _, steps in columns.values()), default=0)
    current = {position: origin for position, (origin, _) in columns.items()}
    copied = [f"{origin} AS {names[position]}" for position, (origin, steps) in columns.items() if not steps]
    if copied:
        query = f"SELECT *, {', '.join(copied)} FROM ({query})"
    for level in range(depth):
        made = []
        for position, (_, steps) in columns.items():
            if level < len(steps):
                made.append((position, f"{steps[level](current[position])} AS {names[position]}"))
        replaced = [names[position] for position, _ in made if current[position] == names[position]]
        kept = f"* EXCLUDE ({', '.join(replaced)})" if replaced else "*"
        query = f"SELECT {kept}, {', '.join(expression for _, expression in made)} FROM ({query})"
        current |= {position: names[position] for position, _ in made}
    return query


def _reasons(plan: Plan) -> list[_Reason]:
    """Everything that can be wrong with a record, the first code first."""
    found = []
    for cell in plan.cells:
        value, blank = _value(cell), "true" if cell.position is None else f"{_text(cell.position)} IS NULL"
        if cell.required:
            found.append(_Reason(_missing_code(cell), cell, f"{value} IS NULL"))
        if cell.position is None:
            continue
        if cell.type == "id":
            found.append(_Reason("id_mangled", cell, is_mangled_id(value)))
        elif cell.type in _UNREADABLE and not cell.lenient:
            found.append(_Reason(_UNREADABLE[cell.type], cell, f"NOT ({blank}) AND {value} IS NULL"))
    return sorted(found, key=lambda reason: CODES.index(reason.code))


def _missing_code(cell: Cell) -> str:
    if cell.customer:
        return "missing_customer"
    if cell.type in _UNREADABLE:
        return _UNREADABLE[cell.type]
    return "missing_id" if cell.type == "id" or cell.key else "bad_structure"


def _by_reason(words: Mapping[int, str], column: str) -> str:
    cases = " ".join(f"WHEN {number} THEN {literal(word)}" for number, word in words.items())
    return f"CASE reason {cases} END AS {column}" if cases else f"CAST(NULL AS VARCHAR) AS {column}"


def _raw_by_reason(reasons: list[_Reason]) -> str:
    cases = " ".join(
        f"WHEN {number} THEN left(c{reason.cell.position}, 1000)"
        for number, reason in enumerate(reasons)
        if reason.cell.position is not None
    )
    return f"CASE reason {cases} END AS raw_value" if cases else "CAST(NULL AS VARCHAR) AS raw_value"


def _extra(plan: Plan) -> str:
    """JSON of what no canonical column holds.

    That is the unmapped columns, and text that could not be read but costs no record.
    """
    kept = {header: _text(position) for position, header in plan.unmapped.items()}
    for cell in plan.cells:
        if cell.position is not None and (cell.lenient or cell.type in ("boolean", "enum")):
            text = _text(cell.position)
            kept[plan.header[cell.position].strip()] = f"CASE WHEN {_value(cell)} IS NULL THEN {text} END"
    if not kept:
        return "CAST(NULL AS VARCHAR)"
    fields = ", ".join(f"{name(header)} := {expression}" for header, expression in kept.items())
    # A merge patch (RFC 7396) drops the members that are null.
    return f"nullif(CAST(json_merge_patch('{{}}', to_json(struct_pack({fields}))) AS VARCHAR), '{{}}')"


def feed_query(spelled: str, plan: Plan, feed: FeedPlan, trace: Mapping[str, str | None]) -> str:
    """SQL of one raw feed, in the order of the records.

    Parameters
    ----------
    spelled : str
        Relation with the columns of ``spelled_query``.
    plan, feed
        How to read the file, and which of its feeds.
    trace : mapping of str to str or None
        ``source_system``, ``source``, ``delivery_id``, ``exported_at`` and ``received_at`` of every row.
    """
    cells = {cell.name: cell for cell in plan.cells}
    columns = [
        f"{_canonical(feed.values.get(column, ()), cells, plan)} AS {name(column)}" for column in feed.feed.columns
    ]
    kept = f"FROM {spelled} WHERE code IS NULL"
    if feed.only_with is not None:
        kept += f" AND {_canonical(feed.values[feed.only_with], cells, plan)} IS NOT NULL"
    if feed.derived:
        inner = f"SELECT {', '.join(columns)}, min(record_no) AS record_no, NULL AS extra {kept} GROUP BY ALL"
    else:
        inner = f"SELECT {', '.join(columns)}, record_no, extra {kept}"
    return f"SELECT {_typed(feed.feed.types, trace)} FROM ({inner}) ORDER BY record_no"


def _typed(types: Mapping[str, str], constants: Mapping[str, str | None]) -> str:
    """The columns of a raw relation in order; those of the same value in every row are given as constants."""
    return ", ".join(
        f"CAST({literal(constants[column]) if column in constants else name(column)} AS {kind}) AS {name(column)}"
        for column, kind in types.items()
    )


def _canonical(values: Sequence[Value], cells: Mapping[str, Cell], plan: Plan) -> str:
    """The first value that is written; an unreadable one is not replaced by a default."""
    expression = "CAST(NULL AS VARCHAR)"
    for value in reversed(values):
        made = _made(value, cells, plan)
        plain = value.cell is not None and not value.map and value.default is None
        if plain and expression != "CAST(NULL AS VARCHAR)":
            assert value.cell is not None
            expression = f"CASE WHEN {_is_blank(cells[value.cell])} THEN {expression} ELSE {made} END"
        else:
            expression = made
    return expression


def _made(value: Value, cells: Mapping[str, Cell], plan: Plan) -> str:
    if value.setting == "currency":
        return literal(plan.currency)
    if value.setting == "default_country":
        return f"CAST({literal(plan.settings.default_country)} AS VARCHAR)"
    if value.cell is None:
        return literal(value.value)
    cell = _value(cells[value.cell])
    if not value.map and value.default is None:
        return cell
    cases = " ".join(f"WHEN {_holds(rule, cell)} THEN {literal(rule.value)}" for rule in value.map)
    return f"CASE {cases} ELSE {literal(value.default)} END"


def _holds(rule: Rule, cell: str) -> str:
    if rule.prefix is not None:
        return f"starts_with({cell}, {literal(rule.prefix)})"
    if rule.equals is not None:
        return f"{cell} = {literal(rule.equals)}"
    assert rule.below is not None
    return f"CAST({cell} AS DECIMAL(38, 12)) < {rule.below}"


def rejected_query(spelled: str, misshapen: str | None, plan: Plan, trace: Mapping[str, str | None], file: str) -> str:
    """SQL of the rejected records of a file, in their order.

    Parameters
    ----------
    spelled : str
        Relation with the columns of ``spelled_query``.
    misshapen : str or None
        Relation of ``record_no`` and ``raw_value`` of the records of the wrong shape, if there are any.
    plan : Plan
        How the file was read.
    trace : mapping of str to str or None
        ``source_system``, ``source`` and ``delivery_id``.
    file : str
        The file's name.
    """
    columns = "record_no, source_key, code, column_name, raw_value"
    parts = [f"SELECT {columns} FROM {spelled} WHERE code <> {literal(IGNORED)}"]
    if misshapen is not None:
        parts.append(f"SELECT record_no, NULL, 'bad_structure', NULL, raw_value FROM {misshapen}")
    constants = {**trace, "feed": plan.primary.name, "file": file}
    return f"SELECT {_typed(REJECTED, constants)} FROM ({' UNION ALL '.join(parts)}) ORDER BY record_no"
