"""What every interval is, and the checks on its values that all of them share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnsim.core.errors import UsageError

FEWEST = 6
"""Values below which no interval of a mean is sufficient.

Five pairs that all point one way have probability 2 / 2^5 = 0.0625 under no difference, so that no exact sign-flip or
rank test of theirs reaches 0.05. Any narrower interval would rest on a normality that five values cannot show.
"""


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
        Which interval it is, in words that end in what is estimated.
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


def nothing(n: int, confidence: float, method: str) -> Interval:
    """Return the interval of values that allow none: its ends and its estimate are NaN.

    Parameters
    ----------
    n : int
        Number of values.
    confidence, method : float, str
        As in `Interval`.
    """
    return Interval(math.nan, math.nan, math.nan, confidence, method, n)


def whole_line(value: float, confidence: float, method: str) -> Interval:
    """Return the interval around a single value, which says nothing of its spread: from -inf to inf, not sufficient.

    Parameters
    ----------
    value : float
    confidence, method : float, str
        As in `Interval`.
    """
    return Interval(-math.inf, value, math.inf, confidence, method, 1, sufficient=False)


def tail_of(confidence: float) -> float:
    """Return the probability that each end may miss.

    Raises
    ------
    UsageError
        If the confidence does not lie strictly between 0 and 1.
    """
    if not 0.0 < confidence < 1.0:
        raise UsageError(f"confidence is {confidence}: a number between 0 and 1 is needed, such as 0.95")
    return (1.0 - confidence) / 2.0


def vector(values: ArrayLike) -> NDArray[np.float64]:
    """Return `values` as a float64 array of one dimension.

    Raises
    ------
    UsageError
        If they have another number of dimensions.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1:
        raise UsageError(f"values have {x.ndim} dimensions: 1 is needed, one value a seed")
    return x


def pairs(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two float64 vectors of equal length.

    Raises
    ------
    UsageError
        If they differ in length or are not one-dimensional.
    """
    x, y = vector(first), vector(second)
    if x.size != y.size:
        raise UsageError(f"paired arrays hold {x.size} and {y.size} values: the same number is needed")
    return x, y


def usable(x: NDArray[np.float64]) -> bool:
    """Return whether there are values, all of them finite."""
    return x.size > 0 and bool(np.isfinite(x).all())
