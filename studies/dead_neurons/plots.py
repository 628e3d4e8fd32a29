"""Dead units: born dead networks, remedies, the jump of the dead share with the learning rate, lives of units."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nnsim.report.arms import rows_of
from nnsim.report.figures import BLUE, COLUMN_WIDTH, PAGE_WIDTH, literal, measured, panel_grid, style, theory_line
from nnsim.report.plots.intervals import legend_below, summarise
from nnsim.report.statistics import mean_interval

QUANTITIES = {"silent": "silent at one input", "born_dead": "born dead"}


def born(frame: pd.DataFrame, law: Callable[[Sequence[int]], float], bound: Callable[[int, int], float]) -> Figure:
    """Draw the shares of silent and of constant networks against depth, with the law of the first and a bound.

    Parameters
    ----------
    frame : DataFrame
        Columns width, depth, quantity ("silent", "born_dead"), estimate, low, high.
    law, bound : callable
        ``law(widths)`` and ``bound(width, depth)``: probabilities.
    """
    widths = sorted(set(frame["width"])) or [1]
    deepest = int(frame["depth"].max()) if len(frame) else 1
    depths = list(range(1, deepest + 1))
    with style():
        figure, panels = panel_grid(1, len(widths), height=2.6, sharey=True)
        for axes, width in zip(panels[0], widths, strict=True):
            for index, (quantity, label) in enumerate(QUANTITIES.items()):
                part = rows_of(frame, width=width, quantity=quantity).sort_values("depth", kind="stable")
                ends = part["low"].to_numpy(), part["high"].to_numpy()
                measured(axes, part["depth"].to_numpy(), part["estimate"].to_numpy(), ends, label=label, index=index)
            theory_line(axes, depths, [law([width] * depth) for depth in depths], "theory: law above, bound below")
            theory_line(axes, depths, [bound(width, depth) for depth in depths], None)
            axes.set_title(f"layers of {width}")
            axes.set_xlabel("hidden layers")
            axes.set_ylim(-0.03, 1.03)
        panels[0, 0].set_ylabel("share of networks")
        legend_below(figure, panels[0, 0], 3)
    return figure


def remedies(frame: pd.DataFrame) -> Figure:
    """Draw the share of networks that are born dead, a row an arm.

    Parameters
    ----------
    frame : DataFrame
        Columns scheme, activation, shift, estimate, low, high.
    """
    names = [
        f"{row.activation}, {row.scheme}" + (f", mean +{row.shift:g} sd" if row.shift else "")
        for row in frame.itertuples()
    ]
    places = np.arange(len(names))
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=0.7 + 0.24 * max(len(names), 1))
        axes = panels[0, 0]
        estimate, low, high = (frame[name].to_numpy(dtype=float) for name in ("estimate", "low", "high"))
        axes.errorbar(estimate, places, xerr=[estimate - low, high - estimate], fmt="o", color=BLUE, elinewidth=0.8)
        axes.set_yticks(places, [literal(name) for name in names])
        axes.invert_yaxis()
        axes.set_xlim(-0.03, 1.03)
        axes.set_xlabel("share born dead")
    return figure


def jump(runs: pd.DataFrame) -> Figure:
    """Draw the share of dead units at the end against the rate in units of 2 / sharpness, a series a bias.

    Parameters
    ----------
    runs : DataFrame
        Columns bias, scaled (the rate), dead_at_end.
    """
    runs = runs.dropna(subset=["dead_at_end", "scaled"])
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=2.7)
        axes = panels[0, 0]
        for index, (bias, group) in enumerate(runs.groupby("bias")):
            x, y, low, high = summarise(group, "scaled", "dead_at_end", mean_interval)
            ends = np.clip(low, 0, 1), np.clip(high, 0, 1)
            measured(axes, x, y, ends, label=f"bias {bias:g}", index=index, line=True)
        for place, label in ((1.0, "1 and 6"), (6.0, None)):
            theory_line(axes, [place, place], [0, 1], label)
        axes.set_xscale("log", base=2)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("learning rate × sharpness / 2")
        axes.set_ylabel("share of dead units")
        legend_below(figure, axes, 2)
    return figure


def lives(units: pd.DataFrame, tau: float) -> Figure:
    """Draw the mean counts of dead, dormant, dying and reviving units against epochs, a panel a layer."""
    layers = sorted(set(units["layer"])) or [1]
    labels = {"dead": "dead", "dormant": f"{tau:g}-dormant", "deaths": "deaths", "revivals": "revivals"}
    with style():
        figure, panels = panel_grid(1, len(layers), width=PAGE_WIDTH, height=2.6, sharey=True)
        for axes, layer in zip(panels[0], layers, strict=True):
            part = rows_of(units, layer=layer)
            for index, (column, label) in enumerate(labels.items()):
                x, y, low, high = summarise(part, "epoch", column, mean_interval)
                measured(axes, x, y, (np.maximum(low, 0), high), label=label, index=index, line=True)
            axes.set_xscale("symlog", base=2, linthresh=1)
            axes.set_title(f"layer {layer}")
            axes.set_xlabel("epochs")
        panels[0, 0].set_ylabel("units")
        legend_below(figure, panels[0, 0], 4)
    return figure
