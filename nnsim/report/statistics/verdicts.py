"""The rules that turn an interval into a verdict.

They see the whole interval, so that more noise can only turn ``holds`` or ``fails`` into ``inconclusive``, never the
reverse. An end that is as far from a bound as rounding errors are is equal to it: no verdict hangs on a last bit.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from nnsim.core.errors import UsageError
from nnsim.report.statistics.interval import Interval, usable

Verdict = Literal["holds", "fails", "inconclusive", "untested"]

TIE = 1e-12
"""Distance at which two numbers are equal, relative to the larger one."""


def equivalence(interval: Interval, prediction: float, margin: float) -> Verdict:
    """Return whether the truth lies within `margin` of `prediction`.

    Parameters
    ----------
    interval : Interval
        Of what was measured.
    prediction : float
    margin : float
        Finite and at least 0, in the unit of the prediction.

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
    if verdict in {"holds", "inconclusive"} and interval.sufficient and not _exceeds(interval.low, bound):
        return "inconclusive" if _exceeds(interval.high, bound) else "fails"
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
    if not (usable(x) and usable(y)):
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
    band = most - least
    if _exceeds(least, interval.high, band) or _exceeds(interval.low, most, band):
        return "fails"
    inside = not (_exceeds(least, interval.low, band) or _exceeds(interval.high, most, band))
    return "holds" if inside else "inconclusive"


def _exceeds(number: float, bound: float, band: float = math.inf) -> bool:
    """Return whether a number is greater than `bound` by more than the rounding of either, tiny beside the `band`."""
    larger = max(abs(number), abs(bound))
    return number > bound and (math.isinf(larger) or number - bound > TIE * min(larger, band))
