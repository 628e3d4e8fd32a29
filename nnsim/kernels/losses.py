"""Losses from logits, as scalar functions of one output; each is stable for logits of any size.

Cross-entropy needs a whole row: with the largest logit m of the row, L = ln sum_j e^(z_j - m) - (z_y - m) and
dL/dz_j = e^(z_j - m) / sum - [j = y].
"""

from __future__ import annotations

from nnsim.kernels.options import scalar
from nnsim.kernels.scalar_math import TWO, ZERO, constant, exp, fma, log1p, sigmoid

CROSS_ENTROPY, BCE, MSE = range(3)
LOSSES: dict[str, int] = {"cross_entropy": CROSS_ENTROPY, "bce": BCE, "mse": MSE}


@scalar
def binary_cross_entropy(z, y):
    """max(z, 0) - z y + ln(1 + e^-|z|) = -y ln s(z) - (1 - y) ln(1 - s(z))."""
    positive = z if z > constant(z, ZERO) else constant(z, ZERO)
    return fma(-z, y, positive) + log1p(exp(-abs(z)))


@scalar
def binary_cross_entropy_slope(z, y):
    """s(z) - y with the logistic function s."""
    return sigmoid(z) - y


@scalar
def squared_error(z, y):
    """(z - y)^2."""
    return (z - y) * (z - y)


@scalar
def squared_error_slope(z, y):
    """2 (z - y)."""
    return constant(z, TWO) * (z - y)
