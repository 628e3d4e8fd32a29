"""What a recipe, a network and a training refuse, each by one sentence; and what a recipe makes of its numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from cases import KEY, data, network, parameters

from nnsim.core.errors import NnsimWarning, UnknownNameError, UsageError
from nnsim.kernels.formulas.optimizers import OPTIMIZERS
from nnsim.networks.spec import NetworkSpec
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import Batches, train


def refusal_of(make, *arguments, **options):
    with pytest.raises(UsageError) as refusal:
        make(*arguments, **options)
    return str(refusal.value)


# --- recipes -------------------------------------------------------------------------------------------------------

REFUSED = [
    ({"patience": 0}, "patience must be a whole number of at least 1, got 0"),
    ({"patience": 2.5}, "patience must be a whole number of at least 1, got 2.5"),
    ({"beta2": 1.0, "optimizer": "adam"}, "beta2 must be at least 0 and below 1, got 1.0"),
    ({"beta2": 0.9}, "optimizer 'momentum' has no beta2, got 0.9"),
    ({"momentum": 0.9, "optimizer": "sgd"}, "optimizer 'sgd' has no momentum, got 0.9"),
    ({"momentum": 0.9, "optimizer": "rmsprop"}, "optimizer 'rmsprop' has no momentum, got 0.9"),
    ({"epsilon": -1e-8}, "epsilon must be a number of at least 0, got -1e-08"),
    ({"epsilon": math.inf}, "epsilon must be a number of at least 0, got inf"),
    ({"weight_decay": -0.1}, "weight decay must be a number of at least 0, got -0.1"),
    ({"weight_decay": math.nan}, "weight decay must be a number of at least 0, got nan"),
    ({"alpha": -1}, "alpha must be a number of at least 0, got -1"),
    (
        {"alpha": 1.0, "weight_decay": 0.1},
        "alpha goes neither with weight_decay nor with the optimizer 'adamw': set it to 0",
    ),
    (
        {"alpha": 1.0, "optimizer": "adamw"},
        "alpha goes neither with weight_decay nor with the optimizer 'adamw': set it to 0",
    ),
    ({"min_delta": -1}, "min delta must be a number of at least 0, got -1"),
    ({"clip_norm": 0.0}, "clip norm must be a positive number, got 0.0"),
    ({"clip_norm": math.inf}, "clip norm must be a positive number, got inf"),
    ({"clip_value": -2.0}, "clip value must be a positive number, got -2.0"),
    (
        {"clip_norm": 1.0, "clip_value": 1.0},
        "the gradient is clipped by its norm or by value, not by both: choose one",
    ),
    ({"layer_rates": (1.0, 0.0)}, "layer rates must be positive numbers, got [1.0, 0.0]"),
    ({"layer_rates": (1.0, math.nan)}, "layer rates must be positive numbers, got [1.0, nan]"),
]


@pytest.mark.parametrize(("options", "sentence"), REFUSED, ids=[str(options) for options, _ in REFUSED])
def test_a_number_that_a_recipe_cannot_have_is_refused(options, sentence):
    assert refusal_of(Recipe, **options) == sentence


UNKNOWN = [
    ({"optimizer": "adma"}, "unknown optimizer 'adma': did you mean 'adam'? known are "),
    ({"optimizer": "Nesterow"}, "unknown optimizer 'Nesterow': did you mean 'nesterov'? known are "),
    ({"decayed": "weight"}, "unknown choice of what decays 'weight': did you mean 'weights'? known are all, weights"),
    ({"watch": "metrics"}, "unknown choice of what to watch 'metrics': did you mean 'metric'? known are loss, metric"),
    ({"schedule": "cosin"}, "unknown schedule 'cosin': did you mean 'cosine'? known are "),
]


@pytest.mark.parametrize(("options", "sentence"), UNKNOWN, ids=[str(options) for options, _ in UNKNOWN])
def test_an_unknown_name_is_refused_with_the_nearest_one(options, sentence):
    with pytest.raises(UnknownNameError) as refusal:
        Recipe(**options)
    assert str(refusal.value).startswith(sentence)


def test_a_momentum_of_zero_fits_an_optimizer_without():
    assert Recipe(momentum=0, optimizer="sgd").optimizer_params(network()).code == OPTIMIZERS.code("sgd")


def test_momentum_of_zero_is_plain_descent():
    assert Recipe(momentum=0.0).optimizer_params(network()).code == OPTIMIZERS.code("sgd")
    assert Recipe().optimizer_params(network()).code == OPTIMIZERS.code("momentum")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_numbers_that_are_not_given_are_the_optimizers_own(name):
    rule, entry = Recipe(optimizer=name).optimizer_params(network()), OPTIMIZERS[name]
    assert (rule.momentum, rule.beta2, rule.epsilon) == (entry.momentum, entry.beta2, entry.epsilon)


def test_layer_rates_are_one_for_each_layer():
    sentence = refusal_of(Recipe(layer_rates=(1.0, 2.0)).optimizer_params, network())
    assert sentence == "3 layer rates are needed, one a layer, got 2"


@pytest.mark.parametrize(("rows", "drop_last", "steps"), [(20, False, 4), (21, False, 5), (21, True, 4), (24, True, 4)])
def test_steps_of_an_epoch(rows, drop_last, steps):
    assert Recipe(batch_size=5, drop_last=drop_last).steps(rows) == steps


def test_parameters_of_equal_rates_and_decays_are_one_group():
    spec = network(norm="batch")
    assert Recipe(weight_decay=0.1).optimizer_params(spec).starts.tolist() == [0, spec.n_parameters]


def test_every_group_begins_where_its_tensors_do():
    spec = network(widths=(4, 6, 3))
    rule = Recipe(weight_decay=0.1, decayed="weights", layer_rates=(1.0, 0.5)).optimizer_params(spec)
    assert rule.starts.tolist() == [0, 24, 30, 48, 51]
    assert rule.rates.tolist() == [1, 1, 0.5, 1]
    assert rule.decays.tolist() == [0.1, 0, 0.1, 0]


# --- networks ------------------------------------------------------------------------------------------------------

NETWORKS = [
    ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
    ({"dropout": -0.1}, "dropout must be at least 0 and below 1, got -0.1"),
    ({"dropout": math.nan}, "dropout must be at least 0 and below 1, got nan"),
    ({"norm_epsilon": -1e-5}, "norm epsilon must be a number of at least 0, got -1e-05"),
    ({"norm_momentum": 1.5}, "norm momentum must be from 0 to 1, got 1.5"),
    ({"label_smoothing": 1}, "label smoothing must be at least 0 and below 1, got 1"),
    ({"huber_delta": 0}, "huber delta must be a positive number, got 0"),
    ({"huber_delta": math.inf}, "huber delta must be a positive number, got inf"),
    (
        {"residual": True, "widths": (4, 6, 5, 3)},
        "a residual network needs two hidden layers of one width, one after the other, got [6, 5]",
    ),
    ({"widths": (4, 6, 1)}, "cross-entropy needs at least two outputs: use the loss 'bce' for one"),
    (
        {"label_smoothing": 0.1, "loss": "bce"},
        "label smoothing belongs to the loss 'cross_entropy', not to 'bce'",
    ),
    (
        {"loss_weights": (1.0, 2.0, 3.0), "loss": "mse"},
        "loss weights belong to the losses 'cross_entropy' and 'bce', not to 'mse'",
    ),
    ({"loss_weights": (1.0, 2.0)}, "the loss 'cross_entropy' takes a weight for each class, 3 here, got 2"),
    (
        {"loss_weights": (1.0, 2.0), "loss": "bce", "widths": (4, 6, 1)},
        "the loss 'bce' takes a weight for the positive targets of each output, 1 here, got 2: "
        "'cross_entropy' takes one for each class",
    ),
    ({"loss_weights": (1.0, 0.0, 1.0)}, "loss weights must be positive numbers, got [1.0, 0.0, 1.0]"),
    ({"loss_weights": (1.0, math.inf, 1.0)}, "loss weights must be positive numbers, got [1.0, inf, 1.0]"),
]


@pytest.mark.parametrize(("options", "sentence"), NETWORKS, ids=[str(options) for options, _ in NETWORKS])
def test_a_network_that_cannot_be_is_refused(options, sentence):
    assert refusal_of(NetworkSpec, **{"widths": (4, 6, 6, 3), **options}) == sentence


@pytest.mark.parametrize(("given", "nearest"), [("bach", "batch"), ("Layer", "layer"), ("layernorm", "layer")])
def test_an_unknown_norm_is_refused_with_the_nearest_one(given, nearest):
    with pytest.raises(UnknownNameError) as refusal:
        NetworkSpec((4, 6, 3), normalization=given)
    expected = f"unknown normalization '{given}': did you mean '{nearest}'? known are batch, layer, none"
    assert str(refusal.value) == expected


# --- trainings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "batch"), [(21, 5), (22, 7), (3, 2)])
def test_a_last_batch_of_one_row_under_batch_normalisation_is_left_out(rows, batch):
    spec, recipe = network("mse", "batch"), Recipe(0.01, batch_size=batch, epochs=2)
    with pytest.warns(NnsimWarning, match=f"of {rows} training rows in batches of {batch}, the last of every epoch"):
        run = train(spec, parameters(spec), data(spec, rows), recipe, KEY)
    dropping = train(spec, parameters(spec), data(spec, rows), replace(recipe, drop_last=True), KEY)
    assert run.theta.tobytes() == dropping.theta.tobytes()


def test_a_last_batch_of_one_row_can_be_dropped():
    spec = network("mse", "batch")
    recipe = Recipe(0.01, batch_size=5, epochs=2, drop_last=True)
    assert train(spec, parameters(spec), data(spec, 21), recipe, KEY).status == "done"


@pytest.mark.parametrize("norm", ["none", "layer"])
def test_other_networks_take_batches_of_one_row(norm):
    spec = network("mse", norm)
    assert train(spec, parameters(spec), data(spec, 21), Recipe(0.01, batch_size=5, epochs=2), KEY).status == "done"


def test_class_numbers_beyond_the_outputs_are_refused():
    spec, rows = network(), data(network())
    wrong = replace(rows, Y=rows.Y + 1)
    sentence = refusal_of(train, spec, parameters(spec), wrong, Recipe(batch_size=5), KEY)
    assert sentence == "Y of the training rows must hold class numbers from 0 to 2, got 1 to 3"


def test_targets_of_another_width_are_refused():
    spec, rows = network("bce"), data(network("bce"))
    narrow = Batches(rows.X, rows.Y[:, :2].copy(), rows.X_validation, rows.Y_validation)
    sentence = refusal_of(train, spec, parameters(spec), narrow, Recipe(batch_size=5), KEY)
    assert sentence == "Y of the training rows must be 22 x 3, got 22 x 2"


def test_data_of_another_precision_are_refused():
    spec, rows = network("mse"), data(network("mse"))
    single = replace(rows, X=rows.X.astype(np.float32))
    sentence = refusal_of(train, spec, parameters(spec), single, Recipe(batch_size=5), KEY)
    assert sentence == "X of the training rows must be an array of float64, got float32"
