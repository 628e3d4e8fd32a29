"""Every network of the study, in the order of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

from nnsim.networks.initializers import parse as parse_scheme
from nnsim.study.checks import check_batch_size, check_trainable, data_hash
from nnsim.theory.signals.mean_field import fixed_point
from nnsim.training.trainer import Recipe

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


def _start_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield networks that start by LSUV, without a gain, and with PyTorch's gain for tanh."""
    lsuv = {"kind": "lsuv", "scheme": "lsuv", "depth": settings.LSUV_DEPTH, "width": settings.LSUV_WIDTH}
    power = {"kind": "power", "scheme": "mean_field:1", "depth": settings.POWER_DEPTH, "width": settings.POWER_WIDTH}
    gain = {"kind": "tanh_gain", "depth": settings.GAIN_DEPTH, "width": settings.GAIN_WIDTH}
    gain["scheme"] = settings.mean_field(settings.TANH_GAIN**2, 0.0)
    for repeat in range(config["probe_seeds"]):
        for activation in settings.LSUV_ACTIVATIONS:
            yield {**lsuv, "activation": activation, "repeat": repeat}
        yield {**power, "activation": "tanh", "repeat": repeat}
        yield {**gain, "activation": "tanh", "repeat": repeat}


def _phase_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield tanh networks over the plane of weight and bias variances; most seeds at the bias that claims are about."""
    shape = {"activation": "tanh", "depth": settings.PHASE_DEPTH, "width": settings.PHASE_WIDTH}
    for sw2, sb2 in product(settings.PHASE_WEIGHTS, settings.PHASE_BIASES):
        seeds = config["probe_seeds"] if sb2 == settings.BIAS_VARIANCE else -(-config["probe_seeds"] // 4)
        for repeat in range(seeds):
            yield {"kind": "phase", "scheme": settings.mean_field(sw2, sb2), **shape, "repeat": repeat}


def _pair_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield networks through which two inputs go."""
    tanh = {"kind": "pair", "activation": "tanh", "depth": settings.PAIR_DEPTH, "width": settings.PAIR_WIDTH}
    relu = {"kind": "pair", "activation": "relu", "depth": 1, "width": settings.RELU_PAIR_WIDTH, "scheme": "he_normal"}
    for repeat in range(2 * config["probe_seeds"]):
        for pair, (sw2, correlation, ratio) in settings.PAIRS.items():
            scheme, square = settings.mean_field(sw2, settings.BIAS_VARIANCE), input_square(sw2)
            inputs = {"correlation": correlation, "square": square, "other_square": square * ratio}
            yield {**tanh, "pair": pair, "scheme": scheme, **inputs, "repeat": repeat}
        for correlation in settings.RELU_CORRELATIONS:
            inputs = {"correlation": correlation, "square": 1.0, "other_square": 1.0}
            yield {**relu, "pair": f"relu {correlation:g}", **inputs, "repeat": repeat}


@cache
def input_square(sw2: float) -> float:
    """Return the inputs' mean square that gives the first layer its fixed variance, on a grid of 2^-20."""
    q = fixed_point("tanh", sw2, settings.BIAS_VARIANCE).variance
    return round((q - settings.BIAS_VARIANCE) / sw2 * 2**20) / 2**20


def _phase_training_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield tanh networks in order and on the way to chaos, trained at ever greater depth on one grid of rates."""
    recipe = {name: config[name] for name in ("epochs", "batch_size", "momentum")} | {"probe_epoch": []}
    for sw2, depth, rate in product(config["phase_weight"], config["phase_depth"], config["learning_rate"]):
        network = {"scheme": settings.mean_field(sw2, settings.BIAS_VARIANCE), "activation": "tanh", "depth": depth}
        for repeat in range(config["seeds"]):
            arm = {"kind": "phase_training", **network, "width": config["width"], "learning_rate": rate}
            yield {**arm, "repeat": repeat, **recipe}


def _spectrum_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield critical networks whose Jacobians are looked at; most at the depth that claims are about."""
    for (activation, scheme, _), depth in product(settings.JACOBIANS.values(), settings.JACOBIAN_DEPTHS):
        network = {"scheme": scheme, "activation": activation, "depth": depth, "width": settings.JACOBIAN_WIDTH}
        seeds = config["probe_seeds"] * (4 if depth == settings.JACOBIAN_DEPTH else 1)
        yield from ({"kind": "jacobian", **network, "repeat": repeat} for repeat in range(seeds))


def _linear_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield linear networks that learn a linear task: mode by mode with one hidden layer, and at growing depth."""
    shallow = {"kind": "modes", "activation": "identity", "depth": 1, "width": settings.MODE_UNITS}
    for scheme, repeat in product(settings.MODE_SCHEMES, range(config["seeds"])):
        yield {**shallow, "scheme": scheme, "learning_rate": settings.MODE_RATE, "repeat": repeat}
    for scheme, depth, rate in product(settings.DEEP_SCHEMES, settings.DEEP_DEPTHS, settings.DEEP_RATES):
        network = {"scheme": scheme, "activation": "identity", "depth": depth, "width": settings.DEEP_FEATURES}
        arm = {"kind": "deep_linear", **network, "learning_rate": rate / (depth + 1)}
        yield from ({**arm, "repeat": repeat} for repeat in range(3 * config["seeds"]))  # their times scatter widely


def trials(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all trials; a name or a data set that cannot be used is an error here, before anything runs."""
    for scheme in config["scheme"]:
        parse_scheme(scheme)
    check_trainable([*config["activation"], *config["gain_activation"]])
    Recipe(momentum=config["momentum"])
    data = {"data": config["data"], "target": config["target"], "samples": config["samples"]}
    data["fingerprint"] = data_hash(config)
    check_batch_size(config["batch_size"], data)
    parts = (
        *(_network_trials, _training_trials, _start_trials, _phase_trials, _pair_trials),
        *(_phase_training_trials, _spectrum_trials, _linear_trials),
    )
    return [{**trial, **data} for part in parts for trial in part(config)]
