"""What is measured in one trial, what it costs, and what has to be compiled before."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnsim.core.seeding import key
from nnsim.kernels.cpu.draws import fill_normal, fill_permutation, fill_uniform
from nnsim.kernels.cpu.training import logits
from nnsim.kernels.formulas.philox import DATA, NOISE
from nnsim.networks.activations import parse as parse_activation
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes import threshold_unit
from nnsim.theory.expressivity import separability as theory
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import Batches, train

from . import settings
from .columns import TRIAL_COLUMNS

GRID = 41


def _key(trial: dict[str, Any], *names: str | int) -> np.uint64:
    return np.uint64(key(trial["root_seed"], trial["kind"], *names, trial["repeat"]))


def _normals(number: np.uint64, *shape: int, purpose: int = DATA) -> np.ndarray:
    out = np.empty(math.prod(shape))
    fill_normal(out, number, purpose, 0)
    return out.reshape(shape)


def _signs(number: np.uint64, n: int) -> np.ndarray:
    draws = np.empty(n)
    fill_uniform(draws, number, NOISE, 1)
    return np.where(draws < 0.5, -1.0, 1.0)


def _with_margin(trial: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Gaussian points that are pushed away from a random plane by the target margin, labels, and its normal."""
    number = _key(trial, str(trial["target_margin"]))
    X = _normals(number, trial["points"], trial["dimension"])
    normal = _normals(number, trial["dimension"], purpose=NOISE)
    normal = normal / np.sqrt(threshold_unit.scores(normal[None, :], normal))
    y = np.where(threshold_unit.scores(X, normal) < 0.0, -1.0, 1.0)
    return X + trial["target_margin"] * y[:, None] * normal, y, normal


