"""Rosenblatt's threshold unit in float64: its scores, and the rule that it learns by.

References
----------
F. Rosenblatt, "The perceptron", Psychological Review 65 (1958) 386.
"""

from __future__ import annotations

from nnsim.kernels.compiling.decorators import inner, kernel
from nnsim.kernels.formulas.scalar_math import fma


@inner
def _score(X, row, w):
    total = X.dtype.type(0)
    for i in range(w.size):
        total = fma(X[row, i], w[i], total)
    return total


@kernel
def scores(X, w, out):
    """Write w . x for each row x of X."""
    for row in range(X.shape[0]):
        out[row] = _score(X, row, w)


@kernel
def perceptron_rule(X, y, w, passes):
    """Add y x to w wherever y (w . x) <= 0, row after row; return mistakes, passes, and whether the last had none."""
    mistakes = 0
    for done in range(passes):
        before = mistakes
        for row in range(X.shape[0]):
            if y[row] * _score(X, row, w) <= 0.0:
                for i in range(w.size):
                    w[i] = fma(y[row], X[row, i], w[i])
                mistakes += 1
        if mistakes == before:
            return mistakes, done + 1, True
    return mistakes, passes, False
