"""How activations and errors change from layer to layer: A1 to A5, A8 and A10."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.theory.signals.finite_width import predict_arm
from nnsim.theory.signals.relu_laws import relu_log_forward_law
from nnsim.theory.signals.spectra import mean_singular_value

from . import settings

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question

SURVIVAL_MARGIN = 0.02  # a width of 10 instead of 8 would be off by 0.023
SLOPE_MARGIN = 0.05  # of ln per layer: variance 1.8 instead of 2 would be off by 0.105
GLOROT, HE = "Glorot and Bengio 2010", "He et al. 2015"


def both_ways(layers: pd.DataFrame, arm: dict[str, Any], **texts: str) -> Iterator[Question]:
    """Ask whether activations and errors of an arm change per layer as predicted."""
    from nnsim.report.arms import change_per_layer, rows_of
    from nnsim.report.old_questions import Question

    rows, depth = rows_of(layers, epoch=0, **arm), arm["depth"]
    width = int(rows["width"].iloc[0]) if len(rows) else 0
    expected = predict_arm(arm["scheme"], arm["activation"], depth, width) if width else None
    for direction, column, sign in (("forward", "a_log", 1), ("backward", "delta_log", -1)):
        prediction = math.nan
        if expected is not None:
            line = expected.forward if sign > 0 else expected.backward
            prediction = sign * float(line[-1] - line[0]) / (depth - 1)
        yield Question(
            id=f"{texts['id']}-{direction}",
            kind="claim",
            statement=texts[direction],
            source=texts["source"],
            arm=f"{arm['scheme']}, {arm['activation']}, {depth} layers of {width}",
            values=sign * change_per_layer(rows, column, 1, depth),
            prediction=prediction,
            margin=SLOPE_MARGIN,
            note="ln of the factor per layer, prediction corrected for the finite width",
        )


def gain_questions(layers: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask whether each activation, at its preserving gain, changes signals as the recursion says."""
    for activation in config["gain_activation"]:
        arm = {"kind": "gain", "scheme": "preserving_normal", "activation": activation, "depth": settings.GAIN_DEPTH}
        yield from both_ways(
            layers, arm, id=f"A1-{activation}", source="Poole et al. 2016, eq. 3; Schoenholz et al. 2017",
            forward=f"Through {activation} layers the variance changes as q' = sw2 E f^2 + sb2.",
            backward=f"Through {activation} layers the gradient's mean square changes by chi = sw2 E f'^2.",
        )  # fmt: skip


def linear_questions(layers: pd.DataFrame, spectra: pd.DataFrame) -> Iterator[Question]:
    """Ask what linear layers do to signals, to singular values and to weight gradients."""
    from nnsim.report.arms import change_per_layer, rows_of
    from nnsim.report.old_questions import Question

    for scheme, factor in (("standard_uniform", "1/3"), ("xavier_uniform", "1")):
        arm = {"kind": "linear", "scheme": scheme, "activation": "identity", "depth": settings.LINEAR_DEPTH}
        yield from both_ways(
            layers, arm, id=f"A2-{scheme}", source=f"{GLOROT}, section 4.2",
            forward=f"In the linear regime {scheme} multiplies the activations' mean square by {factor} a layer.",
            backward=f"In the linear regime {scheme} multiplies the gradient's mean square by {factor} a layer.",
        )  # fmt: skip
        prediction = mean_singular_value(1 / 3 if scheme == "standard_uniform" else 1.0)
        yield Question(
            f"A2-{scheme}-singular", "claim", "The mean singular value of a layer is 8 / (3 pi) sqrt(n Var W).",
            f"{GLOROT}, section 4.2", f"{scheme}, square layers of {settings.LINEAR_WIDTH}",
            rows_of(spectra, scheme=scheme)["mean_singular_value"].to_numpy(),
            prediction, margin=0.02,
        )  # fmt: skip
    rows = rows_of(layers, kind="linear", scheme="standard_uniform", epoch=0)
    with np.errstate(divide="ignore"):  # data of zeros have no gradient
        squares = rows.assign(log_gradient=np.log(rows["weight_gradient_squares"]))
    yield Question(
        "A3-weights", "claim", "Weight gradients are equally large in all layers, although the errors vanish.",
        f"{GLOROT}, figure 8", f"standard_uniform, identity, layers 2 to {settings.LINEAR_DEPTH}",
        change_per_layer(squares, "log_gradient", 2, settings.LINEAR_DEPTH), 0.0, margin=SLOPE_MARGIN,
        note="ln of the factor per layer of the squared weight gradient, between layers of equal shape",
    )  # fmt: skip


