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
from nnsim.training.trainer import Job, Run, begin, finished, train_on_cpu, trained_by

PATIENCE_SECONDS = 10.0
"""How long those that wait to train wait for another to come: one that is busy elsewhere must not hold up all."""

Population = Callable[[Sequence[Job | ProbeRequest]], Sequence[Run | np.ndarray]]
"""Trains or looks at several networks, and returns their runs and facts in the same order."""


class Disbanded(BaseException):
    """The gang is stopped: ends its members' trials, which may catch any Exception."""


@dataclass(eq=False)
class _Order:
    """What a waiting member wants, and what became of it."""

    wish: Job | ProbeRequest
    outcome: Run | np.ndarray | Exception | None = None


class Gang:
    """Members that train together.

    Parameters
    ----------
    members : int
        How many threads will call `membership`; nothing is trained before each has come to train or ended.
    turns : int
        How many members run at once between trainings; the others wait for their turn.
    stop : threading.Event
        Is set when the gang is disbanded.
    """

    def __init__(self, members: int, turns: int, stop: threading.Event) -> None:
        self._turns = threading.Semaphore(turns)
        self._running = members
        self._stop = stop
        self._waiting: list[_Order] = []
        self._data = EqualData()
        lock = threading.Lock()
        self._changed = threading.Condition(lock)  # somebody came to train, or ended
        self._served = threading.Condition(lock)

    @contextmanager
    def membership(self) -> Iterator[None]:
        """Let what `train` and `probe` are asked for within the block, on this thread, be done by the gang.

        A member's error disbands the gang.
        """
        try:
            with self._turns, trained_by(self.train), probed_by(self.probe):
                yield
        except Disbanded:
            pass
        except BaseException:
            self.disband()
            raise
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify()

    def train(self, job: Job) -> Run:
        """Wait until the job is trained and return its run; called by members only.

        Raises
        ------
        Disbanded
            The gang was stopped.
        Exception
            Whatever training this job raised; what is wrong with one job reaches no other member.
        """
        _, history = begin(job)
        if finished(job) is not None or len(history) >= job.last:
            return train_on_cpu(job)  # nothing is left to train
        return self._wait(replace(job, data=self._data.one_for(job.data)))

    def probe(self, look: ProbeRequest) -> np.ndarray:
        """Wait until the network is looked at and return its facts; called by members only, raises as `train` does."""
        return self._wait(look)

    def conduct(self, population: Population) -> None:
        """Serve what members want, round by round, until all have ended or the gang is disbanded."""
        while orders := self._gathered():
            outcomes = _served(population, [order.wish for order in orders])
            with self._served:
                for order, outcome in zip(orders, outcomes, strict=True):
                    order.outcome = outcome
                self._running += len(orders)
                self._served.notify_all()

    def disband(self) -> None:
        """Set the event, and wake up all who wait, with `Disbanded`."""
        with self._changed:
            self._stop.set()
            self._changed.notify()
            self._served.notify_all()

    def _wait(self, wish: Job | ProbeRequest) -> Any:
        """Give up the turn until the wish has an outcome; return it, or raise it."""
        order = _Order(wish)
        self._turns.release()
        try:
            with self._changed:
                self._waiting.append(order)
                self._running -= 1
                self._changed.notify()
                self._served.wait_for(lambda: order.outcome is not None or self._stop.is_set())
        finally:
            self._turns.acquire()
        if self._stop.is_set() or order.outcome is None:
            raise Disbanded
        if isinstance(order.outcome, Exception):
            raise order.outcome
        return order.outcome

    def _gathered(self) -> list[_Order]:
        """Return the orders of a round, once nobody runs or, in a while, nobody came; none where all is over."""
        with self._changed:
            while self._running and not self._stop.is_set():
                came = self._changed.wait(PATIENCE_SECONDS)
                if self._waiting and not came:
                    break
            orders, self._waiting = self._waiting, []
            return [] if self._stop.is_set() else orders


def _served(population: Population, wishes: Sequence[Job | ProbeRequest]) -> Sequence[Run | np.ndarray | Exception]:
    """Return what became of each wish; a DeviceError, which is nobody's own, is raised."""
    try:
        return population(wishes)
    except DeviceError:
        raise
    except UsageError as error:
        # One of them cannot be served there: each for itself, so that the others are.
        return [error] if len(wishes) == 1 else [_served(population, [wish])[0] for wish in wishes]
    except Exception as error:  # each trial says on its own that it failed, as it does on the CPU
        return [error] * len(wishes)
