"""What one looks at in a network, layer by layer, at initialisation or after training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache

import numpy as np

from nnsim.core.validation import check_shape
from nnsim.kernels.cpu import probes as kernels
from nnsim.networks.activations import evaluate
from nnsim.networks.spec import NetworkSpec

SATURATION = 0.05
"""A unit is saturated on an input where |f'| is below this share of the largest |f'|."""

COLUMNS = (
    "z_mean",
    "z_square",
    "a_mean",
    "a_square",
    "a_log",
    "delta_square",
    "delta_log",
    "saturated",
    "dead",
    "weight_squares",
    "weight_gradient_squares",
    "bias_gradient_squares",
)


@cache
def largest_slope(activation: str, parameter: float | None) -> float:
    """Return max |f'(z)| over a grid of |z| <= 8, step 1/64."""
    _, slope = evaluate(activation, np.arange(-512, 513) / 64.0, parameter)
    return float(np.max(np.abs(slope)))


@dataclass(frozen=True)
class Look:
    """What `probe` was asked for, in the network's precision; a signal without rows stands for the loss's gradient."""

    spec: NetworkSpec
    theta: np.ndarray
    X: np.ndarray
    Y: np.ndarray
    signal: np.ndarray

    @property
    def threshold(self) -> float:
        """|f'| below which a unit counts as saturated."""
        return SATURATION * largest_slope(self.spec.activation, self.spec.parameter)


def look_on_cpu(look: Look) -> np.ndarray:
    """Return the facts of every layer as an array (layers, `COLUMNS`)."""
    threshold = look.spec.numpy_dtype(look.threshold)
    return kernels.probe_layers(look.spec.architecture, look.theta, look.X, look.Y, look.signal, threshold)


_prober: ContextVar[Callable[[Look], np.ndarray]] = ContextVar("prober", default=look_on_cpu)


@contextmanager
def probed_by(prober: Callable[[Look], np.ndarray]) -> Iterator[None]:
    """Let `prober` do what `probe` is asked for within the block, in this thread."""
    token = _prober.set(prober)
    try:
        yield
    finally:
        _prober.reset(token)


def probe(
    spec: NetworkSpec, theta: np.ndarray, X: np.ndarray, Y: np.ndarray, signal: np.ndarray | None = None
) -> list[dict[str, float]]:
    """Return one dict of facts a layer, from the first hidden layer to the output.

    Parameters
    ----------
    spec : NetworkSpec
    theta : vector of the network's dtype
    X, Y : arrays (rows, inputs), (rows, 1 or outputs)
        The inputs on which the network is looked at, and their targets.
    signal : array (rows, outputs), optional
        Error signal sent back from the output; without it, the gradient of the mean loss.

    Returns
    -------
    list of dict with the keys `COLUMNS`
        Means over rows and units of z, z^2, a, a^2 and delta^2, and means over rows of the logarithm of a row's mean
        a^2 and delta^2; the share of (row, unit) pairs that are saturated; the
        share of units whose slope is zero on every row (dead on this batch); sums of squares of W, dL/dW and dL/db.
    """
    dtype = spec.numpy_dtype
    sent = np.empty((0, 0), dtype) if signal is None else np.ascontiguousarray(signal, dtype)
    X, Y = np.ascontiguousarray(X, dtype), np.ascontiguousarray(Y, dtype)
    spec.check(theta, X, Y if signal is None else None)
    if signal is not None:
        check_shape("signal", sent, (X.shape[0], spec.widths[-1]))
    facts = _prober.get()(Look(spec, theta, X, Y, sent))
    return [dict(zip(COLUMNS, map(float, row), strict=True)) for row in facts]
