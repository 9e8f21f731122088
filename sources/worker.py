"""Files are read in a process of their own, which may die of them.

Belongs here: starting that process, its limits, talking to it, and saying what happened when it ended. Does not
belong here: what is done with a file (``reading.py``).

Exports come from outside. A crafted or damaged one may make a parser crash, loop, or fill the memory, so this
process only ever sees answers in JSON and the Parquet files that were written. Three processes take part:

::

    this process ── Reader ──▶ nursery: imports everything once, never reads a file, has one thread
                                  └─ fork ─▶ reader: its limits set, one file after the other

A reader costs some milliseconds, because the nursery has already imported what it needs; it is replaced when it
dies. The nursery ends with this process.
"""

import atexit
import contextlib
import dataclasses
import errno
import gc
import json
import logging
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb

from sources.errors import ProfileError, RefusedFileError
from sources.inspecting import Examined, examine
from sources.limits import Limits
from sources.profiles import known_profiles
from sources.reading import Found, Job, Look, Picked, Reading, look, pick, read
from sources.settings import SourceDefaults, SourceSettings

__all__ = ["Reader", "ReaderError", "serve_nursery"]

logger = logging.getLogger("keeprate.sources")

_KILLED = {
    signal.SIGXCPU: "reading it takes more than {0.cpu_seconds} seconds of processor time",
    signal.SIGKILL: "the process that read it was killed, perhaps for want of memory",
}
_SPLIT = "; split it, or look at what is in it"
_EVERYTHING = -1


class ReaderError(RuntimeError):
    """No reader could be started."""


class Reader:
    """Reads files in another process, which spills beside the first desk that it is given.

    Parameters
    ----------
    threads : int
        How many threads DuckDB may use.
    memory_limit : str
        How much memory DuckDB may use before it spills.
    """

    def __init__(self, threads: int, memory_limit: str) -> None:
        self._config = {"threads": threads, "memory_limit": memory_limit}
        self._child: _Child | None = None
        self._spill: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # It may be at work on something that nobody waits for any more.
        self._end(at_once=True)

    def look(self, job: Job, desk: Path) -> Look:
        """``reading.look`` in the other process.

        Raises
        ------
        RefusedFileError
            If the file cannot be trusted, or reading it takes more than is allowed.
        """
        answer = self._ask(job, {"do": "look", "desk": str(desk)})
        return Look([Found(**found) for found in answer["found"]], list(answer["ignored"]))

    def read(self, job: Job, found: Found, received_at: str, desk: Path) -> Reading:
        """``reading.read`` in the other process.

        Raises
        ------
        RefusedFileError
            If the file cannot be trusted, or reading it takes more than is allowed.
        """
        request = {"do": "read", "desk": str(desk), "found": dataclasses.asdict(found), "received_at": received_at}
        return Reading(**self._ask(job, request))

    def pick(self, job: Job, name: str, delivery_id: str, numbers: Sequence[int], desk: Path) -> Picked:
        """``reading.pick`` in the other process.

        Raises
        ------
        RefusedFileError
            If it is not the same delivery any more, or reading it takes more than is allowed.
        """
        request = {"do": "pick", "desk": str(desk), "name": name, "delivery_id": delivery_id, "numbers": list(numbers)}
        return Picked(**self._ask(job, request))

    def examine(self, job: Job, desk: Path) -> tuple[list[Examined], list[str]]:
        """``inspecting.examine`` in the other process.

        Raises
        ------
        RefusedFileError
            If the file cannot be trusted, or reading it takes more than is allowed.
        """
        answer = self._ask(job, {"do": "examine", "desk": str(desk)})
        return [Examined(**one) for one in answer["files"]], list(answer["ignored"])

    def _ask(self, job: Job, request: Mapping[str, Any]) -> dict[str, Any]:
        if self._child is None:
            self._child = _nursery().bear()
            # A connection that has spilled cannot be told to spill elsewhere, and a desk lasts for one file.
            self._spill = Path(request["desk"]).with_name(f"spill-{self._child.pid}")
        message = {**request, "job": _packed(job), "config": {**self._config, "temp_directory": str(self._spill)}}
        answer = self._child.ask(message, job.limits.wall_seconds)
        if answer is None:
            ended = self._end()
            raise RefusedFileError(_why(ended, job.limits) + _SPLIT)
        if "refused" in answer:
            raise RefusedFileError(str(answer["refused"]))
        if "failed" in answer:
            logger.error("%s/%s could not be read:\n%s", job.source, job.name, answer["failed"])
            last_line = str(answer["failed"]).strip().splitlines()[-1]
            raise RefusedFileError(f"reading it failed in a way that nobody foresaw ({last_line}); please report it")
        done: dict[str, Any] = answer["done"]
        return done

    def _end(self, *, at_once: bool = False) -> int:
        """Let the reader go; returns the status it ended with, as ``subprocess`` has it."""
        child, self._child = self._child, None
        if child is None:
            return 0
        status = _nursery().bury(child, at_once=at_once)
        if self._spill is not None:
            shutil.rmtree(self._spill, ignore_errors=True)
        return status


