"""Which deep networks learn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import settings
from .predictions import PAGE_RELU
from .trials import parse_arm

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question
    from nnsim.report.tuned_arms import ChosenArms

DEEP, SHALLOW = 10, 4


def _chosen(trials: pd.DataFrame) -> ChosenArms:
    from nnsim.report.arms import rows_of, scored
    from nnsim.report.tuned_arms import ChosenArms

    runs = rows_of(trials, kind="training")
    return ChosenArms(scored(runs.assign(chance=runs["chance"].max())), settings.ARMS)  # one data set has one chance


def _best(arms: ChosenArms, arm: dict[str, Any]) -> np.ndarray:
    """Best validation metric over all rates, for each seed."""
    from nnsim.report.arms import rows_of

    rows = rows_of(arms.grid, **arm)
    value = rows["validation_metric"].where(rows["status"] == "done", rows["chance"])
    return value.groupby(rows["repeat"]).max().to_numpy(dtype=float)


def training_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask which deep networks learn."""
    from nnsim.report.old_questions import Question

    arms, shallow, deep = _chosen(trials), min(config["depth"]), max(config["depth"])
    chance, nobody = float(arms.grid["chance"].max()), np.empty(0)
    plain, he, glorot = "sigmoid/xavier_normal", "relu/he_normal", "relu/xavier_normal"

    def asked(name: str, statement: str, text: str, depth: int, learns: bool, kind: str = "claim") -> Question:
        fits = depth <= SHALLOW if name.endswith("shallow") else depth >= DEEP
        arm = {**parse_arm(text), "depth": depth}
        measured = arms.values("score", arm).to_numpy() if learns else _best(arms, arm)
        note = f"{'test' if learns else 'best validation'} metric after {config['epochs']} epochs; "
        return Question(
            name, kind, statement, "textbook statement: early layers stop learning; He et al. 2015, section 2.2",
            f"{text}, {depth} layers of {config['width']}, {config['data']}", measured if fits else nobody,
            chance + 0.1, "at_least" if learns else "at_most", note=f"{note}chance is {chance:.3g}",
            at_edge=learns and arms.at_edge(arm),
        )  # fmt: skip

    yield asked("A8-stalls", "A deep sigmoid network stays within 0.1 of chance at every learning rate.", plain, deep,
                learns=False)  # fmt: skip
    yield asked("A8-shallow", "It is the depth, not the sigmoid: a shallow one leaves chance behind by over 0.1.",
                plain, shallow, learns=True)  # fmt: skip
    yield asked("A8-skip", "A skip connection around each layer lets the deep sigmoid network learn.", f"{plain}/skip",
                deep, learns=True)  # fmt: skip
    yield asked("A8-batch", "Batch normalisation lets the deep sigmoid network learn.", f"{plain}/batch", deep,
                learns=True)  # fmt: skip
    yield asked("A8-layer", "Layer normalisation does not: its gradients vanish all the same.", f"{plain}/layer", deep,
                learns=False)  # fmt: skip
    yield asked("A4-he-learns", "A deep ReLU network with He's variance leaves chance behind by over 0.1.", he, deep,
                learns=True)  # fmt: skip
    he_arm, glorot_arm = ({**parse_arm(text), "depth": deep} for text in (he, glorot))
    first, second = arms.values("score", he_arm).to_numpy(), _best(arms, glorot_arm)
    paired = first - second if first.size == second.size and deep >= DEEP else nobody
    yield Question(
        "A4-he-leads", "correction", "ReLU alone is no cure: with 1 / fan_in a deep one learns less at any rate.",
        PAGE_RELU, f"{he} minus {glorot}, {deep} layers of {config['width']}, {config['data']}", paired, 0.0, "above",
        note="at equal seeds: He's test metric at its chosen rate minus the other's best validation metric at any rate",
        at_edge=arms.at_edge(he_arm),
    )  # fmt: skip
