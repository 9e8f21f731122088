"""The folders of a home."""

import os
import stat
from datetime import date
from pathlib import Path

import pytest

from warehouse.home import Home


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_only_releases_are_open_to_others_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    home = Home(tmp_path / "deep" / "home")
    before = os.umask(umask)
    try:
        home.prepare()
    finally:
        os.umask(before)
    modes = {path.name: mode(path) for path in home.root.iterdir()}
    private = dict.fromkeys(["landing", "raw", "rejected", "build", "work", "history", "dagster"], 0o700)
    assert modes == {**private, "releases": 0o755}
    assert mode(home.root) == 0o755
    assert mode(home.states) == 0o700


def test_permissions_that_somebody_has_changed_are_left_alone(home: Home) -> None:
    home.landing.chmod(0o770)
    home.prepare()
    assert mode(home.landing) == 0o770


def test_the_build_file_gives_the_catalog_its_name_and_a_state_names_its_day(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.build_file == tmp_path / "build" / "warehouse.duckdb"
    assert home.state_file(date(2011, 6, 30)) == tmp_path / "history" / "states" / "as_of=2011-06-30.parquet"
