"""Activation functions: every formula and its derivative once, as scalar functions that all loops and devices call.

``f(z, p)`` is the value and ``f_slope(z, a, p)`` the derivative at z, where a = f(z) and p is the parameter of those
activations that have one. At a kink the derivative is the one from the left or, for hard tanh, zero: ReLU'(0) = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from nnsim.kernels.compiling.decorators import scalar
from nnsim.kernels.compiling.tables import Table
from nnsim.kernels.formulas.scalar_math import (
    HALF,
    ONE,
    TWO,
    ZERO,
    constant,
    cos,
    erf,
    exp,
    expm1,
    fma,
    log1p,
    same,
    sigmoid,
    sin,
    tanh,
)

LECUN_SCALE = same(1.7159)
LECUN_RATE = same(2 / 3)
LECUN_CURVE = same(2 / 3 / 1.7159)
SELU_SCALE = same(1.0507009873554805)
SELU_ALPHA = same(1.0507009873554805 * 1.6732632423543772)
SQRT_HALF = same(math.sqrt(0.5))
NORMAL_DENSITY = same(1 / math.sqrt(2 * math.pi))
ERF_SLOPE = same(2 / math.sqrt(math.pi))
GELU_RATE = same(math.sqrt(2 / math.pi))
GELU_CUBIC = same(0.044715)
GELU_CUBIC_SLOPE = same(3 * 0.044715)
MISH_FULL = same(20.0)  # beyond, tanh(softplus(z)) rounds to one


@scalar
def identity(z, p):
    """z."""
    return z


@scalar
def identity_slope(z, a, p):
    """1."""
    return constant(z, ONE)


@scalar
def step(z, p):
    """1 where z > 0, else 0 (Rosenblatt 1958)."""
    return constant(z, ONE) if z > constant(z, ZERO) else constant(z, ZERO)


@scalar
def step_slope(z, a, p):
    """0 everywhere: a step passes no gradient."""
    return constant(z, ZERO)


@scalar
def logistic(z, p):
    """1 / (1 + e^-z)."""
    return sigmoid(z)


@scalar
def logistic_slope(z, a, p):
    """a (1 - a)."""
    return fma(-a, a, a)


@scalar
def hyperbolic(z, p):
    """tanh z."""
    return tanh(z)


@scalar
def hyperbolic_slope(z, a, p):
    """1 - a^2."""
    return fma(-a, a, constant(z, ONE))


@scalar
def lecun_tanh(z, p):
    """1.7159 tanh(2 z / 3) (LeCun, Bottou, Orr and Müller 1998)."""
    return constant(z, LECUN_SCALE) * tanh(constant(z, LECUN_RATE) * z)


@scalar
def lecun_tanh_slope(z, a, p):
    """(2 / 3) (1.7159 - a^2 / 1.7159), factored so that it ends at zero and is never negative."""
    scale = constant(z, LECUN_SCALE)
    return (scale - a) * (scale + a) * constant(z, LECUN_CURVE)


@scalar
def hard_tanh(z, p):
    """z clipped to [-1, 1]."""
    one = constant(z, ONE)
    return one if z > one else (-one if z < -one else z)


@scalar
def hard_tanh_slope(z, a, p):
    """1 inside (-1, 1), else 0."""
    return constant(z, ONE) if abs(z) < constant(z, ONE) else constant(z, ZERO)


@scalar
def softsign(z, p):
    """z / (1 + |z|) (Glorot and Bengio 2010)."""
    return z / (constant(z, ONE) + abs(z))


@scalar
def softsign_slope(z, a, p):
    """1 / (1 + |z|)^2."""
    root = constant(z, ONE) / (constant(z, ONE) + abs(z))
    return root * root


@scalar
def softplus(z, p):
    """ln(1 + e^z) (Dugas et al. 2001)."""
    positive = z if z > constant(z, ZERO) else constant(z, ZERO)
    return positive + log1p(exp(-abs(z)))


@scalar
def softplus_slope(z, a, p):
    """1 / (1 + e^-z)."""
    return sigmoid(z)


@scalar
def relu(z, p):
    """max(z, 0) (Nair and Hinton 2010); NaN stays NaN."""
    return constant(z, ZERO) if z <= constant(z, ZERO) else z


@scalar
def relu_slope(z, a, p):
    """1 where z > 0, else 0."""
    return constant(z, ONE) if z > constant(z, ZERO) else constant(z, ZERO)


@scalar
def leaky_relu(z, p):
    """z where z > 0, else p z (Maas, Hannun and Ng 2013)."""
    return z if z > constant(z, ZERO) else p * z


@scalar
def leaky_relu_slope(z, a, p):
    """1 where z > 0, else p."""
    return constant(z, ONE) if z > constant(z, ZERO) else p


@scalar
def elu(z, p):
    """z where z > 0, else p (e^z - 1) (Clevert, Unterthiner and Hochreiter 2016)."""
    return z if z > constant(z, ZERO) else p * expm1(z)


@scalar
def elu_slope(z, a, p):
    """1 where z > 0, else p e^z = a + p."""
    return constant(z, ONE) if z > constant(z, ZERO) else a + p


@scalar
def selu(z, p):
    """Scaled ELU with fixed point (0, 1) (Klambauer, Unterthiner, Mayr and Hochreiter 2017)."""
    return constant(z, SELU_SCALE) * z if z > constant(z, ZERO) else constant(z, SELU_ALPHA) * expm1(z)


@scalar
def selu_slope(z, a, p):
    """Scale where z > 0, else a + scale alpha."""
    return constant(z, SELU_SCALE) if z > constant(z, ZERO) else a + constant(z, SELU_ALPHA)


@scalar
def _normal_cdf(z):
    return constant(z, HALF) * (constant(z, ONE) + erf(constant(z, SQRT_HALF) * z))


@scalar
def gelu(z, p):
    """z Phi(z) with the normal distribution function Phi (Hendrycks and Gimpel 2016)."""
    return z * _normal_cdf(z)


@scalar
def gelu_slope(z, a, p):
    """Phi(z) + z phi(z)."""
    density = constant(z, NORMAL_DENSITY) * exp(-constant(z, HALF) * (z * z))
    return fma(z, density, _normal_cdf(z))


@scalar
def _gelu_inner(z):
    return constant(z, GELU_RATE) * fma(constant(z, GELU_CUBIC) * (z * z), z, z)


@scalar
def gelu_tanh(z, p):
    """z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2 (Hendrycks and Gimpel 2016)."""
    return constant(z, HALF) * z * (constant(z, ONE) + tanh(_gelu_inner(z)))


@scalar
def gelu_tanh_slope(z, a, p):
    """(1 + t) / 2 + z (1 - t^2) u' / 2 with t = tanh u."""
    one, half = constant(z, ONE), constant(z, HALF)
    t = tanh(_gelu_inner(z))
    rate = constant(z, GELU_RATE) * fma(constant(z, GELU_CUBIC_SLOPE) * z, z, one)
    return fma(half * z * fma(-t, t, one), rate, half * (one + t))


