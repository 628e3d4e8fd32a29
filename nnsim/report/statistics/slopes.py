"""How a quantity grows with another, seed by seed: slopes on logarithmic axes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from nnsim.report.statistics import log_log_slopes


def side_by_side(columns: Mapping[int, pd.Series]) -> pd.DataFrame:
    """Return series over the same seeds as columns; seeds that one of them lacks are left out."""
    return pd.DataFrame(dict(columns)).dropna()


def log_slopes(wide: pd.DataFrame) -> np.ndarray:
    """Return the slope of ln(value) over ln(column name) for each row; empty with fewer than 2 columns."""
    if wide.shape[1] < 2:
        return np.empty(0)
    return log_log_slopes(np.array(wide.columns, dtype=float), wide.to_numpy(dtype=float))


def slopes_by_seed(rows: pd.DataFrame, x: str, y: str) -> np.ndarray:
    """Return the least-squares slope of ln y against ln x for each seed that has a positive y at every x.

    Parameters
    ----------
    rows : DataFrame
        One row for each ``repeat``, the number of the seed, and x.
    x, y : str
        Columns of numbers; those of x are positive.

    Returns
    -------
    float64 array (seeds,)
        In the order of ``repeat``; empty where there are fewer than two values of x.
    """
    wide = rows.pivot(index="repeat", columns=x, values=y).astype(float)
    return log_slopes(wide[(wide > 0).all(axis=1)])
