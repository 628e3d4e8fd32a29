"""Medians with their intervals, one row an arm and quantity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

SUMMARY_COLUMNS = [
    *("kind", "scheme", "activation", "depth", "width", "learning_rate", "parameters", "quantity"),
    *("n", "diverged", "median", "low", "high", "method", "at_edge"),
]


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return medians with intervals: log gains of untrained arms, and trained arms at their chosen learning rate."""
    import pandas as pd

    from nnsim.report.arms import ARM, at_chosen_rate, chosen_rates
    from nnsim.report.statistics import median_interval

    rows = []
    runs = tables["trials"][tables["trials"]["kind"] == "training"]
    looked = tables["trials"][~tables["trials"]["kind"].isin(["training", "symmetry"])]
    chosen = chosen_rates(runs, ARM)
    groups = [
        *((group, "log_gain") for group in looked.groupby(["kind", *ARM], sort=False)),
        *(
            (group, quantity)
            for quantity in ("validation_metric", "test_metric", "test_loss")
            for group in at_chosen_rate(runs, chosen).groupby(["kind", *ARM], sort=False)
        ),
    ]
    edges = {tuple(row[:3]): bool(row.at_edge) for row in chosen.itertuples(index=False)}
    for (names, group), quantity in groups:
        values = group[quantity].to_numpy(dtype=float)
        interval = median_interval(values[~np.isnan(values)], 0.95)
        row = {**dict(zip(["kind", *ARM], names, strict=True)), "width": int(group["width"].iloc[0])}
        row |= {"learning_rate": group["learning_rate"].iloc[0], "parameters": group["parameters"].max()}
        row |= {"quantity": quantity, "n": len(group), "diverged": int((group["status"] == "diverged").sum())}
        row |= {"median": interval.estimate, "low": interval.low, "high": interval.high, "method": interval.method}
        rows.append(row | {"at_edge": edges.get(names[1:], False) if names[0] == "training" else False})
    frame = pd.DataFrame(rows, columns=SUMMARY_COLUMNS)
    return frame.astype({"parameters": "Int64"})  # unknown where every trial of an arm failed
