"""What linear layers do to signals, to singular values and to weight gradients (A2, A3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.report.arms import change_per_layer, rows_of
from nnsim.report.questions import Question, Within
from nnsim.study.declaration import Column
from nnsim.study.network_trials import LOOKING, drawn_network, look_at_network, nine_digits
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import NetworkTrial
from nnsim.theory.signals.spectra import mean_singular_value

from .shared import GLOROT, SLOPE_MARGIN, both_ways, look_cost, repeated

if TYPE_CHECKING:
    import pandas as pd

DEPTH, WIDTH = 10, 128
SPECTRA_COLUMNS = (
    Column("scheme", "text", "", "initialization scheme"),
    Column("repeat", "int", "", "number of the independent seed"),
    Column("layer", "int", "", "hidden layer with a square weight matrix"),
    Column("mean_singular_value", "float", "", "mean singular value of the weight matrix (LAPACK, nine digits)"),
)


def trials(config: Config) -> Iterator[NetworkTrial]:
    """Yield linear networks, as they are drawn."""
    for scheme in ("standard_uniform", "xavier_uniform"):
        network = {"scheme": scheme, "activation": "identity", "depth": DEPTH, "width": WIDTH}
        yield from repeated(config, "linear", config["probe_seeds"], **network)


def measure(trial: NetworkTrial) -> Measured:
    """Look at a network, and at the singular values of its second layer, the first that is square.

    They are LAPACK's, so rounded and not canonical.
    """
    spec, theta = drawn_network(trial)
    W, _ = spec.layers(theta)[1]
    mean = nine_digits(float(np.mean(np.linalg.svd(W, compute_uv=False))))
    return look_at_network(trial) | {"spectra": [{"layer": 2, "mean_singular_value": mean}]}


def _scheme_questions(
    layers: pd.DataFrame, spectra: pd.DataFrame, scheme: str, factor: str, variance: float
) -> Iterator[Question]:
    arm: dict[str, Any] = {"kind": "linear", "scheme": scheme, "activation": "identity", "depth": DEPTH}
    yield from both_ways(
        layers,
        arm,
        name=f"A2-{scheme}",
        source=f"{GLOROT}, section 4.2",
        forward=f"In the linear regime {scheme} multiplies the activations' mean square by {factor} a layer.",
        backward=f"In the linear regime {scheme} multiplies the gradient's mean square by {factor} a layer.",
    )
    yield Question(
        id=f"A2-{scheme}-singular",
        kind="claim",
        statement="The mean singular value of a layer is 8 / (3 pi) sqrt(n Var W).",
        source=f"{GLOROT}, section 4.2",
        arm=f"{scheme}, square layers of {WIDTH}",
        values=rows_of(spectra, scheme=scheme)["mean_singular_value"].to_numpy(),
        rule=Within(mean_singular_value(variance), 0.02),
    )


def _trap_question(layers: pd.DataFrame) -> Question:
    rows = rows_of(layers, kind="linear", scheme="standard_uniform", epoch=0)
    with np.errstate(divide="ignore"):  # data of zeros have no gradient
        squares = rows.assign(log_gradient=np.log(rows["weight_gradient_squares"]))
    return Question(
        id="A3-weights",
        kind="claim",
        statement="Weight gradients are equally large in all layers, although the errors vanish.",
        source=f"{GLOROT}, figure 8",
        arm=f"standard_uniform, identity, layers 2 to {DEPTH}",
        values=change_per_layer(squares, "log_gradient", 2, DEPTH),
        rule=Within(0.0, SLOPE_MARGIN),
        note="ln of the factor per layer of the squared weight gradient, between layers of equal shape",
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask how signals change, how large singular values are, and where weight gradients are largest."""
    layers, spectra = tables["layers"], tables["spectra"]
    yield from _scheme_questions(layers, spectra, "standard_uniform", "1/3", 1 / 3)
    yield from _scheme_questions(layers, spectra, "xavier_uniform", "1", 1.0)
    yield _trap_question(layers)


LINEAR_REGIME = Part(
    kinds={"linear": Kind(NetworkTrial, measure, look_cost, LOOKING)}, trials=trials, questions=questions
)