def _why(status: int, limits: Limits) -> str:
    if status == _EVERYTHING:
        return f"reading it takes more than {limits.wall_seconds} seconds"
    ended = signal.Signals(-status) if status < 0 else None
    if ended in _KILLED:
        return _KILLED[ended].format(limits)
    how = ended.name if ended is not None else f"status {status}"
    return f"the process that read it broke down ({how})"


class _Child:
    """A reader as this process sees it: the line to it."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self.pid = pid
        self.is_late = False
        self._line = line
        self._answers = line.makefile("r", encoding="utf-8")

    def ask(self, message: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
        """Send a message and wait for the answer; None when there will be none."""
        self._line.settimeout(seconds)
        try:
            self._line.sendall(json.dumps(message).encode() + b"\n")
            line = self._answers.readline()
        except TimeoutError:
            self.is_late = True
            return None
        except OSError:
            return None
        if not line.endswith("\n"):
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def hang_up(self, *, at_once: bool) -> None:
        """End the conversation, and the reader with it where it may not notice soon."""
        if at_once or self.is_late:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self._answers.close()
        self._line.close()


class _Nursery:
    """The process from which readers are forked, as this process sees it."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair()
        folder = str(Path(__file__).resolve().parents[1])
        paths = [folder, *filter(None, [os.environ.get("PYTHONPATH")])]
        code = "import sys; from sources.worker import serve_nursery; serve_nursery(int(sys.argv[1]))"
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # A nursery with a second thread could not fork safely.
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"},
            )
        self._lock = threading.Lock()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def bear(self) -> _Child:
        """Fork a reader."""
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            try:
                socket.send_fds(self._line, [b"f"], [theirs.fileno()])
                answer = self._line.recv(32)
            except ConnectionError:
                answer = b""
        if not answer:
            ours.close()
            # Says what is wrong with a profile, if that is why.
            known_profiles()
            raise ReaderError("the process that starts readers could not be started; look at the messages above")
        return _Child(int(answer), ours)

    def bury(self, child: _Child, *, at_once: bool = False) -> int:
        """Wait for a reader to end and return its status."""
        child.hang_up(at_once=at_once)
        with self._lock:
            self._line.sendall(f"w{child.pid}".encode())
            status = int(self._line.recv(32) or 0)
        return _EVERYTHING if child.is_late else status

    def close(self) -> None:
        self._line.close()
        self._process.wait()


_known: tuple[int, _Nursery] | None = None
_lock = threading.Lock()


def _nursery() -> _Nursery:
    """The nursery of this process, started when first needed."""
    global _known
    with _lock:
        if _known is None or _known[0] != os.getpid() or not _known[1].is_alive:
            nursery = _Nursery()
            atexit.register(nursery.close)
            _known = os.getpid(), nursery
        return _known[1]


def _packed(job: Job) -> dict[str, Any]:
    return {
        "path": str(job.path),
        "name": job.name,
        "source": job.source,
        "settings": job.settings.model_dump(mode="json", by_alias=True, exclude_unset=True),
        "defaults": dataclasses.asdict(job.defaults),
        "limits": dataclasses.asdict(job.limits),
    }


