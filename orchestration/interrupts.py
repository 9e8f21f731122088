"""Stopping a night that was told to stop.

Belongs here: what Dagster leaves open about SIGINT and SIGTERM. Does not belong here: deadlines, or what is cleaned up.

Dagster turns both signals into an exception that is raised wherever the program happens to be. Raised inside a
finaliser, Python prints it and goes on; received while Dagster writes an event, Dagster may forget it. The night would
then run to its end as if nobody had said anything, so the signal is repeated until the night is over.
"""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["insisting"]

AGAIN_SECONDS = 5.0
_STOP = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def insisting(again_seconds: float = AGAIN_SECONDS) -> Iterator[None]:
    """Repeat a signal to stop while the block goes on regardless; to be entered in the main thread.

    Parameters
    ----------
    again_seconds : float
        Seconds between two repetitions, enough to record what was interrupted.
    """
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    # Python writes the number of each signal here, whoever has replaced its handler.
    before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    thread = threading.Thread(target=_repeat, args=(receiver, again_seconds), daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        # The thread ends when it reads the end of the stream.
        sender.close()
        thread.join()
        receiver.close()


def _repeat(receiver: socket.socket, again_seconds: float) -> None:
    wanted: int | None = None
    while True:
        receiver.settimeout(None if wanted is None else again_seconds)
        try:
            numbers = receiver.recv(64)
        except TimeoutError:
            if wanted is not None:
                os.kill(os.getpid(), wanted)
            continue
        if not numbers:
            return
        wanted = next((number for number in numbers if number in _STOP), wanted)
