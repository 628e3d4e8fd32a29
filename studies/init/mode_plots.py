"""Jacobians and linear networks: spectra over depth, modes on their sigmoid curves, and steps to learn."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from nnsim.report.arms import rows_of
from nnsim.report.figures import COLUMN_WIDTH, PAGE_WIDTH, measured, panel_grid, style, theory_line
from nnsim.report.plots.intervals import Line, legend_below, legend_under, summarise
from nnsim.report.statistics import mean_interval, median_interval


def spectrum_variances(frame: pd.DataFrame, predictions: Mapping[str, Line]) -> Figure:
    """Draw the variance of the eigenvalues of J J^T over depth.

    Parameters
    ----------
    frame : DataFrame
        Columns case, depth and variance, a row a network.
    predictions : mapping of case to (depth, variance)
    """
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=3.0)
        axes = panels[0, 0]
        for index, (case, line) in enumerate(predictions.items()):
            x, y, low, high = summarise(rows_of(frame, case=case), "depth", "variance", mean_interval)
            measured(axes, x, y, (low, high), label=case, index=index)
            theory_line(axes, *line, label=None if index else "theory")
        axes.set_xlabel("hidden layers")
        axes.set_ylabel("variance of the eigenvalues of J Jᵀ")
        legend_below(figure, axes, 2)
    return figure


def learning(modes: pd.DataFrame, curves: Mapping[float, Line], times: pd.DataFrame) -> Figure:
    """Draw how the modes of a task are learnt, and the steps to learn over depth.

    Parameters
    ----------
    modes : DataFrame
        Columns strength, step and learnt, a row a seed, mode and step.
    curves : mapping of strength to (step, predicted strength)
    times : DataFrame
        Columns scheme, layers (of weights) and steps, a row a seed.
    """
    with style():
        figure, (panels,) = panel_grid(1, 2, width=PAGE_WIDTH, height=3.3)
        for index, (strength, line) in enumerate(curves.items()):
            rows = rows_of(modes, strength=strength)
            x, y, low, high = summarise(rows[rows["step"] % 100 == 0], "step", "learnt", median_interval)
            measured(panels[0], x, y, (low, high), label=f"mode of strength {strength:g}", index=index)
            theory_line(panels[0], *line, label=None if index else "theory")
        panels[0].set_xlabel("steps of gradient descent")
        panels[0].set_ylabel("strength of the mode in the network")
        for index, scheme in enumerate(dict.fromkeys(times["scheme"])):
            x, y, low, high = summarise(rows_of(times, scheme=scheme), "layers", "steps", median_interval)
            measured(panels[1], x, y, (low, high), label=scheme, index=index, line=True)
        panels[1].set_xscale("log")
        panels[1].set_yscale("log")
        ticks = sorted(set(times["layers"])) or [1]
        panels[1].set_xticks(ticks, [f"{layers:g}" for layers in ticks])
        panels[1].set_xticks([], minor=True)
        panels[1].set_xlabel("weight layers")
        panels[1].set_ylabel("steps to learn, at the quickest rate")
        for axes in panels:
            legend_under(axes)
    return figure
