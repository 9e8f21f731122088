"""Seconds and memory of a process, seen from outside it.

Belongs here: starting a child, sampling its memory, reading what it reports. Does not belong here: what the child does.

A child is a module with a ``main`` that prints its report as one line of JSON, last on its standard output. Every
measured thing runs in a child of its own: its peak is then its own, and nothing it needs was imported by another.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["ChildRun", "Report", "Stage", "run_child"]

_ROOT = Path(__file__).resolve().parents[1]
_SAMPLE_SECONDS = 0.02
#: Linux counts the peak in kilobytes, macOS in bytes.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Stage:
    """A part of a run.

    Attributes
    ----------
    name : str
    seconds : float
        By the clock.
    ended_at : float or None
        Unix time; None if it is in pieces.
    rows : int or None
        That it made, where it says so.
    cpu_seconds : float
        User and system time of all threads; NaN where only the clock was read.
    """

    name: str
    seconds: float
    ended_at: float | None
    rows: int | None = None
    cpu_seconds: float = math.nan


@dataclass
class Report:
    """What a child tells: its stages in order, what else its caller asked for, and the seconds that telling took."""

    stages: list[Stage] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    own_seconds: float = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block as one stage."""
        started, worked = time.perf_counter(), time.process_time()
        yield
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - worked
        self.stages.append(Stage(name, seconds, time.time(), cpu_seconds=cpu_seconds))

    def send(self) -> None:
        """Print the report for the parent."""
        print(json.dumps(asdict(self)), flush=True)


@dataclass(frozen=True)
class ChildRun:
    """A child that has ended well.

    Attributes
    ----------
    seconds : float
        From before the process was started until it was gone, less what it spent on its report.
    cpu_seconds : float
        User and system time of all its threads.
    peak_bytes : int
        Largest resident set, as the system counted it.
    stages : list of Stage
        As the child reported them.
    facts : dict
        As the child reported them.
    samples : list of (float, int)
        Time of day and resident sets of the child and its own children in bytes; empty where ``/proc`` does not
        exist.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    stages: list[Stage]
    facts: dict[str, Any]
    samples: list[tuple[float, int]]

    @property
    def seconds_in_stages(self) -> float:
        """Seconds of all stages together."""
        return sum(stage.seconds for stage in self.stages)

    def sampled_peak(self, stage: Stage) -> int | None:
        """Largest resident set in bytes that was seen during a stage; None if none could be seen."""
        if stage.ended_at is None:
            return None
        started_at = stage.ended_at - stage.seconds
        return max((size for at, size in self.samples if started_at <= at <= stage.ended_at), default=None)


def run_child(
    module: str, *arguments: str, environment: Mapping[str, str] | None = None, python: str = sys.executable
) -> ChildRun:
    """Run a module of this package in a process of its own, and wait for it.

    Parameters
    ----------
    module : str
        Its name inside this package.
    *arguments : str
        What it is called with.
    environment : mapping of str to str, optional
        Variables it finds beside those of this process.
    python : str
        The interpreter; that of this process by default.

    Raises
    ------
    RuntimeError
        If it fails; with the end of what it wrote to its standard error.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            [python, "-m", f"benchmarks.{module}", *arguments],
            stdout=out,
            stderr=err,
            cwd=_ROOT,
            env=os.environ | dict(environment or {}),
        )
        samples = []
        try:
            # Waited for by hand: only this call says what this one child has used.
            while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
                if (size := _resident(process.pid)) is not None:
                    samples.append((time.time(), size))
                time.sleep(_SAMPLE_SECONDS)
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            raise RuntimeError(f"benchmarks.{module} ended with {process.returncode}:\n{err.read()[-4000:]}")
        told = json.loads(out.read().splitlines()[-1])
    used = ended[2]
    return ChildRun(
        seconds=seconds - told["own_seconds"],
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_bytes=used.ru_maxrss * _RSS_UNIT,
        stages=[Stage(**stage) for stage in told["stages"]],
        facts=told["facts"],
        samples=samples,
    )


def _resident(pid: int) -> int | None:
    """Resident sets of a process and its children in bytes; None where ``/proc`` does not tell, or no longer."""
    process = Path(f"/proc/{pid}")
    try:
        pages = (process / "statm").read_text(encoding="ascii").split()[1]
        children = (process / "task" / str(pid) / "children").read_text(encoding="ascii").split()
    except (OSError, IndexError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE") + sum(_resident(int(child)) or 0 for child in children)
