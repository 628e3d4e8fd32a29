"""From measured values to claims: every question of a study is judged by one rule, at one simultaneous confidence.

What a verdict cannot show is said in the claim's note: too few seeds, seeds that are all equal, skewed values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nnsim.report import statistics
from nnsim.report.claims import Claim
from nnsim.report.questions import Above, AtLeast, AtMost, Exactly, Question, Rule, Within
from nnsim.report.statistics import FEWEST, MANY, Interval, fewest_values, simultaneous_confidence
from nnsim.report.statistics.rounding import rounded
from nnsim.study.declaration import Study

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
}
SIGNS = {"median", "superiority", "cliffs_delta", "sign_flip"}
"""Intervals that rest on signs or ranks: few values show nothing at a high level, even if all agree."""

RULES = {Within: "equivalence", AtMost: "at most", AtLeast: "at least", Above: "above"}
"""Names of the rules in a claim's method."""

AT_EDGE = "rests on a choice at the end of its grid: a wider grid may decide"

SKEWED, MODERATE = 1.5, 40
"""Skewness from which on a mean of fewer values than this may be covered more rarely than stated."""


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
    asked = sum(not isinstance(question.rule, Exactly) and len(question.values) > 0 for question in questions)
    level = simultaneous_confidence(confidence, max(asked, 1))
    return [_exact(each) if isinstance(each.rule, Exactly) else _judged(each, level) for each in questions]


def claims_of(study: Study, tables: Any, config: dict[str, Any]) -> list[Claim]:
    """Return a study's claims; what it asks is judged, all at one simultaneous confidence.

    Parameters
    ----------
    study : Study
    tables : dict of str to DataFrame
        The tables of a run by name.
    config : dict
        The resolved configuration: axis name to its values.

    Returns
    -------
    list of Claim
        In the order in which the study lists them.
    """
    found = study.claims(tables, config)
    asked = [each for each in found if isinstance(each, Question)]
    judged = iter(judge(asked))
    return [next(judged) if isinstance(each, Question) else each for each in found]


def _claim(question: Question, remark: str = "", **found: Any) -> Claim:
    fields = (question.id, question.kind, question.statement, question.source, question.arm)
    note = "; ".join(part for part in (question.note, remark) if part)
    return Claim(*fields, prediction=question.rule.prediction, timed=question.timed, note=note, **found)


def _exact(question: Question) -> Claim:
    values = np.asarray(question.values, dtype=np.float64)
    verdict = statistics.exact_check(values, question.rule.prediction)
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
    values, rule = np.asarray(question.values, dtype=np.float64), question.rule
    interval = INTERVALS[question.interval](values, level)
    verdict, remark = _verdict(rule, interval), _remark(question.interval, values, interval)
    if question.at_edge and verdict in {"holds", "fails"}:
        verdict, remark = "inconclusive", "; ".join(filter(None, (AT_EDGE, remark)))
    return _claim(
        question,
        remark,
        margin=rule.margin,
        estimate=interval.estimate,
        low=interval.low,
        high=interval.high,
        n=interval.n,
        confidence=interval.confidence,
        method=f"{interval.method}, {RULES[type(rule)]}",
        verdict=verdict,
    )


def _verdict(rule: Rule, interval: Interval) -> str:
    match rule:
        case Within(prediction, margin):
            return statistics.equivalence(interval, prediction, margin)
        case AtMost(bound):
            return statistics.at_most(interval, bound)
        case AtLeast(bound):
            return statistics.at_least(interval, bound)
        case Above(bound):
            return statistics.above(interval, bound)
        case Exactly(value):
            raise ValueError(f"no interval tells whether values are exactly {value}")


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
