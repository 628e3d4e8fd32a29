"""Two inputs through depth: how fast they lose their difference in length, become one, or part (A9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnsim.networks.initializers import initialize
from nnsim.probes.input_pairs import correlations, pair_inputs, pair_moments
from nnsim.report.arms import rows_of
from nnsim.report.questions import Question, Within
from nnsim.study.checks import data_settings
from nnsim.study.declaration import Column
from nnsim.study.network_trials import ARM_COLUMNS, LOOKING, nine_digits
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import NetworkTrial
from nnsim.theory.signals.correlation import relu_correlation_map
from nnsim.theory.signals.finite_width_pairs import PairPrediction, predict_pair
from nnsim.theory.signals.mean_field import fixed_point

from .phase_plane import BIAS_VARIANCE, POOLE, SCHOENHOLZ, mean_field, tanh_scales
from .shared import own_network

if TYPE_CHECKING:
    import pandas as pd


class Pair(NamedTuple):
    """Two inputs, the first of the fixed length."""

    sw2: float
    correlation: float
    ratio: float  # of their mean squares


DEPTH, WIDTH = 12, 192
PAIRS = {
    "order": Pair(0.7, 0.5, 1.0),
    "variance": Pair(1.0, 1.0, 2.0),
    "chaos": Pair(3.0, 0.999, 1.0),
    "chaos, unlike": Pair(3.0, 0.0, 1.0),
}
RELU_WIDTH = 16384  # of the one layer; two inputs of two features
RELU_CORRELATIONS = (0.0, 0.5, 0.9)
FIRST, LAST = 2, 10  # layers between which a distance shrinks or grows
DISTANCE_MARGIN = 0.05  # of ln per layer, as for all changes per layer
RATIO_MARGIN = 0.02  # of ln: a depth scale 20 % longer would be off by 0.03
CORRELATION_MARGIN = 0.1
RELU_MARGIN = 0.02
MOMENTS = ("first_square", "other_square", "apart_square")
PAIR_COLUMNS = (
    *ARM_COLUMNS,
    Column("pair", "text", "", "what the two inputs are for"),
    Column("correlation", "float", "", "correlation of the two inputs"),
    Column("layer", "int", "", "hidden layer"),
    Column("first_square", "float", "", "mean squared activation of the first input (BLAS, nine digits)"),
    Column("other_square", "float", "", "mean squared activation of the other input"),
    Column("apart_square", "float", "", "mean squared difference of their activations"),
)


@dataclass(frozen=True, kw_only=True)
class PairTrial(NetworkTrial):
    """A network through which two inputs go; their mean squares are `square` and `other_square`."""

    pair: str
    correlation: float
    square: float
    other_square: float


@cache
def input_square(sw2: float) -> float:
    """Return the inputs' mean square that gives the first layer its fixed variance, on a grid of 2^-20."""
    q = fixed_point("tanh", sw2, BIAS_VARIANCE).variance
    return round((q - BIAS_VARIANCE) / sw2 * 2**20) / 2**20


def trials(config: Config) -> Iterator[PairTrial]:
    """Yield deep tanh networks and single ReLU layers."""
    data = data_settings(config)
    tanh: dict[str, Any] = {"activation": "tanh", "depth": DEPTH, "width": WIDTH, **data}
    relu: dict[str, Any] = {"scheme": "he_normal", "activation": "relu", "depth": 1, "width": RELU_WIDTH, **data}
    for repeat in range(2 * config["probe_seeds"]):
        for name, (sw2, correlation, ratio) in PAIRS.items():
            square = input_square(sw2)
            inputs: dict[str, Any] = {"correlation": correlation, "square": square, "other_square": square * ratio}
            scheme = mean_field(sw2, BIAS_VARIANCE)
            yield PairTrial(kind="pair", pair=name, scheme=scheme, repeat=repeat, **inputs, **tanh)
        for correlation in RELU_CORRELATIONS:
            inputs = {"correlation": correlation, "square": 1.0, "other_square": 1.0}
            yield PairTrial(kind="pair", pair=f"relu {correlation:g}", repeat=repeat, **inputs, **relu)


def measure(trial: PairTrial) -> Measured:
    """Follow two inputs from layer to layer."""
    spec, draws = own_network(trial, 2, 1)
    X = pair_inputs(trial.correlation, trial.square, trial.other_square)
    found = pair_moments(spec, initialize(spec, trial.scheme, draws), X)
    rows = [
        {"layer": layer, **dict(zip(MOMENTS, map(nine_digits, moments), strict=True))}
        for layer, moments in enumerate(found, start=1)
    ]
    return {"trials": [{"parameters": spec.n_parameters}], "pairs": rows}


def cost(trial: PairTrial) -> float:
    """Return the expected seconds: multiply-adds at a speed seen on small networks, plus overheads."""
    return 3e-4 + 8e-9 * ((trial.depth - 1) * trial.width**2 + 3 * trial.width)


