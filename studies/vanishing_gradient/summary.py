"""Medians with their intervals, one row an arm and quantity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import settings

if TYPE_CHECKING:
    import pandas as pd


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return medians with intervals: gradients of untrained arms, and trained arms at their chosen learning rate."""
    from nnsim.report.arm_summary import summarise_arms

    return summarise_arms(tables["trials"], settings.ARMS, "log_gradient")
