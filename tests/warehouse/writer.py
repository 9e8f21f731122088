"""``python writer.py FILE`` keeps a database open for writing until its input is closed."""

import sys

from warehouse.connection import connect

with connect(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.read()
