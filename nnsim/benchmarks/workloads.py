"""What is timed: each workload's networks, data, batches and recipe, defined once for nnsim and for its peers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.core.registry import look_up
from nnsim.core.seeding import key
from nnsim.kernels.cpu.draws import fill_normal, fill_permutation
from nnsim.kernels.formulas.philox import SHUFFLE
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import Batches, TrainRequest

Layers = list[tuple[np.ndarray, np.ndarray]]
"""W (fan_in, fan_out) and b of every layer of a network."""

Runner = Callable[[], np.ndarray]
"""Trains a workload from the start and returns its losses, (networks, steps) or their means (networks, epochs)."""

ROWS = 1792
"""Training rows: a whole number of batches of every size that the workloads have."""

NETWORKS = 64
"""Networks of a population, where nobody says otherwise."""


@dataclass(frozen=True)
class Workload:
    """Networks to train on one data set; they differ in their initial weights and in the order of their batches.

    A population has neither dropout nor clipping nor a schedule, which its peers would need by hand.

    Parameters
    ----------
    name : str
    spec : NetworkSpec
        With ReLU or tanh, the loss cross-entropy or BCE, and without norms or with batch normalisation.
    recipe : Recipe
        With SGD or AdamW, a constant learning rate or a cosine over the epochs; the batch size divides `rows`.
    population : bool
        Whether there are many networks, which are trained on all cores, or one, which is trained on one core.
    networks : int
        How many there are.
    rows : int
        Training rows.
    root : int
        Root of all draws.
    """

    name: str
    spec: NetworkSpec
    recipe: Recipe
    population: bool = False
    networks: int = 1
    rows: int = ROWS
    root: int = 0

    @property
    def about(self) -> str:
        """One line: widths, layers, loss, optimizer, batch."""
        spec, recipe = self.spec, self.recipe
        batch_norm = "BatchNorm" if spec.normalization == "batch" else ""
        dropout = f"dropout {spec.dropout:g}" if spec.dropout else ""
        clipping = f"clipping at {recipe.clip_norm:g}" if recipe.clip_norm else ""
        schedule = "" if recipe.schedule == "constant" else str(recipe.schedule)
        parts = (_widths(spec.widths), spec.activation, batch_norm, dropout, spec.loss, recipe.optimizer, schedule)
        return ", ".join(filter(None, (*parts, clipping, f"batch {recipe.batch_size}")))

    @property
    def steps(self) -> int:
        """Steps of each network's training."""
        return self.recipe.epochs * self.recipe.steps(self.rows)

    @property
    def single(self) -> Workload:
        """The training of the first network alone."""
        return replace(self, networks=1)

    @property
    def brief(self) -> Workload:
        """Two epochs of two batches in double precision, without dropout, whose masks are each framework's own."""
        spec, recipe = replace(self.spec, dtype="float64", dropout=0.0), replace(self.recipe, epochs=2)
        return replace(self, spec=spec, recipe=recipe, rows=2 * recipe.batch_size)

    @cached_property
    def data(self) -> Batches:
        """Normal inputs, and classes that follow from them: no validation rows."""
        inputs = self.spec.widths[0]
        numbers = np.empty(self.rows * inputs, np.float32)
        fill_normal(numbers, np.uint64(key(self.root, "bench", "data")), 1, 0)
        X = numbers.reshape(self.rows, inputs).astype(self.spec.numpy_dtype)
        Y = _two_classes(X) if self.spec.loss == "bce" else _classes(X, self.spec.widths[-1])
        Y = Y[:, None].astype(X.dtype)
        return Batches(X, Y, X[:0], Y[:0])

    @cached_property
    def keys(self) -> list[int]:
        """The key of each network's shuffles and dropout."""
        return [key(self.root, "bench", "run", network) for network in range(self.networks)]

    @cached_property
    def thetas(self) -> list[np.ndarray]:
        """Each network's initial parameters."""
        keys = (key(self.root, "bench", "init", network) for network in range(self.networks))
        return [initialize(self.spec, "he_normal", its_key) for its_key in keys]

    def jobs(self) -> list[TrainRequest]:
        """Return each network's training as nnsim takes it."""
        starts = zip(self.thetas, self.keys, strict=True)
        return [
            TrainRequest(self.spec, theta, self.data, self.recipe, its_key, self.recipe.epochs, False)
            for theta, its_key in starts
        ]

    def orders(self) -> np.ndarray:
        """Return the rows of every batch as nnsim takes them, int64 (networks, steps, batch size)."""
        rows = np.empty((self.networks, self.recipe.epochs, self.rows), np.int64)
        for its_key, epochs in zip(self.keys, rows, strict=True):
            for epoch, order in enumerate(epochs):
                fill_permutation(order, np.uint64(its_key), SHUFFLE, epoch)
        return rows.reshape(self.networks, self.steps, self.recipe.batch_size)