def _orthogonal(trial: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return orthogonal unit vectors with random labels, and the normal from which all are equally far."""
    y = _signs(_key(trial), trial["points"])
    return np.eye(trial["dimension"]), y, y.copy()


def _gate(trial: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the corners of the square in random order, a gate's outputs, and a normal that divides AND's or OR's."""
    order = np.empty(trial["points"], np.int64)
    fill_permutation(order, _key(trial), DATA, 0)
    normal = np.array([1.0, 1.0, {"and": -1.0, "or": 1.0, "xor": 0.0}[trial["gate"]]])
    labels = np.array(settings.GATES[trial["gate"]], dtype=np.float64)
    return threshold_unit.corners(2)[order], labels[order], normal


SETS = {"margin": _with_margin, "orthogonal": _orthogonal, "gate": _gate}


def _learn_by_the_rule(trial: dict[str, Any]) -> dict[str, Any]:
    X, y, normal = SETS[trial["kind"]](trial)
    learnt = threshold_unit.learn(X, y, settings.PASSES if trial["kind"] != "gate" else 1000)
    radius, margin = threshold_unit.radius_and_margin(X, y, normal)
    correct = _right(X, y, learnt.weights)
    found: dict[str, Any] = {
        "mistakes": learnt.mistakes,
        "passes": learnt.passes,
        "converged": learnt.converged,
        "correct": correct,
    }
    if margin > 0.0:
        found |= {"margin": margin, "bound": theory.mistake_bound(radius, margin)}
    return found | {"radius": radius}


def _right(X: np.ndarray, y: np.ndarray, weights: np.ndarray) -> int:
    return int(np.sum(y * threshold_unit.scores(X, weights) > 0.0))


def _cover(trial: dict[str, Any]) -> list[dict[str, Any]]:
    """Label points at random, and ask of each labelling whether a plane through the origin makes it."""
    rows = []
    shape = trial["points"], trial["dimension"]
    for draw in range(settings.LABELLINGS):
        number = _key(trial, *shape, draw)
        separable = threshold_unit.is_separable(_normals(number, *shape), _signs(number, trial["points"]))
        rows.append(_answer(trial, "separable", float(separable), draw))
    return rows


def _count(trial: dict[str, Any]) -> list[dict[str, Any]]:
    X = _normals(_key(trial, trial["points"]), trial["points"], trial["dimension"])
    return [_answer(trial, "dichotomies", float(threshold_unit.count_separable(X)))]


def _logic(trial: dict[str, Any]) -> list[dict[str, Any]]:
    """Try every Boolean function of two inputs: on one unit, and on a layer of one or two with a unit on top."""
    single = threshold_unit.threshold_functions(2)
    agreements = [sum(a == b for a, b in zip(one, threshold_unit.XOR, strict=True)) for one in single]
    found = {"threshold_functions": len(single), "best_on_xor": max(agreements)}
    for hidden in (1, 2):
        reached = threshold_unit.reachable_functions(2, hidden)
        found |= {f"reachable_{hidden}": len(reached), f"xor_{hidden}": threshold_unit.XOR in reached}
    return [_answer(trial, quantity, float(value)) for quantity, value in found.items()]


def _answer(trial: dict[str, Any], quantity: str, value: float, draw: int = 0) -> dict[str, Any]:
    shape = {name: trial.get(name) for name in ("kind", "dimension", "points", "repeat")}
    return {**shape, "draw": draw, "quantity": quantity, "value": value}


ANSWERS = {"cover": _cover, "count": _count, "logic": _logic}


def _trained(trial: dict[str, Any], repeat: int) -> tuple[NetworkSpec, Any, int]:
    """Return a network trained on the four corners in full batches, and how many of them it has right."""
    X = np.ascontiguousarray(threshold_unit.corners(2)[:, :2], np.float32)
    y = np.array(settings.GATES[trial["gate"]])
    data = Batches(X, (y > 0).astype(np.float32)[:, None], X[:0], np.empty((0, 1), np.float32))
    activation, parameter = parse_activation(trial["activation"])
    spec = NetworkSpec((2, *([trial["hidden"]] if trial["hidden"] else []), 1), activation, parameter, loss="bce")
    recipe = Recipe(trial["learning_rate"], batch_size=4, epochs=trial["epochs"], optimizer="adam")
    start = initialize(spec, "xavier_normal", key(trial["root_seed"], "init", repeat), X)
    run = train(spec, start, data, recipe, key(trial["root_seed"], "shuffle", repeat))
    return spec, run, int(np.sum(y * _logits(spec, run, X) > 0.0)) if run.status == "done" else 0


def _logits(spec: NetworkSpec, run: Any, X: np.ndarray) -> np.ndarray:
    return logits(spec.architecture, run.theta, run.statistics, X, min(256, X.shape[0]))[:, 0]


def _on_xor(trial: dict[str, Any]) -> dict[str, Any]:
    spec, run, correct = _trained(trial, trial["repeat"])
    found: dict[str, Any] = {"correct": correct, "found": float(correct == 4), "parameters": spec.n_parameters}
    if run.status == "diverged":
        found |= {"status": "diverged", "reason": "the loss stopped being finite"}
    return found


def _boundary(trial: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the scores over a square of the unit or network of a panel: of the first run that gets all corners right.

    Where none of the tries does, as on XOR without a hidden layer, the last one is drawn.
    """
    side = np.arange(GRID) * (4.0 / (GRID - 1)) - 2.0
    X = np.array([(x0, x1, 1.0) for x1 in side for x0 in side])
    if trial["activation"] is None:
        corners, labels = threshold_unit.corners(2), np.array(settings.GATES[trial["gate"]], dtype=np.float64)
        weights = threshold_unit.learn(corners, labels).weights
        values, correct = threshold_unit.scores(X, weights), _right(corners, labels, weights)
    else:
        for repeat in range(settings.DRAWN_TRIES):
            spec, run, correct = _trained(trial, repeat)
            if correct == 4 or not trial["hidden"]:
                break
        values = _logits(spec, run, np.ascontiguousarray(X[:, :2], np.float32))
    at = {"kind": trial["kind"], "panel": trial["panel"]}
    rows = [
        {**at, "x0": x[0], "x1": x[1], "score": score} for x, score in zip(X.tolist(), values.tolist(), strict=True)
    ]
    return {"correct": correct}, rows


def _row(trial: dict[str, Any], **found: Any) -> dict[str, Any]:
    row = {column.name: trial.get(column.name) for column in TRIAL_COLUMNS}
    return row | {"status": "done", "reason": "", **found}


def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of one trial."""
    kind = trial["kind"]
    if kind in SETS:
        return {"trials": [_row(trial, **_learn_by_the_rule(trial))]}
    if kind == "xor":
        return {"trials": [_row(trial, **_on_xor(trial))]}
    if kind == "boundary":
        found, rows = _boundary(trial)
        return {"trials": [_row(trial, **found)], "boundaries": rows}
    return {"trials": [_row(trial)], "answers": ANSWERS[kind](trial)}


def cost(trial: dict[str, Any]) -> float:
    """Return the expected seconds on one core, by the times seen for a linear program and for a step."""
    kind = trial["kind"]
    if kind in {"cover", "count"}:
        programs = settings.LABELLINGS if kind == "cover" else 2 ** (trial["points"] - 1)
        return programs * (1e-3 + 5e-7 * trial["points"] * trial["dimension"])
    steps = trial.get("epochs", 0) * (settings.DRAWN_TRIES / 10 if kind == "boundary" else 1)
    return 1e-3 + steps * 3e-6 + (1.0 if kind == "logic" else 0.0)


def warm_up() -> None:
    """Compile every kernel that the trials call."""
    arm = {"activation": "tanh", "hidden": 1, "learning_rate": 0.1, "epochs": 1, "repeat": 0, "root_seed": 0}
    measure({"kind": "xor", "gate": "xor", **arm})
    shape = {"dimension": 4, "points": 4, "repeat": 0, "root_seed": 0}
    for kind in ("orthogonal", "gate", "cover"):
        measure({"kind": kind, "gate": "and", **shape})
