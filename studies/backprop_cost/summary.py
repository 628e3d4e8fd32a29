"""Median times of every network, with their intervals."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

from nnsim.report.statistics import median_interval

NETWORK = ["kind", "architecture", "batch", "parameters"]
SUMMARY_COLUMNS = [*NETWORK, *("quantity", "n", "median", "low", "high", "method", "timed")]
TIMED = ("forward_seconds", "gradient_seconds", "ratio", "difference_seconds")


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return a row for each network and quantity."""
    rows = []
    groups = tables["times"].groupby(NETWORK, sort=False)
    for (names, group), quantity in product(list(groups), TIMED):
        values = group[quantity].to_numpy(dtype=float)
        if not np.isnan(values).all():
            found = median_interval(values[~np.isnan(values)], 0.95)
            row = dict(zip(NETWORK, names, strict=True)) | {"quantity": quantity, "n": len(group)}
            row |= {"median": found.estimate, "low": found.low, "high": found.high, "method": found.method}
            rows.append(row | {"timed": True})
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)
