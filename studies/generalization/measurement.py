"""What is measured in one trial, what it costs, and what has to be compiled before."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from nnsim.core.seeding import key
from nnsim.data import datasets
from nnsim.kernels.cpu.draws import fill_normal, fill_permutation, fill_uniform
from nnsim.kernels.formulas.philox import DATA, NOISE
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.generalization import accuracy_on_noisy_labels, least_norm_fit, noisy_labels, ridge_fit
from nnsim.study.dict_network_trials import data_of, nine_digits
from nnsim.theory.training.double_descent import best_ridge
from nnsim.training import trainer
from nnsim.training.recipe import Recipe

from . import settings
from .columns import TRIAL_COLUMNS


@lru_cache(maxsize=64)
def _rows(root_seed: int, repeat: int, total: int, rows: int) -> np.ndarray:
    order = np.empty(total, np.int64)
    fill_permutation(order, np.uint64(key(root_seed, "rows", repeat)), DATA, 0)
    return order[:rows]


def _noisy_batches(trial: dict[str, Any], data: datasets.Split) -> trainer.Batches:
    """Return a seed's training rows with noisy labels, and the validation rows as they are."""
    chosen = _rows(trial["root_seed"], trial["repeat"], data.X_train.shape[0], trial["rows"])
    number = key(trial["root_seed"], "labels", trial["repeat"])
    labels = noisy_labels(data.y_train[chosen], data.n_outputs, trial["label_noise"], number)
    return trainer.Batches(
        np.ascontiguousarray(data.X_train[chosen], np.float32),
        trainer.targets(labels, np.float32),
        np.ascontiguousarray(data.X_validation, np.float32),
        trainer.targets(data.y_validation, np.float32),
    )


def _recipe(trial: dict[str, Any]) -> Recipe:
    """Adam with what the arm adds: decoupled decay, an L2 penalty on the gradient, or early stopping."""
    name, strength = trial["regulariser"], trial["strength"]
    shared = {setting: trial[setting] for setting in ("learning_rate", "epochs", "batch_size")}
    return Recipe(
        **shared,
        optimizer="adamw" if name == "adamw" else "adam",
        weight_decay=strength if name in {"adamw", "l2"} else 0.0,
        patience=int(strength) if name == "stopping" else None,
    )


def _trained(
    trial: dict[str, Any], spec: NetworkSpec, scheme: str, batches: trainer.Batches, recipe: Recipe
) -> trainer.Run:
    root, repeat = trial["root_seed"], trial["repeat"]
    start = initialize(spec, scheme, key(root, "init", repeat), batches.X[:256])
    return trainer.train(spec, start, batches, recipe, key(root, "shuffle", repeat))


def _on_data(trial: dict[str, Any]) -> dict[str, Any]:
    data = data_of(trial)
    dropout = trial["strength"] if trial["regulariser"] == "dropout" else 0.0
    spec = NetworkSpec((data.n_features, trial["width"], data.n_outputs), dropout=dropout)
    batches = _noisy_batches(trial, data)
    run = _trained(trial, spec, "he_normal", batches, _recipe(trial))
    test = data.X_test.astype(np.float32), trainer.targets(data.y_test, np.float32)
    found = _scores(spec, run, batches, test, data.n_outputs, trial["label_noise"])
    if run.status == "done":
        found |= {"validation_metric": trainer.evaluate(spec, run.theta, batches.X_validation, batches.Y_validation)[1]}
    return found


