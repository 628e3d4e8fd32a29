"""The gain that each activation needs, and what it then does to gradients through depth (A1)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nnsim.core.seeding import key
from nnsim.networks.activations import evaluate
from nnsim.networks.activations import parse as parse_activation
from nnsim.networks.gaussian_moments import activation_moments
from nnsim.networks.initializers import preserving_gain
from nnsim.probes.activation_moments import sampled_moments
from nnsim.report.arms import change_per_layer, rows_of
from nnsim.report.questions import Question, Within
from nnsim.study.checks import data_settings
from nnsim.study.declaration import Column
from nnsim.study.network_trials import LOOKING, look_at_network
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import DataTrial, NetworkTrial, Trial
from nnsim.theory.signals.closed_moments import closed_moments
from nnsim.theory.signals.finite_width import Propagation, predict

from .shared import REPEAT, look_cost

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 20_000  # of one trial's moments
DEPTH, WIDTH = 20, 128
RATIO_MARGIN = 0.02  # of ln chi from draws: GELU and SiLU are 0.005 apart, ReLU and GELU 0.07
SLOPE_MARGIN = 0.05  # of ln per layer: variance 1.8 instead of 2 would be off by 0.105
MEAN_FIELD = "Poole et al. 2016, eq. 3; Schoenholz et al. 2017"
MOMENT_COLUMNS = (
    Column("activation", "text", "", "activation, with its parameter"),
    REPEAT,
    Column("mean", "float", "", "mean of f(z) over standard normal draws"),
    Column("second", "float", "", "mean of f(z)^2"),
    Column("slope", "float", "", "mean of f'(z)^2"),
    Column("at_one", "float", "", "f(1)"),
    Column("at_minus_1000", "float", "", "f(-1000)"),
)


@dataclass(frozen=True, kw_only=True)
class MomentTrial(DataTrial):
    """An activation of normal draws; the data set is that of its study's other trials."""

    activation: str
    draws: int

    def smallest(self) -> Self:
        """Return a single draw."""
        return replace(super().smallest(), draws=1)


def trials(config: Config) -> Iterator[Trial]:
    """Yield draws, and networks that are looked at; on the first of the data sets."""
    data = data_settings(config | {"data": config["data"][0]})
    for activation, repeat in product(config["activation"], range(config["probe_seeds"])):
        arm: dict[str, Any] = {"activation": activation, "repeat": repeat, **data}
        yield MomentTrial(kind="moments", draws=DRAWS, **arm)
        yield NetworkTrial(kind="flow", scheme="preserving_normal", depth=DEPTH, width=WIDTH, **arm)


def measure_moments(trial: MomentTrial) -> Measured:
    """Draw an activation's moments, and evaluate it at the points that tell SELU's constants."""
    name, parameter = parse_activation(trial.activation)
    found = sampled_moments(name, parameter, trial.draws, key(trial.root_seed, "moments", trial.repeat))
    ends, _ = evaluate(name, np.array([1.0, -1e3]), parameter)
    return {"moments": [{**found._asdict(), "at_one": ends[0], "at_minus_1000": ends[1]}]}


def expected(activation: str) -> Propagation:
    """Return the predicted propagation of an activation at its variance-preserving gain."""
    name, parameter = parse_activation(activation)
    return predict(name, preserving_gain(name, parameter) ** 2, 0.0, DEPTH, WIDTH, parameter)


def _chi(activation: str) -> tuple[float, str]:
    """E f'^2 / E f^2, chi at the variance-preserving gain, and where the number comes from."""
    name, parameter = parse_activation(activation)
    closed = closed_moments(name, parameter)
    found = closed or activation_moments(name, 1.0, parameter)
    return found.slope / found.second, "closed form" if closed else "quadrature"


def _moment_questions(moments: pd.DataFrame, config: Config) -> Iterator[Question]:
    for activation in config["activation"]:
        rows = rows_of(moments, activation=activation).sort_values("repeat", kind="stable")
        with np.errstate(divide="ignore", invalid="ignore"):  # leaky_relu:1e200 overflows
            values = np.log(rows["slope"].to_numpy(dtype=float) / rows["second"].to_numpy(dtype=float))
        chi, how = _chi(activation)
        yield Question(
            id=f"A1-{activation}-moments",
            kind="check",
            statement=f"Drawn and computed moments of {activation} agree: E f'^2 / E f^2 = {chi:.4g}.",
            source=MEAN_FIELD,
            arm=f"{activation}, {DRAWS} normal draws a seed",
            values=values,
            rule=Within(math.log(chi) if chi > 0 else math.nan, RATIO_MARGIN),
            note=f"ln of chi at the variance-preserving gain; prediction by {how}",
        )


def flow_questions(layers: pd.DataFrame, config: Config) -> Iterator[Question]:
    """Ask how mean squares change a layer, forward and backward."""
    for activation in config["activation"]:
        rows, line = rows_of(layers, kind="flow", activation=activation), expected(activation)
        texts = {
            "forward": ("a_log", 1, line.forward, "activations follow the variance recursion q' = sw2 E f^2"),
            "backward": ("delta_log", -1, line.backward, "gradients follow chi = sw2 E f'^2 along it"),
        }
        for direction, (column, sign, course, change) in texts.items():
            yield Question(
                id=f"A1-{activation}-{direction}",
                kind="claim",
                statement=f"At the gain 1 / sqrt(E f^2) {activation}'s {change}.",
                source=MEAN_FIELD,
                arm=f"preserving_normal, {activation}, {DEPTH} layers of {WIDTH}",
                values=sign * change_per_layer(rows, column, 1, DEPTH),
                rule=Within(sign * float(course[-1] - course[0]) / (DEPTH - 1), SLOPE_MARGIN),
                note="ln of the factor per layer, prediction corrected for the finite width",
            )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask for moments, and for what depth makes of them."""
    yield from _moment_questions(tables["moments"], config)
    yield from flow_questions(tables["layers"], config)


GAINS = Part(
    kinds={
        "moments": Kind(MomentTrial, measure_moments, lambda trial: 1e-7 * trial.draws, LOOKING[1:]),
        "flow": Kind(NetworkTrial, look_at_network, look_cost, LOOKING),
    },
    trials=trials,
    questions=questions,
)
