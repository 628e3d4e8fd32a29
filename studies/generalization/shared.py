"""Networks on noisy labels: what the parts of the study train, and what they look at afterwards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nnsim.core.seeding import key
from nnsim.data import datasets
from nnsim.kernels.cpu.draws import fill_permutation
from nnsim.kernels.formulas.philox import DATA
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.generalization import accuracy_on_noisy_labels, noisy_labels
from nnsim.report.arms import rows_of
from nnsim.study.checks import data_settings
from nnsim.study.network_trials import data_of
from nnsim.study.parts import Config, Kind, Measured
from nnsim.study.trials import DataTrial, Trial
from nnsim.training import trainer
from nnsim.training.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

ZHANG = "Zhang et al. 2017"
KERNELS = ("train_epochs float32", "evaluate float32")


@dataclass(frozen=True, kw_only=True)
class NoisyTrial(DataTrial):
    """A network of one hidden layer on rows with noisy labels, under a regulariser of some strength."""

    regulariser: str
    strength: float
    label_noise: float
    width: int
    learning_rate: float
    rows: int
    epochs: int
    batch_size: int

    def smallest(self) -> Self:
        """Return one epoch of a narrow network on few rows."""
        return replace(super().smallest(), width=2, rows=20, epochs=1, batch_size=8)


def settings_of(config: Config) -> dict[str, Any]:
    """Return the settings that all these networks share."""
    return data_settings(config | {"samples": 0}) | {name: config[name] for name in ("rows", "epochs", "batch_size")}


@lru_cache(maxsize=64)
def training_rows(root_seed: int, repeat: int, total: int, rows: int) -> np.ndarray:
    """Return the numbers of a seed's training rows, drawn from all that there are."""
    order = np.empty(total, np.int64)
    fill_permutation(order, np.uint64(key(root_seed, "rows", repeat)), DATA, 0)
    return order[:rows]


def _noisy_batches(trial: NoisyTrial, data: datasets.Split) -> trainer.Batches:
    """A seed's training rows with noisy labels, and the validation rows as they are."""
    chosen = training_rows(trial.root_seed, trial.repeat, data.X_train.shape[0], trial.rows)
    number = key(trial.root_seed, "labels", trial.repeat)
    labels = noisy_labels(data.y_train[chosen], data.n_outputs, trial.label_noise, number)
    return trainer.Batches(
        np.ascontiguousarray(data.X_train[chosen], np.float32),
        trainer.targets(labels, np.float32),
        np.ascontiguousarray(data.X_validation, np.float32),
        trainer.targets(data.y_validation, np.float32),
    )


def _recipe(trial: NoisyTrial) -> Recipe:
    """Adam with what the arm adds: decoupled decay, an L2 penalty on the gradient, or early stopping."""
    name, strength = trial.regulariser, trial.strength
    return Recipe(
        learning_rate=trial.learning_rate,
        epochs=trial.epochs,
        batch_size=trial.batch_size,
        optimizer="adamw" if name == "adamw" else "adam",
        weight_decay=strength if name in {"adamw", "l2"} else 0.0,
        patience=int(strength) if name == "stopping" else None,
    )


def trained(trial: Trial, spec: NetworkSpec, scheme: str, batches: trainer.Batches, recipe: Recipe) -> trainer.Run:
    """Train a network from a seed's start."""
    start = initialize(spec, scheme, key(trial.root_seed, "init", trial.repeat), batches.X[:256])
    return trainer.train(spec, start, batches, recipe, key(trial.root_seed, "shuffle", trial.repeat))


def measure(trial: NoisyTrial) -> Measured:
    """Train a network on noisy labels, and look at all rows."""
    data = data_of(trial)
    dropout = trial.strength if trial.regulariser == "dropout" else 0.0
    spec = NetworkSpec((data.n_features, trial.width, data.n_outputs), dropout=dropout)
    batches = _noisy_batches(trial, data)
    run = trained(trial, spec, "he_normal", batches, _recipe(trial))
    test = data.X_test.astype(np.float32), trainer.targets(data.y_test, np.float32)
    found = scores(spec, run, batches, test, data.n_outputs, trial.label_noise)
    if run.status == "done":
        found |= {"validation_metric": trainer.evaluate(spec, run.theta, batches.X_validation, batches.Y_validation)[1]}
    return {"trials": [found]}


def scores(
    spec: NetworkSpec, run: trainer.Run, batches: trainer.Batches, test: Any, classes: int, noise: float
) -> dict[str, Any]:
    """Return losses and accuracies on the training rows and on the test rows, and the gap between them.

    The gap compares like with like: the accuracy on training rows with that expected on test rows with such labels.
    """
    found: dict[str, Any] = {"parameters": spec.n_parameters, "epochs_done": len(run.history)}
    if run.status == "diverged":
        return found | {"status": "diverged", "reason": "the loss stopped being finite"}
    fit = trainer.evaluate(spec, run.theta, batches.X, batches.Y, run.statistics)
    new = trainer.evaluate(spec, run.theta, test[0], test[1], run.statistics)
    expected = accuracy_on_noisy_labels(new.metric, classes, noise)
    found |= {"train_loss": fit.loss, "train_metric": fit.metric, "test_loss": new.loss, "test_metric": new.metric}
    return found | {"gap": fit.metric - expected}


def cost(trial: NoisyTrial) -> float:
    """Return the expected seconds: multiply-adds at a speed seen on small networks, plus overheads."""
    return 2e-3 + trial.epochs * trial.rows * (1.5e-7 + 8e-9 * trial.width)


def runs_of(trials: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the trials of one kind with ``log_loss``, ln of the test loss, whose own tail is long."""
    runs = rows_of(trials, kind=kind)
    with np.errstate(divide="ignore"):  # of a loss that rounds to 0
        return runs.assign(log_loss=np.log(runs["test_loss"].astype(float)))


NOISY = Kind(NoisyTrial, measure, cost, KERNELS)
