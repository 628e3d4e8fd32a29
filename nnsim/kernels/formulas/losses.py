"""Losses from logits, as scalar functions of one output; each is stable for logits of any size.

Cross-entropy needs a whole row: with the largest logit m of the row and S = sum_j e^(z_j - m), L = m - z_y + ln S and
dL/dz_j = e^(z_j - m) / S - [j = y]. With smoothed labels and class weights every class j has a part t_j of the row,
L = sum_j t_j (m + ln S - z_j) and dL/dz_j = (sum_k t_k) e^(z_j - m) / S - t_j.

References
----------
C. Szegedy et al., "Rethinking the Inception architecture", CVPR 2016 (label smoothing); P. J. Huber, Ann. Math.
Statist. 35 (1964) 73.
"""

from __future__ import annotations

from nnsim.kernels.compiling.decorators import scalar
from nnsim.kernels.formulas.scalar_math import HALF, ONE, TWO, ZERO, constant, exp, fma, log, log1p, sigmoid

CROSS_ENTROPY, BCE, MSE, MAE, HUBER = range(5)
LOSSES: dict[str, int] = {"cross_entropy": CROSS_ENTROPY, "bce": BCE, "mse": MSE, "mae": MAE, "huber": HUBER}


@scalar
def row_loss(distance, exponentials):
    """m - z_y + ln S: the cross-entropy of a row whose label's logit is so far from the largest."""
    return distance + log(exponentials)


@scalar
def other_slope(exponential, share):
    """e^(z_j - m) / S over the rows of the batch, which `share` holds: of a class that is not the label."""
    return exponential * share


@scalar
def label_slope(exponential, share, scale):
    """e^(z_y - m) / S - 1 over the rows of the batch: of the label."""
    return fma(exponential, share, -scale)


@scalar
def label_part(weight, smoothing, classes, labelled):
    """w_j s / C, and w_j (1 - s) more for the label: the part of class j in a row's loss (Szegedy et al. 2016)."""
    part = weight * (smoothing / type(weight)(classes))
    return fma(type(weight)(1) - smoothing, weight, part) if labelled else part


@scalar
def add_part(loss, shares, part, level, logit):
    """Return the row's loss and the sum of its parts with one class more, where `level` is m + ln S."""
    return fma(part, level - logit, loss), shares + part


@scalar
def part_slope(exponential, share, part, scale):
    """((sum_k t_k) e^(z_j - m) / S - t_j) times `scale`, one over the batch's weight."""
    return scale * fma(share, exponential, -part)


@scalar
def binary_cross_entropy(z, y, weight):
    """-w y ln s(z) - (1 - y) ln(1 - s(z)) = (1 - y) z + (1 + (w - 1) y) ln(1 + e^-z), with the logistic function s."""
    one = constant(z, ONE)
    positive = -z if z < constant(z, ZERO) else constant(z, ZERO)
    softplus = positive + log1p(exp(-abs(z)))
    return fma(fma(weight - one, y, one), softplus, (one - y) * z)


@scalar
def binary_cross_entropy_slope(z, y, weight):
    """(1 - y) s(z) - w y s(-z)."""
    one = constant(z, ONE)
    return fma(one - y, sigmoid(z), -weight * y * sigmoid(-z))


@scalar
def squared_error(z, y, parameter):
    """(z - y)^2."""
    return (z - y) * (z - y)


@scalar
def squared_error_slope(z, y, parameter):
    """2 (z - y)."""
    return constant(z, TWO) * (z - y)


@scalar
def absolute_error(z, y, parameter):
    """|z - y|."""
    return abs(z - y)


@scalar
def absolute_error_slope(z, y, parameter):
    """The sign of z - y, 0 where they are equal."""
    zero, one = constant(z, ZERO), constant(z, ONE)
    return (one if z > y else zero) - (one if z < y else zero)


@scalar
def huber(z, y, delta):
    """(z - y)^2 / 2 up to |z - y| = delta, beyond it delta (|z - y| - delta / 2)."""
    distance = abs(z - y)
    near = constant(z, HALF) * distance * distance
    return near if distance <= delta else delta * fma(-constant(z, HALF), delta, distance)


@scalar
def huber_slope(z, y, delta):
    """z - y, cut at -delta and delta."""
    difference = z - y
    above = difference if difference > -delta else -delta
    return above if above < delta else delta
