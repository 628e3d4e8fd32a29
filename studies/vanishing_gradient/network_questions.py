"""What weight gradients hide, how gradients scatter, and what remedies do to them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nnsim.theory.signals.batch_statistics import batch_norm_gradient_factor
from nnsim.theory.signals.relu_laws import relu_log_backward_law
from nnsim.theory.signals.remedies import layer_norm_factor, residual_trajectory

from . import settings
from .predictions import PAGE_RELU, SLOPE_MARGIN, expected_of, lost

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question


def trap_questions(layers: pd.DataFrame) -> Iterator[Question]:
    """Ask whether weight gradients show that errors vanish."""
    from nnsim.report.arms import change_per_layer, rows_of
    from nnsim.report.old_questions import Question

    def back(activation: str, column: str) -> np.ndarray:
        rows = rows_of(layers, kind="trap", activation=activation)
        with np.errstate(divide="ignore"):  # a dead network has no gradient
            return -change_per_layer(rows.assign(log=np.log(rows[column])), "log", 2, settings.TRAP_DEPTH)

    source, note = "Glorot and Bengio 2010, figure 8", "ln of the factor per layer on the way back, layers of one shape"
    arm = {"activation": "sigmoid", "scheme": "xavier_normal", "depth": settings.TRAP_DEPTH}
    sigmoid = float(expected_of(arm, settings.WIDE).backward[1]) / (settings.TRAP_DEPTH - 2)
    where = f"xavier_normal, relu, layers 2 to {settings.TRAP_DEPTH} of {settings.WIDE}"
    yield Question(
        "A3-weights", "claim", "A ReLU network's weight gradients are equal in all layers while its errors vanish.",
        source, where, back("relu", "weight_gradient_squares"), 0.0, margin=SLOPE_MARGIN, note=note,
    )  # fmt: skip
    yield Question(
        "A3-biases", "claim", "Bias gradients show it: they shrink as the errors do, by half a layer.", source, where,
        back("relu", "bias_gradient_squares"), -math.log(2), margin=SLOPE_MARGIN,
        note=f"{note}; gradients of a batch, whose mean square is exact at any width",
    )  # fmt: skip
    yield Question(
        "A3-sigmoid", "claim", "Sigmoid activations do not decay, so that weight gradients vanish with the errors.",
        source, where.replace("relu", "sigmoid"), back("sigmoid", "weight_gradient_squares"), sigmoid,
        margin=SLOPE_MARGIN, note=note,
    )  # fmt: skip


def fluctuation_questions(trials: pd.DataFrame) -> Iterator[Question]:
    """Ask how gradients scatter between narrow networks."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    rows = rows_of(trials, kind="fluctuation", status="done").sort_values("repeat", kind="stable")
    changes = rows["log_gradient"].dropna().to_numpy(dtype=float)
    law = relu_log_backward_law([settings.NARROW_WIDTH] * settings.NARROW_DEPTH)
    beta = (settings.NARROW_DEPTH - 1) / settings.NARROW_WIDTH
    where = (
        f"he_normal, relu, {settings.NARROW_DEPTH} layers of {settings.NARROW_WIDTH}, one input, "
        "given that a gradient arrives"
    )
    source = "Hanin and Nica 2018; Hanin and Rolnick 2018"
    note = f"ln(delta_1^2 / delta_L^2); leading order -5 beta / 2 = {-2.5 * beta:g}, 5 beta = {5 * beta:g}"
    yield Question(
        "A10-mean", "claim", "The logarithm of a He network's gradient has the mean of the chi-square product law.",
        source, where, changes, law.mean, margin=0.3, note=note,
    )  # fmt: skip
    yield Question(
        "A10-variance", "claim", "He fixes the gradient's mean, not its spread: its logarithm has the law's variance.",
        source, where, changes, law.variance, margin=0.25 * law.variance, interval="variance", note=note,
    )  # fmt: skip
    yield Question(
        "A10-most-shrink", "correction", "Even with He's variance the gradient shrinks in most narrow networks.",
        PAGE_RELU, where, (changes < 0).astype(float), 0.5, "above", interval="proportion",
        note="share of networks with delta_1^2 < delta_L^2; the rest grows enough to keep the mean",
    )  # fmt: skip


def remedy_questions(layers: pd.DataFrame) -> Iterator[Question]:
    """Ask which remedies keep a sigmoid network's gradient."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    steps = settings.REMEDY_DEPTH - 2
    texts = {
        "skip": (float(residual_trajectory("sigmoid", 1.0, settings.REMEDY_DEPTH)[1][1]) / steps,
            "Yang and Schoenholz 2017",
            "Skip connections keep a sigmoid network's gradient: 1 + chi a layer instead of chi."),
        "batch": (math.log(batch_norm_gradient_factor("sigmoid")), "Yang et al. 2019",
            "Batch normalisation keeps a sigmoid network's gradient: E f'^2 / Var f = 1.034 a layer."),
        "layer": (math.log(layer_norm_factor("sigmoid")), "Yang et al. 2019, by the same argument",
            "Layer normalisation does not keep it: E f'^2 / E f^2 = 0.153 a layer, as the preserving gain."),
    }  # fmt: skip
    for remedy, (prediction, source, statement) in texts.items():
        rows = rows_of(layers, kind="remedy", remedy=remedy)
        yield Question(
            f"A8-{remedy}-gradient", "claim", statement, source,
            f"sigmoid, xavier_normal, {remedy}, layers 2 to {settings.REMEDY_DEPTH} of {settings.WIDE}, "
            f"{settings.REMEDY_ROWS} inputs",
            lost(rows, 2, settings.REMEDY_DEPTH), prediction, margin=SLOPE_MARGIN,
            note="ln of the factor per layer, for infinite width and batch: the margin tells kept from lost",
        )  # fmt: skip
