"""Learning rates: the edge of stability, sweeps with what finders suggest, the price of a low rate, schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nnsim.report.figures import (
    COLUMN_WIDTH,
    PAGE_WIDTH,
    literal,
    measured,
    panel_grid,
    series_style,
    style,
    theory_line,
)
from nnsim.report.plots.intervals import legend_below, summarise
from nnsim.report.statistics import mean_interval, median_interval


def edge(looks: pd.DataFrame) -> Figure:
    """Draw eta lambda / (2 + 2 b) and the loss against the step: frame with ``arm``, ``step``, ``ratio``, ``loss``."""
    with style():
        figure, panels = panel_grid(1, 2, width=PAGE_WIDTH, height=2.9)
        sharp, loss = panels[0]
        for index, (arm, rows) in enumerate(looks.groupby("arm", sort=False)):
            x, y, low, high = summarise(rows, "step", "ratio", median_interval)
            measured(sharp, x, y, (low, high), label=str(arm), index=index, line=True)
            x, y, low, high = summarise(rows.dropna(subset=["loss"]), "step", "loss", median_interval)
            measured(loss, x, y, (low, high), index=index, line=True)
        theory_line(sharp, [0, looks["step"].max()], [1, 1], "edge of stability")
        sharp.set_ylabel("η λ / (2 + 2 b)")
        loss.set_ylabel("half the mean squared error")
        if (looks["loss"] > 0).any():
            loss.set_yscale("log")
        for axes in (sharp, loss):
            axes.set_xlabel("steps")
        legend_below(figure, sharp, 2)
    return figure


def critical(predicted: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> Figure:
    """Draw the rates at which descent diverged on quadratics against those that were predicted, a series an arm."""
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=2.9)
        axes = panels[0, 0]
        for index, arm in enumerate(predicted):
            measured(axes, predicted[arm], found[arm], label=arm, index=index)
        ends = [bound for values in predicted.values() if values.size for bound in (values.min(), values.max())]
        if ends:
            line = [0.95 * min(ends), 1.05 * max(ends)]
            theory_line(axes, line, line, "measured = predicted")
        axes.set_xlabel("(2 + 2 b) / λ of the Hessian")
        axes.set_ylabel("rate of divergence, by bisection")
        legend_below(figure, axes, 1)
    return figure


def sweep(runs: pd.DataFrame, marks: Mapping[str, np.ndarray], metric: str) -> Figure:
    """Draw the score over the grid of rates (``learning_rate``, ``score``), and below it where each rule points."""
    with style():
        figure, panels = panel_grid(2, 1, width=COLUMN_WIDTH, height=3.9, sharex=True, height_ratios=[2, 1])
        above, below = panels[:, 0]
        x, y, low, high = summarise(runs, "learning_rate", "score", median_interval)
        measured(above, x, y, (low, high), line=True)
        above.set_xscale("log")
        above.set_ylabel(metric)
        for row, rates in enumerate(marks.values()):
            look = series_style(row) | {"linestyle": "none"}
            below.plot(rates, np.full(len(rates), row), markerfacecolor="white", **look)
        below.set_yticks(range(len(marks)), [literal(name) for name in marks])
        below.invert_yaxis()
        below.set_xlabel("learning rate")
    return figure


def speed(runs: pd.DataFrame, fastest: float, threshold: float) -> Figure:
    """Draw the steps to a loss (``steps``) over the grid of rates, with what inverse proportion predicts."""
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=2.7)
        axes = panels[0, 0]
        reached = runs.dropna(subset=["steps"])
        x, y, low, high = summarise(reached, "learning_rate", "steps", median_interval)
        measured(axes, x, y, (low, high), label="measured", line=False)
        if x.size:
            slow = x <= fastest
            theory_line(axes, x[slow], y[0] * x[0] / x[slow], "steps ∝ 1 / rate")
        if x.size:
            axes.set_yscale("log")
        axes.set_xscale("log")
        axes.set_xlabel("learning rate")
        axes.set_ylabel(f"steps to a validation loss of {threshold:g}")
        legend_below(figure, axes, 2)
    return figure


def advice(runs: pd.DataFrame, advised: float, metric: str) -> Figure:
    """Draw the score over the grid of rates, a panel a data set and a line a budget, with the advised rate."""
    names = list(dict.fromkeys(runs["data"]))
    with style():
        figure, panels = panel_grid(1, max(len(names), 1), width=PAGE_WIDTH, height=2.6)
        for axes, name in zip(panels[0], names, strict=False):
            for index, (epochs, rows) in enumerate(runs[runs["data"] == name].groupby("epochs")):
                x, y, low, high = summarise(rows, "learning_rate", "score", median_interval)
                measured(axes, x, y, (low, high), label=f"{epochs} epochs", index=index, line=True)
            axes.axvline(advised, color="0.5", linewidth=0.9, linestyle=":", label=f"advised, {advised:g}")
            axes.set_xscale("log")
            axes.set_xlabel("learning rate of AdamW")
            axes.set_title(literal(name))
        panels[0, 0].set_ylabel(metric)
        legend_below(figure, panels[0, 0], 4)
    return figure


def schedules(traces: pd.DataFrame, leads: Mapping[str, np.ndarray], names: Sequence[str]) -> Figure:
    """Draw the rate of every step under each schedule with its closed form, and how far each ends ahead.

    `traces` holds ``name``, ``step``, ``rate`` and ``closed_form``, relative to the largest rate; `leads` maps a name
    to the logarithm of the constant rate's test loss over the schedule's, one value a seed.
    """
    with style():
        figure, panels = panel_grid(1, 2, width=PAGE_WIDTH, height=3.0)
        left, right = panels[0]
        for index, name in enumerate(names):
            rows = traces[traces["name"] == name]
            look = series_style(index) | {"linestyle": "none", "markersize": 3}
            left.plot(rows["step"], rows["rate"], label=literal(name), markerfacecolor="white", **look)
            theory_line(left, rows["step"], rows["closed_form"], None if index else "closed form")
        left.set_xlabel("steps")
        left.set_ylabel("rate / largest rate")
        for row, (name, values) in enumerate(leads.items()):
            interval = mean_interval(values, 0.95)
            look = series_style(names.index(name)) | {"linestyle": "none"}
            bars = [[interval.estimate - interval.low], [interval.high - interval.estimate]]
            right.errorbar([interval.estimate], [row], xerr=bars, markerfacecolor="white", elinewidth=0.8, **look)
        right.axvline(0.0, color="0.6", linewidth=0.8)
        right.set_yticks(range(len(leads)), [literal(name) for name in leads])
        right.invert_yaxis()
        right.set_xlabel("ln(test loss at a constant rate / with the schedule)")
        legend_below(figure, left, 4)
    return figure
