"""Figures of order and chaos, of spectra and of linear networks."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.theory.signals.correlation import critical_point
from nnsim.theory.signals.mean_field import fixed_point, gradient_factor
from nnsim.theory.signals.spectra import jacobian_spectrum_variance
from nnsim.theory.training.linear_dynamics import mode_strength

from . import settings
from .mode_questions import learning_times
from .order_questions import SCHOENHOLZ_SCALES, expected_factor, expected_pair, gradient_factors, tanh_scales

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.figures import FigureSpec

Line = tuple[np.ndarray, np.ndarray]


def theory_figures(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> dict[str, FigureSpec]:
    """Return the figures of A9, A11 and A12."""
    from nnsim.report.figures import FigureSpec

    from . import mode_plots, order_plots

    layers, trials = tables["layers"], tables["trials"]
    scores = _trained_scores(trials, config)
    return {
        "phase-diagram": FigureSpec(
            order_plots.phase_diagram(_phase_points(layers), _critical_line()),
            f"Order and chaos in tanh networks of {settings.PHASE_DEPTH} layers of {settings.PHASE_WIDTH}: left of the "
            "dashed line gradients shrink on their way back, right of it they grow.",
            "Measured change of the gradient per layer over weight and bias variance; its sign turns at the line.",
        ),
        "depth-scales": FigureSpec(
            order_plots.depth_scales(
                _scales(), _gradient_scales(layers), _distances(tables["pairs"]), _expected_distances()
            ),
            f"Left: depth scales of tanh at a bias variance of {settings.BIAS_VARIANCE:g}; those of correlations and "
            "gradients diverge at the critical point. Right: two inputs become one in order, and part in chaos; "
            "dashed: theory with its finite-width correction.",
            "Depth scales against the weight variance, and the distance of two inputs against the layer.",
        ),
        "trained-depth": FigureSpec(
            order_plots.trained_depths(scores, SCHOENHOLZ_SCALES, "test metric"),
            "Test metric at the rates that validation chose against the depth in units of its scale: medians over "
            "seeds with 95 % intervals. Dashed: the published six scales.",
            "Trained results fall with the depth; in units of the depth scale the curves lie near each other.",
        ),
        "spectra": FigureSpec(
            mode_plots.spectrum_variances(_spectrum_rows(tables["jacobians"]), _spectrum_lines()),
            f"Variance of the eigenvalues of J Jᵀ for critical networks of width {settings.JACOBIAN_WIDTH}: means over "
            "networks with 95 % intervals; dashed: exact for this width.",
            "The variance grows with depth in three cases and stays zero for orthogonal linear networks.",
        ),
        "modes": FigureSpec(
            mode_plots.learning(*_learning(tables["modes"], trials)),
            "Left: a linear network with one hidden layer learns its modes one after the other, from small random "
            "weights; dashed: the sigmoid of a balanced start. Right: steps to one per cent of the loss.",
            "Four sigmoid curves, the strongest first; steps to learn grow with depth for Gaussian weights only.",
        ),
    }


def _phase_points(layers: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for sw2, sb2 in product(settings.PHASE_WEIGHTS, settings.PHASE_BIASES):
        factors = np.asarray(gradient_factors(layers, sw2, sb2), dtype=float)
        factors = factors[np.isfinite(factors)]
        if factors.size:
            rows.append((sw2, sb2, float(np.mean(factors))))
    return pd.DataFrame(rows, columns=["sw2", "sb2", "factor"])


@cache
def _critical_line() -> Line:
    points = np.array([critical_point("tanh", q) for q in np.linspace(1e-3, 2.0, 60)])
    kept = points[points[:, 1] < max(settings.PHASE_BIASES) * 1.1]
    return kept[:, 0], kept[:, 1]


@cache
def _scales() -> dict[str, Line]:
    low, high = min(settings.PHASE_WEIGHTS), max(settings.PHASE_WEIGHTS)
    weights = np.linspace(low, high, 26)
    found = np.array([tanh_scales(float(sw2)) for sw2 in weights])
    names = ("ξ_q of lengths", "ξ_c of correlations", "ξ of gradients")
    return {name: (weights, np.abs(found[:, column])) for column, name in enumerate(names)}


def _gradient_scales(layers: pd.DataFrame) -> pd.DataFrame:
    """Measured scales of the gradient, the predicted effect of the finite width subtracted."""
    import pandas as pd

    from nnsim.report.statistics import mean_interval

    rows = []
    for sw2 in settings.PHASE_WEIGHTS:
        settled = fixed_point("tanh", sw2, settings.BIAS_VARIANCE).variance
        bias = expected_factor(sw2, settings.BIAS_VARIANCE) - np.log(gradient_factor("tanh", sw2, settled))
        factors = np.asarray(gradient_factors(layers, sw2, settings.BIAS_VARIANCE), dtype=float) - bias
        interval = mean_interval(factors, 0.95)
        ends = np.abs([interval.low, interval.high])
        if np.isfinite(ends).all() and interval.low * interval.high > 0:
            rows.append((sw2, 1 / abs(interval.estimate), 1 / ends.max(), 1 / ends.min()))
    return pd.DataFrame(rows, columns=["sw2", "estimate", "low", "high"])


DISTANCES = {"order": "order", "chaos": "chaos"}


def _distances(pairs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    from nnsim.report.arms import rows_of

    parts = {label: rows_of(pairs, pair=pair) for pair, label in DISTANCES.items()}
    return {label: part.assign(log_apart=np.log(part["apart_square"])) for label, part in parts.items()}


def _expected_distances() -> dict[str, Line]:
    at = np.arange(1, settings.PAIR_DEPTH + 1)
    return {label: (at, expected_pair(pair).log_apart) for pair, label in DISTANCES.items()}


def _trained_scores(trials: pd.DataFrame, config: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    from nnsim.report.arms import ARM, rows_of, scored
    from nnsim.report.tuned_arms import ChosenArms

    frames = [pd.DataFrame(columns=["sw2", "scaled_depth", "score"], dtype=float)]
    for sw2 in config["phase_weight"]:
        scheme = settings.mean_field(sw2, settings.BIAS_VARIANCE)
        runs = rows_of(trials, kind="phase_training", scheme=scheme)
        xi = tanh_scales(sw2).correlation
        if runs.empty or not 0 < xi < np.inf:
            continue
        picked = ChosenArms(scored(runs), ARM).runs[["depth", "score"]].astype(float)
        frame = pd.DataFrame({"sw2": float(sw2), "scaled_depth": picked["depth"] / xi, "score": picked["score"]})
        frames.append(frame.dropna())
    return pd.concat([frame for frame in frames if len(frame)] or frames)


def _spectrum_rows(jacobians: pd.DataFrame) -> pd.DataFrame:
    case = {(activation, scheme): name for name, (activation, scheme, _) in settings.JACOBIANS.items()}
    names = [case.get(pair, "") for pair in zip(jacobians["activation"], jacobians["scheme"], strict=True)]
    return jacobians.assign(case=names)


def _spectrum_lines() -> dict[str, Line]:
    depths, width = range(1, max(settings.JACOBIAN_DEPTHS) + 1), settings.JACOBIAN_WIDTH
    lines = {}
    for name, (_, _, keep) in settings.JACOBIANS.items():
        variances = [jacobian_spectrum_variance(L, width, keep, name.endswith("orthogonal")) for L in depths]
        lines[name] = np.array(depths), np.array(variances)
    return lines


def _learning(modes: pd.DataFrame, trials: pd.DataFrame) -> tuple[pd.DataFrame, dict[float, Line], pd.DataFrame]:
    from nnsim.report.arms import rows_of

    small = rows_of(modes, scheme=settings.MODE_SCHEMES[1])
    steps = np.linspace(0, settings.MODE_STOPS[-1], 200)
    curves = {}
    for strength in settings.MODE_STRENGTHS:
        start = float(rows_of(small, strength=strength)["start"].median())
        curves[strength] = steps, mode_strength(steps, strength, start, 1 / settings.MODE_RATE)
    times = learning_times(trials).runs
    return small, curves, times.assign(layers=times["depth"] + 1)
