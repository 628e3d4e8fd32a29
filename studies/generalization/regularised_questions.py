"""What regularisers are worth, each at its tuned rate and strength."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .arms import regularised_arms

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question

LABELS = {"none": "nothing", "dropout": "dropout", "adamw": "decoupled weight decay (AdamW)",
          "l2": "an L2 penalty in Adam", "stopping": "early stopping"}  # fmt: skip
SOURCES = {"dropout": "Srivastava et al. 2014", "adamw": "Loshchilov and Hutter 2019", "l2": "Krogh and Hertz 1992",
           "stopping": "Prechelt 1998"}  # fmt: skip


def regularised_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask which regularisers narrow the gap, and which raise the test accuracy."""
    from nnsim.report.old_questions import Question

    arms, strengths = regularised_arms(trials, config)

    def arm(name: str) -> dict[str, Any]:
        return {"regulariser": name, "strength": strengths.get(name, 0.0)}

    def paired(name: str, statement: str, source: str, column: str, first: str, second: str) -> Question:
        pair = arm(first), arm(second)
        where = f"{config['data']}, width {config['tuned_width']}, label noise {max(config['label_noise']):g}; "
        where += " against ".join(f"{LABELS[side['regulariser']]} {side['strength']:g}" for side in pair)
        note = f"paired difference of the {column.replace('_', ' ')}; rates and strengths chosen on validation rows"
        values, edge = arms.lead(column, *pair), arms.at_edge(*pair)
        return Question(name, "claim", statement, source, where, values, 0.0, "above", at_edge=edge, note=note)

    for name, source in SOURCES.items():
        yield paired(f"G-{name}-gap", f"With label noise {LABELS[name]} narrows the gap.", source, "gap", "none", name)
        yield paired(
            f"G-{name}-test", f"With label noise {LABELS[name]} raises the test accuracy of a network with a tuned "
            "rate.", source, "test_metric", name, "none",
        )  # fmt: skip
    yield paired(
        "G-adamw-l2", "Decoupled decay gives a higher test accuracy than an L2 penalty in Adam, both tuned.",
        SOURCES["adamw"], "test_metric", "adamw", "l2",
    )  # fmt: skip
