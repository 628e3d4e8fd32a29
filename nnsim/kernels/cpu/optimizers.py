"""One step of an optimizer over the flat parameter vector: clip, decay, update."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnsim.kernels.compiling.decorators import inlined, inner
from nnsim.kernels.cpu.sums import sum_of_squares
from nnsim.kernels.formulas.optimizers import OPTIMIZERS, Optimizer, add_decay, clip, clip_factor, shrink


class OptimizerParams(NamedTuple):
    """An optimizer, in numbers.

    ``momentum`` is also Adam's b1, and ``beta2`` RMSProp's decay; ``clip_norm`` and ``clip_value`` are infinite where
    nothing is clipped. Parameters from ``starts[s]`` to ``starts[s + 1]`` take ``rates[s]`` times the learning rate and
    the weight decay ``decays[s]``, a float64 number, which ``over_rows`` divides by the rows of the step; it is
    ``decoupled`` from the gradient or not, and ``decaying`` tells whether there is any.
    """

    code: int
    momentum: float
    beta2: float
    epsilon: float
    clip_norm: float
    clip_value: float
    starts: np.ndarray
    rates: np.ndarray
    decays: np.ndarray
    decaying: bool
    over_rows: bool
    decoupled: bool


class Moments(NamedTuple):
    """What an optimizer remembers: up to two numbers a parameter, and b1^t and b2^t in float64.

    A vector that the optimizer does not use may be empty.
    """

    first: np.ndarray
    second: np.ndarray
    powers: np.ndarray


@inner
def clip_values(gradient, limit):
    """Cut every number at the limit; tell whether one was larger."""
    larger = 0
    for i in range(gradient.size):
        larger += 1 if abs(gradient[i]) > limit else 0
        gradient[i] = clip(gradient[i], limit)
    return larger > 0


@inner
def _multiply(gradient, factor):
    for i in range(gradient.size):
        gradient[i] *= factor


@inner
def clip_gradient(gradient, clip_norm, clip_value, lanes):
    """Clip by value or by global norm.

    Returns the norm before, NaN where no limit
    asks for it, and whether the gradient was beyond its limit.
    """
    if clip_value < np.inf:
        return np.nan, clip_values(gradient, clip_value)
    if not clip_norm < np.inf:
        return np.nan, False
    length = np.sqrt(sum_of_squares(gradient, lanes))
    factor = clip_factor(length, np.float64(clip_norm))
    if factor < 1.0:
        _multiply(gradient, gradient.dtype.type(factor))
    return length, length > clip_norm


@inner
def _decay(theta, gradient, decay, learning_rate, decoupled):
    if decoupled:
        for i in range(theta.size):
            theta[i] = shrink(theta[i], learning_rate, decay)
    else:
        for i in range(theta.size):
            gradient[i] = add_decay(gradient[i], theta[i], decay)


def _loop(optimizer: Optimizer) -> Any:
    """Return the loop over a vector of parameters, with the moments that the optimizer has."""
    step = optimizer.step

    @inner
    def without(theta, gradient, first, second, rate, momentum, beta2, correction, epsilon):
        for i in range(theta.size):
            t, g = theta[i], gradient[i]
            theta[i], _, _ = step(t, g, t, t, rate, momentum, beta2, correction, epsilon)

    @inner
    def with_first(theta, gradient, first, second, rate, momentum, beta2, correction, epsilon):
        for i in range(theta.size):
            t, g = theta[i], gradient[i]
            theta[i], first[i], _ = step(t, g, first[i], t, rate, momentum, beta2, correction, epsilon)

    @inner
    def with_second(theta, gradient, first, second, rate, momentum, beta2, correction, epsilon):
        for i in range(theta.size):
            t, g = theta[i], gradient[i]
            theta[i], _, second[i] = step(t, g, t, second[i], rate, momentum, beta2, correction, epsilon)

    @inner
    def with_both(theta, gradient, first, second, rate, momentum, beta2, correction, epsilon):
        for i in range(theta.size):
            t, g = theta[i], gradient[i]
            theta[i], first[i], second[i] = step(t, g, first[i], second[i], rate, momentum, beta2, correction, epsilon)

    if optimizer.first:
        return with_both if optimizer.second else with_first
    return with_second if optimizer.second else without


@inner
def _no_step(wanted, theta, gradient, first, second, rate, powers, momentum, beta2, epsilon):
    pass


def _case(code: int, optimizer: Optimizer, rest: Any) -> Any:
    loop, rates = _loop(optimizer), optimizer.rates

    @inner
    def steps(wanted, theta, gradient, first, second, rate, powers, momentum, beta2, epsilon):
        if wanted == code:
            real = theta.dtype.type
            its_rate, correction = rates(rate, powers[0], powers[1])
            loop(theta, gradient, first, second, real(its_rate), momentum, beta2, real(correction), epsilon)
        else:
            rest(wanted, theta, gradient, first, second, rate, powers, momentum, beta2, epsilon)

    return steps


_step = OPTIMIZERS.chained(_case, _no_step)


@inlined
def update(theta, gradient, moments, params, learning_rate, rows):
    """Take one step; the gradient is clipped already, and is changed where an L2 penalty is added to it.

    Parameters
    ----------
    theta, gradient : vectors
    moments : Moments
    params : OptimizerParams
    learning_rate : float64
    rows : int
        Rows of the step's batch.
    """
    powers, real = moments.powers, theta.dtype.type
    powers[0] *= np.float64(params.momentum)
    powers[1] *= np.float64(params.beta2)
    for segment in range(params.starts.size - 1):
        part = slice(params.starts[segment], params.starts[segment + 1])
        rate = learning_rate * np.float64(params.rates[segment])
        t, g, first, second = theta[part], gradient[part], moments.first[part], moments.second[part]
        if params.decaying:
            decay = params.decays[segment] / rows if params.over_rows else params.decays[segment]
            _decay(t, g, real(decay), real(rate), params.decoupled)
        _step(params.code, t, g, first, second, rate, powers, params.momentum, params.beta2, params.epsilon)
