"""Passes over a batch that can be run again and again, and timed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import thread_time
from typing import Any, Self

import numpy as np

from nnsim.core.seeding import key
from nnsim.kernels.cpu.draws import fill_normal
from nnsim.kernels.cpu_only.cost import repeat_passes
from nnsim.kernels.formulas.philox import SIGNAL
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.theory.training.cost import forward_products

from .shared import ArchitectureTrial

TIMED_PRODUCTS = 5e7
"""Multiply-adds of one timing, so that the clock's grain does not show."""


@dataclass(frozen=True, kw_only=True)
class TimedTrial(ArchitectureTrial):
    """A network that is timed in so many turns."""

    rounds: int

    def smallest(self) -> Self:
        """Return one turn."""
        return replace(super().smallest(), rounds=1)


class Passes:
    """A network on a batch of random rows."""

    def __init__(self, trial: TimedTrial, activation: str, dtype: str) -> None:
        self.spec = NetworkSpec(trial.widths, activation, loss="mse", dtype=dtype)
        self.theta = initialize(self.spec, "lecun_normal", key(trial.root_seed, "init", trial.repeat))
        draws = np.empty(trial.batch * self.spec.widths[0], self.spec.numpy_dtype)
        fill_normal(draws, np.uint64(key(trial.root_seed, "rows", trial.repeat)), SIGNAL, 0)
        self.X = draws.reshape(trial.batch, -1)
        self.Y = np.zeros((trial.batch, self.spec.widths[-1]), self.spec.numpy_dtype)
        self.gradient = np.empty_like(self.theta)

    def run(self, times: int, back: bool) -> None:
        """Pass forward and, if asked to, backward, so many times."""
        repeat_passes(self.spec.architecture, self.theta, self.X, self.Y, self.gradient, times, back)

    def _seconds_of(self, times: int, back: bool) -> float:
        start = thread_time()
        self.run(times, back)
        return thread_time() - start

    def seconds(self, rounds: int) -> dict[str, Any]:
        """Return the median times of a forward pass and of a whole gradient, as columns; they are timed in turns.

        It is the processor time of this thread: what else the machine does is not counted.
        """
        times = max(1, int(TIMED_PRODUCTS / (self.X.shape[0] * forward_products(self.spec.widths))))
        turns = [[self._seconds_of(times, back) for back in (False, True)] for _ in range(rounds)]
        forward, both = (np.median(np.array(turns), axis=0) / times).tolist()
        found = {"forward_seconds": forward, "gradient_seconds": both, "ratio": (both - forward) / forward}
        return {"parameters": self.spec.n_parameters, **found}


def products_of(trial: TimedTrial) -> int:
    """Return the multiply-adds of a forward pass."""
    return forward_products(trial.widths) * trial.batch


def timing_cost(trial: TimedTrial) -> float:
    """Return the expected seconds of all turns, at a speed of multiply-adds seen on small networks."""
    return 4 * trial.rounds * max(products_of(trial), TIMED_PRODUCTS) / 2e10
