"""Order and chaos (A9): the line between them, depth scales, correlations, and how deep networks can be trained."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.probes.input_pairs import correlations
from nnsim.theory.signals.correlation import DepthScales, critical_weight, depth_scales, relu_correlation_map
from nnsim.theory.signals.finite_width import predict_arm
from nnsim.theory.signals.finite_width_pairs import PairPrediction, predict_pair

from . import settings
from .signal_questions import both_ways
from .trials import input_square

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question

POOLE, SCHOENHOLZ = "Poole et al. 2016", "Schoenholz et al. 2017"
LINE_MARGIN = 0.2  # of sw2: what 0.05 of ln per layer come to
DISTANCE_MARGIN = 0.05  # of ln per layer, as for all changes per layer
RATIO_MARGIN = 0.02  # of ln: a depth scale 20 % longer would be off by 0.03
CORRELATION_MARGIN = 0.1
RELU_MARGIN = 0.02
SCHOENHOLZ_SCALES = 6.0  # depth scales that can be trained through
FALL_MARGIN = math.log(2)  # of ln: a published factor, for another task, width and training time
PROPORTION_MARGIN = 0.3  # of ln: a depth that did not depend on xi_c would be off by 0.7


def phase_questions(layers: pd.DataFrame) -> Iterator[Question]:
    """Ask on which side of the line gradients vanish, on which they explode, and where the line is."""
    sides = {
        1.0: ("ordered", "In the ordered phase gradients vanish by chi_1 a layer."),
        3.0: ("chaotic", "In the chaotic phase gradients explode by chi_1 a layer."),
    }
    for sw2, (name, statement) in sides.items():
        scheme = settings.mean_field(sw2, settings.BIAS_VARIANCE)
        arm = {"kind": "phase", "scheme": scheme, "activation": "tanh", "depth": settings.PHASE_DEPTH}
        _, backward = both_ways(
            layers, arm, id=f"A9-{name}", source=f"{SCHOENHOLZ}, section 5", forward="", backward=statement
        )
        yield backward
    yield _line_question(layers)


def gradient_factors(layers: pd.DataFrame, sw2: float, sb2: float) -> pd.Series:
    """Return, for each seed, ln of the factor per layer by which gradients change where the variance is settled."""
    from nnsim.report.arms import change_per_layer, rows_of

    rows = rows_of(layers, kind="phase", scheme=settings.mean_field(sw2, sb2))
    return -change_per_layer(rows, "delta_log", settings.PHASE_FROM, settings.PHASE_DEPTH)


@cache
def expected_factor(sw2: float, sb2: float) -> float:
    """Return what `gradient_factors` should be, corrected for the finite width."""
    first, last = settings.PHASE_FROM, settings.PHASE_DEPTH
    line = predict_arm(settings.mean_field(sw2, sb2), "tanh", last, settings.PHASE_WIDTH).backward
    return float(line[first - 1] - line[last - 1]) / (last - first)


def _line_question(layers: pd.DataFrame) -> Question:
    from nnsim.report.old_questions import Question

    low, high = (weight for weight in settings.PHASE_WEIGHTS if 1.5 < weight < 2.0)
    critical, _ = critical_weight("tanh", settings.BIAS_VARIANCE)
    below, above = (gradient_factors(layers, sw2, settings.BIAS_VARIANCE) for sw2 in (low, high))
    low_wanted, high_wanted = (expected_factor(sw2, settings.BIAS_VARIANCE) for sw2 in (low, high))
    slope = (high_wanted - low_wanted) / (high - low)
    excess = (below + above - low_wanted - high_wanted) / 2 if below.size == above.size else below[:0]
    return Question(
        "A9-line", "claim", "Gradients neither vanish nor explode where chi_1 = 1, at sw2 = 1.760955 for sb2 = 0.05.",
        f"{POOLE}, figure 1; {SCHOENHOLZ}, figure 1",
        f"tanh, {settings.PHASE_DEPTH} layers of {settings.PHASE_WIDTH}, sw2 = {low} and {high}",
        critical - excess / slope, critical, margin=LINE_MARGIN,
        note="sw2 at which ln of the measured factor is 0: mean of two points beside the line, prediction corrected "
        "for the finite width, slope predicted",
    )  # fmt: skip


@cache
def tanh_scales(sw2: float) -> DepthScales:
    """Return the depth scales of tanh at the bias variance of these claims."""
    return depth_scales("tanh", sw2, settings.BIAS_VARIANCE)


@cache
def expected_pair(pair: str) -> PairPrediction:
    """Return what to expect of the two inputs of an arm, corrected for the finite width."""
    sw2, correlation, ratio = settings.PAIRS[pair]
    square = input_square(sw2)
    inputs = square, square * ratio, correlation
    return predict_pair("tanh", sw2, settings.BIAS_VARIANCE, settings.PAIR_DEPTH, settings.PAIR_WIDTH, inputs)


def _measured(pairs: pd.DataFrame, pair: str, layer: int) -> np.ndarray:
    """Mean squares of both inputs and of their difference at one layer, a row a seed."""
    from nnsim.report.arms import rows_of

    rows = rows_of(pairs, pair=pair, layer=layer).sort_values("repeat", kind="stable")
    return rows[["first_square", "other_square", "apart_square"]].to_numpy(dtype=float)


def _pair_question(pair: str, **fields: Any) -> Question:
    from nnsim.report.old_questions import Question

    sw2, correlation, _ = settings.PAIRS[pair]
    where = f"tanh, sw2 = {sw2:g}, sb2 = {settings.BIAS_VARIANCE:g}, layers of {settings.PAIR_WIDTH}, inputs of "
    where += f"correlation {correlation:g}"
    note = fields.pop("note") + ", prediction corrected for the finite width"
    return Question(kind="claim", arm=where, note=note, **fields)


def pair_questions(pairs: pd.DataFrame) -> Iterator[Question]:
    """Ask how fast two inputs lose their difference in length, become one, or part."""
    scale = {pair: tanh_scales(sw2) for pair, (sw2, *_) in settings.PAIRS.items()}
    first, last = 2, 10
    for pair, name, statement, depth in (
        ("order", "A9-xi-c", "In the ordered phase two inputs become one, over the depth scale xi_c.",
         f"xi_c = {scale['order'].correlation:.3g}"),
        ("chaos", "A9-xi-gradient", "In the chaotic phase two close inputs part as fast as gradients grow.",
         f"gradient scale {-scale['chaos'].gradient:.3g}"),
    ):  # fmt: skip
        apart = [np.log(_measured(pairs, pair, layer)[:, 2]) for layer in (first, last)]
        line, layers = expected_pair(pair).log_apart, last - first
        yield _pair_question(
            pair, id=name, statement=statement, source=f"{SCHOENHOLZ}, eq. 9", values=(apart[1] - apart[0]) / layers,
            prediction=float(line[last - 1] - line[first - 1]) / layers, margin=DISTANCE_MARGIN,
            note=f"ln of the factor per layer of the squared distance, layers {first} to {last}; {depth}",
        )  # fmt: skip
    lengths = _measured(pairs, "variance", 3)
    yield _pair_question(
        "variance", id="A9-xi-q", statement="A difference in length is forgotten over the depth scale xi_q.",
        source=f"{SCHOENHOLZ}, eq. 6", values=np.log(lengths[:, 1] / lengths[:, 0]),
        prediction=float(expected_pair("variance").log_ratio[2]), margin=RATIO_MARGIN,
        note=f"ln of the ratio of mean squares after 3 layers, ln 2 before; xi_q = {scale['variance'].variance:.3g}",
    )  # fmt: skip
    end = settings.PAIR_DEPTH
    yield _pair_question(
        "chaos, unlike", id="A9-c-star",
        statement="In the chaotic phase unlike inputs become alike, but only up to the correlation c* below 1.",
        source=f"{POOLE}, figure 2", values=1 - correlations(_measured(pairs, "chaos, unlike", end)),
        prediction=float(expected_pair("chaos, unlike").correlation[end - 1]), margin=CORRELATION_MARGIN,
        note=f"correlation of the activations at layer {end}",
    )  # fmt: skip


def relu_pair_questions(pairs: pd.DataFrame) -> Iterator[Question]:
    """Ask what one ReLU layer makes of a correlation: exact at any width, since the layer's units are independent."""
    from nnsim.report.old_questions import Question

    for c in settings.RELU_CORRELATIONS:
        moments = _measured(pairs, f"relu {c:g}", 1)
        products = (moments[:, 0] + moments[:, 1] - moments[:, 2]) / 2
        yield Question(
            f"A9-relu-map-{c:g}", "claim", "A ReLU layer makes of a correlation c the arc-cosine kernel of c.",
            "Cho and Saul 2009, eq. 6; at its critical point (2, 0)",
            f"he_normal, relu, one layer of {settings.RELU_PAIR_WIDTH}, inputs of correlation {c:g}",
            products, relu_correlation_map(c), margin=RELU_MARGIN,
            note="mean product of the two activations; inputs have mean square one",
        )  # fmt: skip


