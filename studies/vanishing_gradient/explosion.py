"""Where gradients explode (A4, A7, A9)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

from nnsim.report.arms import change_per_layer, rows_of
from nnsim.report.questions import Question, Within
from nnsim.study.checks import data_settings
from nnsim.study.network_trials import LOOKING
from nnsim.study.parts import Config, Kind, Part
from nnsim.theory.signals.finite_width import predict_arm

from .predictions import MEAN_FIELD, PAGE, PER_LAYER, SLOPE_MARGIN, backward_factor, lost
from .shared import WIDE, RemedyTrial, look, look_cost

if TYPE_CHECKING:
    import pandas as pd

DEPTH = 20
GAIN = ("tanh", "mean_field:1.6666666666666667")
EXPLODING = {
    GAIN: (
        "A7-gain",
        "With the gain 5/3, a tanh network's gradients explode although its forward pass looks perfect.",
    ),
    ("tanh", "mean_field:3"): (
        "A9-tanh",
        "In the chaotic phase (tanh, sigma_w = 3) gradients grow by chi a layer.",
    ),
    ("sigmoid", "mean_field:20"): (
        "A9-sigmoid",
        "Gradients explode through sigmoid layers, too, if the weights are large (sigma_w = 20).",
    ),
    ("relu", "mean_field:2"): (
        "A4-twice",
        "With twice He's variance a ReLU layer doubles the gradient's mean square.",
    ),
}


def trials(config: Config) -> Iterator[RemedyTrial]:
    """Yield networks whose gradients explode."""
    data = data_settings(config)
    for (activation, scheme), repeat in product(EXPLODING, range(config["probe_seeds"])):
        arm: dict[str, Any] = {"activation": activation, "scheme": scheme}
        yield RemedyTrial(kind="explosion", depth=DEPTH, width=WIDE, repeat=repeat, **arm, **data)


def _rows(layers: pd.DataFrame, activation: str, scheme: str) -> pd.DataFrame:
    return rows_of(layers, kind="explosion", activation=activation, scheme=scheme, depth=DEPTH)


def _where(activation: str, scheme: str) -> str:
    return f"{activation}, {scheme}, {DEPTH} layers of {WIDE}"


def _forward_question(layers: pd.DataFrame) -> Question:
    """Ask whether the forward pass shows that gradients explode."""
    activation, scheme = GAIN
    forward = predict_arm(scheme, activation, DEPTH, WIDE).forward
    return Question(
        id="A7-gain-forward",
        kind="claim",
        statement="With the gain 5/3 a tanh network's activations settle: nothing is seen.",
        source="PyTorch, nn.init.calculate_gain",
        arm=_where(*GAIN),
        values=change_per_layer(_rows(layers, *GAIN), "a_log", 1, DEPTH),
        rule=Within(float(forward[-1] - forward[0]) / (DEPTH - 1), SLOPE_MARGIN),
        note="ln of the factor per layer of the activations' mean square",
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask by how much gradients grow a layer."""
    layers = tables["layers"]
    for (activation, scheme), (name, statement) in EXPLODING.items():
        against_page = activation == "sigmoid"
        yield Question(
            id=f"{name}-backward",
            kind="correction" if against_page else "claim",
            statement=statement,
            source=PAGE if against_page else MEAN_FIELD,
            arm=_where(activation, scheme),
            values=lost(_rows(layers, activation, scheme), 1, DEPTH),
            rule=Within(backward_factor(scheme, activation, DEPTH, WIDE), SLOPE_MARGIN),
            note=PER_LAYER,
        )
    yield _forward_question(layers)


EXPLOSION = Part(
    kinds={"explosion": Kind(RemedyTrial, look, look_cost, LOOKING)},
    trials=trials,
    questions=questions,
)
