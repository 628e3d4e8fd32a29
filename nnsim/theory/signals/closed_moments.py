"""Gaussian moments of activations in closed form, for those that have one: they test what integrates and draws."""

from __future__ import annotations

import math
from collections.abc import Callable

from nnsim.networks.activations import resolve
from nnsim.networks.gaussian_moments import Moments
from nnsim.theory.signals.selu import selu_constants

DENSITY = 1.0 / math.sqrt(2.0 * math.pi)
"""The normal density at 0."""


def closed_moments(name: str, parameter: float | None = None) -> Moments | None:
    """Return E f, E f^2 and E f'^2 for z ~ N(0, 1), or None where no elementary closed form is known.

    GELU: 1 / (2 sqrt(pi)), 1/3 + 1 / (2 pi sqrt(3)) and 1/3 + 2 / (3 pi sqrt(3)). The error function: 0,
    (2 / pi) arcsin(2/3) (Williams 1997) and 4 / (pi sqrt(5)). sin: 0, (1 - e^-2) / 2 and (1 + e^-2) / 2.

    Parameters
    ----------
    name : str
        An activation of the registry.
    parameter : float, optional
        Its own parameter; None is the default.

    Raises
    ------
    UnknownNameError, UsageError
        If the activation does not exist, or takes no parameter.

    References
    ----------
    Williams 1997, Computing with infinite networks.
    """
    _, number = resolve(name, parameter)
    form = _FORMS.get(name)
    return None if form is None else form(number)


def _normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def _leaky_relu(slope: float) -> Moments:
    half = (1.0 + slope * slope) / 2.0
    return Moments((1.0 - slope) * DENSITY, half, half)


def _elu(alpha: float, scale: float = 1.0) -> Moments:
    tail, square_tail = math.exp(0.5) * _normal_cdf(-1.0), math.exp(2.0) * _normal_cdf(-2.0)
    mean = DENSITY + alpha * (tail - 0.5)
    second = 0.5 + alpha * alpha * (square_tail - 2.0 * tail + 0.5)
    slope = 0.5 + alpha * alpha * square_tail
    return Moments(scale * mean, scale * scale * second, scale * scale * slope)


def _gelu() -> Moments:
    cubed = 1.0 / (2.0 * math.pi * math.sqrt(3.0))  # E phi(z)^2
    return Moments(0.5 / math.sqrt(math.pi), 1.0 / 3.0 + cubed, 1.0 / 3.0 + 4.0 / 3.0 * cubed)


def _hard_tanh() -> Moments:
    return Moments(0.0, 1.0 - 2.0 * DENSITY * math.exp(-0.5), 1.0 - 2.0 * _normal_cdf(-1.0))


def _error_function() -> Moments:
    return Moments(0.0, 2.0 / math.pi * math.asin(2.0 / 3.0), 4.0 / (math.pi * math.sqrt(5.0)))


_FORMS: dict[str, Callable[[float], Moments]] = {
    "identity": lambda _: Moments(0.0, 1.0, 1.0),
    "step": lambda _: Moments(0.5, 0.5, 0.0),
    "hard_tanh": lambda _: _hard_tanh(),
    "relu": lambda _: _leaky_relu(0.0),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "selu": lambda _: _elu(*selu_constants()),
    "gelu": lambda _: _gelu(),
    "erf": lambda _: _error_function(),
    "sin": lambda _: Moments(0.0, (1.0 - math.exp(-2.0)) / 2.0, (1.0 + math.exp(-2.0)) / 2.0),
}
