"""Activations over a whole layer: the code is compared once, then one vector loop runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnsim.kernels.compiling.decorators import inner, kernel
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
    @inner
    def loop(z, a, p):
        for i in range(z.size):
            a[i] = value(z[i], p)

    return loop


def _slope_loop(derivative: Any) -> Any:
    @inner
    def loop(z, a, delta, p):
        for i in range(z.size):
            delta[i] *= derivative(z[i], a[i], p)

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


@inner
def activate(code, z, a, p):
    """Write a = f(z) for vectors z and a; p is the activation's parameter."""
    if code == IDENTITY:
        _value_identity(z, a, p)
    elif code == STEP:
        _value_step(z, a, p)
    elif code == SIGMOID:
        _value_sigmoid(z, a, p)
    elif code == TANH:
        _value_tanh(z, a, p)
    elif code == LECUN_TANH:
        _value_lecun_tanh(z, a, p)
    elif code == HARD_TANH:
        _value_hard_tanh(z, a, p)
    elif code == SOFTSIGN:
        _value_softsign(z, a, p)
    elif code == SOFTPLUS:
        _value_softplus(z, a, p)
    elif code == RELU:
        _value_relu(z, a, p)
    elif code == LEAKY_RELU:
        _value_leaky_relu(z, a, p)
    elif code == ELU:
        _value_elu(z, a, p)
    elif code == SELU:
        _value_selu(z, a, p)
    elif code == GELU:
        _value_gelu(z, a, p)
    elif code == GELU_TANH:
        _value_gelu_tanh(z, a, p)
    elif code == SILU:
        _value_silu(z, a, p)
    elif code == MISH:
        _value_mish(z, a, p)
    elif code == ERF:
        _value_erf(z, a, p)
    elif code == SIN:
        _value_sin(z, a, p)


@inner
def multiply_by_slope(code, z, a, delta, p):
    """Multiply delta by f'(z) in place, for vectors z, a = f(z) and delta."""
    if code == IDENTITY:
        _slope_identity(z, a, delta, p)
    elif code == STEP:
        _slope_step(z, a, delta, p)
    elif code == SIGMOID:
        _slope_sigmoid(z, a, delta, p)
    elif code == TANH:
        _slope_tanh(z, a, delta, p)
    elif code == LECUN_TANH:
        _slope_lecun_tanh(z, a, delta, p)
    elif code == HARD_TANH:
        _slope_hard_tanh(z, a, delta, p)
    elif code == SOFTSIGN:
        _slope_softsign(z, a, delta, p)
    elif code == SOFTPLUS:
        _slope_softplus(z, a, delta, p)
    elif code == RELU:
        _slope_relu(z, a, delta, p)
    elif code == LEAKY_RELU:
        _slope_leaky_relu(z, a, delta, p)
    elif code == ELU:
        _slope_elu(z, a, delta, p)
    elif code == SELU:
        _slope_selu(z, a, delta, p)
    elif code == GELU:
        _slope_gelu(z, a, delta, p)
    elif code == GELU_TANH:
        _slope_gelu_tanh(z, a, delta, p)
    elif code == SILU:
        _slope_silu(z, a, delta, p)
    elif code == MISH:
        _slope_mish(z, a, delta, p)
    elif code == ERF:
        _slope_erf(z, a, delta, p)
    elif code == SIN:
        _slope_sin(z, a, delta, p)


@kernel
def value_and_slope(code, z, p):
    """Return (f(z), f'(z)) for a vector z."""
    a, slope = np.empty_like(z), np.ones_like(z)
    activate(code, z, a, p)
    multiply_by_slope(code, z, a, slope, p)
    return a, slope