def _scores(
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


def _page_data(trial: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the teaching page's kind of data, training rows first: Gaussian inputs, random labels."""
    number = np.uint64(key(trial["root_seed"], "page", trial["repeat"]))
    rows = settings.PAGE_ROWS + settings.PAGE_TEST_ROWS
    inputs, draws = np.empty(rows * settings.PAGE_INPUTS), np.empty(rows)
    fill_normal(inputs, number, DATA, 0)
    fill_uniform(draws, number, NOISE, 0)
    return inputs.reshape(rows, settings.PAGE_INPUTS).astype(np.float32), (draws < 0.5).astype(np.float32)[:, None]


def _on_the_page(trial: dict[str, Any]) -> dict[str, Any]:
    """Train the teaching page's kind of network by its recipe on its kind of data."""
    X, Y = _page_data(trial)
    batches = trainer.Batches(X[: settings.PAGE_ROWS], Y[: settings.PAGE_ROWS], X[:0], Y[:0])
    widths = (settings.PAGE_INPUTS, *[trial["width"]] * 3, 1)
    spec = NetworkSpec(widths, loss="bce", normalization="batch", dropout=0.3)
    recipe = Recipe(**settings.PAGE_RECIPE, weight_decay=trial["strength"], epochs=trial["epochs"])
    run = _trained(trial, spec, "torch_default", batches, recipe)
    return _scores(spec, run, batches, (X[settings.PAGE_ROWS :], Y[settings.PAGE_ROWS :]), 2, 0.0)


def _linear(trial: dict[str, Any]) -> list[dict[str, Any]]:
    """Fit the first p of all features for every p, and return the exact squared error to expect on a new row."""
    number = np.uint64(key(trial["root_seed"], "linear", trial["repeat"]))
    draws = np.empty(settings.LINEAR_ROWS * (settings.LINEAR_FEATURES + 1))
    fill_normal(draws, number, DATA, 0)
    X = draws[: settings.LINEAR_ROWS * settings.LINEAR_FEATURES].reshape(settings.LINEAR_ROWS, settings.LINEAR_FEATURES)
    beta = np.full(settings.LINEAR_FEATURES, 1.0 / math.sqrt(settings.LINEAR_FEATURES))
    noise = math.sqrt(trial["target_noise"]) * draws[settings.LINEAR_ROWS * settings.LINEAR_FEATURES :]
    y = X @ beta + noise
    rows = []
    for features in settings.FEATURES:
        signal, unexplained = variances(features, trial["target_noise"])
        used, truth = X[:, :features], beta[:features]
        fits = {
            "risk": least_norm_fit(used, y),
            "ridge_risk": ridge_fit(used, y, best_ridge(features, signal, unexplained)),
        }
        risks = {name: float(np.sum((fit - truth) ** 2)) + unexplained for name, fit in fits.items()}
        at = {"kind": "linear", "target_noise": trial["target_noise"], "repeat": trial["repeat"], "features": features}
        rows.append(at | {name: nine_digits(risk) for name, risk in risks.items()})
    return rows


def variances(features: int, target_noise: float) -> tuple[float, float]:
    """Return the signal in the used features, and the variance of all else: all have equal coefficients."""
    signal = features / settings.LINEAR_FEATURES
    return signal, 1.0 - signal + target_noise


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    row = {column.name: trial.get(column.name) for column in TRIAL_COLUMNS} | {"status": "done", "reason": ""}
    if trial["kind"] == "linear":
        return {"trials": [row], "linear": _linear(trial)}
    if trial["kind"] == "page":
        return {"trials": [row | _on_the_page(trial)]}
    return {"trials": [row | _on_data(trial)]}


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core: multiply-adds at a speed seen on small networks, plus overheads."""
    if trial["kind"] == "linear":
        return 0.01
    if trial["kind"] == "page":
        parameters = trial["width"] * (settings.PAGE_INPUTS + 2 * trial["width"])
        return 1e-2 + trial["epochs"] * settings.PAGE_ROWS * (2e-7 * trial["width"] / 16 + 3e-10 * parameters)
    return 2e-3 + trial["epochs"] * trial["rows"] * (1.5e-7 + 8e-9 * trial["width"])


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    data = {"data": "xor", "target": "", "samples": 60, "root_seed": 0, "rows": 20, "label_noise": 0.2}
    arm = {"strength": 0.5, "width": 2, "learning_rate": 0.1, "epochs": 1, "batch_size": 8, "repeat": 0}
    measure({"kind": "width", "regulariser": "dropout", **data, **arm})
    measure({"kind": "page", "strength": 0.0, "width": 2, "epochs": 1, "repeat": 0, "root_seed": 0})
