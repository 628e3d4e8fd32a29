"""What the figures of several studies share: measurements with their intervals, and the place of a legend."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

LEVEL = 0.95  # of the intervals drawn

Line = tuple[np.ndarray, np.ndarray]  # x and y of a prediction


def summarise(frame: pd.DataFrame, x: str, y: str, interval: Callable) -> tuple[np.ndarray, ...]:
    """Return x, estimate, low and high of y at each x, ascending: four float64 arrays of one length.

    Parameters
    ----------
    frame : DataFrame
    x, y : str
        Columns of numbers: where, and what was measured there.
    interval : callable
        From values and a level to an `Interval`, such as `nnsim.report.statistics.mean_interval`.
    """
    rows = []
    for at, group in frame.groupby(x):
        found = interval(group[y].to_numpy(dtype=float), LEVEL)
        rows.append((at, found.estimate, found.low, found.high))
    return tuple(np.array(column, dtype=float) for column in zip(*rows, strict=True)) if rows else (np.empty(0),) * 4


def legend_under(axes: Axes, columns: int = 2) -> None:
    """Name the series of one panel below it; a panel without series has no legend."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=columns)


def legend_below(figure: Figure, axes: Axes, columns: int) -> None:
    """Name the series of one panel below all panels of the figure.

    Parameters
    ----------
    figure : Figure
    axes : Axes
        The panel whose series are named.
    columns : int
        Columns of the legend, at least 1; fewer where they do not fit the figure's width.
    """
    handles, labels = axes.get_legend_handles_labels()
    inches = 0.45 + 0.052 * max(map(len, labels), default=0)  # a line's sample, and letters of seven points
    columns = min(columns, max(1, int(figure.get_figwidth() / inches)))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)


def log_scale(axes: Axes, which: str, base: float = 10) -> None:
    """Scale an axis logarithmically if a positive number is drawn: else matplotlib refuses.

    Parameters
    ----------
    axes : Axes
    which : {"x", "y"}
    base : float
        Of the logarithm: ticks stand at its powers.
    """
    if np.isfinite(getattr(axes.dataLim, f"minpos{which}")):
        getattr(axes, f"set_{which}scale")("log", base=base)
