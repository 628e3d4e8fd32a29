"""A network trained under watch: a row about the run, and what its units did at chosen epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnsim.core.seeding import key
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.units import UnitFacts, unit_facts
from nnsim.study.declaration import Column
from nnsim.study.dict_network_trials import RECIPE_SETTINGS, data_of, network_of
from nnsim.training import trainer
from nnsim.training.recipe import Recipe

Look = tuple[int, list[UnitFacts]]
"""Epochs done, and the facts of every hidden layer on the training rows."""


def trial_row(trial: dict[str, Any], columns: Sequence[Column], **measured: Any) -> dict[str, Any]:
    """Return a row of a table: the trial's settings where it has them, empty cells, and what was measured."""
    return {column.name: trial.get(column.name) for column in columns} | {"status": "done", "reason": "", **measured}


def doublings(epochs: int) -> list[int]:
    """Return the epochs at which to look: 0, the powers of two, and the last."""
    powers = [2**power for power in range(epochs.bit_length())]
    return sorted({0, *(epoch for epoch in powers if epoch < epochs), epochs})


def start_of(trial: dict[str, Any], spec: NetworkSpec) -> np.ndarray:
    """Return a trial's initial parameters, with ``bias`` added to the biases of the hidden layers."""
    X = np.ascontiguousarray(data_of(trial).X_train[:256], spec.numpy_dtype)
    theta = initialize(spec, trial["scheme"], key(trial["root_seed"], "init", trial["repeat"]), X)
    for _, b in spec.layers(theta)[:-1]:
        b += spec.numpy_dtype(trial.get("bias") or 0.0)
    return theta


def watch_training(trial: dict[str, Any], looks: Sequence[int]) -> tuple[dict[str, Any], list[Look], trainer.Run]:
    """Train a network in float32 and look at its units, on all training rows, after some epochs.

    Batch normalisation goes by the moments of the training rows when units are looked at, and by its running
    statistics in test.

    Parameters
    ----------
    trial : dict
        Settings as in `nnsim.study.dict_network_trials`, and ``bias``, where there is one (see `start_of`).
    looks : sequence of int
        Epochs in ascending order, the last of them the recipe's last.

    Returns
    -------
    measured : dict
        Columns of `nnsim.study.dict_network_trials.TRIAL_COLUMNS` that tell what became of the run, and whether it diverged.
    looks : list of (epoch, facts)
        As far as the run came, and where all activations were finite.
    run : Run
    """
    spec, data, root, repeat = network_of(trial, "float32"), data_of(trial), trial["root_seed"], trial["repeat"]
    parts = trainer.batches(data, np.float32)
    recipe = Recipe(**{name: trial[name] for name in RECIPE_SETTINGS if trial.get(name) is not None})
    state: np.ndarray | trainer.Run = start_of(trial, spec)
    seen: list[Look] = []
    for epoch in looks:
        state = run = trainer.train(spec, state, parts, recipe, key(root, "shuffle", repeat), until=epoch)
        if run.status == "diverged":
            break
        facts = unit_facts(spec, run.theta, parts.X)
        if all(np.isfinite(layer.size).all() for layer in facts):
            seen.append((epoch, facts))
    return _outcome(spec, run, data), seen, run


def _outcome(spec: NetworkSpec, run: trainer.Run, data: Any) -> dict[str, Any]:
    found = {"parameters": spec.n_parameters, "epochs_done": len(run.history), "chance": _chance(data)}
    if run.status == "diverged":
        why = {"status": "diverged", "reason": "the loss stopped being finite", "diverged_at": run.diverged_at}
        return found | why
    test = trainer.evaluate(
        spec, run.theta, data.X_test.astype(np.float32), trainer.targets(data.y_test, np.float32), run.statistics
    )
    found |= {"test_loss": test.loss, "test_metric": test.metric}
    names = ("train_loss", "validation_loss", "validation_metric")
    return found | dict(zip(names, run.history[-1].tolist(), strict=False))


def _chance(data: Any) -> float:
    """Validation metric of the best constant answer: the share of the largest class, or an R^2 of 0."""
    if data.task != "classification":
        return 0.0
    return float(np.bincount(data.y_validation).max() / data.y_validation.size)
