"""A headless Chromium, driven through its own debugging protocol: what a person would see, tests can look at.

Nothing but the browser has to be installed. It runs with a profile of its own, talks to the loopback only, and
ends with the ``with`` block, all its processes included.
"""

import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless",
    # Containers, where tests run, allow no sandbox inside theirs.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    # Whatever the page asks for, only this machine is there to answer.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def find_browser() -> str | None:
    """Return the path of an installed Chromium, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@dataclass
class Page:
    """The one tab of a browser."""

    socket: ClientConnection
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result; events that come meanwhile are dropped."""
        number = next(self._ids)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv(timeout=60))
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']['text']}")
        return result["result"].get("value")

    def wait_for(self, expression: str, seconds: float = 90) -> Any:
        """Return the first truthy value of an expression, or fail with what the page says instead."""
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            # What is asked about may not be there yet, and the page may be on its way to another address.
            with suppress(RuntimeError):
                if value := self.evaluate(f"(() => {{ try {{ return ({expression}) }} catch {{ return null }} }})()"):
                    return value
            with suppress(TimeoutError):
                self.socket.recv(timeout=0.1)
        raise TimeoutError(f"{expression} did not become true; the page says: {self.text()[:2000]}")

    def settle(self, seconds: float = 60) -> None:
        """Wait until the page has looked the same three times in a row."""
        give_up_at, looks = time.monotonic() + seconds, [b"", b"", b""]
        while looks.count(looks[0]) < 3 or not looks[0]:
            if time.monotonic() > give_up_at:
                raise TimeoutError("the page does not come to rest")
            with suppress(TimeoutError):
                self.socket.recv(timeout=0.5)
            looks = [*looks[1:], self.picture()]

    def open(self, address: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=address)

    def text(self) -> str:
        """Return the visible text of the page."""
        return str(self.evaluate("document.body ? document.body.innerText : ''"))

    def click(self, x: float, y: float) -> None:
        """Click where a person would."""
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def picture(self) -> bytes:
        """Return what is visible as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


@contextmanager
def open_browser(profile: Path, *, width: int = 1800, height: int = 1100) -> Iterator[Page]:
    """Start a browser with a fresh profile and yield its page.

    Parameters
    ----------
    profile : Path
        Folder for the profile; created.
    width, height : int
        Size of the page in pixels.
    """
    browser = find_browser()
    if browser is None:
        raise FileNotFoundError("no Chromium is installed")
    profile.mkdir(parents=True)
    process = subprocess.Popen(
        [
            browser,
            *_FLAGS,
            f"--user-data-dir={profile}",
            f"--window-size={width},{height}",
            "--remote-debugging-address=127.0.0.1",
            "--remote-debugging-port=0",
            "about:blank",
        ],
        env={**os.environ, "HOME": str(profile)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # It starts many processes: a group of their own, so that none is left.
        start_new_session=True,
    )
    try:
        with connect(_page_address(process), max_size=None, open_timeout=60) as socket:
            page = Page(socket)
            page.call(
                "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
            )
            yield page
            with suppress(ConnectionClosed):
                page.call("Browser.close")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _page_address(process: "subprocess.Popen[str]") -> str:
    """Return the address under which the first page can be driven; the browser says it when it is ready."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("DevTools listening on "):
            port = line.split("127.0.0.1:")[1].split("/")[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=60) as answer:
                pages = [each for each in json.load(answer) if each["type"] == "page"]
            return str(pages[0]["webSocketDebuggerUrl"])
    raise RuntimeError("the browser ended before it was ready")
