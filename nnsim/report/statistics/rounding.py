"""Numbers of statistics and theory as tables hold them: no finer than the CPUs of all machines agree.

Logarithms, quantiles and products of NumPy, SciPy and the C library differ between CPUs in the last bit. What is
computed from them differs by some 1e-15, at worst 1e-11, of the largest number that took part: a difference of two
that are nearly equal has as small an error as they, not as it. So numbers that belong together, an estimate and the
ends of its interval, are cut at one decimal place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame

DIGITS = 6
"""Significant digits of the largest of the numbers that belong together."""

FINEST = 12
"""Digits that it has at most where a narrower margin asks for more."""


def rounded(numbers: Sequence[float], margin: float = math.nan) -> tuple[float, ...]:
    """Return numbers that belong together, cut at the place that leaves the largest of them `DIGITS` digits.

    Parameters
    ----------
    numbers : sequence of float
        In one unit. NaN and infinities stay as they are.
    margin : float
        What they are held against: its first three digits are seen in them, too, if `FINEST` digits reach so far.

    Returns
    -------
    tuple of float
        Never -0: whether a difference of zero has a sign hangs on its last bit.
    """
    largest = max((abs(float(number)) for number in (*numbers, margin) if math.isfinite(number)), default=0.0)
    place = DIGITS - 1 - _exponent(largest)
    if margin > 0.0:
        place = max(place, min(2 - _exponent(margin), FINEST - 1 - _exponent(largest)))
    return tuple(round(float(number), place) + 0.0 for number in numbers)


def rounded_rows(frame: DataFrame, groups: Iterable[Sequence[str]]) -> DataFrame:
    """Return `frame` with the numbers of each row rounded, those in the columns of one of `groups` together."""
    import pandas as pd  # half a second that listing the studies, which import this module, need not pay

    parts = []
    for columns in map(list, groups):
        rows = [rounded(numbers) for numbers in frame[columns].itertuples(index=False, name=None)]
        parts.append(pd.DataFrame(rows, frame.index, columns, "float64"))
    return frame.assign(**{str(name): column for part in parts for name, column in part.items()})


def _exponent(number: float) -> int:
    """Return the power of ten of a number's first digit, once it is rounded."""
    return int(f"{number:.{DIGITS - 1}e}".partition("e")[2])
