"""The figures of the study, theory beside measurement."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnsim.report.arms import ARM, rows_of
from nnsim.report.figures import FigureSpec
from nnsim.report.plots import signal_curves, training_curves
from nnsim.report.plots.intervals import Line
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.parts import Config
from nnsim.theory.signals.finite_width import predict_arm

from . import fluctuation, gains, linear_regime
from .linear_figures import linear_figures
from .order_figures import order_figures


def figures(tables: dict[str, pd.DataFrame], config: Config) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    return (
        _propagation_figures(tables["layers"], config)
        | _layer_figures(tables, config)
        | _spread_figure(tables["trials"])
        | _training_figures(tables["trials"], tables["history"], config)
        | order_figures(tables, config)
        | linear_figures(tables)
    )


def _propagation_figures(layers: pd.DataFrame, config: Config) -> dict[str, FigureSpec]:
    found = {}
    for depth in config["probe_depth"]:
        frame = rows_of(layers, kind="propagation", depth=depth)
        found[f"propagation-{depth}"] = FigureSpec(
            signal_curves.propagation(frame, depth, config["activation"], _lines(frame, depth)),
            f"What {depth} layers make of a signal. Above: mean square of the activations on the way forward. Below: "
            "mean square of the errors on the way back. Points: geometric means over networks with 95 % intervals; "
            "dashed: the variance recursion with its finite-width correction.",
            f"Mean squares of activations and errors against the layer, for {depth} layers, one line a scheme.",
        )
    return found


def _lines(frame: pd.DataFrame, depth: int) -> dict[tuple[str, str, str], Line]:
    lines = {}
    for (scheme, activation), rows in frame.groupby(["scheme", "activation"]):
        expected = predict_arm(scheme, activation, depth, int(rows["width"].iloc[0]))
        if expected is not None:
            at = np.arange(1, depth + 1)
            lines[scheme, activation, "forward"] = at, expected.forward
            lines[scheme, activation, "backward"] = at, expected.backward
    return lines


def _layer_figures(tables: dict[str, pd.DataFrame], config: Config) -> dict[str, FigureSpec]:
    depth = linear_regime.DEPTH
    linear = rows_of(tables["layers"], kind="linear", scheme="standard_uniform")
    trap = signal_curves.trap_lines(predict_arm("standard_uniform", "identity", depth, linear_regime.WIDTH))
    return {
        "gradient-trap": FigureSpec(
            signal_curves.gradient_trap(linear, depth, trap),
            "The trap: with U(-1, 1) / sqrt(fan_in) activations shrink forward and errors shrink backward, each by 1/3 "
            "a layer, but their products, the weight gradients, are equal in all layers.",
            "Squares of activations, errors and weight gradients against the layer; the last are level.",
        ),
        "gains": FigureSpec(
            signal_curves.factors(signal_curves.factor_frame(gains.questions(tables, config))),
            f"Mean change of the mean square per layer over {gains.DEPTH} layers of {gains.WIDTH}, each activation "
            "with its computed variance-preserving gain. Bars: theory; points: measured, with 95 % intervals.",
            "Predicted and measured factor per layer for each activation, forward and backward.",
        ),
    }


def _spread_figure(trials: pd.DataFrame) -> dict[str, FigureSpec]:
    done = rows_of(trials, kind="fluctuation", status="done")
    values = done.loc[done["alive"].astype(bool), "log_gain"].to_numpy(dtype=float)
    law = fluctuation.law()
    spread = FigureSpec(
        signal_curves.spread(values, law.mean, law.variance),
        f"He's variance keeps the mean square on average, yet single networks ({fluctuation.DEPTH} layers of "
        f"{fluctuation.WIDTH}) spread over orders of magnitude, as Hanin's law says.",
        "Histogram of the logarithm of the gain with the predicted normal curve.",
    )
    return {"spread": spread}


def _training_figures(trials: pd.DataFrame, history: pd.DataFrame, config: Config) -> dict[str, FigureSpec]:
    runs = rows_of(trials, kind="training")
    chance = float(runs["chance"].max())
    rates = FigureSpec(
        training_curves.rates(runs, chance, "validation accuracy" if chance > 0 else "validation R²"),
        f"Validation result after {config['epochs']} epochs over the grid of learning rates: medians over seeds with "
        "95 % intervals, diverged runs counted as chance.",
        "Validation result against the learning rate, one panel an activation and depth, one line a scheme.",
    )
    curves = FigureSpec(
        training_curves.curves(ChosenArms(runs, ARM).pick(history)),
        "Validation loss after each epoch, every arm at its chosen learning rate: medians over seeds, 95 % intervals.",
        "Validation loss against epochs, one panel an activation and depth, one line a scheme.",
    )
    return {"learning-rates": rates, "learning-curves": curves}
