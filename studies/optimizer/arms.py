"""Arms at the learning rates that are chosen for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.tuned_arms import ChosenArms

DATA_ARM = ["data", "optimizer"]


def runs_of(trials: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the runs of one kind that trained at some rate."""
    from nnsim.report.arms import rows_of

    return rows_of(trials, kind=kind).dropna(subset=["learning_rate"])


def tuned_arms(runs: pd.DataFrame) -> ChosenArms:
    """Choose the rate of each optimizer on each data set by the validation metric."""
    from nnsim.report.arms import scored
    from nnsim.report.tuned_arms import ChosenArms

    return ChosenArms(scored(runs), DATA_ARM)


def arms_by_loss(runs: pd.DataFrame) -> ChosenArms:
    """Choose the rate of each width by the training loss, as those who transfer rates do."""
    from nnsim.report.selection import select_learning_rate
    from nnsim.report.tuned_arms import ChosenArms

    names = ["parametrization", "width"]
    return ChosenArms(runs, names, select_learning_rate(runs, names, "train_loss", larger_is_better=False))
