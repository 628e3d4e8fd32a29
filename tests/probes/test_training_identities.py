"""Decay, first step, starting losses and dropout's moments: against the papers' formulas and the naive optimizers."""

from __future__ import annotations

import math

import naive_optimizers
import numpy as np
import pytest

from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.training_identities import dropout_moments, first_step, shrinkage, start_loss
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import Batches

SPEC = NetworkSpec((3, 4, 2), "tanh", dtype="float64")


@pytest.fixture
def data() -> Batches:
    rng = np.random.default_rng(5)
    X, Y = rng.standard_normal((12, 3)), rng.integers(0, 2, (12, 1)).astype(float)
    return Batches(X, Y, X[:0], Y[:0])


@pytest.mark.parametrize("steps", [1, 7, 100])
def test_decoupled_decay_is_a_power(steps: int) -> None:
    recipe = Recipe(0.02, optimizer="adamw", weight_decay=0.3, epochs=steps)
    assert shrinkage(recipe, key=1) == pytest.approx([(1 - 0.02 * 0.3) ** steps] * 2, rel=1e-13)


def test_without_decay_nothing_moves() -> None:
    assert shrinkage(Recipe(0.02, optimizer="adam", epochs=5), key=1) == (1.0, 1.0)


def test_an_l2_penalty_under_sgd_is_the_same_power() -> None:
    recipe = Recipe(0.02, optimizer="sgd", weight_decay=0.3, epochs=9)
    assert shrinkage(recipe, key=2) == pytest.approx([(1 - 0.02 * 0.3) ** 9] * 2, rel=1e-13)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adagrad", "rmsprop", "adam"])
def test_a_first_step_is_the_naive_one(optimizer: str, data: Batches) -> None:
    theta = initialize(SPEC, "lecun_normal", 4)
    change, gradient = first_step(SPEC, theta, data, Recipe(0.03, optimizer=optimizer, epochs=9, batch_size=5))
    naive = naive_optimizers.Optimizer(optimizer, theta.size).step(theta.tolist(), gradient.tolist(), 0.03)
    assert change == pytest.approx(np.array(naive) - theta, abs=1e-13)


def test_a_zero_readout_knows_nothing(data: Batches) -> None:
    theta = initialize(SPEC, "he_normal", 4)
    assert start_loss(SPEC, theta, data.X, data.Y) == pytest.approx(math.log(2), rel=1e-14)
    assert np.any(SPEC.layers(theta)[-1][0])  # what was given stays


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.9])
def test_moments_of_dropout(rate: float) -> None:
    mean, square = dropout_moments(rate, key=3, rows=4096)
    deviation = math.sqrt(rate / (1 - rate) / 4096)
    assert abs(mean - 1) <= 5 * deviation
    assert square == pytest.approx(mean / (1 - rate), rel=1e-12)  # every kept unit is 1 / (1 - p)
