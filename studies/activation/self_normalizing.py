"""SELU's constants and its fixed point, beside SiLU's, which repels (A13)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.core.seeding import key
from nnsim.networks.initializers import preserving_gain
from nnsim.probes.propagation import propagate, unit_rows
from nnsim.report.arms import change_per_layer, rows_of
from nnsim.report.questions import Question, Within
from nnsim.study.checks import data_settings
from nnsim.study.declaration import Column
from nnsim.study.network_trials import LOOKING, PROBE_ROWS, data_of, drawn_network, look_at_network, parameters_of
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import NetworkTrial
from nnsim.theory.signals.attraction import perturbation_factor
from nnsim.theory.signals.finite_width import predict
from nnsim.theory.signals.selu import gradient_growth, selu_constants, variance_decay

from .shared import KLAMBAUER, REPEAT, look_cost

if TYPE_CHECKING:
    import pandas as pd

DEPTH, WIDTH = 12, 256
NUDGE = 0.1  # of ln q, up and down: the decay is a derivative
FAR = 2.0  # times the variance of the fixed point
DECAY_LAYER = 6  # from layer 1 to this one: deeper, the deviation drowns in the width's noise
DECAY_MARGIN = 0.02  # of the factor per layer
GROWTH_MARGIN = 0.02  # of ln per layer: a factor of 1 would be off by 0.07
FIXED_MARGIN = 0.06  # of ln q: a layer more or less would be off by 0.01, no attraction by 0.69
WHERE = f"layers of {WIDTH}"
PERTURBATION_COLUMNS = (
    Column("activation", "text", "", "activation"),
    REPEAT,
    Column("layer", "int", "", "hidden layer"),
    Column("difference", "float", "nats", "ln mean a^2 with the variance nudged up, minus that with it nudged down"),
    Column("far_log", "float", "nats", "ln mean a^2, started far from the fixed point"),
    Column("far_mean", "float", "", "mean activation, started far from the fixed point"),
)


def trials(config: Config) -> Iterator[NetworkTrial]:
    """Yield SELU networks as they are drawn and nudged, and SiLU networks nudged; on the first of the data sets."""
    shape: dict[str, Any] = {"depth": DEPTH, "width": WIDTH, **data_settings(config | {"data": config["data"][0]})}
    for repeat in range(config["probe_seeds"]):
        selu: dict[str, Any] = {"scheme": "lecun_normal", "activation": "selu", "repeat": repeat, **shape}
        yield NetworkTrial(kind="selu", **selu)
        yield NetworkTrial(kind="perturbation", **selu)
        yield NetworkTrial(kind="perturbation", **selu | {"scheme": "preserving_normal", "activation": "silu"})


def _scaled_look(trial: NetworkTrial, factor: float) -> list[dict[str, float]]:
    """Look at a network whose first pre-activations have the root mean square `factor`, up to the width's noise.

    Its first weights are scaled, as if its inputs were: mean squares are 1 there, those of activations 1 / gain^2.
    """
    spec, theta = drawn_network(trial)
    W, _ = spec.layers(theta)[0]
    W *= factor / preserving_gain(spec.activation, spec.parameter)
    X = unit_rows(data_of(trial).X_train[:PROBE_ROWS])
    return propagate(spec, theta, X, key(trial.root_seed, "signal", trial.repeat))[: trial.depth]


def measure_perturbation(trial: NetworkTrial) -> Measured:
    """Nudge the variance up and down, and start it far off, with the same weights."""
    down, up = (_scaled_look(trial, math.exp(sign * NUDGE / 2)) for sign in (-1, 1))
    far = _scaled_look(trial, math.sqrt(FAR))
    return {
        "perturbation": [
            {
                "layer": layer,
                "difference": high["a_log"] - low["a_log"],
                "far_log": distant["a_log"],
                "far_mean": distant["a_mean"],
            }
            for layer, (low, high, distant) in enumerate(zip(down, up, far, strict=True), start=1)
        ]
    }


def _constant_questions(moments: pd.DataFrame) -> Iterator[Question]:
    alpha, scale = selu_constants()
    rows = rows_of(moments, activation="selu")
    for name, column, closed in (("lambda", "at_one", scale), ("alpha", "at_minus_1000", -alpha * scale)):
        yield Question(
            id=f"A13-{name}",
            kind="check",
            statement=f"The program's {name} is the closed form that makes (0, 1) a fixed point.",
            source=f"{KLAMBAUER}, eq. 14",
            arm="selu as networks run it",
            values=rows[column].to_numpy(dtype=float),
            rule=Within(closed, 1e-14),
            note="f(1) = lambda" if name == "lambda" else "f(-1000) = -lambda alpha",
        )


def _decay_questions(perturbation: pd.DataFrame) -> Iterator[Question]:
    note = f"the same weights, the variance nudged by a factor of exp(+-{NUDGE:g})"
    yield Question(
        id="A13-decay",
        kind="claim",
        statement="A small deviation of the variance shrinks by 0.7826 a SELU layer.",
        source=KLAMBAUER,
        arm=f"lecun_normal, selu, {WHERE}, layers 1 to {DECAY_LAYER}",
        values=_decay(perturbation, "selu"),
        rule=Within(variance_decay(), DECAY_MARGIN),
        note=note,
    )
    yield Question(
        id="A1-silu-repels",
        kind="correction",
        statement=(
            "A gain that preserves the variance 1 need not keep it: SiLU's deviations grow by E z f f' / E f^2 a layer."
        ),
        source="textbook statement: the right gain keeps activations",
        arm=f"preserving_normal, silu, {WHERE}, layers 1 to {DECAY_LAYER}",
        values=_decay(perturbation, "silu"),
        rule=Within(perturbation_factor("silu"), DECAY_MARGIN),
        note=note,
    )


def _fixed_point_questions(perturbation: pd.DataFrame) -> Iterator[Question]:
    last = rows_of(perturbation, activation="selu", layer=DEPTH).sort_values("repeat", kind="stable")
    square = predict("selu", 1.0, 0.0, DEPTH, WIDTH, input_square=FAR).forward[-1]
    yield Question(
        id="A13-square",
        kind="claim",
        statement=f"Started at {FAR:g} times the variance, SELU layers bring the mean square back to 1.",
        source=KLAMBAUER,
        arm=f"lecun_normal, selu, {WHERE}, layer {DEPTH}",
        values=last["far_log"].to_numpy(dtype=float),
        rule=Within(float(square), FIXED_MARGIN),
        note=f"ln of the mean square; it starts at {math.log(FAR):.3g}",
    )
    yield Question(
        id="A13-mean",
        kind="claim",
        statement="Their mean is 0, as the fixed point has it.",
        source=KLAMBAUER,
        arm=f"lecun_normal, selu, {WHERE}, layer {DEPTH}",
        values=last["far_mean"].to_numpy(dtype=float),
        rule=Within(0.0, 0.03),
        note="mean activation; ReLU's would be 0.56",
    )


def _growth_question(layers: pd.DataFrame) -> Question:
    growth = predict("selu", 1.0, 0.0, DEPTH, WIDTH).backward[0] / (DEPTH - 1)
    return Question(
        id="A13-growth",
        kind="claim",
        statement=f"Activations are kept, gradients are not: chi = {gradient_growth():.4f} a layer.",
        source="Schoenholz et al. 2017, section 5",
        arm=f"lecun_normal, selu, {WHERE}, layers 1 to {DEPTH}",
        values=-change_per_layer(rows_of(layers, kind="selu"), "delta_log", 1, DEPTH),
        rule=Within(float(growth), GROWTH_MARGIN),
        note="ln of the factor per layer, prediction corrected for the finite width",
    )


def _decay(perturbation: pd.DataFrame, activation: str) -> np.ndarray:
    """Factor a layer of the deviation between two signals of the same network, for each seed."""
    wide = rows_of(perturbation, activation=activation).pivot(index="repeat", columns="layer", values="difference")
    wide = wide.reindex(columns=[1, DECAY_LAYER]).dropna()
    with np.errstate(invalid="ignore"):  # a deviation that changed its sign is no factor
        return ((wide[DECAY_LAYER] / wide[1]) ** (1 / (DECAY_LAYER - 1))).to_numpy(dtype=float)


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask for the constants, for the fixed point and for what it does to gradients."""
    yield from _constant_questions(tables["moments"])
    yield from _decay_questions(tables["perturbation"])
    yield from _fixed_point_questions(tables["perturbation"])
    yield _growth_question(tables["layers"])


SELF_NORMALIZING = Part(
    kinds={
        "selu": Kind(NetworkTrial, look_at_network, look_cost, LOOKING),
        "perturbation": Kind(
            NetworkTrial, measure_perturbation, lambda trial: 3e-4 + 3e-8 * parameters_of(trial), LOOKING
        ),
    },
    trials=trials,
    questions=questions,
)
