"""What the parts of the study share: how large networks are, and how arms are trained and compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Self

from nnsim.networks.spec import NetworkSpec
from nnsim.probes.expressivity.linear_pieces import Layers
from nnsim.report.arms import rows_of, scored
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.network_trials import asymmetry, data_of, network_of, outcome, steps_of, train_in_stretches
from nnsim.study.parts import Config, Measured
from nnsim.study.trials import TrainingTrial, Trial

if TYPE_CHECKING:
    import pandas as pd

PAGE = "the teaching page: depth is compression, one layer would need O(2^n) neurons"
RELU: dict[str, Any] = {"scheme": "he_normal", "activation": "relu"}


@dataclass(frozen=True, kw_only=True)
class ShapeTrial(Trial):
    """A network without a data set: depth x width units on so many inputs."""

    depth: int
    width: int
    dimension: int


@dataclass(frozen=True, kw_only=True)
class DataSetTrial(TrainingTrial):
    """A network that is trained on a data set, which goes with the inputs."""

    dimension: int
    optimizer: str
    schedule: str

    def smallest(self) -> Self:
        """Return it on a few rows of its own data."""
        return replace(super().smallest(), data=self.data)


def runs_of(config: Config) -> Iterator[dict[str, Any]]:
    """Yield how every trained arm runs: the same whole grid of learning rates and seeds."""
    recipe = {"batch_size": config["batch_size"], "optimizer": "adam", "schedule": "cosine", "probe_epoch": []}
    for learning_rate, repeat in product(config["learning_rate"], range(config["seeds"])):
        yield {**recipe, "learning_rate": learning_rate, "repeat": repeat}


def sizes(trial: ShapeTrial | DataSetTrial, outputs: int = 1) -> dict[str, Any]:
    """Return the parameters, hidden units and multiply-adds of a trial's network."""
    spec = NetworkSpec((trial.dimension, *[trial.width] * trial.depth, outputs), loss="mse")
    operations = sum(fan_in * fan_out for fan_in, fan_out in spec.fans)
    return {"parameters": spec.n_parameters, "neurons": trial.depth * trial.width, "operations": operations}


def counted(trial: ShapeTrial, found: dict[str, Any]) -> Measured:
    """Return the row of a network in which something was counted."""
    return {"trials": [sizes(trial) | found]}


def count_cost(trial: ShapeTrial) -> float:
    """Return the expected seconds of a count."""
    return 3e-3


def train(trial: DataSetTrial) -> tuple[dict[str, Any], Layers | None]:
    """Train a network; return its row, and its layers unless it diverged."""
    spec, data = network_of(trial, "float32"), data_of(trial)
    run, _ = train_in_stretches(trial, spec)
    row = outcome(spec, run, data) | sizes(trial, data.n_outputs) | {"asymmetry": asymmetry(spec, run.theta)}
    return row, None if run.status == "diverged" else spec.layers(run.theta)


def seconds_of_steps(steps: int, trial: ShapeTrial | DataSetTrial, batch_size: int | None) -> float:
    """Return the expected seconds of training: multiply-adds at a speed seen on small networks, plus overheads."""
    return 5e-3 + steps * (3e-6 * trial.depth + 1.5e-10 * sizes(trial)["parameters"] * (batch_size or 1))


def training_cost(trial: DataSetTrial) -> float:
    """Return the expected seconds of training on a data set."""
    return seconds_of_steps(steps_of(trial), trial, trial.batch_size)


def arms_of(trials: pd.DataFrame, kind: str, names: Sequence[str]) -> ChosenArms:
    """Return the trained arms of one kind, a diverged run with the score of chance."""
    return ChosenArms(scored(rows_of(trials, kind=kind)), names)
