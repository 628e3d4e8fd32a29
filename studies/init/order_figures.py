"""Figures of order and chaos."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import pandas as pd

from nnsim.report.arms import rows_of
from nnsim.report.figures import FigureSpec
from nnsim.report.plots.intervals import Line
from nnsim.report.statistics import mean_interval
from nnsim.study.parts import Config
from nnsim.theory.signals.correlation import critical_point
from nnsim.theory.signals.mean_field import fixed_point, gradient_factor

from . import input_pairs, order_and_chaos, order_plots
from .order_and_chaos import BIASES, WEIGHTS, expected_factor, gradient_factors
from .phase_plane import BIAS_VARIANCE, tanh_scales
from .trainable_depth import SCALES, chosen_arms

PAIRS = ("order", "chaos")


def order_figures(tables: dict[str, pd.DataFrame], config: Config) -> dict[str, FigureSpec]:
    """Return the figures of A9."""
    layers, scores = tables["layers"], _trained_scores(tables["trials"], config)
    return {
        "phase-diagram": FigureSpec(
            order_plots.phase_diagram(_phase_points(layers), _critical_line()),
            f"Order and chaos in tanh networks of {order_and_chaos.DEPTH} layers of {order_and_chaos.WIDTH}: left of "
            "the dashed line gradients shrink on their way back, right of it they grow.",
            "Measured change of the gradient per layer over weight and bias variance; its sign turns at the line.",
        ),
        "depth-scales": FigureSpec(
            order_plots.depth_scales(
                _scales(), _gradient_scales(layers), _distances(tables["pairs"]), _expected_distances()
            ),
            f"Left: depth scales of tanh at a bias variance of {BIAS_VARIANCE:g}; those of correlations and "
            "gradients diverge at the critical point. Right: two inputs become one in order, and part in chaos; "
            "dashed: theory with its finite-width correction.",
            "Depth scales against the weight variance, and the distance of two inputs against the layer.",
        ),
        "trained-depth": FigureSpec(
            order_plots.trained_depths(scores, SCALES, "test metric"),
            "Test metric at the rates that validation chose against the depth in units of its scale: medians over "
            "seeds with 95 % intervals. Dashed: the published six scales.",
            "Trained results fall with the depth; in units of the depth scale the curves lie near each other.",
        ),
    }


def _phase_points(layers: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for sw2, sb2 in product(WEIGHTS, BIASES):
        factors = np.asarray(gradient_factors(layers, sw2, sb2), dtype=float)
        factors = factors[np.isfinite(factors)]
        if factors.size:
            rows.append((sw2, sb2, float(np.mean(factors))))
    return pd.DataFrame(rows, columns=["sw2", "sb2", "factor"])


@cache
def _critical_line() -> Line:
    points = np.array([critical_point("tanh", q) for q in np.linspace(1e-3, 2.0, 60)])
    kept = points[points[:, 1] < max(BIASES) * 1.1]
    return kept[:, 0], kept[:, 1]


@cache
def _scales() -> dict[str, Line]:
    weights = np.linspace(min(WEIGHTS), max(WEIGHTS), 26)
    found = np.array([tanh_scales(float(sw2)) for sw2 in weights])
    names = ("ξ_q of lengths", "ξ_c of correlations", "ξ of gradients")
    return {name: (weights, np.abs(found[:, column])) for column, name in enumerate(names)}


def _gradient_scales(layers: pd.DataFrame) -> pd.DataFrame:
    """Measured scales of the gradient, the predicted effect of the finite width subtracted."""
    rows = []
    for sw2 in WEIGHTS:
        settled = fixed_point("tanh", sw2, BIAS_VARIANCE).variance
        bias = expected_factor(sw2, BIAS_VARIANCE) - np.log(gradient_factor("tanh", sw2, settled))
        factors = np.asarray(gradient_factors(layers, sw2, BIAS_VARIANCE), dtype=float) - bias
        interval = mean_interval(factors, 0.95)
        ends = np.abs([interval.low, interval.high])
        if np.isfinite(ends).all() and interval.low * interval.high > 0:
            rows.append((sw2, 1 / abs(interval.estimate), 1 / ends.max(), 1 / ends.min()))
    return pd.DataFrame(rows, columns=["sw2", "estimate", "low", "high"])


def _distances(pairs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    parts = {pair: rows_of(pairs, pair=pair) for pair in PAIRS}
    return {pair: part.assign(log_apart=np.log(part["apart_square"])) for pair, part in parts.items()}


def _expected_distances() -> dict[str, Line]:
    at = np.arange(1, input_pairs.DEPTH + 1)
    return {pair: (at, input_pairs.expected_pair(pair).log_apart) for pair in PAIRS}


def _trained_scores(trials: pd.DataFrame, config: Config) -> pd.DataFrame:
    frames = [pd.DataFrame(columns=["sw2", "scaled_depth", "score"], dtype=float)]
    for sw2 in config["phase_weight"]:
        arms, xi = chosen_arms(trials, sw2), tanh_scales(sw2).correlation
        if arms is None or not 0 < xi < np.inf:
            continue
        picked = arms.runs[["depth", "score"]].astype(float)
        frame = pd.DataFrame({"sw2": float(sw2), "scaled_depth": picked["depth"] / xi, "score": picked["score"]})
        frames.append(frame.dropna())
    return pd.concat([frame for frame in frames if len(frame)] or frames)
