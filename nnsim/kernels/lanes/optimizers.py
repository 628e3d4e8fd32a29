"""One step of an optimizer over every network's parameters: clip, decay, update.

What each network has for itself, as its learning rate, is repeated for some parameters, so that one loop of vector code
runs over them all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnsim.kernels.compiling.decorators import inlined, inner
from nnsim.kernels.cpu.optimizers import clip_values
from nnsim.kernels.formulas.optimizers import OPTIMIZERS, Optimizer, add_decay, clip_factor, shrink
from nnsim.kernels.lanes.sums import sum_of_squares

REPEATED = 16
"""Parameters of a stretch."""


@inner
def repeat(numbers, repeated):
    """Write a number for each lane, float64 (lanes,), so many times as there is room, in the room's precision."""
    lanes = numbers.size
    for start in range(0, repeated.size, lanes):
        for lane in range(lanes):
            repeated[start + lane] = repeated.dtype.type(numbers[lane])


@inner
def _multiply(gradient, factors):
    for start in range(0, gradient.size, factors.size):
        part = gradient[start : start + factors.size]
        for i in range(part.size):
            part[i] *= factors[i]


@inner
def clip_gradient(gradient, clip_norm, clip_value, work_sums, repeated, norm, cut):
    """Clip by value or by global norm.

    Writes each lane's norm before, NaN where no limit asks for it, and whether its gradient was beyond its limit, 0 or
    1; norm and cut are float64 (lanes,).
    """
    lanes = norm.size
    for lane in range(lanes):
        norm[lane], cut[lane] = np.nan, 0.0
    if clip_value < np.inf:
        _clip_values(gradient, clip_value, cut)
    elif clip_norm < np.inf:
        sum_of_squares(gradient, work_sums, norm)
        for lane in range(lanes):
            norm[lane] = np.sqrt(norm[lane])
            factor = clip_factor(norm[lane], np.float64(clip_norm))
            cut[lane] = factor if factor < 1.0 else 1.0
        repeat(cut, repeated)
        _multiply(gradient, repeated)
        for lane in range(lanes):
            cut[lane] = 1.0 if norm[lane] > clip_norm else 0.0


@inner
def _clip_values(gradient, limit, cut):
    lanes = cut.size
    for start in range(0, gradient.size, lanes):
        for lane in range(lanes):
            cut[lane] = 1.0 if abs(gradient[start + lane]) > limit else cut[lane]
    clip_values(gradient, limit)


@inner
def _decay(theta, gradient, rates, decays, decoupled):
    for start in range(0, theta.size, rates.size):
        t, g = theta[start : start + rates.size], gradient[start : start + rates.size]
        if decoupled:
            for i in range(t.size):
                t[i] = shrink(t[i], rates[i], decays[i])
        else:
            for i in range(t.size):
                g[i] = add_decay(g[i], t[i], decays[i])


def _loop(optimizer: Optimizer) -> Any:
    """Return the loop over a stretch of parameters, with the moments that the optimizer has."""
    step = optimizer.step

    @inner
    def without(theta, gradient, first, second, rates, momentum, beta2, corrections, epsilon):
        for i in range(theta.size):
            t, g = theta[i], gradient[i]
            theta[i], _, _ = step(t, g, t, t, rates[i], momentum, beta2, corrections[i], epsilon)

    @inner
    def with_first(theta, gradient, first, second, rates, momentum, beta2, corrections, epsilon):
        for i in range(theta.size):
            t, g = theta[i], gradient[i]
            theta[i], first[i], _ = step(t, g, first[i], t, rates[i], momentum, beta2, corrections[i], epsilon)

    @inner
    def with_second(theta, gradient, first, second, rates, momentum, beta2, corrections, epsilon):
        for i in range(theta.size):
            t, g = theta[i], gradient[i]
            theta[i], _, second[i] = step(t, g, t, second[i], rates[i], momentum, beta2, corrections[i], epsilon)

    @inner
    def with_both(theta, gradient, first, second, rates, momentum, beta2, corrections, epsilon):
        for i in range(theta.size):
            t, g = theta[i], gradient[i]
            theta[i], first[i], second[i] = step(
                t, g, first[i], second[i], rates[i], momentum, beta2, corrections[i], epsilon
            )

    if optimizer.first:
        return with_both if optimizer.second else with_first
    return with_second if optimizer.second else without


@inner
def _no_step(wanted, theta, gradient, first, second, rates, powers, momentum, beta2, epsilon, repeated, scratch):
    pass


def _case(code: int, optimizer: Optimizer, rest: Any) -> Any:
    loop, rates_of = _loop(optimizer), optimizer.rates

    @inner
    def steps(wanted, theta, gradient, first, second, rates, powers, momentum, beta2, epsilon, repeated, scratch):
        if wanted == code:
            for lane in range(rates.size):
                scratch[0, lane], scratch[1, lane] = rates_of(rates[lane], powers[0], powers[1])
            repeat(scratch[0], repeated[0])
            repeat(scratch[1], repeated[1])
            width = repeated.shape[1]
            for start in range(0, theta.size, width):
                part = slice(start, start + width)
                loop(
                    theta[part], gradient[part], first[part], second[part], repeated[0], momentum, beta2, repeated[1],
                    epsilon,
                )  # fmt: skip
        else:
            rest(wanted, theta, gradient, first, second, rates, powers, momentum, beta2, epsilon, repeated, scratch)

    return steps


_step = OPTIMIZERS.chained(_case, _no_step)


@inlined
def update(theta, gradient, moments, params, decays, learning_rates, rows, repeated, scratch):
    """Take one step; the gradient is clipped already, and is changed where an L2 penalty is added to it.

    Parameters
    ----------
    theta, gradient : vectors
    moments : Moments
    params : OptimizerParams
        Its decays are not used.
    decays : float64 array (segments, lanes)
    learning_rates : float64 vector (lanes,)
    rows : int
        Rows of the step's batch.
    repeated : array (2, a multiple of lanes)
        Scratch of theta's precision.
    scratch : float64 array (4, lanes)
    """
    powers, lanes = moments.powers, learning_rates.size
    powers[0] *= np.float64(params.momentum)
    powers[1] *= np.float64(params.beta2)
    for segment in range(params.starts.size - 1):
        part = slice(params.starts[segment] * lanes, params.starts[segment + 1] * lanes)
        for lane in range(lanes):
            decay = decays[segment, lane]
            scratch[2, lane] = learning_rates[lane] * np.float64(params.rates[segment])
            scratch[3, lane] = decay / rows if params.over_rows else decay
        t, g, first, second = theta[part], gradient[part], moments.first[part], moments.second[part]
        if params.decaying:
            repeat(scratch[2], repeated[0])
            repeat(scratch[3], repeated[1])
            _decay(t, g, repeated[0], repeated[1], params.decoupled)
        _step(
            params.code, t, g, first, second, scratch[2], powers, params.momentum, params.beta2, params.epsilon,
            repeated, scratch,
        )  # fmt: skip
