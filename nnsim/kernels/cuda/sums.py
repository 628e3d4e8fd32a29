"""Sums in float64 in the order of `nnsim.kernels.cpu.sums`: number i to lane i mod 128, and the lanes by halves."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.cuda.decorators import barrier, device
from nnsim.kernels.cuda.threads import thread_range
from nnsim.kernels.formulas.scalar_math import fma
from nnsim.kernels.formulas.written_orders import LANES


@device
def add_lanes(lanes):
    """Return the sum of the lanes, which is left in the first."""
    barrier()
    half = LANES // 2
    while half > 0:
        for lane in thread_range(0, half):
            lanes[lane] += lanes[half + lane]
        barrier()
        half //= 2
    result = lanes[0]
    barrier()
    return result


@device
def total(memory, values, size, lanes):
    """Sum of the `size` numbers from place `values`; lanes is scratch of 128 float64."""
    for lane in thread_range(0, LANES):
        lanes[lane] = 0.0
        for i in range(lane, size, LANES):
            lanes[lane] += np.float64(memory[values + i])
    return add_lanes(lanes)


@device
def sum_of_squares(memory, values, size, lanes):
    """Sum of the squares of the `size` numbers from place `values`; lanes is scratch of 128 float64."""
    for lane in thread_range(0, LANES):
        lanes[lane] = 0.0
        for i in range(lane, size, LANES):
            x = np.float64(memory[values + i])
            lanes[lane] = fma(x, x, lanes[lane])
    return add_lanes(lanes)