@cache
def expected_pair(pair: str) -> PairPrediction:
    """Return what to expect of the two inputs of an arm, corrected for the finite width."""
    sw2, correlation, ratio = PAIRS[pair]
    square = input_square(sw2)
    return predict_pair("tanh", sw2, BIAS_VARIANCE, DEPTH, WIDTH, (square, square * ratio, correlation))


def _measured(pairs: pd.DataFrame, pair: str, layer: int) -> np.ndarray:
    """Mean squares of both inputs and of their difference at one layer, a row a seed."""
    rows = rows_of(pairs, pair=pair, layer=layer).sort_values("repeat", kind="stable")
    return rows[list(MOMENTS)].to_numpy(dtype=float)


def _question(pair: str, note: str, **fields: Any) -> Question:
    sw2, correlation, _ = PAIRS[pair]
    where = f"tanh, sw2 = {sw2:g}, sb2 = {BIAS_VARIANCE:g}, layers of {WIDTH}, inputs of correlation {correlation:g}"
    return Question(kind="claim", arm=where, note=f"{note}, prediction corrected for the finite width", **fields)


def _distance_question(pairs: pd.DataFrame, pair: str, scale: str, **texts: str) -> Question:
    first, last = (np.log(_measured(pairs, pair, layer)[:, 2]) for layer in (FIRST, LAST))
    line, layers = expected_pair(pair).log_apart, LAST - FIRST
    return _question(
        pair,
        f"ln of the factor per layer of the squared distance, layers {FIRST} to {LAST}; {scale}",
        source=f"{SCHOENHOLZ}, eq. 9",
        values=(last - first) / layers,
        rule=Within(float(line[LAST - 1] - line[FIRST - 1]) / layers, DISTANCE_MARGIN),
        **texts,
    )


def _length_question(pairs: pd.DataFrame) -> Question:
    lengths = _measured(pairs, "variance", 3)
    xi = tanh_scales(PAIRS["variance"].sw2).variance
    return _question(
        "variance",
        f"ln of the ratio of mean squares after 3 layers, ln 2 before; xi_q = {xi:.3g}",
        id="A9-xi-q",
        statement="A difference in length is forgotten over the depth scale xi_q.",
        source=f"{SCHOENHOLZ}, eq. 6",
        values=np.log(lengths[:, 1] / lengths[:, 0]),
        rule=Within(float(expected_pair("variance").log_ratio[2]), RATIO_MARGIN),
    )


def _correlation_question(pairs: pd.DataFrame) -> Question:
    pair = "chaos, unlike"
    return _question(
        pair,
        f"correlation of the activations at layer {DEPTH}",
        id="A9-c-star",
        statement="In the chaotic phase unlike inputs become alike, but only up to the correlation c* below 1.",
        source=f"{POOLE}, figure 2",
        values=1 - correlations(_measured(pairs, pair, DEPTH)),
        rule=Within(float(expected_pair(pair).correlation[DEPTH - 1]), CORRELATION_MARGIN),
    )


def _relu_question(pairs: pd.DataFrame, c: float) -> Question:
    """Ask what one ReLU layer makes of a correlation: exact at any width, since the layer's units are independent."""
    moments = _measured(pairs, f"relu {c:g}", 1)
    return Question(
        id=f"A9-relu-map-{c:g}",
        kind="claim",
        statement="A ReLU layer makes of a correlation c the arc-cosine kernel of c.",
        source="Cho and Saul 2009, eq. 6; at its critical point (2, 0)",
        arm=f"he_normal, relu, one layer of {RELU_WIDTH}, inputs of correlation {c:g}",
        values=(moments[:, 0] + moments[:, 1] - moments[:, 2]) / 2,
        rule=Within(relu_correlation_map(c), RELU_MARGIN),
        note="mean product of the two activations; inputs have mean square one",
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask for the depth scales of tanh, for its correlation c*, and for ReLU's map of correlations."""
    pairs = tables["pairs"]
    yield _distance_question(
        pairs,
        "order",
        f"xi_c = {tanh_scales(PAIRS['order'].sw2).correlation:.3g}",
        id="A9-xi-c",
        statement="In the ordered phase two inputs become one, over the depth scale xi_c.",
    )
    yield _distance_question(
        pairs,
        "chaos",
        f"gradient scale {-tanh_scales(PAIRS['chaos'].sw2).gradient:.3g}",
        id="A9-xi-gradient",
        statement="In the chaotic phase two close inputs part as fast as gradients grow.",
    )
    yield _length_question(pairs)
    yield _correlation_question(pairs)
    yield from (_relu_question(pairs, c) for c in RELU_CORRELATIONS)


INPUT_PAIRS = Part(kinds={"pair": Kind(PairTrial, measure, cost, LOOKING[1:])}, trials=trials, questions=questions)
