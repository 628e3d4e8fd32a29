"""What is measured on one network, what it costs, and what has to be compiled before."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from nnsim.probes.expressivity.born_dead import is_constant
from nnsim.probes.sharpness import sharpness
from nnsim.probes.units import unit_facts
from nnsim.study.dict_network_trials import data_of, network_of, nine_digits
from nnsim.study.dict_unit_trials import Look, doublings, start_of, trial_row, watch_training
from nnsim.training import trainer

from . import settings
from .columns import COLUMNS, UNIT_ARM

PRODUCTS = 100  # with the Hessian, to its largest eigenvalue: of the cost


def _measure_narrow(trial: dict[str, Any]) -> dict[str, Any]:
    """Whether a random network of one input is silent at x = 1, and whether it is constant on [-1, 1]."""
    spec = replace(network_of(trial, "float64"), loss="mse")
    theta = start_of(trial, spec)
    for W, _ in spec.layers(theta):
        W += trial["shift"] * math.sqrt(2 / W.shape[0])
    at_one = unit_facts(spec, theta, np.ones((1, 1)))
    return {"silent": any(facts.dead.all() for facts in at_one), "born_dead": is_constant(spec, theta)}


def _measure_invariant(trial: dict[str, Any]) -> dict[str, Any]:
    """How many units are off on the whole batch as they are drawn; normalisation starts with scale 1 and shift 0."""
    spec = network_of(trial, "float64")
    facts = unit_facts(spec, start_of(trial, spec), data_of(trial).X_train[:64])
    return {"off_units": int(sum(layer.dead.sum() for layer in facts))}


def _measure_sharpness(trial: dict[str, Any]) -> dict[str, Any]:
    spec = network_of(trial, "float64")
    parts = trainer.batches(data_of(trial), np.float64)
    theta = start_of(trial, spec)
    value = sharpness(spec, theta, parts.X, parts.Y, np.cos(np.arange(theta.size)), 1e-6).value
    return {name: trial[name] for name in ("bias", "repeat")} | {"sharpness": nine_digits(value)}


def _unit_rows(trial: dict[str, Any], looks: list[Look]) -> Iterator[dict[str, Any]]:
    """Yield what the units of each layer did between one look and the next."""
    arm = {column.name: trial.get(column.name) for column in UNIT_ARM}
    for (_, before), (epoch, now) in pairwise([(0, looks[0][1]), *looks] if looks else []):
        for layer, (old, new) in enumerate(zip(before, now, strict=True), start=1):
            yield {
                **arm, "epoch": epoch, "layer": layer, "units": new.dead.size, "dead": int(new.dead.sum()),
                "deaths": int((old.active & new.dead).sum()), "revivals": int((old.dead & new.active).sum()),
                "dormant": int(new.dormant(trial["tau"]).sum()), "zero_dormant": int(new.dormant(0.0).sum()),
            }  # fmt: skip


def _measure_training(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Descend on all training rows at once; how many there are depends on the root seed."""
    whole = {**trial, "batch_size": data_of(trial).X_train.shape[0]}
    outcome, looks, _ = watch_training(whole, doublings(trial["epochs"]))
    rows = list(_unit_rows(trial, looks))
    for name, epochs in (("dead_at_start", {0}), ("dead_at_end", {looks[-1][0]} if looks else set())):
        chosen = [row for row in rows if row["epoch"] in epochs]
        dead, units = (sum(row[column] for row in chosen) for column in ("dead", "units"))
        outcome[name] = dead / units if units else None
    return {"trials": [trial_row(trial, COLUMNS, **outcome)], "units": rows}


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    if trial["kind"] == "training":
        return _measure_training(trial)
    if trial["kind"] == "sharpness":
        return {"trials": [trial_row(trial, COLUMNS)], "sharpness": [_measure_sharpness(trial)]}
    found = (_measure_narrow if trial["kind"] == "narrow" else _measure_invariant)(trial)
    return {"trials": [trial_row(trial, COLUMNS, **found)]}


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core, at speeds seen on small networks."""
    if trial["kind"] == "narrow":
        return 2e-4 + 4e-5 * trial["depth"]
    data = data_of({**trial, "root_seed": 0})
    layers = trial["depth"] * trial["width"] + data.n_features + data.n_outputs
    passes = {"training": trial.get("epochs", 0), "sharpness": 4 * PRODUCTS}.get(trial["kind"], 1)
    return 2e-3 + passes * (2e-5 + 1.2e-10 * trial["width"] * layers * data.X_train.shape[0])


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    network = {"scheme": "he_normal", "activation": "relu", "depth": 1, "width": 2, "repeat": 0, "root_seed": 0}
    measure({"kind": "narrow", **network, **settings.LINE, "shift": 0.0})
    data = {"data": "xor", "target": "", "samples": 60}
    for kind in ("invariant", "sharpness", "training"):
        arm = {"bias": 0.0, "normalization": "batch", "learning_rate": 0.1, "tau": 0.1}
        measure({"kind": kind, **network, **data, **arm, "epochs": 1, "optimizer": "sgd"})
