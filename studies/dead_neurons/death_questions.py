"""How many units die in training, and whether they come back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .born_questions import TEXTBOOK
from .rate_questions import bias_questions, critical_rates, training_arm

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question


def _worst(runs: pd.DataFrame) -> pd.Series:
    """Return each seed's largest share of dead units at the end, over the rates that did not diverge."""
    return runs[runs["status"] == "done"].groupby("repeat")["dead_at_end"].max().dropna()


def death_questions(trials: pd.DataFrame, units: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask how many units die in training with each remedy, and whether they come back."""
    from nnsim.report.old_questions import Question

    plain, where = training_arm(trials), "he_normal, bias 0, the worst rate of the grid"
    worst, batch = _worst(plain), _worst(training_arm(trials, normalization="batch"))
    yield Question(
        "B4-he", "correction", "He's initialization keeps no unit alive in training: at some rate 0.3 of them die.",
        TEXTBOOK, where, worst.to_numpy(dtype=float), 0.3, "at_least",
    )  # fmt: skip
    yield Question(
        "B4-batch", "claim", "With batch normalisation fewer units die, each at its worst rate.",
        "Ioffe and Szegedy 2015", f"without minus with, {where}", (worst - batch).dropna().to_numpy(dtype=float),
        0.0, "above", note="normalised units can die, too: the learnt shift can push them off, in every layer",
    )  # fmt: skip
    onsets = [critical_rates(runs) for runs in (plain, training_arm(trials, normalization="batch"))]
    octaves = np.log2(onsets[1]["critical_rate"] / onsets[0]["critical_rate"]).dropna()
    yield Question(
        "B4-batch-onset", "claim", "With batch normalisation units begin to die at higher rates.",
        "Ioffe and Szegedy 2015", "with over without, he_normal, bias 0", octaves.to_numpy(dtype=float), 0.0, "above",
        at_edge=any(bool(onset["at_edge"].any()) for onset in onsets),
        note="log2 of the ratio of the rates at which units begin to die, paired by seed",
    )  # fmt: skip
    for sign, bias in (("positive", max(config["bias"])), ("negative", min(config["bias"]))):
        yield from bias_questions(trials, sign, bias)
    yield from _revival_questions(units)


def _revival_questions(units: pd.DataFrame) -> Iterator[Question]:
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    rows = rows_of(units, normalization="none")
    first, above, relu = rows[rows["layer"] == 1], rows[rows["layer"] > 1], rows_of(rows, activation="relu")
    mismatches = (relu["zero_dormant"] - relu["dead"]).abs()
    where = "all biases and rates, full-batch descent without decay, dead on all training rows"
    yield Question(
        "B4-first-layer", "check", "A dead unit of the first layer never comes back: no gradient reaches its weights.",
        "Rumelhart, Hinton and Williams 1986", where,
        first.groupby("repeat")["revivals"].sum().to_numpy(dtype=float), 0.0, "exact",
    )  # fmt: skip
    yield Question(
        "B4-revivals", "correction", "Dead is not for good: above the first layer units come back.",
        "textbook statement: a unit whose pre-activation is negative for all inputs never activates again", where,
        (above.groupby("repeat")["revivals"].sum() > 0).to_numpy(dtype=float), 0.5, "above", interval="proportion",
        note="share of seeds in which a unit of a higher layer was dead at a look and not at the next",
    )  # fmt: skip
    yield Question(
        "B4-dormant", "check", "The 0-dormant ReLU units are the dead ones.", "Sokar et al. 2023, definition 3.1",
        where, mismatches.groupby(relu["repeat"]).sum().to_numpy(dtype=float), 0.0, "exact",
    )  # fmt: skip
