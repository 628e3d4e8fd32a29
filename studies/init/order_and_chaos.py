"""Order and chaos: on which side of the line gradients vanish, on which they explode, and where the line is (A9)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.report.arms import change_per_layer, rows_of
from nnsim.report.questions import Question, Within
from nnsim.study.parts import Config, Part
from nnsim.study.trials import NetworkTrial
from nnsim.theory.signals.correlation import critical_weight
from nnsim.theory.signals.finite_width import predict_arm

from .phase_plane import BIAS_VARIANCE, POOLE, SCHOENHOLZ, mean_field
from .shared import LOOKED_AT, both_ways, repeated

if TYPE_CHECKING:
    import pandas as pd

DEPTH, WIDTH, SETTLED = 20, 96, 5  # from layer SETTLED on the variance changes no more
WEIGHTS = (0.5, 1.0, 1.6, 1.9, 2.5, 3.0)
BIASES = (0.0, 0.05, 0.2, 0.5)
BESIDE = (1.6, 1.9)  # the weights next to the line, where biases have the variance that claims are about
LINE_MARGIN = 0.2  # of sw2: what 0.05 of ln per layer come to


def trials(config: Config) -> Iterator[NetworkTrial]:
    """Yield tanh networks over the plane of weight and bias variances; most seeds at the bias that claims are about."""
    for sw2, sb2 in product(WEIGHTS, BIASES):
        seeds = config["probe_seeds"] if sb2 == BIAS_VARIANCE else -(-config["probe_seeds"] // 4)
        network = {"scheme": mean_field(sw2, sb2), "activation": "tanh", "depth": DEPTH, "width": WIDTH}
        yield from repeated(config, "phase", seeds, **network)


def gradient_factors(layers: pd.DataFrame, sw2: float, sb2: float) -> np.ndarray:
    """Return, for each seed, ln of the factor per layer by which gradients change where the variance is settled."""
    rows = rows_of(layers, kind="phase", scheme=mean_field(sw2, sb2))
    return -change_per_layer(rows, "delta_log", SETTLED, DEPTH)


@cache
def expected_factor(sw2: float, sb2: float) -> float:
    """Return what `gradient_factors` should be, corrected for the finite width."""
    line = predict_arm(mean_field(sw2, sb2), "tanh", DEPTH, WIDTH).backward
    return float(line[SETTLED - 1] - line[DEPTH - 1]) / (DEPTH - SETTLED)


def _side_questions(layers: pd.DataFrame) -> Iterator[Question]:
    for sw2, name, statement in (
        (1.0, "ordered", "In the ordered phase gradients vanish by chi_1 a layer."),
        (3.0, "chaotic", "In the chaotic phase gradients explode by chi_1 a layer."),
    ):
        arm: dict[str, Any] = {"scheme": mean_field(sw2, BIAS_VARIANCE), "activation": "tanh", "depth": DEPTH}
        source = f"{SCHOENHOLZ}, section 5"
        yield from both_ways(layers, {"kind": "phase", **arm}, name=f"A9-{name}", source=source, backward=statement)


def _line_question(layers: pd.DataFrame) -> Question:
    low, high = BESIDE
    critical, _ = critical_weight("tanh", BIAS_VARIANCE)
    below, above = (gradient_factors(layers, sw2, BIAS_VARIANCE) for sw2 in BESIDE)
    low_wanted, high_wanted = (expected_factor(sw2, BIAS_VARIANCE) for sw2 in BESIDE)
    slope = (high_wanted - low_wanted) / (high - low)
    excess = (below + above - low_wanted - high_wanted) / 2 if below.size == above.size else below[:0]
    return Question(
        id="A9-line",
        kind="claim",
        statement="Gradients neither vanish nor explode where chi_1 = 1, at sw2 = 1.760955 for sb2 = 0.05.",
        source=f"{POOLE}, figure 1; {SCHOENHOLZ}, figure 1",
        arm=f"tanh, {DEPTH} layers of {WIDTH}, sw2 = {low} and {high}",
        values=critical - excess / slope,
        rule=Within(critical, LINE_MARGIN),
        note="sw2 at which ln of the measured factor is 0: mean of two points beside the line, prediction corrected "
        "for the finite width, slope predicted",
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask for the two sides, and for the line."""
    yield from _side_questions(tables["layers"])
    yield _line_question(tables["layers"])


ORDER_AND_CHAOS = Part(kinds={"phase": LOOKED_AT}, trials=trials, questions=questions)
