"""Optimizers, normalisations and losses beside PyTorch's, in double precision."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from torch_twin import (
    ACTIVATIONS,
    OPTIMIZERS,
    Case,
    Twin,
    batches,
    by_tensor,
    compare,
    loss_function,
    relative_difference,
    torch,
)

from nnsim.core.seeding import key
from nnsim.kernels.cpu.training import logits, loss_and_gradient
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.training.recipe import Recipe

pytestmark = pytest.mark.torch

KEY = key(0, "tests", "torch")
WIDTHS = (6, 16, 12, 5)
ROWS = 41  # odd, as every batch is: MAE's slopes +-1 never sum to zero but for rounding, which Adagrad would amplify
RATES = {"sgd": 0.05, "momentum": 0.02, "nesterov": 0.02, "adagrad": 0.02, "rmsprop": 0.003, "adam": 0.003}
RATES["adamw"] = RATES["adam"]
NORMS = {
    "none": {},
    "batch before": {"normalization": "batch"},
    "batch after": {"normalization": "batch", "norm_after": True},
    "layer before": {"normalization": "layer"},
    "layer after": {"normalization": "layer", "norm_after": True},
}
WEIGHTS = (0.5, 2.0, 1.0, 3.0, 0.25)
LOSSES = {
    "cross-entropy": {"loss": "cross_entropy"},
    "smoothed cross-entropy": {"loss": "cross_entropy", "label_smoothing": 0.1},
    "weighted cross-entropy": {"loss": "cross_entropy", "loss_weights": WEIGHTS},
    "smoothed and weighted cross-entropy": {"loss": "cross_entropy", "label_smoothing": 0.1, "loss_weights": WEIGHTS},
    "BCE": {"loss": "bce"},
    "weighted BCE": {"loss": "bce", "loss_weights": WEIGHTS},
    "MSE": {"loss": "mse"},
    "MAE": {"loss": "mae"},
    "Huber": {"loss": "huber", "huber_delta": 0.7},
}
CELLS = pytest.mark.parametrize(
    ("optimizer", "norm", "loss"),
    [pytest.param(*cell, id="-".join(cell)) for cell in product(OPTIMIZERS, NORMS, LOSSES)],
)


def case(loss, norm="none", activation="relu"):
    """Return a case whose scales and shifts are not all one and zero."""
    spec = NetworkSpec(WIDTHS, activation, dtype="float64", **LOSSES[loss], **NORMS[norm])
    rng = np.random.default_rng(7)
    X = rng.standard_normal((ROWS, WIDTHS[0]))
    theta = initialize(spec, "torch_default", KEY)
    for vector in spec.views(theta, "scale") + spec.views(theta, "shift"):
        vector += 0.2 * rng.standard_normal(vector.shape)
    outputs = (ROWS, WIDTHS[-1])
    Y = {
        "cross_entropy": rng.integers(0, WIDTHS[-1], (ROWS, 1)).astype(float),
        "bce": rng.integers(0, 2, outputs).astype(float),
    }.get(spec.loss, rng.standard_normal(outputs))
    return Case(spec, theta, X, Y, KEY)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_one_loss_and_its_gradient(activation, norm, loss):
    spec, theta, X, Y, _ = case(loss, norm, activation)
    gradient = np.empty_like(theta)
    found = loss_and_gradient(spec.architecture, theta, X, Y, gradient, np.uint64(KEY), 0)
    twin = Twin(spec, theta)
    expected = loss_function(spec)(twin(torch.tensor(X)), torch.tensor(Y))
    expected.backward()
    assert found == pytest.approx(expected.item(), rel=1e-12)
    assert relative_difference(gradient, twin.gradient) < 1e-12


@CELLS
def test_one_step(optimizer, norm, loss, record_property):
    its = case(loss, norm)
    found = compare(its, Recipe(RATES[optimizer], batch_size=ROWS, epochs=1, optimizer=optimizer), 1e-12)
    record_property("allowed", found.allowed)
    assert found.difference <= found.allowed
    differences = by_tensor(its.spec, found.run.theta, found.twin.network.theta)
    assert max(d for t, d in zip(its.spec.tensors, differences, strict=True) if not cancelled(its.spec, t)) < 1e-12


def cancelled(spec, tensor):
    """Tell whether batch normalisation takes a bias away, so that its gradient is zero but for rounding."""
    norm = spec.normalization == "batch" and not spec.norm_after
    return norm and tensor.role == "bias" and tensor.layer < spec.depth


@CELLS
def test_parameters_after_a_hundred_steps(optimizer, norm, loss, record_property):
    recipe = Recipe(RATES[optimizer], batch_size=9, epochs=20, optimizer=optimizer)
    found = compare(case(loss, norm), recipe, 1e-9)
    record_property("allowed", found.allowed)
    assert found.difference <= found.allowed
    assert len(found.twin.losses) == 100


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_after_a_hundred_steps(activation):
    recipe = Recipe(0.02, batch_size=9, epochs=20)
    found = compare(case("cross-entropy", "batch before", activation), recipe, 1e-9)
    assert found.difference <= found.allowed


@pytest.mark.parametrize("order", ["before", "after"])
def test_running_statistics_after_an_epoch(order):
    its = case("MSE", f"batch {order}")
    found = compare(its, Recipe(0.02, batch_size=9, epochs=1), 1e-12)
    np.testing.assert_allclose(found.run.statistics, found.twin.network.statistics, rtol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_answers_after_training(norm):
    its = case("MSE", norm)
    found = compare(its, Recipe(0.02, batch_size=9, epochs=2), 1e-11)
    twin = found.twin.network.eval()
    Z = logits(its.spec.architecture, found.run.theta, found.run.statistics, its.X, ROWS)
    assert relative_difference(Z, twin(torch.tensor(its.X)).detach().numpy()) < 1e-11


@pytest.mark.parametrize("loss", ["cross-entropy", "weighted cross-entropy", "Huber"])
def test_the_history_holds_the_mean_loss_over_rows(loss):
    its, recipe = case(loss), Recipe(0.02, batch_size=9, epochs=3)
    found = compare(its, recipe, 1e-9)
    parts = np.array([weight(its, rows) for rows in batches(its, recipe)]).reshape(3, -1)
    losses = np.array(found.twin.losses).reshape(3, -1)
    np.testing.assert_allclose(found.run.history[:, 0], (parts * losses).sum(axis=1) / parts.sum(axis=1), rtol=1e-11)


def weight(its, rows):
    """Return what a batch counts: its rows, or the weights of their classes."""
    weights = its.spec.loss_weights
    return len(rows) if weights is None else np.array(weights)[its.Y[rows, 0].astype(int)].sum()


def test_the_comparison_finds_a_rate_that_is_wrong_in_its_sixth_digit():
    recipe = Recipe(0.02, batch_size=9, epochs=1)
    found = compare(case("MSE"), recipe, 1e-9, lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1 - 1e-6))
    assert found.allowed == 1e-9 < found.difference < 1e-6
