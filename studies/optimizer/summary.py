"""Medians with their intervals, one row an arm and quantity."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pandas as pd

from nnsim.report.arm_summary import FACTS, median_facts
from nnsim.report.tuned_arms import ChosenArms

from .comparison import tuned_arms
from .shared import runs_of
from .widths import arms_by_loss

SUMMARY_ARM = ["kind", "data", "optimizer", "parametrization", "width", "budget"]


def _summary_rows(arms: ChosenArms, quantities: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for (_, group), quantity in product(arms.runs.groupby(arms.names, sort=False), quantities):
        yield {name: group[name].iloc[0] for name in SUMMARY_ARM} | median_facts(group, quantity)


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return each arm at its chosen rate, with its budget: medians over seeds with intervals."""
    compared, widened = (runs_of(tables["trials"], kind) for kind in ("training", "width"))
    rows = [
        *_summary_rows(tuned_arms(compared), ("validation_metric", "test_metric", "train_loss")),
        *_summary_rows(arms_by_loss(widened), ("train_loss", "validation_metric")),
    ]
    columns = [*SUMMARY_ARM[:-1], FACTS[0], SUMMARY_ARM[-1], *FACTS[1:]]
    return pd.DataFrame(rows, columns=columns).astype({"parameters": "Int64", "budget": "Int64", "width": "Int64"})
