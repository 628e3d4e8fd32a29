"""Whether weight gradients show that errors vanish, and bias gradients (A3)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.report.arms import change_per_layer, rows_of
from nnsim.report.questions import Question, Within
from nnsim.study.checks import data_settings
from nnsim.study.network_trials import LOOKING
from nnsim.study.parts import Config, Kind, Part
from nnsim.theory.signals.finite_width import predict_arm

from .predictions import SLOPE_MARGIN
from .shared import WIDE, RemedyTrial, look, look_cost

if TYPE_CHECKING:
    import pandas as pd

DEPTH = 20
MORE_SEEDS = 3  # times the other networks' seeds: weight gradients of single networks scatter more


def trials(config: Config) -> Iterator[RemedyTrial]:
    """Yield networks in which errors vanish."""
    data = data_settings(config)
    for activation, repeat in product(("relu", "sigmoid"), range(MORE_SEEDS * config["probe_seeds"])):
        arm: dict[str, Any] = {"activation": activation, "scheme": "xavier_normal"}
        yield RemedyTrial(kind="trap", depth=DEPTH, width=WIDE, repeat=repeat, **arm, **data)


def _change(layers: pd.DataFrame, activation: str, column: str) -> np.ndarray:
    """Return ln of the factor of a column per layer on the way back, for each seed."""
    rows = rows_of(layers, kind="trap", activation=activation)
    with np.errstate(divide="ignore"):  # a dead network has no gradient
        return -change_per_layer(rows.assign(log=np.log(rows[column])), "log", 2, DEPTH)


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask which gradients show that errors vanish."""
    layers, note = tables["layers"], "ln of the factor per layer on the way back, layers of one shape"
    where = f"layers 2 to {DEPTH} of {WIDE}"
    sigmoid = float(predict_arm("xavier_normal", "sigmoid", DEPTH, WIDE).backward[1]) / (DEPTH - 2)
    ask = partial(Question, kind="claim", source="Glorot and Bengio 2010, figure 8")
    yield ask(
        id="A3-weights",
        statement="A ReLU network's weight gradients are equal in all layers while its errors vanish.",
        arm=f"xavier_normal, relu, {where}",
        values=_change(layers, "relu", "weight_gradient_squares"),
        rule=Within(0.0, SLOPE_MARGIN),
        note=note,
    )
    yield ask(
        id="A3-biases",
        statement="Bias gradients show it: they shrink as the errors do, by half a layer.",
        arm=f"xavier_normal, relu, {where}",
        values=_change(layers, "relu", "bias_gradient_squares"),
        rule=Within(-math.log(2), SLOPE_MARGIN),
        note=f"{note}; gradients of a batch, whose mean square is exact at any width",
    )
    yield ask(
        id="A3-sigmoid",
        statement="Sigmoid activations do not decay, so that weight gradients vanish with the errors.",
        arm=f"xavier_normal, sigmoid, {where}",
        values=_change(layers, "sigmoid", "weight_gradient_squares"),
        rule=Within(sigmoid, SLOPE_MARGIN),
        note=note,
    )


TRAP = Part(
    kinds={"trap": Kind(RemedyTrial, look, look_cost, LOOKING)},
    trials=trials,
    questions=questions,
)
