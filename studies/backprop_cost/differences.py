"""What a gradient costs that asks each weight in turn."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from time import thread_time
from typing import TYPE_CHECKING

import numpy as np

from nnsim.kernels.cpu_only.cost import difference_gradient
from nnsim.report.arms import rows_of
from nnsim.report.questions import AtMost, Exactly, Question, Within
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.theory.training.cost import difference_passes, forward_products

from .passes import Passes, TimedTrial, products_of, timing_cost
from .shared import BAUR, RUMELHART, counts

if TYPE_CHECKING:
    import pandas as pd

INPUTS, OUTPUTS = 16, 4
STEP = 1e-6
SLOPE = 0.5  # of a log-log slope: 1 is told from 2
AGREE = 1e-4  # relative error of a one-sided difference with a step of 1e-6


def trials(config: Config) -> Iterator[TimedTrial]:
    """Yield networks of two hidden layers, in turns."""
    timed = {"batch": config["difference_batch"], "rounds": config["rounds"]}
    for repeat, width in product(range(config["seeds"]), config["difference_width"]):
        architecture = f"{INPUTS}-{width}-{width}-{OUTPUTS}"
        yield TimedTrial(kind="difference", architecture=architecture, repeat=repeat, **timed)


def _differences(passes: Passes, central: bool) -> tuple[np.ndarray, int]:
    """Return the gradient by differences and the number of forward passes it took."""
    spec, theta, found = passes.spec, passes.theta.copy(), np.empty_like(passes.theta)
    step = spec.numpy_dtype(STEP)
    return found, int(difference_gradient(spec.architecture, theta, passes.X, passes.Y, step, central, found))


def measure(trial: TimedTrial) -> Measured:
    """Compute one gradient by backpropagation and by differences."""
    passes = Passes(trial, "tanh", "float64")
    start = thread_time()
    found, made = _differences(passes, central=False)
    seconds = thread_time() - start
    times = passes.seconds(trial.rounds) | {"difference_seconds": seconds}
    error = np.abs(found - passes.gradient).max() / np.abs(passes.gradient).max()
    row = counts(trial.architecture, trial.batch) | {"passes": made, "error": float(error)}
    if trial.repeat == 0:  # twice the work, and the count is the same for all
        row["central_passes"] = _differences(passes, central=True)[1]
    return {"trials": [row], "times": [times]}


def cost(trial: TimedTrial) -> float:
    """Return the expected seconds."""
    return timing_cost(trial) + forward_products(trial.widths) * (2e-6 + products_of(trial) / 8e9)


def _pass_questions(rows: pd.DataFrame, where: str) -> Iterator[Question]:
    parameters = rows["parameters"].to_numpy(dtype=float)
    for name, column, expected, text in (
        ("one-sided", "passes", difference_passes(parameters), "P + 1"),
        ("central", "central_passes", difference_passes(parameters, central=True), "2 P"),
    ):
        passes = rows[column].to_numpy(dtype=float)
        yield Question(
            id=f"D6-passes-{name}",
            kind="check",
            statement=f"A gradient by {name} differences takes {text} forward passes.",
            source="the definition of a difference",
            arm=where,
            values=(passes - expected)[~np.isnan(passes)],
            rule=Exactly(0.0),
            note=f"passes that the kernel made, minus {text}",
        )
    yield Question(
        id="D6-agree",
        kind="check",
        statement="Differences and backpropagation give one gradient: the times are those of one result.",
        source=RUMELHART,
        arm=where,
        values=rows["error"].to_numpy(dtype=float),
        rule=AtMost(AGREE),
        note="largest difference relative to the largest derivative",
    )


def _slope_questions(times: pd.DataFrame, where: str) -> Iterator[Question]:
    from nnsim.report.statistics.slopes import slopes_by_seed  # it needs pandas and SciPy

    texts = {
        "backprop": ("gradient_seconds", 1.0, "Backpropagation's time grows in proportion to the parameters."),
        "differences": ("difference_seconds", 2.0, "The time of differences grows as the square of the parameters."),
    }
    for name, (column, power, statement) in texts.items():
        yield Question(
            id=f"D6-slope-{name}",
            kind="claim",
            statement=statement,
            source=BAUR,
            arm=where,
            values=slopes_by_seed(times, "parameters", column),
            rule=Within(power, SLOPE),
            note="log-log slope of processor time against P",
            timed=True,
        )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask for the number of passes, for the same gradient, and how times grow with the parameters."""
    widths = config["difference_width"]
    where = f"tanh, {INPUTS}-n-n-{OUTPUTS} with n from {min(widths)} to {max(widths)}"
    yield from _pass_questions(rows_of(tables["trials"], kind="difference", status="done"), where)
    yield from _slope_questions(rows_of(tables["times"], kind="difference"), where)


DIFFERENCES = Part(
    kinds={"difference": Kind(TimedTrial, measure, cost, ("difference_gradient float64", "repeat_passes float64"))},
    trials=trials,
    questions=questions,
)
