"""What a study asks of its measurement: values, one a seed, and the rule that judges them.

It imports neither pandas nor SciPy, so that a study may ask beside its trials and is still listed at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import nan

import numpy as np


@dataclass(frozen=True)
class Within:
    """The truth lies within `margin`, which was fixed beforehand, of `prediction`."""

    prediction: float
    margin: float


@dataclass(frozen=True)
class AtMost:
    """The truth is at most `prediction`, a bound."""

    prediction: float
    margin: float = field(default=nan, init=False)


@dataclass(frozen=True)
class AtLeast:
    """The truth is at least `prediction`, a bound."""

    prediction: float
    margin: float = field(default=nan, init=False)


@dataclass(frozen=True)
class Above:
    """The truth is greater than `prediction`, a bound: a tie is not."""

    prediction: float
    margin: float = field(default=nan, init=False)


@dataclass(frozen=True)
class Exactly:
    """Every value is `prediction`, bit for bit."""

    prediction: float
    margin: float = field(default=nan, init=False)


Rule = Within | AtMost | AtLeast | Above | Exactly


@dataclass(frozen=True, kw_only=True)
class Question:
    """A statement about values that were measured once a seed.

    Attributes
    ----------
    id, kind, statement, source, arm, note : str
        As in `nnsim.report.claims.Claim`.
    values : float array (n,)
        One value a seed; empty where the run holds no such trial.
    rule : Within, AtMost, AtLeast, Above or Exactly
        How their interval is judged, or for `Exactly` they themselves.
    interval : str
        What is estimated, a key of `nnsim.report.judging.INTERVALS`: "mean", "geometric_mean", "median", "variance",
        "proportion" (of zeros and ones), "superiority" and "cliffs_delta" (of differences between two arms at equal
        seeds); or how a mean is: "sign_flip" (exact for symmetric values).
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
    rule: Rule
    interval: str = "mean"
    note: str = ""
    at_edge: bool = False
    timed: bool = False
