"""``keeprate dev`` as an operator meets it: pages in a browser, this machine only, and an end."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .browser import Page, find_browser, open_browser
from .pictures import ASSETS, show_asset_graph, show_predictions

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]
RULES = PROJECT / "examples" / "online_retail" / "business.yml"
DAY = "2011-12-09"
LISTENING = "0A"
LOOPBACK = {"0100007F", "00000000000000000000000001000000"}


@dataclass(frozen=True)
class Server:
    """A running ``keeprate dev``."""

    process: "subprocess.Popen[str]"
    address: str


@pytest.fixture(scope="module")
def home(
    tmp_path_factory: pytest.TempPathFactory, small_shop: Any, night: Callable[..., Any], deliver: Callable[..., Path]
) -> Path:
    """A home that has something to show."""
    home = tmp_path_factory.mktemp("dev") / "home"
    deliver(home, "online_retail.csv", small_shop.content)
    assert night(home, DAY).kind == "published"
    return home


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            # A script that starts a program in the background lets it ignore SIGINT.
            *("sh", "-c", 'trap "" INT; exec "$@"', "sh"),
            *(sys.executable, "-c", "from orchestration.cli import main; main()", "dev"),
            *("--home", str(home), "--config", str(RULES), "--port", str(port)),
        ],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # It starts a web server and a daemon: a group of their own, so that a failing test leaves none.
        start_new_session=True,
    )
    try:
        wait_until(lambda: process.poll() is not None or answers(port), "the web server answers")
        assert process.poll() is None, process.communicate()[0]
        yield Server(process, f"http://127.0.0.1:{port}")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    if find_browser() is None:
        pytest.skip("no Chromium: on Debian, apt-get install chromium")
    with open_browser(tmp_path / "profile") as page:
        yield page


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, f"not within {seconds} seconds: {what}"
        time.sleep(0.05)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def processes_of(session: int) -> set[int]:
    """Numbers of the living processes of a session."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, _parent, _group, number = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(number) == session and state != "Z":
                found.add(int(folder.name))
    return found


def listening_on(pids: set[int]) -> set[str]:
    """Local addresses, as the kernel writes them, on which processes accept connections from a network."""
    sockets = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
            with suppress(OSError):
                if match := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(descriptor)):
                    sockets.add(match[1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and fields[9] in sockets:
                found.add(fields[1].partition(":")[0])
    return found


def test_the_asset_graph_and_the_plot_of_a_night_are_shown_to_a_browser(server: Server, page: Page) -> None:
    show_asset_graph(page, server.address)
    shown = page.text().splitlines()
    assert {*ASSETS, "raw", "staging", "core", "marts", "predictions", "release"} <= set(shown)
    assert page.picture().startswith(b"\x89PNG")
    show_predictions(page, server.address, DAY)
    assert "champion" in page.text()


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells who listens where")
def test_nothing_but_this_machine_is_listened_to(server: Server) -> None:
    # All it starts is started by the time it answers, the daemon included.
    addresses = listening_on(processes_of(server.process.pid))
    assert addresses
    assert addresses <= LOOPBACK


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells the processes of a session")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_every_process(server: Server, stop: signal.Signals) -> None:
    assert len(processes_of(server.process.pid)) > 1
    server.process.send_signal(stop)
    server.process.communicate(timeout=120)
    wait_until(lambda: not processes_of(server.process.pid), "every process has ended")
