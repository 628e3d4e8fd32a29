"""Shares with their intervals, one row an arm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from nnsim.report.arms import rows_of
from nnsim.report.statistics import proportion_interval
from nnsim.theory.expressivity.separability import separable_fraction

from .training import ARM, xor_arms

SUMMARY_COLUMNS = [
    *("kind", "dimension", "points", "activation", "hidden", "parameters", "learning_rate", "quantity"),
    *("n", "mean", "prediction", "low", "high", "method", "at_edge"),
]


def _share(hits: pd.Series) -> dict[str, Any]:
    """Share of ones among zeros and ones, with its interval."""
    interval = proportion_interval(int(hits.sum()), len(hits), 0.95)
    found = {"n": len(hits), "mean": interval.estimate, "low": interval.low, "high": interval.high}
    return found | {"method": interval.method}


def _fractions(answers: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for (dimension, points), rows in rows_of(answers, kind="cover").groupby(["dimension", "points"]):
        names = {"kind": "cover", "dimension": int(dimension), "points": int(points), "quantity": "separable"}
        prediction = separable_fraction(int(points), int(dimension))
        yield {**names, **_share(rows["value"]), "prediction": prediction, "at_edge": False}


def _successes(trials: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for (activation, hidden), rows in xor_arms(trials).runs.groupby(ARM):
        names = {"kind": "xor", "activation": activation, "hidden": int(hidden), "quantity": "found"}
        names |= {"learning_rate": rows["learning_rate"].iloc[0], "parameters": rows["parameters"].max()}
        yield {**names, **_share(rows["found"]), "at_edge": bool(rows["at_edge"].iloc[0])}


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return separable fractions beside Cover's, and how often each trained arm finds XOR at its chosen rate."""
    rows = [*_fractions(tables["answers"]), *_successes(tables["trials"])]
    frame = pd.DataFrame(rows, columns=SUMMARY_COLUMNS)
    return frame.astype(dict.fromkeys(("dimension", "points", "hidden", "parameters"), "Int64"))
