"""How variances and gradients change from layer to layer of a random net, exact as the width tends to infinity.

Finite widths spread and shift them, by about 5 / n a layer in second moments of a ReLU net.

References
----------
Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks.
He, Zhang, Ren & Sun 2015, Delving deep into rectifiers.
Poole et al. 2016, Exponential expressivity in deep neural networks through transient chaos.
Schoenholz et al. 2017, Deep information propagation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nnsim.networks.gaussian_moments import Floats, activation_moments


def variance_map(name: str, sw2: float, sb2: float, q: float, parameter: float | None = None) -> float:
    """Return the next layer's pre-activation variance, sw2 E f(sqrt(q) z)^2 + sb2: Poole et al. 2016, eq. 3.

    A variance that has overflowed stays infinite.

    Parameters
    ----------
    name : str
        An activation of the registry.
    sw2, sb2 : float
        Variance of weights times fan-in, and of biases.
    q : float
        Variance of this layer's pre-activations, at least 0.
    parameter : float, optional
        The activation's own parameter.

    Raises
    ------
    UnknownNameError
        If there is no such activation.
    UsageError
        If the variance is negative, or an activation without a parameter is given one.
    """
    if q == math.inf:
        return math.inf
    return sw2 * activation_moments(name, q, parameter).second + sb2


def gradient_factor(name: str, sw2: float, q: float, parameter: float | None = None) -> float:
    """Return chi = sw2 E f'(sqrt(q) z)^2, by which E delta^2 changes per layer: Schoenholz et al. 2017, section 5.

    The factor of one step back from layer l + 1 to layer l of equal width, where q is the variance of layer l. At
    unequal widths multiply by n_{l+1} / n_l. NaN where q has overflowed.

    Parameters
    ----------
    name, sw2, q, parameter
        As for `variance_map`.

    Raises
    ------
    UnknownNameError, UsageError
        As `variance_map`.
    """
    if q == math.inf:
        return math.nan
    return sw2 * activation_moments(name, q, parameter).slope


def variance_trajectory(
    name: str, sw2: float, sb2: float, q0: float, depth: int, parameter: float | None = None
) -> Floats:
    """Return the pre-activation variances q_1 .. q_depth of the layers that follow one of variance `q0`.

    A first layer that reads inputs of mean square m has variance sw2 m + sb2: that is `q0` for the layers above it.

    Parameters
    ----------
    name : str
        An activation of the registry.
    sw2, sb2 : float
        Variance of weights times fan-in, and of biases.
    q0 : float
        Variance to start from.
    depth : int
        Number of steps.
    parameter : float, optional
        The activation's own parameter.

    Returns
    -------
    ndarray of float64, shape (depth,)
        Infinite from where it overflows.
    """
    trajectory = np.empty(depth)
    q = q0
    for layer in range(depth):
        q = variance_map(name, sw2, sb2, q, parameter)
        trajectory[layer] = q
    return trajectory


def gradient_trajectory(
    name: str, sw2: float, sb2: float, q0: float, depth: int, parameter: float | None = None
) -> Floats:
    """Return E delta_l^2 / E delta_depth^2 for the layers l = 0 .. depth - 1 of a net of equal widths.

    The product of chi(q_k) over k = l .. depth - 1, where layer 0 has variance `q0` and the others those of
    `variance_trajectory`. Schoenholz et al. 2017, section 5.

    Parameters
    ----------
    name, sw2, sb2, q0, depth, parameter
        As for `variance_trajectory`.

    Returns
    -------
    ndarray of float64, shape (depth,)
        Entry l belongs to layer l, so the first entry spans the whole net. NaN below a layer whose variance overflows.
    """
    variances = [q0, *variance_trajectory(name, sw2, sb2, q0, depth, parameter)[:-1]][:depth]
    factors = [gradient_factor(name, sw2, float(q), parameter) for q in variances]
    return np.cumprod(factors[::-1], dtype=np.float64)[::-1]


@dataclass(frozen=True)
class FixedPoint:
    """Where the variance map leads.

    Attributes
    ----------
    variance : float
        The last variance that was reached; 0 where it vanishes and infinite where it explodes.
    status : str
        ``"converged"``, ``"vanishes"``, ``"explodes"``, or ``"undecided"``: it still moves after all steps, as at a
        critical point, where it follows a power law.
    steps : int
        Number of layers that it took.
    """

    variance: float
    status: Literal["converged", "vanishes", "explodes", "undecided"]
    steps: int

    def __str__(self) -> str:
        """Return the outcome as a sentence."""
        return {
            "converged": f"the variance settles at {self.variance:.6g} within {self.steps} layers",
            "vanishes": f"the variance vanishes: it is below {VANISHED:g} after {self.steps} layers",
            "explodes": f"the variance explodes: it is above {EXPLODED:g} after {self.steps} layers",
            "undecided": f"no fixed point was reached: the variance still moves after {self.steps} layers, "
            f"at {self.variance:.6g}",
        }[self.status]


VANISHED = 1e-12
EXPLODED = 1e12


def fixed_point(
    name: str, sw2: float, sb2: float, parameter: float | None = None, start: float = 1.0, max_steps: int = 1000
) -> FixedPoint:
    """Return the variance q* = sw2 E f(sqrt(q*) z)^2 + sb2 that a deep net tends to: Poole et al. 2016, section 3.

    Found by iterating the map, as layers do, until a step changes q by less than 1e-12 of itself. Where every q is
    fixed, as for ReLU with sw2 = 2 and sb2 = 0, the answer is `start`.

    Parameters
    ----------
    name, sw2, sb2, parameter
        As for `variance_map`.
    start : float
        Variance to start from, at least 0.
    max_steps : int
        Layers after which the search gives up.

    Returns
    -------
    FixedPoint
        Its ``status`` says whether there is one; its ``str`` says it in a sentence.

    Raises
    ------
    UnknownNameError, UsageError
        As `variance_map`.
    """
    q = start
    for step in range(1, max_steps + 1):
        before, q = q, variance_map(name, sw2, sb2, q, parameter)
        if abs(q - before) <= 1e-12 * q:
            return FixedPoint(q, "converged", step)
        if q < VANISHED:
            return FixedPoint(0.0, "vanishes", step)
        if q > EXPLODED:
            return FixedPoint(math.inf, "explodes", step)
    return FixedPoint(q, "undecided", max_steps)


def sigmoid_norm_bound(depth: int) -> float:
    """Return 0.25^depth, the textbook bound on ||delta_0|| / ||delta_depth|| of a sigmoid net.

    A bound if every weight matrix has spectral norm at most 1, since 0 < sigmoid' <= 1/4.
    """
    return float(0.25**depth)
