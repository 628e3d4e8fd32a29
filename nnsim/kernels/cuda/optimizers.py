"""One step of an optimizer over the flat parameter vector: clip, decay, update; a thread does all for a parameter."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnsim.kernels.cuda.decorators import barrier, cast_like, device
from nnsim.kernels.cuda.network import FIRST, GRADIENT, SECOND, THETA
from nnsim.kernels.cuda.sums import add_lanes, sum_of_squares
from nnsim.kernels.cuda.threads import thread, thread_range
from nnsim.kernels.formulas.optimizers import OPTIMIZERS, Optimizer, add_decay, clip, clip_factor, shrink
from nnsim.kernels.formulas.scalar_math import sqrt
from nnsim.kernels.formulas.written_orders import LANES


@device
def _clip_values(memory, gradient, size, limit, lanes):
    """Cut every number at the limit; tell whether one was larger."""
    for lane in thread_range(0, LANES):
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
        for i in thread_range(0, size):
            memory[gradient + i] *= cast_like(memory, factor)
        barrier()
    return length, length > clip_norm


@device
def _decay(memory, theta, gradient, begin, end, decay, learning_rate, decoupled):
    for i in thread_range(begin, end):
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
            eta, c = cast_like(memory, its_rate), cast_like(memory, correction)
            for i in thread_range(begin, end):
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
def update(memory, places, powers, params, learning_rate, rows):
    """Take one step from a batch of so many rows; the gradient is clipped already.

    `powers` is a shared vector that begins with b1^t and b2^t.
    """
    if thread() == 0:
        powers[0] *= np.float64(params.momentum)
        powers[1] *= np.float64(params.beta2)
    barrier()
    at = places.network
    for segment in range(params.starts.size - 1):
        begin, end = params.starts[segment], params.starts[segment + 1]
        rate = learning_rate * np.float64(params.rates[segment])
        if params.decaying:
            decay = params.decays[segment] / np.float64(rows) if params.over_rows else params.decays[segment]
            eta = cast_like(memory, rate)
            _decay(memory, at[THETA], at[GRADIENT], begin, end, cast_like(memory, decay), eta, params.decoupled)
        _step(memory, params.code, at, begin, end, rate, powers, params.momentum, params.beta2, params.epsilon)
    barrier()
