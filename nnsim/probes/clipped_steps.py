"""What clipping makes of a gradient: the step that training takes beside the gradient that asked for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.kernels.cpu.training import loss_and_gradient
from nnsim.networks.spec import NetworkSpec
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import Batches, train


@dataclass(frozen=True)
class Turn:
    """A gradient and the step taken for it, over all parameters of the network.

    Attributes
    ----------
    norm, step_norm : float
        Euclidean lengths of the gradient and of the step over the learning rate.
    largest, step_largest : float
        Sizes of their largest numbers.
    cosine : float
        Of the angle between them; 1 if the direction is kept.
    """

    norm: float
    step_norm: float
    largest: float
    step_largest: float
    cosine: float


def gradient_at(spec: NetworkSpec, theta: np.ndarray, data: Batches) -> np.ndarray:
    """Return the gradient of the mean loss over the training rows, a vector laid out like theta.

    Parameters
    ----------
    spec : NetworkSpec
        Its dropout, if it has any, takes the masks of the key 0.
    theta : vector (spec.n_parameters,) of the network's dtype
    data : Batches
        In the same precision; the validation rows do not matter.
    """
    found = np.empty_like(theta)
    loss_and_gradient(spec.architecture, theta, data.X, data.Y, found, np.uint64(0), 0)
    return found


def turn(spec: NetworkSpec, theta: np.ndarray, data: Batches, recipe: Recipe, key: int) -> Turn:
    """Take one full-batch step by plain descent under a recipe's clipping, and compare it with the gradient.

    Inner products are the linear algebra library's: round what comes of them.

    Parameters
    ----------
    spec : NetworkSpec
        In float64, so that the step can be read off the parameters.
    theta : float64 vector
    data : Batches
    recipe : Recipe
    key : int

    Raises
    ------
    UsageError
        If the network is in float32, or the recipe takes other steps than plain descent over all rows.
    """
    if spec.dtype != "float64" or recipe.optimizer != "sgd" or recipe.batch_size != len(data.X):
        raise UsageError("a step shows the clipped gradient only in float64, under sgd, with all rows in one batch")
    run = train(spec, theta, data, recipe, key, until=1)
    gradient, step = gradient_at(spec, theta, data), (theta - run.theta) / recipe.learning_rate
    norm, step_norm = float(np.linalg.norm(gradient)), float(np.linalg.norm(step))
    cosine = float(gradient @ step) / (norm * step_norm) if norm * step_norm > 0 else np.nan
    return Turn(norm, step_norm, float(np.abs(gradient).max()), float(np.abs(step).max()), cosine)
