"""Generalisation: accuracy and gap against width, double descent, and what regularisers do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nnsim.report.arms import rows_of
from nnsim.report.figures import COLUMN_WIDTH, PAGE_WIDTH, literal, measured, panel_grid, style, theory_line
from nnsim.report.plots.intervals import LEVEL, legend_below, summarise
from nnsim.report.statistics import geometric_mean_interval, mean_interval

_PANELS = (
    ("train_metric", "training accuracy\n(noisy labels)"),
    ("test_metric", "test accuracy\n(clean labels)"),
    ("gap", "gap"),
    ("test_loss", "test loss (nats)"),
)


def widths(runs: pd.DataFrame) -> Figure:
    """Draw accuracies, gap and test loss of runs at their chosen rates against width, a series a label noise."""
    done = rows_of(runs, status="done")
    with style():
        figure, panels = panel_grid(2, 2, width=PAGE_WIDTH, height=4.4, sharex=True)
        for axes, (column, label) in zip(panels.flat, _PANELS, strict=True):
            for index, noise in enumerate(sorted(set(done["label_noise"]))):
                interval = geometric_mean_interval if column == "test_loss" else mean_interval
                x, y, low, high = summarise(rows_of(done, label_noise=noise), "width", column, interval)
                measured(axes, x, y, (low, high), label=f"label noise {noise:g}", index=index, line=True)
            axes.set_xscale("log", base=2)
            axes.set_ylabel(label)
            if column == "test_loss" and len(done):
                axes.set_yscale("log")
                axes.set_yticks((0.5, 1, 2, 5, 10), ("0.5", "1", "2", "5", "10"))
        ticks = sorted(set(done["width"]))
        for axes in panels[1]:
            axes.set_xticks(ticks, [str(width) for width in ticks])
            axes.minorticks_off()
            axes.set_xlabel("hidden units")
        legend_below(figure, panels[0, 0], 4)
    return figure


def risks(linear: pd.DataFrame, rows: int, law: Callable[[int], float]) -> Figure:
    """Draw the squared error of linear fits (columns features, risk, ridge_risk) with ``law(features)`` dashed.

    Parameters
    ----------
    linear : DataFrame
    rows : int
        Rows of the fits, where the peak is.
    law : callable
        Expected error of the fit of smallest norm; infinite values leave a gap in the line.
    """
    with style():
        figure, panels = panel_grid(width=COLUMN_WIDTH, height=3.0)
        axes = panels[0, 0]
        for index, (column, label) in enumerate((("risk", "least squares"), ("ridge_risk", "best L2 penalty"))):
            x, y, low, high = summarise(linear, "features", column, geometric_mean_interval)
            measured(axes, x, y, (low, high), label=label, index=index, line=column == "ridge_risk")
        if len(linear):
            features = np.arange(int(linear["features"].min()), int(linear["features"].max()) + 1)
            expected = np.array([law(int(count)) for count in features])
            theory_line(axes, features, np.where(np.isfinite(expected), expected, np.nan), "expected error, exact")
        if len(linear):  # a logarithmic axis without data is an error
            axes.axvline(rows, color="0.7", linewidth=0.8, zorder=0)
            axes.set_xscale("log")
            axes.set_yscale("log")
            ticks = (5, 10, 20, 40, 80, 160, 320)
            axes.set_xticks(ticks, [str(count) for count in ticks])
            axes.minorticks_off()
            axes.set_xlim(0.9 * linear["features"].min(), 1.1 * linear["features"].max())
        axes.set_xlabel(f"features p (rows: {rows})")
        axes.set_ylabel("squared error on new rows")
        legend_below(figure, axes, 2)
    return figure


def regularised(arms: Sequence[tuple[str, pd.DataFrame]]) -> Figure:
    """Draw gap and test accuracy of named arms, a row an arm, means over their finished runs."""
    with style():
        figure, panels = panel_grid(1, 2, width=PAGE_WIDTH, height=0.9 + 0.28 * max(len(arms), 1), sharey=True)
        for axes, (column, label) in zip(panels[0], (("gap", "gap"), ("test_metric", "test accuracy")), strict=True):
            for place, (_, runs) in enumerate(arms):
                found = mean_interval(rows_of(runs, status="done")[column].dropna().to_numpy(dtype=float), LEVEL)
                look = {"markersize": 4, "markerfacecolor": "white", "color": "#0072B2", "elinewidth": 0.9}
                ends = [[found.estimate - found.low], [found.high - found.estimate]]
                axes.errorbar([found.estimate], [place], xerr=ends, fmt="o", **look)
                if place == 0:
                    axes.axvline(found.estimate, color="0.7", linewidth=0.8, zorder=0)
            axes.set_xlabel(label)
        panels[0, 0].set_yticks(range(len(arms)), [literal(name) for name, _ in arms])
        panels[0, 0].invert_yaxis()
    return figure
