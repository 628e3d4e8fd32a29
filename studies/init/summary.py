"""Medians with their intervals, one row an arm and quantity."""

from __future__ import annotations

import pandas as pd

from nnsim.report.arm_summary import FACTS, TRAINED_QUANTITIES, median_facts
from nnsim.report.arms import ARM
from nnsim.report.tuned_arms import ChosenArms

from .linear_depth import learning_times

UNTRAINED = ("propagation", "gain", "linear", "bound", "fluctuation", "power", "tanh_gain", "phase")
TRAINED = ("training", "phase_training")
NAMES = ["kind", *ARM]


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return medians with intervals: log gains of untrained arms, trained arms at their chosen rate."""
    trials = tables["trials"]
    looked = trials[trials["kind"].isin(UNTRAINED)].assign(at_edge=False)
    trained = ChosenArms(trials[trials["kind"].isin(TRAINED)], NAMES).runs
    parts = [
        (looked, "log_gain"),
        *((trained, quantity) for quantity in TRAINED_QUANTITIES),
        (learning_times(trials).runs, "steps"),
    ]
    rows = [
        dict(zip(NAMES, arm, strict=True)) | {"width": int(group["width"].iloc[0])} | median_facts(group, quantity)
        for part, quantity in parts
        for arm, group in part.groupby(NAMES, sort=False)
    ]
    frame = pd.DataFrame(rows, columns=[*NAMES, "width", *FACTS])
    return frame.astype({"parameters": "Int64"})  # unknown where every trial of an arm failed
