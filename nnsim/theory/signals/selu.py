"""SELU, the activation that was made so that mean 0 and variance 1 is a fixed point which attracts.

Weights are independent with mean 0 and variance 1 / fan_in, biases are 0.

References
----------
Klambauer, Unterthiner, Mayr & Hochreiter 2017, Self-normalizing neural networks.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy.special import erfc, erfcx


class SeluConstants(NamedTuple):
    """The two numbers of SELU: scale (exp(z) - 1) alpha below 0, scale z above."""

    alpha: float
    scale: float


def selu_constants() -> SeluConstants:
    """Return alpha and lambda in closed form: Klambauer et al. 2017, eq. 14.

    They solve E f(z) = 0 and E f(z)^2 = 1 for z ~ N(0, 1): alpha = 1.6732632, lambda = 1.0507010.
    """
    root = math.sqrt(math.e) * float(erfc(math.sqrt(0.5)))
    alpha = math.sqrt(2.0 / math.pi) / (1.0 - root)
    square = 2.0 * _square_tail() * 2.0 + math.pi * root**2 - 2.0 * (2.0 + math.pi) * root + math.pi + 2.0
    return SeluConstants(alpha, (1.0 - root) * math.sqrt(2.0 * math.pi / square))


def variance_decay() -> float:
    """Return the factor 0.782648 by which a small deviation of the variance from 1 shrinks in a layer.

    The derivative of E f(sqrt(q) z)^2 with respect to q at 1, which is E z f(z) f'(z) = lambda^2 (1/2 + alpha^2 (2 e^2
    Phi(-2) - e^(1/2) Phi(-1))): Klambauer et al. 2017, the Jacobian at the fixed point (0, 1).
    """
    alpha, scale = selu_constants()
    return scale**2 * (0.5 + alpha**2 * (2.0 * _square_tail() - _tail()))


def gradient_growth() -> float:
    """Return chi = E f'(z)^2 = lambda^2 (1/2 + alpha^2 e^2 Phi(-2)) = 1.071575: what a layer makes of E delta^2.

    At the fixed point of the variance. It is above 1: activations are kept, gradients are not.
    """
    alpha, scale = selu_constants()
    return scale**2 * (0.5 + alpha**2 * _square_tail())


def _tail() -> float:
    """E e^z over z < 0, e^(1/2) Phi(-1)."""
    return 0.5 * float(erfcx(math.sqrt(0.5)))


def _square_tail() -> float:
    """E e^(2 z) over z < 0, e^2 Phi(-2)."""
    return 0.5 * float(erfcx(math.sqrt(2.0)))
