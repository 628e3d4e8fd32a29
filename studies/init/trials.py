"""Every network of the study, in the order of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from nnsim import datasets
from nnsim.activations import parse as parse_activation
from nnsim.errors import UsageError
from nnsim.initializers import parse as parse_scheme
from nnsim.kernels.activations import ACTIVATIONS
from nnsim.laboratory import data_of
from nnsim.training import Recipe

from . import settings


def _network_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the networks that are looked at, not trained."""

    def probes(
        kind: str, scheme: str, activation: str, depth: int, width: int, repeats: int
    ) -> Iterator[dict[str, Any]]:
        for repeat in range(repeats):
            network = {"scheme": scheme, "activation": activation, "depth": depth, "width": width}
            yield {"kind": kind, **network, "repeat": repeat}

    repeats = config["probe_seeds"]
    for scheme, activation, depth in product(config["scheme"], config["activation"], config["probe_depth"]):
        yield from probes("propagation", scheme, activation, depth, config["width"], repeats)
    for activation in config["gain_activation"]:
        yield from probes("gain", "preserving_normal", activation, settings.GAIN_DEPTH, settings.GAIN_WIDTH, repeats)
    for scheme in ("standard_uniform", "xavier_uniform"):
        yield from probes("linear", scheme, "identity", settings.LINEAR_DEPTH, settings.LINEAR_WIDTH, repeats)
    yield from probes("bound", "xavier_normal", "sigmoid", settings.BOUND_DEPTH, settings.BOUND_WIDTH, repeats)
    narrow = settings.FLUCTUATION_DEPTH, settings.FLUCTUATION_WIDTH
    yield from probes("fluctuation", "he_normal", "relu", *narrow, config["fluctuation_nets"])


def _training_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the networks that are trained: every arm runs the same whole grid of learning rates and seeds."""
    recipe = {name: config[name] for name in ("epochs", "batch_size", "momentum")}
    recipe["probe_epoch"] = sorted({epoch for epoch in config["probe_epoch"] if epoch < config["epochs"]})
    grid = product(config["scheme"], config["activation"], config["depth"], config["learning_rate"])
    for scheme, activation, depth, learning_rate in grid:
        network = {"scheme": scheme, "activation": activation, "depth": depth, "width": config["width"]}
        for repeat in range(config["seeds"]):
            yield {"kind": "training", **network, "learning_rate": learning_rate, "repeat": repeat, **recipe}
    recipe |= {"epochs": settings.SYMMETRY_EPOCHS, "probe_epoch": [], "learning_rate": 0.05}
    for scheme, repeat in product(settings.SYMMETRY_SCHEMES, range(config["seeds"])):
        shape = {"depth": settings.SYMMETRY_DEPTH, "width": settings.SYMMETRY_WIDTH}
        network = {"scheme": scheme, "activation": "tanh", **shape}
        yield {"kind": "symmetry", **network, "repeat": repeat, **recipe}


def data_hash(config: dict[str, Any]) -> str:
    """Return what tells one data file from another of the same name."""
    return datasets.fingerprint(config["data"], config["target"] or None)


def trials(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all trials; a name or a data set that cannot be used is an error here, before anything runs."""
    for scheme in config["scheme"]:
        parse_scheme(scheme)
    for activation in (*config["activation"], *config["gain_activation"]):
        if not ACTIVATIONS[parse_activation(activation)[0]].differentiable:
            raise UsageError(
                f"activation '{activation}' passes no gradient: choose from {', '.join(settings.TRAINABLE)}"
            )
    Recipe(momentum=config["momentum"])
    data = {"data": config["data"], "target": config["target"], "samples": config["samples"]}
    data["fingerprint"] = data_hash(config)
    rows = data_of({**data, "root_seed": 0}).X_train.shape[0]
    if config["batch_size"] > rows:
        raise UsageError(
            f"a batch of {config['batch_size']} rows is larger than the {rows} training rows of "
            f"'{config['data']}': choose at most {rows}"
        )
    return [{**trial, **data} for trial in (*_network_trials(config), *_training_trials(config))]
