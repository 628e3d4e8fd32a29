"""Shares with their intervals, one row an arm and quantity."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SUMMARY_COLUMNS = [
    *("kind", "scheme", "activation", "depth", "width", "shift", "bias", "normalization", "learning_rate"),
    *("quantity", "n", "diverged", "mean", "low", "high", "method"),
]


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return how often networks of each arm are born dead, and the share of dead units after training, at each rate."""
    import pandas as pd

    from nnsim.report.statistics import mean_interval, proportion_interval

    rows = []
    arm = SUMMARY_COLUMNS[:9]
    trials = tables["trials"]
    for kind, quantity in (("narrow", "silent"), ("narrow", "born_dead"), ("training", "dead_at_end")):
        part = trials[trials["kind"] == kind]
        for names, group in part.groupby(arm, sort=False, dropna=False):
            values = group[quantity].dropna().to_numpy(dtype=float)
            if kind == "narrow":
                interval = proportion_interval(int(values.sum()), values.size, 0.95)
            else:
                interval = mean_interval(values, 0.95)
            found = {"quantity": quantity, "n": len(group), "diverged": int((group["status"] == "diverged").sum())}
            found |= {"mean": interval.estimate, "low": interval.low, "high": interval.high, "method": interval.method}
            rows.append({**dict(zip(arm, names, strict=True)), **found})
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)
