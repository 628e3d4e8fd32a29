"""Activations over a whole layer: the code is compared once, then one vector loop runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnsim.kernels.compiling.decorators import inner, kernel
from nnsim.kernels.formulas.activations import ACTIVATIONS, Activation


@inner
def _no_value(wanted, z, a, p):
    pass


def _value_case(code: int, activation: Activation, rest: Any) -> Any:
    value = activation.value

    @inner
    def values(wanted, z, a, p):
        if wanted == code:
            for i in range(z.size):
                a[i] = value(z[i], p)
        else:
            rest(wanted, z, a, p)

    return values


@inner
def _no_slope(wanted, z, a, delta, p):
    pass


def _slope_case(code: int, activation: Activation, rest: Any) -> Any:
    derivative = activation.derivative

    @inner
    def slopes(wanted, z, a, delta, p):
        if wanted == code:
            for i in range(z.size):
                delta[i] *= derivative(z[i], a[i], p)
        else:
            rest(wanted, z, a, delta, p)

    return slopes


activate = ACTIVATIONS.chained(_value_case, _no_value)
"""``activate(code, z, a, p)`` writes a = f(z) for vectors z and a; p is the activation's parameter."""

multiply_by_slope = ACTIVATIONS.chained(_slope_case, _no_slope)
"""``multiply_by_slope(code, z, a, delta, p)`` multiplies delta by f'(z) in place, for vectors z, a = f(z) and delta."""


@kernel
def value_and_slope(code, z, p):
    """Return (f(z), f'(z)) for a vector z."""
    a, slope = np.empty_like(z), np.ones_like(z)
    activate(code, z, a, p)
    multiply_by_slope(code, z, a, slope, p)
    return a, slope
