"""The figures of the study, theory beside measurement."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.theory.signals.finite_width import predict_arm
from nnsim.theory.signals.relu_laws import relu_log_backward_law

from . import settings
from .predictions import expected_of

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.figures import FigureSpec


def _lines(frame: pd.DataFrame, depth: int, config: dict[str, Any]) -> dict[tuple[str, str, str], Any]:
    lines = {}
    for scheme, activation in product(dict.fromkeys(frame["scheme"]), config["activation"]):
        expected = expected_of({"activation": activation, "scheme": scheme, "depth": depth}, config["probe_width"])
        if expected is not None:
            lines[scheme, activation, "forward"] = np.arange(1, depth + 1), expected.forward
            lines[scheme, activation, "backward"] = np.arange(1, depth + 1), expected.backward
    return lines


def _norm_lines(depth: int) -> dict[str, Any]:
    arms = {scheme: {"activation": "sigmoid", "scheme": scheme, "depth": depth} for scheme in settings.BOUND_SCHEMES}
    return {
        scheme: (np.arange(depth)[::-1], expected_of(arm, settings.WIDE).backward / 2) for scheme, arm in arms.items()
    }


def figures(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    layers, trials = tables["layers"], tables["trials"]
    return _layer_figures(layers, config) | _spread_figure(trials) | _training_figure(trials, config)


def _layer_figures(layers: pd.DataFrame, config: dict[str, Any]) -> dict[str, FigureSpec]:
    from nnsim.report.arms import rows_of
    from nnsim.report.figures import FigureSpec
    from nnsim.report.plots import signal_curves

    from . import plots

    found: dict[str, FigureSpec] = {}
    deepest = max(settings.CROSSED) + 1
    found["bound"] = FigureSpec(
        plots.norm_factors(rows_of(layers, kind="bound", depth=deepest), _norm_lines(deepest), 0.25),
        f"What is left of a gradient's norm in sigmoid networks of width {settings.WIDE}: geometric means over "
        "networks with 95 % intervals; dashed: mean field, corrected for the finite width. The textbook's 0.25 a layer "
        "is neither what happens at Glorot scale, which is worse, nor a bound for larger weights, whose gradients "
        "even grow.",
        "Norm of the error against the layers crossed for three weight scales, with the line of 0.25 a layer.",
    )
    for depth in config["probe_depth"]:
        frame = rows_of(layers, kind="propagation", depth=depth)
        found[f"gradients-{depth}"] = FigureSpec(
            signal_curves.propagation(frame, depth, config["activation"], _lines(frame, depth, config)),
            f"Activations on the way forward and errors on the way back through {depth} layers of "
            f"{config['probe_width']}. Points: geometric means over networks, 95 % intervals; dashed: theory.",
            f"Mean squares of activations and errors against the layer, for {depth} layers, one line a scheme.",
        )
    trap = rows_of(layers, kind="trap", activation="relu")
    expected = predict_arm("xavier_normal", "relu", settings.TRAP_DEPTH, settings.WIDE)
    found["trap"] = FigureSpec(
        signal_curves.gradient_trap(trap, settings.TRAP_DEPTH, signal_curves.trap_lines(expected)),
        "The trap: in a ReLU network with 1 / fan_in activations halve forward and errors halve backward, but weight "
        "gradients, their products, are equal in all layers. Look at the errors or at bias plots.",
        "Squares of activations, errors and weight gradients against the layer; the last are level.",
    )
    return found


def _spread_figure(trials: pd.DataFrame) -> dict[str, FigureSpec]:
    from nnsim.report.arms import rows_of
    from nnsim.report.figures import FigureSpec
    from nnsim.report.plots import signal_curves

    law = relu_log_backward_law([settings.NARROW_WIDTH] * settings.NARROW_DEPTH)
    narrow = rows_of(trials, kind="fluctuation", status="done")
    spread = FigureSpec(
        signal_curves.spread(narrow["log_gradient"].dropna().to_numpy(dtype=float), law.mean, law.variance),
        f"He's variance keeps the gradient's mean square on average, yet in single networks "
        f"({settings.NARROW_DEPTH} layers of {settings.NARROW_WIDTH}) it changes by orders of magnitude, and shrinks "
        "in most.",
        "Histogram of the logarithm of the gradient's change with the predicted normal curve.",
    )
    return {"spread": spread}


def _training_figure(trials: pd.DataFrame, config: dict[str, Any]) -> dict[str, FigureSpec]:
    from nnsim.report.arms import rows_of
    from nnsim.report.figures import FigureSpec
    from nnsim.report.plots import training_curves

    runs = rows_of(trials, kind="training")
    chance = float(runs["chance"].max())
    labels = runs["activation"] + ", " + runs["scheme"] + ", " + runs["remedy"]
    rates = FigureSpec(
        training_curves.rates(runs.assign(scheme=labels, activation=runs["data"]), chance, "validation accuracy"
                       if chance > 0 else "validation R²"),
        f"Validation result after {config['epochs']} epochs over the grid of learning rates: medians over seeds with "
        "95 % intervals, diverged runs counted as chance.",
        "Validation result against the learning rate, one panel a depth, one line an arm.",
    )  # fmt: skip
    return {"learning-rates": rates}
