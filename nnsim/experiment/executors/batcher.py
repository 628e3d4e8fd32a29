"""Threads whose trainings meet: all that is to be trained, or looked at, at one time becomes one population.

A study's code knows nothing of it. It calls `nnsim.training.trainer.train` or `nnsim.probes.layers.probe` on a thread
of its own and gets its run or its facts; that the thread waited until others wanted some, and that all were served at
once, does not show.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nnsim.core.errors import DeviceError, UsageError
from nnsim.experiment.executors.shared_data import EqualData
from nnsim.probes.layers import probed_by
from nnsim.training.probe_request import ProbeRequest
from nnsim.training.trainer import Run, TrainRequest, begin, finished, train_on_cpu, trained_by

PATIENCE_SECONDS = 10.0
"""How long those that wait to train wait for another to come: one that is busy elsewhere must not hold up all."""

Population = Callable[[Sequence[TrainRequest | ProbeRequest]], Sequence[Run | np.ndarray]]
"""Trains or looks at several networks, and returns their runs and facts in the same order."""


class Cancelled(BaseException):
    """The batcher is stopped: ends the trials of attached threads, which may catch any Exception."""


@dataclass(eq=False)
class _Pending:
    """What a waiting thread asked for, and what became of it."""

    request: TrainRequest | ProbeRequest
    outcome: Run | np.ndarray | Exception | None = None


class DynamicBatcher:
    """Threads whose requests to train and to probe are served together.

    Parameters
    ----------
    threads : int
        How many threads will `attach`; nothing is served before each has asked for something or ended.
    max_running : int
        How many of them run at once between requests; the others wait for their turn.
    stop : threading.Event
        Is set when the batcher is stopped.
    """

    def __init__(self, threads: int, max_running: int, stop: threading.Event) -> None:
        self._turns = threading.Semaphore(max_running)
        self._running = threads
        self._stop = stop
        self._waiting: list[_Pending] = []
        self._data = EqualData()
        lock = threading.Lock()
        self._changed = threading.Condition(lock)  # somebody came to train, or ended
        self._served = threading.Condition(lock)

    @contextmanager
    def attach(self) -> Iterator[None]:
        """Let what `train` and `probe` are asked for within the block, on this thread, be served in batches.

        An error of one thread stops all.
        """
        try:
            with self._turns, trained_by(self.train), probed_by(self.probe):
                yield
        except Cancelled:
            pass
        except BaseException:
            self.stop()
            raise
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify()

    def train(self, request: TrainRequest) -> Run:
        """Wait until the network is trained and return its run; called by attached threads only.

        Raises
        ------
        Cancelled
            The batcher was stopped.
        Exception
            Whatever training this network raised; what is wrong with one reaches no other thread.
        """
        _, history = begin(request)
        if finished(request) is not None or len(history) >= request.last:
            return train_on_cpu(request)  # nothing is left to train
        return self._wait(replace(request, data=self._data.one_for(request.data)))

    def probe(self, request: ProbeRequest) -> np.ndarray:
        """Wait until the network is looked at and return its facts; raises as `train` does."""
        return self._wait(request)

    def serve(self, population: Population) -> None:
        """Serve what threads ask for, round by round, until all have ended or the batcher is stopped."""
        while pending := self._gathered():
            outcomes = _served(population, [each.request for each in pending])
            with self._served:
                for each, outcome in zip(pending, outcomes, strict=True):
                    each.outcome = outcome
                self._running += len(pending)
                self._served.notify_all()

    def stop(self) -> None:
        """Set the event, and wake up all who wait, with `Cancelled`."""
        with self._changed:
            self._stop.set()
            self._changed.notify()
            self._served.notify_all()

    def _wait(self, request: TrainRequest | ProbeRequest) -> Any:
        """Give up the turn until the request has an outcome; return it, or raise it."""
        pending = _Pending(request)
        self._turns.release()
        try:
            with self._changed:
                self._waiting.append(pending)
                self._running -= 1
                self._changed.notify()
                self._served.wait_for(lambda: pending.outcome is not None or self._stop.is_set())
        finally:
            self._turns.acquire()
        if self._stop.is_set() or pending.outcome is None:
            raise Cancelled
        if isinstance(pending.outcome, Exception):
            raise pending.outcome
        return pending.outcome

    def _gathered(self) -> list[_Pending]:
        """Return the requests of a round, once nobody runs or, in a while, nobody came; none where all is over."""
        with self._changed:
            while self._running and not self._stop.is_set():
                came = self._changed.wait(PATIENCE_SECONDS)
                if self._waiting and not came:
                    break
            pending, self._waiting = self._waiting, []
            return [] if self._stop.is_set() else pending


def _served(
    population: Population, requests: Sequence[TrainRequest | ProbeRequest]
) -> Sequence[Run | np.ndarray | Exception]:
    """Return what became of each request; a DeviceError, which is nobody's own, is raised."""
    try:
        return population(requests)
    except DeviceError:
        raise
    except UsageError as error:
        # One of them cannot be served there: each for itself, so that the others are.
        return [error] if len(requests) == 1 else [_served(population, [each])[0] for each in requests]
    except Exception as error:  # each trial says on its own that it failed, as it does on the CPU
        return [error] * len(requests)
