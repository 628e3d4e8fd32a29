"""The kernels that take the compiler seconds, each with the smallest call that compiles it.

``python -m nnsim.training.precompile NAME...``, run by `nnsim.experiment.executors.warm_up`, compiles some and keeps
the code.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from threading import Thread
from typing import Any

import numba
import numpy as np

from nnsim.core.registry import look_up
from nnsim.kernels.compiling.compile_cache import folder
from nnsim.kernels.cpu import activations, probes, training
from nnsim.kernels.cpu_only import cost, units
from nnsim.networks.spec import NetworkSpec
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import Batches, TrainRequest, begin

PRECISIONS = ("float32", "float64")

SHARED_SECONDS = 12.0
"""What the first kernel of a precision costs beyond its own time: later ones in the process find its parts ready."""


@dataclass(frozen=True)
class Tiny:
    """A network of one unit and a row of data: compiled code depends on nothing but their precision."""

    precision: str

    @cached_property
    def spec(self) -> NetworkSpec:
        """The network."""
        return NetworkSpec((1, 1), "relu", loss="mse", dtype=self.precision)

    @cached_property
    def row(self) -> np.ndarray:
        """A row of one input, which is its own target, too."""
        return np.ones((1, 1), self.precision)

    @property
    def theta(self) -> np.ndarray:
        """New parameters, or room for their gradient."""
        return np.ones(self.spec.n_parameters, self.precision)

    @property
    def network(self) -> tuple[Any, np.ndarray]:
        """Architecture and parameters, the first arguments of most kernels."""
        return self.spec.architecture, self.theta

    def real(self, value: float) -> Any:
        """Return a number in the precision."""
        return self.spec.numpy_dtype(value)


def _epoch(tiny: Tiny) -> tuple[Any, ...]:
    """Return the arguments for one epoch of training."""
    recipe, rows = Recipe(epochs=1, batch_size=1), [tiny.row] * 4
    state, history = begin(TrainRequest(tiny.spec, tiny.theta, Batches(*rows), recipe, key=0, last=1, auc=False))
    given = recipe.optimizer_params(tiny.spec), recipe.run_options(), training.Data(*rows), recipe.rates(1)
    return (tiny.spec.architecture, state, *given, np.uint64(0), 0, history)


@dataclass(frozen=True)
class LargeKernel:
    """One kernel in one precision.

    Attributes
    ----------
    kernel : callable
        What Numba compiles.
    arguments : callable
        ``arguments(tiny)`` are those of a call.
    seconds : float
        What compiling it takes, beyond `SHARED_SECONDS`.
    precision : {"float32", "float64"}
    """

    kernel: Any
    arguments: Callable[[Tiny], tuple[Any, ...]]
    seconds: float
    precision: str

    def compile(self) -> None:
        """Call the kernel, so that its code is in memory and kept on disk."""
        self.kernel(*self.arguments(Tiny(self.precision)))

    def is_kept(self) -> bool:
        """Return whether its code is on disk."""
        return folder() is not None and self.types() in self.kernel._cache.signatures()

    def types(self) -> tuple[Any, ...]:
        """Return Numba's types of the arguments, by which the code is found."""
        return tuple(map(numba.typeof, self.arguments(Tiny(self.precision))))


_CALLS: dict[str, tuple[Any, Callable[[Tiny], tuple[Any, ...]], float]] = {
    "train_epochs": (training.train_epochs, _epoch, 16),
    "evaluate": (training.evaluate, lambda tiny: (*tiny.network, tiny.theta[:0], tiny.row, tiny.row, 1, False), 3),
    "logits": (training.logits, lambda tiny: (*tiny.network, tiny.theta[:0], tiny.row, 1), 5),
    "loss_and_gradient": (
        training.loss_and_gradient,
        lambda tiny: (*tiny.network, tiny.row, tiny.row, tiny.theta, np.uint64(0), 0),
        9,
    ),
    "probe_layers": (probes.probe_layers, lambda tiny: (*tiny.network, tiny.row, tiny.row, tiny.row, tiny.real(0)), 11),
    "scale_to_unit_variance": (probes.scale_to_unit_variance, lambda tiny: (*tiny.network, tiny.row), 4),
    "unit_facts": (units.unit_facts, lambda tiny: (*tiny.network, tiny.theta[:0], tiny.row, True), 8),
    "value_and_slope": (activations.value_and_slope, lambda tiny: (0, tiny.row[0], tiny.real(0)), 5),
    "repeat_passes": (cost.repeat_passes, lambda tiny: (*tiny.network, tiny.row, tiny.row, tiny.theta, 1, True), 10),
    "difference_gradient": (
        cost.difference_gradient,
        lambda tiny: (*tiny.network, tiny.row, tiny.row, 0.1, True, tiny.theta),
        11,
    ),
}

LARGE = {
    f"{name} {precision}": LargeKernel(*call, precision) for name, call in _CALLS.items() for precision in PRECISIONS
}
"""Each by its name and precision, as in ``train_epochs float32``."""


def lacking(names: Iterable[str]) -> list[str]:
    """Return those of `names` whose code is not kept yet; raises UnknownNameError for one that is not in `LARGE`."""
    return [name for name in dict.fromkeys(names) if not look_up(LARGE, "large kernel", name).is_kept()]


def seconds(names: Iterable[str]) -> float:
    """Return what compiling `names` takes in one process, roughly: on a core of 2024."""
    kernels = [LARGE[name] for name in names]
    return SHARED_SECONDS * len({kernel.precision for kernel in kernels}) + sum(kernel.seconds for kernel in kernels)


def main() -> None:
    """Compile the kernels that the command line names, as long as somebody holds the other end of standard input."""
    Thread(target=_end_with_parent, daemon=True).start()
    for name in sys.argv[1:]:
        LARGE[name].compile()


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
