"""Medians with their intervals, one row an arm and quantity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .measurement import TRAINED
from .mode_questions import learning_times

if TYPE_CHECKING:
    import pandas as pd

NOT_LOOKED_AT = (*TRAINED, "lsuv", "pair", "jacobian", "modes", "deep_linear")


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return medians with intervals: log gains of untrained arms, trained arms at their chosen rate."""
    import pandas as pd

    from nnsim.report.arm_summary import FACTS, TRAINED_QUANTITIES, median_facts
    from nnsim.report.arms import ARM
    from nnsim.report.tuned_arms import ChosenArms

    trials, names = tables["trials"], ["kind", *ARM]
    looked = trials[~trials["kind"].isin(NOT_LOOKED_AT)].assign(at_edge=False)
    trained = ChosenArms(trials[trials["kind"].isin(["training", "phase_training"])], names).runs
    parts = [
        (looked, "log_gain"),
        *((trained, quantity) for quantity in TRAINED_QUANTITIES),
        (learning_times(trials).runs, "steps"),
    ]
    rows = [
        dict(zip(names, arm, strict=True)) | {"width": int(group["width"].iloc[0])} | median_facts(group, quantity)
        for part, quantity in parts
        for arm, group in part.groupby(names, sort=False)
    ]
    frame = pd.DataFrame(rows, columns=[*names, "width", *FACTS])
    return frame.astype({"parameters": "Int64"})  # unknown where every trial of an arm failed
