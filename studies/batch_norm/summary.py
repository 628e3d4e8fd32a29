"""Medians with their intervals, one row an arm and quantity."""

from __future__ import annotations

import pandas as pd

from nnsim.report.arm_summary import FACTS, median_facts
from nnsim.report.arms import rows_of

from .shared import tuned

ARM = ["normalization", "depth", "width"]
QUANTITIES = ("validation_metric", "test_metric", "weight_growth")


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the medians of trained arms at their chosen rates: metrics in validation and test, growth of weights."""
    picked = tuned(rows_of(tables["trials"], kind="training")).runs
    rows = [
        dict(zip(ARM, names, strict=True)) | median_facts(group, quantity)
        for names, group in picked.groupby(ARM, sort=False)
        for quantity in QUANTITIES
    ]
    return pd.DataFrame(rows, columns=[*ARM, *FACTS]).astype({"parameters": "Int64"})
