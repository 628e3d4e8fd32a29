"""Scalar rules of learning-rate schedules: the two curves that need a function, and the rule that watches a metric."""

from __future__ import annotations

from typing import NamedTuple

from nnsim.kernels.compiling.decorators import scalar
from nnsim.kernels.formulas.scalar_math import HALF_PI, constant, exp, fma, log, sin

BEST, BAD_EPOCHS, COOLDOWN, FACTOR = range(4)  # places in the state of `reduce_on_plateau`


class PlateauRule(NamedTuple):
    """What `reduce_on_plateau` goes by, as float64 numbers.

    A metric m is better than the best one b if sign m < sign (b - sign share |b| + shift). After more than `patience`
    epochs without a better one the factor is multiplied by `decay`, down to `least`, unless that takes no more than
    `eps` off; for `cooldown` epochs after that, no bad epoch counts.
    """

    sign: float
    share: float
    shift: float
    decay: float
    patience: float
    cooldown: float
    least: float
    eps: float


@scalar
def half_cosine(x):
    """(1 - cos(pi x)) / 2 = sin^2(pi x / 2): rises from 0 to 1 with x, and keeps its digits where it is small."""
    s = sin(constant(x, HALF_PI)[0] * x)
    return s * s


@scalar
def power(x, exponent):
    """x^p = e^(p ln x) for x >= 0 and p > 0; the relative error is about p |ln x| roundings."""
    return exp(exponent * log(x))


@scalar
def reduce_on_plateau(best, bad_epochs, cooldown, factor, metric, rule):
    """Take in an epoch's metric; return the state, whose factor holds from then on.

    The state is four float64 (best metric, bad epochs, epochs of cooldown left, factor), `rule` a `PlateauRule`. A
    metric that is NaN is not better. PyTorch's ReduceLROnPlateau, which takes a share of b instead of |b|: below 0 it
    calls better what is worse.
    """
    step = rule.sign * rule.share
    scale = 1.0 - step if best > 0.0 else 1.0 + step
    if rule.sign * metric < rule.sign * fma(best, scale, rule.shift):
        best = metric
        bad_epochs = 0.0
    else:
        bad_epochs += 1.0
    if cooldown > 0.0:
        cooldown -= 1.0
        bad_epochs = 0.0
    if bad_epochs > rule.patience:
        lowered = max(factor * rule.decay, rule.least)
        if factor - lowered > rule.eps:
            factor = lowered
        cooldown = rule.cooldown
        bad_epochs = 0.0
    return best, bad_epochs, cooldown, factor
