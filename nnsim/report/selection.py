"""Choosing each arm's learning rate on validation results, after all runs are done.

Every arm runs the same grid of learning rates and seeds, so that no arm is tuned more than another, and no trial
depends on another's result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnsim.core.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd


def select_learning_rate(
    runs: pd.DataFrame, arms: Sequence[str], metric: str, *, larger_is_better: bool = True
) -> pd.DataFrame:
    """Return the learning rate with the best mean validation metric over seeds, for each arm.

    A run that is not ``done``, or whose metric is not finite, ranks last: it counts as the worst finished run of its
    arm. Among equal means the rate with fewer such runs wins, then the smaller rate.

    Parameters
    ----------
    runs : DataFrame
        One row a run, with the columns in `arms`, ``learning_rate``, ``status`` and `metric`.
    arms : sequence of str
        Columns whose combinations are the arms, at least one.
    metric : str
        Column of the validation metric.
    larger_is_better : bool
        False for a loss.

    Returns
    -------
    DataFrame
        A row for each arm, in the order in which they appear: its columns in `arms`, the chosen ``learning_rate``, the
        mean of `metric` there over the runs that finished (NaN if none), the number of ``runs`` at that rate, how many
        of them ``failed``, and ``at_edge``: whether the choice is the lowest or highest rate of the arm's grid, so that
        a better one may lie outside and what rests on it is inconclusive. An arm of which no run finished gets the
        lowest rate.

    Raises
    ------
    UsageError
        If a column is missing, or no arm column is given.
    """
    _require(runs, [*arms, "learning_rate", "status", metric])
    if not arms:
        raise UsageError("no arm column is given: at least 1 is needed")
    names, sign = list(arms), 1.0 if larger_is_better else -1.0
    finished = (runs["status"] == "done") & np.isfinite(runs[metric].astype("float64"))
    scored = runs.assign(
        _arm=runs.groupby(names, sort=False, dropna=False, observed=True).ngroup(),
        _failed=~finished,
        _finished=runs[metric].where(finished),
        _score=(sign * runs[metric]).where(finished),
    )
    best = _best_rates(scored).rename(columns={"mean": metric})
    found = scored.drop_duplicates("_arm")[[*names, "_arm"]].merge(best, on="_arm")
    return found[[*names, "learning_rate", metric, "runs", "failed", "at_edge"]]


def _best_rates(runs: pd.DataFrame) -> pd.DataFrame:
    """Return rate, mean metric, runs, failed runs and whether the rate is at the edge of the grid, for each arm."""
    worst = runs.groupby("_arm")["_score"].transform("min").fillna(0.0)
    filled = runs.assign(_score=runs["_score"].fillna(worst))
    rates = filled.groupby(["_arm", "learning_rate"], as_index=False).agg(
        score=("_score", "mean"), mean=("_finished", "mean"), runs=("_failed", "size"), failed=("_failed", "sum")
    )
    grids = rates.groupby("_arm")["learning_rate"]
    edges = (grids.transform("min"), grids.transform("max"))
    rates["at_edge"] = (rates["learning_rate"] == edges[0]) | (rates["learning_rate"] == edges[1])
    order = ["_arm", "score", "failed", "learning_rate"]
    return rates.sort_values(order, ascending=[True, False, True, True], kind="stable").drop_duplicates("_arm")


def _require(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise UsageError(f"column '{missing[0]}' is missing: the table holds {', '.join(map(str, frame.columns))}")
