"""What clipping makes of a single gradient: its length, and its direction."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.core.seeding import key
from nnsim.networks.initializers import initialize
from nnsim.probes.clipped_steps import gradient_at, turn
from nnsim.report.arms import rows_of
from nnsim.report.questions import AtMost, Question, Within
from nnsim.study.declaration import Column
from nnsim.study.network_trials import data_of, network_of, nine_digits
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import NetworkTrial
from nnsim.theory.training.clipped_direction import gaussian_cosine
from nnsim.training import trainer
from nnsim.training.recipe import Recipe

from .shared import PASCANU, multiply_adds
from .steady import STEADY

if TYPE_CHECKING:
    import pandas as pd

LEVELS = {"norm": (0.01, 0.1, 0.5, 2.0), "value": (0.1, 1.0, 10.0)}
"""Thresholds: shares of the gradient's norm, and multiples of its root mean square."""
ROUNDING = 1e-6  # of ratios that are shown with nine digits
NORM_MARGIN = 1e-3  # the scale is limit / (norm + 1e-6), which is short by 1e-6 / norm
STEP_COLUMNS = (
    Column("repeat", "int", "", "number of the independent seed"),
    Column("clip", "text", "", "what is clipped: norm or value"),
    Column("level", "float", "1", "threshold over the gradient's norm, or over its root mean square"),
    Column("norm", "float", "", "length of the gradient over all parameters"),
    Column("cosine", "float", "1", "of the angle between the gradient and the step"),
    Column("norm_ratio", "float", "1", "length of the clipped gradient over min(norm, threshold)"),
    Column("largest_ratio", "float", "1", "its largest number over min(largest, threshold)"),
)


@dataclass(frozen=True, kw_only=True)
class StepTrial(NetworkTrial):
    """A network whose first step is looked at."""

    problem: str


def trials(config: Config) -> Iterator[StepTrial]:
    """Yield networks of He's start that take one step."""
    for repeat in range(config["step_seeds"]):
        shape = {name: config[name] for name in ("width", "data")}
        yield StepTrial(kind="step", activation="relu", repeat=repeat, **STEADY, **shape)


def measure(trial: StepTrial) -> Measured:
    """Take one step from the start under each kind of clipping and each of its thresholds."""
    spec = network_of(trial, "float64")
    data = trainer.batches(data_of(trial), np.float64)
    theta = initialize(spec, trial.scheme, key(trial.root_seed, "init", trial.repeat))
    shuffle = key(trial.root_seed, "shuffle", trial.repeat)
    norm = float(np.linalg.norm(gradient_at(spec, theta, data)))
    units = {"norm": norm, "value": norm / math.sqrt(spec.n_parameters)}
    rows = []
    for name, level in ((name, level) for name, levels in LEVELS.items() for level in levels):
        limit = level * units[name]
        clip: dict[str, Any] = {f"clip_{name}": limit}
        seen = turn(spec, theta, data, Recipe(1.0, None, len(data.X), 1, "sgd", **clip), shuffle)
        facts = {
            "level": level,
            "norm": seen.norm,
            "cosine": seen.cosine,
            "norm_ratio": seen.step_norm / min(seen.norm, limit),
            "largest_ratio": seen.step_largest / min(seen.largest, limit),
        }
        rows.append({"clip": name, **{fact: nine_digits(value) for fact, value in facts.items()}})
    return {"trials": [{"parameters": spec.n_parameters}], "steps": rows}


def _norm_questions(by_norm: pd.DataFrame, where: str) -> Iterator[Question]:
    shared: dict[str, Any] = {"kind": "check", "source": f"{PASCANU}, section 3.2", "arm": where}
    yield Question(
        id="D4-direction",
        statement="Clipping by the global norm keeps the direction of the gradient.",
        values=by_norm.groupby("repeat")["cosine"].min().to_numpy(),
        rule=Within(1.0, ROUNDING),
        note=f"smallest cosine over thresholds of {', '.join(map(str, LEVELS['norm']))} times the norm",
        **shared,
    )
    away = by_norm.assign(away=(by_norm["norm_ratio"] - 1).abs()).sort_values("away", kind="stable")
    yield Question(
        id="D4-norm",
        statement="The clipped gradient is as long as the threshold, or as the gradient if that is shorter.",
        values=away.groupby("repeat").last()["norm_ratio"].to_numpy(),
        rule=Within(1.0, NORM_MARGIN),
        note="length over min(norm, threshold), at the threshold where it is furthest from 1",
        **shared,
    )


def _value_questions(by_value: pd.DataFrame, where: str) -> Iterator[Question]:
    yield Question(
        id="D4-value-size",
        kind="check",
        statement="Clipping by value leaves no number larger than the threshold, and reaches it.",
        source="Mikolov 2012",
        arm=where,
        values=by_value["largest_ratio"].to_numpy(),
        rule=Within(1.0, ROUNDING),
        note="largest number over min(largest, threshold)",
    )
    yield Question(
        id="D4-value-direction",
        kind="claim",
        statement="Clipping by value turns the gradient, and further than if it were Gaussian.",
        source=f"{PASCANU}, section 3.2: clipping by the norm keeps the direction, by value does not",
        arm=where,
        values=by_value["cosine"].to_numpy(),
        rule=AtMost(gaussian_cosine(1.0)),
        note="cosine at a threshold of one root mean square; the bound is that of independent normal numbers",
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask for the length and the direction of clipped gradients."""
    where = f"relu, {STEADY['depth']} layers, all weights and biases, first step of descent"
    yield from _norm_questions(rows_of(tables["steps"], clip="norm"), where)
    yield from _value_questions(rows_of(tables["steps"], clip="value", level=1.0), where)


FIRST_STEPS = Part(
    kinds={
        "step": Kind(
            StepTrial,
            measure,
            lambda trial: 0.02 + 4e-9 * multiply_adds(trial),
            ("loss_and_gradient float64", "train_epochs float64", "value_and_slope float64"),
        )
    },
    trials=trials,
    questions=questions,
)
