"""The leading correction that a finite width makes to mean-field predictions of ln(mean square), layer by layer.

With A_l = ln mean_j a_lj^2 of one input, a layer of width n is A_{l+1} = G(A_l) + noise, where G is the mean-field map
and the noise, the fluctuation of a mean of n terms, has variance kappa / n and mean -kappa / (2 n). To first order in
1 / n the bias b and the variance v of A follow

    b_{l+1} = G' b_l + G'' v_l / 2 - kappa / (2 n),      v_{l+1} = G'^2 v_l + kappa / n.

For ReLU with He's variance kappa = 5 and G' = 1, which is the -5 beta / 2 and 5 beta of Hanin and Nica 2018; the same
expansion (the delta method) gives every other activation its own.

On the way back W is not independent of the signal that it sent forward: given z = W a, what W^T delta has along a is
fixed by z . delta. That one direction of n has (1 + e) times the mean square of the others, where, from e_L = 0 down,

    e_l = (1 - sb2 / q) (E z^2 f'^2 / (q E f'^2) - 1 + e_{l+1} (E z f f')^2 / (q E f^2 E f'^2)),    q = q_{l+1},

and adds e_l E f^2 f'^2 / (n E f^2 E f'^2), at q_l, to the logarithm of the step back to layer l. It is 0 for
homogeneous activations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from nnsim.activations import evaluate, parse
from nnsim.initializers import variances
from nnsim.kernels.activations import ACTIVATIONS
from nnsim.network import NetworkSpec
from nnsim.theory.gaussian import gaussian_expectations

STEP = 0.05  # of the central differences in ln q
WIDEST = 340.0  # of |ln q|: beyond it fourth moments leave the range of floats


@dataclass(frozen=True)
class Propagation:
    """Predicted logarithms for the hidden layers 1 ... L of one width.

    Attributes
    ----------
    forward, backward : float64 arrays (L,)
        E ln mean a_l^2, and E ln(mean delta_l^2 / mean delta_L^2).
    forward_variance : float64 array (L,)
        Variance of ln mean a_l^2 over networks.
    """

    forward: np.ndarray
    backward: np.ndarray
    forward_variance: np.ndarray


@lru_cache(maxsize=65536)
def _log_moments(name: str, log_q: float, parameter: float | None) -> tuple[float, float, float, float]:
    """(ln E f^2, Var f^2 / (E f^2)^2, ln E f'^2, 3 E f'^4 / (E f'^2)^2 - 1) at pre-activation variance e^log_q."""
    if not abs(log_q) <= WIDEST:
        return (math.nan,) * 4
    kinks, q = ACTIVATIONS[name].kinks, math.exp(log_q)

    def integrands(z: np.ndarray) -> tuple[np.ndarray, ...]:
        value, slope = evaluate(name, z, parameter)
        return value**2, value**4, slope**2, slope**4

    second, fourth, slope, slope_fourth = gaussian_expectations(integrands, kinks, q)
    spread = fourth / (second * second) - 1
    return math.log(second), spread, math.log(slope), 3 * slope_fourth / (slope * slope) - 1


@lru_cache(maxsize=65536)
def _joint_moments(name: str, log_q: float, parameter: float | None) -> tuple[float, float, float]:
    """(E f^2 f'^2 / (E f^2 E f'^2), E z^2 f'^2 / (q E f'^2), (E z f f')^2 / (q E f^2 E f'^2)), where q = e^log_q."""
    if not abs(log_q) <= WIDEST:
        return (math.nan,) * 3
    kinks, q = ACTIVATIONS[name].kinks, math.exp(log_q)

    def integrands(z: np.ndarray) -> tuple[np.ndarray, ...]:
        value, slope = evaluate(name, z, parameter)
        value_2, slope_2 = value**2, slope**2
        return value_2, slope_2, value_2 * slope_2, z**2 * slope_2, z * value * slope

    second, slope, both, along, cross = gaussian_expectations(integrands, kinks, q)
    return both / (second * slope), along / (q * slope), cross / (q * slope) * cross / second


def _alignment(name: str, logs_of_q: list[float], sb2: float, parameter: float | None) -> np.ndarray:
    """What the alignment of W with the forward signal adds to the logarithm of each step back, times the width."""
    excess, added = 0.0, []
    for below, above in reversed(list(pairwise(logs_of_q))):
        _, along, cross = _joint_moments(name, above, parameter)
        excess = (1 - sb2 * math.exp(-above)) * (along - 1 + cross * excess)
        added.append(excess * _joint_moments(name, below, parameter)[0])
    return np.array(added[::-1])


def _log(value: float) -> float:
    return math.log(value) if value > 0 else math.nan


def _differences(function: Callable[[float], float], at: float) -> tuple[float, float, float]:
    """Return value, first and second derivative."""
    low, middle, high = function(at - STEP), function(at), function(at + STEP)
    return middle, (high - low) / (2 * STEP), (high - 2 * middle + low) / STEP**2


def predict_arm(scheme: str, activation: str, depth: int, width: int) -> Any:
    """Return what to expect of hidden layers that a scheme starts, as `predict` does.

    Parameters
    ----------
    scheme, activation : str
        As in ``mean_field:1.8`` and ``leaky_relu:0.2``.
    depth, width : int
        Number and width of the hidden layers.

    Returns
    -------
    Propagation or None
        None where the scheme's weights are not independent draws.
    """
    name, parameter = parse(activation)
    found = variances(scheme, NetworkSpec((width, width, 1), name, parameter, "mse"))
    return None if found is None else predict(name, *found, depth, width, parameter)


def predict(
    name: str, sw2: float, sb2: float, depth: int, width: int, parameter: float | None = None, input_square: float = 1.0
) -> Propagation:
    """Return what to expect of a network of independent weights, to first order in 1 / width.

    What floats cannot hold, as after hundreds of exploding layers, is NaN, and so is what follows from it.

    Parameters
    ----------
    name, parameter : str, float
        Activation of every hidden layer.
    sw2, sb2 : float
        fan_in Var W and Var b.
    depth, width : int
        Number and width of the hidden layers.
    input_square : float
        Mean square of the inputs.
    """
    logs_of_q = [_log(sw2 * input_square + sb2)]
    _, kappa, _, kappa_back = moments = _log_moments(name, logs_of_q[0], parameter)
    A, bias, variance = moments[0], -kappa / (2 * width), kappa / width
    forward, spread = [A + bias], [variance]
    factors = [moments[2] - kappa_back / (2 * width)]  # of the step back to layer 1, whose variance is given
    for _ in range(depth - 1):

        def log_q(a: float) -> float:
            return _log(sw2 * math.exp(a) + sb2)

        chi, chi_slope, chi_curve = _differences(lambda a: _log_moments(name, log_q(a), parameter)[2], A)
        G, G_slope, G_curve = _differences(lambda a: _log_moments(name, log_q(a), parameter)[0], A)
        logs_of_q.append(log_q(A))
        _, kappa, _, kappa_back = _log_moments(name, logs_of_q[-1], parameter)
        factors.append(chi + chi_slope * bias + chi_curve * variance / 2 - kappa_back / (2 * width))
        bias = G_slope * bias + G_curve * variance / 2 - kappa / (2 * width)
        variance = G_slope**2 * variance + kappa / width
        A = G
        forward.append(A + bias)
        spread.append(variance)
    steps = _log(sw2) + np.array(factors[:-1]) + _alignment(name, logs_of_q, sb2, parameter) / width
    backward = np.append(np.cumsum(steps[::-1])[::-1], 0.0)
    return Propagation(np.array(forward), backward, np.array(spread))
