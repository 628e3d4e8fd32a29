"""One step of an optimizer over the flat parameter vector: clip, decay, update; a thread does all for a parameter."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.cuda.decorators import barrier, device, real
from nnsim.kernels.cuda.network import FIRST, GRADIENT, SECOND, THETA
from nnsim.kernels.cuda.sums import add_lanes, sum_of_squares
from nnsim.kernels.cuda.threads import mine, thread
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
from nnsim.kernels.formulas.scalar_math import sqrt
from nnsim.kernels.formulas.written_orders import LANES


@device
def _clip_values(memory, gradient, size, limit, lanes):
    """Cut every number at the limit; tell whether one was larger."""
    for lane in mine(0, LANES):
        lanes[lane] = 0.0
        for i in range(lane, size, LANES):
            number = memory[gradient + i]
            lanes[lane] += 1.0 if abs(number) > limit else 0.0
            memory[gradient + i] = clip(number, limit)
    return add_lanes(lanes) > 0.0


@device
def clip_gradient(memory, gradient, size, clip_norm, clip_value, lanes):
    """Clip by value or by global norm; return the norm before, NaN if not asked, and whether it was (see the CPU's)."""
    if clip_value < np.inf:
        return np.nan, _clip_values(memory, gradient, size, clip_value, lanes)
    if not clip_norm < np.inf:
        return np.nan, False
    length = sqrt(sum_of_squares(memory, gradient, size, lanes))
    factor = np.float64(clip_norm) / (length + 1e-6)
    if factor < 1.0:
        for i in mine(0, size):
            memory[gradient + i] *= real(memory, factor)
        barrier()
    return length, length > clip_norm


@device
def _decay(memory, theta, gradient, begin, end, decay, learning_rate, decoupled):
    for i in mine(begin, end):
        if decoupled:
            memory[theta + i] = shrink(memory[theta + i], learning_rate, decay)
        else:
            memory[gradient + i] = add_decay(memory[gradient + i], memory[theta + i], decay)


@device
def _sgd(memory, theta, gradient, begin, end, learning_rate):
    for i in mine(begin, end):
        memory[theta + i] = descend(memory[theta + i], memory[gradient + i], learning_rate)


@device
def _momentum(memory, theta, gradient, velocity, begin, end, learning_rate, momentum):
    for i in mine(begin, end):
        v = accumulate(memory[velocity + i], memory[gradient + i], momentum)
        memory[velocity + i] = v
        memory[theta + i] = descend(memory[theta + i], v, learning_rate)


@device
def _nesterov(memory, theta, gradient, velocity, begin, end, learning_rate, momentum):
    for i in mine(begin, end):
        v = accumulate(memory[velocity + i], memory[gradient + i], momentum)
        memory[velocity + i] = v
        direction = look_ahead(v, memory[gradient + i], momentum)
        memory[theta + i] = descend(memory[theta + i], direction, learning_rate)


@device
def _adagrad(memory, theta, gradient, squares, begin, end, learning_rate, epsilon):
    for i in mine(begin, end):
        s = add_square(memory[squares + i], memory[gradient + i])
        memory[squares + i] = s
        memory[theta + i] = descend(memory[theta + i], scaled(memory[gradient + i], s, epsilon), learning_rate)


@device
def _rmsprop(memory, theta, gradient, squares, begin, end, learning_rate, beta2, epsilon):
    for i in mine(begin, end):
        s = average_square(memory[squares + i], memory[gradient + i], beta2)
        memory[squares + i] = s
        memory[theta + i] = descend(memory[theta + i], scaled(memory[gradient + i], s, epsilon), learning_rate)


@device
def _adam(memory, theta, gradient, first, second, begin, end, rate, beta1, beta2, root_correction, epsilon):
    for i in mine(begin, end):
        m = average(memory[first + i], memory[gradient + i], beta1)
        s = average_square(memory[second + i], memory[gradient + i], beta2)
        memory[first + i], memory[second + i] = m, s
        memory[theta + i] = descend(memory[theta + i], scaled_unbiased(m, s, root_correction, epsilon), rate)


@device
def update(memory, places, powers, rule, learning_rate, rows):
    """Take one step from a batch of so many rows; the gradient is clipped already.

    `powers` is a shared vector that begins with b1^t and b2^t.
    """
    if thread() == 0:
        powers[0] *= np.float64(rule.momentum)
        powers[1] *= np.float64(rule.beta2)
    barrier()
    at = places.network
    theta, gradient, first, second = at[THETA], at[GRADIENT], at[FIRST], at[SECOND]
    for segment in range(rule.starts.size - 1):
        begin, end = rule.starts[segment], rule.starts[segment + 1]
        rate = learning_rate * np.float64(rule.rates[segment])
        eta = real(memory, rate)
        if rule.decaying:
            decay = rule.decays[segment] / np.float64(rows) if rule.over_rows else rule.decays[segment]
            _decay(memory, theta, gradient, begin, end, real(memory, decay), eta, rule.decoupled)
        if rule.optimizer == SGD:
            _sgd(memory, theta, gradient, begin, end, eta)
        elif rule.optimizer == MOMENTUM:
            _momentum(memory, theta, gradient, first, begin, end, eta, rule.momentum)
        elif rule.optimizer == NESTEROV:
            _nesterov(memory, theta, gradient, first, begin, end, eta, rule.momentum)
        elif rule.optimizer == ADAGRAD:
            _adagrad(memory, theta, gradient, second, begin, end, eta, rule.epsilon)
        elif rule.optimizer == RMSPROP:
            _rmsprop(memory, theta, gradient, second, begin, end, eta, rule.beta2, rule.epsilon)
        elif rule.optimizer == ADAM:
            its_rate = real(memory, rate / (1.0 - powers[0]))
            correction = real(memory, 1.0 / sqrt(1.0 - powers[1]))
            _adam(
                memory, theta, gradient, first, second, begin, end, its_rate, rule.momentum, rule.beta2, correction,
                rule.epsilon,
            )  # fmt: skip
    barrier()
