"""From records of text to canonical feeds and rejects, in SQL over whole columns.

Belongs here: spelling every cell, what one record shows to be wrong by itself, filling the feeds. Does not
belong here: anything that needs a second record or file (duplicates, orphans, validity): that is decided over
all deliveries.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sources.feeds import Feed
from sources.planning import Cell, FeedPlan, Plan
from sources.profiles import RECORD_NO, Condition, Each, Value
from sources.sql import literal, name, one_of
from sources.text import Step, canonical_text, clean, is_mangled_id, is_plain, spell

__all__ = [
    "CODES",
    "IGNORED",
    "REJECTED",
    "countable",
    "feed_query",
    "is_spelled",
    "is_written",
    "plain_conditions",
    "rejected_query",
    "spelled_query",
    "unreadable_query",
    "words_query",
]

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

_NOTHING = "CAST(NULL AS VARCHAR)"

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
    """Something that can be wrong with a record: its code, the cell that shows it, and how to tell."""

    code: str
    cell: Cell
    condition: str


def _text(position: int) -> str:
    return f"t{position}"


def _value(cell: Cell) -> str:
    return "CAST(NULL AS VARCHAR)" if cell.position is None else f"v{cell.position}"


def plain_conditions(plan: Plan, *, is_clean: bool) -> dict[int, str]:
    """Per place of a column that may be so: when a cell ``c<position>`` is in its canonical spelling already.

    `is_clean` says that all are ASCII without blanks at their ends.
    """
    found = {position: is_plain(f"c{position}", "text", is_clean=is_clean) for position in plan.unmapped}
    for cell in plan.cells:
        if cell.position is not None and not (cell.words or cell.separator or cell.prefix or cell.decimal_comma):
            found[cell.position] = is_plain(f"c{cell.position}", cell.type, cell.id_form, is_clean=is_clean)
    return {position: condition for position, condition in found.items() if condition is not None}


def is_spelled(plan: Plan, plain: Collection[int]) -> bool:
    """Whether nothing of a file has to be rewritten, where the columns at these places are plain."""
    return not plan.unmapped and all(cell.position is None or cell.position in plain for cell in plan.cells)


def spelled_query(records: str, plan: Plan, plain: Collection[int] = ()) -> str:
    """SQL that spells every cell and judges every record.

    Parameters
    ----------
    records : str
        SQL of the records, with ``record_no``, ``continued`` and ``c0``, ``c1`` ….
    plan : Plan
        How to read them.
    plain : collection of int
        Places of the columns of which every value is spelled already; see ``plain_conditions``.

    Returns
    -------
    str
        SQL with ``record_no``, per mapped cell ``v<position>`` (canonical text) and ``b<position>`` (nothing
        was written there; NULL where that is so exactly if there is no canonical text), ``extra``, ``code`` (NULL
        for a good record), ``column_name``, ``raw_value``, ``source_key``.
    """
    cells = [cell for cell in plan.cells if cell.position is not None]
    unmapped = plan.unmapped
    cleaning: dict[int, tuple[Step, ...]] = {position: clean("text") for position in unmapped}
    spelling: dict[int, tuple[Step, ...]] = {}
    for cell in cells:
        assert cell.position is not None
        cleaning[cell.position] = clean(cell.type, cell.words, cell.separator)
        spelling[cell.position] = spell(
            cell.type,
            time_zone=plan.time_zone,
            formats=cell.formats,
            id_form=cell.id_form,
            prefix=cell.prefix,
            decimal_comma=cell.decimal_comma,
            values=cell.values,
        )
    for position in plain:
        cleaning[position] = ()
        if position in spelling:
            spelling[position] = ()
    texts = {position: _text(position) for position in cleaning}
    query = _layers(records, {position: (f"c{position}", steps) for position, steps in cleaning.items()}, texts)
    query = _layers(
        query,
        {position: (texts[position], steps) for position, steps in spelling.items()},
        {position: f"v{position}" for position in spelling},
    )
    reasons = _reasons(plan)
    judged = [f"WHEN {condition} THEN -1" for condition in _no_data(plan, texts, reasons)]
    judged += [f"WHEN {reason.condition} THEN {number}" for number, reason in enumerate(reasons)]
    verdict = f"CASE {' '.join(judged)} END"
    columns = [
        "record_no",
        *(f"v{cell.position}" for cell in cells),
        *(_blank_mark(cell) for cell in cells),
        f"{_extra(plan)} AS extra",
        _by_reason({-1: IGNORED} | {number: reason.code for number, reason in enumerate(reasons)}, "code"),
        _by_reason({number: plan.title(reason.cell) for number, reason in enumerate(reasons)}, "column_name"),
        _raw_by_reason(reasons),
        f"{_key_of_rejected(plan)} AS source_key",
    ]
    return f"SELECT {', '.join(columns)} FROM (SELECT *, {verdict} AS reason FROM ({query}))"


def _blank_mark(cell: Cell) -> str:
    """Whether nothing was written in a cell; of a good record many cells say so by their value alone.

    Marks that are NULL for a whole file cost nothing to write, and others a fifth of it.
    """
    told_by_value = cell.type == "text" or (cell.type == "id" and not cell.prefix)
    costs_the_record = cell.type in _UNREADABLE and not cell.lenient
    blank = f"{_text(cell.position or 0)} IS NULL"
    if told_by_value or costs_the_record:
        blank = f"CASE WHEN reason IS NOT NULL THEN {blank} END"
    return f"{blank} AS b{cell.position}"


def _is_blank(position: int | None) -> str:
    """Whether nothing was written in a cell of a spelled record."""
    return f"coalesce(b{position}, v{position} IS NULL)"


def is_written(cell: Cell) -> str:
    """SQL that tells whether anything was written in a cell of a spelled record."""
    return "false" if cell.position is None else f"NOT {_is_blank(cell.position)}"


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


def _no_data(plan: Plan, texts: Mapping[int, str], reasons: Sequence[_Reason]) -> list[str]:
    """Conditions of the records that are ignored.

    They are blank, or the profile says that they are no data, or they go on with a document whose first row was
    turned away or that they add nothing to.
    """
    own = [text for position, text in texts.items() if position not in plan.filled()[0]]
    conditions = [" AND ".join(f"{text} IS NULL" for text in texts.values()) or "false"]
    cells = _Cells(plan.by_name, "t")
    conditions += [cells.holds(condition) for condition in plan.ignore_when]
    if len(own) < len(texts):
        conditions.append(" AND ".join(["continued", *(f"{text} IS NULL" for text in own)]))
        conditions += [f"continued AND {reason.condition}" for reason in reasons if reason.cell.filled]
    return conditions


def _reasons(plan: Plan) -> list[_Reason]:
    """Everything that can be wrong with a record, the first code first."""
    found = []
    found += _keyless(plan)
    customers = [cell for cell in plan.cells if cell.customer and cell.required]
    if customers:
        nobody = " AND ".join(f"{_value(cell)} IS NULL" for cell in customers)
        named = next((cell for cell in customers if cell.position is not None), customers[0])
        found.append(_Reason("missing_customer", named, f"({nobody})"))
    for cell in plan.cells:
        value = _value(cell)
        if cell.required and not cell.customer:
            found.append(_Reason(_missing_code(cell), cell, f"{value} IS NULL"))
        if cell.position is None:
            continue
        if cell.type == "id":
            found.append(_Reason("id_mangled", cell, is_mangled_id(value)))
        elif cell.type in _UNREADABLE and not cell.lenient:
            found.append(
                _Reason(_UNREADABLE[cell.type], cell, f"{_text(cell.position)} IS NOT NULL AND {value} IS NULL")
            )
    cells = _Cells(plan.by_name, "t")
    for condition in plan.reject_when:
        told = plan.by_name[condition.cell or ""]
        found.append(_Reason(_UNREADABLE.get(told.type, "bad_structure"), told, cells.holds(condition)))
    return sorted(found, key=lambda reason: CODES.index(reason.code))


def _keyless(plan: Plan) -> list[_Reason]:
    """A key of which no cell is required is missing when nothing comes of its cells."""
    feed = plan.feeds[0]
    values = _Values(plan, _Cells(plan.by_name, "t"), feed, {"exported_at": None, "received_at": None})
    found = []
    for key in feed.feed.key:
        cells = [plan.by_name[cell] for value in feed.values.get(key, ()) for cell in value.used()]
        is_made = key in feed.feed.required and feed.feed.columns[key].type == "id" and bool(cells)
        if is_made and not any(cell.required for cell in cells):
            code = "missing_customer" if key == "source_customer_id" and feed.feed.name != "customers" else "missing_id"
            found.append(_Reason(code, cells[0], f"{values.canonical(key)} IS NULL"))
    return found


def _missing_code(cell: Cell) -> str:
    if cell.type in _UNREADABLE:
        return _UNREADABLE[cell.type]
    return "missing_id" if cell.type == "id" or cell.key else "bad_structure"


def _key_of_rejected(plan: Plan) -> str:
    key = plan.key_cell
    if key is None or key.position is None:
        return _NOTHING
    # As other rows name it, where it can be read.
    return f"CASE WHEN reason IS NOT NULL THEN coalesce({_value(key)}, {_text(key.position)}) END"


def _by_reason(words: Mapping[int, str], column: str) -> str:
    cases = " ".join(f"WHEN {number} THEN {literal(word)}" for number, word in words.items())
    return f"{_if_any_reason(cases)} AS {column}"


def _raw_by_reason(reasons: list[_Reason]) -> str:
    cases = " ".join(
        f"WHEN {number} THEN left(c{reason.cell.position}, 1000)"
        for number, reason in enumerate(reasons)
        if reason.cell.position is not None
    )
    return f"{_if_any_reason(cases)} AS raw_value"


def _if_any_reason(cases: str) -> str:
    """A choice by reason, which for nearly every record is not to be made."""
    return f"CASE WHEN reason IS NULL THEN NULL ELSE CASE reason {cases} END END" if cases else _NOTHING


def _extra(plan: Plan) -> str:
    """JSON of what no canonical column holds.

    That is the unmapped columns, and text that could not be read but costs no record.
    """
    kept = {header: _text(position) for position, header in plan.unmapped.items()}
    for cell in plan.cells:
        if cell.position is not None and (cell.lenient or cell.type in ("boolean", "enum")):
            text = _text(cell.position)
            kept[plan.header.labels[cell.position]] = f"CASE WHEN {_value(cell)} IS NULL THEN {text} END"
    if not kept:
        return "CAST(NULL AS VARCHAR)"
    fields = ", ".join(f"{name(header)} := {expression}" for header, expression in kept.items())
    # A merge patch (RFC 7396) drops the members that are null.
    return f"nullif(CAST(json_merge_patch('{{}}', to_json(struct_pack({fields}))) AS VARCHAR), '{{}}')"


def unreadable_query(spelled: str, plan: Plan) -> str | None:
    """SQL of one row: per cell of `countable`, how many values are written and how many of them unreadable."""
    counts = []
    for cell in countable(plan):
        written = f"NOT {_is_blank(cell.position)}"
        unreadable = f"{written} AND v{cell.position} IS NULL"
        counts.append(f"count(*) FILTER ({written}), count(*) FILTER ({unreadable})")
    return (
        f"SELECT {', '.join(counts)} FROM {spelled} WHERE code IS DISTINCT FROM {literal(IGNORED)}" if counts else None
    )


def countable(plan: Plan) -> list[Cell]:
    """The cells of which a value may be written and unreadable; of words, `words_query` tells more."""
    return [cell for cell in plan.cells if cell.position is not None and cell.type not in ("id", "text", "enum")]


def feed_query(spelled: str, plan: Plan, feed: Feed, trace: Mapping[str, str | None]) -> str:
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
    makers = [made for made in plan.feeds if made.feed == feed]
    parts, absent = zip(*(_rows_query(spelled, plan, made, trace) for made in makers), strict=True)
    constants = {**trace, **dict.fromkeys(frozenset.intersection(*absent))}
    if len(parts) == 1 and not makers[0].derived:
        # The records are in their order already, and sorting costs a fifth of writing.
        return f"SELECT {_typed(feed.types, constants)} FROM ({parts[0]})"
    # Several rows of a record stand in the order in which the profile says them.
    numbered = [f"SELECT *, {number} AS part FROM ({part})" for number, part in enumerate(parts)]
    order = ["record_no", "part", *(name(key) for key in feed.key)]
    return f"SELECT {_typed(feed.types, constants)} FROM ({' UNION ALL '.join(numbered)}) ORDER BY {', '.join(order)}"


def _rows_query(
    spelled: str, plan: Plan, feed: FeedPlan, trace: Mapping[str, str | None]
) -> tuple[str, frozenset[str]]:
    """SQL of the rows of one entry of a profile: canonical columns, ``record_no`` and ``extra``.

    Also the columns of which the file has nothing.
    """
    source, cells = _source(spelled, plan, feed)
    values = _Values(plan, cells, feed, trace)
    columns = {column: values.canonical(column) for column in feed.feed.columns}
    absent = frozenset(column for column, expression in columns.items() if expression == _NOTHING)
    made = ", ".join(f"{expression} AS {name(column)}" for column, expression in columns.items())
    inner = f"SELECT {made}, record_no, extra FROM ({source})"
    needed = [feed.only_with] if feed.only_with else []
    if feed.derived:
        needed += [key for key in feed.feed.key if key in feed.feed.required]
    kept = " AND ".join(f"{name(column)} IS NOT NULL" for column in needed) or "true"
    if not feed.derived:
        return f"SELECT * FROM ({inner}) WHERE {kept}", absent
    listed = ", ".join(name(column) for column in columns)
    return (
        f"SELECT {listed}, min(record_no) AS record_no, NULL AS extra FROM ({inner}) WHERE {kept} GROUP BY ALL",
        absent,
    )


def _source(spelled: str, plan: Plan, feed: FeedPlan) -> tuple[str, "_Cells"]:
    """SQL of the records of which one entry of a profile makes rows, and what it calls their cells."""
    cells = _Cells(plan.by_name, "b")
    source = f"SELECT * FROM {spelled} WHERE code IS NULL"
    if feed.each is not None:
        listing = f"unnest({_entries(feed.each, feed.entries, cells)}) AS entry_"
        source = f"SELECT * FROM (SELECT *, {listing} FROM ({source})) WHERE entry_ IS NOT NULL"
        named = {feed.each.name: "entry_.written"}
        if feed.each.number is not None:
            named[feed.each.number] = "entry_.place"
        cells = _Cells(plan.by_name, "b", named)
    if feed.only_when:
        source = f"SELECT * FROM ({source}) WHERE {' AND '.join(cells.holds(each) for each in feed.only_when)}"
    return source, cells


def words_query(spelled: str, plan: Plan, feed: FeedPlan, column: str, *, unknown: bool) -> str | None:
    """SQL of the words of which a canonical column is made.

    Parameters
    ----------
    spelled : str
        Relation with the columns of ``spelled_query``.
    plan, feed, column
        How the file is read, and which canonical column of which entry of its profile.
    unknown : bool
        Only words that nobody knows: something is written, and nothing comes of it.

    Returns
    -------
    str or None
        SQL with ``cell`` (its name in the profile), ``word``, ``meaning`` and ``found`` (in how many records); None
        where the column is not made of words, or says itself what other words mean.
    """
    source, cells = _source(spelled, plan, feed)
    values = _Values(plan, cells, feed, {"exported_at": None, "received_at": None})
    written = [pair for value in feed.values.get(column, ()) for pair in values.words(value, column, unknown=unknown)]
    if not written:
        return None
    cell = " ".join(f"WHEN {word} IS NOT NULL THEN {literal(named)}" for named, word in written)
    word = f"coalesce({', '.join(word for _, word in written)})"
    meaning = values.canonical(column)
    found = f"SELECT CASE {cell} END AS cell, {word} AS word, {meaning} AS meaning FROM ({source})"
    wanted = "word IS NOT NULL AND meaning IS NULL" if unknown else "word IS NOT NULL"
    return f"SELECT cell, word, meaning, count(*) AS found FROM ({found}) WHERE {wanted} GROUP BY ALL"


def _entries(each: Each, cells: Sequence[str], known: "_Cells") -> str:
    """A list of what is written in a cell that holds a list, or in several cells, each with its place."""
    if each.cells is not None:
        entries = f"[{', '.join(known.value(cell) for cell in cells)}]::VARCHAR[]"
    else:
        parts = f"string_split({known.value(cells[0])}, {literal(each.separator)})"
        entries = f"list_transform({parts}, lambda entry: nullif(trim(entry), ''))"
    written = f"list_filter({entries}, lambda entry: entry IS NOT NULL)"
    pair = "struct_pack(written := entry, place := CAST(place AS VARCHAR))"
    return f"list_transform({written}, lambda entry, place: {pair})"


def _typed(types: Mapping[str, str], constants: Mapping[str, str | None]) -> str:
    """The columns of a raw relation in order; those of the same value in every row are given as constants.

    As an enumeration of one word, a text is written to Parquet without being looked up in every row: in the file it is
    text like any other, and a third of the time of writing is saved.
    """

    def typed(column: str, kind: str) -> str:
        if column not in constants:
            return f"CAST({name(column)} AS {kind})"
        value = constants[column]
        word = f"ENUM({literal(value or '')})"
        return f"CAST({literal(value)} AS {word if kind == 'VARCHAR' else kind})"

    return ", ".join(f"{typed(column, kind)} AS {name(column)}" for column, kind in types.items())


class _Cells:
    """What profiles call cells, as SQL.

    Parameters
    ----------
    cells : mapping of str to Cell
        The columns of the file.
    blank : {"t", "b"}
        Whether texts (``t<position>``) or blank marks (``b<position>``) tell that nothing is written.
    entries : mapping of str to str
        Entries of lists, with their SQL.
    """

    def __init__(self, cells: Mapping[str, Cell], blank: str, entries: Mapping[str, str] | None = None) -> None:
        self._cells = cells
        self._blank = blank
        self._entries = entries or {}

    def value(self, cell: str) -> str:
        """The canonical text of a cell."""
        if cell == RECORD_NO:
            return "CAST(record_no AS VARCHAR)"
        return self._entries.get(cell) or _value(self._cells[cell])

    def is_entry(self, cell: str) -> bool:
        """Whether it is an entry of a list."""
        return cell in self._entries

    def is_blank(self, cell: str) -> str:
        """Whether nothing is written in a cell."""
        if cell in self._entries:
            return f"{self._entries[cell]} IS NULL"
        position = self._cells[cell].position
        if position is None:
            return "true"
        return _is_blank(position) if self._blank == "b" else f"{_text(position)} IS NULL"

    def holds(self, condition: Condition, mapped: str | None = None) -> str:
        """Whether a condition holds; `mapped` is the value of a rule that names no cell."""
        value = mapped if condition.cell is None else self.value(condition.cell)
        assert value is not None
        if condition.blank is not None:
            blank = f"{value} IS NULL" if condition.cell is None else self.is_blank(condition.cell)
            test = blank if condition.blank else f"NOT ({blank})"
        else:
            test = _test(condition, value)
        if condition.negated:
            test = f"NOT coalesce({test}, false)"
        return (
            "(" + " AND ".join([f"coalesce({test}, false)", *(self.holds(one, mapped) for one in condition.also)]) + ")"
        )


def _test(condition: Condition, value: str) -> str:
    """A condition on what a cell holds; words are compared ignoring case."""
    if condition.prefix is not None:
        return f"starts_with({value}, {literal(condition.prefix)})"
    if condition.suffix is not None:
        return f"ends_with({value}, {literal(condition.suffix)})"
    if condition.contains is not None:
        return f"contains(lower({value}), {literal(condition.contains.lower())})"
    if condition.above is not None:
        return f"try_cast({value} AS {_EXACT}) > {condition.above}"
    if condition.below is not None:
        return f"try_cast({value} AS {_EXACT}) < {condition.below}"
    words = condition.is_in if condition.is_in is not None else (condition.equals or "",)
    return one_of(f"lower({value})", [canonical_text(word).lower() for word in words])


_EXACT = "DECIMAL(32, 12)"
"""Wide enough for every canonical number."""


@dataclass(frozen=True)
class _Values:
    """The canonical columns of one entry of a profile, as SQL over cells."""

    plan: Plan
    cells: _Cells
    feed: FeedPlan
    trace: Mapping[str, str | None]

    def canonical(self, column: str) -> str:
        """The first value that is there, else what is filled in where nothing is written.

        An unreadable value is not replaced.
        """
        values = self.feed.values.get(column, ())
        made = [self._made(value, column) for value in values]
        expression = _NOTHING if not made else made[0] if len(made) == 1 else f"coalesce({', '.join(made)})"
        if column in self.feed.fill:
            filled = self._made(self.feed.fill[column], column)
            cells = [cell for value in values for cell in value.cells or ()]
            absent = " AND ".join(self.cells.is_blank(cell) for cell in cells)
            if not absent:
                decisive = [value.ruled[0] for value in values if value.ruled]
                absent = " AND ".join([f"{expression} IS NULL", *(self.cells.is_blank(cell) for cell in decisive)])
            expression = f"CASE WHEN {absent} THEN {filled} ELSE {expression} END"
        return f"upper({expression})" if column == "currency" else expression

    def words(self, value: Value, column: str, *, unknown: bool) -> list[tuple[str, str]]:
        """Name and SQL of the words that a value knows or not, the one that says most first."""
        if value.is_plain:
            cells = [self.plan.by_name[cell] for cell in value.cells or () if not self.cells.is_entry(cell)]
            return [(cell.name, self._enum_word(cell, unknown)) for cell in cells if cell.type == "enum"]
        if not value.map or (unknown and (value.keep or value.default is not None)):
            return []
        if value.ruled:
            # Which of several cells is at fault nobody knows.
            return [(cell, self.cells.value(cell)) for cell in value.ruled]
        if len(value.cells or ()) > 1 and value.split is None:
            return [(cell, self.cells.value(cell)) for cell in value.cells or ()]
        return [(next(value.used()), self._written(value, column))]

    def _enum_word(self, cell: Cell, unknown: bool) -> str:
        """What was written in a cell of which only certain words are kept."""
        if cell.position is None:
            return _NOTHING
        label = self.plan.header.labels[cell.position].replace("~", "~0").replace("/", "~1")
        lost = f"json_extract_string(extra, {literal('/' + label)})"
        return f"CASE WHEN {_value(cell)} IS NULL THEN {lost} {'' if unknown else f'ELSE {_value(cell)}'} END"

    def _made(self, value: Value, column: str) -> str:
        if value.setting is not None:
            return self._setting(value.setting)
        if value.value is not None:
            return literal(value.value)
        made = self._written(value, column)
        if not value.map and value.default is None:
            return made
        rules = " ".join(f"WHEN {self.cells.holds(rule, made)} THEN {literal(rule.value)}" for rule in value.map)
        # An empty default says that other words mean nothing.
        default = literal(value.default or None)
        otherwise = f"coalesce({made}, {default})" if value.keep else default
        return f"CASE {rules} ELSE {otherwise} END" if rules else otherwise

    def _written(self, value: Value, column: str) -> str:
        """What a value is made of, before it is mapped."""
        made = _NOTHING
        if value.concat is not None:
            made = self._joined(value, column)
        elif value.cells is not None:
            cells = [self.cells.value(cell) for cell in value.cells]
            made = cells[0] if len(cells) == 1 else f"coalesce({', '.join(cells)})"
        if value.split is not None:
            made = _part(made, value.split, value.part)
        is_part = value.split is not None or any(self.cells.is_entry(cell) for cell in value.cells or ())
        if is_part and not value.map:
            made = self._spelled(made, column)
        return self._computed(made, value, column)

    def _spelled(self, made: str, column: str) -> str:
        """Part of a list, which no column of the file has spelled yet, in the type of what it becomes."""
        target = self.feed.feed.columns[column]
        if target.type in ("text", "enum", "email", "phone"):
            return made
        steps = spell(
            target.type,
            time_zone=self.plan.time_zone,
            formats=self.plan.dates,
            decimal_comma=self.plan.read.decimal == "comma",
        )
        for step in steps:
            made = step(f"({made})")
        return made

    def _setting(self, setting: str) -> str:
        if setting == "currency":
            return literal(self.plan.currency)
        if setting == "default_country":
            return f"CAST({literal(self.plan.default_country)} AS VARCHAR)"
        return literal(self.trace["exported_at"] or self.trace["received_at"])

    def _joined(self, value: Value, column: str) -> str:
        """Cells put together; an id of which a part is missing names nothing."""
        parts = [
            self._made(part, column) if isinstance(part, Value) else self.cells.value(part)
            for part in value.concat or ()
        ]
        if self.feed.feed.columns[column].type == "id":
            return f" || {literal(value.separator)} || ".join(parts)
        return f"nullif(concat_ws({literal(value.separator)}, {', '.join(parts)}), '')"

    def _computed(self, made: str, value: Value, column: str) -> str:
        if value.minus or value.plus or value.at_most or value.multiply not in (None, "-1"):
            number = f"CAST({made} AS {_EXACT})"
            for sign, cells in (("-", value.minus), ("+", value.plus)):
                for cell in cells:
                    number += f" {sign} coalesce(CAST({self.cells.value(cell)} AS {_EXACT}), 0)"
            if value.at_most is not None:
                number = f"least({number}, CAST({self._made(value.at_most, column)} AS {_EXACT}))"
                number = f"CASE WHEN {made} IS NULL THEN NULL ELSE {number} END"
            if value.multiply not in (None, "-1"):
                number = f"CAST({number} AS DECIMAL(26, 8)) * CAST({literal(value.multiply)} AS DECIMAL(12, 6))"
            text = f"CAST({number} AS VARCHAR)"
            made = f"regexp_replace(regexp_replace({text}, '(\\.[0-9]*?)0+$', '\\1'), '\\.$', '')"
        match "flip" if value.multiply == "-1" else value.sign:
            case "negative":
                return _negative(made)
            case "positive":
                return f"ltrim({made}, '-')"
            case "flip":
                return f"CASE WHEN starts_with({made}, '-') THEN substr({made}, 2) ELSE {_negative(made)} END"
            case "by_kind":
                return f"CASE WHEN {self.canonical('kind')} = 'refund' THEN {_negative(made)} ELSE {made} END"
        return made


def _negative(number: str) -> str:
    """A canonical number below zero; zero has no sign."""
    return f"CASE WHEN regexp_full_match({number}, '-.*|0(\\.0+)?') THEN {number} ELSE '-' || {number} END"


def _part(text: str, separator: str, part: int | str) -> str:
    """One part of a list: by place, counted from the end when below zero, or by how it starts."""
    if isinstance(part, int):
        return f"nullif(trim(split_part({text}, {literal(separator)}, {part})), '')"
    parts = f"list_transform(string_split({text}, {literal(separator)}), lambda entry: trim(entry))"
    found = f"list_filter({parts}, lambda entry: starts_with(entry, {literal(part)}))[1]"
    return f"nullif(trim(substr({found}, {len(part) + 1})), '')"


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
