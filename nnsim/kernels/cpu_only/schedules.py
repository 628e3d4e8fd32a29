"""The curves of learning-rate schedules over vectors."""

from __future__ import annotations

from nnsim.kernels.compiling.decorators import kernel
from nnsim.kernels.formulas.schedules import half_cosine, power


@kernel
def half_cosines(x, out):
    """Write (1 - cos(pi x)) / 2 for a float32 or float64 vector."""
    for i in range(x.size):
        out[i] = half_cosine(x[i])


@kernel
def powers(x, exponent, out):
    """Write x^p for a float32 or float64 vector of numbers x >= 0 and one p > 0 of its precision."""
    for i in range(x.size):
        out[i] = power(x[i], exponent)
