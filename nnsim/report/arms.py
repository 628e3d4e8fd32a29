"""Picking an arm's values out of tidy tables, one value a seed, in the order of the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.report.selection import select_learning_rate

if TYPE_CHECKING:
    import pandas as pd

ARM = ["scheme", "activation", "depth"]
"""Columns that tell trained arms apart."""


def rows_of(frame: pd.DataFrame, **values: Any) -> pd.DataFrame:
    """Return the rows in which every named column has the given value."""
    keep = np.arange(len(frame))
    for column, value in values.items():
        cells = frame[column].iloc[keep]
        keep = keep[(cells == value).to_numpy(dtype=bool, na_value=False)]  # an empty cell equals nothing
    return frame.iloc[keep]


def change_per_layer(layers: pd.DataFrame, column: str, first: int, last: int) -> np.ndarray:
    """Return (value at layer `last` - value at layer `first`) / (last - first) for each seed that has both.

    Parameters
    ----------
    layers : DataFrame
        Rows of one arm, one for each ``repeat`` and ``layer``.
    column : str
        Column of the value.
    first, last : int
        Two different layers, as the column ``layer`` numbers them.

    Returns
    -------
    float64 array (seeds,)
        In the order of ``repeat``.
    """
    wide = layers[layers["layer"].isin([first, last])].pivot(index="repeat", columns="layer", values=column)
    if first not in wide or last not in wide:
        return np.empty(0)
    wide = wide.dropna()
    return ((wide[last] - wide[first]) / (last - first)).to_numpy()


def scored(runs: pd.DataFrame) -> pd.DataFrame:
    """Return runs with their ``score``: the test metric, or that of chance where a run is not done."""
    return runs.assign(score=runs["test_metric"].where(runs["status"] == "done", runs["chance"]))


def chosen_rates(runs: pd.DataFrame, arms: Sequence[str] = ARM) -> pd.DataFrame:
    """Return each arm's learning rate with the best mean validation metric (see `select_learning_rate`)."""
    return select_learning_rate(runs, list(arms), "validation_metric")


def at_chosen_rate(rows: pd.DataFrame, chosen: pd.DataFrame, arms: Sequence[str] = ARM) -> pd.DataFrame:
    """Return the rows of every arm at its chosen rate.

    Parameters
    ----------
    rows : DataFrame
        Runs, layers or history, with the columns in `arms` and ``learning_rate``.
    chosen : DataFrame
        A row for each arm, as of `chosen_rates`.
    arms : sequence of str
        Columns that tell the arms apart.
    """
    keys = [*arms, "learning_rate"]
    return rows.merge(chosen[keys], on=keys, how="inner")
