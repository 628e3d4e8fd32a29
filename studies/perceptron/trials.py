"""Every trial of the study, in the order of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from nnsim.core.errors import UsageError
from nnsim.study.checks import check_trainable

from . import settings


def _unit_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the threshold units that learn by the perceptron rule."""
    for target, repeat in product(config["margin"], range(config["rule_seeds"])):
        shape = {"dimension": settings.MARGIN_DIMENSION, "points": settings.MARGIN_POINTS}
        yield {"kind": "margin", **shape, "target_margin": target, "repeat": repeat}
    for repeat in range(config["rule_seeds"]):
        yield {"kind": "orthogonal", "dimension": settings.ORTHOGONAL, "points": settings.ORTHOGONAL, "repeat": repeat}
    for gate, repeat in product(settings.GATES, range(config["rule_seeds"])):
        yield {"kind": "gate", "gate": gate, "dimension": 3, "points": 4, "repeat": repeat}


def _counting_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the dichotomies that are tried by linear programming."""
    for dimension, load in product(config["dimension"], config["load"]):
        points = _points(dimension, load)
        for repeat in range(config["cover_sets"]):
            yield {"kind": "cover", "dimension": dimension, "points": points, "repeat": repeat}
    for (dimension, points), repeat in product(settings.COUNTS, range(config["count_seeds"])):
        yield {"kind": "count", "dimension": dimension, "points": points, "repeat": repeat}
    yield {"kind": "logic", "repeat": 0}


def _points(dimension: int, load: float) -> int:
    points = round(dimension * load)
    if points < 1 or abs(points - dimension * load) > 1e-9 * points:
        raise UsageError(
            f"load {load:g} of {dimension} dimensions is {dimension * load:g} points, expected a whole number: "
            f"the nearest load is {max(points, 1) / dimension:g}"
        )
    return points


def _training_trials(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the networks that are trained on XOR: every arm runs the same whole grid of learning rates and seeds."""
    grid = product(config["activation"], config["hidden"], config["learning_rate"], range(config["seeds"]))
    for activation, hidden, rate, repeat in grid:
        arm = {"activation": activation, "hidden": hidden, "learning_rate": rate}
        yield {"kind": "xor", "gate": "xor", **arm, "repeat": repeat, "epochs": config["epochs"]}
    for panel, (gate, activation, hidden) in settings.PANELS.items():
        arm = {"gate": gate, "activation": activation, "hidden": hidden}
        rates = {"learning_rate": settings.DRAWN_RATE, "epochs": settings.DRAWN_EPOCHS}
        yield {"kind": "boundary", "panel": panel, **arm, "repeat": 0, **rates}


def trials(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all trials; what makes no sense is an error here, before anything runs."""
    check_trainable(config["activation"])
    return [*_unit_trials(config), *_counting_trials(config), *_training_trials(config)]
