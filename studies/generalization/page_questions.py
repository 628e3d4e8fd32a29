"""What the teaching page's network makes of random labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import settings
from .width_questions import ZHANG

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question


def page_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask what the teaching page's network learns from random labels."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    rows = rows_of(trials, kind="page", status="done").sort_values("repeat", kind="stable")
    decays = {decay: rows_of(rows, strength=decay).set_index("repeat") for decay in settings.PAGE_DECAYS}
    runs = decays[settings.PAGE_DECAYS[-1]]
    where = f"Gaussian rows with random labels, 3 layers of {config['page_width']}, {config['page_epochs']} epochs"
    source = "teaching page: its code trains on random labels with batch normalisation, dropout and AdamW"
    yield Question(
        "G-page-memorise", "correction",
        "Dropout of 0.3 and weight decay do not stop memorising: random labels are fitted to over 90 %.",
        f"{source}; {ZHANG}", where, runs["train_metric"].dropna().to_numpy(dtype=float), 0.9, "at_least",
        note="training accuracy",
    )  # fmt: skip
    yield Question(
        "G-page-chance", "correction", "The code that the page shows learns nothing: on new rows it is at chance.",
        source, where, runs["test_metric"].dropna().to_numpy(dtype=float), 0.5, margin=0.03, note="test accuracy",
    )  # fmt: skip
    lead = (runs["gap"] - decays[settings.PAGE_DECAYS[0]]["gap"]).dropna().to_numpy(dtype=float)
    yield Question(
        "G-page-decay", "correction", "AdamW's decay of 1e-4 at a rate of 1e-3 does nothing to the gap.",
        source, where, lead, 0.0, margin=0.03, note="paired difference of the gap with and without decay",
    )  # fmt: skip
