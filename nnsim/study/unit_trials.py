"""A network trained under watch: a row about the run, and what its units did at chosen epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnsim.core.seeding import key
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.units import UnitFacts, unit_facts
from nnsim.study.network_trials import data_of, network_of, outcome, recipe_of
from nnsim.study.trials import NetworkTrial, TrainingTrial
from nnsim.training import trainer

WATCHING = ("train_epochs float32", "evaluate float32", "unit_facts float32")
"""The large kernels that `watch_training` calls, see `nnsim.study.parts.Kind`."""

UnitLook = tuple[int, list[UnitFacts]]
"""Epochs done, and the facts of every hidden layer on the training rows."""


def doublings(epochs: int) -> list[int]:
    """Return the epochs at which to look: 0, the powers of two, and the last."""
    powers = [2**power for power in range(epochs.bit_length())]
    return sorted({0, *(epoch for epoch in powers if epoch < epochs), epochs})


def start_of(trial: NetworkTrial, spec: NetworkSpec, bias: float = 0.0) -> np.ndarray:
    """Return a trial's initial parameters, a vector in the network's precision.

    Parameters
    ----------
    trial : NetworkTrial
    spec : NetworkSpec
        Its network.
    bias : float
        Is added to the biases of the hidden layers.
    """
    X = np.ascontiguousarray(data_of(trial).X_train[:256], spec.numpy_dtype)
    theta = initialize(spec, trial.scheme, key(trial.root_seed, "init", trial.repeat), X)
    for _, b in spec.layers(theta)[:-1]:
        b += spec.numpy_dtype(bias)
    return theta


def watch_training(
    trial: TrainingTrial, looks: Sequence[int], bias: float = 0.0
) -> tuple[dict[str, Any], list[UnitLook], trainer.Run]:
    """Train a network in float32 and look at its units, on all training rows, after some epochs.

    Batch normalisation goes by the moments of the training rows when units are looked at, and by its running
    statistics in test.

    Parameters
    ----------
    trial : TrainingTrial
    looks : sequence of int
        Epochs in ascending order, the last of them the recipe's last.
    bias : float
        Bias of every hidden unit at the start, see `start_of`.

    Returns
    -------
    measured : dict
        Columns of `nnsim.study.network_trials.TRIAL_COLUMNS` that tell what became of the run, and whether it diverged.
    looks : list of (epoch, facts)
        As far as the run came, and where all activations were finite.
    run : Run
    """
    spec, data, root, repeat = network_of(trial, "float32"), data_of(trial), trial.root_seed, trial.repeat
    parts, recipe = trainer.batches(data, np.float32), recipe_of(trial)
    state: np.ndarray | trainer.Run = start_of(trial, spec, bias)
    seen: list[UnitLook] = []
    for epoch in looks:
        state = run = trainer.train(spec, state, parts, recipe, key(root, "shuffle", repeat), until=epoch)
        if run.status == "diverged":
            break
        facts = unit_facts(spec, run.theta, parts.X)
        if all(np.isfinite(layer.size).all() for layer in facts):
            seen.append((epoch, facts))
    return outcome(spec, run, data), seen, run
