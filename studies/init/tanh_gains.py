"""tanh without a gain, which fades like a power of the depth, and with PyTorch's, which does not (A7)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nnsim.report.arms import change_per_layer, rows_of
from nnsim.report.questions import Above, Question, Within
from nnsim.study.trials import NetworkTrial
from nnsim.theory.signals.finite_width import predict_arm

from .phase_plane import mean_field
from .shared import LOOKED_AT, both_ways

if TYPE_CHECKING:
    import pandas as pd

POWER = "mean_field:1"
POWER_DEPTH, POWER_WIDTH, POWER_FROM = 50, 128, 10
GAIN = 5 / 3  # PyTorch's torch.nn.init.calculate_gain("tanh")
GAIN_DEPTH, GAIN_WIDTH = 20, 128
EXPONENT_MARGIN = 0.2  # of the exponent: roots and squares of l are far outside, and so is any exponential
LEVEL_MARGIN = 0.3  # of ln(2 l q): 1 / l would be off by 0.7
GAIN_ARM: dict[str, Any] = {"scheme": mean_field(GAIN**2, 0.0), "activation": "tanh", "depth": GAIN_DEPTH}


def trials(repeat: int, data: dict[str, Any]) -> Iterator[NetworkTrial]:
    """Yield the networks of one seed."""
    power: dict[str, Any] = {"scheme": POWER, "activation": "tanh", "depth": POWER_DEPTH, "width": POWER_WIDTH}
    yield NetworkTrial(kind="power", repeat=repeat, **power, **data)
    yield NetworkTrial(kind="tanh_gain", repeat=repeat, width=GAIN_WIDTH, **GAIN_ARM, **data)


def _power_questions(layers: pd.DataFrame) -> Iterator[Question]:
    first, last = POWER_FROM, POWER_DEPTH
    rows = rows_of(layers, kind="power")
    expected = predict_arm(POWER, "tanh", last, POWER_WIDTH).forward
    where = f"{POWER}, tanh, {last} layers of {POWER_WIDTH}"
    source = "Schoenholz et al. 2017, section 3; q' = q - 2 q^2"
    per_log = (last - first) / math.log(last / first)
    yield Question(
        id="A7-power",
        kind="claim",
        statement="With sw2 = 1 tanh fades like a power of the depth, not like an exponential.",
        source=source,
        arm=where,
        values=change_per_layer(rows, "a_log", first, last) * per_log,
        rule=Within(float(expected[last - 1] - expected[first - 1]) / math.log(last / first), EXPONENT_MARGIN),
        note=f"change of ln q from layer {first} to {last} over that of ln l, prediction corrected for the finite "
        "width; it tends to -1 with the width and the depth",
    )
    end = rows[rows["layer"] == last].sort_values("repeat", kind="stable")["a_log"].to_numpy(dtype=float)
    level = math.log(2 * last)
    yield Question(
        id="A7-level",
        kind="claim",
        statement="What is left after l layers of tanh with sw2 = 1 is a mean square of about 1 / (2 l).",
        source=source,
        arm=where,
        values=end + level,
        rule=Within(float(expected[-1]) + level, LEVEL_MARGIN),
        note="ln(2 l q) at the last layer, prediction corrected for the finite width; it tends to 0 with width and "
        "depth",
    )


def _gain_questions(layers: pd.DataFrame) -> Iterator[Question]:
    forward, backward = both_ways(
        layers,
        {"kind": "tanh_gain", **GAIN_ARM},
        name="A7-gain",
        source="Poole et al. 2016; PyTorch's gain 5/3",
        forward="With the gain 5/3 tanh keeps its mean square, as the recursion says: the forward pass looks perfect.",
        backward="With the gain 5/3 the gradient's mean square grows by the predicted factor a tanh layer.",
    )
    yield forward
    yield backward
    yield replace(
        backward,
        id="A7-gain-explodes",
        kind="correction",
        statement=(
            "The gain 5/3 that libraries recommend for tanh is on the side of exploding gradients: chi is above 1."
        ),
        source="PyTorch, torch.nn.init.calculate_gain; Schoenholz et al. 2017",
        rule=Above(0.0),
        note="ln of the factor per layer of the gradient's mean square",
    )


def questions(layers: pd.DataFrame) -> Iterator[Question]:
    """Ask whether tanh without a gain fades like a power of the depth, and what the gain 5/3 does instead."""
    yield from _power_questions(layers)
    yield from _gain_questions(layers)


KINDS = {"power": LOOKED_AT, "tanh_gain": LOOKED_AT}
