"""Ctrl-C and the signals of batch systems end a command cleanly, and within seconds whatever it is doing."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType

STOPPED_BY_SIGNAL = 75
STOPPED_BY_CTRL_C = 130

DEADLINE_SECONDS = 4.5
"""How long a command may take to stop by itself."""

CODES = {
    getattr(signal, name): code
    for name, code in (
        ("SIGINT", STOPPED_BY_CTRL_C),
        ("SIGTERM", STOPPED_BY_SIGNAL),
        ("SIGUSR1", STOPPED_BY_SIGNAL),
    )
    if hasattr(signal, name)
}


class Stopped(BaseException):
    """Somebody asked the process to stop."""

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(exit_code)


def listen(say: Callable[[], None]) -> None:
    """Make each signal of `CODES` raise `Stopped` in the main thread; one that the caller ignores stays ignored.

    Parameters
    ----------
    say : callable
        Tells the user how to go on, where the main thread cannot: it may be inside a compiler or waiting for a disk.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in CODES:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    signal.set_wakeup_fd(_watched(say), warn_on_full_buffer=False)


def _stop(number: int, frame: FrameType | None) -> None:
    for other in CODES:
        signal.signal(other, signal.SIG_IGN)  # a second one must not disturb the clean stop
    raise Stopped(CODES[signal.Signals(number)])


def _watched(say: Callable[[], None]) -> int:
    """Return where the interpreter writes the number of each signal, also while the main thread runs no Python."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    threading.Thread(target=_watch, args=(reader, say), daemon=True, name="signals").start()
    return writer.detach()


def _watch(reader: socket.socket, say: Callable[[], None]) -> None:
    number = reader.recv(1)[0]
    while number not in CODES:
        number = reader.recv(1)[0]
    time.sleep(DEADLINE_SECONDS)
    say()
    os._exit(CODES[signal.Signals(number)])
