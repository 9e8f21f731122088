"""Files put below the landing folder of a home, and read from there.

Belongs here: what tests of several rooms do with a landing folder. Does not belong here: what exports look like.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from sources import LoadResult, SourceDefaults, load


def put(home: Path, name: str, content: bytes | str) -> Path:
    """Write ``landing/<name>``."""
    file = home / "landing" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def read_landing(
    con: duckdb.DuckDBPyConnection, home: Path, defaults: SourceDefaults, now: datetime, **others: Any
) -> LoadResult:
    """Read landing once, into the folders beside it; `others` as `load` takes them."""
    folders = {name: home / name for name in ("landing", "raw", "rejected", "work")}
    return load(con, **(folders | others), defaults=defaults, now=now)
