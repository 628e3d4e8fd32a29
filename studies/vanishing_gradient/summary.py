"""Medians with their intervals, one row an arm and quantity."""

from __future__ import annotations

import pandas as pd

from nnsim.report.arm_summary import summarise_arms

from .training import ARMS


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return medians with intervals: gradients of untrained arms, and trained arms at their chosen learning rate."""
    return summarise_arms(tables["trials"], ARMS, "log_gradient")
