"""A reader in a process of its own, as a BI tool is one.

``python reader.py poll HOME``: reads `current` over and over until its input is closed, then prints what it
saw. ``python reader.py follow HOME``: the same, but only follows the link, as fast as it can.
``python reader.py hold HOME``: opens the release that is served, and reads it again after a line of
input.
"""

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from warehouse.connection import connect, quote_literal

DAY = "select distinct as_of from"


def read(current: Path) -> str:
    """Return the one day that everything in a release carries.

    The link is followed once, as any reader has to that opens more than one file.
    """
    release = current.resolve(strict=True)
    days: set[str] = {json.loads((release / "manifest.json").read_text())["as_of"]}
    with connect(release / "warehouse.duckdb", read_only=True) as con:
        for relation in (
            "marts.customers",
            "marts.release",
            f"read_parquet({quote_literal(release / 'marts' / 'customers.parquet')})",
        ):
            days |= {str(day) for (day,) in con.execute(f"{DAY} {relation}").fetchall()}
    (day,) = days
    return day


def follow(current: Path) -> str:
    """Return the name of the release that the link points to."""
    return Path(os.readlink(current)).name


def poll(current: Path, read: Callable[[Path], str]) -> None:
    """Read until the input is closed."""
    stop = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    reads, days, errors = 0, [read(current)], []
    print("ready", flush=True)
    while not stop.is_set():
        try:
            day = read(current)
        except Exception as error:  # whatever it is, a reader must not meet it
            errors.append(repr(error))
            continue
        reads += 1
        if day != days[-1]:
            days.append(day)
    print(json.dumps({"reads": reads, "days": days, "errors": errors}), flush=True)


def hold(current: Path) -> None:
    """Keep a release open while the world moves on."""
    with connect(current / "warehouse.duckdb", read_only=True) as con:
        print("ready", flush=True)
        sys.stdin.readline()
        print(con.execute(f"{DAY} marts.customers").fetchall()[0][0], flush=True)


if __name__ == "__main__":
    mode, link = sys.argv[1], Path(sys.argv[2]) / "current"
    if mode == "hold":
        hold(link)
    else:
        poll(link, follow if mode == "follow" else read)
