"""What theory predicts at initialisation: mean-field maps, and exact laws of ReLU nets of finite width.

Symbols: weights are independent N(0, sw2 / fan_in), biases N(0, sb2); z ~ N(0, 1); q is the variance of a layer's
pre-activation Z, delta = dL/dZ; n_l is the width of layer l, layer 0 the input. He et al. have sw2 = 2; Glorot & Bengio
at equal widths sw2 = 1; PyTorch's default for linear layers sw2 = 1/3.

The maps are exact as the width tends to infinity. Finite widths spread and shift them, by about 5 / n a layer in second
moments of a ReLU net; `relu_log_forward_law` and `relu_log_backward_law` are exact at any width.

References
----------
Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks.
He, Zhang, Ren & Sun 2015, Delving deep into rectifiers.
Poole et al. 2016, Exponential expressivity in deep neural networks through transient chaos.
Schoenholz et al. 2017, Deep information propagation.
Hanin & Rolnick 2018, How to start training: the effect of initialization and architecture.
Hanin & Nica 2018, Products of many large random matrices and gradients in deep neural networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma
from scipy.stats import binom

from nnsim.activations import evaluate
from nnsim.errors import UsageError
from nnsim.kernels.activations import ACTIVATIONS
from nnsim.registry import look_up

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
    if not 0.0 <= variance < math.inf:
        raise UsageError(f"variance is {variance}: a finite number that is at least 0 is needed")
    if variance == 0.0:
        return float(function(np.zeros(1))[0])
    scale = math.sqrt(variance)
    edges = _panel_edges(scale, kinks)
    half = np.diff(edges)[:, None] / 2.0
    x = (edges[:-1, None] + half) + half * NODES
    mass = half * WEIGHTS * np.exp(-0.5 * (x / scale) ** 2)
    with np.errstate(over="ignore", invalid="ignore"):  # an exploding layer has an infinite moment, or none
        return float(np.sum(mass.ravel() * function(x.ravel())) / np.sum(mass))


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
    kinks = look_up(ACTIVATIONS, "activation", name).kinks
    return Moments(
        gaussian_expectation(lambda x: evaluate(name, x, parameter)[0], kinks, variance),
        gaussian_expectation(lambda x: evaluate(name, x, parameter)[0] ** 2, kinks, variance),
        gaussian_expectation(lambda x: evaluate(name, x, parameter)[1] ** 2, kinks, variance),
    )


def gain(name: str, parameter: float | None = None) -> float:
    """Return the gain sw = 1 / sqrt(E f(z)^2), with which a variance of 1 is kept from layer to layer (no bias).

    For ReLU sqrt(2), for leaky ReLU with slope a sqrt(2 / (1 + a^2)): He et al. 2015, eq. 10 and 15.
    """
    return 1.0 / math.sqrt(activation_moments(name, 1.0, parameter).second)


def variance_map(name: str, sw2: float, sb2: float, q: float, parameter: float | None = None) -> float:
    """Return the next layer's pre-activation variance, sw2 E f(sqrt(q) z)^2 + sb2: Poole et al. 2016, eq. 3.

    A variance that has overflowed stays infinite.
    """
    if q == math.inf:
        return math.inf
    return sw2 * activation_moments(name, q, parameter).second + sb2


def gradient_factor(name: str, sw2: float, q: float, parameter: float | None = None) -> float:
    """Return chi = sw2 E f'(sqrt(q) z)^2, by which E delta^2 changes per layer: Schoenholz et al. 2017, section 5.

    The factor of one step back from layer l + 1 to layer l of equal width, where q is the variance of layer l. At
    unequal widths multiply by n_{l+1} / n_l. NaN where q has overflowed.
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
    `variance_trajectory`, which also describes the parameters. Schoenholz et al. 2017, section 5.

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

    Returns
    -------
    FixedPoint
        Its ``status`` says whether there is one; its ``str`` says it in a sentence.
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


def sigmoid_norm_factor(depth: int) -> float:
    """Return the mean-field ||delta_0|| / ||delta_depth|| of a sigmoid net at Glorot scale (sw2 = 1, sb2 = 0).

    chi(q*)^(depth / 2), where q* is the variance that the net settles at: Schoenholz et al. 2017, section 5. It is less
    than `sigmoid_norm_bound`, because few units sit where the sigmoid is steepest.
    """
    return gradient_factor("sigmoid", 1.0, fixed_point("sigmoid", 1.0, 0.0).variance) ** (depth / 2.0)


def sigmoid_norm_bound(depth: int) -> float:
    """Return 0.25^depth, the textbook bound on ||delta_0|| / ||delta_depth|| of a sigmoid net.

    A bound if every weight matrix has spectral norm at most 1, since 0 < sigmoid' <= 1/4.
    """
    return float(0.25**depth)


