"""Expectations under the Gaussian, and the moments and gains of activations that follow from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnsim.core.errors import UsageError
from nnsim.core.registry import look_up
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.networks.activations import evaluate

Floats = NDArray[np.float64]

REACH = 9.0
"""Standard deviations that integrals cover; less than 3e-19 of the Gaussian lies beyond."""

NODES, WEIGHTS = np.polynomial.legendre.leggauss(20)


class Moments(NamedTuple):
    """Gaussian moments of an activation f: E f, E f^2 and E f'^2."""

    mean: float
    second: float
    slope: float


def gaussian_expectation(
    function: Callable[[Floats], Floats], kinks: Sequence[float] = (), variance: float = 1.0
) -> float:
    """Return E function(sqrt(variance) z) for z ~ N(0, 1).

    Composite Gauss-Legendre quadrature, 20 nodes a panel. Panels end at kinks, are at most a quarter of a standard
    deviation wide, and shrink towards 0, so that a function that saturates is resolved at any variance. (Gauss-Hermite
    quadrature is not: its nodes skip the bend of tanh once the variance is large.)

    Parameters
    ----------
    function : callable
        Maps a float64 array to a float64 array of the same shape, elementwise.
    kinks : sequence of float
        Arguments at which the function or one of its derivatives jumps.
    variance : float
        Variance of the function's argument, finite and at least 0.

    Returns
    -------
    float
        The expectation, to about 1e-12 relative to E|function|, for functions that are smooth between kinks. An
        oscillation of period 2 pi is resolved for variances up to about 1000. NaN if the function is.

    Raises
    ------
    UsageError
        If the variance is negative or not finite.
    """
    return gaussian_expectations(lambda x: (function(x),), kinks, variance)[0]


def gaussian_expectations(
    functions: Callable[[Floats], Iterable[Floats]], kinks: Sequence[float] = (), variance: float = 1.0
) -> list[float]:
    """Return `gaussian_expectation` of several functions, which `functions` evaluates together: what they share, once.

    Parameters
    ----------
    functions : callable
        Maps a float64 array to several float64 arrays of the same shape, elementwise.
    kinks : sequence of float
        Arguments at which one of the functions or of their derivatives jumps.
    variance : float
        Variance of the functions' argument, finite and at least 0.

    Returns
    -------
    list of float
        One expectation for each function, in their order.

    Raises
    ------
    UsageError
        If the variance is negative or not finite.
    """
    if not 0.0 <= variance < math.inf:
        raise UsageError(f"variance is {variance}: a finite number that is at least 0 is needed")
    if variance == 0.0:
        return [float(values[0]) for values in functions(np.zeros(1))]
    scale = math.sqrt(variance)
    edges = _panel_edges(scale, kinks)
    half = np.diff(edges)[:, None] / 2.0
    x = ((edges[:-1, None] + half) + half * NODES).ravel()
    mass = (half * WEIGHTS).ravel() * np.exp(-0.5 * (x / scale) ** 2)
    total = np.sum(mass)
    with np.errstate(over="ignore", invalid="ignore"):  # an exploding layer has an infinite moment, or none
        return [float(np.sum(mass * values) / total) for values in functions(x)]


def _panel_edges(scale: float, kinks: Sequence[float]) -> Floats:
    """Return ends of panels over +-REACH * scale: equal ones, kinks, and +-1/2, 1, 2, 4 ... for large scales."""
    end = REACH * scale
    ladder = np.exp2(np.arange(-1.0, max(-1.0, math.log2(end))))
    inner = np.concatenate([np.asarray(kinks, dtype=np.float64), ladder, -ladder])
    return np.union1d(np.linspace(-end, end, 73), inner[np.abs(inner) < end])


@lru_cache(maxsize=4096)
def activation_moments(name: str, variance: float = 1.0, parameter: float | None = None) -> Moments:
    """Return E f(Z), E f(Z)^2 and E f'(Z)^2 for Z ~ N(0, variance), by integrating the functions that networks run.

    Parameters
    ----------
    name : str
        An activation of the registry.
    variance : float
        Variance of the pre-activation.
    parameter : float, optional
        The activation's own parameter, e.g. the slope of ``leaky_relu``; None is its default.

    Returns
    -------
    Moments
        ``mean``, ``second`` and ``slope``. Check values at variance 1: ReLU 1 / sqrt(2 pi), 1/2, 1/2; tanh 0, 0.394294,
        0.464403.

    Raises
    ------
    UnknownNameError
        If there is no such activation.
    UsageError
        If the variance is negative or not finite.
    """

    def integrands(x: Floats) -> tuple[Floats, ...]:
        value, slope = evaluate(name, x, parameter)
        return value, value**2, slope**2

    kinks = look_up(ACTIVATIONS, "activation", name).kinks
    return Moments(*gaussian_expectations(integrands, kinks, variance))


def gain(name: str, parameter: float | None = None) -> float:
    """Return the gain sw = 1 / sqrt(E f(z)^2), with which a variance of 1 is kept from layer to layer (no bias).

    For ReLU sqrt(2), for leaky ReLU with slope a sqrt(2 / (1 + a^2)): He et al. 2015, eq. 10 and 15.
    """
    return 1.0 / math.sqrt(activation_moments(name, 1.0, parameter).second)
