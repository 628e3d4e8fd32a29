"""Single hidden units on a named set of inputs: which are dead, which are dormant, and how what they see drifts.

A unit is dead relative to a set of inputs: its slope is zero on every one of them, so that none of them can change its
incoming weights. On other inputs it may still answer.

References
----------
G. Sokar, R. Agarwal, P. S. Castro and U. Evci, "The dormant neuron phenomenon in deep reinforcement learning", ICML
2023 (tau-dormant units).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnsim.kernels.cpu_only import units as kernels
from nnsim.networks.spec import NetworkSpec


@dataclass(frozen=True)
class UnitFacts:
    """The units of one hidden layer on a set of inputs; float64 vectors with one number a unit.

    Attributes
    ----------
    active : array of bool
        Whether the slope is not zero on one input at least.
    size : array
        Mean of |a| over the inputs.
    z_mean, z_variance : arrays
        Moments over the inputs of what the activation is applied to, after normalisation if there is any.
    linear_mean, linear_variance : arrays
        Moments of W h + b, before normalisation; under running statistics those of z.
    """

    active: np.ndarray
    size: np.ndarray
    z_mean: np.ndarray
    z_variance: np.ndarray
    linear_mean: np.ndarray
    linear_variance: np.ndarray

    @property
    def dead(self) -> np.ndarray:
        """Mask of the units whose slope is zero on every input."""
        return ~self.active

    def dormancy(self) -> np.ndarray:
        """Return each unit's score: its mean |a| over the mean of that in its layer (Sokar et al. 2023, eq. 1).

        A layer without any activity has scores of 0.
        """
        total = 0.0
        for size in self.size.tolist():
            total += size
        return self.size * (self.size.size / total) if total > 0 else np.zeros_like(self.size)

    def dormant(self, tau: float) -> np.ndarray:
        """Tell which units are tau-dormant: their score is at most tau."""
        return self.dormancy() <= tau


def unit_facts(
    spec: NetworkSpec, theta: np.ndarray, X: np.ndarray, statistics: np.ndarray | None = None
) -> list[UnitFacts]:
    """Return what the units of every hidden layer do on the rows of X, without dropout.

    Parameters
    ----------
    spec : NetworkSpec
    theta : vector of the network's dtype
    X : array (rows, inputs)
    statistics : vector, optional
        Running statistics by which batch normalisation goes; by default it goes by the moments of the rows of X.

    Raises
    ------
    UsageError
        If precision or sizes do not fit the network.
    """
    X = np.ascontiguousarray(X, spec.numpy_dtype)
    spec.check(theta, X)
    running = spec.initial_statistics() if statistics is None else statistics
    facts = kernels.unit_facts(spec.architecture, theta, running, X, statistics is None)
    ends = np.cumsum(spec.widths[1:-1])
    return [UnitFacts(part[:, 0] > 0, *part.T[1:].copy()) for part in np.split(facts, ends[:-1])]


def drift(before: UnitFacts, after: UnitFacts, linear: bool = False) -> float:
    """Return how far the distributions that a layer's units see have moved, in their own standard deviations.

    The root mean square over units of the Wasserstein distance between the normal laws of equal moments,
    sqrt((m - m')^2 + (s - s')^2), over the root mean square of s. NaN where every unit saw one value only.

    Parameters
    ----------
    before, after : UnitFacts
        The same layer at two times, on the same inputs.
    linear : bool
        Whether to take the linear output before normalisation, instead of what the activation is applied to.
    """
    which = "linear" if linear else "z"
    means = getattr(after, f"{which}_mean") - getattr(before, f"{which}_mean")
    first, second = (getattr(facts, f"{which}_variance") for facts in (before, after))
    moved = means * means + (np.sqrt(second) - np.sqrt(first)) ** 2
    distance, spread = _total(moved), _total(first)
    return float(np.sqrt(distance / spread)) if spread > 0 else float("nan")


def _total(values: np.ndarray) -> float:
    """Add from the left, in one order on every machine."""
    total = 0.0
    for value in values.tolist():
        total += value
    return total
