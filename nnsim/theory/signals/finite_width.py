"""What a finite width makes of mean-field predictions of ln(mean square), layer by layer.

With A_l = ln mean_j a_lj^2 of one input, a layer of width n is

    A_{l+1} = G(A_l) - kappa(A_l) / (2 n) + sqrt(kappa(A_l) / n) z,      z standard normal,

where G is the mean-field map, and the rest is what the fluctuation of a mean of n terms does to its logarithm, to first
order in 1 / n. For ReLU with He's variance kappa = 5 and G' = 1, which is the -5 beta / 2 and 5 beta of Hanin and Nica
2018. Where G is curved, and the fluctuations of many layers add up (GELU without biases), no expansion about the path
of infinite width will do. So paths of A are followed, without chance: in each layer z takes as many quantiles of the
normal, and the order of the paths meets the quantiles in a Fibonacci lattice, shifted from layer to layer (the
array-RQMC of L'Ecuyer, Lecot and Tuffin 2008, not randomised). The noise is then made uncorrelated with the paths, with
the mean 0 and the variance mean kappa / n, so that mean and variance are exact where G is linear.

Given A_l, the logarithm of a step back has the mean ln(sw2 E f'^2) - kappa' / (2 n), which is averaged over the paths.

On the way back W is not independent of the signal that it sent forward: given z = W a, what W^T delta has along a is
fixed by z . delta. That one direction of n has (1 + e) times the mean square of the others. With c = E f^2 f'^2 /
(E f^2 E f'^2) at q_l this adds ln(1 + e_l c_l / n) to the logarithm of the step back to layer l, along each path. From
e_L = 0 down, with all moments at q = q_{l+1},

    e_l = (1 - sb2 / q) ((E z^2 f'^2 / (q E f'^2) + e_{l+1} (E z f f')^2 / (q E f^2 E f'^2)) / d - 1),

where d = 1 + e_{l+1} c_{l+1} / n, by which the whole signal has grown, keeps one direction of n from having more than
n times the mean. e is 0 for homogeneous activations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import ndtri

from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.networks.activations import evaluate, parse
from nnsim.networks.gaussian_moments import Floats, gaussian_expectations
from nnsim.networks.initializers import variances
from nnsim.networks.spec import NetworkSpec

TRAJECTORIES, STRIDE = 610, 377  # consecutive Fibonacci numbers
SHIFT = 0.7548776662466927  # of the lattice from layer to layer; unlike the golden ratio no near multiple of the stride
STEP = 0.1  # of the lattice in ln q on which moments are known
NEIGHBOURS = np.arange(-3, 5)  # of a point, on that lattice
TIES = 6  # decimals of ln q in which paths that meet again are equal: their order must not hang on the last bit
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


def _interpolated(moments: Callable[..., tuple[float, ...]], name: str, at: Floats, parameter: float | None) -> Floats:
    """Return moments at each ln q, a row each (moments, points), from the lattice by polynomials of degree 7."""
    inside = np.abs(at) <= WIDEST
    place = np.where(inside, at, 0.0) / STEP
    left = np.floor(place).astype(np.int64)
    first = int(left.min()) + NEIGHBOURS[0]
    nodes = np.unique(left[:, None] + NEIGHBOURS)
    table = np.full((nodes[-1] - first + 1, len(moments(name, 0.0, parameter))), np.nan)
    table[nodes - first] = [moments(name, node * STEP, parameter) for node in nodes.tolist()]
    values = np.einsum("pk,pkm->mp", _weights(place - left), table[left[:, None] + NEIGHBOURS - first])
    return np.where(inside, values, np.nan)


def _weights(t: Floats) -> Floats:
    """Return Lagrange's weights of the neighbours for each t in [0, 1), as (points, neighbours)."""
    others = [NEIGHBOURS[node != NEIGHBOURS] for node in NEIGHBOURS]
    return np.stack(
        [np.prod((t[:, None] - rest) / (node - rest), axis=1) for node, rest in zip(NEIGHBOURS, others, strict=True)], 1
    )


@lru_cache(maxsize=8)
def _quantiles(count: int) -> Floats:
    """Return count quantiles of the standard normal, ascending."""
    return ndtri((np.arange(count) + 0.5) / count)


def _noise(order: Floats, layer: int, means: Floats, deviations: Floats) -> Floats:
    """Return what to add to means: as the standard deviations say, uncorrelated with means, and 0 on average."""
    count, noise, apart = means.size, np.empty_like(means), means - means.mean()
    places = (STRIDE * np.arange(count) + int(count * (layer * SHIFT % 1))) % count
    noise[np.argsort(np.round(order, TIES), kind="stable")] = _quantiles(count)[places]
    noise *= deviations
    noise -= noise.mean()
    noise -= (noise @ apart) / (apart @ apart or 1.0) * apart
    return noise * np.sqrt((deviations @ deviations) / (noise @ noise or 1.0))


def _logs(values: Any) -> Floats:
    """Return logarithms; NaN of what has none."""
    return np.log(np.where(np.asarray(values) > 0, values, np.nan))


def _alignment(name: str, logs_of_q: list[Floats], sb2: float, width: int, parameter: float | None) -> Floats:
    """What the alignment of W with the forward signal adds to the logarithm of each step back."""
    joint = [_interpolated(_joint_moments, name, log_q, parameter) for log_q in logs_of_q]
    excess, growth, added = np.zeros_like(logs_of_q[0]), np.zeros_like(logs_of_q[0]), []
    for (both, _, _), (_, along, cross), above in zip(joint[-2::-1], joint[:0:-1], logs_of_q[:0:-1], strict=True):
        excess = (1 - sb2 * np.exp(-above)) * ((along + cross * excess) / (1 + growth) - 1)
        growth = excess * both / width
        added.append(np.mean(np.log1p(growth)))
    return np.array(added[::-1])


@lru_cache(maxsize=1024)
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
    """Return what to expect of a network of independent weights and one width.

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
    log_q = _logs(np.full(TRAJECTORIES, sw2 * input_square + sb2))
    logs_of_q, forward, spread, factors = [], [], [], []
    for layer in range(depth):
        G, kappa, chi, kappa_back = _interpolated(_log_moments, name, log_q, parameter)
        means, deviations = G - kappa / (2 * width), np.sqrt(np.maximum(kappa, 0.0) / width)
        A = means + _noise(log_q, layer, means, deviations)
        logs_of_q.append(log_q)
        forward.append(A.mean())
        spread.append(A.var())
        factors.append(np.mean(chi - kappa_back / (2 * width)))
        log_q = _logs(sw2 * np.exp(A) + sb2)
    steps = _logs(sw2) + np.array(factors[:-1]) + _alignment(name, logs_of_q, sb2, width, parameter)
    backward = np.append(np.cumsum(steps[::-1])[::-1], 0.0)
    return Propagation(np.array(forward), backward, np.array(spread))
