"""Batch normalisation's factors, against closed forms and Monte Carlo."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnsim.core.errors import UsageError
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.networks.activations import evaluate
from nnsim.theory.signals.batch_statistics import batch_norm_gradient_factor, dropout_variance_ratio


@pytest.mark.parametrize(
    ("name", "parameter", "factor"),
    [
        ("relu", None, math.pi / (math.pi - 1)),
        ("identity", None, 1.0),
        ("leaky_relu", 0.2, 0.52 / (0.52 - 0.64 / (2 * math.pi))),
        ("erf", None, (4 / (math.pi * math.sqrt(5))) / (2 / math.pi * math.asin(2 / 3))),
        ("sin", None, (1 + math.exp(-2)) / (1 - math.exp(-2))),
    ],
)
def test_closed_forms(name: str, parameter: float | None, factor: float) -> None:
    assert batch_norm_gradient_factor(name, parameter) == pytest.approx(factor, rel=1e-9)


@pytest.mark.parametrize("name", ["gelu", "tanh", "sigmoid"])
def test_monte_carlo(name: str) -> None:
    z = np.random.default_rng(1).standard_normal(400_000)
    value, slope = evaluate(name, z)
    assert batch_norm_gradient_factor(name) == pytest.approx((slope**2).mean() / value.var(), rel=0.01)


@pytest.mark.parametrize("name", [name for name, entry in ACTIVATIONS.items() if entry.differentiable])
def test_no_activation_beats_poincare(name: str) -> None:
    assert batch_norm_gradient_factor(name) >= 1 - 1e-12


def test_variance_ratio_behind_dropout_by_monte_carlo() -> None:
    rng = np.random.default_rng(3)
    a = np.maximum(rng.standard_normal((4000, 400)), 0)
    w = rng.standard_normal((400, 50))
    dropped = a * (rng.random(a.shape) >= 0.3) / 0.7
    ratio = (dropped @ w).var(axis=0).mean() / (a @ w).var(axis=0).mean()
    assert dropout_variance_ratio(0.3) == pytest.approx(ratio, rel=0.02)


def test_check_values() -> None:
    assert dropout_variance_ratio(0.5) == pytest.approx(1 + math.pi / (math.pi - 1))
    assert dropout_variance_ratio(0.5, 1) == 1
    assert dropout_variance_ratio(0.0, 4) == 1
    assert dropout_variance_ratio(0.2, 4) == pytest.approx((1 + 0.25 * math.pi / (math.pi - 1)) ** 3)


@pytest.mark.parametrize("arguments", [(1.0, 2), (-0.1, 2), (0.5, 0), (0.5, 3, "tanh")])
def test_numbers_out_of_range(arguments: tuple) -> None:
    with pytest.raises(UsageError):
        dropout_variance_ratio(*arguments)
