"""Ctrl-C and the signals of batch systems end a command cleanly, and within seconds whatever it is doing."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def listening(say: Callable[[], None]) -> Iterator[None]:
    """Make each signal of `CODES` raise `Stopped` within the block; one that the caller ignores stays ignored.

    Parameters
    ----------
    say : callable
        Tells the user how to go on, where the main thread cannot: it may be inside a compiler or waiting for a disk.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in CODES}
    taken = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, _stop)
    try:
        with _watched(say):
            yield
    finally:
        for number in taken:
            if signal.getsignal(number) is _stop:  # after a stop they stay ignored until the process has ended
                signal.signal(number, before[number])


def _stop(number: int, frame: FrameType | None) -> None:
    for other in CODES:
        signal.signal(other, signal.SIG_IGN)  # a second one must not disturb the clean stop
    raise Stopped(CODES[signal.Signals(number)])


@contextmanager
def _watched(say: Callable[[], None]) -> Iterator[None]:
    """Let a thread hear of each signal, also while the main thread runs no Python, and end what takes too long."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    over = threading.Event()
    previous = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader, over, say), daemon=True, name="signals").start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(previous)
        writer.close()


def _watch(reader: socket.socket, over: threading.Event, say: Callable[[], None]) -> None:
    with reader:
        number = reader.recv(1)
        while number and number[0] not in CODES:
            number = reader.recv(1)
    if number and not over.wait(DEADLINE_SECONDS):
        say()
        os._exit(CODES[signal.Signals(number[0])])
