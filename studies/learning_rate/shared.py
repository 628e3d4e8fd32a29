"""The networks that the parts of the study train, how runs are read, and where descent stops being stable."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from nnsim.apps.lr_finder import Start
from nnsim.core.seeding import key
from nnsim.networks.initializers import initialize
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.declaration import Column
from nnsim.study.network_trials import TRAINING, data_of, network_of, nine_digits, train_alone, usual_data
from nnsim.study.parts import Config, Kind
from nnsim.study.trials import NetworkTrial, TrainingTrial, Trial
from nnsim.theory.training.stability import critical_rate
from nnsim.training import trainer
from nnsim.training.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

NETWORK = {"scheme": "he_normal", "activation": "relu", "depth": 2}
NOISY = "teacher_student"
REGRET = 0.02  # of accuracy: what a seed's luck is worth on these data
REPEAT = Column("repeat", "int", "", "number of the independent seed")
SHARPNESS_COLUMNS = (
    Column("kind", "text", "", "quadratic, edge or range: the trial that was looked at"),
    Column("learning_rate", "float", "", "step size; empty where nothing is trained yet"),
    Column("momentum", "float", "", "momentum of the heavy ball"),
    REPEAT,
    Column("step", "int", "steps", "steps done before the look"),
    Column("loss", "float", "half squared units", "half the mean squared error of the last step; only of kind edge"),
    Column("sharpness", "float", "", "largest eigenvalue of the Hessian of the training loss, at edge of half of it"),
)


@dataclass(frozen=True, kw_only=True)
class DescentTrial(Trial):
    """Full-batch descent on a task of its own."""

    data: str
    scheme: str
    activation: str
    depth: int
    width: int
    momentum: float
    epochs: int

    def smallest(self) -> Self:
        """Return a few steps."""
        return replace(super().smallest(), epochs=20)


@dataclass(frozen=True, kw_only=True)
class OptimizedTrial(TrainingTrial):
    """A network that is trained by a named optimizer."""

    optimizer: str


def settings_of(config: Config) -> dict[str, Any]:
    """Return the settings that the networks on mini-batches share."""
    return {**NETWORK, "width": config["width"], "batch_size": config["batch_size"], "probe_epoch": []}


def words_of(config: Config) -> str:
    """Return what is said of these networks in words."""
    return f"relu, {NETWORK['depth']} layers of {config['width']}"


def draws(trial: Trial, purpose: str) -> int:
    """Return the key of a trial's draws for a purpose."""
    return key(trial.root_seed, purpose, trial.repeat)


def start_of(trial: NetworkTrial, dtype: str, recipe: Recipe) -> Start:
    """Return what training starts from: the draws and the data order of the trials that `train_network` measures."""
    spec = network_of(trial, dtype)
    rows = trainer.batches(data_of(trial), spec.numpy_dtype)
    theta = initialize(spec, trial.scheme, draws(trial, "init"), rows.X[:256])
    return Start(spec=spec, theta=theta, batches=rows, recipe=recipe, key=draws(trial, "shuffle"))


def became(run: trainer.Run) -> dict[str, Any]:
    """Return how far a run came, and that it diverged if it did."""
    found: dict[str, Any] = {"epochs_done": len(run.history)}
    if run.status == "done":
        return found
    return found | {"status": "diverged", "reason": "the loss stopped being finite", "diverged_at": run.diverged_at}


def sharpness_row(step: int, sharpness: float, loss: float | None = None) -> dict[str, Any]:
    """Return a row of the table of sharpness."""
    return {"step": step, "loss": loss, "sharpness": nine_digits(sharpness)}


def epoch_cost(trial: NetworkTrial, batch_size: int | None) -> float:
    """Return the expected seconds of an epoch: multiply-adds at a speed seen on small networks, plus overheads."""
    data = usual_data(trial)
    rows = data.X_train.shape[0]
    operations = rows * trial.width * ((trial.depth - 1) * trial.width + data.n_features + data.n_outputs)
    return 1.5e-10 * operations + 1e-5 * math.ceil(rows / (batch_size or rows))


def training_cost(trial: TrainingTrial) -> float:
    """Return the expected seconds of a training."""
    return 1e-3 + epoch_cost(trial, trial.batch_size) * trial.epochs


def scores_of(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the test metric of each seed (rows) at each rate (columns); what diverged has learnt nothing."""
    scores = runs["test_metric"].where(runs["status"] == "done", runs["chance"].min())
    return runs.assign(score=scores).pivot(index="repeat", columns="learning_rate", values="score").dropna()


def best_rate(runs: pd.DataFrame) -> tuple[float, bool]:
    """Return the rate that validation chooses, and whether it is at the edge of the grid."""
    arms = ChosenArms(runs, ["kind"])
    return arms.rate({}), arms.at_edge({})


def edge_product(momentum: float = 0.0) -> float:
    """Return the product of rate and sharpness above which full-batch descent is unstable, 2 + 2 b."""
    return critical_rate(1.0, momentum)


TRAINED = Kind(OptimizedTrial, train_alone, training_cost, TRAINING)
