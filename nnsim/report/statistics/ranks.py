"""Intervals that use only ranks and counts: exact for every distribution."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, binom

from nnsim.core.errors import UsageError
from nnsim.report.statistics.interval import Interval, nothing, pairs, tail_of, vector


def proportion_interval(successes: int, n: int, confidence: float) -> Interval:
    """Return Clopper and Pearson's exact interval for the probability behind `successes` in `n` independent trials.

    Covers with at least the stated probability for every n and every true probability, usually with more.

    Parameters
    ----------
    successes, n : int
        0 <= successes <= n.
    confidence : float
        Level, strictly between 0 and 1.

    Returns
    -------
    Interval
        NaN if `n` is 0.

    Raises
    ------
    UsageError
        If the counts contradict each other or the confidence is out of range.

    References
    ----------
    Clopper & Pearson 1934, The use of confidence or fiducial limits illustrated in the case of the binomial.
    """
    if not 0 <= successes <= n:
        raise UsageError(f"{successes} successes in {n} trials: from 0 to {max(n, 0)} are possible")
    tail = tail_of(confidence)
    method = "Clopper-Pearson interval of the proportion"
    if n == 0:
        return nothing(0, confidence, method)
    return Interval(
        _lowest_probability(successes, n, tail),
        successes / n,
        _highest_probability(successes, n, tail),
        confidence,
        method,
        n,
    )


def superiority_interval(first: ArrayLike, second: ArrayLike, confidence: float) -> Interval:
    """Return the interval for P(X > Y) + P(X = Y) / 2, where X and Y are two arms' values at the same seed.

    Larger is better: negate losses. What is not finite has diverged: it is worse than every number, and ties with
    another. The interval covers with at least the stated probability: its lower end is Clopper and Pearson's with ties
    as losses, its upper end with ties as wins.

    Parameters
    ----------
    first, second : array_like of float, shape (n,)
        One value a seed, in the same order.
    confidence : float
        Level, strictly between 0 and 1.

    Returns
    -------
    Interval
        Inside [0, 1]; 0.5 means that neither arm is better. NaN if empty.

    Raises
    ------
    UsageError
        If the arrays differ in shape, are not one-dimensional, or the confidence is out of range.
    """
    x, y = (np.where(np.isfinite(values), values, -math.inf) for values in pairs(first, second))
    tail = tail_of(confidence)
    method = "sign interval of the paired superiority"
    n, wins, ties = x.size, int(np.sum(x > y)), int(np.sum(x == y))
    if n == 0:
        return nothing(0, confidence, method)
    low, high = _lowest_probability(wins, n, tail), _highest_probability(wins + ties, n, tail)
    return Interval(low, (wins + ties / 2) / n, high, confidence, method, n)


def cliffs_delta_interval(first: ArrayLike, second: ArrayLike, confidence: float) -> Interval:
    """Return the interval for Cliff's delta within pairs, P(X > Y) - P(X < Y): 2 P - 1 of `superiority_interval`.

    Errors, ties and diverged runs are as there.

    Parameters
    ----------
    first, second, confidence
        As in `superiority_interval`.

    Returns
    -------
    Interval
        Inside [-1, 1]; 0 means that neither arm is better. NaN if empty.

    References
    ----------
    Cliff 1993, Dominance statistics: ordinal analyses to answer ordinal questions (d_w).
    """
    found = superiority_interval(first, second, confidence)
    low, estimate, high = (2.0 * end - 1.0 for end in (found.low, found.estimate, found.high))
    return replace(found, low=low, estimate=estimate, high=high, method="sign interval of Cliff's paired delta")


def median_interval(values: ArrayLike, confidence: float) -> Interval:
    """Return the interval between two order statistics for the median of independent values of any distribution.

    From the r-th smallest to the r-th largest value, with the largest r whose exact coverage
    1 - 2 P(Binomial(n, 1/2) < r) reaches the confidence (David & Nagaraja 2003, Order Statistics, section 7.1). The
    coverage is exact for a continuous distribution and at least that for any other.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        One value a seed. Infinities are ranks like any other: a diverged loss may be given as inf.
    confidence : float
        Level, strictly between 0 and 1.

    Returns
    -------
    Interval
        Where even the whole range covers too rarely, the range with ``sufficient`` False. NaN if empty or if a value
        is NaN.

    Raises
    ------
    UsageError
        If `values` is not one-dimensional or the confidence is out of range.
    """
    x, tail, target = np.sort(vector(values)), tail_of(confidence), "of the median"
    if x.size == 0 or np.isnan(x).any():
        return nothing(x.size, confidence, f"order statistics {target}")
    rank = _lower_rank(x.size, tail)
    if rank == 0:
        method = f"range, too few values for order statistics {target}"
        return Interval(float(x[0]), _median(x), float(x[-1]), confidence, method, x.size, sufficient=False)
    method = f"order statistics {rank} and {x.size + 1 - rank} {target}"
    return Interval(float(x[rank - 1]), _median(x), float(x[-rank]), confidence, method, x.size)


def _lowest_probability(successes: int, n: int, tail: float) -> float:
    """Return the p at which `successes` or more have probability `tail`."""
    return 0.0 if successes == 0 else float(beta.ppf(tail, successes, n - successes + 1))


def _highest_probability(successes: int, n: int, tail: float) -> float:
    """Return the p at which `successes` or fewer have probability `tail`."""
    return 1.0 if successes == n else float(beta.ppf(1.0 - tail, successes + 1, n - successes))


def _lower_rank(n: int, tail: float) -> int:
    """Return the largest r with P(Binomial(n, 1/2) < r) <= tail; 0 if there is none."""
    return int(np.sum(binom.cdf(np.arange(n // 2 + n % 2), n, 0.5) <= tail))


def _median(ordered: NDArray[np.float64]) -> float:
    """Return the middle of sorted values; two infinities of opposite sign in the middle have none."""
    low, high = float(ordered[(ordered.size - 1) // 2]), float(ordered[ordered.size // 2])
    return low if low == high else low + (high - low) / 2.0
