"""What is left of the choice in the accuracy, once every network is trained at its own best learning rate."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.report.arms import rows_of, scored
from nnsim.report.questions import Question, Within
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.checks import data_settings
from nnsim.study.network_trials import TRAINING, parameters_of, steps_of, train_network
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import TrainingTrial

if TYPE_CHECKING:
    import pandas as pd

BASELINE = "relu"
ARMS = ("data", "scheme", "activation", "depth")
SAME = 0.05  # test accuracy; on a hundred test rows five answers


def trials(config: Config) -> Iterator[TrainingTrial]:
    """Yield the networks: every arm runs the same whole grid of learning rates and seeds."""
    shared: dict[str, Any] = {name: config[name] for name in ("scheme", "depth", "width", "epochs", "batch_size")}
    for data in config["data"]:
        shared |= data_settings(config | {"data": data})
        arms = product(config["trained_activation"], config["learning_rate"], range(config["seeds"]))
        for activation, rate, repeat in arms:
            arm: dict[str, Any] = {"activation": activation, "learning_rate": rate, "repeat": repeat}
            yield TrainingTrial(kind="training", momentum=config["momentum"], probe_epoch=[], **arm, **shared)


def measure(trial: TrainingTrial) -> Measured:
    """Train a network; its layers are not looked at."""
    found = train_network(trial)
    return {name: found[name] for name in ("trials", "history")}


def cost(trial: TrainingTrial) -> float:
    """Return the expected seconds: multiply-adds at a speed seen on small networks, plus overheads."""
    return 2e-3 + steps_of(trial) * (4e-6 * trial.depth + 1e-10 * parameters_of(trial) * (trial.batch_size or 1))


def leads(trials: pd.DataFrame, data: str, activation: str) -> tuple[np.ndarray, bool]:
    """Return test metrics minus the baseline's at equal seeds, at chosen rates, and whether one is at an edge."""
    arms = ChosenArms(scored(rows_of(trials, kind="training", data=data)), ARMS)
    pair = {"activation": activation}, {"activation": BASELINE}
    return arms.lead("score", *pair), arms.at_edge(*pair)


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether an activation ends as ReLU does."""
    for data, activation in product(config["data"], config["trained_activation"]):
        if activation == BASELINE:
            continue
        values, at_edge = leads(tables["trials"], data, activation)
        network = f"{config['scheme']}, {config['depth']} layers of {config['width']}, {data}"
        yield Question(
            id=f"training-{data}-{activation}",
            kind="claim",
            statement=f"With rates tuned for each, {activation} ends within {SAME:g} of ReLU's test metric on {data}.",
            source="the null hypothesis; textbooks rank activations",
            arm=f"{activation} minus {BASELINE}, {network}",
            values=values,
            rule=Within(0.0, SAME),
            note=f"paired by seed; {config['epochs']} epochs; failing means that the choice matters here",
            at_edge=at_edge,
        )


ACCURACY = Part(
    kinds={"training": Kind(TrainingTrial, measure, cost, TRAINING)},
    trials=trials,
    questions=questions,
)
