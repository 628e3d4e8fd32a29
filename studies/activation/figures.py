"""The figures of the study, theory beside measurement."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

from nnsim.report.arms import rows_of
from nnsim.report.figures import FigureSpec
from nnsim.report.plots import signal_curves, training_curves
from nnsim.report.statistics import mean_interval
from nnsim.study.parts import Config
from nnsim.theory.signals.attraction import perturbation_factor
from nnsim.theory.signals.selu import variance_decay

from . import plots
from .accuracy import BASELINE, SAME, leads
from .gains import DEPTH, WIDTH, expected, flow_questions


def _difference_frame(trials: pd.DataFrame, config: Config) -> pd.DataFrame:
    others = [activation for activation in config["trained_activation"] if activation != BASELINE]
    rows = []
    for data, activation in product(config["data"], others):
        interval = mean_interval(leads(trials, data, activation)[0], 0.95)
        ends = {"estimate": interval.estimate, "low": interval.low, "high": interval.high}
        rows.append({"data": data, "activation": activation, **ends})
    return pd.DataFrame(rows, columns=["data", "activation", "estimate", "low", "high"])


def figures(tables: dict[str, pd.DataFrame], config: Config) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    signals = _signal_figures(tables["layers"], tables["perturbation"], config)
    return signals | _training_figures(tables["trials"], config)


def _signal_figures(layers: pd.DataFrame, perturbation: pd.DataFrame, config: Config) -> dict[str, FigureSpec]:
    lines = {name: (np.arange(1, DEPTH + 1), expected(name).backward) for name in config["activation"]}
    return {
        "shapes": FigureSpec(
            plots.shapes(config["activation"]),
            "The activations and their slopes.",
            "f and f' against z for every activation.",
        ),
        "flow": FigureSpec(
            plots.flow(rows_of(layers, kind="flow"), DEPTH, lines),
            f"The error on its way back through {DEPTH} layers of {WIDTH}, each activation at its computed "
            "variance-preserving gain: geometric means over networks, 95 % intervals; dashed: theory. Keeping the "
            "activations keeps the gradients of homogeneous activations only.",
            "Mean square of the errors against the layer, one panel an activation.",
        ),
        "gains": FigureSpec(
            signal_curves.factors(signal_curves.factor_frame(flow_questions(layers, config))),
            "Mean change of the mean square per layer at the variance-preserving gain. Bars: theory; points: measured, "
            "with 95 % intervals.",
            "Predicted and measured factor per layer for each activation, forward and backward.",
        ),
        "selu": FigureSpec(
            plots.perturbation(perturbation, {"selu": variance_decay(), "silu": perturbation_factor("silu")}),
            "SELU's fixed point attracts: two signals of the same network whose variances differ by a fifth come "
            "together by 0.7826 a layer. SiLU's repels: they part. Dashed: the slope of the variance map.",
            "Deviation of the variance against the layer, falling for SELU and rising for SiLU along straight lines.",
        ),
    }


def _training_figures(trials: pd.DataFrame, config: Config) -> dict[str, FigureSpec]:
    runs = rows_of(trials, kind="training")
    return {
        "differences": FigureSpec(
            plots.differences(_difference_frame(trials, config), SAME, BASELINE),
            "Test metric minus ReLU's at equal seeds, each activation at the rate that validation chose: means with "
            f"95 % intervals. Grey: the band of +-{SAME:g} that counts as no difference.",
            "Differences of the test metric for each activation, one panel a data set.",
        ),
        "learning-rates": FigureSpec(
            training_curves.rates(
                runs.assign(scheme=runs["activation"], activation=runs["data"]), None, "validation metric"
            ),
            f"Validation metric after {config['epochs']} epochs over the grid of learning rates: medians over seeds "
            "with 95 % intervals, diverged runs counted as chance.",
            "Validation metric against the learning rate, one panel a data set, one line an activation.",
        ),
    }
