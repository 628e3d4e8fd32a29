"""How often random ReLU networks are dead before any training.

References
----------
L. Lu, Y. Shin, Y. Su and G. E. Karniadakis, "Dying ReLU and initialization: theory and numerical examples", Commun.
Comput. Phys. 28 (2020) 1671.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from nnsim.core.errors import UsageError


def dead_at_input(widths: Sequence[int]) -> float:
    """Return P(no signal of one given input leaves the last hidden layer) = 1 - prod_l (1 - 2^-N_l).

    Exact for independent weights of any law that is symmetric and has no atom at 0, without biases: whatever came from
    below, each unit is off with probability 1/2. An upper bound on the probability of a constant function.

    Parameters
    ----------
    widths : sequence of int
        Of the hidden layers.

    Raises
    ------
    UsageError
        If a width is not a positive whole number.
    """
    return 1.0 - math.prod(1.0 - 0.5 ** _positive("width", width) for width in widths)


def born_dead_bound(width: int, depth: int) -> float:
    """Return the lower bound on the probability that a ReLU net of one input is a constant function when it is drawn.

    Lu et al. 2020, Theorem 3 (equal widths N, m hidden layers, no biases, symmetric weights). With a1 = 1 - 2^-N and
    a2 = 1 - 2^(1-N) - (N-1) 4^-N it is

        1 - a1^(m-1) + [(1 - 2^(1-N)) (1 - 2^-N) / (1 + (N-1) 2^-N)] (a2^(m-1) - a1^(m-1)),

    which is exact at m = 2 (N = 2: 0.15625).

    Parameters
    ----------
    width, depth : int
        N and m.

    Raises
    ------
    UsageError
        If a number is not a positive whole number.
    """
    n, steps = _positive("width", width), _positive("depth", depth) - 1
    off = 0.5**n
    a1, a2 = 1 - off, 1 - 2 * off - (n - 1) * off * off
    weight = (1 - 2 * off) * (1 - off) / (1 + (n - 1) * off)
    return 1 - a1**steps + weight * (a2**steps - a1**steps)


def dead_at_input_bound(width: int, depth: int, shift: float) -> float:
    """Return an upper bound on P(dead at a positive input) where weights have the mean `shift` standard deviations.

    A unit fed with h >= 0 has z / (sw |h|) ~ N(shift |h|_1 / |h|_2, 1), and |h|_1 >= |h|_2, so it is off with
    probability at most p = Phi(-shift): the bound is 1 - (1 - p^N)^m.

    Parameters
    ----------
    width, depth : int
    shift : float
        At least 0.

    Raises
    ------
    UsageError
        If a number is outside its range.
    """
    if not shift >= 0:
        raise UsageError(f"shift is {shift}: a number that is at least 0 is needed")
    off = 0.5 * math.erfc(shift / math.sqrt(2.0))
    return 1.0 - (1.0 - off ** _positive("width", width)) ** _positive("depth", depth)


def _positive(name: str, value: int) -> int:
    if value < 1 or value != int(value):
        raise UsageError(f"{name} is {value}: a whole number that is at least 1 is needed")
    return int(value)
