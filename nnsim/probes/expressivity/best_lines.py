"""How many straight lines a convex function needs, found by laying them end to end."""

from __future__ import annotations

from collections.abc import Callable

GOLDEN = 0.6180339887498949
STEPS = 80


def line_error(f: Callable[[float], float], left: float, right: float) -> float:
    """Return the least largest error of a straight line for a convex f on [left, right].

    The best line runs midway between the chord and the parallel tangent, so that the error is half the largest gap
    below the chord (Chebyshev's equioscillation at both ends and once between).

    Parameters
    ----------
    f : callable
        Maps a float to a float; convex on the interval.
    left, right : float
        Ends of the interval, left below right.
    """
    slope = (f(right) - f(left)) / (right - left)

    def gap(x: float) -> float:
        return f(left) + slope * (x - left) - f(x)

    low, high = left, right
    for _ in range(STEPS):
        first, second = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        low, high = (low, second) if gap(first) > gap(second) else (first, high)
    return gap((low + high) / 2) / 2


def lines_needed(f: Callable[[float], float], error: float, left: float = 0.0, right: float = 1.0) -> int:
    """Return the fewest straight lines whose error for a convex f on [left, right] is at most `error`.

    Each line goes as far as it can, which is best: a line that stops earlier never lets the rest do with fewer.
    The lines need not meet, so no continuous function of as many pieces does better.

    Parameters
    ----------
    f, left, right
        As for `line_error`.
    error : float
        Positive.
    """
    count, start = 0, left
    while start < right:
        start = _farthest(f, error, start, right)
        count += 1
    return count


def _farthest(f: Callable[[float], float], error: float, start: float, end: float) -> float:
    if line_error(f, start, end) <= error:
        return end
    reached, missed = start, end
    for _ in range(STEPS):
        middle = (reached + missed) / 2
        if middle in {reached, missed}:
            break
        reached, missed = (middle, missed) if line_error(f, start, middle) <= error else (reached, middle)
    return reached
