"""Optimizers compared, and parametrizations over widths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nnsim.report.arms import rows_of
from nnsim.report.figures import PAGE_WIDTH, literal, measured, panel_grid, style, theory_line
from nnsim.report.plots.intervals import legend_below, log_scale, summarise
from nnsim.report.statistics import geometric_mean_interval, median_interval


def _lines(axes: Axes, frame: pd.DataFrame, arm: str, x: str, y: str, names: Sequence[object], text: str = "") -> None:
    """Draw medians over seeds against x with 95 % intervals, one line an arm."""
    for index, name in enumerate(names):
        at, middle, low, high = summarise(rows_of(frame, **{arm: name}), x, y, median_interval)
        measured(axes, at, middle, (low, high), label=f"{name}{text}", index=index, line=True)


def rates(runs: pd.DataFrame) -> Figure:
    """Draw the validation metric over each optimizer's grid, a panel a data set; a diverged run counts as chance."""
    runs = runs.assign(value=runs["validation_metric"].where(runs["status"] == "done", runs["chance"]))
    names, sets = list(dict.fromkeys(runs["optimizer"])), list(dict.fromkeys(runs["data"]))
    with style():
        figure, panels = panel_grid(1, max(len(sets), 1), height=3.2)
        for axes, data in zip(panels[0], sets, strict=False):
            frame = rows_of(runs, data=data)
            _lines(axes, frame, "optimizer", "learning_rate", "value", names)
            ends = [frame["learning_rate"].min(), frame["learning_rate"].max()]
            theory_line(axes, ends, [frame["chance"].max()] * 2, "chance")
            log_scale(axes, "x")
            axes.set(xlabel="learning rate", title=literal(data))
        panels[0, 0].set_ylabel("validation metric")
        legend_below(figure, panels[0, 0], 4)
    return figure


def curves(history: pd.DataFrame) -> Figure:
    """Draw the median training loss of each epoch at the chosen rates, a panel a data set, a line an optimizer."""
    names, sets = list(dict.fromkeys(history["optimizer"])), list(dict.fromkeys(history["data"]))
    with style():
        figure, panels = panel_grid(1, max(len(sets), 1), height=3.2)
        for axes, data in zip(panels[0], sets, strict=False):
            _lines(axes, rows_of(history, data=data), "optimizer", "epoch", "train_loss", names)
            log_scale(axes, "y")
            axes.set(xlabel="epoch", title=literal(data))
        panels[0, 0].set_ylabel("training loss of the epoch")
        legend_below(figure, panels[0, 0], 4)
    return figure


def results(scores: pd.DataFrame) -> Figure:
    """Draw test metrics as points with intervals, a row an arm and a panel a data set.

    Parameters
    ----------
    scores : DataFrame
        Columns data, arm, value: one row a seed.
    """
    arms, sets = list(dict.fromkeys(scores["arm"])), list(dict.fromkeys(scores["data"]))
    with style():
        height = 0.9 + 0.2 * len(arms)
        figure, panels = panel_grid(1, max(len(sets), 1), width=PAGE_WIDTH, height=height, sharey=True)
        for axes, data in zip(panels[0], sets, strict=False):
            for place, arm in enumerate(arms):
                found = median_interval(rows_of(scores, data=data, arm=arm)["value"].to_numpy(dtype=float), 0.95)
                bars = [[found.estimate - found.low], [found.high - found.estimate]]
                look = {"color": "#0072B2", "markerfacecolor": "white", "markersize": 3.5, "elinewidth": 0.8}
                axes.errorbar([found.estimate], [place], xerr=np.nan_to_num(bars, posinf=0.0), fmt="o", **look)
            axes.set(xlabel="test metric", title=literal(data))
        panels[0, 0].set_yticks(range(len(arms)), [literal(arm) for arm in arms])
        panels[0, 0].invert_yaxis()
    return figure


def coordinate_check(changes: pd.DataFrame, layers: Mapping[int, str], titles: Mapping[str, str]) -> Figure:
    """Draw how much pre-activations change in a few steps against the width, a panel a parametrization.

    Parameters
    ----------
    changes : DataFrame
        Columns parametrization, width, layer, change.
    layers : mapping of int to str
        Names of the layers that are drawn.
    titles : mapping of str to str
        Title of each parametrization's panel.
    """
    with style():
        figure, panels = panel_grid(1, len(titles), height=2.8, sharey=True)
        for axes, (name, title) in zip(panels[0], titles.items(), strict=True):
            for index, (layer, label) in enumerate(layers.items()):
                frame = rows_of(changes, parametrization=name, layer=layer)
                x, y, low, high = summarise(frame, "width", "change", geometric_mean_interval)
                measured(axes, x, y, (low, high), label=label, index=index, line=True)
                if x.size:
                    theory_line(axes, x, [y[0]] * x.size, label="muP: level" if index == 0 else None)
            widths = sorted(set(changes["width"]))
            log_scale(axes, "x", base=2)
            log_scale(axes, "y")
            axes.set(xlabel="width, units", title=literal(title))
            axes.set_xticks(widths, [str(width) for width in widths])
        panels[0, 0].set_ylabel("change of z, root mean square")
        legend_below(figure, panels[0, 0], len(layers) + 1)
    return figure


def transfer(runs: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Draw the training loss over learning rates, a line a width and a panel a parametrization.

    Parameters
    ----------
    runs : DataFrame
        Columns parametrization, width, learning_rate, train_loss; a diverged run has no loss and is left out.
    titles : mapping of str to str
        Title of each parametrization's panel.
    """
    widths = sorted(set(runs["width"]))
    with style():
        figure, panels = panel_grid(1, len(titles), height=3.0, sharey=True)
        for axes, (name, title) in zip(panels[0], titles.items(), strict=True):
            frame = rows_of(runs, parametrization=name).dropna(subset=["train_loss"])
            _lines(axes, frame, "width", "learning_rate", "train_loss", widths, " units")
            for index, width in enumerate(widths):
                best = rows_of(frame, width=width).groupby("learning_rate")["train_loss"].median()
                if len(best):
                    label = "best rate" if index == 0 else None
                    axes.plot(best.idxmin(), best.min(), "*", color="black", markersize=7, zorder=4, label=label)
            log_scale(axes, "x", base=2)
            log_scale(axes, "y")
            axes.set(xlabel="Adam's learning rate", title=literal(title))
        panels[0, 0].set_ylabel("training loss of the last epoch")
        legend_below(figure, panels[0, 0], len(widths) + 1)
    return figure
