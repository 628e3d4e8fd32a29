"""Every trial of the study, in the order of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from nnsim.core.errors import UsageError
from nnsim.probes.generalization import check_noise
from nnsim.study.checks import data_hash
from nnsim.study.dict_network_trials import data_of, fewest_rows

from . import settings


def _width_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    grid = product(config["label_noise"], config["width"], config["learning_rate"], range(config["seeds"]))
    for noise, width, rate, repeat in grid:
        arm = {"regulariser": "none", "strength": 0.0, "label_noise": noise, "width": width}
        yield {"kind": "width", **arm, "learning_rate": rate, "repeat": repeat}


def _regularised_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every regulariser at every strength, at the largest label noise and one width."""
    arms = [("none", 0.0)]
    arms += [(name, float(strength)) for name, axis in settings.REGULARISERS.items() for strength in config[axis]]
    for (name, strength), rate, repeat in product(arms, config["tuned_rate"], range(config["seeds"])):
        arm = {"regulariser": name, "strength": strength, "label_noise": max(config["label_noise"])}
        yield {"kind": "regularised", **arm, "width": config["tuned_width"], "learning_rate": rate, "repeat": repeat}


def trials(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all trials; what makes no sense is an error here, before anything runs."""
    for noise in config["label_noise"]:
        check_noise(noise)
    for dropout in config["dropout"]:
        if dropout >= 1:
            raise UsageError(f"dropout is {dropout:g}, allowed is above 0 and below 1: a share of units to drop")
    data = {"data": config["data"], "target": config["target"], "samples": 0, "fingerprint": data_hash(config)}
    _check_rows(config, data)
    recipe = {name: config[name] for name in ("rows", "epochs", "batch_size")}
    networks = [{**trial, **data, **recipe} for trial in (*_width_trials(config), *_regularised_trials(config))]
    pages = [
        {"kind": "page", "strength": decay, "width": config["page_width"], "epochs": config["page_epochs"], "repeat": n}
        for decay, n in product(settings.PAGE_DECAYS, range(config["seeds"]))
    ]
    variances = product(config["target_noise"], range(config["linear_seeds"]))
    linear = [{"kind": "linear", "target_noise": variance, "repeat": repeat} for variance, repeat in variances]
    return [*networks, *pages, *linear]


def _check_rows(config: dict[str, Any], data: dict[str, Any]) -> None:
    name, rows = config["data"], fewest_rows(data)
    if data_of({**data, "root_seed": 0}).task != "classification":
        raise UsageError(f"'{name}' is a regression, and label noise needs classes: choose digits, for example")
    if config["rows"] > rows:
        raise UsageError(
            f"{config['rows']} training rows are asked for, '{name}' has at least {rows} at any root seed: "
            f"choose at most {rows}"
        )
    if config["batch_size"] > config["rows"]:
        raise UsageError(
            f"a batch of {config['batch_size']} rows is larger than the {config['rows']} training rows: "
            f"choose at most {config['rows']}"
        )
