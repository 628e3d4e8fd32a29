"""What a layer makes of the gradient: scheme by scheme, and where it explodes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from . import settings
from .predictions import MEAN_FIELD, PAGE, PAGE_RELU, PER_LAYER, SLOPE_MARGIN, backward_factor, expected_of, lost

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question

GRID_DEPTH = 20  # the grid's claims are made at the depth nearest to it
NAMED_ARMS = {
    ("relu", "he_normal"): ("A4-he", "correction", PAGE_RELU,
        "ReLU's gradients neither shrink nor grow with variance 2 / fan_in."),
    ("relu", "xavier_normal"): ("A4-xavier", "correction", PAGE_RELU,
        "With variance 1 / fan_in every ReLU layer halves the gradient's mean square, although the slope is 1."),
    ("relu", "torch_default"): ("A5-backward", "claim", "PyTorch, nn.Linear.reset_parameters",
        "PyTorch's default initialization divides the gradient's mean square by 6 a ReLU layer."),
}  # fmt: skip
EXPLODING = {
    "A7-gain": "With the gain 5/3, a tanh network's gradients explode although its forward pass looks perfect.",
    "A9-tanh": "In the chaotic phase (tanh, sigma_w = 3) gradients grow by chi a layer.",
    "A9-sigmoid": "Gradients explode through sigmoid layers, too, if the weights are large (sigma_w = 20).",
    "A4-twice": "With twice He's variance a ReLU layer doubles the gradient's mean square.",
}


def grid_questions(layers: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask what a layer of each scheme and activation makes of the gradient."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    width, depth = config["probe_width"], min(config["probe_depth"], key=lambda depth: abs(depth - GRID_DEPTH))
    for activation, scheme in product(config["activation"], config["scheme"]):
        default = f"A1-{activation}-{scheme}", "claim", MEAN_FIELD, (
            f"Through {activation} layers drawn by {scheme} the gradient's mean square changes by chi = sw2 E f'^2."
        )  # fmt: skip
        name, kind, source, statement = NAMED_ARMS.get((activation, scheme), default)
        arm = {"activation": activation, "scheme": scheme, "depth": depth}
        prediction = backward_factor(arm, width)
        unknown = math.isnan(prediction)
        values = np.empty(0) if unknown else lost(rows_of(layers, kind="propagation", **arm), 1, depth)
        yield Question(
            name, kind, statement, source, f"{activation}, {scheme}, {depth} layers of {width}", values, prediction,
            margin=SLOPE_MARGIN, note="no prediction: its weights are not independent draws" if unknown else PER_LAYER,
        )  # fmt: skip


def explosion_questions(layers: pd.DataFrame) -> Iterator[Question]:
    """Ask where gradients explode."""
    from nnsim.report.arms import change_per_layer, rows_of
    from nnsim.report.old_questions import Question

    for name, (activation, scheme) in settings.EXPLOSIONS.items():
        arm = {"activation": activation, "scheme": scheme, "depth": settings.TRAP_DEPTH}
        rows = rows_of(layers, kind="explosion", **arm)
        where = f"{activation}, {scheme}, {settings.TRAP_DEPTH} layers of {settings.WIDE}"
        yield Question(
            f"{name}-backward", "correction" if name == "A9-sigmoid" else "claim", EXPLODING[name],
            PAGE if name == "A9-sigmoid" else MEAN_FIELD, where, lost(rows, 1, settings.TRAP_DEPTH),
            backward_factor(arm, settings.WIDE), margin=SLOPE_MARGIN, note=PER_LAYER,
        )  # fmt: skip
        if name == "A7-gain":
            forward = expected_of(arm, settings.WIDE).forward
            yield Question(
                "A7-gain-forward", "claim", "With the gain 5/3 a tanh network's activations settle: nothing is seen.",
                "PyTorch, nn.init.calculate_gain", where, change_per_layer(rows, "a_log", 1, settings.TRAP_DEPTH),
                float(forward[-1] - forward[0]) / (settings.TRAP_DEPTH - 1), margin=SLOPE_MARGIN,
                note="ln of the factor per layer of the activations' mean square",
            )  # fmt: skip
