"""What is measured on one network, what it costs, and what has to be compiled before."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnsim.study.dict_network_trials import (
    data_of,
    drawn_network,
    look_at_network,
    nine_digits,
    train_network,
    without_lone_row,
)

from . import settings
from .columns import REMEDY


def _spectra(trial: dict[str, Any]) -> list[dict[str, Any]]:
    """Spectral norm of the second layer, the first square one: by LAPACK, so rounded and not canonical."""
    spec, theta = drawn_network(trial)
    W, _ = spec.layers(theta)[1]
    norm = nine_digits(float(np.linalg.norm(W, 2)))
    return [{"scheme": trial["scheme"], "repeat": trial["repeat"], "layer": 2, "spectral_norm": norm}]


def _log_gradient(layers: list[dict[str, Any]], depth: int) -> float | None:
    """ln(mean delta_1^2 / mean delta_depth^2), None where a dead network has no gradient."""
    logs = {row["layer"]: row["delta_log"] for row in layers}
    change = logs[1] - logs[depth] if math.isfinite(logs[depth]) else math.nan
    return change if math.isfinite(change) else None


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    if trial["kind"] == "training":
        tables = train_network(without_lone_row(trial) if trial["remedy"] == "batch" else trial, (REMEDY,))
        tables["trials"][0]["log_gradient"] = None
        return tables
    rows = {"fluctuation": 1, "remedy": settings.REMEDY_ROWS}.get(trial["kind"], 16)
    tables = look_at_network(trial, rows, (REMEDY,))
    tables["trials"][0]["log_gradient"] = _log_gradient(tables["layers"], trial["depth"])
    if trial["kind"] == "fluctuation":
        del tables["layers"]
    if trial["kind"] == "bound" and trial["depth"] == settings.CROSSED[0] + 1:
        tables["spectra"] = _spectra(trial)
    return tables


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core: multiply-adds at a speed seen on small networks, plus overheads."""
    data = data_of({**trial, "root_seed": 0})
    ends = data.n_features + data.n_outputs
    parameters = trial["depth"] * trial["width"] * (trial["width"] + 1) + ends * trial["width"]
    if trial["kind"] != "training":
        return 3e-4 + (6e-8 if trial["kind"] == "remedy" else 8e-9) * parameters
    steps = math.ceil(data.X_train.shape[0] / trial["batch_size"]) * trial["epochs"]
    return 1e-3 + steps * trial["depth"] * 2e-6 + steps * 8e-11 * parameters * trial["batch_size"]


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    data = {"data": "xor", "target": "", "samples": 60, "root_seed": 0}
    network = {"scheme": "he_normal", "activation": "relu", "depth": 2, "width": 2, "repeat": 0, "remedy": "batch"}
    network |= settings.REMEDIES["batch"]
    measure({"kind": "remedy", **network, **data})
    recipe = {"learning_rate": 0.1, "epochs": 1, "batch_size": 8, "momentum": 0.9, "probe_epoch": [0]}
    measure({"kind": "training", **network, **data, **recipe})
