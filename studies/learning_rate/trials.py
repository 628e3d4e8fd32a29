"""Every trial of the study, in the order of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from nnsim.core.errors import UsageError
from nnsim.study.checks import check_batch_size

from . import settings


def _curvature_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    line = {"scheme": "lecun_normal", "activation": "identity", "depth": 0, "width": 0, "data": settings.NOISY}
    for momentum, repeat in product(settings.QUADRATIC_MOMENTA, range(config["seeds"])):
        yield {"kind": "quadratic", **line, "momentum": momentum, "epochs": settings.QUADRATIC_STEPS, "repeat": repeat}
    toy = {
        "scheme": "lecun_normal",
        "activation": "tanh",
        "depth": 2,
        "width": settings.EDGE_WIDTH,
        "data": "chebyshev",
    }
    for (rate, momentum), repeat in product(settings.EDGE_ARMS, range(config["edge_seeds"])):
        arm = {"learning_rate": rate, "momentum": momentum, "epochs": config["edge_steps"]}
        yield {"kind": "edge", **toy, **arm, "repeat": repeat}


def _search_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    plain = {"optimizer": "sgd", "data": config["data"]}
    for repeat in range(config["seeds"]):
        yield {"kind": "range", **plain, "epochs": 1, "repeat": repeat}
        for rate in config["learning_rate"]:
            yield {"kind": "sweep", **plain, "learning_rate": rate, "epochs": config["epochs"], "repeat": repeat}
        for rate in config["speed_rate"]:
            arm = {"learning_rate": rate, "epochs": config["speed_epochs"], "threshold": config["threshold"]}
            yield {"kind": "speed", **plain, **arm, "repeat": repeat}


def _advice_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    grid = product(config["adamw_data"], config["adamw_epochs"], config["adamw_rate"], range(config["seeds"]))
    for data, epochs, rate, repeat in grid:
        arm = {"optimizer": "adamw", "data": data, "epochs": epochs, "learning_rate": rate}
        yield {"kind": "adamw", **arm, "repeat": repeat}
    for name, repeat in product(config["schedule"], range(len(settings.TRACE_RATES))):
        arm = {
            "schedule": settings.schedule(name, settings.TRACE_EPOCHS),
            "epochs": settings.TRACE_EPOCHS,
            "learning_rate": settings.TRACE_RATES[repeat],
        }
        yield {"kind": "trace", "optimizer": "sgd", "data": settings.NOISY, **arm, "repeat": repeat}
    grid = product(
        (settings.NOISY, settings.CLEAN), config["schedule"], config["schedule_rate"], range(config["seeds"])
    )
    for data, name, rate, repeat in grid:
        arm = {"schedule": settings.schedule(name, config["schedule_epochs"]), "epochs": config["schedule_epochs"]}
        yield {
            "kind": "schedule",
            "optimizer": "momentum",
            "data": data,
            **arm,
            "learning_rate": rate,
            "repeat": repeat,
        }


def trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield all trials; a name or a data set that cannot be used is an error here, before anything runs."""
    if config["schedule_epochs"] % 7:
        nearest = max(7, 7 * round(config["schedule_epochs"] / 7))
        raise UsageError(
            f"--schedule-epochs {config['schedule_epochs']} cannot end with a cycle of warm restarts: "
            f"use a multiple of 7, such as {nearest}"
        )
    shared = {"target": "", "samples": 0, "batch_size": config["batch_size"], "probe_epoch": []}
    for name in {config["data"], *config["adamw_data"]}:
        check_batch_size(config["batch_size"], {"data": name, **shared})
    for trial in (*_search_trials(config), *_advice_trials(config)):
        yield {**settings.NETWORK, "width": config["width"], **trial, **shared}
    yield from _curvature_trials(config)
