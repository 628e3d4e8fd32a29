"""What a probe is asked for, so that whoever trains networks can look at them as well."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from nnsim.networks.activations import evaluate
from nnsim.networks.spec import NetworkSpec

SATURATION = 0.05
"""A unit is saturated on an input where |f'| is below this share of the largest |f'|."""


@cache
def largest_slope(activation: str, parameter: float | None) -> float:
    """Return max |f'(z)| over a grid of |z| <= 8, step 1/64."""
    _, slope = evaluate(activation, np.arange(-512, 513) / 64.0, parameter)
    return float(np.max(np.abs(slope)))


@dataclass(frozen=True)
class ProbeRequest:
    """What `probe` was asked for, in the network's precision; a signal without rows stands for the loss's gradient."""

    spec: NetworkSpec
    theta: np.ndarray
    X: np.ndarray
    Y: np.ndarray
    signal: np.ndarray

    @property
    def threshold(self) -> float:
        """|f'| below which a unit counts as saturated."""
        return SATURATION * largest_slope(self.spec.activation, self.spec.parameter)
