"""Arms at the rates and strengths that are chosen for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.tuned_arms import ChosenArms


def _runs(trials: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the trials of one kind with ``log_loss``, ln of the test loss, whose own tail is long."""
    from nnsim.report.arms import rows_of

    runs = rows_of(trials, kind=kind)
    with np.errstate(divide="ignore"):  # of a loss that rounds to 0
        return runs.assign(log_loss=np.log(runs["test_loss"].astype(float)))


def width_arms(trials: pd.DataFrame, chosen_by: str = "train_metric") -> ChosenArms:
    """Choose each width's rate, usually by the training accuracy: the question is what the best fit makes of new rows.

    Among rates that fit equally well the smallest is chosen.
    """
    from nnsim.report.selection import select_learning_rate
    from nnsim.report.tuned_arms import ChosenArms

    runs, names = _runs(trials, "width"), ["label_noise", "width"]
    chosen = select_learning_rate(runs, names, chosen_by)
    chosen["at_edge"] = chosen["at_edge"].astype(bool) & (chosen[chosen_by] < 1.0)  # nothing fits better than wholly
    return ChosenArms(runs, names, chosen)


def regularised_arms(trials: pd.DataFrame, config: dict[str, Any]) -> tuple[ChosenArms, dict[str, float]]:
    """Return the arms with their rates, and the strength of each regulariser; validation rows choose both.

    The weakest strength has an arm without the regulariser next to it, so only the strongest is an edge.
    """
    from nnsim.report.arms import chosen_rates
    from nnsim.report.tuned_arms import ChosenArms

    runs, names = _runs(trials, "regularised"), ["regulariser", "strength"]
    chosen = chosen_rates(runs, names)
    best = {}
    for name, group in chosen.groupby("regulariser", sort=False):
        strength = float(group.sort_values("validation_metric", ascending=False, kind="stable")["strength"].iloc[0])
        best[str(name)] = strength
        strongest = group["strength"].min() if name == "stopping" else group["strength"].max()
        if (name, strongest) not in {("none", 0.0), ("stopping", 1.0)}:  # no patience is shorter than one epoch
            edge = (chosen["regulariser"] == name) & (chosen["strength"] == strongest)
            chosen.loc[edge, "at_edge"] = True
    return ChosenArms(runs, names, chosen), best
