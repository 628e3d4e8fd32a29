"""What a layer makes of the gradient, for each activation and scheme (A1, A4, A5)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.report.arms import rows_of
from nnsim.report.questions import Question, Within
from nnsim.study.checks import data_settings
from nnsim.study.network_trials import LOOKING
from nnsim.study.parts import Config, Kind, Part

from .predictions import MEAN_FIELD, PAGE_RELU, PER_LAYER, SLOPE_MARGIN, backward_factor, lost
from .shared import RemedyTrial, look, look_cost

if TYPE_CHECKING:
    import pandas as pd

CLAIMED_DEPTH = 20  # the claims are made at the depth nearest to it
NAMED: dict[tuple[str, str], dict[str, Any]] = {
    ("relu", "he_normal"): {
        "id": "A4-he",
        "kind": "correction",
        "statement": "ReLU's gradients neither shrink nor grow with variance 2 / fan_in.",
        "source": PAGE_RELU,
    },
    ("relu", "xavier_normal"): {
        "id": "A4-xavier",
        "kind": "correction",
        "statement": (
            "With variance 1 / fan_in every ReLU layer halves the gradient's mean square, although the slope is 1."
        ),
        "source": PAGE_RELU,
    },
    ("relu", "torch_default"): {
        "id": "A5-backward",
        "kind": "claim",
        "statement": "PyTorch's default initialization divides the gradient's mean square by 6 a ReLU layer.",
        "source": "PyTorch, nn.Linear.reset_parameters",
    },
}


def trials(config: Config) -> Iterator[RemedyTrial]:
    """Yield networks of each activation, scheme and depth."""
    data = data_settings(config)
    arms = product(config["activation"], config["scheme"], config["probe_depth"], range(config["probe_seeds"]))
    for activation, scheme, depth, repeat in arms:
        yield RemedyTrial(
            kind="propagation",
            scheme=scheme,
            activation=activation,
            depth=depth,
            width=config["probe_width"],
            repeat=repeat,
            **data,
        )


def _texts(activation: str, scheme: str) -> dict[str, Any]:
    return NAMED.get((activation, scheme)) or {
        "id": f"A1-{activation}-{scheme}",
        "kind": "claim",
        "statement": (
            f"Through {activation} layers drawn by {scheme} the gradient's mean square changes by chi = sw2 E f'^2."
        ),
        "source": MEAN_FIELD,
    }


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask what a layer of each scheme and activation makes of the gradient."""
    width, depth = config["probe_width"], min(config["probe_depth"], key=lambda depth: abs(depth - CLAIMED_DEPTH))
    for activation, scheme in product(config["activation"], config["scheme"]):
        arm = {"activation": activation, "scheme": scheme, "depth": depth}
        prediction = backward_factor(scheme, activation, depth, width)
        unknown = math.isnan(prediction)
        rows = rows_of(tables["layers"], kind="propagation", **arm)
        yield Question(
            **_texts(activation, scheme),
            arm=f"{activation}, {scheme}, {depth} layers of {width}",
            values=np.empty(0) if unknown else lost(rows, 1, depth),
            rule=Within(prediction, SLOPE_MARGIN),
            note="no prediction: its weights are not independent draws" if unknown else PER_LAYER,
        )


LAYER_FACTORS = Part(
    kinds={"propagation": Kind(RemedyTrial, look, look_cost, LOOKING)},
    trials=trials,
    questions=questions,
)
