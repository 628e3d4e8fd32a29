"""Medians with their intervals, one row an arm and quantity."""

from __future__ import annotations

import pandas as pd

from nnsim.report.arm_summary import FACTS, median_facts

from .shared import ARMS, chosen_arms


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return medians with intervals of every arm at its chosen rate, with how many runs diverged there."""
    rows = [
        dict(zip(ARMS, names, strict=True)) | median_facts(group, quantity)
        for names, group in chosen_arms(tables["trials"]).runs.groupby(ARMS, sort=False)
        for quantity in ("test_metric", "clipped")
    ]
    return pd.DataFrame(rows, columns=[*ARMS, *FACTS]).astype({"parameters": "Int64"})
