"""What the perceptron rule learns, and with how many mistakes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnsim.kernels.cpu.draws import fill_permutation
from nnsim.kernels.formulas.philox import DATA, NOISE
from nnsim.probes import threshold_unit
from nnsim.report.arms import rows_of
from nnsim.report.questions import Exactly, Question
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.theory.expressivity.separability import mistake_bound

from .shared import GATES, MINSKY, PointsTrial, key_of, normals, right, signs

if TYPE_CHECKING:
    import pandas as pd

DIMENSION, POINTS = 10, 100  # of the points with a margin
ORTHOGONAL = 16  # the bound (R / gamma)^2 of 16 orthogonal unit vectors is 16 without a rounding
PASSES, GATE_PASSES = 100_000, 1000
NOVIKOFF = "Novikoff 1962"


@dataclass(frozen=True, kw_only=True)
class MarginTrial(PointsTrial):
    """Points that are pushed away from their plane."""

    target_margin: float


@dataclass(frozen=True, kw_only=True)
class GateTrial(PointsTrial):
    """The corners of the square, labelled by a Boolean function."""

    gate: str


class Labelled(NamedTuple):
    """Inputs, their labels, and the normal of a plane that divides them if one does."""

    X: np.ndarray
    y: np.ndarray
    normal: np.ndarray


def trials(config: Config) -> Iterator[PointsTrial]:
    """Yield threshold units that learn by the perceptron rule."""
    repeats = range(config["rule_seeds"])
    for target, repeat in product(config["margin"], repeats):
        yield MarginTrial(kind="margin", dimension=DIMENSION, points=POINTS, target_margin=target, repeat=repeat)
    for repeat in repeats:
        yield PointsTrial(kind="orthogonal", dimension=ORTHOGONAL, points=ORTHOGONAL, repeat=repeat)
    for gate, repeat in product(GATES, repeats):
        yield GateTrial(kind="gate", gate=gate, dimension=3, points=4, repeat=repeat)


def with_margin(trial: MarginTrial) -> Labelled:
    """Return Gaussian points that are pushed away from a random plane by the target margin."""
    number = key_of(trial, str(trial.target_margin))
    X = normals(number, trial.points, trial.dimension)
    normal = normals(number, trial.dimension, purpose=NOISE)
    normal = normal / np.sqrt(threshold_unit.scores(normal[None, :], normal))
    y = np.where(threshold_unit.scores(X, normal) < 0.0, -1.0, 1.0)
    return Labelled(X + trial.target_margin * y[:, None] * normal, y, normal)


def orthogonal(trial: PointsTrial) -> Labelled:
    """Return orthogonal unit vectors with random labels; they are equally far from the plane."""
    y = signs(key_of(trial), trial.points)
    return Labelled(np.eye(trial.dimension), y, y.copy())


def gate_corners(trial: GateTrial) -> Labelled:
    """Return the corners of the square in random order; the normal is one that divides AND's or OR's."""
    order = np.empty(trial.points, np.int64)
    fill_permutation(order, key_of(trial), DATA, 0)
    normal = np.array([1.0, 1.0, {"and": -1.0, "or": 1.0, "xor": 0.0}[trial.gate]])
    labels = np.array(GATES[trial.gate], dtype=np.float64)
    return Labelled(threshold_unit.corners(2)[order], labels[order], normal)


def _learn(inputs: Labelled, passes: int) -> Measured:
    X, y, normal = inputs
    learnt = threshold_unit.learn(X, y, passes)
    radius, margin = threshold_unit.radius_and_margin(X, y, normal)
    found: dict[str, Any] = {"mistakes": learnt.mistakes, "passes": learnt.passes, "converged": learnt.converged}
    found |= {"correct": right(X, y, learnt.weights), "radius": radius}
    if margin > 0.0:
        found |= {"margin": margin, "bound": mistake_bound(radius, margin)}
    return {"trials": [found]}


def measure_margin(trial: MarginTrial) -> Measured:
    """Learn points with a margin."""
    return _learn(with_margin(trial), PASSES)


def measure_orthogonal(trial: PointsTrial) -> Measured:
    """Learn orthogonal unit vectors."""
    return _learn(orthogonal(trial), PASSES)


def measure_gate(trial: GateTrial) -> Measured:
    """Learn a gate."""
    return _learn(gate_corners(trial), GATE_PASSES)


def cost(trial: PointsTrial) -> float:
    """Return the expected seconds."""
    return 1e-3


def _bound_questions(trials: pd.DataFrame, config: Config) -> Iterator[Question]:
    rows = rows_of(trials, kind="margin").dropna(subset=["bound", "mistakes"])
    within = (rows["mistakes"] <= rows["bound"]) & rows["converged"].astype(bool)
    yield Question(
        id="C8-novikoff",
        kind="check",
        statement="The perceptron rule stops after at most (R / gamma)^2 mistakes.",
        source=NOVIKOFF,
        arm=f"{POINTS} points in {DIMENSION} dimensions, margins from {min(config['margin']):g}",
        values=within.to_numpy(dtype=float),
        rule=Exactly(1.0),
        note="1 where the mistakes of a seed are within its bound",
    )
    rows = rows_of(trials, kind="orthogonal").dropna(subset=["mistakes"])
    yield Question(
        id="C8-novikoff-tight",
        kind="check",
        statement="No smaller bound is true: orthogonal inputs reach it.",
        source=NOVIKOFF,
        arm=f"{ORTHOGONAL} orthogonal unit vectors, random labels",
        values=rows["mistakes"].to_numpy(dtype=float),
        rule=Exactly(mistake_bound(1.0, 1.0 / math.sqrt(ORTHOGONAL))),
        note="mistakes",
    )


def _gate_questions(gates: pd.DataFrame) -> Iterator[Question]:
    for name in ("and", "or"):
        rows = rows_of(gates, gate=name).dropna(subset=["bound", "mistakes"])
        within = (rows["mistakes"] <= rows["bound"]) & (rows["correct"] == 4)
        yield Question(
            id=f"C8-{name}",
            kind="check",
            statement=f"One threshold unit learns {name.upper()} within Novikoff's bound.",
            source=NOVIKOFF,
            arm=f"{name.upper()}, corners of the square in random order",
            values=within.to_numpy(dtype=float),
            rule=Exactly(1.0),
        )
    rows = rows_of(gates, gate="xor").dropna(subset=["converged", "mistakes"])
    yield Question(
        id="C8-xor-rule",
        kind="check",
        statement="On XOR the perceptron rule makes mistakes for ever.",
        source=MINSKY,
        arm=f"XOR, corners of the square in random order, {GATE_PASSES} passes",
        values=rows["converged"].to_numpy(dtype=float),
        rule=Exactly(0.0),
        note="1 where a pass had no mistake",
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether the rule keeps Novikoff's bound, and which gates it learns."""
    yield from _bound_questions(tables["trials"], config)
    yield from _gate_questions(rows_of(tables["trials"], kind="gate"))


RULE = Part(
    kinds={
        "margin": Kind(MarginTrial, measure_margin, cost),
        "orthogonal": Kind(PointsTrial, measure_orthogonal, cost),
        "gate": Kind(GateTrial, measure_gate, cost),
    },
    trials=trials,
    questions=questions,
)
