"""Whole runs against the naive twin: every optimizer, norm and loss, and all that a recipe switches on."""

from __future__ import annotations

from dataclasses import replace

import naive_losses
import naive_training
import numpy as np
import pytest
from cases import EVERYTHING, KEY, LOSSES, NORMS, data, flat, naive_run, network, parameters, statistics_of, twin

from nnsim.kernels.cpu.training import logits
from nnsim.kernels.formulas.columns import CLIPPED, GRADIENT_NORM, LEARNING_RATE, TRAIN_LOSS, VALIDATION_LOSS
from nnsim.kernels.formulas.columns import VALIDATION_METRIC as METRIC
from nnsim.kernels.formulas.optimizers import OPTIMIZERS
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import train

RATE = {"adagrad": 0.1, "rmsprop": 0.02, "adam": 0.05, "adamw": 0.05}
ADAPTIVE = set(RATE)
EPSILON = 1e-3  # far above the rounding error of a gradient that is zero: that of a bias before batch normalisation


def recipe_for(optimizer, **options):
    """Return a recipe of four steps an epoch, the last of two rows."""
    epsilon = EPSILON if optimizer in ADAPTIVE else None
    usual = {"batch_size": 5, "epochs": 3, "optimizer": optimizer, "epsilon": epsilon}
    return Recipe(**{"learning_rate": RATE.get(optimizer, 0.05), **usual, **options})


def expect_naive(spec, recipe, batches=None, rel=1e-9):
    """Fail unless the run is the naive one: parameters, statistics and every column of the history."""
    batches, start = batches or data(spec), parameters(spec)
    run, epochs = train(spec, start, batches, recipe, KEY), naive_run(spec, start, batches, recipe)
    last, rates = epochs[-1].state, recipe.rates(len(batches.X)).reshape(recipe.epochs, -1)
    np.testing.assert_allclose(run.theta, last.theta, rtol=rel, atol=rel)
    np.testing.assert_allclose(run.statistics, flat(last.statistics), rtol=rel, atol=rel)
    np.testing.assert_allclose(run.history[:, TRAIN_LOSS], [epoch.loss for epoch in epochs], rtol=rel)
    np.testing.assert_array_equal(run.history[:, LEARNING_RATE], rates[:, -1])
    for row, epoch in zip(run.history, epochs, strict=True):
        expect_naive_validation(spec, row, epoch.state, batches, rel)
    return run, epochs


def expect_naive_validation(spec, row, state, batches, rel):
    net, Y = twin(spec), batches.Y_validation.tolist()
    Z = naive_training.logits(net, state.theta, batches.X_validation.tolist(), state.statistics)
    assert row[VALIDATION_LOSS] == pytest.approx(net.loss(Z, Y).value, rel=rel)
    assert row[METRIC] == pytest.approx(naive_losses.METRICS[spec.loss](Z, Y), rel=rel)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_with_everything_is_the_naive_one(optimizer, norm, loss):
    """Dropout, skip connections, weight decay, a schedule, and a last batch of two rows; the norm is clipped."""
    decay = {"weight_decay": 0.05, "schedule": "cosine:by=step", "clip_norm": 0.5}
    expect_naive(network(loss, norm, **EVERYTHING), recipe_for(optimizer, **decay))


@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
@pytest.mark.parametrize("dropout", [0.0, 0.5], ids=["all", "dropout"])
@pytest.mark.parametrize("norm", NORMS)
def test_every_layer_by_itself_and_with_others(norm, dropout, residual):
    spec = network("mse", norm, (4, 5, 5, 6, 6, 3), dropout=dropout, residual=residual)
    expect_naive(spec, recipe_for("momentum"))


SIZES = [(norm, size) for norm in ("none", "layer") for size in (1, 7, 11, 22)] + [("batch", n) for n in (2, 6, 11, 22)]


@pytest.mark.parametrize(("norm", "batch"), SIZES)
def test_every_size_of_a_batch(norm, batch):
    expect_naive(network("class weights", norm, dropout=0.25), recipe_for("adam", batch_size=batch))


@pytest.mark.parametrize("norm", NORMS)
def test_the_last_batch_can_be_dropped(norm):
    spec, recipe = network("mse", norm, **EVERYTHING), recipe_for("adam", batch_size=8)
    dropping, _ = expect_naive(spec, replace(recipe, drop_last=True))
    whole, _ = expect_naive(spec, recipe)
    assert (dropping.theta != whole.theta).any()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_default_numbers_of_an_optimizer(optimizer):
    """Without a norm, no gradient is zero but for rounding: the optimizers' own epsilons can be used."""
    expect_naive(network("mse"), recipe_for(optimizer, epsilon=None))


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        ("momentum", {"momentum": 0.5}),
        ("nesterov", {"momentum": 0.99}),
        ("rmsprop", {"beta2": 0.5}),
        ("adam", {"momentum": 0.3, "beta2": 0.6}),
        ("adamw", {"momentum": 0.0, "beta2": 0.9}),
    ],
    ids=str,
)
def test_other_numbers_of_an_optimizer(optimizer, options):
    expect_naive(network("mse"), recipe_for(optimizer, **options))


