"""How often training finds XOR."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .rule_questions import MINSKY

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question
    from nnsim.report.tuned_arms import ChosenArms

XOR_ARM = ["activation", "hidden"]


def xor_arms(trials: pd.DataFrame) -> ChosenArms:
    """Choose each arm's learning rate on the seeds with even numbers, and judge it on those with odd ones.

    The four corners are all there is to XOR, so no validation rows could choose; other seeds can.
    """
    from nnsim.report.arms import rows_of
    from nnsim.report.selection import select_learning_rate
    from nnsim.report.tuned_arms import ChosenArms

    runs = rows_of(trials, kind="xor")
    even = runs["repeat"].to_numpy(dtype=int) % 2 == 0
    chosen = select_learning_rate(runs[even], XOR_ARM, "found")
    chosen["at_edge"] = chosen["at_edge"].astype(bool) & (chosen["found"] < 1.0)  # nothing is better than always
    judged = runs[~even]
    return ChosenArms(judged.assign(found=judged["found"].where(judged["status"] == "done", 0.0)), XOR_ARM, chosen)


def training_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask how often training finds XOR, with one unit and with more."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    arms, source = xor_arms(trials), "Rumelhart, Hinton and Williams 1986"

    def finds(activation: str, hidden: int) -> np.ndarray:
        return arms.values("found", {"activation": activation, "hidden": hidden}).dropna().to_numpy()

    def edge(activation: str, *hidden: int) -> bool:
        return arms.at_edge(*({"activation": activation, "hidden": units} for units in hidden))

    for activation in ("tanh", "relu"):
        runs = rows_of(trials, kind="xor", activation=activation, hidden=1)
        best = runs.groupby("repeat")["found"].max().dropna().to_numpy(dtype=float)
        yield Question(
            f"C8-one-{activation}", "check", f"One {activation} unit finds XOR at no learning rate: it is monotone.",
            MINSKY, f"2-1-1, {activation}, all rates", best, 0.0, "exact", note="1 where a run has all corners right",
        )  # fmt: skip
    yield Question(
        "C8-one-gelu", "correction",
        "A neuron splits its inputs by one hyperplane only if it is monotone: training one GELU unit finds XOR.",
        "textbook statement: a single neuron separates its inputs into two regions", "2-1-1, gelu", finds("gelu", 1),
        0.5, "at_least", interval="proportion", at_edge=edge("gelu", 1), note="share of the seeds that find it",
    )  # fmt: skip
    yield Question(
        "C8-train-8", "claim", "Eight tanh units find XOR in at least nine runs of ten.", source, "2-8-1, tanh",
        finds("tanh", 8), 0.9, "at_least", interval="proportion", at_edge=edge("tanh", 8),
        note="share of the seeds that find it",
    )  # fmt: skip
    few, many = finds("tanh", 2), finds("tanh", 8)
    yield Question(
        "C8-train-2", "claim", "Two units can represent XOR, but find it less often than eight.", source,
        "tanh, 2-8-1 against 2-2-1 at equal seeds", many - few if many.size == few.size else np.empty(0), 0.0, "above",
        at_edge=edge("tanh", 2, 8), note="paired difference of the shares of the seeds that find it",
    )  # fmt: skip
