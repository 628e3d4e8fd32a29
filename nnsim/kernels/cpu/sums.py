"""Sums of a vector in float64: number i goes to lane i mod 128, and the lanes are added by halves."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.compiling.decorators import inner
from nnsim.kernels.formulas.scalar_math import fma
from nnsim.kernels.formulas.written_orders import LANES


@inner
def _add_lanes(lanes):
    half = LANES // 2
    while half:
        for lane in range(half):
            lanes[lane] += lanes[half + lane]
        half //= 2
    return lanes[0]


@inner
def total(values, lanes):
    """Sum of a vector; lanes is scratch of 128 float64."""
    for lane in range(LANES):
        lanes[lane] = 0.0
    whole = values.size // LANES
    rows = values[: whole * LANES].reshape(whole, LANES)
    for i in range(whole):
        for lane in range(LANES):
            lanes[lane] += np.float64(rows[i, lane])
    rest = values[whole * LANES :]
    for lane in range(rest.size):
        lanes[lane] += np.float64(rest[lane])
    return _add_lanes(lanes)


@inner
def sum_of_squares(values, lanes):
    """Sum of the squares of a vector; lanes is scratch of 128 float64."""
    for lane in range(LANES):
        lanes[lane] = 0.0
    whole = values.size // LANES
    rows = values[: whole * LANES].reshape(whole, LANES)
    for i in range(whole):
        for lane in range(LANES):
            x = np.float64(rows[i, lane])
            lanes[lane] = fma(x, x, lanes[lane])
    rest = values[whole * LANES :]
    for lane in range(rest.size):
        x = np.float64(rest[lane])
        lanes[lane] = fma(x, x, lanes[lane])
    return _add_lanes(lanes)
