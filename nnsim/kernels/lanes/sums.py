"""Sums of many vectors at once, in float64 and in the written order: number i goes to sum i mod 128, then halves."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.compiling.decorators import inner
from nnsim.kernels.formulas.scalar_math import fma
from nnsim.kernels.formulas.written_orders import LANES


@inner
def _halve(sums, used, lanes, out):
    """Add the `used` first of the sums by halves; those beyond are 0, which adds nothing."""
    half = LANES // 2 * lanes
    while half >= lanes:
        for i in range(min(half, used - half)):
            sums[i] += sums[half + i]
        half //= 2
    for lane in range(lanes):
        out[lane] = sums[lane]


@inner
def total(values, sums, out):
    """Write each lane's sum of a vector (numbers * lanes,); sums is scratch (128 * lanes,) of float64."""
    width = sums.size
    used = min(width, values.size)
    for i in range(used):
        sums[i] = 0.0 + np.float64(values[i])  # -0 becomes 0
    for start in range(width, values.size, width):
        rest = values[start : start + width]
        for i in range(rest.size):
            sums[i] += np.float64(rest[i])
    _halve(sums, used, out.size, out)


@inner
def sum_of_squares(values, sums, out):
    """Write each lane's sum of the squares of a vector; arguments as for `total`."""
    width = sums.size
    used = min(width, values.size)
    for i in range(used):
        x = np.float64(values[i])
        sums[i] = x * x
    for start in range(width, values.size, width):
        rest = values[start : start + width]
        for i in range(rest.size):
            x = np.float64(rest[i])
            sums[i] = fma(x, x, sums[i])
    _halve(sums, used, out.size, out)
