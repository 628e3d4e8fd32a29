"""What batch normalisation makes of the errors on their way back, as networks are drawn (D1)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from nnsim.core.seeding import key
from nnsim.kernels.cpu.draws import fill_normal
from nnsim.kernels.formulas.philox import DATA
from nnsim.networks.activations import parse as parse_activation
from nnsim.probes.propagation import propagate
from nnsim.report.arms import change_per_layer, rows_of
from nnsim.report.questions import Question, Within
from nnsim.study.network_trials import LOOKING, network_of
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import NetworkTrial
from nnsim.study.unit_trials import start_of
from nnsim.theory.signals.batch_statistics import batch_norm_gradient_factor
from nnsim.theory.signals.mean_field import gradient_factor

from .shared import GAUSSIAN, cost

if TYPE_CHECKING:
    import pandas as pd

DEPTH, WIDTH, ROWS = 8, 192, 384  # inputs and outputs are as wide
FACTOR_MARGIN = 0.03  # of ln a layer: ReLU's 0.383 must not pass for GELU's or for 0


@dataclass(frozen=True, kw_only=True)
class ExplosionTrial(NetworkTrial):
    """A network as it is drawn, with batch normalisation or without."""

    normalization: str


def trials(config: Config) -> Iterator[ExplosionTrial]:
    """Yield normalised networks of each activation, and a ReLU network without normalisation."""
    arms = [*((activation, "batch") for activation in config["activation"]), ("relu", "none")]
    for (activation, normalization), repeat in product(arms, range(config["probe_seeds"])):
        yield ExplosionTrial(
            kind="explosion",
            scheme="he_normal",
            activation=activation,
            depth=DEPTH,
            width=WIDTH,
            normalization=normalization,
            repeat=repeat,
            **GAUSSIAN,
        )


def measure(trial: ExplosionTrial) -> Measured:
    """Follow a Gaussian error signal back through every layer, for one large batch of Gaussian inputs."""
    root, repeat, width = trial.root_seed, trial.repeat, trial.width
    spec = replace(network_of(trial, "float64"), widths=(width,) * (trial.depth + 2))
    X = np.empty(ROWS * width)
    fill_normal(X, np.uint64(key(root, "inputs", repeat)), DATA, 0)
    facts = propagate(spec, start_of(trial, spec), X.reshape(ROWS, width), key(root, "signal", repeat))
    return {
        "layers": [{"layer": layer, "delta_square": fact["delta_square"]} for layer, fact in enumerate(facts[:-1], 1)]
    }


def factor_of(activation: str) -> float:
    """Return the predicted ln of the factor of the errors' mean square a normalised layer."""
    return math.log(batch_norm_gradient_factor(*parse_activation(activation)))


def _growth_per_layer(layers: pd.DataFrame, activation: str, normalization: str) -> np.ndarray:
    """Return ln of the factor a layer, from the last hidden layer back to the second, for each seed."""
    rows = rows_of(layers, kind="explosion", activation=activation, normalization=normalization)
    with np.errstate(divide="ignore"):
        return -change_per_layer(rows.assign(log=np.log(rows["delta_square"])), "log", 2, DEPTH)


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask how errors grow a layer, with normalisation and without."""
    layers, where = tables["layers"], f"{DEPTH} layers of {WIDTH}, one batch of {ROWS}"
    ask = partial(Question, kind="claim", note="ln of the factor of the mean square a layer")
    for activation in config["activation"]:
        yield ask(
            id=f"D1-explosion-{activation}",
            statement=f"Behind batch normalisation errors grow by E f'^2 / Var f a {activation} layer on the way back.",
            source="Yang et al. 2019, section 4",
            arm=f"batch norm, {activation}, {where}",
            values=_growth_per_layer(layers, activation, "batch"),
            rule=Within(factor_of(activation), FACTOR_MARGIN),
        )
    yield ask(
        id="D1-plain",
        statement="Without normalisation and with He's variance errors keep their mean square.",
        source="He et al. 2015",
        arm=f"no norm, relu, {where}",
        values=_growth_per_layer(layers, "relu", "none"),
        rule=Within(math.log(gradient_factor("relu", 2.0, 1.0)), FACTOR_MARGIN),
    )


EXPLOSION = Part(
    kinds={"explosion": Kind(ExplosionTrial, measure, cost, LOOKING)},
    trials=trials,
    questions=questions,
)
