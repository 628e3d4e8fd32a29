"""Starts of their own kind, laid out seed by seed: LSUV, and tanh without a gain and with PyTorch's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnsim.report.questions import Question
from nnsim.study.checks import data_settings
from nnsim.study.parts import Config, Part
from nnsim.study.trials import NetworkTrial

from . import lsuv, tanh_gains

if TYPE_CHECKING:
    import pandas as pd


def trials(config: Config) -> Iterator[NetworkTrial]:
    """Yield the networks of each seed."""
    data = data_settings(config)
    for repeat in range(config["probe_seeds"]):
        yield from lsuv.trials(repeat, data)
        yield from tanh_gains.trials(repeat, data)


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask about LSUV, and about tanh."""
    yield from lsuv.questions(tables["lsuv"])
    yield from tanh_gains.questions(tables["layers"])


STARTS = Part(kinds=lsuv.KINDS | tanh_gains.KINDS, trials=trials, questions=questions)
