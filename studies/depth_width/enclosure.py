"""Which networks close a region of the plane (C6)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from nnsim.probes.expressivity.enclosure import encloses, positive_stretches
from nnsim.probes.expressivity.linear_pieces import Layers
from nnsim.report.arms import rows_of
from nnsim.report.questions import Above, Exactly, Question
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.declaration import Column
from nnsim.study.network_trials import TRAINING
from nnsim.study.parts import Config, Kind, Measured, Part, Rows

from .shared import RELU, DataSetTrial, arms_of, runs_of, train, training_cost

if TYPE_CHECKING:
    import pandas as pd

DATA = "circles"
SHAPES = ((1, 2), (3, 2), (1, 3), (3, 3))
"""(depth, width) of the networks that shall close a disc."""
RADII = tuple(0.25 * number for number in range(1, 21))
SCAN = 48
"""Lines along which a decision is drawn."""
REACH = 2.5
"""Half the side of the square that is drawn, in standard deviations of the inputs."""
SOURCE = "Johnson 2019, theorem 1"
NOTE = "closed: one class on a whole polygon around the disc, followed exactly, and the other within"
DECISION_COLUMNS = (
    Column("depth", "int", "layers", "hidden layers"),
    Column("width", "int", "units", "units of each hidden layer"),
    Column("learning_rate", "float", "", "step size"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("height", "float", "deviations", "second input, standardised"),
    Column("left", "float", "deviations", "first input where the inner class begins, standardised"),
    Column("right", "float", "deviations", "first input where it ends"),
)


def trials(config: Config) -> Iterator[DataSetTrial]:
    """Yield networks of as many units a layer as there are inputs, and of one more."""
    for (depth, width), run in product(SHAPES, runs_of(config)):
        shape = {"dimension": 2, "depth": depth, "width": width, "epochs": config["plane_epochs"]}
        yield DataSetTrial(kind="enclosure", data=DATA, **shape, **RELU, **run)


def measure(trial: DataSetTrial) -> Measured:
    """Train a network and look whether it closes a region; the first seed's decision is drawn."""
    row, layers = train(trial)
    if layers is None:
        return {"trials": [row]}
    drawn = _decision(layers) if trial.repeat == 0 else []
    return {"trials": [row | {"encloses": encloses(layers, RADII)}], "decisions": drawn}


def _decision(layers: Layers) -> Rows:
    rows = []
    for number in range(SCAN):
        height = REACH * ((2 * number + 1) / SCAN - 1)
        path = np.array([[-REACH, height], [REACH, height]])
        for left, right in positive_stretches(layers, path):
            rows.append({"height": height, "left": REACH * (2 * left - 1), "right": REACH * (2 * right - 1)})
    return rows


def arms(trials: pd.DataFrame) -> ChosenArms:
    """Return the networks at their chosen rates."""
    return arms_of(trials, "enclosure", ["depth", "width"])


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether width 2 closes a region, and width 3."""
    done = rows_of(tables["trials"], kind="enclosure", status="done")
    yield Question(
        id="C6-width-2",
        kind="check",
        statement="With two inputs, width 2 closes no region, however deep.",
        source=SOURCE,
        arm="1 and 3 layers of 2, all rates and seeds",
        values=rows_of(done, width=2)["encloses"].to_numpy(dtype=float),
        rule=Exactly(0.0),
        note=NOTE,
    )
    chosen = arms(tables["trials"])
    for depth in (1, 3):
        arm = {"depth": depth, "width": 3}
        yield Question(
            id=f"C6-width-3-{depth}",
            kind="claim",
            statement="Width 3 can close a region, and training finds it.",
            source=SOURCE,
            arm=f"circles, {depth} layers of 3",
            values=rows_of(chosen.runs, status="done", **arm)["encloses"].to_numpy(dtype=float),
            rule=Above(0.0),
            interval="proportion",
            note=NOTE,
            at_edge=chosen.at_edge(arm),
        )


ENCLOSURE = Part(
    kinds={"enclosure": Kind(DataSetTrial, measure, training_cost, TRAINING)},
    trials=trials,
    questions=questions,
)
