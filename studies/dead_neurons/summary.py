"""Shares with their intervals, one row an arm and quantity."""

from __future__ import annotations

import pandas as pd

from nnsim.report.arms import rows_of
from nnsim.report.statistics import mean_interval, proportion_interval

ARM = ["kind", "scheme", "activation", "depth", "width", "shift", "bias", "normalization", "learning_rate"]
COLUMNS = [*ARM, "quantity", "n", "diverged", "mean", "low", "high", "method"]


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return how often networks of each arm are born dead, and the share of dead units after training, at each rate."""
    rows = []
    for kind, quantity in (("narrow", "silent"), ("narrow", "born_dead"), ("training", "dead_at_end")):
        for names, group in rows_of(tables["trials"], kind=kind).groupby(ARM, sort=False, dropna=False):
            values = group[quantity].dropna().to_numpy(dtype=float)
            if kind == "narrow":
                interval = proportion_interval(int(values.sum()), values.size, 0.95)
            else:
                interval = mean_interval(values, 0.95)
            found = {"quantity": quantity, "n": len(group), "diverged": int((group["status"] == "diverged").sum())}
            found |= {"mean": interval.estimate, "low": interval.low, "high": interval.high, "method": interval.method}
            rows.append({**dict(zip(ARM, names, strict=True)), **found})
    return pd.DataFrame(rows, columns=COLUMNS)
