"""Confidence intervals, and the rules that turn an interval into a verdict; every study judges its claims by these.

The unit of replication is an independent seed: one value of an array is one seed's. No value is ever dropped: an array
that holds a value an interval cannot use gives an interval of NaN, and its verdict is ``untested``.

The rules see the whole interval, so that more noise can only turn ``holds`` or ``fails`` into ``inconclusive``, never
the reverse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, binom, t

from nnsim.errors import UsageError

MANY = 100
"""Values from which on an asymptotic interval counts as one."""

Verdict = Literal["holds", "fails", "inconclusive", "untested"]


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval, in the unit of the estimate.

    Attributes
    ----------
    low, estimate, high : float
        Ends of the interval and the estimate; NaN where the values do not allow one.
    confidence : float
        The level asked for. The procedure covers the truth with at least this probability if its assumptions hold.
    method : str
        Which interval it is, in words.
    n : int
        Number of independent values behind it.
    sufficient : bool
        False where `n` is too small for any interval of this kind at this level: every verdict is inconclusive.
    """

    low: float
    estimate: float
    high: float
    confidence: float
    method: str
    n: int
    sufficient: bool = True


def mean_interval(values: ArrayLike, confidence: float) -> Interval:
    """Return Student's t interval for the mean of independent, roughly normal values.

    A single value has an infinite interval. Equal values have one of width 0.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        One value a seed.
    confidence : float
        Level, strictly between 0 and 1.

    Returns
    -------
    Interval
        Mean, and mean +- t s / sqrt(n) with n - 1 degrees of freedom. NaN if empty or if a value is not finite.

    Raises
    ------
    UsageError
        If `values` is not one-dimensional or the confidence is out of range.
    """
    return _t_interval(values, confidence, "t interval of the mean")


