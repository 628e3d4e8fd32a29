"""How well networks of a given size can approximate: exact errors for x^2, and rates for one hidden layer."""

from __future__ import annotations

import math


def square_error(tents: int) -> float:
    """Return 2^(-2m - 2), the largest error of x^2 on [0, 1] by m tents (Yarotsky 2017, proposition 2)."""
    return 2.0 ** (-2 * tents - 2)


def best_lines_error(lines: int) -> float:
    """Return 1 / (8 n^2), the least largest error of x^2 on [0, 1] by n straight lines.

    On an interval of length h the best line misses x^2 by h^2 / 8, so equal lengths are best.
    """
    return 1.0 / (8.0 * lines * lines)


def lines_for_error(error: float) -> int:
    """Return the fewest straight lines whose error for x^2 on [0, 1] is at most `error`."""
    return math.ceil(1.0 / math.sqrt(8.0 * error))


def waves_barron_norm(waves: int, frequency: float) -> float:
    """Return C_f of sqrt(2 / K) sum_k cos(w_k . x + phase_k), |w_k| = frequency: each wave's amplitude times |w_k|.

    Barron 1993, section III: the first moment of the Fourier transform's size. It does not know the dimension.
    """
    return math.sqrt(2.0 * waves) * frequency


def barron_bound(barron_norm: float, radius: float, units: int) -> float:
    """Return (2 r C_f)^2 / n, which the mean squared error of the best n sigmoid units on a ball does not exceed.

    Barron 1993, theorem 1: any probability measure on the ball of radius r; the exponent of n is free of the dimension.

    Parameters
    ----------
    barron_norm : float
        C_f, as `waves_barron_norm` gives it.
    radius : float
        r.
    units : int
        n, hidden units, at least 1.
    """
    return (2.0 * radius * barron_norm) ** 2 / units
