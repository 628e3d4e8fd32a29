"""What depth does to the correlation of two inputs: the maps, where they lead, how fast, and where order ends.

References
----------
Poole et al. 2016, Exponential expressivity in deep neural networks through transient chaos.
Schoenholz et al. 2017, Deep information propagation.
Cho & Saul 2009, Kernel methods for deep learning (the map of ReLU in closed form).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.core.registry import look_up
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.networks.activations import evaluate
from nnsim.networks.gaussian_moments import NODES, REACH, WEIGHTS, Floats, activation_moments, gaussian_expectation
from nnsim.theory.signals.mean_field import fixed_point, gradient_factor

CLOSEST = 1.0 - 1e-7
"""Largest correlation below 1 at which a fixed point is looked for."""
SMALLEST, LARGEST = 1e-9, 1e4
"""Variances between which a critical point is looked for."""


class DepthScales(NamedTuple):
    """Layers over which a factor e is lost: of variances, of correlations and of gradients."""

    variance: float
    correlation: float
    gradient: float


def _nodes(edges: Floats) -> tuple[Floats, Floats]:
    """Return quadrature nodes and Gaussian weights for panels between ascending edges, along the last axis."""
    half = np.diff(edges)[..., None] / 2.0
    z = (edges[..., :-1, None] + half) + half * NODES
    mass = half * WEIGHTS * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    shape = (*edges.shape[:-1], -1)
    return z.reshape(shape), mass.reshape(shape)


def pair_expectation(
    function: Callable[[Floats, Floats], Floats], q: float, c: float, kinks: Sequence[float] = ()
) -> float:
    """Return E function(u, v) for Gaussian u and v of variance q and correlation c.

    Gauss-Legendre quadrature, 20 nodes a panel, first over v given u, then over u. The inner panels end at the kinks
    of v; the outer ones at the kinks of u, and at steps of sqrt(1 - c^2) around the places that v's kinks smear out.

    Parameters
    ----------
    function : callable
        Maps two float64 arrays, a column u and v of as many rows, to a third, elementwise and broadcasting.
    q : float
        Variance, positive.
    c : float
        Correlation, from -1 to 1.
    kinks : sequence of float
        Arguments at which the function or a derivative jumps, the same for u and v.

    Returns
    -------
    float
        To about 1e-10, for functions that are smooth between kinks.

    Raises
    ------
    UsageError
        If the correlation is not between -1 and 1, or the variance is not positive and finite.
    """
    if not -1.0 <= c <= 1.0:
        raise UsageError(f"correlation is {c}: a number from -1 to 1 is needed")
    if not 0.0 < q < math.inf:
        raise UsageError(f"variance is {q}: a positive finite number is needed")
    scale, apart = math.sqrt(q), math.sqrt((1.0 - c) * (1.0 + c))
    at = np.asarray(kinks, dtype=np.float64) / scale
    base = np.linspace(-REACH, REACH, 19)
    inner = np.concatenate([at, *_smeared(at, c, apart)])
    z, mass = _nodes(np.union1d(base, inner[np.abs(inner) < REACH]))
    if apart == 0.0:
        return float(np.sum(mass * function(scale * z, c * scale * z)))
    column = z[:, None]
    other, inner_mass = _nodes(_inner_edges(base, np.clip((at - c * column) / apart, -REACH, REACH)))
    values = function(scale * column, scale * (c * column + apart * other))
    return float(np.sum(mass * np.sum(inner_mass * values, axis=1)))


def _inner_edges(base: Floats, jumps: Floats) -> Floats:
    """Return ends of panels over v, a row for each u; one row for all where no jump tells them apart."""
    if not jumps.size:
        return base[None, :]
    rows = np.broadcast_to(base, (len(jumps), base.size))
    return np.sort(np.concatenate([rows, jumps], axis=1), axis=1)


def _smeared(at: Floats, c: float, apart: float) -> list[Floats]:
    """Return steps around the outer arguments at which v's kinks stand, as wide as v strays from c u."""
    if c == 0.0 or apart == 0.0:
        return []
    return [at / c + sign * apart * 2.0**power for power in range(-1, 5) for sign in (-1.0, 1.0)]


