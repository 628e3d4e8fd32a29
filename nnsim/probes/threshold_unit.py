"""A threshold unit, sign(w . x): how it learns, what it can tell apart, and what a layer of such units computes.

Inputs of a unit with a bias carry a last coordinate of 1. Labels are -1 and 1. The rule and the margins are canonical;
`is_separable` asks SciPy's linear programming, whose answer is a yes or no.

References
----------
F. Rosenblatt, Psychological Review 65 (1958) 386; M. Minsky and S. Papert, "Perceptrons", 1969 (XOR).
"""

from __future__ import annotations

import math
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.core.validation import check_dtype, check_shape
from nnsim.kernels.cpu_only import threshold_unit as kernels

Function = tuple[int, ...]
"""A Boolean function: its value, -1 or 1, at each of the inputs that `corners` lists."""

XOR: Function = (-1, 1, 1, -1)


class Learnt(NamedTuple):
    """What the perceptron rule ended with: weights, mistakes, passes, and whether the last pass had no mistake."""

    weights: np.ndarray
    mistakes: int
    passes: int
    converged: bool


def learn(X: np.ndarray, y: np.ndarray, passes: int = 1000) -> Learnt:
    """Learn by Rosenblatt's rule from weights of zero: w <- w + y x wherever y (w . x) <= 0.

    Parameters
    ----------
    X : float64 array (rows, dimensions)
    y : float64 array (rows,)
        Labels, -1 or 1.
    passes : int
        Passes over the rows at most.

    Raises
    ------
    UsageError
        If an array has another type or shape, or a label is neither -1 nor 1.
    """
    _check(X, y)
    weights = np.zeros(X.shape[1])
    return Learnt(weights, *kernels.perceptron_rule(X, y, weights, passes))


def scores(X: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return w . x for each row x of a float64 array (rows, dimensions), summed in the order of the dimensions."""
    out = np.empty(X.shape[0])
    kernels.scores(np.ascontiguousarray(X), weights, out)
    return out


def radius_and_margin(X: np.ndarray, y: np.ndarray, direction: np.ndarray) -> tuple[float, float]:
    """Return R = max |x| and min y (u . x), u the unit vector along `direction`: what Novikoff's bound is made of.

    Parameters
    ----------
    X : float64 array (rows, dimensions)
    y : float64 array (rows,)
        Labels, -1 or 1.
    direction : float64 array (dimensions,)
        Of any length but 0.

    Raises
    ------
    UsageError
        As `learn`.
    """
    _check(X, y)
    length = math.sqrt(scores(direction[None, :], direction)[0])
    radius = math.sqrt(max(scores(row[None, :], row)[0] for row in X))
    return radius, float(np.min(y * scores(X, direction))) / length


def is_separable(X: np.ndarray, y: np.ndarray) -> bool:
    """Return whether some w has y (w . x) > 0 on every row: whether a plane through the origin divides the labels.

    Decided by linear programming: is there a w with y (w . x) >= 1 on every row?

    Parameters
    ----------
    X : float64 array (rows, dimensions)
    y : float64 array (rows,)
        Labels, -1 or 1.

    Raises
    ------
    UsageError
        As `learn`.
    """
    from scipy.optimize import linprog  # a quarter of a second that listing the studies need not pay

    _check(X, y)
    nothing = np.zeros(X.shape[1])
    found = linprog(nothing, A_ub=-y[:, None] * X, b_ub=-np.ones(y.size), bounds=(None, None), method="highs")
    return bool(found.status == 0)


def count_separable(X: np.ndarray) -> int:
    """Return how many of the 2^P dichotomies of the P rows of X a plane through the origin makes, by trying each.

    A dichotomy and its opposite are separable together, so the first row's label is held at 1.
    """
    rest = product((-1.0, 1.0), repeat=X.shape[0] - 1)
    return 2 * sum(is_separable(X, np.array([1.0, *labels])) for labels in rest)


def corners(inputs: int) -> np.ndarray:
    """Return the 2^n corners of {-1, 1}^n in ascending order with a last coordinate of 1, float64 (2^n, n + 1)."""
    return np.array([(*corner, 1.0) for corner in product((-1.0, 1.0), repeat=inputs)])


@cache
def threshold_functions(inputs: int) -> tuple[Function, ...]:
    """Return all Boolean functions of some inputs that one threshold unit computes: 4, 14, 104 ... (Muroga 1971)."""
    X = corners(inputs)
    functions = product((-1, 1), repeat=len(X))
    return tuple(values for values in functions if is_separable(X, np.array(values, dtype=np.float64)))


@cache
def reachable_functions(inputs: int, hidden: int) -> frozenset[Function]:
    """Return all Boolean functions that one hidden layer of threshold units and a threshold output compute.

    Found by trying every choice of threshold functions, so for few inputs and units only.
    """
    found = set()
    for layer in product(threshold_functions(inputs), repeat=hidden):
        places = [_place(bits) for bits in zip(*layer, strict=True)]
        found |= {tuple(output[place] for place in places) for output in threshold_functions(hidden)}
    return frozenset(found)


def _place(bits: Function) -> int:
    """Return where in `corners` some bits stand."""
    return sum(2**power for power, bit in enumerate(reversed(bits)) if bit > 0)


def _check(X: np.ndarray, y: np.ndarray) -> None:
    check_dtype("X", X, np.float64)
    check_dtype("y", y, np.float64)
    check_shape("X", X, (None, None))
    check_shape("y", y, (X.shape[0],))
    if not (np.abs(y) == 1.0).all():
        raise UsageError(f"labels must be -1 or 1, got {y[np.abs(y) != 1.0][0]:g}")
