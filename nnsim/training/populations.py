"""Networks that are trained at once: how far each is, and which of them are alike enough."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from nnsim.kernels.cpu.optimizers import OptimizerParams
from nnsim.kernels.cpu.training import State
from nnsim.kernels.formulas.columns import N_HISTORY
from nnsim.networks.spec import NetworkSpec
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import Run, TrainRequest, begin, finish, finished, has_waited

Item = TypeVar("Item")

STATE = ("theta", "statistics", "plateau", "stopping", "best_theta", "best_statistics")
MOMENTS = ("first", "second", "powers")


@dataclass
class Member:
    """A network in training: what it was asked for, and how far it is."""

    job: TrainRequest
    state: State
    history: np.ndarray
    stopped: int = -1
    over: bool = False

    @property
    def goes_on(self) -> bool:
        """True while epochs of what was asked for are left."""
        return not self.over and len(self.history) < self.job.last

    def take(self, found: Any, i: int) -> None:
        """Take over how far the kernels brought network `i` of a population."""
        epochs, self.stopped = map(int, found.ended[i])
        self.history = np.concatenate([self.history, found.history[i, :epochs]])
        for name in STATE:
            getattr(self.state, name)[:] = getattr(found, name)[i]
        for name in MOMENTS:
            getattr(self.state.moments, name)[:] = getattr(found, name)[i]
        self.over = self.stopped >= 0 or has_waited(self.state, self.job.recipe)

    @property
    def run(self) -> Run:
        """The run that the training came to."""
        return finished(self.job) or finish(self.job, self.state, self.history, self.stopped)


def members_of(jobs: Sequence[TrainRequest]) -> list[Member]:
    """Return the networks as they begin; raises as `nnsim.training.trainer.train` does."""
    return [Member(job, *begin(job), over=finished(job) is not None) for job in jobs]


def alike(items: Iterable[Item], kind_of: Callable[[Item], Hashable]) -> list[list[Item]]:
    """Return items in groups of one kind, each group in order."""
    groups: dict[Hashable, list[Item]] = {}
    for item in items:
        groups.setdefault(kind_of(item), []).append(item)
    return list(groups.values())


@lru_cache(maxsize=64)  # networks of a population share recipes, or have equal ones
def rates_of(recipe: Recipe, rows: int) -> np.ndarray:
    """Return the learning rate of every step of a training on so many rows, which nobody may change."""
    return recipe.rates(rows)


@lru_cache(maxsize=64)
def params_of(recipe: Recipe, spec: NetworkSpec) -> OptimizerParams:
    """Return what the kernels know of a recipe's optimizer, which nobody may change."""
    return recipe.optimizer_params(spec)


def stacked(members: Sequence[Member], first: int, epochs: int) -> dict[str, np.ndarray]:
    """Return what networks of one kind begin so many epochs with, from the epoch `first`: a row for each.

    Parameters
    ----------
    members : sequence of Member
    first : int
        Number of the first epoch.
    epochs : int

    Returns
    -------
    dict
        Beside the parts of `State`: ``keys`` (uint64), ``rates`` (float64, the learning rate of every step), and room
        for the ``history`` of the epochs (float64) and for how they ``ended`` (int64, 2).
    """
    states, jobs = [member.state for member in members], [member.job for member in members]
    rows = jobs[0].data.X.shape[0]
    steps = jobs[0].recipe.steps(rows)
    window = slice(first * steps, (first + epochs) * steps)
    parts = {name: np.stack([getattr(state, name) for state in states]) for name in STATE}
    moments = {name: np.stack([getattr(state.moments, name) for state in states]) for name in MOMENTS}
    return {
        **parts,
        **moments,
        "keys": np.array([job.key for job in jobs], np.uint64),
        "rates": np.stack([rates_of(job.recipe, rows)[window] for job in jobs]),
        "history": np.full((len(members), epochs, N_HISTORY), np.nan),
        "ended": np.zeros((len(members), 2), np.int64),
    }