def correlation_map(name: str, sw2: float, sb2: float, q: float, c: float, parameter: float | None = None) -> float:
    """Return the next layer's correlation, (sw2 E f(u) f(v) + sb2) / (sw2 E f^2 + sb2): Poole et al. 2016, eq. 5.

    u and v are the pre-activations of two inputs of one length.

    Parameters
    ----------
    name : str
        An activation of the registry.
    sw2, sb2 : float
        Variance of weights times fan-in, and of biases.
    q : float
        Variance of u and of v, positive.
    c : float
        Their correlation, from -1 to 1.
    parameter : float, optional
        The activation's own parameter.

    Raises
    ------
    UnknownNameError
        If there is no such activation.
    UsageError
        If the variance or the correlation is outside its range, or an activation without a parameter is given one.
    """
    kinks = look_up(ACTIVATIONS, "activation", name).kinks
    product = pair_expectation(
        lambda u, v: evaluate(name, u, parameter)[0] * evaluate(name, v, parameter)[0], q, c, kinks
    )
    return (sw2 * product + sb2) / (sw2 * activation_moments(name, q, parameter).second + sb2)


def correlation_slope(name: str, sw2: float, q: float, c: float, parameter: float | None = None) -> float:
    """Return chi(c) = sw2 E f'(u) f'(v), the slope of the map at a fixed variance: Schoenholz et al. 2017, eq. 8.

    At c = 1 it is `gradient_factor`: what spreads two inputs apart is what makes gradients grow.

    Parameters
    ----------
    name, sw2, q, c, parameter
        As for `correlation_map`.

    Raises
    ------
    UnknownNameError, UsageError
        As `correlation_map`.
    """
    kinks = look_up(ACTIVATIONS, "activation", name).kinks
    return sw2 * pair_expectation(
        lambda u, v: evaluate(name, u, parameter)[1] * evaluate(name, v, parameter)[1], q, c, kinks
    )


def relu_correlation_map(c: float) -> float:
    """Return (sqrt(1 - c^2) + (pi - arccos c) c) / pi, the map of ReLU without biases: Cho & Saul 2009, eq. 6."""
    return (math.sqrt((1.0 - c) * (1.0 + c)) + (math.pi - math.acos(c)) * c) / math.pi


def fixed_correlation(name: str, sw2: float, sb2: float, q: float, parameter: float | None = None) -> float:
    """Return the correlation c* that inputs of the fixed variance `q` tend to: 1 in order, less in chaos.

    Poole et al. 2016, section 3.

    Parameters
    ----------
    name, sw2, sb2, parameter
        As for `correlation_map`.
    q : float
        The fixed variance, positive; see `fixed_point`.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    UnknownNameError, UsageError
        As `correlation_map`.
    """
    if gradient_factor(name, sw2, q, parameter) <= 1.0:
        return 1.0

    def change(c: float) -> float:
        return correlation_map(name, sw2, sb2, q, c, parameter) - c

    if change(0.0) <= 1e-12:
        return 0.0
    return _root(change, 0.0, CLOSEST, 1e-12) if change(CLOSEST) < 0.0 else 1.0


def _root(function: Callable[[float], float], low: float, high: float, tolerance: float) -> float:
    from scipy.optimize import brentq  # a quarter of a second, which planning a study need not pay

    return float(brentq(function, low, high, xtol=tolerance))


