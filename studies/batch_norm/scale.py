"""What the scale of weights behind batch normalisation is to the loss and its gradient: nothing (D1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from nnsim.kernels.cpu.training import loss_and_gradient
from nnsim.networks.spec import NetworkSpec
from nnsim.report.arms import rows_of
from nnsim.report.questions import AtMost, Question
from nnsim.study.network_trials import data_of, network_of
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import NetworkTrial
from nnsim.study.unit_trials import start_of
from nnsim.training import trainer

from .shared import GAUSSIAN, cost, sum_in_order

if TYPE_CHECKING:
    import pandas as pd

DEPTH, WIDTH = 3, 16
SCALE = 3.0  # times the hidden weights
ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class ScaleTrial(NetworkTrial):
    """A normalised network as it is drawn; settings as in `nnsim.networks.spec.NetworkSpec`."""

    normalization: str
    norm_epsilon: float


def trials(config: Config) -> Iterator[ScaleTrial]:
    """Yield normalised networks without epsilon, which would set a scale."""
    for activation, repeat in product(("relu", "tanh"), range(config["probe_seeds"])):
        yield ScaleTrial(
            kind="scale",
            scheme="he_normal",
            activation=activation,
            depth=DEPTH,
            width=WIDTH,
            normalization="batch",
            norm_epsilon=0.0,
            repeat=repeat,
            **GAUSSIAN,
        )


def _gradient(spec: NetworkSpec, theta: np.ndarray, data: trainer.Batches) -> tuple[float, np.ndarray]:
    gradient = np.empty_like(theta)
    return loss_and_gradient(spec.architecture, theta, data.X, data.Y, gradient, np.uint64(0), 0), gradient


def _largest_cosine(W: np.ndarray, G: np.ndarray) -> float:
    """Return the largest |cos| between a unit's weights and their gradient."""
    lengths = np.sqrt(sum_in_order(W * W) * sum_in_order(G * G))
    return float(np.max(np.abs(sum_in_order(W * G)) / lengths))


def measure(trial: ScaleTrial) -> Measured:
    """Compare each unit's weights with their gradient, and the loss with that of larger weights."""
    spec = network_of(trial, "float64")
    theta, data = start_of(trial, spec), trainer.batches(data_of(trial), np.float64)
    loss, gradient = _gradient(spec, theta, data)
    weights, slopes = spec.views(theta, "weight")[:-1], spec.views(gradient, "weight")[:-1]
    cosine = max(map(_largest_cosine, weights, slopes))
    for W in weights:
        W *= SCALE
    scaled, _ = _gradient(spec, theta, data)
    return {"trials": [{"largest_cosine": cosine, "loss_change": abs(scaled - loss) / loss}]}


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether gradients are orthogonal to weights, and losses free of their scale."""
    rows = rows_of(tables["trials"], kind="scale", status="done")
    texts = {
        "orthogonal": ("largest_cosine", "Behind the linear layer, normalisation makes <w, dL/dw> = 0 for each unit."),
        "scale": ("loss_change", f"Hidden weights {SCALE:g} times as large give the same loss."),
    }
    for name, (column, statement) in texts.items():
        yield Question(
            id=f"D1-{name}",
            kind="check",
            statement=statement,
            source="Ioffe and Szegedy 2015, section 3.3",
            arm=f"relu and tanh, {DEPTH} layers of {WIDTH}, epsilon 0, float64",
            values=rows.groupby("repeat")[column].max().to_numpy(dtype=float),
            rule=AtMost(ROUNDING),
        )


SCALE_FREEDOM = Part(
    kinds={"scale": Kind(ScaleTrial, measure, cost, ("loss_and_gradient float64",))},
    trials=trials,
    questions=questions,
)
