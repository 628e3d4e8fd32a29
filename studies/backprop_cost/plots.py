"""What gradients cost: backward over forward passes, differences against backpropagation, memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from nnsim.report.arms import rows_of
from nnsim.report.figures import COLUMN_WIDTH, PAGE_WIDTH, literal, measured, panel_grid, style, theory_line
from nnsim.report.plots.intervals import Line, legend_below, log_scale, summarise
from nnsim.report.statistics import median_interval


def ratios(frame: pd.DataFrame, predictions: Mapping[str, float]) -> Figure:
    """Draw the time of a backward pass over that of a forward pass, a row an architecture, beside the count.

    Parameters
    ----------
    frame : DataFrame
        Columns architecture, ratio: one row a trial.
    predictions : mapping of architecture to counted ratio
    """
    names = list(predictions)
    with style():
        figure, panels = panel_grid(width=PAGE_WIDTH, height=1.1 + 0.3 * len(names))
        axes = panels[0, 0]
        places = np.arange(len(names))
        axes.plot(list(predictions.values()), places, "|", color="black", markersize=13, label="multiply-adds: counted")
        found = [median_interval(rows_of(frame, architecture=name)["ratio"].to_numpy(float), 0.95) for name in names]
        middle, low, high = (np.array([getattr(f, end) for f in found]) for end in ("estimate", "low", "high"))
        bars = np.nan_to_num([middle - low, high - middle], posinf=0.0)
        look = {"color": "#0072B2", "markerfacecolor": "white", "elinewidth": 0.8}
        axes.errorbar(middle, places, xerr=bars, fmt="o", label="processor time: median, 95 %", **look)
        axes.axvline(1.0, color="#D55E00", linewidth=0.9, label="the teaching page: 1")
        axes.set_yticks(places, [literal(name) for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(0, max(3.0, 1.05 * float(np.nanmax([3.0, *high[np.isfinite(high)]]))))
        axes.set_xlabel("backward pass over forward pass")
        legend_below(figure, axes, 3)
    return figure


def against_parameters(counted: Mapping[str, Line], times: pd.DataFrame, columns: Mapping[str, str]) -> Figure:
    """Draw the cost of a gradient against the number of parameters, counted on the left and timed on the right.

    Parameters
    ----------
    counted : mapping of method to (parameters, multiply-adds)
    times : DataFrame
        Columns parameters and those named in `columns`: seconds, one row a trial.
    columns : mapping of method to column
    """
    ticks = sorted(set(times["parameters"]))
    with style():
        figure, (panels,) = panel_grid(1, 2, height=3.0)
        for index, (name, (x, y)) in enumerate(counted.items()):
            measured(panels[0], x, y, label=name, index=index)
            _slope(panels[0], x, y, index)
        for index, (name, column) in enumerate(columns.items()):
            x, y, low, high = summarise(times, "parameters", column, median_interval)
            measured(panels[1], x, y, (low, high), label=name, index=index)
            _slope(panels[1], x, y, index)
        for axes, text in zip(panels, ("multiply-adds of a gradient", "processor time of a gradient, s"), strict=True):
            log_scale(axes, "x")
            log_scale(axes, "y")
            axes.set(xlabel="parameters P", ylabel=text)
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.xaxis.set_minor_formatter(NullFormatter())
        legend_below(figure, panels[0], len(counted) + 1)
    return figure


def _slope(axes: Axes, x: np.ndarray, y: np.ndarray, index: int) -> None:
    """Draw P^1 for the first method and P^2 for the others through the last point."""
    if x.size:
        theory_line(axes, x, y[-1] * (x / x[-1]) ** (1 if index == 0 else 2), "slopes 1 and 2" if index == 0 else None)


def memory(frame: pd.DataFrame, numbers: int, item: int) -> Figure:
    """Draw the bytes that a training pass keeps against depth x batch, a line a batch size.

    Parameters
    ----------
    frame : DataFrame
        Columns depth, width, batch, kept_bytes.
    numbers, item : int
        Numbers kept a unit and row, and the bytes of each.
    """
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=3.0)
        axes = panels[0, 0]
        for index, (batch, rows) in enumerate(frame.groupby("batch")):
            rows = rows.sort_values("depth", kind="stable")
            measured(axes, rows["depth"] * batch, rows["kept_bytes"], label=f"batch of {batch}", index=index)
        if len(frame):
            x = np.array(sorted(set(frame["depth"] * frame["batch"])), dtype=float)
            theory_line(axes, x, numbers * item * float(frame["width"].iloc[0]) * x, label="3 numbers a unit and row")
        log_scale(axes, "x")
        log_scale(axes, "y")
        axes.set(xlabel="hidden layers × rows of the batch", ylabel="bytes kept")
        legend_below(figure, axes, 2)
    return figure
