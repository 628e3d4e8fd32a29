"""The figures of the study, theory beside measurement."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from nnsim.report.arms import rows_of
from nnsim.report.figures import FigureSpec
from nnsim.report.plots import signal_curves, training_curves
from nnsim.study.parts import Config
from nnsim.theory.signals.finite_width import predict_arm

from . import bound, fluctuation, plots, trap
from .shared import WIDE


def figures(tables: dict[str, pd.DataFrame], config: Config) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    layers, trials = tables["layers"], tables["trials"]
    return {
        "bound": _bound_figure(layers),
        **{f"gradients-{depth}": _gradient_figure(layers, depth, config) for depth in config["probe_depth"]},
        "trap": _trap_figure(layers),
        "spread": _spread_figure(trials),
        "learning-rates": _training_figure(trials, config),
    }


def _bound_figure(layers: pd.DataFrame) -> FigureSpec:
    depth = max(bound.CROSSED) + 1
    lines = {
        scheme: (np.arange(depth)[::-1], predict_arm(scheme, "sigmoid", depth, WIDE).backward / 2)
        for scheme in bound.SCHEMES
    }
    return FigureSpec(
        plots.norm_factors(rows_of(layers, kind="bound", depth=depth), lines, 0.25),
        f"What is left of a gradient's norm in sigmoid networks of width {WIDE}: geometric means over "
        "networks with 95 % intervals; dashed: mean field, corrected for the finite width. The textbook's 0.25 a layer "
        "is neither what happens at Glorot scale, which is worse, nor a bound for larger weights, whose gradients "
        "even grow.",
        "Norm of the error against the layers crossed for three weight scales, with the line of 0.25 a layer.",
    )


def _lines(schemes: list[str], depth: int, config: Config) -> dict[tuple[str, str, str], Any]:
    lines = {}
    for scheme, activation in product(schemes, config["activation"]):
        expected = predict_arm(scheme, activation, depth, config["probe_width"])
        if expected is not None:
            lines[scheme, activation, "forward"] = np.arange(1, depth + 1), expected.forward
            lines[scheme, activation, "backward"] = np.arange(1, depth + 1), expected.backward
    return lines


def _gradient_figure(layers: pd.DataFrame, depth: int, config: Config) -> FigureSpec:
    rows = rows_of(layers, kind="propagation", depth=depth)
    lines = _lines(list(dict.fromkeys(rows["scheme"])), depth, config)
    return FigureSpec(
        signal_curves.propagation(rows, depth, config["activation"], lines),
        f"Activations on the way forward and errors on the way back through {depth} layers of "
        f"{config['probe_width']}. Points: geometric means over networks, 95 % intervals; dashed: theory.",
        f"Mean squares of activations and errors against the layer, for {depth} layers, one line a scheme.",
    )


def _trap_figure(layers: pd.DataFrame) -> FigureSpec:
    lines = signal_curves.trap_lines(predict_arm("xavier_normal", "relu", trap.DEPTH, WIDE))
    return FigureSpec(
        signal_curves.gradient_trap(rows_of(layers, kind="trap", activation="relu"), trap.DEPTH, lines),
        "The trap: in a ReLU network with 1 / fan_in activations halve forward and errors halve backward, but weight "
        "gradients, their products, are equal in all layers. Look at the errors or at bias plots.",
        "Squares of activations, errors and weight gradients against the layer; the last are level.",
    )


def _spread_figure(trials: pd.DataFrame) -> FigureSpec:
    rows, law = rows_of(trials, kind="fluctuation", status="done"), fluctuation.law()
    return FigureSpec(
        signal_curves.spread(rows["log_gradient"].dropna().to_numpy(dtype=float), law.mean, law.variance),
        f"He's variance keeps the gradient's mean square on average, yet in single networks "
        f"({fluctuation.DEPTH} layers of {fluctuation.WIDTH}) it changes by orders of magnitude, and shrinks "
        "in most.",
        "Histogram of the logarithm of the gradient's change with the predicted normal curve.",
    )


def _training_figure(trials: pd.DataFrame, config: Config) -> FigureSpec:
    runs = rows_of(trials, kind="training")
    chance = float(runs["chance"].max())
    labels = runs["activation"] + ", " + runs["scheme"] + ", " + runs["remedy"]
    metric = "validation accuracy" if chance > 0 else "validation R²"
    return FigureSpec(
        training_curves.rates(runs.assign(scheme=labels, activation=runs["data"]), chance, metric),
        f"Validation result after {config['epochs']} epochs over the grid of learning rates: medians over seeds with "
        "95 % intervals, diverged runs counted as chance.",
        "Validation result against the learning rate, one panel a depth, one line an arm.",
    )
