"""What the parts of the study share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.report.arms import scored
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.network_trials import usual_data
from nnsim.study.trials import NetworkTrial

if TYPE_CHECKING:
    import pandas as pd

NORMALIZATIONS = ("none", "batch", "layer")
GAUSSIAN: dict[str, Any] = {"data": "teacher_student", "samples": 1000, "fingerprint": ""}  # inputs ~ N(0, 1)
PAGE = "textbook statement: without batch normalisation covariate shift makes deep networks unstable"


def sum_in_order(values: np.ndarray) -> np.ndarray:
    """Add rows from the first to the last, in one order on every machine."""
    total = np.zeros_like(values[0])
    for row in values:
        total = total + row
    return total


def cost(trial: NetworkTrial, epochs: int = 2) -> float:
    """Return the expected seconds on one core, at speeds seen on small networks."""
    data = usual_data(trial)
    parameters = trial.width * (trial.depth * trial.width + data.n_features + data.n_outputs)
    return 3e-3 + 4e-11 * parameters * data.X_train.shape[0] * (epochs + 2) * 3


def tuned(runs: pd.DataFrame) -> ChosenArms:
    """Return the trained arms, each at its own rate."""
    return ChosenArms(scored(runs), ["normalization", "depth"])
