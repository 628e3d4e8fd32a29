"""Update rules: what becomes of one parameter in one step."""

from __future__ import annotations

from nnsim.kernels.options import scalar
from nnsim.kernels.scalar_math import fma


@scalar
def descend(theta, gradient, learning_rate):
    """theta - eta g: gradient descent (Robbins and Monro 1951)."""
    return fma(-learning_rate, gradient, theta)


@scalar
def accumulate(velocity, gradient, momentum):
    """mu v + g: the velocity of the heavy ball (Polyak 1964; Sutskever et al. 2013)."""
    return fma(momentum, velocity, gradient)
