"""Every network of the study, in the order of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from nnsim.core.errors import UsageError
from nnsim.core.registry import look_up
from nnsim.networks.initializers import parse as parse_scheme
from nnsim.study.checks import check_batch_size, check_normalizable, check_trainable, data_hash
from nnsim.training.trainer import Recipe

from . import settings


def parse_arm(text: str) -> dict[str, str]:
    """Return the settings of ``activation/scheme`` or ``activation/scheme/remedy``; raises UsageError."""
    parts = text.split("/")
    if len(parts) not in {2, 3}:
        raise UsageError(f"arm '{text}' must be activation/scheme or activation/scheme/remedy, as in relu/he_normal")
    activation, scheme, remedy = (*parts, "none")[:3]
    check_trainable([activation])
    parse_scheme(scheme)
    look_up(settings.REMEDIES, "remedy", remedy)
    return {"activation": activation, "scheme": scheme, "remedy": remedy}


def _looked_at(config: dict[str, Any]) -> Iterator[tuple[str, str, str, int, int, str]]:
    """Yield kind, activation, scheme, depth, width and remedy of the networks that are looked at, not trained."""
    for activation, scheme, depth in product(config["activation"], config["scheme"], config["probe_depth"]):
        yield "propagation", activation, scheme, depth, config["probe_width"], "none"
    for scheme, crossed in product(settings.BOUND_SCHEMES, settings.CROSSED):
        yield "bound", "sigmoid", scheme, crossed + 1, settings.WIDE, "none"
    for activation, scheme in settings.EXPLOSIONS.values():
        yield "explosion", activation, scheme, settings.TRAP_DEPTH, settings.WIDE, "none"
    for activation in ("relu", "sigmoid"):
        yield "trap", activation, "xavier_normal", settings.TRAP_DEPTH, settings.WIDE, "none"
    for remedy in ("skip", "batch", "layer"):
        yield "remedy", "sigmoid", "xavier_normal", settings.REMEDY_DEPTH, settings.WIDE, remedy
    yield "fluctuation", "relu", "he_normal", settings.NARROW_DEPTH, settings.NARROW_WIDTH, "none"


def _network_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for kind, activation, scheme, depth, width, remedy in _looked_at(config):
        network = {"activation": activation, "scheme": scheme, "depth": depth, "width": width, "remedy": remedy}
        seeds = {"fluctuation": config["narrow_nets"], "trap": settings.TRAP_SEEDS * config["probe_seeds"]}
        for repeat in range(seeds.get(kind, config["probe_seeds"])):
            yield {"kind": kind, **network, **settings.REMEDIES[remedy], "repeat": repeat}


def _training_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the networks that are trained: every arm runs the same whole grid of learning rates and seeds."""
    recipe = {name: config[name] for name in ("epochs", "batch_size", "momentum")} | {"probe_epoch": [0]}
    for text, depth, rate in product(config["arm"], config["depth"], config["learning_rate"]):
        arm = parse_arm(text)
        network = {**arm, **settings.REMEDIES[arm["remedy"]], "depth": depth, "width": config["width"]}
        for repeat in range(config["seeds"]):
            yield {"kind": "training", **network, "learning_rate": rate, "repeat": repeat, **recipe}


def trials(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all trials; a name or a data set that cannot be used is an error here, before anything runs."""
    for scheme in config["scheme"]:
        parse_scheme(scheme)
    check_trainable(config["activation"])
    Recipe(momentum=config["momentum"])
    data = {"data": config["data"], "target": config["target"], "samples": config["samples"]}
    data["fingerprint"] = data_hash(config)
    check_batch_size(config["batch_size"], data)
    if any(parse_arm(text)["remedy"] == "batch" for text in config["arm"]):
        check_normalizable(config["batch_size"])
    return [{**trial, **data} for trial in (*_network_trials(config), *_training_trials(config))]
