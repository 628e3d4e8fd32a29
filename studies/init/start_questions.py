"""Starts of their own kind: LSUV (A6), and tanh without a gain and with PyTorch's (A7)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nnsim.theory.signals.finite_width import predict_arm

from . import settings
from .signal_questions import both_ways

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question

ROUNDING = 1e-9  # of a variance that LSUV has set to one, in double precision
FRESH_MARGIN = 0.2  # of ln of the last layer's variance
EXPONENT_MARGIN = 0.2  # of the exponent: roots and squares of l are far outside, and so is any exponential
LEVEL_MARGIN = 0.3  # of ln(2 l q): 1 / l would be off by 0.7


def lsuv_questions(lsuv: pd.DataFrame) -> Iterator[Question]:
    """Ask whether LSUV gives unit variance on its batch, and what is left of it on other inputs."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    lsuv = lsuv.assign(variance=lsuv["z_square"] - lsuv["z_mean"] ** 2)
    for activation in settings.LSUV_ACTIVATIONS:
        where = f"lsuv, {activation}, {settings.LSUV_DEPTH} layers of {settings.LSUV_WIDTH}"
        batch = rows_of(lsuv, activation=activation, rows="batch")
        worst = (batch["variance"] - 1).abs().groupby(batch["repeat"]).max()
        yield Question(
            f"A6-batch-{activation}", "check", "After LSUV every layer has unit variance on the batch that scaled it.",
            "Mishkin and Matas 2016, algorithm 1", where, worst.to_numpy(), ROUNDING, "at_most",
            note="largest |variance - 1| of a hidden layer, over units and inputs of the batch",
        )  # fmt: skip
        last = rows_of(lsuv, activation=activation, rows="fresh", layer=settings.LSUV_DEPTH).sort_values(
            "repeat", kind="stable"
        )
        yield Question(
            f"A6-fresh-{activation}", "claim", "The unit variance carries over to inputs that LSUV has not seen.",
            "Mishkin and Matas 2016, section 3", where, np.log(last["variance"].to_numpy(dtype=float)), 0.0,
            margin=FRESH_MARGIN, note="ln of the last hidden layer's variance on as many other inputs",
        )  # fmt: skip


def tanh_questions(layers: pd.DataFrame) -> Iterator[Question]:
    """Ask whether tanh without a gain fades like a power of the depth, and what the gain 5/3 does instead."""
    yield from _power_questions(layers)
    gain = {"kind": "tanh_gain", "scheme": settings.mean_field(settings.TANH_GAIN**2, 0.0), "activation": "tanh"}
    forward, backward = both_ways(
        layers, gain | {"depth": settings.GAIN_DEPTH}, id="A7-gain", source="Poole et al. 2016; PyTorch's gain 5/3",
        forward="With the gain 5/3 tanh keeps its mean square, as the recursion says: the forward pass looks perfect.",
        backward="With the gain 5/3 the gradient's mean square grows by the predicted factor a tanh layer.",
    )  # fmt: skip
    yield forward
    yield backward
    yield _exploding(backward)


def _exploding(backward: Question) -> Question:
    from nnsim.report.old_questions import Question

    return Question(
        "A7-gain-explodes", "correction",
        "The gain 5/3 that libraries recommend for tanh is on the side of exploding gradients: chi is above 1.",
        "PyTorch, torch.nn.init.calculate_gain; Schoenholz et al. 2017", backward.arm, backward.values, 0.0, "above",
        note="ln of the factor per layer of the gradient's mean square",
    )  # fmt: skip


def _power_questions(layers: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import change_per_layer, rows_of
    from nnsim.report.old_questions import Question

    first, last, width = settings.POWER_FROM, settings.POWER_DEPTH, settings.POWER_WIDTH
    rows = rows_of(layers, kind="power")
    expected = predict_arm("mean_field:1", "tanh", last, width).forward
    where, source = f"mean_field:1, tanh, {last} layers of {width}", "Schoenholz et al. 2017, section 3; q' = q - 2 q^2"
    per_log = (last - first) / math.log(last / first)
    yield Question(
        "A7-power", "claim", "With sw2 = 1 tanh fades like a power of the depth, not like an exponential.",
        source, where, change_per_layer(rows, "a_log", first, last) * per_log,
        float(expected[last - 1] - expected[first - 1]) / math.log(last / first), margin=EXPONENT_MARGIN,
        note=f"change of ln q from layer {first} to {last} over that of ln l, prediction corrected for the finite "
        "width; it tends to -1 with the width and the depth",
    )  # fmt: skip
    end = rows[rows["layer"] == last].sort_values("repeat", kind="stable")["a_log"].to_numpy(dtype=float)
    level = math.log(2 * last)
    yield Question(
        "A7-level", "claim", "What is left after l layers of tanh with sw2 = 1 is a mean square of about 1 / (2 l).",
        source, where, end + level, float(expected[-1]) + level, margin=LEVEL_MARGIN,
        note="ln(2 l q) at the last layer, prediction corrected for the finite width; it tends to 0 with width and "
        "depth",
    )  # fmt: skip
