"""What schedules have in common: what their numbers may be, and how their time goes over a run's steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.core.option_strings import check, choice, domain, number, whole

LONGEST = 10**12  # of a schedule's lengths: sums of a few, and their products with a run's, stay within range


def _rising(value: Any) -> bool:
    if not isinstance(value, tuple) or not all(isinstance(milestone, int | np.integer) for milestone in value):
        return False
    return len(value) > 0 and list(value) == sorted(set(value)) and value[0] >= 1 and value[-1] <= LONGEST


LARGEST_RATE = 1e30

LENGTH, COUNT = whole(1, LONGEST), whole(0, LONGEST)
RATE = number(lambda value: 0 <= value <= LARGEST_RATE, f"from 0 to {LARGEST_RATE:g}")
SHARE = number(lambda value: 0 <= value <= 1, "from 0 to 1")
DECAY = number(lambda value: 0 < value <= 1, "above 0 and at most 1")
INSIDE = number(lambda value: 0 < value < 1, "above 0 and below 1")
POWER = number(lambda value: 0 < value <= 100, "above 0 and at most 100")
DIVISOR = number(lambda value: 1 <= value <= 1e30, "from 1 to 1e30")
MILESTONES = domain(
    lambda text: tuple(int(part) for part in text.split("/")), _rising, "whole numbers that rise, as in 30/80"
)
UNIT = choice("epoch", "step")


def check_least(name: str, key: str, least: float, learning_rate: float) -> None:
    """Raise UsageError where a schedule's least rate is above the learning rate.

    Parameters
    ----------
    name, key : str
        The schedule, and its setting that holds the least rate, for the sentence.
    least, learning_rate : float
    """
    if least > learning_rate:
        raise UsageError(
            f"schedule '{name}': {key} must be at most the learning rate, {learning_rate:g}, got {least:g}"
        )


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A rule for the learning rate; what the subclasses have in common.

    Parameters
    ----------
    by : {"epoch", "step"}
        How often the rate changes, and what lengths count.

    Attributes
    ----------
    name : str
        What it is called in text.
    source : str
        The paper it comes from.

    Raises
    ------
    UsageError
        If a value is not allowed.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    by: str = field(default="epoch", metadata=UNIT)

    def __post_init__(self) -> None:
        check("schedule", self)

    def _rates(self, learning_rate: float, count: int) -> np.ndarray:
        """Return the rates at 0, 1, ..., count - 1 epochs or steps, as float64 array (count,)."""
        raise NotImplementedError

    def over(self, learning_rate: float, first: int, last: int, steps_per_epoch: int) -> np.ndarray:
        """Return the rates of a run's steps from `first` up to `last`; the schedule starts at `first`.

        Epochs are the run's: where a warm-up ends within one, that epoch is the schedule's first.

        Parameters
        ----------
        learning_rate : float
            Positive, the largest rate of the schedule.
        first, last : int
            Steps of the run, counted from 0; last is beyond first.
        steps_per_epoch : int
            At least 1.

        Returns
        -------
        float64 array (last - first,)

        Raises
        ------
        UsageError
            If a least rate is above the learning rate, or the steps are too few for the schedule.
        """
        length = 1 if self.by == "step" else steps_per_epoch
        moments = np.arange(first, last) // length - first // length
        return self._rates(learning_rate, int(moments[-1]) + 1)[moments]