def variance_slope(name: str, sw2: float, q: float, parameter: float | None = None) -> float:
    """Return dq'/dq = sw2 E u f(u) f'(u) / q, which is chi_1 + sw2 E f'' f: Schoenholz et al. 2017, eq. 6.

    The form with u needs no second derivative (integrate by parts).

    Parameters
    ----------
    name, sw2, parameter
        As for `correlation_map`.
    q : float
        Variance, at least 0; at 0 the slope is chi_1.

    Raises
    ------
    UnknownNameError, UsageError
        As `correlation_map`.
    """
    if q == 0.0:
        return gradient_factor(name, sw2, q, parameter)
    kinks = look_up(ACTIVATIONS, "activation", name).kinks

    def product(u: Floats) -> Floats:
        value, slope = evaluate(name, u, parameter)
        return u * value * slope

    return sw2 * gaussian_expectation(product, kinks, q) / q


def _layers(factor: float) -> float:
    if factor == 1.0:
        return math.inf
    return -1.0 / math.log(factor) if factor > 0.0 else 0.0


def depth_scales(name: str, sw2: float, sb2: float, parameter: float | None = None) -> DepthScales:
    """Return xi_q, xi_c and the gradient's xi at the fixed point of the variance: Schoenholz et al. 2017, section 3.

    ``variance`` is -1 / ln(dq'/dq), ``correlation`` -1 / ln chi(c*), ``gradient`` -1 / ln chi_1, which is
    negative where gradients grow. All NaN where the variance has no positive fixed point.

    Parameters
    ----------
    name, sw2, sb2, parameter
        As for `correlation_map`.

    Raises
    ------
    UnknownNameError, UsageError
        As `correlation_map`.
    """
    point = fixed_point(name, sw2, sb2, parameter)
    if point.status != "converged":
        return DepthScales(math.nan, math.nan, math.nan)
    q = point.variance
    c = fixed_correlation(name, sw2, sb2, q, parameter)
    chi = gradient_factor(name, sw2, q, parameter)
    at_c = chi if c == 1.0 else correlation_slope(name, sw2, q, c, parameter)
    return DepthScales(_layers(variance_slope(name, sw2, q, parameter)), _layers(at_c), _layers(chi))


def critical_point(name: str, q: float, parameter: float | None = None) -> tuple[float, float]:
    """Return (sw2, sb2) at which `q` is a fixed variance and chi_1 = 1, a point of the critical line.

    sw2 = 1 / E f'^2 and sb2 = q - E f^2 / E f'^2; no network has it where sb2 is negative.

    Parameters
    ----------
    name : str
        An activation of the registry, whose slope is not 0 everywhere.
    q : float
        Variance of the pre-activations, positive.
    parameter : float, optional
        The activation's own parameter.

    Raises
    ------
    UnknownNameError
        If there is no such activation.
    UsageError
        If the variance is negative or not finite, or an activation without a parameter is given one.
    """
    moments = activation_moments(name, q, parameter)
    return 1.0 / moments.slope, q - moments.second / moments.slope


def critical_weight(name: str, sb2: float, parameter: float | None = None) -> tuple[float, float]:
    """Return (sw2, q*) on the line between order and chaos at bias variance `sb2`: Poole et al. 2016, figure 1.

    tanh at sb2 = 0.05 has (1.760955, 0.570048). Without biases the line ends at q* = 0.

    Parameters
    ----------
    name, parameter
        As for `critical_point`.
    sb2 : float
        Variance of the biases, at least 0.

    Raises
    ------
    UnknownNameError
        If there is no such activation.
    UsageError
        If the line does not reach this bias variance; ReLU's is the single point (2, 0).
    """

    def excess(q: float) -> float:
        return critical_point(name, q, parameter)[1] - sb2

    low, high = excess(SMALLEST), excess(LARGEST)
    if abs(low) < 1e-3 * SMALLEST:
        return critical_point(name, SMALLEST, parameter)[0], 0.0
    if not low < 0.0 < high:
        raise UsageError(f"activation '{name}' has no critical point at a bias variance of {sb2}")
    q = _root(excess, SMALLEST, LARGEST, 1e-13)
    return critical_point(name, q, parameter)[0], q