def paired_difference_interval(first: ArrayLike, second: ArrayLike, confidence: float) -> Interval:
    """Return the t interval for the mean of ``first - second``, where equal positions share a seed.

    Assumes independent, roughly normal differences; the two arrays may depend on each other.

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
    x, y = _pairs(first, second)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, which is what makes the interval untested
        return _t_interval(x - y, confidence, "t interval of the paired difference")


def geometric_mean_interval(values: ArrayLike, confidence: float) -> Interval:
    """Return the interval for the geometric mean of independent, roughly log-normal values.

    The exponential of the t interval for the mean logarithm, which for log-normal values is that of their median too.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        One positive value a seed.
    confidence : float
        Level, strictly between 0 and 1.

    Returns
    -------
    Interval
        NaN if empty, or if a value is not positive and finite.

    Raises
    ------
    UsageError
        If `values` is not one-dimensional or the confidence is out of range.
    """
    x = _vector(values)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # zero and less are untested
        logs = _t_interval(np.log(x), confidence, "t interval of the geometric mean")
        low, estimate, high = (float(end) for end in np.exp([logs.low, logs.estimate, logs.high]))
    return Interval(low, estimate, high, confidence, logs.method, logs.n, logs.sufficient)


def variance_interval(values: ArrayLike, confidence: float) -> Interval:
    """Return the interval for the variance of many independent values of any distribution with a fourth moment.

    The t interval for the mean of the squared deviations. Unlike the chi-square interval it does not take the values
    for normal; it is asymptotic, so fewer than 100 values are not sufficient.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        One value a seed.
    confidence : float
        Level, strictly between 0 and 1.

    Returns
    -------
    Interval
        Around the unbiased s^2. NaN if empty or if a value is not finite.

    Raises
    ------
    UsageError
        If `values` is not one-dimensional or the confidence is out of range.
    """
    x, method = _vector(values), "t interval of the squared deviations"
    if not _usable(x):
        return _nothing(x.size, confidence, method)
    if x.size == 1:
        return Interval(0.0, math.nan, math.inf, confidence, method, 1, sufficient=False)
    squares = (x - np.mean(x)) ** 2 * (x.size / (x.size - 1.0))
    return replace(_t_interval(squares, confidence, method), sufficient=x.size >= MANY)


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
    tail = _tail(confidence)
    method = "Clopper-Pearson interval of the proportion"
    if n == 0:
        return _nothing(0, confidence, method)
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
    x, y = (np.where(np.isfinite(values), values, -math.inf) for values in _pairs(first, second))
    tail = _tail(confidence)
    method = "sign interval of the paired superiority"
    n, wins, ties = x.size, int(np.sum(x > y)), int(np.sum(x == y))
    if n == 0:
        return _nothing(0, confidence, method)
    low, high = _lowest_probability(wins, n, tail), _highest_probability(wins + ties, n, tail)
    return Interval(low, (wins + ties / 2) / n, high, confidence, method, n)


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
    x, tail = np.sort(_vector(values)), _tail(confidence)
    if x.size == 0 or np.isnan(x).any():
        return _nothing(x.size, confidence, "order statistics of the median")
    rank = _lower_rank(x.size, tail)
    sufficient = rank >= 1
    low, high = (x[rank - 1], x[-rank]) if sufficient else (x[0], x[-1])
    method = f"order statistics {rank} and {x.size + 1 - rank} of the median" if sufficient else "range, too few values"
    return Interval(float(low), _median(x), float(high), confidence, method, x.size, sufficient)


def simultaneous_confidence(confidence: float, n_claims: int) -> float:
    """Return the level of each of `n_claims` intervals that makes all cover at once with probability `confidence`.

    Bonferroni: 1 - (1 - confidence) / n_claims, whatever the dependence between the claims.

    Raises
    ------
    UsageError
        If the confidence is out of range or there is no claim.
    """
    if n_claims < 1:
        raise UsageError(f"{n_claims} claims: at least 1 is needed")
    return 1.0 - 2.0 * _tail(confidence) / n_claims


def equivalence(interval: Interval, prediction: float, margin: float) -> Verdict:
    """Return whether the truth lies within `margin` of `prediction`.

    Returns
    -------
    str
        ``holds`` only if the whole interval lies inside [prediction - margin, prediction + margin], ``fails`` if it
        lies wholly outside, else ``inconclusive``; ``untested`` without values or without a finite prediction.

    Raises
    ------
    UsageError
        If the margin is negative or not finite.
    """
    if not 0.0 <= margin < math.inf:
        raise UsageError(f"margin is {margin}: a finite number that is at least 0 is needed")
    if not math.isfinite(prediction):
        return "untested"
    return _judge(interval, prediction - margin, prediction + margin)


def at_most(interval: Interval, bound: float) -> Verdict:
    """Return whether the truth is at most `bound`.

    ``holds`` if the whole interval is, ``fails`` if it lies wholly above, else ``inconclusive``; ``untested`` without
    values or if the bound is NaN.
    """
    return _judge(interval, -math.inf, bound)


def at_least(interval: Interval, bound: float) -> Verdict:
    """Return whether the truth is at least `bound`.

    ``holds`` if the whole interval is, ``fails`` if it lies wholly below, else ``inconclusive``; ``untested`` without
    values or if the bound is NaN.
    """
    return _judge(interval, bound, math.inf)


def above(interval: Interval, bound: float) -> Verdict:
    """Return whether the truth is greater than `bound`: a tie is not above.

    ``holds`` if the whole interval is, ``fails`` if none of it is, else ``inconclusive``; ``untested`` as `at_least`.
    """
    verdict = at_least(interval, bound)
    if verdict in {"holds", "inconclusive"} and interval.sufficient and interval.low <= bound:
        return "fails" if interval.high <= bound else "inconclusive"
    return verdict


def exact_check(values: ArrayLike, expected: ArrayLike) -> Verdict:
    """Return ``holds`` if every value equals what is expected, bit for bit (but 0 equals -0), else ``fails``.

    For identities, which have no sampling error: they test the program.

    Parameters
    ----------
    values : array_like of float
        What was computed, of any shape.
    expected : array_like of float
        One value, or an array of the same shape.

    Returns
    -------
    str
        ``untested`` if there is no value or one is not finite.

    Raises
    ------
    UsageError
        If the shapes do not fit each other.
    """
    x, y = np.asarray(values, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if y.ndim and x.shape != y.shape:
        raise UsageError(f"values of shape {x.shape} are compared with {y.shape}: the same shape is needed")
    if not (_usable(x) and _usable(y)):
        return "untested"
    return "holds" if bool(np.all(x == y)) else "fails"


def _judge(interval: Interval, least: float, most: float) -> Verdict:
    """Return whether the truth lies within [least, most]."""
    if interval.n == 0 or math.isnan(least) or math.isnan(most):
        return "untested"
    if not interval.sufficient:
        return "inconclusive"
    if not math.isfinite(interval.estimate):
        return "untested"
    if least <= interval.low and interval.high <= most:
        return "holds"
    return "fails" if interval.high < least or most < interval.low else "inconclusive"


def _t_interval(values: ArrayLike, confidence: float, method: str) -> Interval:
    x, tail = _vector(values), _tail(confidence)
    if not _usable(x):
        return _nothing(x.size, confidence, method)
    if x.size == 1:
        return Interval(-math.inf, float(x[0]), math.inf, confidence, method, 1, sufficient=False)
    with np.errstate(over="ignore", invalid="ignore"):  # squares of nearly diverged values: the interval is infinite
        mean, spread = float(np.mean(x)), float(np.std(x, ddof=1))
    half = float(t.ppf(1.0 - tail, x.size - 1)) * spread / math.sqrt(x.size)
    return Interval(mean - half, mean, mean + half, confidence, method, x.size)


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


def _tail(confidence: float) -> float:
    """Return the probability that each end may miss."""
    if not 0.0 < confidence < 1.0:
        raise UsageError(f"confidence is {confidence}: a number between 0 and 1 is needed, such as 0.95")
    return (1.0 - confidence) / 2.0


def _vector(values: ArrayLike) -> NDArray[np.float64]:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1:
        raise UsageError(f"values have {x.ndim} dimensions: 1 is needed, one value a seed")
    return x


def _pairs(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = _vector(first), _vector(second)
    if x.size != y.size:
        raise UsageError(f"paired arrays hold {x.size} and {y.size} values: the same number is needed")
    return x, y


def _usable(x: NDArray[np.float64]) -> bool:
    return x.size > 0 and bool(np.isfinite(x).all())


def _nothing(n: int, confidence: float, method: str) -> Interval:
    return Interval(math.nan, math.nan, math.nan, confidence, method, n)
