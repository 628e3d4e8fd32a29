"""Many claims at once: the level at which all intervals of a study cover together, and how many values it needs."""

from __future__ import annotations

import math

from nnsim.core.errors import UsageError
from nnsim.report.statistics.interval import tail_of


def simultaneous_confidence(confidence: float, n_claims: int) -> float:
    """Return the level of each of `n_claims` intervals that makes all cover at once with probability `confidence`.

    Bonferroni: 1 - (1 - confidence) / n_claims, whatever the dependence between the claims. As a verdict is read off
    its interval, no verdict of the study is wrong with that probability either.

    Holm's steps would gain nothing that can be proved. Each claim may be found to hold or to fail, so one of its two
    hypotheses is true however many others are decided: the number of true ones, by which a later step divides, never
    falls below the number of claims. With errors in both directions such steps are only known to keep the level for
    independent statistics (Shaffer 1980, Control of directional errors with stagewise multiple test procedures), and
    the claims of a study share their networks. They would also leave intervals that do not cover simultaneously.

    Raises
    ------
    UsageError
        If the confidence is out of range or there is no claim.
    """
    if n_claims < 1:
        raise UsageError(f"{n_claims} claims: at least 1 is needed")
    return 1.0 - 2.0 * tail_of(confidence) / n_claims


def fewest_values(confidence: float) -> int:
    """Return the least n for which 2 / 2^n is at most 1 - confidence.

    With fewer values or pairs even n signs that all agree are no evidence at this level: no sign, sign-flip or signed
    rank test can reach it, and no two order statistics enclose the median. It is 6 at 95 % and 11 at 99.9 %.

    Raises
    ------
    UsageError
        If the confidence is out of range.
    """
    return math.ceil(-math.log2(tail_of(confidence)))
