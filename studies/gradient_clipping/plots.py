"""Gradient clipping: who survives at which rate, what is reached, and how far a step is turned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nnsim.report.figures import COLUMN_WIDTH, PAGE_WIDTH, literal, measured, panel_grid, style, theory_line
from nnsim.report.plots.intervals import legend_below, summarise
from nnsim.report.statistics import Interval, median_interval, proportion_interval
from nnsim.theory.training.clipped_direction import gaussian_cosine


def _proportion(hits: np.ndarray, confidence: float) -> Interval:
    return proportion_interval(int(hits.sum()), hits.size, confidence)


def survival(runs: pd.DataFrame, problems: Sequence[str]) -> Figure:
    """Draw the share of runs with ``survived`` over the grid of rates: a panel a problem, a line a kind of clipping."""
    with style():
        figure, panels = panel_grid(1, len(problems), width=PAGE_WIDTH, height=2.7, sharey=True)
        for axes, problem in zip(panels[0], problems, strict=True):
            rows = runs[runs["problem"] == problem]
            for index, (clip, part) in enumerate(rows.groupby("clip", sort=False)):
                x, y, low, high = summarise(part, "learning_rate", "survived", _proportion)
                shifted = x * 1.08 ** (index - 1.5)  # intervals of equal shares would hide each other
                measured(axes, shifted, y, (low, high), label=str(clip), index=index, line=True)
            axes.set_xscale("log")
            axes.set_xlabel("learning rate")
            axes.set_title(literal(problem))
        panels[0, 0].set_ylabel("share that survives")
        legend_below(figure, panels[0, 0], 4)
    return figure


def scores(runs: pd.DataFrame) -> Figure:
    """Draw the ``score`` over the grid of rates: a panel a problem and optimizer, a line a kind of clipping."""
    groups = list(runs.groupby(["problem", "optimizer"], sort=False))
    columns = 2
    rows = max(-(-len(groups) // columns), 1)
    with style():
        figure, panels = panel_grid(rows, columns, width=PAGE_WIDTH, height=0.6 + 2.0 * rows, sharey=True)
        for axes, ((problem, optimizer), frame) in zip(panels.ravel(), groups, strict=False):
            for index, (clip, part) in enumerate(frame.groupby("clip", sort=False)):
                x, y, low, high = summarise(part, "learning_rate", "score", median_interval)
                measured(axes, x, y, (low, high), label=str(clip), index=index, line=True)
            axes.set_xscale("log")
            axes.set_title(literal(f"{problem}, {optimizer}"))
        for axes in panels[-1]:
            axes.set_xlabel("learning rate")
        for axes in panels[:, 0]:
            axes.set_ylabel("test metric")
        legend_below(figure, panels[0, 0], 4)
    return figure


def direction(steps: pd.DataFrame) -> Figure:
    """Draw the ``cosine`` between gradient and step over the threshold, by norm and by value."""
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=2.9)
        axes = panels[0, 0]
        units = {"norm": "by norm, in norms", "value": "by value, in root mean squares"}
        for index, (clip, name) in enumerate(units.items()):
            part = steps[steps["clip"] == clip]
            measured(axes, part["level"], part["cosine"], label=name, index=index)
        if len(steps):
            limits = np.geomspace(steps["level"].min(), steps["level"].max(), 100)
            theory_line(axes, limits, [gaussian_cosine(k) for k in limits], "by value, Gaussian numbers")
        axes.set_xscale("log")
        axes.set_xlabel("threshold")
        axes.set_ylabel("cosine with the gradient")
        legend_below(figure, axes, 1)
    return figure
