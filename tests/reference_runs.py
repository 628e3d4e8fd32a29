"""Runs whose bytes are the same everywhere: from the project's own draws, with all that training can switch on."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.cpu.draws import fill_normal
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import Batches, Run, train

KEY = np.uint64(0xB175)
WIDTHS = (9, 18, 18, 4)


def drawn(n, kind, step=0):
    out = np.empty(n, kind)
    fill_normal(out, KEY, 1, step)
    return out


def rows(spec):
    """Return 41 rows to train on, of which a batch of 16 leaves 9 over, and 10 to validate with."""
    kind, n, outputs = spec.numpy_dtype, 51, spec.widths[-1]
    X = drawn(n * spec.widths[0], kind, 4).reshape(n, spec.widths[0])
    if spec.loss == "cross_entropy":
        Y = np.abs(np.rint(2 * drawn(n, kind, 5))).clip(0, outputs - 1).reshape(n, 1)
    else:
        Y = drawn(n * outputs, kind, 5).reshape(n, outputs)
        Y = (Y > 0).astype(kind) if spec.loss == "bce" else Y
    return Batches(X[:41], Y[:41], X[41:], Y[41:])


def run(recipe: Recipe, dtype: str, activation: str, loss: str, **options: object) -> list[np.ndarray]:
    """Return parameters, statistics, moments and history of a run."""
    spec = NetworkSpec(WIDTHS, activation, loss=loss, dtype=dtype, **options)
    found: Run = train(spec, initialize(spec, "he_normal", int(KEY)), rows(spec), recipe, int(KEY))
    return [found.theta, found.statistics, *found.state.moments, found.history]


def plain(dtype: str) -> list[np.ndarray]:
    """Three losses by momentum."""
    recipe = Recipe(0.05, 0.9, batch_size=16, epochs=3)
    cases = [("relu", "cross_entropy"), ("gelu", "bce"), ("tanh", "mse")]
    return [array for case in cases for array in run(recipe, dtype, *case)]


def batch_normalized(dtype: str) -> list[np.ndarray]:
    """Batch normalisation, dropout, skips, smoothed and weighted classes, AdamW, clipping, warm-up and cosine."""
    recipe = Recipe(
        *(0.02, None, 16, 5, "adamw"),
        weight_decay=0.1,
        decayed="weights",
        schedule="warmup:steps=4+cosine:by=step",
        clip_norm=1.0,
        layer_rates=(1.0, 0.5, 2.0),
        patience=3,
    )
    smoothed = {"label_smoothing": 0.1, "loss_weights": (0.5, 2.0, 1.0, 1.5)}
    return run(recipe, dtype, "relu", "cross_entropy", normalization="batch", dropout=0.3, residual=True, **smoothed)


def layer_normalized(dtype: str) -> list[np.ndarray]:
    """Layer normalisation after the activation, Huber's loss, RMSProp with L2 decay, clipping by value, a plateau."""
    recipe = Recipe(
        *(0.01, None, 16, 5, "rmsprop"),
        weight_decay=0.01,
        schedule="plateau:patience=0,factor=0.5",
        clip_value=0.05,
        drop_last=True,
    )
    return run(recipe, dtype, "gelu", "huber", normalization="layer", norm_after=True, dropout=0.1, huber_delta=0.7)
