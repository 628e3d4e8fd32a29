"""How long a backward pass takes, beside a forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

from nnsim.report.arms import rows_of
from nnsim.report.questions import AtLeast, Question, Within
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.theory.training.cost import backward_over_forward

from .passes import Passes, TimedTrial, timing_cost
from .shared import BAUR, MIDWAY, TEACHING, widths_of

if TYPE_CHECKING:
    import pandas as pd

CLOCK = 0.75  # of backward over forward: one forward pass is told from two, machines are not told apart


def trials(config: Config) -> Iterator[TimedTrial]:
    """Yield every architecture, in turns."""
    timed = {"batch": config["timed_batch"], "rounds": config["rounds"]}
    for repeat, architecture in product(range(config["seeds"]), config["architecture"]):
        yield TimedTrial(kind="time", architecture=architecture, repeat=repeat, **timed)


def measure(trial: TimedTrial) -> Measured:
    """Time a network's passes."""
    passes = Passes(trial, "relu", "float32")
    times = passes.seconds(trial.rounds) | {"difference_seconds": None}
    return {"trials": [{"parameters": passes.spec.n_parameters}], "times": [times]}


def predicted_ratio(architecture: str) -> float:
    """Return the multiply-adds of a backward pass over those of a forward pass."""
    return backward_over_forward(widths_of(architecture))


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether a backward pass takes the time that it is counted to take."""
    timed, note = rows_of(tables["times"], kind="time"), f"processor time, medians of {config['rounds']} turns"
    for architecture in config["architecture"]:
        yield Question(
            id=f"D6-time-{architecture}",
            kind="claim",
            statement="A backward pass takes as many times a forward pass as it is counted.",
            source=BAUR,
            arm=f"{architecture}, {config['timed_batch']} rows",
            values=rows_of(timed, architecture=architecture)["ratio"].to_numpy(dtype=float),
            rule=Within(predicted_ratio(architecture), CLOCK),
            note=note,
            timed=True,
        )
    deepest = max(config["architecture"], key=predicted_ratio)
    yield Question(
        id="page-backward-time",
        kind="correction",
        statement="A backward pass takes the time of about two forward passes, not of one.",
        source=TEACHING,
        arm=deepest,
        values=rows_of(timed, architecture=deepest)["ratio"].to_numpy(dtype=float),
        rule=AtLeast(MIDWAY),
        note=note,
        timed=True,
    )


TIMING = Part(
    kinds={"time": Kind(TimedTrial, measure, timing_cost, ("repeat_passes float32",))},
    trials=trials,
    questions=questions,
)
