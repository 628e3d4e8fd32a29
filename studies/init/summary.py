"""Medians with their intervals, one row an arm and quantity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .measurement import TRAINED
from .mode_questions import learning_times

if TYPE_CHECKING:
    import pandas as pd

SUMMARY_COLUMNS = [
    *("kind", "scheme", "activation", "depth", "width", "learning_rate", "parameters", "quantity"),
    *("n", "diverged", "median", "low", "high", "method", "at_edge"),
]


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return medians with intervals: log gains of untrained arms, trained arms at their chosen rate."""
    import pandas as pd

    from nnsim.report.arms import ARM, at_chosen_rate, chosen_rates
    from nnsim.report.statistics import median_interval

    rows = []
    trials = tables["trials"]
    runs = trials[trials["kind"].isin(["training", "phase_training"])]
    looked = trials[~trials["kind"].isin([*TRAINED, "lsuv", "pair", "jacobian", "modes", "deep_linear"])]
    times, time_edges = learning_times(trials)
    chosen = chosen_rates(runs, ["kind", *ARM])
    groups = [
        *((group, "log_gain") for group in looked.groupby(["kind", *ARM], sort=False)),
        *(
            (group, quantity)
            for quantity in ("validation_metric", "test_metric", "test_loss")
            for group in at_chosen_rate(runs, chosen, ["kind", *ARM]).groupby(["kind", *ARM], sort=False)
        ),
        *((group, "steps") for group in times.groupby(["kind", *ARM], sort=False)),
    ]
    edges = {tuple(row[:4]): bool(row.at_edge) for row in chosen.itertuples(index=False)}
    edges |= {("deep_linear", scheme, "identity", depth): edge for (scheme, depth), edge in time_edges.items()}
    for (names, group), quantity in groups:
        values = group[quantity].to_numpy(dtype=float)
        interval = median_interval(values[~np.isnan(values)], 0.95)
        row = {**dict(zip(["kind", *ARM], names, strict=True)), "width": int(group["width"].iloc[0])}
        row |= {"learning_rate": group["learning_rate"].iloc[0], "parameters": group["parameters"].max()}
        row |= {"quantity": quantity, "n": len(group), "diverged": int((group["status"] == "diverged").sum())}
        row |= {"median": interval.estimate, "low": interval.low, "high": interval.high, "method": interval.method}
        rows.append(row | {"at_edge": edges.get(names, False)})
    frame = pd.DataFrame(rows, columns=SUMMARY_COLUMNS)
    return frame.astype({"parameters": "Int64"})  # unknown where every trial of an arm failed
