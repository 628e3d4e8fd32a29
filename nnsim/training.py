"""Training a network: data in its precision, whole epochs in one kernel call, divergence as a status."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nnsim.checks import check_dtype, check_shape
from nnsim.datasets import Split
from nnsim.errors import UsageError
from nnsim.kernels.cpu import training as kernels
from nnsim.network import NetworkSpec

CALL_OPERATIONS = 4e9
"""Multiply-adds that one kernel call does at most, well under a second's worth, so that a run can be stopped."""


@dataclass(frozen=True)
class Recipe:
    """How to train: mini-batch gradient descent with momentum.

    Parameters
    ----------
    learning_rate : float, positive
    momentum : float in [0, 1)
    batch_size : int
        Rows a step; the last batch of an epoch may be smaller.
    epochs : int
    """

    learning_rate: float = 0.05
    momentum: float = 0.9
    batch_size: int = 64
    epochs: int = 10

    def __post_init__(self) -> None:
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise UsageError(f"the learning rate must be a positive number, got {self.learning_rate}")
        if not 0 <= self.momentum < 1:
            raise UsageError(f"momentum must be at least 0 and below 1, got {self.momentum}")
        counts = (self.batch_size, self.epochs)
        if not all(isinstance(count, int | np.integer) for count in counts) or self.batch_size < 1 or self.epochs < 0:
            raise UsageError(
                f"batch size and epochs must be whole numbers of at least 1 and 0, "
                f"got {self.batch_size} and {self.epochs}"
            )


@dataclass(frozen=True)
class Batches:
    """Training and validation rows in a network's precision, as the kernels want them."""

    X: np.ndarray
    Y: np.ndarray
    X_validation: np.ndarray
    Y_validation: np.ndarray


@dataclass(frozen=True)
class Run:
    """What became of a training.

    Attributes
    ----------
    theta, velocity : vectors
        The parameters after the last finished step, and their velocities.
    history : float64 array (epochs done, 3)
        Mean training loss of each epoch's steps, validation loss and metric after it.
    status : {"done", "diverged"}
    diverged_at : int
        The step at which the loss stopped being finite, -1 if it never did.
    """

    theta: np.ndarray
    velocity: np.ndarray
    history: np.ndarray
    status: str
    diverged_at: int


def loss_of(task: str) -> str:
    """Return the loss that a task is trained with."""
    return "cross_entropy" if task == "classification" else "mse"


def targets(y: np.ndarray, dtype: type) -> np.ndarray:
    """Return targets as a matrix in the network's precision: class numbers in one column, or the values."""
    return np.ascontiguousarray(y.reshape(y.shape[0], -1), dtype)


def batches(data: Split, dtype: type) -> Batches:
    """Return a split's training and validation parts in a network's precision."""
    return Batches(
        np.ascontiguousarray(data.X_train, dtype),
        targets(data.y_train, dtype),
        np.ascontiguousarray(data.X_validation, dtype),
        targets(data.y_validation, dtype),
    )


def _check(spec: NetworkSpec, theta: np.ndarray, data: Batches, recipe: Recipe) -> None:
    if data.X.shape[1] != spec.widths[0]:
        raise UsageError(f"the network takes {spec.widths[0]} inputs, the data have {data.X.shape[1]}")
    spec.check(theta, data.X, data.Y, " of the training rows")
    spec.check(theta, data.X_validation, data.Y_validation, " of the validation rows")
    if recipe.batch_size > data.X.shape[0]:
        raise UsageError(
            f"a batch of {recipe.batch_size} rows is larger than the {data.X.shape[0]} training rows: "
            f"choose at most {data.X.shape[0]}"
        )
    if not spec.differentiable:
        raise UsageError(f"activation '{spec.activation}' passes no gradient and cannot be trained")


def train(
    spec: NetworkSpec,
    theta: np.ndarray,
    data: Batches,
    recipe: Recipe,
    key: int,
    *,
    first_epoch: int = 0,
    velocity: np.ndarray | None = None,
) -> Run:
    """Train from the parameters `theta`, which are not changed.

    Two calls, of which the second goes on from the first one's parameters and velocities with ``first_epoch`` set,
    give the same bits as one.

    Parameters
    ----------
    spec : NetworkSpec
    theta : vector (spec.n_parameters,)
    data : Batches
    recipe : Recipe
    key : int
        64-bit key of the shuffles.
    first_epoch : int
        Number of the first epoch, which its shuffle depends on.
    velocity : vector, optional
        Velocities to go on from; zeros by default.

    Returns
    -------
    Run

    Raises
    ------
    UsageError
        If widths, velocity and data do not fit, a batch is larger than the data, or the activation passes no gradient.
    """
    _check(spec, theta, data, recipe)
    if velocity is not None:
        check_dtype("velocity", velocity, spec.numpy_dtype)
        check_shape("velocity", velocity, theta.shape)
    real, net = spec.numpy_dtype, spec.architecture()
    theta = theta.copy()
    velocity = np.zeros_like(theta) if velocity is None else velocity.copy()
    history = np.empty((recipe.epochs, 3))
    steps = -(-data.X.shape[0] // recipe.batch_size)
    a_call = max(1, int(CALL_OPERATIONS / (3 * spec.n_parameters * data.X.shape[0])))
    with np.errstate(over="ignore"):  # a rate beyond the precision is infinite, and the run diverges
        rates = real(recipe.learning_rate), real(recipe.momentum)
    for start in range(0, recipe.epochs, a_call):
        stopped = kernels.train_epochs(
            *(net, theta, velocity, data.X, data.Y, data.X_validation, data.Y_validation, recipe.batch_size, *rates),
            *(np.uint64(key), first_epoch + start, history[start : start + a_call]),
        )
        if stopped >= 0:
            step = (first_epoch + start) * steps + stopped
            return Run(theta, velocity, history[: start + stopped // steps], "diverged", step)
    if recipe.epochs and not math.isfinite(history[-1, kernels.VALIDATION_LOSS]):  # the last step was the one too far
        return Run(theta, velocity, history, "diverged", (first_epoch + recipe.epochs) * steps)
    return Run(theta, velocity, history, "done", -1)


def evaluate(spec: NetworkSpec, theta: np.ndarray, X: np.ndarray, Y: np.ndarray) -> tuple[float, float]:
    """Return (mean loss, metric) over rows; the metric is the accuracy or, for squared error, R^2.

    Raises
    ------
    UsageError
        If an array's precision or shape does not fit the network, or a class number does not exist.
    """
    spec.check(theta, X, Y)
    return kernels.evaluate(spec.architecture(), theta, X, Y, min(256, X.shape[0]))
