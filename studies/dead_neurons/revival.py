"""How many units die in training, and whether they come back (B4)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from nnsim.report.arms import rows_of
from nnsim.report.questions import Above, AtLeast, Exactly, Question

from .onset import trained
from .shared import TEXTBOOK

if TYPE_CHECKING:
    import pandas as pd


def _worst(runs: pd.DataFrame) -> pd.Series:
    """Return each seed's largest share of dead units at the end, over the rates that did not diverge."""
    return runs[runs["status"] == "done"].groupby("repeat")["dead_at_end"].max().dropna()


def _death_questions(trials: pd.DataFrame) -> Iterator[Question]:
    """Ask how many units die in training, each arm at its worst rate."""
    where = "he_normal, bias 0, the worst rate of the grid"
    plain, normal = (_worst(trained(trials, normalization=name)) for name in ("none", "batch"))
    yield Question(
        id="B4-he",
        kind="correction",
        statement="He's initialization keeps no unit alive in training: at some rate 0.3 of them die.",
        source=TEXTBOOK,
        arm=where,
        values=plain.to_numpy(dtype=float),
        rule=AtLeast(0.3),
    )
    yield Question(
        id="B4-batch",
        kind="claim",
        statement="With batch normalisation fewer units die, each at its worst rate.",
        source="Ioffe and Szegedy 2015",
        arm=f"without minus with, {where}",
        values=(plain - normal).dropna().to_numpy(dtype=float),
        rule=Above(0.0),
        note="normalised units can die, too: the learnt shift can push them off, in every layer",
    )


def _revival_questions(units: pd.DataFrame) -> Iterator[Question]:
    """Ask in which layers dead units come back."""
    rows = rows_of(units, normalization="none")
    first, above, relu = rows[rows["layer"] == 1], rows[rows["layer"] > 1], rows_of(rows, activation="relu")
    mismatches = (relu["zero_dormant"] - relu["dead"]).abs()
    ask = partial(Question, arm="all biases and rates, full-batch descent without decay, dead on all training rows")
    yield ask(
        id="B4-first-layer",
        kind="check",
        statement="A dead unit of the first layer never comes back: no gradient reaches its weights.",
        source="Rumelhart, Hinton and Williams 1986",
        values=first.groupby("repeat")["revivals"].sum().to_numpy(dtype=float),
        rule=Exactly(0.0),
    )
    yield ask(
        id="B4-revivals",
        kind="correction",
        statement="Dead is not for good: above the first layer units come back.",
        source="textbook statement: a unit whose pre-activation is negative for all inputs never activates again",
        values=(above.groupby("repeat")["revivals"].sum() > 0).to_numpy(dtype=float),
        rule=Above(0.5),
        interval="proportion",
        note="share of seeds in which a unit of a higher layer was dead at a look and not at the next",
    )
    yield ask(
        id="B4-dormant",
        kind="check",
        statement="The 0-dormant ReLU units are the dead ones.",
        source="Sokar et al. 2023, definition 3.1",
        values=mismatches.groupby(relu["repeat"]).sum().to_numpy(dtype=float),
        rule=Exactly(0.0),
    )


def questions(trials: pd.DataFrame, units: pd.DataFrame) -> Iterator[Question]:
    """Ask how many units die, and whether they come back."""
    yield from _death_questions(trials)
    yield from _revival_questions(units)
