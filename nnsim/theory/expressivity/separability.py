"""What a single threshold unit can do: Novikoff's bound on its mistakes and Cover's count of its dichotomies.

References
----------
A. B. J. Novikoff, "On convergence proofs on perceptrons", Symp. on the Mathematical Theory of Automata 12 (1962) 615.
T. M. Cover, "Geometrical and statistical properties of systems of linear inequalities with applications in pattern
recognition", IEEE Trans. Electronic Computers EC-14 (1965) 326.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb

from nnsim.core.errors import UsageError


def mistake_bound(radius: float, margin: float) -> float:
    """Return (R / gamma)^2, the most mistakes that the perceptron rule makes: Novikoff 1962.

    Parameters
    ----------
    radius : float
        R, the largest Euclidean norm of an input.
    margin : float
        gamma, positive: some unit vector u has y (u . x) >= gamma for every input x with its label y = -1 or 1.

    Raises
    ------
    UsageError
        If the margin is not positive: then no bound exists.
    """
    if not margin > 0.0:
        raise UsageError(f"the margin is {margin}: a positive number is needed")
    return (radius / margin) ** 2


def dichotomies(points: int, dimensions: int) -> int:
    """Return C(P, N) = 2 sum_{k < N} binom(P - 1, k), the dichotomies that a plane through the origin makes.

    The same number for any P points in general position in R^N (every N of them linearly independent); a plane that
    need not go through the origin has one dimension more. Cover 1965, Theorem 1.

    Parameters
    ----------
    points, dimensions : int
        P and N, at least 1.

    Raises
    ------
    UsageError
        If a number is below 1.
    """
    for name, value in (("points", points), ("dimensions", dimensions)):
        if value < 1:
            raise UsageError(f"{name} is {value}: a whole number that is at least 1 is needed")
    return 2 * sum(comb(points - 1, k) for k in range(dimensions))


def separable_fraction(points: int, dimensions: int) -> float:
    """Return C(P, N) / 2^P, the probability that random labels of P points are linearly separable: Cover 1965.

    One half at P = 2 N for every N, and a step there as N grows.
    """
    return float(Fraction(dichotomies(points, dimensions), 2**points))
