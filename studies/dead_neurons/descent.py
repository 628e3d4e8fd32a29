"""Networks in full-batch descent: how sharp their loss is before it, and what their units do in it (B4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.probes.sharpness import sharpness
from nnsim.report.questions import Question
from nnsim.study.checks import data_settings
from nnsim.study.network_trials import data_of, network_of, nine_digits
from nnsim.study.parts import Config, Kind, Measured, Part, Rows
from nnsim.study.trials import NetworkTrial, TrainingTrial
from nnsim.study.unit_trials import WATCHING, UnitLook, doublings, start_of, watch_training
from nnsim.training import trainer

from . import onset, revival
from .shared import passes_cost

if TYPE_CHECKING:
    import pandas as pd

PRODUCTS = 100  # with the Hessian, to its largest eigenvalue: of the cost


@dataclass(frozen=True, kw_only=True)
class SharpnessTrial(NetworkTrial):
    """A network before the descent.

    Attributes
    ----------
    bias : float
        Bias of every hidden unit.
    normalization : str
        As in `nnsim.networks.spec.NetworkSpec`.
    """

    bias: float
    normalization: str


@dataclass(frozen=True, kw_only=True)
class DescentTrial(TrainingTrial):
    """A full-batch descent.

    Attributes
    ----------
    bias : float
        Bias of every hidden unit at the start.
    normalization, optimizer : str
        As in `nnsim.networks.spec.NetworkSpec` and `nnsim.training.recipe.Recipe`.
    tau : float
        Threshold of the dormancy score.
    """

    bias: float
    normalization: str
    optimizer: str
    tau: float


def trials(config: Config) -> Iterator[SharpnessTrial | DescentTrial]:
    """Yield sharpnesses and descents: every arm has the same whole grid of learning rates and seeds."""
    data = data_settings(config)
    network = {"scheme": "he_normal", **{name: config[name] for name in ("activation", "depth", "width")}}
    recipe: dict[str, Any] = {"optimizer": "sgd", "epochs": config["epochs"], "tau": config["tau"]}
    arms = [*((bias, "none") for bias in config["bias"]), (0.0, "batch")]
    for (bias, normalization), repeat in product(arms, range(config["seeds"])):
        arm = {**network, "bias": bias, "normalization": normalization, "repeat": repeat, **data}
        if normalization == "none":
            yield SharpnessTrial(kind="sharpness", **arm)
        for rate in config["learning_rate"]:
            yield DescentTrial(kind="training", learning_rate=rate, **arm, **recipe)


def measure_sharpness(trial: SharpnessTrial) -> Measured:
    """Measure the largest eigenvalue of the Hessian: by a library's linear algebra, so rounded and not canonical."""
    spec = network_of(trial, "float64")
    parts, theta = trainer.batches(data_of(trial), np.float64), start_of(trial, spec, trial.bias)
    value = sharpness(spec, theta, parts.X, parts.Y, np.cos(np.arange(theta.size)), 1e-6).value
    return {"sharpness": [{"sharpness": nine_digits(value)}]}


def _unit_rows(looks: list[UnitLook], tau: float) -> Rows:
    """Tell what the units of each layer did between one look and the next."""
    return [
        {
            "epoch": epoch,
            "layer": layer,
            "units": new.dead.size,
            "dead": int(new.dead.sum()),
            "deaths": int((old.active & new.dead).sum()),
            "revivals": int((old.dead & new.active).sum()),
            "dormant": int(new.dormant(tau).sum()),
            "zero_dormant": int(new.dormant(0.0).sum()),
        }
        for (_, before), (epoch, now) in pairwise([*looks[:1], *looks])
        for layer, (old, new) in enumerate(zip(before, now, strict=True), start=1)
    ]


def _dead_share(rows: Rows, epoch: int | None) -> float | None:
    """Return the share of dead units at a look; None where there was none."""
    units = sum(row["units"] for row in rows if row["epoch"] == epoch)
    return sum(row["dead"] for row in rows if row["epoch"] == epoch) / units if units else None


def measure_descent(trial: DescentTrial) -> Measured:
    """Descend on all training rows at once; how many there are depends on the root seed."""
    whole = replace(trial, batch_size=data_of(trial).X_train.shape[0])
    outcome, looks, _ = watch_training(whole, doublings(trial.epochs), trial.bias)
    rows = _unit_rows(looks, trial.tau)
    last = looks[-1][0] if looks else None
    shares = {"dead_at_start": _dead_share(rows, 0), "dead_at_end": _dead_share(rows, last)}
    return {"trials": [outcome | shares], "units": rows}


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask from which rate on units die, how many do, and whether they come back."""
    yield from onset.questions(tables["trials"], tables["sharpness"], config)
    yield from revival.questions(tables["trials"], tables["units"])


DESCENT = Part(
    kinds={
        "sharpness": Kind(
            SharpnessTrial,
            measure_sharpness,
            lambda trial: passes_cost(trial, 4 * PRODUCTS),
            ("loss_and_gradient float64",),
        ),
        "training": Kind(DescentTrial, measure_descent, lambda trial: passes_cost(trial, trial.epochs), WATCHING),
    },
    trials=trials,
    questions=questions,
)
