"""What ``summary.csv`` says of arms: medians with intervals, one row an arm and a quantity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nnsim.report.arms import at_chosen_rate, chosen_rates
from nnsim.report.statistics import median_interval

TRAINED_QUANTITIES = ("validation_metric", "test_metric", "test_loss")
FACTS = ("learning_rate", "parameters", "quantity", "n", "diverged", "median", "low", "high", "method", "at_edge")


def summarise_arms(trials: pd.DataFrame, arms: Sequence[str], untrained: str) -> pd.DataFrame:
    """Return medians over seeds with 95 % intervals.

    Parameters
    ----------
    trials : DataFrame
        One row a trial; those of kind ``training`` are taken at the rate that validation chose for their arm.
    arms : sequence of str
        Columns that tell arms apart.
    untrained : str
        The quantity that is summed up for trials of all other kinds.

    Returns
    -------
    DataFrame
        Columns ``kind``, those in `arms`, and `FACTS`. Values that are not finite are left out of medians: `n` counts
        trials, `diverged` those that diverged.
    """
    rows = [*_looked(trials, arms, untrained), *_trained(trials, arms)]
    return pd.DataFrame(rows, columns=["kind", *arms, *FACTS]).astype({"parameters": "Int64"})


def _looked(trials: pd.DataFrame, arms: Sequence[str], quantity: str) -> Iterator[dict[str, Any]]:
    looked = trials[trials["kind"] != "training"]
    for names, group in looked.groupby(["kind", *arms], sort=False):
        if group[quantity].notna().any():
            yield _row(names, group, arms, quantity, at_edge=False)


def _trained(trials: pd.DataFrame, arms: Sequence[str]) -> Iterator[dict[str, Any]]:
    runs = trials[trials["kind"] == "training"]
    chosen = chosen_rates(runs, arms)
    edges = {tuple(row[: len(arms)]): bool(row.at_edge) for row in chosen.itertuples(index=False)}
    picked = at_chosen_rate(runs, chosen.astype(runs.dtypes[[*arms, "learning_rate"]]), arms)
    for names, group in picked.groupby(["kind", *arms], sort=False):
        for quantity in TRAINED_QUANTITIES:
            yield _row(names, group, arms, quantity, at_edge=edges[names[1:]])


def _row(
    names: tuple[Any, ...], group: pd.DataFrame, arms: Sequence[str], quantity: str, at_edge: bool
) -> dict[str, Any]:
    values = group[quantity].to_numpy(dtype=float)
    interval = median_interval(values[np.isfinite(values)], 0.95)
    return {
        **dict(zip(["kind", *arms], names, strict=True)),
        "learning_rate": group["learning_rate"].iloc[0],
        "parameters": group["parameters"].max(),
        "quantity": quantity,
        "n": len(group),
        "diverged": int((group["status"] == "diverged").sum()),
        "median": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "method": interval.method,
        "at_edge": at_edge,
    }