# --- how deep networks can be trained ------------------------------------------------------------------------------


def fall_depths(runs: pd.DataFrame, sw2: float) -> tuple[np.ndarray, bool]:
    """Return each seed's depth at which the test metric at the chosen rates has lost half its lead over chance.

    Also whether that rests on an edge: of the grid of depths for some seed, or of the grid of rates.
    """
    from nnsim.report.arms import ARM, rows_of, scored
    from nnsim.report.tuned_arms import ChosenArms

    runs = rows_of(runs, kind="phase_training", scheme=settings.mean_field(sw2, settings.BIAS_VARIANCE))
    if runs.empty:
        return np.empty(0), False
    arms = ChosenArms(scored(runs), ARM)
    wide = arms.runs.pivot(index="repeat", columns="depth", values="score").dropna()
    chance = float(runs["chance"].max())
    falls = [_fall(wide.columns.to_numpy(dtype=float), row - chance) for row in wide.to_numpy(dtype=float)]
    edge = arms.at_edge({"depth": runs["depth"].min()})
    return np.array([fall for fall, _ in falls]), edge or any(outside for _, outside in falls)


def _fall(depths: np.ndarray, leads: np.ndarray) -> tuple[float, bool]:
    """Depth at which the lead is half its largest, between two depths in ln; and whether it lies outside the grid."""
    half = leads.max() / 2
    if half <= 0:
        return float(depths[0]), True
    below = np.flatnonzero((leads < half) & (np.arange(leads.size) > int(leads.argmax())))
    if not below.size:
        return float(depths[-1]), True
    at = int(below[0])
    share = (leads[at - 1] - half) / (leads[at - 1] - leads[at])
    return float(np.exp(np.log(depths[at - 1]) + share * np.log(depths[at] / depths[at - 1]))), False


