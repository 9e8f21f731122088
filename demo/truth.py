"""The truth about a demo: who is who, who left and when, what loading must find, which records are bad and why.

Belongs here: the folder ``truth/``. Does not belong here: what a sheet's truth is (``sheets.py``).

======================  ==============================================================================================
``README.md``           what is in the folder, for whoever opens it
``people.csv``          every id of every source, and the person whose it is
``churn.csv``           every person: when they left for good (blank: they have not), their last purchase, how they buy
``uplift.csv``          who was treated in which win-back campaign, and who came back
``bad_rows.csv``        every record that is rejected or does not count: code, column, and why
``feeds/``              per source and feed the records that its exports hold, as canonical text
``parameters.json``     what the simulation was told
======================  ==============================================================================================
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from demo.sheets import Feed, Settled
from demo.spelling import instant, literal

__all__ = ["write_truth"]

README = """# The truth about this company

What the exports in `landing/` were made of. Keeprate never reads it; compare what it finds with it.

| file | what it says |
|---|---|
| `people.csv` | every customer id of every source, and the person behind it: who is the same in several systems |
| `churn.csv` | every person: when they left for good (`dropped_at`, blank if they have not), their last purchase, and \
how they buy (`timing`). Times are in UTC |
| `uplift.csv` | every person in a win-back campaign: treated or control (`arm`), whether they came back, and whether \
they would have come back or stayed away without the campaign |
| `bad_rows.csv` | every record that must be rejected or does not count: file, record number, code, column, and why |
| `feeds/<source>/<feed>.parquet` | the records that the exports of a source hold, as canonical text: what reading \
must find |
| `parameters.json` | what the simulation was told: size, seed, day |
"""


def write_truth(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    *,
    settled: Sequence[Settled],
    identities: Mapping[str, str],
    parameters: Mapping[str, Any],
) -> int:
    """Write the folder.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Where the company and the settled sheets are.
    folder : Path
        The folder, which exists.
    settled : sequence of Settled
        Every sheet of every export.
    identities : mapping of str to str
        Source to SQL of its ids: ``source_customer_id`` and ``person_no``.
    parameters : mapping
        What the simulation was told, as JSON.

    Returns
    -------
    int
        Number of bad rows.
    """
    ids = " union all ".join(
        f"select {literal(source)} as source_system, {literal(source)} as source, source_customer_id, "
        f"person_no as person from ({sql})"
        for source, sql in identities.items()
    )
    _csv(con, f"select distinct * from ({ids}) order by all", folder / "people.csv")
    _csv(
        con,
        f"select person_no as person, {instant('dropped_at')} as dropped_at, "
        f"{instant('last_purchase_at')} as last_purchase_at, timing from company.people order by person_no",
        folder / "churn.csv",
    )
    _csv(
        con,
        "select campaign_no as campaign, person_no as person, arm, returned, would_return, would_churn "
        "from company.arms order by all",
        folder / "uplift.csv",
    )
    bad = " union all ".join(each.bad_rows() for each in settled)
    rows = _csv(con, f"from ({bad}) order by source, file, record_no", folder / "bad_rows.csv")
    _feeds(con, settled, folder / "feeds")
    (folder / "README.md").write_text(README, encoding="utf-8")
    text = json.dumps(parameters, indent=2, ensure_ascii=False, sort_keys=True)
    (folder / "parameters.json").write_text(text + "\n", encoding="utf-8")
    return rows


def _feeds(con: duckdb.DuckDBPyConnection, settled: Iterable[Settled], folder: Path) -> None:
    parts: dict[tuple[str, str], list[tuple[Settled, Feed]]] = {}
    for each in settled:
        for feed in each.sheet.feeds:
            parts.setdefault((each.sheet.source, feed.name), []).append((each, feed))
    for (source, name), makers in parts.items():
        target = folder / source / f"{name}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        rows = " union all by name ".join(
            f"select *, {part} as part from ({each.feed(feed)})" for part, (each, feed) in enumerate(makers)
        )
        [(first, feed), *others] = makers
        # The records of one file are in order already, and there may be many.
        is_ordered = not others and feed is first.sheet.feeds[0]
        order = "" if is_ordered else f'order by part, record_no, "{next(iter(feed.columns))}"'
        con.execute(f"copy (select * exclude (part) from ({rows}) {order}) to {literal(str(target))} (format parquet)")


def _csv(con: duckdb.DuckDBPyConnection, query: str, target: Path) -> int:
    [rows] = con.execute(f"copy ({query}) to {literal(str(target))} (format csv, header true)").fetchone() or (0,)
    return int(rows)
