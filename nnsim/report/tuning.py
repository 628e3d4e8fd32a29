"""Tuned arms side by side: scores at chosen rates, where the best rate lies, and how a quantity grows."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from nnsim.report.arms import chosen_rates, rows_of
from nnsim.report.chosen import log_slopes


class Comparison:
    """The test metrics of tuned optimizers on one data set, one value a seed; a diverged run counts as chance.

    Parameters
    ----------
    runs : DataFrame
        One row a run: columns data, optimizer, learning_rate, repeat, status, chance, validation_metric, test_metric.
    """

    def __init__(self, runs: pd.DataFrame) -> None:
        self.runs = runs.assign(value=runs["test_metric"].where(runs["status"] == "done", runs["chance"]))
        chosen = chosen_rates(runs, ["data", "optimizer"])
        self.rate = dict(zip(chosen["optimizer"], chosen["learning_rate"], strict=True))
        self.edge = dict(zip(chosen["optimizer"], chosen["at_edge"], strict=True))

    def scores(self, optimizer: str, rate: float | None = None) -> pd.Series:
        """Return the test metric of each seed at a rate, by default the one that validation chose."""
        at = self.rate.get(optimizer, math.nan) if rate is None else rate
        return rows_of(self.runs, optimizer=optimizer, learning_rate=at).set_index("repeat")["value"].sort_index()

    def lead(self, first: pd.Series, second: pd.Series) -> np.ndarray:
        """Return first minus second at equal seeds."""
        return (first - second).dropna().to_numpy(dtype=float)

    def at_edge(self, *optimizers: str) -> bool:
        """Tell whether one of the chosen rates lies on the edge of its grid."""
        return any(bool(self.edge.get(optimizer, False)) for optimizer in optimizers)


def best_octave(rates: np.ndarray, losses: np.ndarray) -> float:
    """Return log2 of the rate of least loss, between grid points by a parabola through ln loss.

    Parameters
    ----------
    rates, losses : float arrays (n,)
        In rising order of rates; losses positive, infinite where a run diverged.

    Returns
    -------
    float
        The vertex through the least loss and its neighbours, or the grid point where it has none that are finite.
        NaN if no loss is finite.
    """
    x = np.log2(rates)
    at = int(np.argmin(np.where(np.isfinite(losses), losses, np.inf)))
    if not np.isfinite(losses[at]):
        return math.nan
    near = slice(at - 1, at + 2)
    if at == 0 or at == x.size - 1 or not np.isfinite(losses[near]).all() or losses[at] <= 0:
        return float(x[at])
    curvature, slope, _ = np.polyfit(x[near] - x[at], np.log(losses[near]), 2)
    return float(x[at] - slope / (2 * curvature)) if curvature > 0 else float(x[at])


def octaves_moved(runs: pd.DataFrame, first: int, last: int) -> np.ndarray:
    """Return how far, in octaves, each seed's best rate (see `best_octave`) moves between two widths.

    Parameters
    ----------
    runs : DataFrame
        One row a run: columns width, repeat, learning_rate, train_loss (NaN where it diverged).
    first, last : int
        The widths; two that are equal, or one without runs, give no values.
    """
    losses = runs.assign(loss=runs["train_loss"].astype(float).fillna(np.inf)).sort_values("learning_rate")
    best = {
        width: rows_of(losses, width=width)
        .groupby("repeat")
        .apply(lambda seed: best_octave(seed["learning_rate"].to_numpy(dtype=float), seed["loss"].to_numpy()))
        for width in (first, last)
        if (losses["width"] == width).any()
    }
    if len(best) < 2:
        return np.empty(0)
    return (best[last] - best[first]).dropna().to_numpy(dtype=float)


def slopes_by_seed(rows: pd.DataFrame, x: str, y: str) -> np.ndarray:
    """Return the slope of ln y against ln x for each seed (column repeat) that has a positive y at every x."""
    wide = rows.pivot(index="repeat", columns=x, values=y).astype(float)
    return log_slopes(wide[(wide > 0).all(axis=1)])
