"""What AdamW at the advised rate falls short of, in few steps and in many."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.report.arms import rows_of
from nnsim.report.questions import Above, AtMost, Question
from nnsim.study.parts import Config, Part

from .shared import REGRET, TRAINED, OptimizedTrial, best_rate, scores_of, settings_of, words_of

if TYPE_CHECKING:
    import pandas as pd

ADVISED = 0.001  # the teaching page's rate


def trials(config: Config) -> Iterator[OptimizedTrial]:
    """Yield the sweeps of AdamW's rate."""
    shared = {**settings_of(config), "kind": "adamw", "optimizer": "adamw"}
    grid = product(config["adamw_data"], config["adamw_epochs"], config["adamw_rate"], range(config["seeds"]))
    for data, epochs, rate, repeat in grid:
        yield OptimizedTrial(data=data, epochs=epochs, learning_rate=rate, repeat=repeat, **shared)


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask what 0.001 costs in the shortest training and in the longest."""
    epochs = sorted(set(config["adamw_epochs"]))
    if len(epochs) < 2:
        return
    for data in config["adamw_data"]:
        yield _question(
            *(tables["trials"], config, data, epochs[0]),
            id=f"D2-adamw-{data}-short",
            statement="In few steps AdamW at 0.001 falls short of what a better rate reaches.",
            rule=Above(REGRET),
        )
        yield _question(
            *(tables["trials"], config, data, epochs[-1]),
            id=f"D2-adamw-{data}-long",
            statement="Given many steps, AdamW at 0.001 ends within 0.02 of the best rate.",
            rule=AtMost(REGRET),
        )


def _question(trials: pd.DataFrame, config: Config, data: str, epochs: int, **asked: Any) -> Question:
    runs = rows_of(trials, kind="adamw", data=data, epochs=epochs)
    scores, (best, at_edge) = scores_of(runs), best_rate(runs)
    advised = [rate for rate in scores.columns if math.isclose(rate, ADVISED)]
    return Question(
        kind="correction",
        source="the teaching page: start at 0.001 with AdamW",
        arm=f"{words_of(config)}, {data}, {epochs} epochs",
        values=(scores[best] - scores[advised[0]]).to_numpy(dtype=float) if advised else np.empty(0),
        note=f"test metric at the best rate, {best:g}, less that at 0.001",
        at_edge=at_edge,
        **asked,
    )


ADAMW = Part(kinds={"adamw": TRAINED}, trials=trials, questions=questions)
