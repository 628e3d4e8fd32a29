"""Trained arms at the rate that validation chose, seed by seed, and slopes over an arm's size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nnsim.report.arms import at_chosen_rate, chosen_rates, rows_of
from nnsim.report.statistics import log_log_slopes


class Chosen:
    """The runs of one kind at the rate that validation chose for each arm.

    Parameters
    ----------
    trials : DataFrame
        Rows of the table ``trials``.
    kind : str
    keys : sequence of str
        Columns that tell the arms apart.
    """

    def __init__(self, trials: pd.DataFrame, kind: str, keys: Sequence[str]) -> None:
        runs, names = rows_of(trials, kind=kind), list(keys)
        rates = chosen_rates(runs, names)
        self.rates = rates.astype(runs.dtypes[[*names, "learning_rate"]])  # without rows they have no types
        self.runs = at_chosen_rate(runs, self.rates, names)

    def metric(self, **arm: Any) -> pd.Series:
        """Return the test metric of an arm by seed; a run that diverged counts as chance."""
        rows = rows_of(self.runs, **arm).sort_values("repeat").set_index("repeat")
        return rows["test_metric"].where(rows["status"] == "done", rows["chance"]).astype(float)

    def at_edge(self, **arm: Any) -> bool:
        """Tell whether the rate of one of the arms with these settings is at the edge of its grid."""
        return bool(rows_of(self.rates, **arm)["at_edge"].any())


def side_by_side(columns: Mapping[int, pd.Series]) -> pd.DataFrame:
    """Return series over the same seeds as columns; seeds that one of them lacks are left out."""
    return pd.DataFrame(dict(columns)).dropna()


def log_slopes(wide: pd.DataFrame) -> np.ndarray:
    """Return the slope of ln(value) over ln(column name) for each row; empty with fewer than 2 columns."""
    if wide.shape[1] < 2:
        return np.empty(0)
    return log_log_slopes(np.array(wide.columns, dtype=float), wide.to_numpy(dtype=float))
