"""What ``summary.csv`` says of arms: medians with intervals, one row an arm and a quantity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nnsim.report.statistics import median_interval
from nnsim.report.tuned_arms import ChosenArms

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
    looked = trials[trials["kind"] != "training"].assign(at_edge=False)
    for names, group in looked.groupby(["kind", *arms], sort=False):
        if group[quantity].notna().any():
            yield _row(names, group, arms, quantity)


def _trained(trials: pd.DataFrame, arms: Sequence[str]) -> Iterator[dict[str, Any]]:
    picked = ChosenArms(trials[trials["kind"] == "training"], arms).runs
    for names, group in picked.groupby(["kind", *arms], sort=False):
        for quantity in TRAINED_QUANTITIES:
            yield _row(names, group, arms, quantity)


def _row(names: tuple[Any, ...], group: pd.DataFrame, arms: Sequence[str], quantity: str) -> dict[str, Any]:
    finite = group[quantity].where(np.isfinite(group[quantity].astype(float)))
    facts = median_facts(group.assign(**{quantity: finite}), quantity)
    return {**dict(zip(["kind", *arms], names, strict=True)), **facts}


def median_facts(group: pd.DataFrame, quantity: str) -> dict[str, Any]:
    """Return the `FACTS` of one arm: the median of a quantity over its seeds, with its 95 % interval.

    Parameters
    ----------
    group : DataFrame
        The arm's trials at one learning rate, one row a seed, with ``at_edge`` as in `ChosenArms`.
    quantity : str
        A column; where it is NaN it is left out of the median.
    """
    values = group[quantity].astype(float).to_numpy()
    interval = median_interval(values[~np.isnan(values)], 0.95)
    return {
        "learning_rate": group["learning_rate"].iloc[0],
        "parameters": group["parameters"].max(),
        "quantity": quantity,
        "n": len(group),
        "diverged": int((group["status"] == "diverged").sum()),
        "median": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "method": interval.method,
        "at_edge": bool(group["at_edge"].iloc[0]),
    }
