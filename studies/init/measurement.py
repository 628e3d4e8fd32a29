"""What is measured on one network, what it costs, and what has to be compiled before."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnsim.laboratory import data_of, drawn_network, look_at_network, train_network


def _spectra(trial: dict[str, Any]) -> list[dict[str, Any]]:
    """Mean singular value of the second layer, the first square one: by LAPACK, so rounded and not canonical."""
    spec, theta = drawn_network(trial)
    W, _ = spec.layers(theta)[1]
    mean = float(f"{np.mean(np.linalg.svd(W, compute_uv=False)):.9g}")
    return [{"scheme": trial["scheme"], "repeat": trial["repeat"], "layer": 2, "mean_singular_value": mean}]


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    if trial["kind"] == "training":
        return train_network(trial)
    if trial["kind"] == "symmetry":
        return {"trials": train_network(trial)["trials"]}
    if trial["kind"] == "fluctuation":
        return {"trials": look_at_network(trial, rows=1)["trials"]}
    tables = look_at_network(trial)
    return tables | {"spectra": _spectra(trial)} if trial["kind"] == "linear" else tables


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core: multiply-adds at a speed seen on small networks, plus overheads."""
    data = data_of({**trial, "root_seed": 0})
    ends = data.n_features + data.n_outputs
    parameters = trial["depth"] * trial["width"] * (trial["width"] + 1) + ends * trial["width"]
    if trial["kind"] not in {"training", "symmetry"}:
        return 3e-4 + 8e-9 * parameters
    steps = math.ceil(data.X_train.shape[0] / trial["batch_size"]) * trial["epochs"]
    return 1e-3 + steps * (2e-6 * trial["depth"] + 5e-11 * parameters * trial["batch_size"])


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    data = {"data": "xor", "target": "", "samples": 60, "root_seed": 0}
    network = {"scheme": "he_normal", "activation": "relu", "depth": 1, "width": 2, "repeat": 0}
    measure({"kind": "bound", **network, **data})
    recipe = {"learning_rate": 0.1, "epochs": 1, "batch_size": 8, "momentum": 0.9, "probe_epoch": [0]}
    measure({"kind": "training", **network, **data, **recipe})