def mean_singular_value(n_var: float) -> float:
    """Return the mean singular value of a large square matrix W, (8 / (3 pi)) sqrt(n Var W), of the quarter-circle law.

    The Jacobian of a layer in the linear regime, as monitored by Glorot & Bengio 2010, section 4.2: 0.49 for weights
    U(+-1/sqrt(n)), 0.85 for their own initialisation.

    Parameters
    ----------
    n_var : float
        Width times the variance of a weight.
    """
    return 8.0 / (3.0 * math.pi) * math.sqrt(n_var)


class LogGainLaw(NamedTuple):
    """Mean and variance of the logarithm of a squared-norm ratio given that the net is alive, and P(alive)."""

    mean: float
    variance: float
    survival: float


def relu_log_forward_law(widths: Sequence[int], sw2: float = 2.0) -> LogGainLaw:
    """Return the exact law of ln(||h_L||^2 / ||h_0||^2) for a ReLU net of Gaussian weights without biases.

    The ratio is a product of independent factors (sw2 / n_{l-1}) chi^2_K with K ~ Binomial(n_l, 1/2): Hanin & Nica
    2018, Hanin & Rolnick 2018. K = 0 kills the net, so moments are those given K >= 1 in every layer. The Jacobian of
    h_L with respect to the input, applied to a fixed unit vector, has the same law for its squared norm.

    Unconditionally a factor F of a He net has E F = n_l / n_{l-1} and E F^2 / (E F)^2 = 1 + 5 / n_l, but products of
    many factors have tails so heavy that only moments of the logarithm can be measured.

    Parameters
    ----------
    widths : sequence of int
        Widths of the input and of the L hidden layers, (n_0, ..., n_L).
    sw2 : float
        Weight variance times fan-in, positive; 2 is He et al.

    Returns
    -------
    LogGainLaw
        ``mean``, ``variance`` (natural logarithms), ``survival``.

    Raises
    ------
    UsageError
        If a width is not a positive whole number, or sw2 is not positive.
    """
    return _relu_log_law(widths[1:], widths[:-1], sw2)


def relu_log_backward_law(widths: Sequence[int], sw2: float = 2.0) -> LogGainLaw:
    """Return the exact law of ln(||delta_1||^2 / ||delta_L||^2) for a ReLU net of Gaussian weights without biases.

    Going back from hidden layer l + 1 to layer l multiplies ||delta||^2 by (sw2 / n_l) chi^2_K, K ~ Binomial(n_l, 1/2),
    independently: Hanin & Nica 2018 (the masks of a ReLU net are independent coin flips of the Gaussian weights, as
    far as products of its Jacobians can tell). Exact where dL/dZ of the output does not depend on the net.

    Parameters
    ----------
    widths : sequence of int
        Widths of the hidden layers, (n_1, ..., n_L). The last one has no factor: delta_L is what one starts from.
    sw2 : float
        Weight variance times fan-in, positive; 2 is He et al.

    Returns
    -------
    LogGainLaw
        Given that some unit is active in each of the layers 1 .. L - 1; ``survival`` is the probability of that.

    Raises
    ------
    UsageError
        If a width is not a positive whole number, or sw2 is not positive.
    """
    return _relu_log_law(widths[:-1], widths[:-1], sw2)


def relu_log_approximation(hidden_widths: Sequence[int]) -> tuple[float, float]:
    """Return (-5 beta / 2, 5 beta), beta = sum of 1 / n_l: the leading mean and variance of the log gain of a He net.

    The limit of `relu_log_forward_law` for wide layers, up to the ratio of the last to the first width: Hanin & Nica
    2018, Theorem 1.
    """
    beta = sum(1.0 / width for width in hidden_widths)
    return -2.5 * beta, 5.0 * beta


def _relu_log_law(widths: Sequence[int], fans: Sequence[int], sw2: float) -> LogGainLaw:
    """Return the law of the sum over layers of ln((sw2 / fan) chi^2_K), K ~ Binomial(width, 1/2) given K >= 1."""
    for width in (*widths, *fans):
        if width < 1 or width != int(width):
            raise UsageError(f"width is {width}: a whole number that is at least 1 is needed")
    if not sw2 > 0.0:
        raise UsageError(f"sw2 is {sw2}: a positive number is needed")
    laws = [_log_chi2_law(int(width)) for width in widths]
    return LogGainLaw(
        mean=sum((law.mean + math.log(sw2 / fan) for law, fan in zip(laws, fans, strict=True)), start=0.0),
        variance=sum((law.variance for law in laws), start=0.0),
        survival=math.prod((law.survival for law in laws), start=1.0),
    )


@lru_cache(maxsize=256)
def _log_chi2_law(width: int) -> LogGainLaw:
    """Return the law of ln chi^2_K, K ~ Binomial(width, 1/2) given K >= 1.

    Given K, ln chi^2_K has mean digamma(K/2) + ln 2 and variance trigamma(K/2).
    """
    k = np.arange(1, width + 1)
    alive = -math.expm1(-width * math.log(2.0))
    probability = binom.pmf(k, width, 0.5) / alive
    means = digamma(k / 2.0) + math.log(2.0)
    mean = float(probability @ means)
    variance = float(probability @ (polygamma(1, k / 2.0) + (means - mean) ** 2))
    return LogGainLaw(mean, variance, alive)
