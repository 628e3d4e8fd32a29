"""The figures of the study, theory beside measurement."""

from __future__ import annotations

import pandas as pd

from nnsim.report.arms import rows_of
from nnsim.report.figures import FigureSpec
from nnsim.study.parts import Config
from nnsim.theory.signals.batch_statistics import dropout_variance_ratio

from . import explosion, plots
from .rates import learns
from .shared import tuned


def figures(tables: dict[str, pd.DataFrame], config: Config) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    runs = rows_of(tables["trials"], kind="training")
    runs = runs.assign(
        learns=learns(runs), value=runs["validation_metric"].where(runs["status"] == "done", runs["chance"])
    )
    return (
        _explosion_figure(tables["layers"], config)
        | _survival_figure(runs, config)
        | _drift_figure(runs, tables["drift"], config)
        | _shift_figure(tables["shift"])
    )


def _explosion_figure(layers: pd.DataFrame, config: Config) -> dict[str, FigureSpec]:
    plain = "relu, no norm"
    layers = layers[layers["layer"] > 1]
    layers = layers.assign(series=layers["activation"].where(layers["normalization"] == "batch", plain))
    factors = {name: explosion.factor_of(name) for name in config["activation"]} | {plain: 0.0}
    return {
        "explosion": FigureSpec(
            plots.explosion(layers, factors),
            f"Errors on their way back through {explosion.DEPTH} layers of {explosion.WIDTH} as they are drawn, one "
            f"batch of {explosion.ROWS}: geometric means with 95 % intervals. Dashed: E f'^2 / Var f a layer with "
            "batch normalisation, 1 without and with He's variance. The first layer, fed by the inputs, is left out.",
            "Mean square of the errors against the layer, one line an activation; with normalisation they grow.",
        )
    }


def _survival_figure(runs: pd.DataFrame, config: Config) -> dict[str, FigureSpec]:
    return {
        "survival": FigureSpec(
            plots.survival(runs),
            f"Learning rates that survive {config['epochs']} epochs. Above: share of seeds that end more than half way "
            "from chance to 1, Clopper and Pearson's 95 % intervals. Below: median validation metric, diverged runs as "
            "chance.",
            "Share of networks that learn and their metric against the learning rate, one panel a depth.",
        )
    }


def _drift_figure(runs: pd.DataFrame, drift: pd.DataFrame, config: Config) -> dict[str, FigureSpec]:
    depth = max(config["depth"])
    moved = rows_of(tuned(runs).pick(drift), depth=depth)
    moved = moved.groupby(["normalization", "repeat", "epoch"], sort=False)[["seen", "linear"]].mean().reset_index()
    return {
        "drift": FigureSpec(
            plots.drift(moved),
            f"How far the distributions that the units of {depth} layers see have moved since the start, on all "
            "training rows, each arm at its chosen rate: mean over layers, medians over seeds with 95 % intervals.",
            "Drift against epochs, one panel for what activations see and one for linear outputs.",
        )
    }


def _shift_figure(shift: pd.DataFrame) -> dict[str, FigureSpec]:
    return {
        "variance-shift": FigureSpec(
            plots.variance_shift(shift, dropout_variance_ratio),
            "Dropout in front of batch normalisation: how much larger the running variance, learnt with dropout, is "
            "than the variance in test, without it. Means of logarithms with 95 % intervals; dashed: theory.",
            "Ratio of running to test variance against the layer, one line a dropout.",
        )
    }
