"""One step of an optimizer over the flat parameter vector: clip, decay, update."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnsim.kernels.compiling.decorators import inlined, inner
from nnsim.kernels.cpu.sums import sum_of_squares
from nnsim.kernels.formulas.optimizers import (
    ADAGRAD,
    ADAM,
    MOMENTUM,
    NESTEROV,
    RMSPROP,
    SGD,
    accumulate,
    add_decay,
    add_square,
    average,
    average_square,
    clip,
    descend,
    look_ahead,
    scaled,
    scaled_unbiased,
    shrink,
)


class Rule(NamedTuple):
    """An optimizer, in numbers.

    ``momentum`` is also Adam's b1, and ``beta2`` RMSProp's decay; ``clip_norm`` and ``clip_value`` are infinite where
    nothing is clipped. Parameters from ``starts[s]`` to ``starts[s + 1]`` take ``rates[s]`` times the learning rate and
    the weight decay ``decays[s]``, a float64 number, which ``over_rows`` divides by the rows of the step; it is
    ``decoupled`` from the gradient or not, and ``decaying`` tells whether there is any.
    """

    optimizer: int
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
def _clip_values(gradient, limit):
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
    """Clip by value or by global norm (Pascanu, Mikolov and Bengio 2013).

    Like PyTorch, a norm above the limit is scaled by limit / (norm + 1e-6). Returns the norm before, NaN where no limit
    asks for it, and whether the gradient was beyond its limit.
    """
    if clip_value < np.inf:
        return np.nan, _clip_values(gradient, clip_value)
    if not clip_norm < np.inf:
        return np.nan, False
    length = np.sqrt(sum_of_squares(gradient, lanes))
    factor = np.float64(clip_norm) / (length + 1e-6)
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


@inner
def _sgd(theta, gradient, learning_rate):
    for i in range(theta.size):
        theta[i] = descend(theta[i], gradient[i], learning_rate)


@inner
def _momentum(theta, gradient, velocity, learning_rate, momentum):
    for i in range(theta.size):
        velocity[i] = accumulate(velocity[i], gradient[i], momentum)
        theta[i] = descend(theta[i], velocity[i], learning_rate)


@inner
def _nesterov(theta, gradient, velocity, learning_rate, momentum):
    for i in range(theta.size):
        velocity[i] = accumulate(velocity[i], gradient[i], momentum)
        theta[i] = descend(theta[i], look_ahead(velocity[i], gradient[i], momentum), learning_rate)


@inner
def _adagrad(theta, gradient, squares, learning_rate, epsilon):
    for i in range(theta.size):
        squares[i] = add_square(squares[i], gradient[i])
        theta[i] = descend(theta[i], scaled(gradient[i], squares[i], epsilon), learning_rate)


@inner
def _rmsprop(theta, gradient, squares, learning_rate, beta2, epsilon):
    for i in range(theta.size):
        squares[i] = average_square(squares[i], gradient[i], beta2)
        theta[i] = descend(theta[i], scaled(gradient[i], squares[i], epsilon), learning_rate)


@inner
def _adam(theta, gradient, first, second, rate, beta1, beta2, root_correction, epsilon):
    for i in range(theta.size):
        first[i] = average(first[i], gradient[i], beta1)
        second[i] = average_square(second[i], gradient[i], beta2)
        theta[i] = descend(theta[i], scaled_unbiased(first[i], second[i], root_correction, epsilon), rate)


@inlined
def update(theta, gradient, moments, rule, learning_rate, rows):
    """Take one step; the gradient is clipped already, and is changed where an L2 penalty is added to it.

    Parameters
    ----------
    theta, gradient : vectors
    moments : Moments
    rule : Rule
    learning_rate : float64
    rows : int
        Rows of the step's batch.
    """
    powers, real = moments.powers, theta.dtype.type
    powers[0] *= np.float64(rule.momentum)
    powers[1] *= np.float64(rule.beta2)
    for segment in range(rule.starts.size - 1):
        part = slice(rule.starts[segment], rule.starts[segment + 1])
        rate = learning_rate * np.float64(rule.rates[segment])
        t, g, eta = theta[part], gradient[part], real(rate)
        if rule.decaying:
            decay = rule.decays[segment] / rows if rule.over_rows else rule.decays[segment]
            _decay(t, g, real(decay), eta, rule.decoupled)
        if rule.optimizer == SGD:
            _sgd(t, g, eta)
        elif rule.optimizer == MOMENTUM:
            _momentum(t, g, moments.first[part], eta, rule.momentum)
        elif rule.optimizer == NESTEROV:
            _nesterov(t, g, moments.first[part], eta, rule.momentum)
        elif rule.optimizer == ADAGRAD:
            _adagrad(t, g, moments.second[part], eta, rule.epsilon)
        elif rule.optimizer == RMSPROP:
            _rmsprop(t, g, moments.second[part], eta, rule.beta2, rule.epsilon)
        elif rule.optimizer == ADAM:
            rate = real(rate / (1.0 - powers[0]))
            correction = real(1.0 / np.sqrt(1.0 - powers[1]))
            first, second = moments.first[part], moments.second[part]
            _adam(t, g, first, second, rate, rule.momentum, rule.beta2, correction, rule.epsilon)
