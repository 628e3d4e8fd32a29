"""Gaussian moments of activations by drawing, beside those that `nnsim.theory` computes."""

from __future__ import annotations

import math

import numpy as np

from nnsim.kernels.cpu.draws import fill_normal
from nnsim.kernels.formulas.philox import SIGNAL
from nnsim.networks.activations import evaluate
from nnsim.networks.gaussian_moments import Moments


def sampled_moments(name: str, parameter: float | None, draws: int, key: int) -> Moments:
    """Return the means of f(z), f(z)^2 and f'(z)^2 over standard normal draws z.

    Sums are correctly rounded, so that the same key gives the same bits on every machine.

    Parameters
    ----------
    name : str
        An activation of the registry.
    parameter : float, optional
        Its own parameter; None is the default.
    draws : int
        Number of draws, at least 1.
    key : int
        64-bit key of the draws, see `nnsim.core.seeding.key`.

    Raises
    ------
    UnknownNameError, UsageError
        If the activation does not exist, or takes no parameter.
    """
    z = np.empty(draws)
    fill_normal(z, np.uint64(key), SIGNAL, 0)
    value, slope = evaluate(name, z, parameter)
    return Moments(*(math.fsum(terms.tolist()) / draws for terms in (value, value * value, slope * slope)))
