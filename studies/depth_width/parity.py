"""Parity, often named as a reason for depth, takes one layer of threshold units (C7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnsim.probes.expressivity import piece_counts as counts
from nnsim.report.arms import rows_of
from nnsim.report.questions import Exactly, Question
from nnsim.study.parts import Config, Kind, Measured, Part

from .shared import ShapeTrial, count_cost, counted

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class ParityTrial(ShapeTrial):
    """A layer of as many threshold units as there are bits."""

    activation: str


def trials(config: Config) -> Iterator[ParityTrial]:
    """Yield networks that are written down, one for each number of bits."""
    for bits in range(1, config["parity_bits"] + 1):
        yield ParityTrial(kind="parity", activation="step", depth=1, width=bits, dimension=bits, repeat=0)


def measure(trial: ParityTrial) -> Measured:
    """Try all inputs."""
    return counted(trial, counts.parity_error(trial.width))


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether one layer computes parity."""
    yield Question(
        id="C7-parity",
        kind="correction",
        statement="Parity does not separate deep from shallow: one layer of n threshold units computes it.",
        source="Rumelhart, Hinton and Williams 1986",
        arm=f"all inputs of 1 to {config['parity_bits']} bits",
        values=rows_of(tables["trials"], kind="parity", status="done")["error"].to_numpy(dtype=float),
        rule=Exactly(0.0),
        note="share of wrong answers over all 2^n inputs",
    )


PARITY = Part(
    kinds={"parity": Kind(ParityTrial, measure, count_cost, ("evaluate float64",))},
    trials=trials,
    questions=questions,
)
