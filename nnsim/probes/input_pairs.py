"""Two inputs that go through one network: how long each is, and how far apart they are, layer by layer."""

from __future__ import annotations

import math

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.networks.activations import evaluate
from nnsim.networks.spec import NetworkSpec


def pair_inputs(correlation: float, square: float = 1.0, other_square: float = 1.0) -> np.ndarray:
    """Return two inputs of two features with given mean squares and the given correlation.

    Two features are enough: what Gaussian weights make of inputs depends on their scalar products alone.

    Parameters
    ----------
    correlation : float
        Cosine of the angle between the inputs, from -1 to 1.
    square, other_square : float
        Mean square of the first input and of the second, positive.

    Returns
    -------
    float64 array (2, 2)

    Raises
    ------
    UsageError
        If the correlation is not between -1 and 1, or a mean square is not positive.
    """
    if not -1.0 <= correlation <= 1.0:
        raise UsageError(f"correlation is {correlation}: a number from -1 to 1 is needed")
    if not (square > 0.0 and other_square > 0.0):
        raise UsageError(f"mean squares are {square} and {other_square}: positive numbers are needed")
    first = math.sqrt(2.0 * square) * np.array([1.0, 0.0])
    apart = math.sqrt((1.0 - correlation) * (1.0 + correlation))
    return np.stack([first, math.sqrt(2.0 * other_square) * np.array([correlation, apart])])


def pair_moments(spec: NetworkSpec, theta: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Return mean a_1^2, mean a_2^2 and mean (a_1 - a_2)^2 of two inputs over the units of each hidden layer.

    The matrix products are NumPy's, so the last digits depend on the machine.

    Parameters
    ----------
    spec : NetworkSpec
    theta : vector
    X : array (2, inputs)

    Returns
    -------
    float64 array (spec.depth, 3)
    """
    moments = np.empty((spec.depth, 3))
    A = X
    for layer, (W, b) in enumerate(spec.layers(theta)[:-1]):
        A = evaluate(spec.activation, A @ W + b, spec.parameter)[0]
        moments[layer] = np.mean(A[0] ** 2), np.mean(A[1] ** 2), np.mean((A[0] - A[1]) ** 2)
    return moments


def correlations(moments: np.ndarray) -> np.ndarray:
    """Return 1 - correlation for rows of `pair_moments`; of the difference, so that no digits cancel near 0."""
    first, second, apart = np.moveaxis(np.asarray(moments, dtype=np.float64), -1, 0)
    lengths = np.sqrt(first) - np.sqrt(second)
    return (apart - lengths**2) / (2.0 * np.sqrt(first * second))
