"""``python locker.py HOME`` holds the lock of a home; ``--imports`` prints what heavy modules that needs."""

import sys
from pathlib import Path

from warehouse.home import Home
from warehouse.lock import RunLock

if sys.argv[1] == "--imports":
    print(sorted({"duckdb", "numpy", "pandas"} & sys.modules.keys()))
else:
    with RunLock(Home(Path(sys.argv[1]))):
        print("locked", flush=True)
        sys.stdin.read()
