"""Means with their intervals, one row an arm and quantity."""

from __future__ import annotations

from itertools import product

import pandas as pd

from nnsim.report.statistics import mean_interval

from .regularisers import regularised_arms
from .widths import width_arms

SUMMARY_COLUMNS = [
    *("kind", "regulariser", "strength", "label_noise", "width", "parameters", "learning_rate", "quantity"),
    *("n", "diverged", "mean", "low", "high", "method", "at_edge"),
]
QUANTITIES = ("train_metric", "test_metric", "test_loss", "gap")


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return accuracies, losses and gaps of every arm at its chosen rate, means over seeds with intervals."""
    rows = []
    for arms in (width_arms(tables["trials"]), regularised_arms(tables["trials"])[0]):
        runs = arms.runs.sort_values("repeat", kind="stable")
        for (_, group), quantity in product(runs.groupby(arms.names, sort=False), QUANTITIES):
            interval = mean_interval(group[quantity].dropna().to_numpy(dtype=float), 0.95)
            first = group.iloc[0]
            row = {name: first[name] for name in SUMMARY_COLUMNS[:5]} | {"learning_rate": first["learning_rate"]}
            row |= {"parameters": group["parameters"].max(), "quantity": quantity, "n": interval.n}
            row |= {"diverged": int((group["status"] == "diverged").sum()), "mean": interval.estimate}
            row |= {"low": interval.low, "high": interval.high, "method": interval.method}
            rows.append(row | {"at_edge": bool(first["at_edge"])})
    frame = pd.DataFrame(rows, columns=SUMMARY_COLUMNS)
    return frame.astype({"parameters": "Int64", "width": "Int64"})
