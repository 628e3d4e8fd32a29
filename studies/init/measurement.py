"""What is measured on one network, what it costs, and what has to be compiled before."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from nnsim.core.seeding import key
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.deep_linear import balanced_start, draw_task, follow_modes, mode_starts, steps_to_learn
from nnsim.probes.input_pairs import pair_inputs, pair_moments
from nnsim.probes.jacobians import jacobian, squared_singular_values
from nnsim.probes.propagation import propagate, shown_layers, unit_rows
from nnsim.study.declaration import Column
from nnsim.study.dict_network_trials import (
    ARM_COLUMNS,
    LAYER_COLUMNS,
    PROBE_ROWS,
    TRIAL_COLUMNS,
    data_of,
    drawn_network,
    look_at_network,
    nine_digits,
    train_network,
)

from . import settings

Rows = dict[str, list[dict[str, Any]]]

STEPS = Column("steps_to_learn", "int", "steps", "steps until a linear task is learnt; empty if it was not")
ROWS = Column("rows", "text", "", "batch: the inputs that LSUV saw; fresh: others")
TRIALS_WITH_STEPS = (*TRIAL_COLUMNS, STEPS)
LSUV_COLUMNS = (
    *ARM_COLUMNS,
    ROWS,
    *(column for column in LAYER_COLUMNS if column.name in {"layer", "z_mean", "z_square", "a_square"}),
)
SPECTRA_COLUMNS = (
    Column("scheme", "text", "", "initialization scheme"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("layer", "int", "", "hidden layer with a square weight matrix"),
    Column("mean_singular_value", "float", "", "mean singular value of the weight matrix (LAPACK, nine digits)"),
)
PAIR_COLUMNS = (
    *ARM_COLUMNS,
    Column("pair", "text", "", "what the two inputs are for"),
    Column("correlation", "float", "", "correlation of the two inputs"),
    Column("layer", "int", "", "hidden layer"),
    Column("first_square", "float", "", "mean squared activation of the first input (BLAS, nine digits)"),
    Column("other_square", "float", "", "mean squared activation of the other input"),
    Column("apart_square", "float", "", "mean squared difference of their activations"),
)
JACOBIAN_COLUMNS = (
    *ARM_COLUMNS,
    Column("mean", "float", "", "mean eigenvalue of J J^T (LAPACK, nine digits)"),
    Column("variance", "float", "", "variance of the eigenvalues of J J^T"),
    Column("largest", "float", "", "largest eigenvalue of J J^T"),
)
MODE_COLUMNS = (
    *ARM_COLUMNS,
    Column("mode", "int", "", "number of the mode, the strongest first"),
    Column("strength", "float", "", "singular value of the task that belongs to the mode"),
    Column("start", "float", "", "what the mode grows from (BLAS, nine digits)"),
    Column("step", "int", "steps", "steps of gradient descent"),
    Column("learnt", "float", "", "strength of the mode in the network"),
)


def _arm(trial: dict[str, Any]) -> dict[str, Any]:
    return {column.name: trial.get(column.name) for column in ARM_COLUMNS}


def _trial_row(trial: dict[str, Any], **found: Any) -> dict[str, Any]:
    return (
        {column.name: trial.get(column.name) for column in TRIALS_WITH_STEPS} | {"status": "done", "reason": ""} | found
    )


def _spectra(trial: dict[str, Any]) -> list[dict[str, Any]]:
    """Mean singular value of the second layer, the first square one: by LAPACK, so rounded and not canonical."""
    spec, theta = drawn_network(trial)
    W, _ = spec.layers(theta)[1]
    mean = nine_digits(float(np.mean(np.linalg.svd(W, compute_uv=False))))
    return [{"scheme": trial["scheme"], "repeat": trial["repeat"], "layer": 2, "mean_singular_value": mean}]


def _linear(trial: dict[str, Any]) -> Rows:
    return look_at_network(trial) | {"spectra": _spectra(trial)}


def _trial_alone(trial: dict[str, Any]) -> Rows:
    return {"trials": train_network(trial)["trials"]}


def _one_input(trial: dict[str, Any]) -> Rows:
    return {"trials": look_at_network(trial, rows=1)["trials"]}


def _lsuv(trial: dict[str, Any]) -> Rows:
    """Look at the inputs by which the weights were scaled, and at as many others."""
    spec, theta = drawn_network(trial)
    data, signal = data_of(trial), key(trial["root_seed"], "signal", trial["repeat"])
    parts = {"batch": data.X_train[:PROBE_ROWS], "fresh": data.X_validation[:PROBE_ROWS]}
    rows = []
    for name, X in parts.items():
        facts = propagate(spec, theta, unit_rows(X), signal)
        for layer in shown_layers(trial["depth"]):
            row = {column.name: facts[layer - 1].get(column.name) for column in LSUV_COLUMNS}
            rows.append(row | _arm(trial) | {"rows": name, "layer": layer})
    return {"trials": [_trial_row(trial, parameters=spec.n_parameters)], "lsuv": rows}


def _own_network(trial: dict[str, Any], inputs: int, outputs: int) -> tuple[NetworkSpec, int]:
    """Return a network that reads no data set, and the key of its draws."""
    widths = (inputs, *[trial["width"]] * trial["depth"], outputs)
    spec = NetworkSpec(widths, trial["activation"], loss="mse", dtype="float64")
    return spec, key(trial["root_seed"], "init", trial["repeat"])


def _pair(trial: dict[str, Any]) -> Rows:
    spec, draws = _own_network(trial, 2, 1)
    X = pair_inputs(trial["correlation"], trial["square"], trial["other_square"])
    names = ("first_square", "other_square", "apart_square")
    found = pair_moments(spec, initialize(spec, trial["scheme"], draws), X)
    rows = [
        {**_arm(trial), "pair": trial["pair"], "correlation": trial["correlation"], "layer": layer}
        | dict(zip(names, map(nine_digits, moments), strict=True))
        for layer, moments in enumerate(found, start=1)
    ]
    return {"trials": [_trial_row(trial, parameters=spec.n_parameters)], "pairs": rows}


def _jacobian(trial: dict[str, Any]) -> Rows:
    spec, draws = _own_network(trial, trial["width"], 1)
    J = jacobian(spec, initialize(spec, trial["scheme"], draws), np.ones(trial["width"]))
    values = squared_singular_values(J)
    found = {"mean": np.mean(values), "variance": np.var(values), "largest": values[-1]}
    row = _arm(trial) | {name: nine_digits(value) for name, value in found.items()}
    return {"trials": [_trial_row(trial, parameters=spec.n_parameters)], "jacobians": [row]}


def _modes(trial: dict[str, Any]) -> Rows:
    spec, draws = _own_network(trial, settings.MODE_FEATURES, settings.MODE_FEATURES)
    task_key = key(trial["root_seed"], "task", trial["repeat"])
    task = draw_task(settings.MODE_FEATURES, settings.MODE_FEATURES, settings.MODE_STRENGTHS, task_key)
    if trial["scheme"] == "balanced":
        theta = balanced_start(spec, task, settings.MODE_START, task_key)
    else:
        theta = initialize(spec, trial["scheme"], draws)
    learnt = follow_modes(spec, theta, task, trial["learning_rate"], settings.MODE_STOPS, task_key)
    rows = [
        {**_arm(trial), "mode": mode + 1, "strength": strength, "start": nine_digits(start), "step": step}
        | {"learnt": nine_digits(learnt[at, mode])}
        for mode, (strength, start) in enumerate(
            zip(settings.MODE_STRENGTHS, mode_starts(spec, task, theta), strict=True)
        )
        for at, step in enumerate(settings.MODE_STOPS)
    ]
    return {"trials": [_trial_row(trial, parameters=spec.n_parameters)], "modes": rows}


def _deep_linear(trial: dict[str, Any]) -> Rows:
    spec, draws = _own_network(trial, settings.DEEP_FEATURES, settings.DEEP_TARGETS)
    task_key = key(trial["root_seed"], "task", trial["repeat"])
    task = draw_task(settings.DEEP_FEATURES, settings.DEEP_TARGETS, (1.0,) * settings.DEEP_TARGETS, task_key)
    theta = initialize(spec, trial["scheme"], draws)
    rate, share, most = trial["learning_rate"], settings.DEEP_SHARE, settings.DEEP_STEPS
    run, steps = steps_to_learn(spec, theta, task, rate, share, most, task_key)
    found: dict[str, Any] = {"parameters": spec.n_parameters, "steps_to_learn": steps, "epochs_done": len(run.history)}
    if run.status == "diverged":
        diverged = {"status": "diverged", "reason": "the loss stopped being finite", "diverged_at": run.diverged_at}
        return {"trials": [_trial_row(trial, **found, **diverged)]}
    return {"trials": [_trial_row(trial, **found, train_loss=float(run.history[-1, 0]))]}


MEASURES: dict[str, Callable[[dict[str, Any]], Rows]] = {
    "training": train_network,
    "phase_training": _trial_alone,
    "symmetry": _trial_alone,
    "fluctuation": _one_input,
    "linear": _linear,
    "lsuv": _lsuv,
    "pair": _pair,
    "jacobian": _jacobian,
    "modes": _modes,
    "deep_linear": _deep_linear,
}
"""How each kind of trial is measured; the others are networks that are looked at."""

TRAINED = {"training", "symmetry", "phase_training"}


def measure(trial: dict[str, Any]) -> Rows:
    """Return the rows of one trial."""
    tables = MEASURES.get(trial["kind"], look_at_network)(trial)
    for row in tables["trials"]:
        row.setdefault("steps_to_learn", None)
    return tables


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core: multiply-adds at a speed seen on small networks, plus overheads."""
    if trial["kind"] in {"modes", "deep_linear"}:
        return 2e-2 if trial["kind"] == "modes" else 2e-3 * trial["depth"]
    data = data_of({**trial, "root_seed": 0})
    ends = data.n_features + data.n_outputs
    parameters = trial["depth"] * trial["width"] * (trial["width"] + 1) + ends * trial["width"]
    if trial["kind"] == "pair":
        parameters = (trial["depth"] - 1) * trial["width"] ** 2 + 3 * trial["width"]
    if trial["kind"] not in TRAINED:
        return 3e-4 + 8e-9 * parameters
    steps = math.ceil(data.X_train.shape[0] / trial["batch_size"]) * trial["epochs"]
    return 1e-3 + steps * (2e-6 * trial["depth"] + 5e-11 * parameters * trial["batch_size"])


def _warm(kinds: Iterable[str], trial: dict[str, Any]) -> None:
    for kind in kinds:
        measure({"kind": kind, **trial})


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    data = {"data": "xor", "target": "", "samples": 60, "root_seed": 0}
    network = {"scheme": "he_normal", "activation": "relu", "depth": 1, "width": 2, "repeat": 0}
    recipe = {"learning_rate": 0.1, "epochs": 1, "batch_size": 8, "momentum": 0.9, "probe_epoch": [0]}
    _warm(["bound", "training"], {**network, **data, **recipe})
    _warm(["lsuv"], {**network, **data, "scheme": "lsuv"})
    _warm(["pair"], {**network, "pair": "", "correlation": 0.0, "square": 1.0, "other_square": 1.0, "root_seed": 0})
    _warm(["deep_linear"], {**network, "activation": "identity", "learning_rate": 0.1, "root_seed": 0})
