"""Every trial of the study, in the order of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from nnsim.data import datasets
from nnsim.kernels.formulas.optimizers import OPTIMIZERS
from nnsim.study.checks import check_batch_size
from nnsim.training.mup import PARAMETRIZATIONS

from . import settings


def grid(optimizer: str, rates: int) -> list[float]:
    """Return so many learning rates, a factor sqrt(10) apart, around the middle that belongs to the optimizer."""
    first = (1 - rates) // 2
    return [float(f"{settings.CENTRES[optimizer] * 10 ** (step / 2):.4g}") for step in range(first, first + rates)]


def _compared(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the training runs of the comparison: every arm has the same number of rates and the same seeds."""
    recipe = {"epochs": config["epochs"], "batch_size": config["batch_size"], "probe_epoch": []}
    recipe |= {"budget": config["rates"] * config["seeds"], **settings.NETWORK, "width": config["width"]}
    for data, optimizer in product(config["data"], config["optimizer"]):
        decay = config["weight_decay"] if OPTIMIZERS[optimizer].decoupled else 0.0
        arm = {"kind": "training", "data": data, "optimizer": optimizer, "weight_decay": decay}
        for rate, repeat in product(grid(optimizer, config["rates"]), range(config["seeds"])):
            yield {**arm, **recipe, "learning_rate": rate, "repeat": repeat}


def _widened(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what is asked of the two parametrizations: training over widths and rates, and the coordinate check."""
    base = {"optimizer": "adam", "data": config["data"][0], **settings.NETWORK, "weight_decay": 0.0}
    base |= {"base_width": min(config["mup_width"])}
    recipe = {"epochs": config["mup_epochs"], "batch_size": config["batch_size"]}
    recipe |= {"budget": len(config["mup_rate"]) * config["seeds"]}
    for name, width in product(PARAMETRIZATIONS, config["mup_width"]):
        for rate, repeat in product(config["mup_rate"], range(config["seeds"])):
            arm = {"kind": "width", "parametrization": name, "width": width, "learning_rate": rate}
            yield {**base, **arm, **recipe, "repeat": repeat}
    check = {"learning_rate": settings.COORDINATE["learning_rate"]}
    for name, width in product(PARAMETRIZATIONS, config["coordinate_width"]):
        for repeat in range(config["probe_seeds"]):
            yield {"kind": "coordinate", **base, "parametrization": name, "width": width, **check, "repeat": repeat}


def _identities(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for repeat in range(config["probe_seeds"]):
        for optimizer in ("adamw", "adam"):
            yield {"kind": "decay", "optimizer": optimizer, "data": config["data"][0], "repeat": repeat}
        for data in config["data"]:
            looked_at = {"data": data, **settings.NETWORK, "width": config["width"], "repeat": repeat}
            yield {"kind": "first_step", "optimizer": "adam", **looked_at}
            yield {"kind": "start_loss", **looked_at}
        for rate in settings.DROPOUT_RATES:
            yield {"kind": "dropout", "dropout": rate, "data": config["data"][0], "repeat": repeat}


def trials(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all trials; what cannot be used is an error here, before anything runs."""
    for data in config["data"]:
        check_batch_size(config["batch_size"], {"data": data, "target": "", "samples": config["samples"]})
    shared = {"target": "", "samples": config["samples"]}
    prints = {data: datasets.fingerprint(data) for data in config["data"]}
    found = (*_compared(config), *_widened(config), *_identities(config))
    return [{**trial, **shared, "fingerprint": prints[trial["data"]]} for trial in found]
