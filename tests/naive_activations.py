"""Every activation once more, as its textbook formula in `math`: imports nothing from nnsim.

``TEXTBOOK[name]`` holds f, its derivative f' and the points where f or one of its derivatives jumps. At a jump f' is
the value from the left, except for hard tanh, whose f' is 0 at both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

LEAKY_SLOPE = 0.01
ELU_ALPHA = 1.0
SELU_ALPHA = 1.6732632423543772
SELU_LAMBDA = 1.0507009873554805


class Textbook(NamedTuple):
    f: Callable[[float], float]
    df: Callable[[float], float]
    kinks: tuple[float, ...] = ()


def sigmoid(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z)) if z >= 0 else math.exp(z) / (1.0 + math.exp(z))


def sigmoid_slope(z: float) -> float:
    return sigmoid(z) * sigmoid(-z)


def tanh_slope(z: float) -> float:
    return 1.0 - math.tanh(z) ** 2


def softplus(z: float) -> float:
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


def normal_cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def normal_pdf(z: float) -> float:
    return math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def leaky_relu(z: float, slope: float = LEAKY_SLOPE) -> float:
    return z if z > 0 else slope * z


def leaky_relu_slope(z: float, slope: float = LEAKY_SLOPE) -> float:
    return 1.0 if z > 0 else slope


def elu(z: float, alpha: float = ELU_ALPHA) -> float:
    return z if z > 0 else alpha * math.expm1(z)


def elu_slope(z: float, alpha: float = ELU_ALPHA) -> float:
    return 1.0 if z > 0 else alpha * math.exp(z)


def gelu_tanh(z: float) -> float:
    return 0.5 * z * (1.0 + math.tanh(math.sqrt(2.0 / math.pi) * (z + 0.044715 * z**3)))


def gelu_tanh_slope(z: float) -> float:
    c = math.sqrt(2.0 / math.pi)
    t = math.tanh(c * (z + 0.044715 * z**3))
    return 0.5 * (1.0 + t) + 0.5 * z * (1.0 - t * t) * c * (1.0 + 3 * 0.044715 * z * z)


def mish_slope(z: float) -> float:
    t = math.tanh(softplus(z))
    return t + z * (1.0 - t * t) * sigmoid(z)


TEXTBOOK = {
    "identity": Textbook(lambda z: z, lambda z: 1.0),
    "step": Textbook(lambda z: 1.0 if z > 0 else 0.0, lambda z: 0.0, (0.0,)),
    "sigmoid": Textbook(sigmoid, sigmoid_slope),
    "tanh": Textbook(math.tanh, tanh_slope),
    "lecun_tanh": Textbook(
        lambda z: 1.7159 * math.tanh(2.0 * z / 3.0), lambda z: 1.7159 * (2.0 / 3.0) * tanh_slope(2.0 * z / 3.0)
    ),
    "hard_tanh": Textbook(
        lambda z: max(-1.0, min(1.0, z)), lambda z: 1.0 if -1.0 < z < 1.0 else 0.0, kinks=(-1.0, 1.0)
    ),
    "softsign": Textbook(lambda z: z / (1.0 + abs(z)), lambda z: 1.0 / (1.0 + abs(z)) ** 2, kinks=(0.0,)),
    "softplus": Textbook(softplus, sigmoid),
    "relu": Textbook(lambda z: max(z, 0.0), lambda z: 1.0 if z > 0 else 0.0, kinks=(0.0,)),
    "leaky_relu": Textbook(leaky_relu, leaky_relu_slope, kinks=(0.0,)),
    "elu": Textbook(elu, elu_slope, kinks=(0.0,)),
    "selu": Textbook(
        lambda z: SELU_LAMBDA * elu(z, SELU_ALPHA), lambda z: SELU_LAMBDA * elu_slope(z, SELU_ALPHA), kinks=(0.0,)
    ),
    "gelu": Textbook(lambda z: z * normal_cdf(z), lambda z: normal_cdf(z) + z * normal_pdf(z)),
    "gelu_tanh": Textbook(gelu_tanh, gelu_tanh_slope),
    "silu": Textbook(lambda z: z * sigmoid(z), lambda z: sigmoid(z) + z * sigmoid_slope(z)),
    "mish": Textbook(lambda z: z * math.tanh(softplus(z)), mish_slope),
    "erf": Textbook(math.erf, lambda z: 2.0 / math.sqrt(math.pi) * math.exp(-z * z)),
    "sin": Textbook(math.sin, math.cos),
}