def relu_questions(layers: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask what He's, Glorot's and PyTorch's variances do to signals in ReLU layers."""
    depth = min(config["probe_depth"], key=lambda depth: abs(depth - 30))
    texts = {
        "he_normal": ("A4-he", f"{HE}, eq. 10", "keeps its mean square (factor 1)"),
        "xavier_normal": ("A4-xavier", f"{HE}, section 2.2", "halves its mean square (factor 1/2)"),
    }
    for scheme, (name, source, change) in texts.items():
        arm = {"kind": "propagation", "scheme": scheme, "activation": "relu", "depth": depth}
        yield from both_ways(
            layers, arm, id=name, source=source,
            forward=f"With {scheme} a ReLU layer {change} on the way forward.",
            backward=f"With {scheme} a ReLU layer {change} on the way back.",
        )  # fmt: skip
    arm = {"kind": "propagation", "scheme": "torch_default", "activation": "relu", "depth": depth}
    _, backward = both_ways(
        layers, arm, id="A5", source="PyTorch, nn.Linear.reset_parameters; Schoenholz et al. 2017", forward="",
        backward="PyTorch's default initialization divides the gradient's mean square by 6 a ReLU layer.",
    )  # fmt: skip
    yield backward


def bound_questions(layers: pd.DataFrame) -> Iterator[Question]:
    """Ask what ten sigmoid layers leave of a gradient."""
    from nnsim.report.arms import change_per_layer, rows_of
    from nnsim.report.old_questions import Question

    rows = rows_of(layers, kind="bound", epoch=0)
    norms = -10 * change_per_layer(rows, "delta_log", 1, 11) / 2
    expected = predict_arm("xavier_normal", "sigmoid", settings.BOUND_DEPTH, settings.BOUND_WIDTH).backward
    where = f"xavier_normal, sigmoid, layers 1 to 11 of {settings.BOUND_WIDTH}"
    yield Question(
        "A8-factor", "claim", "Ten sigmoid layers at Glorot scale shrink the gradient's norm by the mean-field factor.",
        "Schoenholz et al. 2017", where, norms, float(expected[0] - expected[10]) / 2, margin=0.25,
        note="ln of the norm's factor over ten layers",
    )  # fmt: skip
    yield Question(
        "A8-bound", "correction",
        "0.25^10 is a bound for weights of norm one; at Glorot scale ten sigmoid layers shrink the gradient more.",
        "textbook statement: sigma' <= 0.25, so ten layers multiply the gradient by 0.25^10", where, norms,
        10 * math.log(0.25), rule="at_most", note="ln of the norm's factor over ten layers",
    )  # fmt: skip


def fluctuation_questions(trials: pd.DataFrame) -> Iterator[Question]:
    """Ask how far single narrow networks stray from the mean."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    rows = rows_of(trials, kind="fluctuation", status="done").sort_values("repeat", kind="stable")
    alive = rows["alive"].to_numpy(dtype=float)
    gains = rows["log_gain"].to_numpy(dtype=float)[alive == 1]
    law = relu_log_forward_law([settings.FLUCTUATION_WIDTH] * (settings.FLUCTUATION_DEPTH + 1))
    where = f"he_normal, relu, {settings.FLUCTUATION_DEPTH} layers of {settings.FLUCTUATION_WIDTH}, one input"
    source = "Hanin and Nica 2018; Hanin and Rolnick 2018"
    beta = settings.FLUCTUATION_DEPTH / settings.FLUCTUATION_WIDTH
    leading = f"leading order: -5 beta / 2 = {-2.5 * beta:g} and 5 beta = {5 * beta:g} with beta = {beta:g}"
    yield Question(
        "A10-mean", "claim", "The logarithm of a He network's gain has the mean of the chi-square product law.", source,
        where, gains, law.mean, margin=0.3, note=f"given that the network is alive; {leading}",
    )  # fmt: skip
    yield Question(
        "A10-variance", "claim", "He fixes the mean, not the spread: ln of the gain has the law's variance.", source,
        where, gains, law.variance, margin=0.25 * law.variance, interval="variance",
        note=f"given that the network is alive; {leading}",
    )  # fmt: skip
    yield Question(
        "A10-survival", "claim", "A narrow ReLU network dies at an input as often as the law says.", source, where,
        alive, law.survival, margin=SURVIVAL_MARGIN, interval="proportion",
    )  # fmt: skip
