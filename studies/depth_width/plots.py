"""What depth can do and what it does: pieces, errors, decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nnsim.report.arms import rows_of
from nnsim.report.figures import COLUMN_WIDTH, PAGE_WIDTH, SKY, literal, measured, panel_grid, style, theory_line
from nnsim.report.plots.intervals import Line, legend_below, summarise
from nnsim.report.statistics import mean_interval, median_interval


def pieces(tents: pd.DataFrame, random: pd.DataFrame, predictions: Mapping[int, Line]) -> Figure:
    """Draw the pieces of written networks against their blocks, and the breakpoints of random ones against depth.

    Parameters
    ----------
    tents, random : DataFrame
        Columns depth and pieces; of random networks neurons, too.
    predictions : mapping of neurons to (depths, breakpoints)
        Drawn dashed.
    """
    with style():
        figure, panels = panel_grid(1, 2, height=2.7)
        written, drawn = panels[0]
        blocks = np.sort(tents["depth"].to_numpy(dtype=float))
        measured(written, tents["depth"], tents["pieces"], label="tents, counted")
        theory_line(written, blocks, 2.0**blocks, label="theory")
        written.plot(blocks, 2 * blocks + 1, color="0.6", linestyle=":", label="most, one hidden layer")
        written.set(yscale="log", xlabel="blocks of two units", ylabel="affine pieces on [0, 1]")
        written.set_yscale("log", base=2)
        for index, (neurons, (depths, expected)) in enumerate(predictions.items()):
            rows = random[random["neurons"].between(neurons - depths.max() + 1, neurons)]  # layers of whole units
            x, y, low, high = summarise(rows, "depth", "pieces", mean_interval)
            measured(drawn, x, y - 1, (low - 1, high - 1), label=f"{neurons} neurons", index=index + 1)
            theory_line(drawn, depths, expected, label=None)
        drawn.set(xlabel="hidden layers", ylabel="breakpoints on [−1, 1]")
        _depths(drawn, random)
        drawn.set_ylim(bottom=0)
        handles = [axes.get_legend_handles_labels() for axes in (written, drawn)]
        together = [(*first, *second) for first, second in zip(*handles, strict=True)]
        figure.legend(*together, loc="outside lower center", ncols=5, frameon=False)
    return figure


def _depths(axes: Axes, rows: pd.DataFrame) -> None:
    """Put the depths that were measured on a logarithmic axis, as numbers."""
    axes.set_xscale("log", base=2)
    depths = sorted(set(rows["depth"].tolist()))
    axes.set_xticks(depths, [str(depth) for depth in depths])


def square(
    tents: np.ndarray, errors: np.ndarray, deep: Callable[[int], float], shallow: Callable[[int], float]
) -> Figure:
    """Draw the largest error for x^2 against hidden units: three a tent, or one a further line."""
    most = int(tents.max(initial=1))
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=2.7)
        axes = panels[0, 0]
        measured(axes, 3 * tents, errors, label="tents, three units a layer")
        counts = np.arange(1, most + 1)
        theory_line(axes, 3 * counts, [deep(count) for count in counts.tolist()])
        units = np.arange(1, 3 * most + 1)
        axes.plot(units, [shallow(n + 1) for n in units.tolist()], color="0.5", linestyle=":", label="one layer, best")
        axes.set(yscale="log", xlabel="hidden units", ylabel="largest error of x²")
        legend_below(figure, axes, 2)
    return figure


def found(runs: pd.DataFrame, wanted: int) -> Figure:
    """Draw the test R² of trained networks against the pieces counted in them, one series an arm."""
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=2.9)
        axes = panels[0, 0]
        for index, ((depth, width), rows) in enumerate(runs.groupby(["depth", "width"], sort=False)):
            label = f"{depth} × {width}, {int(rows['parameters'].max())} parameters"
            measured(axes, rows["pieces"].astype(float), rows["test_metric"].astype(float), label=label, index=index)
        axes.axvline(wanted, color="0.5", linestyle=":", label=f"{wanted} pieces")
        axes.set(xscale="log", xlabel="affine pieces, counted", ylabel="test R²")
        legend_below(figure, axes, 1)
    return figure


def approximation(trained: pd.DataFrame, fixed: pd.DataFrame) -> Figure:
    """Draw the share of the variance left against hidden units: trained ones, and fixed ones with fitted outputs.

    Parameters
    ----------
    trained : DataFrame
        Columns activation, dimension, width and error.
    fixed : DataFrame
        Columns activation, dimension, units and error.
    """
    dimensions = sorted({*trained["dimension"], *fixed["dimension"]})
    with style():
        figure, panels = panel_grid(1, max(len(dimensions), 1), width=PAGE_WIDTH, height=2.9, sharey=True)
        for axes, dimension in zip(panels[0], dimensions, strict=False):
            series = [("trained", trained, "width"), ("fixed", fixed, "units")]
            for index, (name, frame, x) in enumerate(series):
                for shift, activation in enumerate(("relu", "sigmoid")):
                    rows = rows_of(frame, dimension=dimension, activation=activation).dropna(subset=["error"])
                    at, y, low, high = summarise(rows, x, "error", median_interval)
                    measured(axes, at, y, (low, high), f"{activation}, {name}", 2 * index + shift, line=True)
            ends = np.array([*fixed["units"], *trained["width"]], dtype=float)
            if ends.size:
                line = np.array([ends.min(), ends.max()])
                theory_line(axes, line, line[0] / line, label="1/n")
            axes.set(xscale="log", yscale="log", xlabel="hidden units", title=f"{dimension} inputs")
            axes.set_xscale("log", base=2)
        panels[0, 0].set_ylabel("share of the variance left")
        legend_below(figure, panels[0, 0], 5)
    return figure


def equal_parameters(runs: pd.DataFrame) -> Figure:
    """Draw the test metric against depth, a panel a data set; runs hold one rate an arm."""
    names = list(dict.fromkeys(runs["data"]))
    with style():
        figure, panels = panel_grid(1, max(len(names), 1), height=2.5)
        for axes, name in zip(panels[0], names, strict=False):
            rows = rows_of(runs, data=name).dropna(subset=["test_metric"])
            x, y, low, high = summarise(rows, "depth", "test_metric", median_interval)
            measured(axes, x, y, (low, high), line=True)
            for depth, group in rows.groupby("depth"):
                text, place = f"width {int(group['width'].iloc[0])}", float(group["test_metric"].median())
                axes.annotate(text, (depth, place), (3, 5), textcoords="offset points", fontsize=6)
            _depths(axes, rows)
            axes.margins(x=0.15)
            sizes = rows_of(runs, data=name)["parameters"].dropna()
            span = f", {int(sizes.min())} to {int(sizes.max())} parameters" if len(sizes) else ""
            axes.set(xlabel="hidden layers", title=literal(f"{name}{span}"))
        panels[0, 0].set_ylabel("test accuracy")
    return figure


def decisions(stretches: pd.DataFrame, arms: Sequence[tuple[int, int]], reach: float) -> Figure:
    """Draw where networks of (depth, width) answer the second class, from stretches along horizontal lines.

    Parameters
    ----------
    stretches : DataFrame
        Columns depth, width, height, left and right.
    arms : sequence of (depth, width)
        One panel each.
    reach : float
        Half the side of the square that is drawn.
    """
    with style():
        figure, panels = panel_grid(1, len(arms), height=2.2, sharex=True, sharey=True)
        for axes, (depth, width) in zip(panels[0], arms, strict=True):
            rows = rows_of(stretches, depth=depth, width=width)
            step = float(np.diff(np.unique(rows["height"])).min()) if rows["height"].nunique() > 1 else 0.1
            axes.barh(rows["height"], rows["right"] - rows["left"], step, rows["left"], color=SKY, linewidth=0)
            angle = np.linspace(0, 2 * np.pi, 200)
            for radius in (np.sqrt(1.6), np.sqrt(0.4)):  # circles of radius 1 and 1/2 in their own deviations
                axes.plot(radius * np.cos(angle), radius * np.sin(angle), color="0.4", linewidth=0.6, linestyle=":")
            axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="$x_0$")
            axes.set_title(f"{depth} × {width}")
        panels[0, 0].set_ylabel("$x_1$, standardised")
    return figure
