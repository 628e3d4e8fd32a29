"""Small networks with every norm and loss, data for them, and their naive twins."""

from __future__ import annotations

import naive_losses
import naive_training
import numpy as np
from naive_activations import TEXTBOOK
from naive_optimizers import Optimizer

from nnsim.networks.spec import NetworkSpec
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import Batches

KEY = 0x5EED

LOSSES = {
    "cross_entropy": {},
    "smoothed": {"label_smoothing": 0.1},
    "class weights": {"label_smoothing": 0.2, "loss_weights": (0.5, 2.0, 1.25)},
    "bce": {"loss": "bce"},
    "positive weights": {"loss": "bce", "loss_weights": (3.0, 0.5, 1.0)},
    "mse": {"loss": "mse"},
    "mae": {"loss": "mae"},
    "huber": {"loss": "huber", "huber_delta": 0.4},
}
"""Options of a network with three outputs."""

NORMS = {
    "none": {},
    "batch": {"normalization": "batch"},
    "batch after": {"normalization": "batch", "norm_after": True},
    "layer": {"normalization": "layer"},
    "layer after": {"normalization": "layer", "norm_after": True},
}

EVERYTHING = {"dropout": 0.25, "residual": True}


def network(loss="cross_entropy", norm="none", widths=(4, 6, 6, 3), activation="tanh", dtype="float64", **options):
    return NetworkSpec(widths, activation, dtype=dtype, **{**LOSSES[loss], **NORMS[norm], **options})


def parameters(spec, seed=31):
    """Return random weights and biases, scales around 1 and shifts around 0."""
    rng = np.random.default_rng(seed)
    theta = (0.5 * rng.standard_normal(spec.n_parameters)).astype(spec.numpy_dtype)
    for gamma in spec.views(theta, "scale"):
        gamma += 1
    return theta


def rows_of(spec, rows, seed=7):
    """Return inputs and targets; those of a regression are no logits' sign."""
    rng = np.random.default_rng(seed)
    X, outputs = rng.standard_normal((rows, spec.widths[0])), spec.widths[-1]
    if spec.loss == "cross_entropy":
        Y = rng.integers(0, outputs, (rows, 1))
    else:
        Y = rng.integers(0, 2, (rows, outputs)) if spec.loss == "bce" else rng.standard_normal((rows, outputs))
    return X.astype(spec.numpy_dtype), Y.astype(spec.numpy_dtype)


def data(spec, rows=22, validation=9):
    return Batches(*rows_of(spec, rows), *rows_of(spec, validation, seed=8))


def naive_loss(spec):
    """Return the loss of the naive twin as a function of logits and targets."""
    weights = list(spec.loss_weights) if spec.loss_weights else None
    options = {
        "cross_entropy": {"smoothing": spec.label_smoothing, "weights": weights},
        "bce": {"weights": weights},
        "huber": {"delta": spec.huber_delta},
    }.get(spec.loss, {})
    return lambda Z, Y: naive_losses.LOSSES[spec.loss](Z, Y, **options)


def twin(spec):
    """Return the naive network of a specification."""
    book = TEXTBOOK[spec.activation]
    return naive_training.Network(
        tuple(spec.widths),
        *(book.f, book.df, naive_loss(spec)),
        *(spec.normalization, spec.norm_after, spec.norm_epsilon, spec.norm_momentum, spec.dropout, spec.residual),
    )


def statistics_of(spec, vector):
    """Return running statistics as the naive twin has them."""
    found, at = [], 0
    for width in spec.widths[1:-1] if vector.size else ():
        found.append((vector[at : at + width].tolist(), vector[at + width : at + 2 * width].tolist()))
        at += 2 * width
    return found


def flat(statistics):
    """Return the naive twin's running statistics as one list."""
    return [number for means, variances in statistics for number in (*means, *variances)]


def per_parameter(spec, recipe):
    """Return the factor of the learning rate and the weight decay of every single parameter."""
    rates, decays = [], []
    for tensor in spec.tensors:
        weight, size = tensor.role == "weight", tensor.stop - tensor.start
        rates += [recipe.layer_rates[tensor.layer] if weight and recipe.layer_rates else 1.0] * size
        everywhere = recipe.decayed == "all" and not recipe.alpha
        decays += [max(recipe.alpha, recipe.weight_decay) if weight or everywhere else 0.0] * size
    return rates, decays


def naive_run(spec, theta, batches, recipe: Recipe):
    """Return every epoch of the naive twin's run."""
    factors, decays = per_parameter(spec, recipe)
    numbers = recipe.momentum, recipe.beta2, recipe.epsilon
    optimizer = Optimizer(recipe.optimizer, spec.n_parameters, *numbers, factors, decays, recipe.alpha > 0)
    return naive_epochs(spec, theta, batches, recipe, optimizer)


def naive_epochs(spec, theta, batches, recipe: Recipe, optimizer: Optimizer, key=KEY):
    """Return every epoch of the naive twin's run, whose optimizer remembers what it did."""
    net, rates = twin(spec), recipe.rates(len(batches.X)).tolist()
    limits = [np.inf if limit is None else limit for limit in (recipe.clip_norm, recipe.clip_value)]
    plan = naive_training.Plan(recipe.batch_size, key, rates, *limits, recipe.drop_last)
    state = naive_training.State(theta.tolist(), naive_training.no_statistics(net))
    rows, epochs = (batches.X.tolist(), batches.Y.tolist()), []
    for number in range(recipe.epochs):
        epochs.append(naive_training.epoch(net, optimizer, state, rows, plan, number))
        state = epochs[-1].state
    return epochs
