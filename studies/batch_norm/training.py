"""Networks that are trained with batch normalisation, with layer normalisation and without (D1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.networks.spec import NetworkSpec
from nnsim.report.arms import rows_of
from nnsim.report.questions import AtLeast, Question
from nnsim.study.checks import data_settings
from nnsim.study.network_trials import network_of, without_lone_row
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import TrainingTrial
from nnsim.study.unit_trials import WATCHING, doublings, start_of, watch_training

from . import accuracy, drift, rates
from .shared import NORMALIZATIONS, cost, sum_in_order

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class NormalizedTrial(TrainingTrial):
    """A descent with a normalisation, or with none.

    Attributes
    ----------
    normalization : str
        As in `nnsim.networks.spec.NetworkSpec`.
    optimizer, drop_last : str, bool
        As in `nnsim.training.recipe.Recipe`.
    """

    normalization: str
    optimizer: str
    drop_last: bool | None = None


def trials(config: Config) -> Iterator[NormalizedTrial]:
    """Yield the trained networks: every arm runs the same whole grid of learning rates and seeds."""
    shared: dict[str, Any] = {name: config[name] for name in ("width", "epochs", "batch_size")}
    shared |= {"scheme": "he_normal", "activation": "relu", "optimizer": "sgd", **data_settings(config)}
    grid = product(NORMALIZATIONS, config["depth"], config["learning_rate"], range(config["seeds"]))
    for normalization, depth, rate, repeat in grid:
        arm: dict[str, Any] = {"normalization": normalization, "depth": depth, "repeat": repeat}
        yield NormalizedTrial(kind="training", learning_rate=rate, **arm, **shared)


def _growth(spec: NetworkSpec, before: np.ndarray, after: np.ndarray) -> float:
    """Squared norm of the hidden layers' weights after training over that before."""
    first, last = (
        sum(float(sum_in_order(sum_in_order(W * W))) for W in spec.views(theta.astype(np.float64), "weight")[:-1])
        for theta in (before, after)
    )
    return last / first


def measure(trial: NormalizedTrial) -> Measured:
    """Train a network and follow the distributions that its layers see."""
    outcome, looks, run = watch_training(without_lone_row(trial), doublings(trial.epochs))
    if run.status == "done":
        spec = network_of(trial, "float32")
        outcome["weight_growth"] = _growth(spec, start_of(trial, spec), run.theta)
    return {"trials": [outcome], "drift": drift.rows(looks, trial.normalization)}


def _growth_question(runs: pd.DataFrame) -> Question:
    growth = rows_of(runs, normalization="batch", status="done").groupby("repeat")["weight_growth"].min()
    return Question(
        id="D1-growth",
        kind="claim",
        statement="Under plain descent normalised weights never shrink, which lowers their effective rate.",
        source="Arora, Li and Lyu 2019",
        arm="batch, all depths and rates that finish",
        values=growth.dropna().to_numpy(dtype=float),
        rule=AtLeast(1.0),
        note="least ratio of squared norms of the hidden weights, after over before",
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask at which rates networks learn, how they end, and what becomes of weights and distributions."""
    runs = rows_of(tables["trials"], kind="training")
    yield from rates.questions(runs, config)
    yield from accuracy.questions(runs, config)
    yield _growth_question(runs)
    yield from drift.questions(runs, tables["drift"], config)


TRAINING = Part(
    kinds={"training": Kind(NormalizedTrial, measure, lambda trial: cost(trial, trial.epochs), WATCHING)},
    trials=trials,
    questions=questions,
)
