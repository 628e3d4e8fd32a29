"""The leading correction that a finite width makes to what becomes of two inputs, layer by layer.

State of a layer: s = (ln P, ln M, X / sqrt(P M)) with P, M and X the means over units of p^2, m^2 and p m, where p and
m are the sum and the difference of the activations of the two inputs. (Sums and differences, because the difference
of two inputs that become equal would drown in rounding errors otherwise.) Given a layer, the units of the next are
independent, so s' = G(s) + noise, where the noise has mean h / n and covariance S / n, and to first order in 1 / n bias
b and covariance V of s follow

    b' = G' b + G'' : V / 2 + h / n,      V' = G' V G'^T + S / n,

the delta method for three quantities. h and S are moments of the two activations under their Gaussian.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.core.registry import look_up
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.networks.activations import evaluate

Floats = np.ndarray
NODES = np.arange(-34, 35) / 4.0
"""Nodes of the trapezoidal rule, which is exact to 1e-8 for smooth functions of moderate variance."""
STEP = 0.02
"""Of the differences of s."""


@dataclass(frozen=True)
class PairPrediction:
    """What to expect of two inputs in each hidden layer.

    Attributes
    ----------
    log_apart : float64 array (L,)
        E ln mean (a_1 - a_2)^2.
    correlation : float64 array (L,)
        E of the activations' correlation, mean a_1 a_2 / sqrt(mean a_1^2 mean a_2^2).
    log_ratio : float64 array (L,)
        E ln(mean a_2^2 / mean a_1^2).
    """

    log_apart: Floats
    correlation: Floats
    log_ratio: Floats


def _squares(state: Floats) -> tuple[float, float, float]:
    """(mean a_1^2, mean a_2^2, mean a_1 a_2)."""
    P, M = np.exp(state[:2])
    X = state[2] * np.sqrt(P * M)
    return (P + M + 2 * X) / 4, (P + M - 2 * X) / 4, (P - M) / 4


def _log_apart(state: Floats) -> Floats:
    return np.atleast_1d(state[1])


def _correlation(state: Floats) -> Floats:
    first, second, product = _squares(state)
    return np.atleast_1d(product / np.sqrt(first * second))


def _log_ratio(state: Floats) -> Floats:
    first, second, _ = _squares(state)
    return np.atleast_1d(np.log(second / first))


class _Layer:
    """One layer: what it makes of a state, and the noise of its units."""

    def __init__(self, name: str, parameter: float | None, sw2: float, sb2: float) -> None:
        self.name, self.parameter, self.sw2, self.sb2 = name, parameter, sw2, sb2
        z = np.exp(-0.5 * NODES**2)
        self.mass = np.outer(z, z) / np.sum(z) ** 2

    def sums(self, state: Floats) -> tuple[Floats, Floats]:
        """Return p and m of a unit over the grid of two normal draws."""
        P, M = np.exp(state[:2])
        cross = self.sw2 * state[2] * np.sqrt(P * M)
        along = np.sqrt(self.sw2 * P + 4 * self.sb2)  # both inputs share the bias
        rest = np.sqrt(max(self.sw2 * M - (cross / along) ** 2, 0.0))
        plus = np.broadcast_to(along * NODES[:, None], self.mass.shape)
        minus = cross / along * NODES[:, None] + rest * NODES
        first, second = (evaluate(self.name, (plus + sign * minus) / 2, self.parameter)[0] for sign in (1, -1))
        return first + second, first - second

    def moments(self, state: Floats) -> tuple[float, float, float]:
        """Return P, M and X of the next layer."""
        p, m = self.sums(state)
        P, M, X = (float(np.sum(self.mass * part)) for part in (p * p, m * m, p * m))
        return P, M, X

    def step(self, state: Floats) -> Floats:
        """G."""
        P, M, X = self.moments(state)
        return np.array([np.log(P), np.log(M), X / np.sqrt(P * M)])

    def noise(self, state: Floats) -> tuple[Floats, Floats]:
        """Return h and S of the layer after `state`."""
        p, m = self.sums(state)
        P, M, X = self.moments(state)
        r = X / np.sqrt(P * M)
        units = np.stack([p * p / P - 1, m * m / M - 1, p * m / np.sqrt(P * M) - r])
        S = np.einsum("ijk,ljk,jk->il", units, units, self.mass)
        slopes = np.array([[1, 0, 0], [0, 1, 0], [-r / 2, -r / 2, 1]])
        last = np.array([[3 * r / 4, r / 4, -0.5], [r / 4, 3 * r / 4, -0.5], [-0.5, -0.5, 0]])
        h = np.array([-S[0, 0], -S[1, 1], np.sum(last * S)]) / 2
        return h, slopes @ S @ slopes.T


def _derivatives(function: Callable[[Floats], Floats], at: Floats) -> tuple[Floats, Floats, Floats]:
    """Return value (k,), first (k, 3) and second (k, 3, 3) derivatives by central differences."""
    steps = STEP * np.eye(3)
    value = function(at)
    ahead, behind = (np.stack([function(at + sign * step) for step in steps], axis=-1) for sign in (1, -1))
    second = np.empty((value.size, 3, 3))
    for i in range(3):
        second[:, i, i] = (ahead[:, i] - 2 * value + behind[:, i]) / STEP**2
        for j in range(i):
            both = function(at + steps[i] + steps[j]) + function(at - steps[i] - steps[j])
            parts = ahead[:, i] + behind[:, i] + ahead[:, j] + behind[:, j]
            second[:, i, j] = second[:, j, i] = (both + 2 * value - parts) / (2 * STEP**2)
    return value, (ahead - behind) / (2 * STEP), second


def _expected(readout: Callable[[Floats], Floats], state: Floats, bias: Floats, V: Floats) -> float:
    value, first, second = _derivatives(readout, state)
    return float(value[0] + first[0] @ bias + np.sum(second[0] * V) / 2)


def predict_pair(
    name: str,
    sw2: float,
    sb2: float,
    depth: int,
    width: int,
    inputs: tuple[float, float, float],
    parameter: float | None = None,
) -> PairPrediction:
    """Return what to expect of two inputs of a network of independent Gaussian weights, to first order in 1 / width.

    Parameters
    ----------
    name, parameter : str, float
        A smooth activation.
    sw2, sb2 : float
        fan_in Var W and Var b.
    depth, width : int
        Number and width of the hidden layers.
    inputs : (float, float, float)
        Mean squares of the two inputs, and their correlation, below 1 or with unequal squares.

    Raises
    ------
    UsageError
        If the activation has a kink, which the grid of draws would miss.
    """
    if look_up(ACTIVATIONS, "activation", name).kinks:
        raise UsageError(f"activation '{name}' has a kink: this correction is for smooth activations, as tanh")
    first, second, c = inputs
    product = c * np.sqrt(first * second)
    P, M, X = first + second + 2 * product, first + second - 2 * product, first - second
    state = np.array([np.log(P), np.log(M), X / np.sqrt(P * M)])
    bias, V, layer = np.zeros(3), np.zeros((3, 3)), _Layer(name, parameter, sw2, sb2)
    found = []
    for _ in range(depth):
        after, J, H = _derivatives(layer.step, state)
        h, S = layer.noise(state)
        bias = J @ bias + np.einsum("kij,ij->k", H, V) / 2 + h / width
        V = J @ V @ J.T + S / width
        state = after
        found.append([_expected(readout, state, bias, V) for readout in (_log_apart, _correlation, _log_ratio)])
    return PairPrediction(*np.array(found).T)
