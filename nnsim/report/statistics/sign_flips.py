"""The interval of a mean by sign flips. Equal values always give equal intervals."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnsim.report.statistics.interval import Interval, nothing, tail_of, usable, vector

DRAWS = 9999
"""Resamples; the smallest tail that they tell apart from 0 is 1 / 10000."""

ENUMERATED = 16
"""Values up to which all sign flips are tried."""

KEY = 20_240_531  # of the draws: fixed, so that a report is the same each time


def sign_flip_interval(values: ArrayLike, confidence: float) -> Interval:
    """Return the interval of all centres that the sign-flip test does not reject.

    Exact for independent values that are symmetric around the centre, whatever their tails, as differences of two
    exchangeable arms are. It is found without a search: the test rejects exactly outside the k-th smallest and k-th
    largest mean of a subset of the values, k = (1 - confidence) / 2 * 2^n (Hartigan 1969, Using subsample values as
    typical values). Beyond 16 values, 9999 random subsets stand for all 2^n.

    At 95 % it covered the mean of normal values in 97 % of simulated samples of 6, 95 % of 10 and 95 % of 20, but of
    exponential ones in 93, 90 and 92 % (``coverage.csv``): it is for values that are symmetric, not for any mean.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        One value a seed, for example the difference of two arms.
    confidence : float
        Level, strictly between 0 and 1.

    Returns
    -------
    Interval
        Around the mean. Where even the whole range covers too rarely (5 values at 95 %, 10 at 99.9 %), the range with
        ``sufficient`` False. NaN if empty or if a value is not finite.

    Raises
    ------
    UsageError
        If `values` is not one-dimensional or the confidence is out of range.
    """
    x, tail, method = vector(values), tail_of(confidence), "sign-flip interval of the mean"
    if not usable(x):
        return nothing(x.size, confidence, method)
    means = np.sort(_subset_means(x))
    rank = math.floor(tail * (means.size + 1) * (1.0 + 1e-12))
    sufficient = rank >= 1
    low, high = (means[rank - 1], means[-rank]) if sufficient else (np.min(x), np.max(x))
    low, mean, high = (float(end) for end in np.clip([low, np.mean(x), high], np.min(x), np.max(x)))
    return Interval(low, mean, high, confidence, method, x.size, sufficient)


def _subset_means(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each non-empty subset, or of random ones where there are too many."""
    if x.size <= ENUMERATED:
        members = (np.arange(1, 2**x.size)[:, np.newaxis] >> np.arange(x.size)) & 1
        return _means_of(members, x)
    generator = _generator()
    return np.concatenate([_means_of(generator.integers(0, 2, block), x) for block in _blocks(x.size)])


def _means_of(members: NDArray[np.int64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the members of each row; a row without members has none and is left out."""
    sizes = np.sum(members, axis=1)
    return np.sum(members * x, axis=1)[sizes > 0] / sizes[sizes > 0]


def _blocks(n: int) -> list[tuple[int, int]]:
    """Return shapes (draws, n) that make up all draws: a few at a time, so that many values need little memory."""
    return [(DRAWS // 9, n)] * 9


def _generator() -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=KEY))
