"""Normalisation of one number: forward, backward and the running statistics.

With the mean m and the variance v of a group of k numbers (a unit over a batch, or a row over its units) and
s = 1 / sqrt(v + epsilon)::

    x = (z - m) s        y = gamma x + beta
    dL/dz = s (g - mean(g) - x mean(g x))    with g = gamma dL/dy

References
----------
S. Ioffe and C. Szegedy, "Batch normalization", ICML 2015; J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer
normalization", 2016.
"""

from __future__ import annotations

from nnsim.kernels.compiling.decorators import scalar
from nnsim.kernels.formulas.scalar_math import fma, sqrt

NONE, BATCH, LAYER = range(3)
NORMALIZATIONS: dict[str, int] = {"none": NONE, "batch": BATCH, "layer": LAYER}


@scalar
def inverse_deviation(variance, epsilon):
    """1 / sqrt(v + epsilon)."""
    return type(variance)(1) / sqrt(variance + epsilon)


@scalar
def normalize(z, mean, inverse):
    """(z - m) s."""
    return (z - mean) * inverse


@scalar
def scale_and_shift(x, gamma, beta):
    """gamma x + beta."""
    return fma(gamma, x, beta)


@scalar
def error_through_norm(delta, gamma, x, mean_g, mean_gx, inverse):
    """s (g - mean(g) - x mean(g x)) with g = gamma delta."""
    return inverse * fma(-x, mean_gx, fma(gamma, delta, -mean_g))


@scalar
def running_mean(old, mean, momentum):
    """(1 - momentum) old + momentum m."""
    return fma(momentum, mean - old, old)


@scalar
def running_variance(old, variance, unbiased, momentum):
    """(1 - momentum) old + momentum u v, where u = k / (k - 1) makes the variance unbiased."""
    return fma(momentum, fma(variance, unbiased, -old), old)
