"""From measured values to claims: every question of a study is judged by one rule, at one simultaneous confidence."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from nnsim.report import statistics
from nnsim.report.claims import Claim
from nnsim.report.statistics import Interval, simultaneous_confidence

CONFIDENCE = 0.95
"""Probability with which all intervals of a study cover at once."""

INTERVALS: dict[str, Callable[[np.ndarray, float], Interval]] = {
    "mean": statistics.mean_interval,
    "variance": statistics.variance_interval,
    "geometric_mean": statistics.geometric_mean_interval,
    "median": statistics.median_interval,
    "superiority": lambda leads, level: statistics.superiority_interval(leads, np.zeros_like(leads), level),
    "proportion": lambda hits, level: statistics.proportion_interval(int(np.sum(hits)), hits.size, level),
}


@dataclass(frozen=True)
class Question:
    """A statement about values that were measured once a seed.

    Attributes
    ----------
    id, kind, statement, source, arm, note : str
        As in `Claim`.
    values : float array (n,)
        One value a seed; empty where the run holds no such trial.
    prediction : float
        Predicted value, or the bound of a one-sided rule.
    rule : {"equivalence", "at_most", "at_least", "above", "exact"}
        How the interval is judged; "exact" compares every value with the prediction, bit for bit.
    margin : float
        Half width of the equivalence band, fixed beforehand.
    interval : {"mean", "geometric_mean", "median", "variance", "proportion", "superiority"}
        What is estimated; "proportion" takes zeros and ones, "superiority" differences between two arms at equal seeds.
    at_edge : bool
        Whether the values rest on an optimum at the edge of its grid, which makes the verdict inconclusive.
    """

    id: str
    kind: str
    statement: str
    source: str
    arm: str
    values: np.ndarray = field(repr=False)
    prediction: float
    rule: Literal["equivalence", "at_most", "at_least", "above", "exact"] = "equivalence"
    margin: float = math.nan
    interval: str = "mean"
    note: str = ""
    at_edge: bool = False


def judge(questions: Sequence[Question], confidence: float = CONFIDENCE) -> list[Claim]:
    """Return a claim for each question; their intervals cover simultaneously (Bonferroni).

    Parameters
    ----------
    questions : sequence of Question
        All that one study asks.
    confidence : float
        Level of all intervals together.
    """
    asked = sum(question.rule != "exact" and len(question.values) > 0 for question in questions)
    level = simultaneous_confidence(confidence, max(asked, 1))
    return [_exact(question) if question.rule == "exact" else _judged(question, level) for question in questions]


def _claim(question: Question, **found: Any) -> Claim:
    fields = (question.id, question.kind, question.statement, question.source, question.arm)
    return Claim(*fields, prediction=question.prediction, note=question.note, **found)


def _exact(question: Question) -> Claim:
    values = np.asarray(question.values, dtype=np.float64)
    verdict = statistics.exact_check(values, question.prediction)
    if not values.size:
        return _claim(question, verdict=verdict, method="exact comparison")
    ends = {"estimate": float(np.median(values)), "low": float(values.min()), "high": float(values.max())}
    return _claim(
        question, **ends, n=values.size, method="exact comparison; low and high are the range", verdict=verdict
    )


def _judged(question: Question, level: float) -> Claim:
    interval = INTERVALS[question.interval](np.asarray(question.values, dtype=np.float64), level)
    rules: dict[str, Callable[[], str]] = {
        "equivalence": lambda: statistics.equivalence(interval, question.prediction, question.margin),
        "at_most": lambda: statistics.at_most(interval, question.prediction),
        "at_least": lambda: statistics.at_least(interval, question.prediction),
        "above": lambda: statistics.above(interval, question.prediction),
    }
    verdict = rules[question.rule]()
    if question.at_edge and verdict in {"holds", "fails"}:
        verdict = "inconclusive"
    return _claim(
        question,
        margin=question.margin,
        estimate=interval.estimate,
        low=interval.low,
        high=interval.high,
        n=interval.n,
        confidence=interval.confidence,
        method=f"{interval.method}, {question.rule.replace('_', ' ')}",
        verdict=verdict,
    )
