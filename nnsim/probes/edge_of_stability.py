"""Gradient descent at the edge: the rate at which it diverges, and the sharpness along its way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.sharpness import sharpness
from nnsim.training.recipe import Recipe
from nnsim.training.schedule_curves import half_cosine
from nnsim.training.trainer import Batches, Run, train

LARGEST_RATE = 2.0**60
GROWTH = 1 + 1e-6
"""Of a loss from half-way to the end: rounding makes one that has reached its floor rise by far less."""


@dataclass(frozen=True)
class Look:
    """What one sees at a step: how many were done, the mean loss of the last one, and the sharpness after it."""

    step: int
    loss: float
    sharpness: float


def chebyshev_task(points: int, degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the Chebyshev points cos((2 k + 1) pi / 2 n) of [-1, 1] and a Chebyshev polynomial there, float64 (n, 1).

    The toy regression of Cohen et al. 2021. The polynomial at cos(a) is cos(degree a), so both are cosines.
    """
    angles = (2 * np.arange(points) + 1) / (2 * points)  # in units of pi, below 1
    phases = angles * degree % 2.0
    return (1 - 2 * half_cosine(angles))[:, None], (1 - 2 * half_cosine(phases))[:, None]


def full_batch(X: np.ndarray, Y: np.ndarray) -> Batches:
    """Return all rows as training rows, with none to validate on."""
    return Batches(X, Y, X[:0], Y[:0])


def follow_sharpness(
    spec: NetworkSpec, theta: np.ndarray, data: Batches, recipe: Recipe, key: int, looks: Sequence[int]
) -> tuple[Run, list[Look]]:
    """Train by full-batch descent and measure the sharpness of the training loss along the way.

    Parameters
    ----------
    spec : NetworkSpec
        In float64.
    theta : float64 vector
    data : Batches
    recipe : Recipe
        Whose batch is all training rows, so that an epoch is a step.
    key : int
    looks : sequence of int
        Steps after which to look, rising.

    Returns
    -------
    run : Run
    looks : list of Look
        Up to the last one before the run diverged.
    """
    if recipe.batch_size != len(data.X):
        raise UsageError(
            f"a step must be an epoch: the batch must hold all {len(data.X)} rows, got {recipe.batch_size}"
        )
    start: np.ndarray | Run = theta
    direction = np.ones_like(theta)  # the next look starts from the last one's eigenvector
    found: list[Look] = []
    for steps in looks:
        start = run = train(spec, start, data, recipe, key, until=steps)
        if run.status == "diverged":
            break
        top = sharpness(spec, run.theta, data.X, data.Y, direction)
        direction = top.direction
        found.append(Look(steps, float(run.history[-1, 0]) if steps else math.nan, top.value))
    return run, found


def divergence_rate(
    spec: NetworkSpec, theta: np.ndarray, data: Batches, recipe: Recipe, key: int, precision: float = 2.0**-12
) -> float:
    """Return the learning rate above which full-batch descent diverges, by bisection between two rates that differ.

    A run diverges if its loss stops being finite, or has grown from half-way to the end: on a quadratic, descent below
    the critical rate lowers the loss in every step, and descent above it raises it sooner or later.

    Parameters
    ----------
    spec : NetworkSpec
    theta : vector
    data : Batches
    recipe : Recipe
        Its learning rate is not used; its epochs are the steps of a run.
    key : int
    precision : float
        Largest distance of the two rates, relative.

    Raises
    ------
    UsageError
        If no rate up to `LARGEST_RATE` diverges.
    """

    def diverges(rate: float) -> bool:
        run = train(spec, theta, data, replace(recipe, learning_rate=rate), key)
        losses = run.history[:, 0]
        return run.status == "diverged" or not losses[-1] <= GROWTH * losses[recipe.epochs // 2]

    low, high = 2.0**-20, 2.0**-19
    while not diverges(high):
        low, high = high, 2 * high
        if high > LARGEST_RATE:
            raise UsageError(f"descent diverges at no rate up to {LARGEST_RATE:g}")
    while high - low > precision * low:
        middle = (low + high) / 2
        low, high = (low, middle) if diverges(middle) else (middle, high)
    return (low + high) / 2
