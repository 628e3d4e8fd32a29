"""Activations over a whole layer: the code is compared once, then every thread runs one loop."""

from __future__ import annotations

from typing import Any

from nnsim.kernels.cuda.decorators import barrier, device
from nnsim.kernels.cuda.threads import thread_range
from nnsim.kernels.formulas.activations import ACTIVATIONS, Activation


@device
def _no_value(memory, wanted, z, a, size, p):
    pass


def _value_case(code: int, activation: Activation, rest: Any) -> Any:
    value = activation.value

    @device
    def values(memory, wanted, z, a, size, p):
        if wanted == code:
            for i in thread_range(0, size):
                memory[a + i] = value(memory[z + i], p)
        else:
            rest(memory, wanted, z, a, size, p)

    return values


@device
def _no_slope(memory, wanted, z, a, delta, size, p):
    pass


def _slope_case(code: int, activation: Activation, rest: Any) -> Any:
    derivative = activation.derivative

    @device
    def slopes(memory, wanted, z, a, delta, size, p):
        if wanted == code:
            for i in thread_range(0, size):
                memory[delta + i] *= derivative(memory[z + i], memory[a + i], p)
        else:
            rest(memory, wanted, z, a, delta, size, p)

    return slopes


_values = ACTIVATIONS.chained(_value_case, _no_value)
_slopes = ACTIVATIONS.chained(_slope_case, _no_slope)


@device
def activate(memory, code, z, a, size, p):
    """Write a = f(z) for `size` numbers from the places z and a; p is the activation's parameter."""
    _values(memory, code, z, a, size, p)
    barrier()


@device
def multiply_by_slope(memory, code, z, a, delta, size, p):
    """Multiply delta by f'(z) in place, for `size` numbers from the places z, a = f(z) and delta."""
    _slopes(memory, code, z, a, delta, size, p)
    barrier()
