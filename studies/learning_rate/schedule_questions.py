"""Whether schedules follow their formulas, and what they are worth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import settings
from .search_questions import network

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question

TRACE_TOLERANCE = 1e-7  # relative: traces are shown with nine digits


def leads_of(trials: pd.DataFrame, data: str, schedule: str, column: str) -> tuple[np.ndarray, bool]:
    """Return schedule less constant rate at equal seeds, each at its own chosen rate, and whether one is at an edge."""
    from nnsim.report.arms import rows_of
    from nnsim.report.tuned_arms import ChosenArms

    runs = rows_of(trials, kind="schedule", data=data)
    runs = runs.assign(arm=runs["schedule"].str.split(":").str[0], log_loss=np.log(runs["test_loss"].astype(float)))
    arms, pair = ChosenArms(runs, ["arm"]), ({"arm": schedule}, {"arm": "constant"})
    return arms.lead(column, *pair), arms.at_edge(*pair)


def schedule_questions(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> Iterator[Question]:
    """Ask whether schedules follow their formulas, and what they are worth."""
    from nnsim.report.old_questions import Question
    from nnsim.training.schedules import SCHEDULES

    traces = tables["traces"]
    names = traces["schedule"].str.split(":").str[0]
    where = f"{network(config)}, {config['schedule_epochs']} epochs, each at its best rate"
    for name in config["schedule"]:
        rows = traces[names == name]
        wrong = np.abs(rows["rate"] - rows["closed_form"]) > TRACE_TOLERANCE * rows["closed_form"].abs()
        yield Question(
            f"D5-trace-{name}", "check", f"Training under '{name}' takes every step at the formula's rate.",
            SCHEDULES[name].source, f"{settings.TRACE_EPOCHS} steps, {len(settings.TRACE_RATES)} learning rates",
            wrong.groupby(rows["repeat"]).sum().to_numpy(dtype=float), 0.0, "exact", note="steps at another rate",
        )  # fmt: skip
    for name in (name for name in config["schedule"] if name != "constant"):
        leads, at_edge = leads_of(tables["trials"], settings.NOISY, name, "log_loss")
        yield Question(
            f"D5-{name}", "claim", f"With noise, '{name}' ends at a lower loss than the best constant rate.",
            SCHEDULES[name].source, f"{settings.NOISY}, {where}", -leads, 0.0, "above",
            note="ln of the constant rate's test loss over the schedule's, same seed", at_edge=at_edge,
        )  # fmt: skip
    for name in (name for name in ("cosine", "plateau") if name in config["schedule"]):
        leads, at_edge = leads_of(tables["trials"], settings.CLEAN, name, "test_metric")
        yield Question(
            f"D5-{settings.CLEAN}-{name}", "correction",
            f"On {settings.CLEAN}, '{name}' is worth less than 0.01 of accuracy.",
            "the teaching page: apply a scheduler such as cosine annealing or reduction on a plateau",
            f"{settings.CLEAN}, {where}", leads, 0.0, margin=0.01, note="test accuracy less that of the constant rate",
            at_edge=at_edge,
        )  # fmt: skip
