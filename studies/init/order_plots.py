"""Order and chaos: the phase diagram, depth scales, two inputs through depth, and how deep networks can be trained."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from nnsim.report.arms import rows_of
from nnsim.report.figures import COLUMN_WIDTH, PAGE_WIDTH, measured, panel_grid, series_style, style, theory_line
from nnsim.report.plots.intervals import Line, legend_below, legend_under, summarise
from nnsim.report.statistics import mean_interval, median_interval


def phase_diagram(points: pd.DataFrame, line: Line) -> Figure:
    """Draw measured changes of the gradient over the plane of variances, with the critical line.

    Parameters
    ----------
    points : DataFrame
        Columns sw2, sb2 and factor, ln of the change per layer of the gradient's mean square.
    line : (sw2, sb2)
        The line chi_1 = 1.
    """
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=3.2)
        axes = panels[0, 0]
        norm = TwoSlopeNorm(0.0, min(points["factor"].min(), -0.01), max(points["factor"].max(), 0.01))
        for marker, sign, label in (("v", -1, "gradients shrink"), ("^", 1, "gradients grow")):
            part = points[np.sign(points["factor"]) == sign]
            look = {"cmap": "PuOr_r", "norm": norm, "edgecolors": "black", "linewidths": 0.5, "s": 38, "zorder": 3}
            drawn = axes.scatter(part["sw2"], part["sb2"], c=part["factor"], marker=marker, label=label, **look)
        theory_line(axes, *line, label="theory: χ₁ = 1")
        axes.set_xlim(0.0, None)
        axes.set_ylim(-0.03, max(float(points["sb2"].max()), 0.1) * 1.08 if len(points) else 1.0)
        axes.set_xlabel("weight variance times fan-in, σ$_w^2$")
        axes.set_ylabel("bias variance, σ$_b^2$")
        figure.colorbar(drawn, ax=axes, label="measured ln factor per layer", shrink=0.9)
        legend_below(figure, axes, 2)
    return figure


def depth_scales(
    theory: Mapping[str, Line], scales: pd.DataFrame, pairs: Mapping[str, pd.DataFrame], expected: Mapping[str, Line]
) -> Figure:
    """Draw depth scales over the weight variance, and the distance of two inputs over the layers.

    Parameters
    ----------
    theory : mapping of name to (sw2, layers)
        Depth scales.
    scales : DataFrame
        Columns sw2, estimate, low, high: measured scales of the gradient, in layers.
    pairs : mapping of label to DataFrame
        Columns layer and log_apart, ln of the mean squared difference of the activations of two inputs.
    expected : mapping of label to (layer, ln of the mean squared difference)
    """
    with style():
        figure, (panels,) = panel_grid(1, 2, width=PAGE_WIDTH, height=3.4)
        for index, (name, (x, y)) in enumerate(theory.items()):
            look = series_style(index) | {"marker": ""}
            panels[0].plot(x, y, label=f"theory: {name}", **look)
        ends = scales["low"], scales["high"]
        measured(panels[0], scales["sw2"], scales["estimate"], ends, label="measured: gradient", index=6)
        panels[0].set_yscale("log")
        panels[0].set_xlabel("weight variance times fan-in, σ$_w^2$")
        panels[0].set_ylabel("depth scale, layers")
        for index, (label, frame) in enumerate(pairs.items()):
            x, y, low, high = summarise(frame, "layer", "log_apart", mean_interval)
            measured(panels[1], x, y / np.log(10), (low / np.log(10), high / np.log(10)), label=label, index=index)
            at, value = expected[label]
            theory_line(panels[1], at, value / np.log(10), label=None if index else "theory")
        panels[1].set_xlabel("hidden layer")
        panels[1].set_ylabel("log$_{10}$ mean squared difference\nof two inputs' activations")
        for axes in panels:
            legend_under(axes)
    return figure


def trained_depths(scores: pd.DataFrame, multiple: float, metric: str) -> Figure:
    """Draw trained scores over depth, in units of the depth scale.

    Parameters
    ----------
    scores : DataFrame
        Columns sw2, scaled_depth and score, a row a seed.
    multiple : float
        Number of depth scales at which scores should fall.
    metric : str
        What the score is.
    """
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=2.7)
        axes = panels[0, 0]
        for index, sw2 in enumerate(sorted(set(scores["sw2"]))):
            x, y, low, high = summarise(rows_of(scores, sw2=sw2), "scaled_depth", "score", median_interval)
            measured(axes, x, y, (low, high), label=f"σw² = {sw2:g}", index=index, line=True)
        axes.axvline(multiple, color="#222222", linestyle=(0, (4, 2)), linewidth=0.9, label=f"{multiple:g} scales")
        axes.set_xlabel("hidden layers / ξ$_c$")
        axes.set_ylabel(metric)
        legend_below(figure, axes, 3)
    return figure
