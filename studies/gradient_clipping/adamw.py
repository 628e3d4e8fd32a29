"""Whether AdamW, which divides by the gradient's size, notices that it is clipped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnsim.report.questions import Question
from nnsim.study.parts import Config, Part

from .shared import CLIPPED, SMALL, ClippedTrial, chosen_arms, clipped_trials
from .steady import STEADY, unnoticed

if TYPE_CHECKING:
    import pandas as pd


def trials(config: Config) -> Iterator[ClippedTrial]:
    """Yield the shallow networks of He's start under AdamW."""
    return clipped_trials(config, STEADY, "adamw", "adamw_rate")


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether a small threshold makes a difference."""
    yield unnoticed(
        *(chosen_arms(tables["trials"]), config, "adamw", SMALL),
        id="D4-adamw",
        statement="AdamW hardly notices clipping, even at 0.01: it divides by the gradient's size.",
    )


ADAMW = Part(kinds=CLIPPED, trials=trials, questions=questions)
