"""The curves that schedules are made of: float64 vectors with the same bits on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnsim.kernels.cpu_only.schedules import half_cosines, powers


def between(low: Any, high: Any, x: np.ndarray) -> np.ndarray:
    """Return the line from `low` at x = 0 to `high` at x = 1, exact at both ends.

    Parameters
    ----------
    low, high : float, or float64 arrays, the shape of `x`
    x : float64 array

    Returns
    -------
    float64 array, the shape of `x`
    """
    return (1 - x) * low + x * high


def remaining(count: int, length: int) -> np.ndarray:
    """Return the share of `length` that is still to come at 0, 1, ..., count - 1."""
    return (length - np.arange(count).clip(max=length)) / length


def half_cosine(x: np.ndarray) -> np.ndarray:
    """Return (1 - cos(pi x)) / 2, which rises from 0 at x = 0 to 1 at x = 1."""
    out = np.empty_like(x)
    half_cosines(x, out)
    return out


def power(x: np.ndarray, exponent: float) -> np.ndarray:
    """Return x^exponent: the whole part of the exponent by products, so that x^1 is x."""
    whole = int(exponent)
    out = np.ones_like(x)
    if exponent > whole:
        powers(x, float(exponent - whole), out)
    for _ in range(whole):
        out *= x
    return out


def products(start: float, factor: float, count: int) -> np.ndarray:
    """Return `count` numbers start, start factor, start factor factor, ... by repeated multiplication.

    Parameters
    ----------
    start, factor : float
    count : int
        At least 0.

    Returns
    -------
    float64 array (count,)
    """
    out = np.full(count, float(factor))
    out[:1] = start
    return np.multiply.accumulate(out)
