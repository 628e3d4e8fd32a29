"""Activations over a whole layer: the code is compared once, then every thread runs one loop."""

from __future__ import annotations

from typing import Any

from nnsim.kernels.cuda.decorators import barrier, device
from nnsim.kernels.cuda.threads import mine
from nnsim.kernels.formulas.activations import (
    ACTIVATIONS,
    ELU,
    ERF,
    GELU,
    GELU_TANH,
    HARD_TANH,
    IDENTITY,
    LEAKY_RELU,
    LECUN_TANH,
    MISH,
    RELU,
    SELU,
    SIGMOID,
    SILU,
    SIN,
    SOFTPLUS,
    SOFTSIGN,
    STEP,
    TANH,
)


def _value_loop(value: Any) -> Any:
    @device
    def loop(memory, z, a, size, p):
        for i in mine(0, size):
            memory[a + i] = value(memory[z + i], p)

    return loop


def _slope_loop(derivative: Any) -> Any:
    @device
    def loop(memory, z, a, delta, size, p):
        for i in mine(0, size):
            memory[delta + i] *= derivative(memory[z + i], memory[a + i], p)

    return loop


(
    _value_identity,
    _value_step,
    _value_sigmoid,
    _value_tanh,
    _value_lecun_tanh,
    _value_hard_tanh,
    _value_softsign,
    _value_softplus,
    _value_relu,
    _value_leaky_relu,
    _value_elu,
    _value_selu,
    _value_gelu,
    _value_gelu_tanh,
    _value_silu,
    _value_mish,
    _value_erf,
    _value_sin,
) = (_value_loop(activation.value) for activation in ACTIVATIONS.values())
(
    _slope_identity,
    _slope_step,
    _slope_sigmoid,
    _slope_tanh,
    _slope_lecun_tanh,
    _slope_hard_tanh,
    _slope_softsign,
    _slope_softplus,
    _slope_relu,
    _slope_leaky_relu,
    _slope_elu,
    _slope_selu,
    _slope_gelu,
    _slope_gelu_tanh,
    _slope_silu,
    _slope_mish,
    _slope_erf,
    _slope_sin,
) = (_slope_loop(activation.derivative) for activation in ACTIVATIONS.values())


@device
def activate(memory, code, z, a, size, p):
    """Write a = f(z) for `size` numbers from the places z and a; p is the activation's parameter."""
    if code == IDENTITY:
        _value_identity(memory, z, a, size, p)
    elif code == STEP:
        _value_step(memory, z, a, size, p)
    elif code == SIGMOID:
        _value_sigmoid(memory, z, a, size, p)
    elif code == TANH:
        _value_tanh(memory, z, a, size, p)
    elif code == LECUN_TANH:
        _value_lecun_tanh(memory, z, a, size, p)
    elif code == HARD_TANH:
        _value_hard_tanh(memory, z, a, size, p)
    elif code == SOFTSIGN:
        _value_softsign(memory, z, a, size, p)
    elif code == SOFTPLUS:
        _value_softplus(memory, z, a, size, p)
    elif code == RELU:
        _value_relu(memory, z, a, size, p)
    elif code == LEAKY_RELU:
        _value_leaky_relu(memory, z, a, size, p)
    elif code == ELU:
        _value_elu(memory, z, a, size, p)
    elif code == SELU:
        _value_selu(memory, z, a, size, p)
    elif code == GELU:
        _value_gelu(memory, z, a, size, p)
    elif code == GELU_TANH:
        _value_gelu_tanh(memory, z, a, size, p)
    elif code == SILU:
        _value_silu(memory, z, a, size, p)
    elif code == MISH:
        _value_mish(memory, z, a, size, p)
    elif code == ERF:
        _value_erf(memory, z, a, size, p)
    elif code == SIN:
        _value_sin(memory, z, a, size, p)
    barrier()


@device
def multiply_by_slope(memory, code, z, a, delta, size, p):
    """Multiply delta by f'(z) in place, for `size` numbers from the places z, a = f(z) and delta."""
    if code == IDENTITY:
        _slope_identity(memory, z, a, delta, size, p)
    elif code == STEP:
        _slope_step(memory, z, a, delta, size, p)
    elif code == SIGMOID:
        _slope_sigmoid(memory, z, a, delta, size, p)
    elif code == TANH:
        _slope_tanh(memory, z, a, delta, size, p)
    elif code == LECUN_TANH:
        _slope_lecun_tanh(memory, z, a, delta, size, p)
    elif code == HARD_TANH:
        _slope_hard_tanh(memory, z, a, delta, size, p)
    elif code == SOFTSIGN:
        _slope_softsign(memory, z, a, delta, size, p)
    elif code == SOFTPLUS:
        _slope_softplus(memory, z, a, delta, size, p)
    elif code == RELU:
        _slope_relu(memory, z, a, delta, size, p)
    elif code == LEAKY_RELU:
        _slope_leaky_relu(memory, z, a, delta, size, p)
    elif code == ELU:
        _slope_elu(memory, z, a, delta, size, p)
    elif code == SELU:
        _slope_selu(memory, z, a, delta, size, p)
    elif code == GELU:
        _slope_gelu(memory, z, a, delta, size, p)
    elif code == GELU_TANH:
        _slope_gelu_tanh(memory, z, a, delta, size, p)
    elif code == SILU:
        _slope_silu(memory, z, a, delta, size, p)
    elif code == MISH:
        _slope_mish(memory, z, a, delta, size, p)
    elif code == ERF:
        _slope_erf(memory, z, a, delta, size, p)
    elif code == SIN:
        _slope_sin(memory, z, a, delta, size, p)
    barrier()
