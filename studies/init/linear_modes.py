"""How a linear network with one hidden layer learns: mode by mode, on sigmoid curves (A12)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nnsim.core.seeding import key
from nnsim.networks.initializers import initialize
from nnsim.probes.deep_linear import balanced_start, draw_task, follow_modes, mode_starts
from nnsim.report.arms import rows_of
from nnsim.report.questions import AtMost, Question, Within
from nnsim.study.checks import data_settings
from nnsim.study.declaration import Column
from nnsim.study.network_trials import ARM_COLUMNS, nine_digits
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import NetworkTrial
from nnsim.theory.training.linear_dynamics import half_time, mode_strength

from .shared import own_network

if TYPE_CHECKING:
    import pandas as pd

STRENGTHS, FEATURES, UNITS = (3.0, 2.0, 1.3, 0.8), 8, 64
RATE, STOPS, START = 0.004, tuple(range(25, 1801, 25)), 0.003
BALANCED, RANDOM = "balanced", "normal:0.01"
SAXE = "Saxe, McClelland and Ganguli 2014"
CURVE = 0.02  # largest distance from the sigmoid, over the strength: steps are finite, and flow is not
HALF_TIME_MARGIN = 0.05  # of ln: twice the start, or another strength by a tenth, would be off by 0.1
WHERE = f"one hidden layer of {UNITS}, linear, learning rate {RATE:g}"
MODE_COLUMNS = (
    *ARM_COLUMNS,
    Column("mode", "int", "", "number of the mode, the strongest first"),
    Column("strength", "float", "", "singular value of the task that belongs to the mode"),
    Column("start", "float", "", "what the mode grows from (BLAS, nine digits)"),
    Column("step", "int", "steps", "steps of gradient descent"),
    Column("learnt", "float", "", "strength of the mode in the network"),
)


@dataclass(frozen=True, kw_only=True)
class LinearTrial(NetworkTrial):
    """A linear network that learns a linear task by plain gradient descent."""

    learning_rate: float

    def smallest(self) -> Self:
        """Return it with a unit for each mode of its task, at least."""
        return replace(super().smallest(), width=self.width)


def trials(config: Config) -> Iterator[LinearTrial]:
    """Yield networks that start balanced, and from small random weights."""
    network: dict[str, Any] = {"activation": "identity", "depth": 1, "width": UNITS, **data_settings(config)}
    for scheme, repeat in product((BALANCED, RANDOM), range(config["seeds"])):
        yield LinearTrial(kind="modes", scheme=scheme, learning_rate=RATE, repeat=repeat, **network)


def measure(trial: LinearTrial) -> Measured:
    """Follow the modes of a task."""
    spec, draws = own_network(trial, FEATURES, FEATURES)
    task_key = key(trial.root_seed, "task", trial.repeat)
    task = draw_task(FEATURES, FEATURES, STRENGTHS, task_key)
    if trial.scheme == BALANCED:
        theta = balanced_start(spec, task, START, task_key)
    else:
        theta = initialize(spec, trial.scheme, draws)
    learnt = follow_modes(spec, theta, task, trial.learning_rate, STOPS, task_key)
    starts = mode_starts(spec, task, theta)
    rows = [
        {
            "mode": mode + 1,
            "strength": STRENGTHS[mode],
            "start": nine_digits(starts[mode]),
            "step": step,
            "learnt": nine_digits(learnt[at, mode]),
        }
        for mode, (at, step) in product(range(len(STRENGTHS)), enumerate(STOPS))
    ]
    return {"trials": [{"parameters": spec.n_parameters}], "modes": rows}


def curve_distances(modes: pd.DataFrame) -> np.ndarray:
    """Return each seed's largest distance of a mode from its sigmoid curve, over the mode's strength."""
    largest: dict[Any, float] = {}
    for (repeat, strength), rows in modes.groupby(["repeat", "strength"]):
        curve = mode_strength(rows["step"], strength, rows["start"].iloc[0], 1 / rows["learning_rate"].iloc[0])
        distance = np.max(np.abs(rows["learnt"].to_numpy(dtype=float) - curve)) / strength
        largest[repeat] = np.fmax(largest.get(repeat, math.nan), distance)
    return np.array(list(largest.values()))


def half_times(modes: pd.DataFrame, mode: int) -> np.ndarray:
    """Return each seed's ln of the measured over the predicted step at which a mode has half its strength."""
    return np.array([_half_time(rows) for _, rows in rows_of(modes, mode=mode).groupby("repeat")])


def _half_time(rows: pd.DataFrame) -> float:
    rows = rows.sort_values("step", kind="stable")
    strength, learnt = rows["strength"].iloc[0], rows["learnt"].to_numpy(dtype=float)
    predicted = half_time(strength, rows["start"].iloc[0], 1 / rows["learning_rate"].iloc[0])
    over = np.flatnonzero(learnt >= strength / 2)
    if not over.size or over[0] == 0:
        return math.nan
    ends = slice(over[0] - 1, over[0] + 1)
    found = np.interp(strength / 2, learnt[ends], rows["step"].to_numpy(dtype=float)[ends])
    return math.log(found / predicted)


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether modes follow their sigmoid curves, from a balanced start and from a small random one."""
    modes = tables["modes"]
    yield Question(
        id="A12-curve",
        kind="check",
        statement="From a balanced start every mode follows its sigmoid curve.",
        source=f"{SAXE}, eq. 12",
        arm=f"{BALANCED}, {WHERE}",
        values=curve_distances(rows_of(modes, scheme=BALANCED)),
        rule=AtMost(CURVE),
        note="largest distance from the curve over the mode's strength",
    )
    small = rows_of(modes, scheme=RANDOM)
    for mode, name in ((1, "strongest"), (len(STRENGTHS), "weakest")):
        yield Question(
            id=f"A12-half-time-{name}",
            kind="claim",
            statement=f"From a small random start the {name} mode is half learnt when the formula for balanced layers "
            "says.",
            source=f"{SAXE}, sections 1.2 and 1.3",
            arm=f"{RANDOM}, {WHERE}",
            values=half_times(small, mode),
            rule=Within(0.0, HALF_TIME_MARGIN),
            note="ln of the measured over the predicted half-time; each mode from its own start",
        )


LINEAR_MODES = Part(
    kinds={"modes": Kind(LinearTrial, measure, lambda trial: 2e-2, ("train_epochs float64",))},
    trials=trials,
    questions=questions,
)
