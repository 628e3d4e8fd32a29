"""Which optimizer is better, each tuned as often as the other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import settings
from .arms import tuned_arms

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question

CLOSE = 0.02  # of the test metric: half a point of accuracy is noise, five are a choice
SEEDS_TOLD = 6
PAIRS: tuple[tuple[str, str, str, Any, float, str, str], ...] = (
    ("momentum-sgd", "momentum", "sgd", "at_least", -CLOSE, "Choi et al. 2019; Sutskever et al. 2013",
     "At equal tuning budgets momentum is no worse than plain SGD."),
    ("nesterov-momentum", "nesterov", "momentum", "equivalence", 0.0, "Sutskever et al. 2013",
     "At equal tuning budgets Nesterov's momentum and the heavy ball end alike."),
    ("adam-rmsprop", "adam", "rmsprop", "at_least", -CLOSE, "Choi et al. 2019",
     "At equal tuning budgets Adam is no worse than RMSProp, which it contains."),
    ("adam-momentum", "adam", "momentum", "at_least", -CLOSE, "Choi et al. 2019; Wilson et al. 2017 say the opposite",
     "At equal tuning budgets Adam is no worse than SGD with momentum."),
    ("adamw-adam", "adamw", "adam", "equivalence", 0.0, "Loshchilov and Hutter 2019",
     "In a short run decoupled decay changes little: AdamW ends where Adam does."),
)  # fmt: skip


def _note(config: dict[str, Any]) -> str:
    told = f"difference of test metrics, {config['rates']} rates x {config['seeds']} seeds an arm"
    if config["seeds"] >= SEEDS_TOLD:
        return told
    return f"{told}; with fewer than {SEEDS_TOLD} pairs no exact test of a difference can reach 0.05"


def _tie(lead: np.ndarray) -> str:
    tied = lead.size > 0 and not lead.any()
    return "; the arms end alike on every seed: this data set does not tell them apart" if tied else ""


def pair_questions(runs: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask which of two optimizers ends better, and what AdamW is worth untuned."""
    from nnsim.report.old_questions import Question

    note, arms = _note(config), tuned_arms(runs)
    for data in config["data"]:
        for name, first, second, rule, prediction, source, statement in PAIRS:
            pair = {"data": data, "optimizer": first}, {"data": data, "optimizer": second}
            lead, edge = arms.lead("score", *pair), arms.at_edge(*pair)
            yield Question(
                f"optimizer-{name}-{data}", "claim", statement, source, f"{first} minus {second}, {data}", lead,
                prediction, rule, CLOSE if rule == "equivalence" else math.nan, note=note + _tie(lead), at_edge=edge,
            )  # fmt: skip
        adamw, momentum = ({"data": data, "optimizer": optimizer} for optimizer in ("adamw", "momentum"))
        yield Question(
            f"page-adamw-best-{data}", "correction",
            "Nothing is special about AdamW: tuned as often, it ends within 0.02 of SGD with momentum.",
            "teaching pages that name AdamW as the optimizer to start with; Schmidt, Schneider and Hennig 2021",
            f"adamw minus momentum, {data}", arms.lead("score", adamw, momentum), 0.0,
            margin=CLOSE, note=note, at_edge=arms.at_edge(adamw, momentum),
        )  # fmt: skip
        untuned = arms.values("score", adamw, settings.DEFAULT_RATE) - arms.values("score", adamw)
        yield Question(
            f"page-adamw-default-{data}", "correction",
            "AdamW at 0.001, untuned, loses at most 0.02 to AdamW tuned.",
            "teaching pages that say: start at 1e-3 with AdamW",
            f"adamw at {settings.DEFAULT_RATE:g} minus adamw tuned, {data}",
            untuned.dropna().to_numpy(), -CLOSE, "at_least",
            note=f"{note}; tuned rate {arms.rate(adamw):g}", at_edge=arms.at_edge(adamw),
        )  # fmt: skip
