"""Which remedies keep a sigmoid network's gradient (A8)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

from nnsim.report.arms import rows_of
from nnsim.report.questions import Question, Within
from nnsim.study.checks import data_settings
from nnsim.study.network_trials import LOOKING, parameters_of
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.theory.signals.batch_statistics import batch_norm_gradient_factor
from nnsim.theory.signals.remedies import layer_norm_factor, residual_trajectory

from .predictions import SLOPE_MARGIN, lost
from .shared import REMEDIES, WIDE, RemedyTrial, look

if TYPE_CHECKING:
    import pandas as pd

DEPTH = 20
ROWS = 128  # inputs: the predictions are those of a large batch
STATED = {
    "skip": (
        "Skip connections keep a sigmoid network's gradient: 1 + chi a layer instead of chi.",
        "Yang and Schoenholz 2017",
    ),
    "batch": (
        "Batch normalisation keeps a sigmoid network's gradient: E f'^2 / Var f = 1.034 a layer.",
        "Yang et al. 2019",
    ),
    "layer": (
        "Layer normalisation does not keep it: E f'^2 / E f^2 = 0.153 a layer, as the preserving gain.",
        "Yang et al. 2019, by the same argument",
    ),
}


def trials(config: Config) -> Iterator[RemedyTrial]:
    """Yield sigmoid networks with each remedy."""
    data = data_settings(config)
    for remedy, repeat in product(STATED, range(config["probe_seeds"])):
        yield RemedyTrial(
            kind="remedy",
            scheme="xavier_normal",
            activation="sigmoid",
            depth=DEPTH,
            width=WIDE,
            remedy=remedy,
            **REMEDIES[remedy],
            repeat=repeat,
            **data,
        )


def measure(trial: RemedyTrial) -> Measured:
    """Look at a network on a large batch."""
    return look(trial, ROWS)


def cost(trial: RemedyTrial) -> float:
    """Return the expected seconds: multiply-adds at a speed seen on small networks, plus overheads."""
    return 3e-4 + 6e-8 * parameters_of(trial)


def _predictions() -> dict[str, float]:
    """Return ln of the factor per layer, for infinite width and batch."""
    return {
        "skip": float(residual_trajectory("sigmoid", 1.0, DEPTH)[1][1]) / (DEPTH - 2),
        "batch": math.log(batch_norm_gradient_factor("sigmoid")),
        "layer": math.log(layer_norm_factor("sigmoid")),
    }


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask which remedies keep a sigmoid network's gradient."""
    predictions = _predictions()
    for remedy, (statement, source) in STATED.items():
        yield Question(
            id=f"A8-{remedy}-gradient",
            kind="claim",
            statement=statement,
            source=source,
            arm=f"sigmoid, xavier_normal, {remedy}, layers 2 to {DEPTH} of {WIDE}, {ROWS} inputs",
            values=lost(rows_of(tables["layers"], kind="remedy", remedy=remedy), 2, DEPTH),
            rule=Within(predictions[remedy], SLOPE_MARGIN),
            note="ln of the factor per layer, for infinite width and batch: the margin tells kept from lost",
        )


KEEPING = Part(
    kinds={"remedy": Kind(RemedyTrial, measure, cost, LOOKING)},
    trials=trials,
    questions=questions,
)
