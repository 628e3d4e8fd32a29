"""Is a network of one input a constant function? Decided exactly, by following its linear pieces, not by sampling.

A network of piecewise linear activations is linear between finitely many points of the line. Each layer adds those at
which one of its units crosses a kink. A layer is constant where its values agree at all points.
"""

from __future__ import annotations

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.networks.activations import evaluate
from nnsim.networks.spec import NetworkSpec

PIECEWISE_LINEAR = ("identity", "relu", "leaky_relu", "hard_tanh")


def is_constant(spec: NetworkSpec, theta: np.ndarray, low: float = -1.0, high: float = 1.0) -> bool:
    """Tell whether the last hidden layer, and with it the network, gives one answer to all of [low, high].

    Parameters
    ----------
    spec : NetworkSpec
        Of one input, with a piecewise linear activation, without normalisation and skip connections.
    theta : vector
    low, high : float
        Ends of the interval. Without biases a ReLU network is constant on the whole line if it is on [-1, 1].

    Returns
    -------
    bool
        Units that cancel each other in the output layer do not count: random weights do so with probability 0.

    Raises
    ------
    UsageError
        If the network is of another form.
    """
    _check(spec)
    H = np.array([[low], [high]])
    for W, b in spec.layers(theta.astype(np.float64))[:-1]:
        H = _next_layer(spec, H, W, b)
        if _constant(H):
            return True
    return False


def _check(spec: NetworkSpec) -> None:
    if spec.widths[0] != 1:
        raise UsageError(f"linear pieces are followed along a line: the network needs 1 input, it has {spec.widths[0]}")
    if spec.activation not in PIECEWISE_LINEAR:
        allowed = ", ".join(PIECEWISE_LINEAR)
        raise UsageError(f"activation '{spec.activation}' is not piecewise linear: choose from {allowed}")
    if spec.normalization != "none" or spec.residual:
        raise UsageError("linear pieces are followed through plain layers, without normalisation and skip connections")


def _next_layer(spec: NetworkSpec, H: np.ndarray, W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the layer's activations (points, units) at all ends of its linear pieces, from those of the layer before.

    Sums run over the units in their order, so that equal rows give equal rows.
    """
    Z = np.zeros((H.shape[0], W.shape[1])) + b
    for values, weights in zip(H.T, W, strict=True):
        Z = Z + values[:, None] * weights
    for kink in ACTIVATIONS[spec.activation].kinks:
        Z = _with_crossings(Z, kink)
    return evaluate(spec.activation, Z, spec.parameter)[0]


def _with_crossings(Z: np.ndarray, kink: float) -> np.ndarray:
    """Return the points with one more wherever a unit crosses the kink between two of them; there it is on the kink."""
    left, right = Z[:-1] - kink, Z[1:] - kink
    piece, unit = np.nonzero((left < 0) & (right > 0) | (left > 0) & (right < 0))
    share = left[piece, unit] / (left[piece, unit] - right[piece, unit])
    new = Z[piece] + share[:, None] * (Z[piece + 1] - Z[piece])
    new[np.arange(unit.size), unit] = kink
    order = np.argsort(np.concatenate([np.arange(len(Z), dtype=float), piece + share]), kind="stable")
    return np.concatenate([Z, new])[order]


def _constant(H: np.ndarray) -> bool:
    return bool((H[0] == H).all())
