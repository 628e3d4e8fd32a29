"""What depth is worth at equal parameters (C6)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.networks.equal_parameters import equal_width
from nnsim.report.questions import Above, AtMost, Question
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.network_trials import TRAINING, usual_data
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import DataTrial

from .shared import PAGE, RELU, DataSetTrial, arms_of, runs_of, train, training_cost

if TYPE_CHECKING:
    import pandas as pd

EPOCHS = {"digits": "epochs", "spirals": "plane_epochs"}
"""The data sets, and the axis of each that says how long to train."""
GAIN_MARGIN = 0.01  # of accuracy: what more than this is worth is called better


def trials(config: Config) -> Iterator[DataSetTrial]:
    """Yield networks of nearly equal parameters at every depth."""
    for data, depth in product(EPOCHS, config["depth"]):
        inputs, width = width_of(data, depth, config)
        shape = {"dimension": inputs, "depth": depth, "width": width, "epochs": config[EPOCHS[data]]}
        for run in runs_of(config):
            yield DataSetTrial(kind="grid", data=data, **shape, **RELU, **run)


def width_of(data: str, depth: int, config: Config) -> tuple[int, int]:
    """Return the inputs of a data set, and the width at which a network on it has its parameters.

    Raises
    ------
    UsageError
        If one unit a layer is too many.
    """
    split = usual_data(DataTrial(kind="", repeat=0, data=data))
    inputs = split.n_features
    return inputs, equal_width(config[f"{data}_parameters"], depth, inputs, split.n_outputs)


def measure(trial: DataSetTrial) -> Measured:
    """Train a network."""
    return {"trials": [train(trial)[0]]}


def arms(trials: pd.DataFrame) -> ChosenArms:
    """Return the networks at their chosen rates."""
    return arms_of(trials, "grid", ["data", "depth"])


def _lead(arms: ChosenArms, config: Config, data: str, first: int, second: int) -> dict[str, Any]:
    """Test accuracy at depth `first` minus at `second` for each seed, as a question has it."""
    pair = {"data": data, "depth": first}, {"data": data, "depth": second}
    usable = first != second and {first, second} <= set(config["depth"])
    return {
        "arm": f"{data}, about {config[f'{data}_parameters']} parameters, {first} minus {second} hidden layers",
        "values": arms.lead("score", *pair) if usable else np.empty(0),
        "note": "difference of test accuracies at each depth's chosen rate",
        "at_edge": arms.at_edge(*pair),
    }


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether some depth is a gain, and whether much of it is a loss."""
    trained = arms(tables["trials"])
    yield Question(
        id="C6-digits",
        kind="correction",
        statement="At equal parameters four hidden layers are no better than one on the digits.",
        source=PAGE,
        rule=AtMost(GAIN_MARGIN),
        **_lead(trained, config, "digits", 4, 1),
    )
    for data in EPOCHS:
        yield Question(
            id=f"C6-too-deep-{data}",
            kind="claim",
            statement=f"At equal parameters networks that are deep and narrow do worse than one layer on the {data}.",
            source="He et al. 2016 on plain networks",
            rule=Above(0.0),
            **_lead(trained, config, data, 1, max(config["depth"])),
        )
    yield Question(
        id="C6-spirals",
        kind="claim",
        statement="At equal parameters two hidden layers do better than one on the spirals.",
        source=PAGE,
        rule=Above(0.0),
        **_lead(trained, config, "spirals", 2, 1),
    )


EQUAL_PARAMETERS = Part(
    kinds={"grid": Kind(DataSetTrial, measure, training_cost, TRAINING)},
    trials=trials,
    questions=questions,
)
