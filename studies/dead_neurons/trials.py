"""Every trial of the study, in the order of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.networks.activations import evaluate
from nnsim.networks.activations import parse as parse_activation
from nnsim.study.checks import data_hash

from . import settings


def _narrow_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield networks of one input: the grid of shapes, and every remedy at the shape that dies most often."""
    worst = {"width": min(config["narrow_width"]), "depth": max(config["narrow_depth"])}
    shapes = [{"width": w, "depth": d} for w, d in product(config["narrow_width"], config["narrow_depth"])]
    plain = {"scheme": "he_normal", "activation": "relu", "shift": 0.0}
    for arm in (
        *({**plain, **shape} for shape in shapes),
        *({**plain, **worst, **remedy} for remedy in settings.REMEDIES),
    ):
        for repeat in range(config["nets"]):
            yield {"kind": "narrow", **arm, "repeat": repeat, **settings.LINE}


def _training_trials(config: dict[str, Any], data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield full-batch gradient descents: every arm has the same whole grid of learning rates and seeds."""
    network = {"scheme": "he_normal", **{name: config[name] for name in ("activation", "depth", "width")}}
    recipe = {"optimizer": "sgd", "epochs": config["epochs"], "tau": config["tau"]}
    arms = [*((bias, "none") for bias in config["bias"]), (0.0, "batch")]
    for (bias, normalization), repeat in product(arms, range(config["seeds"])):
        arm = {**network, "bias": bias, "normalization": normalization, "repeat": repeat}
        if normalization == "none":
            yield {"kind": "sharpness", **arm, **data}
        for rate in config["learning_rate"]:
            yield {"kind": "training", **arm, "learning_rate": rate, **recipe, **data}


def _mortal() -> tuple[str, ...]:
    """Activations that are flat beyond a kink, to a side at least: those of which a unit can be dead."""
    flat = {name: evaluate(name, np.array([-50.0]))[1][0] == 0 for name in ACTIVATIONS}
    return tuple(name for name, entry in ACTIVATIONS.items() if entry.kinks and entry.differentiable and flat[name])


def _check(config: dict[str, Any]) -> None:
    name = parse_activation(config["activation"])[0]
    if name not in _mortal():
        raise UsageError(
            f"activation '{name}' is nowhere flat, so its units cannot die: choose {' or '.join(_mortal())}"
        )
    if 0.0 not in config["bias"]:
        raise UsageError("every bias is compared with a bias of 0: add 0 to --bias")


def trials(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all trials; an activation of which no unit can die is refused here."""
    _check(config)
    data = {name: config[name] for name in ("data", "target", "samples")} | {"fingerprint": data_hash(config)}
    normalizations = product(("none", "batch"), range(config["probe_seeds"]))
    network = {
        "scheme": "he_normal",
        "activation": "relu",
        "depth": settings.INVARIANT_DEPTH,
        "width": settings.INVARIANT_WIDTH,
    }
    invariant = [
        {"kind": "invariant", **network, "normalization": normalization, "repeat": repeat, **data}
        for normalization, repeat in normalizations
    ]
    return [*_narrow_trials(config), *invariant, *_training_trials(config, data)]
