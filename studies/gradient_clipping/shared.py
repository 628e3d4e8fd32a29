"""Networks that train with their gradients clipped: what the parts of the study share."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from nnsim.core.errors import UsageError
from nnsim.report.arms import rows_of, scored
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.network_trials import (
    TRAINING,
    asymmetry,
    clipped_share,
    data_of,
    network_of,
    outcome,
    train_in_stretches,
    usual_data,
)
from nnsim.study.parts import Config, Kind, Measured
from nnsim.study.trials import NetworkTrial, TrainingTrial

if TYPE_CHECKING:
    import pandas as pd

USUAL, SMALL, BY_VALUE = "norm:1", "norm:0.01", "value:0.01"
ARMS = ["problem", "optimizer", "clip"]
PASCANU = "Pascanu, Mikolov and Bengio 2013"


@dataclass(frozen=True, kw_only=True)
class ClippedTrial(TrainingTrial):
    """A network that is trained under one kind of clipping; neither limit is given where there is none."""

    problem: str
    optimizer: str
    clip: str
    clip_norm: float | None = None
    clip_value: float | None = None


def clipping(text: str) -> dict[str, float]:
    """Return the settings of a recipe for ``none``, ``norm:1`` or ``value:0.01``.

    Raises
    ------
    UsageError
        If the text is none of these.
    """
    name, _, number = text.partition(":")
    try:
        limit = float(number) if number else math.nan
    except ValueError:
        limit = math.nan
    if text == "none":
        return {}
    if name not in {"norm", "value"} or not 0 < limit < math.inf:
        raise UsageError(f"clipping '{text}' is not known: write none, norm:1 or value:0.01, with a positive number")
    return {f"clip_{name}": limit}


def clipped_trials(config: Config, problem: dict[str, Any], optimizer: str, rate_axis: str) -> Iterator[ClippedTrial]:
    """Yield the networks of one problem (its name, scheme and depth): every clipping runs the same grid of rates."""
    shared: dict[str, Any] = {name: config[name] for name in ("width", "data", "epochs", "batch_size")}
    shared |= {"kind": "training", "activation": "relu", "optimizer": optimizer, "probe_epoch": [], **problem}
    for clip, rate, repeat in product(config["clip"], config[rate_axis], range(config["seeds"])):
        yield ClippedTrial(clip=clip, learning_rate=rate, repeat=repeat, **shared | clipping(clip))


def measure(trial: ClippedTrial) -> Measured:
    """Train a network, and count the steps that were clipped."""
    spec = network_of(trial, "float32")
    run, _ = train_in_stretches(trial, spec)
    ends = {"asymmetry": asymmetry(spec, run.theta), "clipped": clipped_share(run)}
    return {"trials": [outcome(spec, run, data_of(trial)) | ends]}


def multiply_adds(trial: NetworkTrial) -> int:
    """Return about how many a pass over the training rows takes, by which costs are estimated."""
    data = usual_data(trial)
    ends = data.n_features + data.n_outputs
    return data.X_train.shape[0] * trial.width * ((trial.depth - 1) * trial.width + ends)


def cost(trial: ClippedTrial) -> float:
    """Return the expected seconds: multiply-adds at a speed seen on small networks, plus overheads."""
    rows = usual_data(trial).X_train.shape[0]
    steps = math.ceil(rows / (trial.batch_size or rows))
    return 1e-3 + (1.5e-10 * multiply_adds(trial) + 3e-6 * trial.depth * steps) * trial.epochs


def runs_of(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trainings with their ``score``, and with ``survived``: 1 where the loss stayed finite."""
    runs = scored(rows_of(trials, kind="training"))
    return runs.assign(survived=(runs["status"] == "done").astype(float))


def chosen_arms(trials: pd.DataFrame) -> ChosenArms:
    """Choose the rate of each problem under each optimizer and clipping by the validation metric."""
    return ChosenArms(runs_of(trials), ARMS)


def arm(problem: str, clip: str, optimizer: str = "sgd") -> dict[str, str]:
    """Return what tells an arm apart."""
    return {"problem": problem, "optimizer": optimizer, "clip": clip}


CLIPPED = {"training": Kind(ClippedTrial, measure, cost, TRAINING)}
