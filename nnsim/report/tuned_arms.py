"""Trained arms, each at the learning rate that was chosen for it, and compared seed by seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.report.arms import at_chosen_rate, chosen_rates, rows_of

if TYPE_CHECKING:
    import pandas as pd

Arm = Mapping[str, Any]
"""Settings of an arm: the values of the columns that tell it apart, or of some of them where the others are one."""


class ChosenArms:
    """Runs over a grid of learning rates, of which one is chosen for each arm.

    Parameters
    ----------
    runs : DataFrame
        One row a run, with the columns in `names`, ``learning_rate`` and ``repeat``, the number of the seed.
    names : sequence of str
        Columns that tell the arms apart.
    rates : DataFrame, optional
        A row for each arm, as of `nnsim.report.selection.select_learning_rate`; by default the rates of the best mean
        validation metric.

    Attributes
    ----------
    grid : DataFrame
        The runs at all rates.
    rates : DataFrame
        The chosen rates, with columns of the same types as those of the runs.
    runs : DataFrame
        The runs at the chosen rates, with ``at_edge``: whether the arm's rate is at the edge of its grid.
    """

    def __init__(self, runs: pd.DataFrame, names: Sequence[str], rates: pd.DataFrame | None = None) -> None:
        self.names = list(names)
        rates = chosen_rates(runs, self.names) if rates is None else rates
        self._types = runs.dtypes[[*self.names, "learning_rate"]]
        self.grid, self.rates = runs, rates.astype(self._types)  # without rows they have no types
        edges = self.rates[[*self.names, "at_edge"]]
        self.runs = self.pick(runs).merge(edges, on=self.names)

    def pick(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of another table (layers, history) of every arm at its chosen rate."""
        return at_chosen_rate(frame.astype(self._types), self.rates, self.names)

    def rate(self, arm: Arm) -> float:
        """Return the chosen rate of an arm; NaN where it did not run."""
        rates = rows_of(self.rates, **arm)["learning_rate"]
        return float(rates.iloc[0]) if len(rates) else math.nan

    def values(self, column: str, arm: Arm, rate: float | None = None) -> pd.Series:
        """Return a column of an arm's runs by seed.

        Parameters
        ----------
        column : str
            Column of numbers or truths of the runs.
        arm : mapping of str to value
            See `Arm`.
        rate : float, optional
            A learning rate of the grid; by default the arm's chosen one.

        Returns
        -------
        Series of float
            Index ``repeat``, ascending; empty where the arm did not run.
        """
        rows = rows_of(self.runs, **arm) if rate is None else rows_of(self.grid, learning_rate=rate, **arm)
        return rows.set_index("repeat")[column].astype(float).sort_index()

    def lead(self, column: str, first: Arm, second: Arm) -> np.ndarray:
        """Return first minus second at equal seeds; a seed that one of them lacks is left out.

        Parameters
        ----------
        column : str
            As in `values`.
        first, second : mapping of str to value
            Two arms, each at its chosen rate.

        Returns
        -------
        float64 array (seeds,)
            In the order of the seeds.
        """
        return (self.values(column, first) - self.values(column, second)).dropna().to_numpy()

    def at_edge(self, *arms: Arm) -> bool:
        """Tell whether the rate of one of the arms is at the edge of its grid."""
        return any(bool(rows_of(self.rates, **arm)["at_edge"].any()) for arm in arms)
