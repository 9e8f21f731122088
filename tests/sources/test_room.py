"""The room stands alone: it can be imported and used without any other."""

import subprocess
import sys

HEAVY = ("pandas", "scipy", "matplotlib", "great_expectations", "dagster", "dbt")
OTHER_ROOMS = ("rules", "warehouse", "expectations", "models", "destinations", "assets", "orchestration")


def test_importing_the_room_imports_no_other_room_and_nothing_heavy() -> None:
    code = "import sys, sources; print(*sorted(name for name in sys.modules if '.' not in name))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {*HEAVY, *OTHER_ROOMS}