def _widths(widths: tuple[int, ...]) -> str:
    hidden = widths[1:-1]
    if len(hidden) > 4 and len(set(hidden)) == 1:
        return f"{widths[0]}-{len(hidden)}x{hidden[0]}-{widths[-1]}"
    return "-".join(map(str, widths))


def _classes(X: np.ndarray, classes: int) -> np.ndarray:
    """Return which of the first inputs is farthest from zero."""
    return np.abs(X[:, :classes]).argmax(axis=1)


def _two_classes(X: np.ndarray) -> np.ndarray:
    """Return on which side of a plane each row lies, but for one row in ten, which is told wrong."""
    wrong = np.arange(len(X)) % 10 == 0
    return (X[:, :16].sum(axis=1) > 0) ^ wrong


def _sgd(batch_size: int, epochs: int) -> Recipe:
    return Recipe(0.05, batch_size=batch_size, epochs=epochs, optimizer="sgd")


_STACK = Recipe(1e-3, batch_size=64, epochs=4, optimizer="adamw", weight_decay=1e-4, schedule="cosine", clip_norm=1.0)
_ADAMW = Recipe(1e-3, batch_size=32, epochs=8, optimizer="adamw", weight_decay=1e-4)
_SMALL = (64, 32, 32, 10)

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("W1", NetworkSpec(_SMALL), _sgd(32, 8)),
        Workload("W2", NetworkSpec((64, 128, 128, 10)), _sgd(64, 4)),
        Workload("W3", NetworkSpec((64, *[64] * 29, 10)), _sgd(64, 1)),
        Workload("W4", NetworkSpec((784, 1024, 1024, 10)), _sgd(128, 1)),
        Workload("W5", NetworkSpec((128, 256, 128, 64, 1), loss="bce", normalization="batch", dropout=0.3), _STACK),
        Workload("W6", NetworkSpec(_SMALL), _sgd(32, 8), True, NETWORKS),
        Workload("W6-adamw", NetworkSpec(_SMALL, "tanh", normalization="batch"), _ADAMW, True, NETWORKS),
        Workload("W7", NetworkSpec((2, 8, 8, 2)), _sgd(16, 4), True, NETWORKS),
    )
}
"""Every workload by its name."""


def choose(names: Iterable[str] = (), networks: int | None = None) -> list[Workload]:
    """Return the workloads of these names, or all, with so many networks in each population.

    Raises
    ------
    UnknownNameError, UsageError
        If a name is unknown, or a number of networks is given for no population.
    """
    chosen = [look_up(WORKLOADS, "workload", name) for name in dict.fromkeys(names)] or list(WORKLOADS.values())
    if networks is None:
        return chosen
    if not any(workload.population for workload in chosen):
        populations = ", ".join(workload.name for workload in WORKLOADS.values() if workload.population)
        raise UsageError(
            f"a number of networks belongs to the populations ({populations}), got {networks} "
            f"for {', '.join(workload.name for workload in chosen)}"
        )
    return [replace(workload, networks=networks) if workload.population else workload for workload in chosen]
