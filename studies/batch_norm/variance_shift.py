"""How dropout in front of batch normalisation makes its running variance too large for the test (D1)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from nnsim.probes.units import unit_facts
from nnsim.report.arms import rows_of
from nnsim.report.questions import Question, Within
from nnsim.study.network_trials import data_of, network_of
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import TrainingTrial
from nnsim.study.unit_trials import WATCHING, watch_training
from nnsim.theory.signals.batch_statistics import dropout_variance_ratio

from .shared import GAUSSIAN, cost, sum_in_order

if TYPE_CHECKING:
    import pandas as pd

DEPTH, WIDTH, EPOCHS, BATCH = 4, 128, 12, 100
FROZEN = 1e-30  # a learning rate below what moves a weight: only the running statistics learn
RATIO_MARGIN = 0.08  # of ln of a variance ratio: a dropout of 0.25 instead of 0.2 would be off by 0.09


@dataclass(frozen=True, kw_only=True)
class ShiftTrial(TrainingTrial):
    """A network with dropout in front of its normalisations, whose weights stay as they are drawn.

    Attributes
    ----------
    normalization, dropout : str, float
        As in `nnsim.networks.spec.NetworkSpec`.
    optimizer : str
        As in `nnsim.training.recipe.Recipe`.
    """

    normalization: str
    dropout: float
    optimizer: str


def trials(config: Config) -> Iterator[ShiftTrial]:
    """Yield networks of each dropout, whose running statistics learn."""
    for dropout, repeat in product(config["dropout"], range(config["probe_seeds"])):
        yield ShiftTrial(
            kind="shift",
            scheme="he_normal",
            activation="relu",
            depth=DEPTH,
            width=WIDTH,
            normalization="batch",
            dropout=dropout,
            learning_rate=FROZEN,
            optimizer="sgd",
            epochs=EPOCHS,
            batch_size=BATCH,
            repeat=repeat,
            **GAUSSIAN,
        )


def measure(trial: ShiftTrial) -> Measured:
    """Measure the variance in test, when nothing is dropped, of what normalisation by running statistics hands on."""
    _, _, run = watch_training(trial, [trial.epochs])
    layers = unit_facts(network_of(trial, "float32"), run.theta, data_of(trial).X_train, run.statistics)
    return {
        "shift": [
            {"layer": layer, "test_variance": float(sum_in_order(facts.z_variance)) / facts.z_variance.size}
            for layer, facts in enumerate(layers, start=1)
        ]
    }


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask how much too large the running variance is, in front of any dropout and behind it."""
    for dropout, layer in product(config["dropout"], (1, 2, DEPTH)):
        variances = rows_of(tables["shift"], dropout=dropout, layer=layer)["test_variance"].to_numpy(dtype=float)
        before = "In front of any dropout the running variance is that of the test."
        behind = (
            "Dropout below it makes a normalisation's running variance too large by 1 + p/(1-p) E f^2/Var f a layer."
        )
        yield Question(
            id=f"D1-dropout-{dropout:g}-layer-{layer}",
            kind="check" if layer == 1 else "claim",
            statement=before if layer == 1 else behind,
            source="Li, Chen, Hu and Yang 2019, case b",
            arm=f"relu, dropout {dropout:g}, layer {layer} of width {WIDTH}",
            values=-np.log(variances),
            rule=Within(math.log(dropout_variance_ratio(dropout, layer)), RATIO_MARGIN),
            note="ln of running variance over variance in test",
        )


VARIANCE_SHIFT = Part(
    kinds={"shift": Kind(ShiftTrial, measure, lambda trial: cost(trial, trial.epochs), WATCHING)},
    trials=trials,
    questions=questions,
)
