"""What is measured in one trial, what it costs, and what has to be compiled before."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnsim.core.seeding import key
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes import training_identities
from nnsim.study.dict_network_trials import data_of, network_of, train_network
from nnsim.training import trainer
from nnsim.training.mup import MUP, mup_layer_rates, mup_start, preactivation_changes
from nnsim.training.recipe import Recipe

from . import settings
from .columns import ARMS, TRIALS

LOOKED_AT = 16  # rows of the coordinate check


def _row(trial: dict[str, Any], **measured: Any) -> dict[str, Any]:
    row = {column.name: trial.get(column.name) for column in TRIALS}
    return row | {"status": "done", "reason": "", **measured}


def _start(trial: dict[str, Any], dtype: str) -> tuple[NetworkSpec, np.ndarray, tuple[float, ...] | None]:
    """Return a network, its initial parameters and its layers' rates in the trial's parametrization."""
    spec = network_of(trial, dtype)
    theta = initialize(spec, trial["scheme"], key(trial["root_seed"], "init", trial["repeat"]))
    if trial.get("parametrization") != MUP:
        return spec, theta, None
    return spec, mup_start(spec, theta, trial["base_width"]), mup_layer_rates(spec, trial["base_width"])


def _train_wide(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    spec, theta, rates = _start(trial, "float32")
    data = trainer.batches(data_of(trial), np.float32)
    recipe = Recipe(trial["learning_rate"], None, trial["batch_size"], trial["epochs"], "adam", layer_rates=rates)
    run = trainer.train(spec, theta, data, recipe, key(trial["root_seed"], "shuffle", trial["repeat"]))
    found: dict[str, Any] = {"parameters": spec.n_parameters, "epochs_done": len(run.history)}
    if run.status == "diverged":
        found |= {"status": "diverged", "reason": "the loss stopped being finite", "diverged_at": run.diverged_at}
    else:
        names = ("train_loss", "validation_loss", "validation_metric")
        found |= dict(zip(names, run.history[-1].tolist(), strict=False))
    return {"trials": [_row(trial, **found)]}


def _check_coordinates(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    spec, theta, rates = _start(trial, "float64")
    data = trainer.batches(data_of(trial), np.float64)
    batch = min(settings.COORDINATE["batch_size"], data.X.shape[0])
    rows = slice(0, batch * settings.COORDINATE["steps"])
    part = trainer.Batches(data.X[rows], data.Y[rows], data.X[:0], data.Y[:0])
    recipe = Recipe(trial["learning_rate"], None, batch, 1, "adam", layer_rates=rates)
    run = trainer.train(spec, theta, part, recipe, key(trial["root_seed"], "shuffle", trial["repeat"]))
    changes = preactivation_changes(spec, theta, run.theta, part.X[:LOOKED_AT])
    arm = {name: trial[name] for name in ("kind", "parametrization", "width", "repeat")}
    rows_found = [{**arm, "layer": layer, "change": change} for layer, change in enumerate(changes, start=1)]
    return {"trials": [_row(trial, parameters=spec.n_parameters)], "coordinates": rows_found}


def _values(trial: dict[str, Any]) -> dict[str, float]:
    """Return what an identity is tested on, by name."""
    draws = key(trial["root_seed"], trial["kind"], trial["repeat"])
    if trial["kind"] == "decay":
        decay = {name: settings.DECAY[name] for name in ("learning_rate", "weight_decay")}
        recipe = Recipe(optimizer=trial["optimizer"], epochs=settings.DECAY["steps"], **decay)
        return dict(zip(("smallest", "largest"), training_identities.shrinkage(recipe, draws), strict=True))
    if trial["kind"] == "dropout":
        moments = training_identities.dropout_moments(trial["dropout"], draws)
        return dict(zip(("mean", "mean_square"), moments, strict=True))
    spec, theta, _ = _start(trial, "float64")
    data = trainer.batches(data_of(trial), np.float64)
    if trial["kind"] == "first_step":
        recipe = Recipe(optimizer=trial["optimizer"], **settings.FIRST_STEP)
        change, gradient = training_identities.first_step(spec, theta, data, recipe)
        expected = (
            -settings.FIRST_STEP["learning_rate"] * gradient / (np.abs(gradient) + settings.FIRST_STEP["epsilon"])
        )
        return {"error": float(np.abs(change - expected).max()) / settings.FIRST_STEP["learning_rate"]}
    binary = NetworkSpec((*spec.widths[:-1], 1), spec.activation, loss="bce", dtype="float64")
    silent = initialize(binary, trial["scheme"], draws)
    odd = np.ascontiguousarray(data.Y[:, :1] % 2 != 0, np.float64)
    found = {"bce": training_identities.start_loss(binary, silent, data.X, odd)}
    if spec.loss == "cross_entropy":
        found["cross_entropy"] = training_identities.start_loss(spec, theta, data.X, data.Y)
        found["classes"] = float(spec.widths[-1])
    return found


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    if trial["kind"] == "training":
        tables = train_network(trial, ARMS)
        return {"trials": tables["trials"], "history": tables["history"]}
    if trial["kind"] == "width":
        return _train_wide(trial)
    if trial["kind"] == "coordinate":
        return _check_coordinates(trial)
    arm = {name: trial.get(name) for name in ("kind", "data", "optimizer", "dropout", "repeat")}
    rows = [{**arm, "quantity": quantity, "value": value} for quantity, value in _values(trial).items()]
    return {"trials": [_row(trial)], "identities": rows}


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core: multiply-adds and updates at a speed seen on small networks."""
    if trial["kind"] in {"decay", "dropout", "first_step", "start_loss"}:
        return 2e-3
    data, width = data_of({**trial, "root_seed": 0}), trial["width"]
    parameters = (data.n_features + data.n_outputs + width * (trial["depth"] - 1)) * width
    if trial["kind"] == "coordinate":
        return 2e-3 + 1e-7 * parameters
    steps = math.ceil(data.X_train.shape[0] / trial["batch_size"]) * trial["epochs"]
    return 3e-3 + steps * (1e-5 + parameters * (2e-9 + 6e-11 * trial["batch_size"]))


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    data = {"data": "xor", "target": "", "samples": 60, "root_seed": 0, "repeat": 0, **settings.NETWORK, "width": 2}
    recipe = {"learning_rate": 0.1, "epochs": 1, "batch_size": 8, "probe_epoch": [], "optimizer": "adam"}
    measure({"kind": "training", **data, **recipe})
    measure({"kind": "coordinate", **data, "learning_rate": 0.1, "parametrization": MUP, "base_width": 2})
    for kind in ("decay", "first_step", "start_loss", "dropout"):
        measure({"kind": kind, **data, "optimizer": "adam", "dropout": 0.5})