def _unpacked(packed: Mapping[str, Any]) -> Job:
    return Job(
        path=Path(packed["path"]),
        name=packed["name"],
        source=packed["source"],
        settings=SourceSettings.model_validate(packed["settings"]),
        defaults=SourceDefaults(**packed["defaults"]),
        limits=Limits(**packed["limits"]),
    )


# In the nursery


def serve_nursery(descriptor: int) -> None:
    """Fork a reader whenever asked, and say how one ended, until the line is cut; never returns.

    Parameters
    ----------
    descriptor : int
        The line to the process that asks.
    """
    # Ctrl-C reaches the whole group; the one who asks decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _warm_up()
    except ProfileError:
        # The one who asked will read the profiles and say it.
        os._exit(1)
    gc.freeze()
    children: set[int] = set()
    with socket.socket(fileno=descriptor) as line:
        while True:
            message, descriptors, _, _ = socket.recv_fds(line, 32, 1)
            if not message:
                break
            if message == b"f":
                child = os.fork()
                if child == 0:
                    line.close()
                    _serve_reader(descriptors[0])
                os.close(descriptors[0])
                children.add(child)
                line.sendall(str(child).encode())
            else:
                child = int(message[1:])
                children.discard(child)
                line.sendall(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
    for child in children:
        os.kill(child, signal.SIGKILL)
    # What was frozen would be reported as leaked by an ordinary end.
    os._exit(0)


def _warm_up() -> None:
    """Import and read what every reader needs, so that each finds it done."""
    import email_validator
    import numpy  # for DuckDB's functions in Python
    import phonenumbers

    known_profiles()
    phonenumbers.parse("+8613800138000")
    assert email_validator
    assert numpy


# In the reader


def _serve_reader(descriptor: int) -> None:
    """Read files until the line is cut; never returns."""
    status = 1
    try:
        with socket.socket(fileno=descriptor) as line, line.makefile("r", encoding="utf-8") as requests:
            connected: list[duckdb.DuckDBPyConnection] = []
            for request in requests:
                message = json.loads(request)
                job = _unpacked(message["job"])
                _limit(job.limits)
                line.sendall(json.dumps(_answer(connected, job, message)).encode() + b"\n")
        status = 0
    finally:
        # Nothing of the nursery's may run again here.
        os._exit(status)


def _limit(limits: Limits) -> None:
    """Set what the next file may cost. Only soft limits, so that they can follow the files."""
    used = int(time.process_time()) + 1
    soft = {
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_CPU: used + limits.cpu_seconds,
        resource.RLIMIT_FSIZE: limits.written_bytes,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in soft.items():
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _answer(connected: list[duckdb.DuckDBPyConnection], job: Job, message: Mapping[str, Any]) -> dict[str, Any]:
    """What came of a request. The connection is made when first needed, and made only once."""
    desk = Path(message["desk"])
    try:
        if not connected:
            connected.append(duckdb.connect(config=message["config"]))
        [con] = connected
        match message["do"]:
            case "look":
                return {"done": dataclasses.asdict(look(con, job, desk))}
            case "read":
                reading = read(con, job, Found(**message["found"]), message["received_at"], desk)
                return {"done": dataclasses.asdict(reading)}
            case "pick":
                picked = pick(con, job, message["name"], message["delivery_id"], message["numbers"], desk)
                return {"done": dataclasses.asdict(picked)}
        files, ignored = examine(con, job, desk)
        return {"done": {"files": [dataclasses.asdict(one) for one in files], "ignored": ignored}}
    except RefusedFileError as error:
        return {"refused": error.reason}
    except (MemoryError, duckdb.OutOfMemoryException):
        return {"refused": f"reading it takes more than {job.limits.memory_bytes / 10**9:g} GB of memory{_SPLIT}"}
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.EFBIG:
            return {"refused": f"reading it writes more than {job.limits.written_bytes / 10**9:g} GB{_SPLIT}"}
        return {"failed": traceback.format_exc()}
