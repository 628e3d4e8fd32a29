"""Medians with their intervals, one row an arm and quantity."""

from __future__ import annotations

import pandas as pd

from nnsim.report.arm_summary import FACTS, median_facts
from nnsim.report.tuned_arms import ChosenArms

ARMS = ["kind", "data", "optimizer", "schedule", "epochs"]


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return medians with intervals of every trained arm at its chosen learning rate, and of the critical rates."""
    trials = tables["trials"].assign(schedule=tables["trials"]["schedule"].fillna(""))
    picked = ChosenArms(trials[trials["kind"].isin(["sweep", "adamw", "schedule"])], ARMS).runs
    quadratic = trials[trials["kind"] == "quadratic"].assign(at_edge=False, optimizer="heavy ball")
    rows = [
        dict(zip(ARMS, names, strict=True)) | median_facts(group, quantity)
        for frame, quantity in ((picked, "test_metric"), (picked, "test_loss"), (quadratic, "critical_rate"))
        for names, group in frame.groupby(ARMS, sort=False, dropna=False)
    ]
    return pd.DataFrame(rows, columns=[*ARMS, *FACTS]).astype({"parameters": "Int64"})
