"""Small nights for the tests of the release protocol, in this process or in one that is killed.

As a program: ``python nights.py HOME [--nights N] [--stop-at STEP] [--rows ROWS] [--file-limit BYTES]``
publishes nights one after the other, prints ``published <seq>`` after each, and kills itself at a step if it
is told to.
"""

import argparse
import os
import resource
import shutil
import signal
from collections.abc import Callable
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from warehouse.connection import connect
from warehouse.home import Home, state_name
from warehouse.lock import RunLock
from warehouse.releases import Release, export_marts, new_work, next_seq, publish, recover

FIRST_DAY = date(2011, 1, 1)
TABLES = {"customers": ["customer_id"], "list_members": ["list_id", "customer_id"]}


def day(number: int) -> date:
    """Return the as_of of the night `number`, counted from 1."""
    return FIRST_DAY + timedelta(days=number - 1)


def build(home: Home, as_of: date, rows: int = 200) -> None:
    """Write a build file whose every row carries its day, so that a mixture of two days shows."""
    home.prepare()
    home.build_file.unlink(missing_ok=True)
    with connect(home.build_file) as con:
        con.execute("create schema marts")
        con.execute(
            f"create table marts.customers as select date '{as_of}' as as_of, md5(i::varchar) customer_id, "
            f"(i * 7 % 1000)::decimal(18, 3) / 10 as net_revenue from range({rows}) as t(i)"
        )
        con.execute(
            f"create table marts.list_members as select date '{as_of}' as as_of, 'churn_alert' as list_id, "
            "customer_id from marts.customers where net_revenue > 50"
        )


def prepare(home: Home, as_of: date, run_id: str, rows: int = 200) -> Path:
    """Return a work folder that is ready to be published."""
    build(home, as_of, rows)
    work = new_work(home, run_id)
    export_marts(home.build_file, work, TABLES)
    (work / "report").mkdir()
    (work / "report" / "index.html").write_text(f"<title>{as_of}</title>")
    (work / "restricted" / "lists").mkdir(parents=True)
    (work / "restricted" / "lists" / "churn_alert.csv").write_text(f"as_of\n{as_of}\n")
    (work / "states").mkdir()
    with connect() as con:
        con.execute(f"copy (select date '{as_of}' as as_of) to '{work / 'states' / state_name(as_of)}'")
    return work


def prepare_again(home: Home, as_of: date, run_id: str, rows: int = 200) -> Path:
    """Do as `prepare` with files that an earlier call has made: most tests are about what comes after."""
    work = new_work(home, run_id)
    shutil.copytree(_prepared(as_of, rows), work, dirs_exist_ok=True)
    return work


@cache
def _prepared(as_of: date, rows: int) -> Path:
    return prepare(Home(Path(_folder().name, f"{as_of}-{rows}")), as_of, "prepared", rows)


@cache
def _folder() -> "TemporaryDirectory[str]":
    """Return a folder that is removed when this process ends."""
    return TemporaryDirectory()


def manifest(as_of: date, run_id: str, **more: Any) -> dict[str, Any]:
    """Return what a night says about itself."""
    return {"run_id": run_id, "as_of": as_of, "code_version": "0.1.0", "config_hash": "c0ffee", **more}


def night(
    home: Home,
    as_of: date,
    *,
    rows: int = 200,
    keep: int = 7,
    prepare: Callable[[Home, date, str, int], Path] = prepare_again,
    on_step: Callable[[str], None] = lambda _: None,
) -> Release:
    """Run a whole night: lock, recover, build, export, publish."""
    with RunLock(home):
        recover(home)
        on_step("recovered")
        run_id = f"run{next_seq(home)}"
        work = prepare(home, as_of, run_id, rows)
        on_step("exported")
        return publish(home, work, manifest(as_of, run_id), keep=keep, on_step=on_step)


def main() -> None:
    """Publish nights in a process of their own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("--nights", type=int, default=1)
    parser.add_argument("--stop-at")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--file-limit", type=int)
    arguments = parser.parse_args()

    def kill_at(step: str) -> None:
        if step == arguments.stop_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def limit_at(step: str) -> None:
        if step == "exported" and arguments.file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (arguments.file_limit, arguments.file_limit))
        kill_at(step)

    home = Home(arguments.home)
    for _ in range(arguments.nights):
        release = night(home, day(next_seq(home)), rows=arguments.rows, prepare=prepare, on_step=limit_at)
        print(f"published {release.seq}", flush=True)


if __name__ == "__main__":
    main()