def phase_training_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask whether the depth at which training fails is a multiple of the correlation's depth scale."""
    from nnsim.report.old_questions import Question

    xi = {sw2: tanh_scales(sw2).correlation for sw2 in config["phase_weight"]}
    note = f"half the lead over chance after {config['epochs']} epochs at the rates that validation chose"
    falls = {sw2: fall_depths(trials, sw2) for sw2 in xi}
    for sw2, (depths, edge) in falls.items():
        yield Question(
            f"A9-trained-{sw2:g}", "claim", "Trained accuracy falls off at about six depth scales xi_c.",
            f"{SCHOENHOLZ}, figure 5", f"tanh, sw2 = {sw2:g}, sb2 = {settings.BIAS_VARIANCE:g}, {config['data']}",
            np.log(depths / xi[sw2]), math.log(SCHOENHOLZ_SCALES), margin=FALL_MARGIN, at_edge=edge,
            note=f"ln of the depth with {note}, over xi_c = {xi[sw2]:.3g}",
        )  # fmt: skip
    if len(falls) < 2:
        return
    low, high = min(xi, key=lambda sw2: xi[sw2]), max(xi, key=lambda sw2: xi[sw2])
    (short, edge), (long, other_edge) = falls[low], falls[high]
    paired = np.log(long / short) if short.size == long.size else np.empty(0)
    yield Question(
        "A9-trained-ratio", "claim", "The depth that can be trained is proportional to xi_c.",
        f"{SCHOENHOLZ}, figure 5", f"tanh, sw2 = {high:g} against {low:g}, {config['data']}",
        paired, math.log(xi[high] / xi[low]), margin=PROPORTION_MARGIN, at_edge=edge or other_edge,
        note=f"ln of the ratio of depths with {note}",
    )  # fmt: skip
