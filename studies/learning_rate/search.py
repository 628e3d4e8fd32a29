"""Plain SGD over a grid of rates: each seed's range test, its sweep, and the steps that it takes to a loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnsim.report.questions import Question
from nnsim.study.parts import Config, Part
from nnsim.study.trials import Trial

from . import rate_range, too_low
from .shared import TRAINED

if TYPE_CHECKING:
    import pandas as pd


def trials(config: Config) -> Iterator[Trial]:
    """Yield what is measured of a seed, seed by seed."""
    for repeat in range(config["seeds"]):
        yield from rate_range.trials(config, repeat)
        yield from too_low.trials(config, repeat)


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask what range tests find, and what rates too high and too low do."""
    yield from rate_range.questions(tables, config)
    yield from too_low.questions(tables, config)


SEARCH = Part(
    kinds={"range": rate_range.RANGE, "sweep": TRAINED, "speed": too_low.SPEED}, trials=trials, questions=questions
)
