"""From measured values to claims: every question of a study is judged by one rule, at one simultaneous confidence.

What a verdict cannot show is said in the claim's note: too few seeds, seeds that are all equal, skewed values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from nnsim.report import statistics
from nnsim.report.claims import Claim
from nnsim.report.rounding import rounded
from nnsim.report.statistics import FEWEST, MANY, Interval, fewest_values, simultaneous_confidence

CONFIDENCE = 0.95
"""Probability with which all intervals of a study cover at once."""

INTERVALS: dict[str, Callable[[np.ndarray, float], Interval]] = {
    "mean": statistics.mean_interval,
    "variance": statistics.variance_interval,
    "geometric_mean": statistics.geometric_mean_interval,
    "median": statistics.median_interval,
    "superiority": lambda leads, level: statistics.superiority_interval(leads, np.zeros_like(leads), level),
    "cliffs_delta": lambda leads, level: statistics.cliffs_delta_interval(leads, np.zeros_like(leads), level),
    "proportion": lambda hits, level: statistics.proportion_interval(int(np.sum(hits)), hits.size, level),
    "sign_flip": statistics.sign_flip_interval,
    "bca": statistics.bca_interval,
}
SIGNS = {"median", "superiority", "cliffs_delta", "sign_flip"}
"""Intervals that rest on signs or ranks: few values show nothing at a high level, even if all agree."""

AT_EDGE = "rests on a choice at the end of its grid: a wider grid may decide"

SKEWED, MODERATE = 1.5, 40
"""Skewness from which on a mean of fewer values than this may be covered more rarely than stated."""


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
    interval : str
        What is estimated, a key of `INTERVALS`: "mean", "geometric_mean", "median", "variance", "proportion" (of zeros
        and ones), "superiority" and "cliffs_delta" (of differences between two arms at equal seeds); or how a mean is:
        "sign_flip" (exact for symmetric values) and "bca" (bootstrap, for many values).
    at_edge : bool
        Whether the values rest on an optimum at the edge of its grid, which makes the verdict inconclusive.
    timed : bool
        Whether the values are measured times.
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
    timed: bool = False


def judge(questions: Sequence[Question], confidence: float = CONFIDENCE) -> list[Claim]:
    """Return a claim for each question; their intervals cover simultaneously (Bonferroni).

    Fewer than six values of a mean, or fewer than two signs need at the simultaneous level, decide nothing; the note
    says so. Six or more values that are all equal do decide, with a note on how many seeds may yet differ: outcomes
    such as an accuracy of exactly 1 are no accident, and by the binomial law their median is what it seems at 97 %.

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


def _claim(question: Question, remark: str = "", **found: Any) -> Claim:
    fields = (question.id, question.kind, question.statement, question.source, question.arm)
    note = "; ".join(part for part in (question.note, remark) if part)
    return Claim(*fields, prediction=question.prediction, timed=question.timed, note=note, **found)


def _exact(question: Question) -> Claim:
    values = np.asarray(question.values, dtype=np.float64)
    verdict = statistics.exact_check(values, question.prediction)
    if not values.size:
        return _claim(question, verdict=verdict, method="exact comparison")
    return _claim(
        question,
        estimate=float(np.median(values)),
        low=float(values.min()),
        high=float(values.max()),
        n=values.size,
        method="exact comparison; low and high are the range",
        verdict=verdict,
    )


def _judged(question: Question, level: float) -> Claim:
    values = np.asarray(question.values, dtype=np.float64)
    interval = INTERVALS[question.interval](values, level)
    rules: dict[str, Callable[[], str]] = {
        "equivalence": lambda: statistics.equivalence(interval, question.prediction, question.margin),
        "at_most": lambda: statistics.at_most(interval, question.prediction),
        "at_least": lambda: statistics.at_least(interval, question.prediction),
        "above": lambda: statistics.above(interval, question.prediction),
    }
    verdict, remark = rules[question.rule](), _remark(question.interval, values, interval)
    if question.at_edge and verdict in {"holds", "fails"}:
        verdict, remark = "inconclusive", "; ".join(filter(None, (AT_EDGE, remark)))
    return _claim(
        question,
        remark,
        margin=question.margin,
        estimate=interval.estimate,
        low=interval.low,
        high=interval.high,
        n=interval.n,
        confidence=interval.confidence,
        method=f"{interval.method}, {question.rule.replace('_', ' ')}",
        verdict=verdict,
    )


def _remark(kind: str, values: np.ndarray, interval: Interval) -> str:
    """Return what the interval cannot show, or nothing."""
    n = interval.n
    if math.isnan(interval.low):
        return ""
    if kind in SIGNS:
        least = fewest_values(interval.confidence)
        return f"{n} seeds show nothing at this level even if all agree: {least} are needed" if n < least else ""
    if kind == "variance":
        return f"a variance needs {MANY} seeds" if n < MANY else ""
    return "" if kind == "proportion" else _remark_on_mean(kind, values, interval)


def _remark_on_mean(kind: str, values: np.ndarray, interval: Interval) -> str:
    n = interval.n
    if n < FEWEST:
        return f"{n} seeds decide nothing: no sign-flip or rank test of fewer than {FEWEST} reaches 0.05"
    if interval.low == interval.high:
        share = statistics.proportion_interval(0, n, interval.confidence).high
        return f"all {n} values are equal, which does not rule out that up to {share:.0%} of all seeds differ"
    (skewness,) = rounded([statistics.skewness(np.log(values) if kind == "geometric_mean" else values)])
    if n < MODERATE and abs(skewness) > SKEWED:
        return f"skewed values (skewness {skewness:.1f}): this interval may cover more rarely than stated"
    return ""
