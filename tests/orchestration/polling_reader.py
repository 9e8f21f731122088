"""A BI tool that never rests: ``python polling_reader.py HOME`` reads what is served until its input is closed.

It knows nothing of the project: DuckDB, the files and the link are all it has. Each round it opens the database
through the link, as a dashboard does, and a whole release, as a reader of several files does: the link followed once,
then manifest, database and Parquet. Everything has to tell of one release, and that release the same each time.
"""

import json
import sys
import threading
from pathlib import Path
from typing import Any

import duckdb

#: What a release says of itself, and sums that two tables have to agree on.
ASK = """
    select seq, as_of,
        (select count(*) from {schema}orders{suffix}),
        (select sum(net_amount) from {schema}orders{suffix} where is_valid),
        (select sum(net_revenue) from {schema}kpi_daily{suffix}),
        (select max(order_date) from {schema}orders{suffix})
    from {schema}release{suffix}
"""
PAUSE_SECONDS = 0.02


def ask_database(file: Path) -> tuple[Any, ...]:
    with duckdb.connect(str(file), read_only=True) as con:
        return _one(con.execute(ASK.format(schema="marts.", suffix="")).fetchall())


def ask_parquet(folder: Path) -> tuple[Any, ...]:
    with duckdb.connect() as con:
        return _one(con.execute(ASK.format(schema=f"'{folder}/", suffix=".parquet'")).fetchall())


def read(current: Path) -> list[tuple[Any, ...]]:
    """Read what is served in both ways; fail on a mixture."""
    through_the_link = ask_database(current / "warehouse.duckdb")
    release = current.resolve(strict=True)
    whole = ask_database(release / "warehouse.duckdb")
    assert ask_parquet(release / "marts") == whole, "Parquet and database differ"
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["seq"], manifest["as_of"]) == (whole[0], str(whole[1])), "the manifest is of another release"
    return [through_the_link, whole]


def _one(rows: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    (row,) = rows
    _, as_of, _, amount, amount_by_day, last_day = row
    assert amount == amount_by_day, f"orders sum to {amount}, days to {amount_by_day}"
    assert last_day <= as_of, f"an order of {last_day} in a release of {as_of}"
    return row


def main(current: Path) -> None:
    closed = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        closed.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    reads, latest, releases, errors = 0, 0, {}, []
    print("ready", flush=True)
    # At least once after the end, so that the last release is seen.
    while True:
        ending = closed.wait(PAUSE_SECONDS)
        try:
            for seen in read(current):
                assert seen[0] >= latest, f"back from {latest} to {seen[0]}"
                assert releases.setdefault(seen[0], seen) == seen, f"release {seen[0]} has changed"
                latest = seen[0]
            reads += 1
        except Exception as error:  # whatever it is, a reader must not meet it
            errors.append(repr(error))
        if ending:
            break
    print(json.dumps({"reads": reads, "releases": releases, "errors": errors}, default=str), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) / "current")
