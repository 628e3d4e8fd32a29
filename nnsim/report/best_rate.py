"""Where between the points of a grid the best learning rate lies, and how far it moves with the width."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from nnsim.report.arms import rows_of

if TYPE_CHECKING:
    import pandas as pd


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
    losses = runs.assign(loss=runs["train_loss"].astype(float).fillna(np.inf)).sort_values(
        "learning_rate", kind="stable"
    )
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
