"""Shares with their intervals, one row an arm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nnsim.theory.expressivity import separability as theory

from .training_questions import XOR_ARM, xor_arms

if TYPE_CHECKING:
    import pandas as pd

SUMMARY_COLUMNS = [
    *("kind", "dimension", "points", "activation", "hidden", "parameters", "learning_rate", "quantity"),
    *("n", "mean", "prediction", "low", "high", "method", "at_edge"),
]


def _fractions(answers: pd.DataFrame) -> Iterator[dict[str, Any]]:
    from nnsim.report.arms import rows_of
    from nnsim.report.statistics import proportion_interval

    for (dimension, points), rows in rows_of(answers, kind="cover").groupby(["dimension", "points"]):
        interval = proportion_interval(int(rows["value"].sum()), len(rows), 0.95)
        found = {"n": len(rows), "mean": interval.estimate, "low": interval.low, "high": interval.high}
        prediction = theory.separable_fraction(int(points), int(dimension))
        names = {"kind": "cover", "dimension": int(dimension), "points": int(points), "quantity": "separable"}
        yield {**names, **found, "prediction": prediction, "method": interval.method, "at_edge": False}


def _successes(trials: pd.DataFrame) -> Iterator[dict[str, Any]]:
    from nnsim.report.statistics import proportion_interval

    for (activation, hidden), rows in xor_arms(trials).runs.groupby(XOR_ARM):
        interval = proportion_interval(int(rows["found"].sum()), len(rows), 0.95)
        found = {"n": len(rows), "mean": interval.estimate, "low": interval.low, "high": interval.high}
        names = {"kind": "xor", "activation": activation, "hidden": int(hidden), "quantity": "found"}
        names |= {"learning_rate": rows["learning_rate"].iloc[0], "parameters": rows["parameters"].max()}
        yield {**names, **found, "method": interval.method, "at_edge": bool(rows["at_edge"].iloc[0])}


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return separable fractions beside Cover's, and how often each trained arm finds XOR at its chosen rate."""
    import pandas as pd

    rows = [*_fractions(tables["answers"]), *_successes(tables["trials"])]
    frame = pd.DataFrame(rows, columns=SUMMARY_COLUMNS)
    return frame.astype(dict.fromkeys(("dimension", "points", "hidden", "parameters"), "Int64"))