@pytest.mark.parametrize("norm", ["none", "batch", "layer after"])
@pytest.mark.parametrize("optimizer", ["momentum", "adam", "adamw"])
def test_only_weights_decay_if_asked(optimizer, norm):
    spec = network("mse", norm)
    only, _ = expect_naive(spec, recipe_for(optimizer, weight_decay=0.3, decayed="weights"))
    everything = train(spec, parameters(spec), data(spec), recipe_for(optimizer, weight_decay=0.3), KEY)
    assert (only.theta != everything.theta).any()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_layers_take_their_own_rates(optimizer):
    options = {"layer_rates": (0.5, 2.0, 0.125), "weight_decay": 0.1, "decayed": "weights"}
    expect_naive(network("mse", "batch"), recipe_for(optimizer, **options))


@pytest.mark.parametrize(
    "schedule", ["warmup:steps=4+cosine", "step:size=1,gamma=0.5", "one_cycle", "exponential:gamma=0.9"]
)
def test_every_step_takes_its_rate(schedule):
    expect_naive(network("mse"), recipe_for("momentum", schedule=schedule))


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("optimizer", sorted(set(OPTIMIZERS) - {"adamw"}))
def test_alpha_is_divided_by_the_rows_of_each_batch(optimizer, norm):
    recipe = recipe_for(optimizer, alpha=2.0)
    run, _ = expect_naive(network("mse", norm), recipe)
    even = train(network("mse", norm), parameters(network("mse", norm)), data(network("mse", norm)),
                 replace(recipe, alpha=0.0, weight_decay=2.0 / 5, decayed="weights"), KEY)  # fmt: skip
    assert (run.theta != even.theta).any()


def test_alpha_is_a_weight_decay_where_all_batches_are_full():
    spec, recipe = network("mse"), recipe_for("momentum", batch_size=11)
    penalty, decay = (
        train(spec, parameters(spec), data(spec), replace(recipe, **options), KEY)
        for options in ({"alpha": 0.7}, {"weight_decay": 0.7 / 11, "decayed": "weights"})
    )
    assert penalty.theta.tobytes() == decay.theta.tobytes()


# --- clipping ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0.05, 0.3, 1e3])
@pytest.mark.parametrize("kind", ["clip_norm", "clip_value"])
def test_gradients_are_clipped(kind, limit):
    expect_naive(network("mse", "layer", **EVERYTHING), recipe_for("momentum", **{kind: limit}))


def test_the_history_tells_how_long_gradients_were_and_how_many_were_clipped():
    spec, recipe = network("mse"), recipe_for("sgd", clip_norm=0.9, epochs=6)
    run, epochs = expect_naive(spec, recipe)
    np.testing.assert_allclose(run.history[:, GRADIENT_NORM], [epoch.norm for epoch in epochs], rtol=1e-9)
    np.testing.assert_array_equal(run.history[:, CLIPPED], [epoch.clipped for epoch in epochs])
    assert 0 < run.history[:, CLIPPED].mean() < 1


def test_without_clipping_by_norm_no_norm_is_known():
    spec = network("mse")
    history = train(spec, parameters(spec), data(spec), recipe_for("sgd", clip_value=0.1), KEY).history
    assert np.isnan(history[:, GRADIENT_NORM]).all()


@pytest.mark.parametrize(("limit", "least", "most"), [(1e-6, 1.0, 1.0), (0.35, 0.01, 0.99), (1e3, 0.0, 0.0)])
def test_the_history_tells_how_many_gradients_were_clipped_by_value(limit, least, most):
    run, epochs = expect_naive(network("mse"), recipe_for("sgd", clip_value=limit, epochs=6))
    np.testing.assert_array_equal(run.history[:, CLIPPED], [epoch.clipped for epoch in epochs])
    assert least <= run.history[:, CLIPPED].mean() <= most


def test_without_clipping_nothing_is_clipped():
    spec = network("mse")
    history = train(spec, parameters(spec), data(spec), recipe_for("sgd"), KEY).history
    assert (history[:, CLIPPED] == 0).all()


# --- precision -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_single_precision_is_near(optimizer, norm):
    """An epsilon of 0.1 is far above the rounding error of a zero gradient here, as EPSILON is in double precision."""
    spec = network("cross_entropy", norm, dtype="float32", **EVERYTHING)
    coarse = {"epsilon": 0.1} if optimizer in ADAPTIVE else {}
    expect_naive(spec, recipe_for(optimizer, weight_decay=0.01, **coarse), rel=2e-4)


# --- running statistics and evaluation -----------------------------------------------------------------------------


@pytest.mark.parametrize("momentum", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("norm", ["batch", "batch after"])
def test_running_statistics_are_the_naive_ones(norm, momentum):
    spec = network("mse", norm, norm_momentum=momentum, **EVERYTHING)
    expect_naive(spec, recipe_for("adam"))


@pytest.mark.parametrize("norm", NORMS)
def test_logits_after_training_are_the_naive_ones_of_the_statistics(norm):
    spec, batches = network("mse", norm, **EVERYTHING), data(network("mse"))
    run = train(spec, parameters(spec), batches, recipe_for("adam"), KEY)
    running = statistics_of(spec, run.statistics)
    expected = naive_training.logits(twin(spec), run.theta.tolist(), batches.X.tolist(), running)
    found = logits(spec.architecture, run.theta, run.statistics, batches.X, 5)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)
