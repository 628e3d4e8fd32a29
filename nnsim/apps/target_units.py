"""Losses in the target's own units: training standardises a regression's targets, users do not.

With a deviation s of the training targets, a loss on z = (y - m) / s is told times s (mae) or s^2 (mse, huber), and a
Huber's delta, an improvement that counts and an absolute threshold are taken in the told unit and divided by it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nnsim.data.datasets import Scaling
from nnsim.kernels.formulas.columns import TRAIN_LOSS, VALIDATION_LOSS
from nnsim.training.schedule_base import LARGEST_RATE
from nnsim.training.schedules import Plateau, Schedule, Warmup

SQUARED = frozenset({"mse", "huber"})


@dataclass(frozen=True)
class TargetUnit:
    """In what a loss is told.

    Attributes
    ----------
    deviation : float
        Of one target, as it was standardised; 1 where several are, whose losses are told as they are trained with.
    loss : float
        What a loss of 1 on standardised targets is, as it is told.
    words : str
        The same in words; none for classes.
    """

    deviation: float
    loss: float
    words: str

    def told(self, history: np.ndarray) -> np.ndarray:
        """Return a history (epochs, columns) whose losses are in this unit."""
        found = history.copy()
        found[:, [TRAIN_LOSS, VALIDATION_LOSS]] *= self.loss
        return found

    def schedule(self, schedule: Schedule) -> Schedule:
        """Return a schedule for the training, from one whose absolute threshold of the loss is in this unit."""
        if isinstance(schedule, Warmup):
            return replace(schedule, then=self.schedule(schedule.then))
        if isinstance(schedule, Plateau) and schedule.mode == "min" and schedule.threshold_mode == "abs":
            return replace(schedule, threshold=min(schedule.threshold / self.loss, LARGEST_RATE))
        return schedule


UNSCALED = TargetUnit(1.0, 1.0, "")
"""Of classes, and of targets that are trained on as they are."""


def unit_of(loss: str, scaling: Scaling | None) -> TargetUnit:
    """Return the unit of a loss, by the scaling of the targets; classes have none."""
    if scaling is None:
        return UNSCALED
    squared = "squared " if loss in SQUARED else ""
    if len(scaling.deviation) > 1:
        return TargetUnit(1.0, 1.0, f"{squared}standard deviations of each target")
    deviation = float(scaling.deviation[0])
    return TargetUnit(deviation, deviation * deviation if squared else deviation, f"{squared}units of the target")
