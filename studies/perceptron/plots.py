"""Threshold units: capacity, mistakes, how often XOR is found, and what units make of the plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nnsim.report.arms import rows_of
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
from nnsim.report.plots.intervals import legend_below


def capacity(fractions: pd.DataFrame, law: Callable[[int, int], float]) -> Figure:
    """Draw the separable fraction against points over dimensions, with ``law(points, dimensions)`` dashed.

    Parameters
    ----------
    fractions : DataFrame
        Columns dimension, points, mean, low, high.
    law : callable
        The predicted fraction.
    """
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=2.8)
        axes = panels[0, 0]
        for index, dimension in enumerate(sorted(set(fractions["dimension"]))):
            rows = rows_of(fractions, dimension=dimension).sort_values("points", kind="stable")
            x, mean, low, high = (rows[name].to_numpy(dtype=float) for name in ("points", "mean", "low", "high"))
            measured(axes, x / dimension, mean, (low, high), label=f"N = {dimension}", index=index)
            points = np.arange(1, int(x.max()) + 1)
            predicted = [law(int(count), int(dimension)) for count in points]
            theory_line(axes, points / dimension, predicted, "theory" if index == 0 else None)
        axes.axvline(2.0, color="0.7", linewidth=0.8, zorder=0)
        axes.set_xlim(left=0.5)
        axes.set_xlabel("points over dimensions, P / N")
        axes.set_ylabel("separable share of labellings")
        legend_below(figure, axes, 2)
    return figure


def mistakes(runs: pd.DataFrame) -> Figure:
    """Draw mistakes of the perceptron rule against their bound, a series a margin; mistakes of 0 are left out."""
    runs = runs[(runs["mistakes"] > 0) & runs["bound"].notna()]
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=2.8)
        axes = panels[0, 0]
        for index, target in enumerate(sorted(set(runs["target_margin"]), reverse=True)):
            rows = rows_of(runs, target_margin=target)
            x, y = (rows[name].to_numpy(dtype=float) for name in ("bound", "mistakes"))
            look = series_style(index) | {"linestyle": "none", "markerfacecolor": "white"}
            axes.plot(x, y, label=literal(f"pushed away by {target:g}"), **look)
        if len(runs):
            ends = np.array([1.0, runs["bound"].max()])
            theory_line(axes, ends, ends, "Novikoff's bound")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("bound (R / γ)²")
        axes.set_ylabel("mistakes")
        legend_below(figure, axes, 2)
    return figure


def successes(shares: pd.DataFrame) -> Figure:
    """Draw the share of runs that found XOR (columns activation, hidden, mean, low, high) against hidden units."""
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=2.8)
        axes = panels[0, 0]
        for index, activation in enumerate(dict.fromkeys(shares["activation"])):
            rows = rows_of(shares, activation=activation).sort_values("hidden", kind="stable")
            x, mean, low, high = (rows[name].to_numpy(dtype=float) for name in ("hidden", "mean", "low", "high"))
            measured(axes, x, mean, (low, high), label=activation, index=index, line=True)
        hidden = sorted(set(shares["hidden"].dropna()))
        axes.set_xscale("log", base=2)
        axes.set_xticks(hidden, [str(count) for count in hidden])
        axes.minorticks_off()
        axes.set_ylim(-0.05, 1.05)
        axes.set_xlabel("hidden units")
        axes.set_ylabel("share of runs that find XOR")
        legend_below(figure, axes, 3)
    return figure


def boundaries(
    grid: pd.DataFrame, panels: Sequence[str], gates: Mapping[str, Sequence[int]], gate_of: Mapping[str, str]
) -> Figure:
    """Draw what each panel's unit or network makes of the square, with the gate's four corners.

    Parameters
    ----------
    grid : DataFrame
        Columns panel, x0, x1, score: every panel on the same square grid.
    panels : sequence of str
        What to draw, in order, three a row; a threshold unit's name begins with "threshold".
    gates : mapping of str to sequence of int
        Labels, -1 or 1, of the corners (-1, -1), (-1, 1), (1, -1), (1, 1).
    gate_of : mapping of str to str
        Each panel's gate.
    """
    columns = 3
    with style():
        rows = -(-len(panels) // columns)
        figure, axes_grid = panel_grid(
            rows, columns, width=PAGE_WIDTH, height=0.5 + 2.15 * rows, sharex=True, sharey=True
        )
        for axes, name in zip(axes_grid.flat, panels, strict=False):
            part = rows_of(grid, panel=name).dropna()
            axes.set_title(literal(name))
            axes.set_aspect("equal")
            axes.grid(visible=False)
            if not part.empty:
                table = part.pivot(index="x1", columns="x0", values="score")
                score = table.to_numpy(dtype=float)
                shade = np.heaviside(score, 0.0) if name.startswith("threshold") else 0.5 + 0.5 * np.tanh(score / 2)
                look = {"cmap": "RdBu_r", "vmin": -0.25, "vmax": 1.25, "shading": "nearest", "rasterized": True}
                axes.pcolormesh(table.columns, table.index, shade, **look)
                if np.nanmin(score) < 0 < np.nanmax(score):
                    axes.contour(table.columns, table.index, score, levels=[0.0], colors="black", linewidths=1.0)
            for (x0, x1), label in zip([(-1, -1), (-1, 1), (1, -1), (1, 1)], gates[gate_of[name]], strict=True):
                face = "#D55E00" if label > 0 else "#0072B2"
                axes.plot(x0, x1, "s" if label > 0 else "o", color="white", markerfacecolor=face, markersize=6)
        for axes in axes_grid[-1]:
            axes.set_xlabel("first input")
        for axes in axes_grid[:, 0]:
            axes.set_ylabel("second input")
    return figure
