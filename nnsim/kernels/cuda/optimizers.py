"""One step of an optimizer over the flat parameter vector: clip, decay, update; a thread does all for a parameter."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnsim.kernels.cuda.decorators import barrier, device, real
from nnsim.kernels.cuda.network import FIRST, GRADIENT, SECOND, THETA
from nnsim.kernels.cuda.sums import add_lanes, sum_of_squares
from nnsim.kernels.cuda.threads import mine, thread
from nnsim.kernels.formulas.optimizers import OPTIMIZERS, Optimizer, add_decay, clip, clip_factor, shrink
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
    factor = clip_factor(length, np.float64(clip_norm))
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
def _no_step(memory, wanted, at, begin, end, rate, powers, momentum, beta2, epsilon):
    pass


def _case(code: int, optimizer: Optimizer, rest: Any) -> Any:
    step, rates, has_first, has_second = optimizer.step, optimizer.rates, optimizer.first, optimizer.second

    @device
    def steps(memory, wanted, at, begin, end, rate, powers, momentum, beta2, epsilon):
        if wanted == code:
            its_rate, correction = rates(rate, powers[0], powers[1])
            eta, c = real(memory, its_rate), real(memory, correction)
            for i in mine(begin, end):
                theta, gradient = memory[at[THETA] + i], memory[at[GRADIENT] + i]
                first = memory[at[FIRST] + i] if has_first else theta
                second = memory[at[SECOND] + i] if has_second else theta
                theta, first, second = step(theta, gradient, first, second, eta, momentum, beta2, c, epsilon)
                memory[at[THETA] + i] = theta
                if has_first:
                    memory[at[FIRST] + i] = first
                if has_second:
                    memory[at[SECOND] + i] = second
        else:
            rest(memory, wanted, at, begin, end, rate, powers, momentum, beta2, epsilon)

    return steps


_step = OPTIMIZERS.chained(_case, _no_step)


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
    for segment in range(rule.starts.size - 1):
        begin, end = rule.starts[segment], rule.starts[segment + 1]
        rate = learning_rate * np.float64(rule.rates[segment])
        if rule.decaying:
            decay = rule.decays[segment] / np.float64(rows) if rule.over_rows else rule.decays[segment]
            eta = real(memory, rate)
            _decay(memory, at[THETA], at[GRADIENT], begin, end, real(memory, decay), eta, rule.decoupled)
        _step(memory, rule.optimizer, at, begin, end, rate, powers, rule.momentum, rule.beta2, rule.epsilon)
    barrier()
