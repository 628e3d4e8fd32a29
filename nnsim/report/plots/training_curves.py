"""Trained arms: results over the grid of learning rates, and learning curves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nnsim.report.arms import rows_of
from nnsim.report.figures import PAGE_WIDTH, literal, measured, panel_grid, style, theory_line
from nnsim.report.plots.intervals import legend_below, summarise
from nnsim.report.statistics import median_interval


def _arm_panels(frame: pd.DataFrame, **options: Any) -> tuple[Figure, Iterator[tuple[Axes, pd.DataFrame, bool, bool]]]:
    """Return a grid of panels, a row a depth and a column an activation, with each panel's rows of the frame."""
    activations, depths = list(dict.fromkeys(frame["activation"])), sorted(set(frame["depth"]))
    height = 0.9 + 1.45 * len(depths)
    shape = max(len(depths), 1), max(len(activations), 1)  # one empty panel where every run diverged at once
    between = ", " if len(activations) <= 3 else "\n"  # titles of narrow panels would run into each other
    figure, panels = panel_grid(*shape, width=PAGE_WIDTH, height=height, **options)

    def cells() -> Iterator[tuple[Axes, pd.DataFrame, bool, bool]]:
        for row, depth in enumerate(depths):
            for column, activation in enumerate(activations):
                axes = panels[row, column]
                axes.set_title(f"{literal(activation)}{between}{depth} hidden layers")
                yield axes, rows_of(frame, depth=depth, activation=activation), row == len(depths) - 1, column == 0

    return figure, cells()


def rates(runs: pd.DataFrame, chance: float | None, metric: str) -> Figure:
    """Draw the validation metric over the grid of learning rates; a diverged run counts as chance.

    Parameters
    ----------
    runs : DataFrame
        One row a run, with the columns scheme, activation, depth, learning_rate, status and validation_metric.
    chance : float or None
        Metric of the best constant answer; None takes the column ``chance``, so that each panel has its own.
    metric : str
        Name of the metric.
    """
    schemes = list(dict.fromkeys(runs["scheme"]))
    runs = runs.assign(chance=runs["chance"] if chance is None else chance)
    runs = runs.assign(value=runs["validation_metric"].where(runs["status"] == "done", runs["chance"]))
    with style():
        figure, cells = _arm_panels(runs, sharex=True, sharey=True)
        for axes, frame, bottom, left in cells:
            for index, scheme in enumerate(schemes):
                x, y, low, high = summarise(rows_of(frame, scheme=scheme), "learning_rate", "value", median_interval)
                measured(axes, x, y, (low, high), label=scheme, index=index, line=True)
            ends = [runs["learning_rate"].min(), runs["learning_rate"].max()]
            theory_line(axes, ends, [frame["chance"].max()] * 2, "chance")
            axes.set_xscale("log")
            if bottom:
                axes.set_xlabel("learning rate")
            if left:
                axes.set_ylabel(metric)
        legend_below(figure, figure.axes[0], len(schemes) + 1)
    return figure


def curves(history: pd.DataFrame) -> Figure:
    """Draw the median validation loss after each epoch, every arm at its chosen learning rate."""
    schemes = list(dict.fromkeys(history["scheme"]))
    with style():
        figure, cells = _arm_panels(history, sharex=True, sharey=True)
        for axes, frame, bottom, left in cells:
            for index, scheme in enumerate(schemes):
                part = rows_of(frame, scheme=scheme)
                x, y, low, high = summarise(part, "epoch", "validation_loss", median_interval)
                measured(axes, x, y, (low, high), label=scheme, index=index, line=True)
            axes.set_yscale("log")
            if bottom:
                axes.set_xlabel("epochs")
            if left:
                axes.set_ylabel("validation loss")
        legend_below(figure, figure.axes[0], len(schemes))
    return figure
