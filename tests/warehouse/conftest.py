"""A fresh home, and processes of our own that work on it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from warehouse.home import Home

HERE = Path(__file__).resolve().parent

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home that is prepared and empty."""
    home = Home(tmp_path / "home")
    home.prepare()
    return home


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program of this folder in a process that ends with the test at the latest."""
    processes: list[subprocess.Popen[str]] = []

    def run(program: str, *arguments: object) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, str(HERE / program), *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()
