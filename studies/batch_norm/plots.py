"""Batch normalisation: exploding errors, survival over learning rates, drift of distributions, variance shift."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nnsim.report.arms import rows_of
from nnsim.report.figures import COLUMN_WIDTH, PAGE_WIDTH, measured, panel_grid, style, theory_line
from nnsim.report.plots.intervals import legend_below, summarise
from nnsim.report.statistics import Interval, mean_interval, median_interval, proportion_interval


def explosion(layers: pd.DataFrame, factors: Mapping[str, float]) -> Figure:
    """Draw the errors' mean square of each layer relative to the last hidden one, with the predicted growth.

    Parameters
    ----------
    layers : DataFrame
        Columns series, repeat, layer, delta_square.
    factors : mapping of str to float
        ln of the predicted factor a layer on the way back, for each series.
    """
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=3.0)
        axes = panels[0, 0]
        first, last = (int(layers["layer"].min()), int(layers["layer"].max())) if len(layers) else (1, 1)
        for index, (series, factor) in enumerate(factors.items()):
            rows = rows_of(layers, series=series)
            ends = rows[rows["layer"] == last].set_index("repeat")["delta_square"]
            with np.errstate(divide="ignore"):
                logs = np.log10(rows["delta_square"] / rows["repeat"].map(ends))
            x, y, low, high = summarise(rows.assign(log=logs), "layer", "log", mean_interval)
            measured(axes, x, y, (low, high), label=series, index=index)
            depths = np.arange(first, last + 1)
            theory_line(axes, depths, (last - depths) * factor / np.log(10), "theory" if index == 0 else None)
        axes.set_xlabel("hidden layer")
        axes.set_ylabel("log$_{10}$ mean square of δ,\nrelative to the last layer")
        legend_below(figure, axes, 3)
    return figure


def survival(runs: pd.DataFrame) -> Figure:
    """Draw the share of networks that learn (above) and the validation metric (below) against the rate.

    Parameters
    ----------
    runs : DataFrame
        Columns normalization, depth, learning_rate, learns (bool), value (the metric, chance where diverged).
    """
    depths = sorted(set(runs["depth"])) or [1]
    rows = (("learns", "share that learns", _share), ("value", "validation metric", median_interval))
    with style():
        figure, panels = panel_grid(2, len(depths), width=PAGE_WIDTH, height=4.4, sharex=True, sharey="row")
        for column, depth in enumerate(depths):
            for row, (quantity, _, interval) in enumerate(rows):
                for index, normalization in enumerate(dict.fromkeys(runs["normalization"])):
                    part = rows_of(runs, depth=depth, normalization=normalization)
                    x, y, low, high = summarise(part, "learning_rate", quantity, interval)
                    measured(panels[row, column], x, y, (low, high), label=normalization, index=index, line=True)
                panels[row, column].set_xscale("log")
            panels[0, column].set_title(f"{depth} hidden layers")
            panels[1, column].set_xlabel("learning rate")
        for row, (_, label, _) in enumerate(rows):
            panels[row, 0].set_ylabel(label)
        legend_below(figure, panels[0, 0], 3)
    return figure


def _share(values: np.ndarray, level: float) -> Interval:
    return proportion_interval(int(values.sum()), values.size, level)


def drift(moved: pd.DataFrame) -> Figure:
    """Draw how far distributions have moved since the start, a panel for what is seen and one for linear outputs.

    Parameters
    ----------
    moved : DataFrame
        Columns normalization, epoch, repeat, seen, linear: means over layers, in standard deviations at the start.
    """
    titles = {"seen": "what the activation sees", "linear": "linear output"}
    with style():
        figure, panels = panel_grid(1, 2, width=PAGE_WIDTH, height=2.7, sharey=True)
        for axes, (quantity, title) in zip(panels[0], titles.items(), strict=True):
            for index, normalization in enumerate(dict.fromkeys(moved["normalization"])):
                part = rows_of(moved, normalization=normalization)
                x, y, low, high = summarise(part, "epoch", quantity, median_interval)
                measured(axes, x, y, (low, high), label=normalization, index=index, line=True)
            axes.set_yscale("log")
            axes.set_title(title)
            axes.set_xlabel("epochs")
        panels[0, 0].set_ylabel("drift since the start\n(standard deviations)")
        legend_below(figure, panels[0, 0], 3)
    return figure


def variance_shift(shift: pd.DataFrame, ratio: Callable[[float, int], float]) -> Figure:
    """Draw running over test variance of each layer, a series a dropout, with the prediction ``ratio(p, layer)``."""
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=2.7)
        axes = panels[0, 0]
        for index, (dropout, group) in enumerate(shift.groupby("dropout")):
            with np.errstate(divide="ignore"):
                logs = group.assign(log=-np.log2(group["test_variance"]))
            x, y, low, high = summarise(logs, "layer", "log", mean_interval)
            measured(axes, x, 2**y, (2**low, 2**high), label=f"dropout {dropout:g}", index=index)
            theory_line(axes, x, [ratio(dropout, int(at)) for at in x], "theory" if index == 0 else None)
        axes.set_yscale("log", base=2)
        axes.set_xticks(sorted(set(shift["layer"])))
        axes.set_xlabel("hidden layer")
        axes.set_ylabel("running variance / test variance")
        legend_below(figure, axes, 3)
    return figure
