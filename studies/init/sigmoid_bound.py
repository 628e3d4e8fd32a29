"""What ten sigmoid layers leave of a gradient, beside 0.25^10 (A8)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnsim.report.arms import change_per_layer, rows_of
from nnsim.report.questions import AtMost, Question, Within
from nnsim.study.parts import Config, Part
from nnsim.study.trials import NetworkTrial
from nnsim.theory.signals.finite_width import predict_arm

from .shared import LOOKED_AT, repeated

if TYPE_CHECKING:
    import pandas as pd

DEPTH, WIDTH = 12, 128
SCHEME, ACTIVATION = "xavier_normal", "sigmoid"


def trials(config: Config) -> Iterator[NetworkTrial]:
    """Yield sigmoid networks, as they are drawn."""
    network = {"scheme": SCHEME, "activation": ACTIVATION, "depth": DEPTH, "width": WIDTH}
    return repeated(config, "bound", config["probe_seeds"], **network)


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask for the factor of the gradient's norm, and whether the bound of the slopes holds at this scale."""
    norms = -10 * change_per_layer(rows_of(tables["layers"], kind="bound", epoch=0), "delta_log", 1, 11) / 2
    expected = predict_arm(SCHEME, ACTIVATION, DEPTH, WIDTH).backward
    where, note = f"{SCHEME}, {ACTIVATION}, layers 1 to 11 of {WIDTH}", "ln of the norm's factor over ten layers"
    yield Question(
        id="A8-factor",
        kind="claim",
        statement="Ten sigmoid layers at Glorot scale shrink the gradient's norm by the mean-field factor.",
        source="Schoenholz et al. 2017",
        arm=where,
        values=norms,
        rule=Within(float(expected[0] - expected[10]) / 2, 0.25),
        note=note,
    )
    yield Question(
        id="A8-bound",
        kind="correction",
        statement=(
            "0.25^10 is a bound for weights of norm one; at Glorot scale ten sigmoid layers shrink the gradient more."
        ),
        source="textbook statement: sigma' <= 0.25, so ten layers multiply the gradient by 0.25^10",
        arm=where,
        values=norms,
        rule=AtMost(10 * math.log(0.25)),
        note=note,
    )


SIGMOID_BOUND = Part(kinds={"bound": LOOKED_AT}, trials=trials, questions=questions)
