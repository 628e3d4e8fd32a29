"""The toy with networks in it: squares train, so that what trains can be tried; all else is as in the toy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import toy

from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.layers import probe
from nnsim.training import trainer
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import Batches, Run

SPEC = NetworkSpec((2, 3, 1), loss="mse")
X = np.linspace(-1, 1, 32, dtype=np.float32).reshape(16, 2)
Y = X[:, :1] * X[:, 1:]
ROWS = Batches(X, Y, X[:4], Y[:4])
RECIPE = Recipe(0.1, batch_size=4, epochs=9)


def train(trial: dict[str, Any], until: int, start: Run | None = None, recipe: Recipe = RECIPE) -> Run:
    """Train a trial's network, or go on; the last two digits of its key are the trial's repeat."""
    key = 100 * trial["size"] + trial["repeat"]
    theta = initialize(SPEC, "he_normal", key)
    return trainer.train(SPEC, theta if start is None else start, ROWS, recipe, key, until=until)


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Train in as many stretches as the shape is long, and look; cubes do neither, what is broken raises afterwards."""
    if trial["shape"] == "cube":
        return toy.measure(trial)
    run = None
    for epoch in range(1, trial["size"] + 1):
        run = train(trial, epoch, run)
    rows = toy.measure(trial)
    rows["trials"][0]["area"] = float(run.history[-1, 0]) + probe(SPEC, run.theta, X, Y)[0]["delta_square"]
    return rows


study = replace(toy.study, measure=measure)