@scalar
def silu(z, p):
    """z / (1 + e^-z) (Elfwing, Uchibe and Doya 2018)."""
    return z * sigmoid(z)


@scalar
def silu_slope(z, a, p):
    """s + a (1 - s) with s = 1 / (1 + e^-z)."""
    s = sigmoid(z)
    return fma(a, constant(z, ONE) - s, s)


@scalar
def _tanh_softplus(z):
    """tanh(ln(1 + e^z)) = n / (n + 2) with n = e^z (e^z + 2)."""
    full = constant(z, MISH_FULL)
    e = exp(full if z > full else z)
    n = fma(e, e, constant(z, TWO) * e)
    return n / (n + constant(z, TWO))


@scalar
def mish(z, p):
    """z tanh(ln(1 + e^z)) (Misra 2020)."""
    return z * _tanh_softplus(z)


@scalar
def mish_slope(z, a, p):
    """t + z (1 - t^2) s with t = tanh(ln(1 + e^z)) and s = 1 / (1 + e^-z)."""
    t = _tanh_softplus(z)
    return fma(z * sigmoid(z), fma(-t, t, constant(z, ONE)), t)


@scalar
def error_function(z, p):
    """erf z."""
    return erf(z)


@scalar
def error_function_slope(z, a, p):
    """2 e^(-z^2) / sqrt(pi)."""
    return constant(z, ERF_SLOPE) * exp(-(z * z))


@scalar
def sine(z, p):
    """sin z (Sitzmann et al. 2020)."""
    return sin(z)


@scalar
def sine_slope(z, a, p):
    """cos z."""
    return cos(z)


@dataclass(frozen=True)
class Activation:
    """An activation function and what others need to know about it.

    Attributes
    ----------
    value, derivative : compiled functions
        ``value(z, p)`` and ``derivative(z, a, p)``.
    parameter : float or None
        The default of p, None where p has no meaning.
    kinks : tuple of float
        Where the function or its slope jumps.
    differentiable : bool
        Whether a gradient passes; False for the step alone.
    """

    value: Any
    derivative: Any
    parameter: float | None = None
    kinks: tuple[float, ...] = ()
    differentiable: bool = True


ACTIVATIONS = Table(
    "activation",
    {
        "identity": Activation(identity, identity_slope),
        "step": Activation(step, step_slope, kinks=(0.0,), differentiable=False),
        "sigmoid": Activation(logistic, logistic_slope),
        "tanh": Activation(hyperbolic, hyperbolic_slope),
        "lecun_tanh": Activation(lecun_tanh, lecun_tanh_slope),
        "hard_tanh": Activation(hard_tanh, hard_tanh_slope, kinks=(-1.0, 1.0)),
        "softsign": Activation(softsign, softsign_slope, kinks=(0.0,)),
        "softplus": Activation(softplus, softplus_slope),
        "relu": Activation(relu, relu_slope, kinks=(0.0,)),
        "leaky_relu": Activation(leaky_relu, leaky_relu_slope, parameter=0.01, kinks=(0.0,)),
        "elu": Activation(elu, elu_slope, parameter=1.0, kinks=(0.0,)),
        "selu": Activation(selu, selu_slope, kinks=(0.0,)),
        "gelu": Activation(gelu, gelu_slope),
        "gelu_tanh": Activation(gelu_tanh, gelu_tanh_slope),
        "silu": Activation(silu, silu_slope),
        "mish": Activation(mish, mish_slope),
        "erf": Activation(error_function, error_function_slope),
        "sin": Activation(sine, sine_slope),
    },
    formulas=lambda entry: (entry.value, entry.derivative),
)
"""Every activation; one more is one entry more."""
