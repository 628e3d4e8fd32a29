"""A function in a fresh process on some of the CPUs: libraries size their threads by those when they are imported."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from nnsim.core.errors import NnsimError

ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


def call_alone(cores: int | None, told: Callable[[str], None], function: Callable[..., Any], *arguments: Any) -> Any:
    """Return ``function(*arguments, told)``, called in a process of its own; what it tells arrives here.

    Parameters
    ----------
    cores : int, optional
        How many CPUs the process may use; by default as many as this one.
    told : callable
        Takes each text that the function tells.
    function : callable
        One that a module holds by name.
    *arguments
        What can travel to another process.

    Raises
    ------
    NnsimError
        What the function raises of that kind; or that the process died, as one that takes too much memory does.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(sender, cores, function, arguments), daemon=True)
    process.start()
    sender.close()
    try:
        while isinstance(message := receiver.recv(), str):
            told(message)
    except EOFError:
        process.join()
        raise NnsimError(f"a process that measures has died with exit code {process.exitcode}") from None
    finally:
        process.kill()
        process.join()
    if isinstance(message, NnsimError):
        raise message
    (result,) = message
    return result


def _serve(sender: Connection, cores: int | None, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever waits for the result ends this process
    bind(cores)
    try:
        sender.send((function(*arguments, sender.send),))
    except NnsimError as error:
        sender.send(error)


def bind(cores: int | None) -> None:
    """Keep this process on so many CPUs, and JAX from taking all of a GPU's memory."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if cores is None:
        return
    os.environ["OMP_NUM_THREADS"] = str(cores)
    if cores == 1:
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {ONE_THREAD}".strip()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
