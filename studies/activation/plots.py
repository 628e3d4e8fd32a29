"""Activations: their shapes, what they cost a gradient, and how much the choice matters after training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nnsim.networks.activations import evaluate, parse
from nnsim.report.arms import rows_of
from nnsim.report.figures import COLUMN_WIDTH, literal, measured, panel_grid, series_style, style, theory_line
from nnsim.report.plots.intervals import Line, legend_below, summarise
from nnsim.report.statistics import mean_interval

PANELS = 6  # across the page


def shapes(activations: Sequence[str]) -> Figure:
    """Draw f and f' of every activation."""
    rows = max(-(-len(activations) // PANELS), 1)
    z = np.linspace(-4.0, 4.0, 401)
    with style():
        figure, panels = panel_grid(rows, PANELS, height=0.5 + 1.15 * rows, sharex=True, sharey=True)
        for axes, text in zip(panels.ravel(), activations, strict=False):
            name, parameter = parse(text)
            value, slope = evaluate(name, z, parameter)
            for index, (line, label) in enumerate(((value, "f(z)"), (slope, "f'(z)"))):
                look = series_style(index)
                axes.plot(z, line, color=look["color"], linestyle=look["linestyle"], label=label)
            axes.set_title(literal(text))
            axes.set_ylim(-2.2, 2.7)
        for axes in panels.ravel()[len(activations) :]:
            axes.set_axis_off()
        for axes in panels[-1]:
            axes.set_xlabel("z")
        legend_below(figure, panels[0, 0], 2)
    return figure


def flow(layers: pd.DataFrame, depth: int, predictions: Mapping[str, Line]) -> Figure:
    """Draw the mean square of the errors on the way back, relative to the last layer, a panel an activation.

    Parameters
    ----------
    layers : DataFrame
        Probes of untrained networks of one depth.
    depth : int
    predictions : mapping of activation to (layers, natural logarithms)
        Drawn dashed.
    """
    names = list(dict.fromkeys(layers["activation"]))
    rows = max(-(-len(names) // PANELS), 1)
    with style():
        figure, panels = panel_grid(rows, PANELS, height=0.6 + 1.15 * rows, sharex=True)
        for axes, name in zip(panels.ravel(), names, strict=False):
            frame = rows_of(layers, activation=name)
            frame = frame[frame["layer"] <= depth]
            last = frame[frame["layer"] == depth].set_index("repeat")["delta_log"]
            lost = (frame["delta_log"] - frame["repeat"].map(last)) / np.log(10)
            x, y, low, high = summarise(frame.assign(lost=lost), "layer", "lost", mean_interval)
            measured(axes, x, y, (low, high), label="measured")
            if name in predictions:
                theory_line(axes, predictions[name][0], predictions[name][1] / np.log(10))
            axes.set_title(literal(name))
            low_end, high_end = axes.get_ylim()
            axes.set_ylim(min(low_end, -0.5), max(high_end, 0.5))
        for axes in panels.ravel()[len(names) :]:
            axes.set_axis_off()
        for axes in panels[-1]:
            axes.set_xlabel("hidden layer")
        figure.supylabel("log$_{10}$ mean square of δ, relative to the last layer", fontsize=8)
        legend_below(figure, panels[0, 0], 2)
    return figure


def perturbation(frame: pd.DataFrame, factors: Mapping[str, float]) -> Figure:
    """Draw what becomes of a difference between two signals' logarithms from layer to layer, and factor^layer.

    Parameters
    ----------
    frame : DataFrame
        Columns activation, repeat, layer and difference.
    factors : mapping of activation to float
        Predicted factor a layer, drawn dashed.
    """
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=2.7)
        axes = panels[0, 0]
        for index, (name, factor) in enumerate(factors.items()):
            rows = rows_of(frame, activation=name)
            first = rows[rows["layer"] == 1].set_index("repeat")["difference"]
            with np.errstate(divide="ignore", invalid="ignore"):  # what was not measured is not drawn
                left = np.log(rows["difference"] / rows["repeat"].map(first))
            x, y, low, high = summarise(rows.assign(left=left), "layer", "left", mean_interval)
            measured(axes, x, np.exp(y), (np.exp(low), np.exp(high)), label=name, index=index)
            theory_line(axes, x, factor ** (x - 1), label="theory" if index == 0 else None)
        axes.set_yscale("log")
        axes.set_xlabel("hidden layer")
        axes.set_ylabel("deviation, relative to layer 1")
        legend_below(figure, axes, 3)
    return figure


def differences(frame: pd.DataFrame, margin: float, baseline: str) -> Figure:
    """Draw what each activation's result differs from the baseline's, with intervals, a panel a data set.

    Parameters
    ----------
    frame : DataFrame
        Columns data, activation, estimate, low, high.
    margin : float
        Half width of the band that counts as no difference.
    baseline : str
        The activation that is subtracted.
    """
    sets, names = list(dict.fromkeys(frame["data"])), list(dict.fromkeys(frame["activation"]))
    between = " " if len(sets) <= 3 else "\n"  # labels of narrow panels would run into each other
    with style():
        figure, panels = panel_grid(1, max(len(sets), 1), height=1.0 + 0.17 * len(names), sharey=True)
        for axes, data in zip(panels[0], sets, strict=False):
            part = rows_of(frame, data=data).set_index("activation").reindex(names)
            estimate, low, high = (part[name].to_numpy(dtype=float) for name in ("estimate", "low", "high"))
            places, look = np.arange(len(names)), {"markersize": 3.5, "markerfacecolor": "white", "color": "#0072B2"}
            axes.axvspan(-margin, margin, color="#EDEDED", zorder=0)
            axes.axvline(0.0, color="0.5", linewidth=0.8)
            axes.errorbar(estimate, places, xerr=[estimate - low, high - estimate], fmt="o", elinewidth=0.8, **look)
            axes.set_title(literal(data))
            axes.set_xlabel(f"test metric{between}minus {literal(baseline)}'s")
        panels[0, 0].set_yticks(np.arange(len(names)), [literal(name) for name in names])
        panels[0, 0].invert_yaxis()
    return figure
