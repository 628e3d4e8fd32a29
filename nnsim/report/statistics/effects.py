"""Effects: how far two arms lie apart at equal seeds, and how a quantity grows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnsim.core.errors import UsageError
from nnsim.report.statistics.interval import Interval, pairs, vector
from nnsim.report.statistics.means import adjusted_interval


def paired_difference_interval(first: ArrayLike, second: ArrayLike, confidence: float) -> Interval:
    """Return the interval for the mean of ``first - second``, where equal positions share a seed.

    Assumes independent differences; the two arrays may depend on each other.

    Parameters
    ----------
    first, second : array_like of float, shape (n,)
        One value a seed, in the same order.
    confidence : float
        Level, strictly between 0 and 1.

    Returns
    -------
    Interval
        As `mean_interval` of the differences.

    Raises
    ------
    UsageError
        If the arrays differ in shape, are not one-dimensional, or the confidence is out of range.
    """
    x, y = pairs(first, second)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, which is what makes the interval untested
        return adjusted_interval(x - y, confidence, "paired difference")


def log_log_slopes(x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """Return the least-squares slope of ln y against ln x for each seed: the exponent of a power law.

    Slopes of independent seeds are independent values, so `mean_interval` gives the exponent's interval however the
    points of one seed depend on each other.

    Parameters
    ----------
    x : array_like of float, shape (k,)
        At least two different positive values.
    y : array_like of float, shape (n, k)
        One row a seed.

    Returns
    -------
    float array, shape (n,)
        NaN for a seed of which a value is not positive and finite.

    Raises
    ------
    UsageError
        If the shapes do not fit, or `x` does not hold two different positive values.
    """
    at, rows = vector(x), np.asarray(y, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != at.size:
        raise UsageError(f"y has the shape {rows.shape}: (seeds, {at.size}) is needed, one column for each x")
    if not (np.isfinite(at).all() and (at > 0.0).all() and np.unique(at).size > 1):
        raise UsageError("x must hold at least two different positive numbers")
    logs = np.log(at)
    centred = logs - np.mean(logs)
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = np.sum(centred * np.log(rows), axis=1) / np.sum(centred**2)
    return np.where(np.isfinite(slopes), slopes, np.nan)
