"""Confidence intervals, and the rules that turn an interval into a verdict; every study judges its claims by these.

The unit of replication is an independent seed: one value of an array is one seed's. No value is ever dropped: an array
that holds a value an interval cannot use gives an interval of NaN, and its verdict is ``untested``.

Which interval judges what follows from how often each covered the truth in simulated samples (``coverage.csv``, read by
`coverage_table`): at 6, 10 and 20 values and 95 % one is used only if it covered at least 93 % of normal, of
exponential or of binary samples, whichever it is for.
"""

from nnsim.report.statistics.coverage import coverage_table
from nnsim.report.statistics.effects import log_log_slopes, paired_difference_interval
from nnsim.report.statistics.interval import FEWEST, Interval
from nnsim.report.statistics.means import (
    MANY,
    geometric_mean_interval,
    mean_interval,
    skewness,
    t_interval,
    variance_interval,
)
from nnsim.report.statistics.multiplicity import fewest_values, simultaneous_confidence
from nnsim.report.statistics.ranks import (
    cliffs_delta_interval,
    median_interval,
    proportion_interval,
    superiority_interval,
)
from nnsim.report.statistics.sign_flips import sign_flip_interval
from nnsim.report.statistics.verdicts import Verdict, above, at_least, at_most, equivalence, exact_check

__all__ = [
    "FEWEST",
    "MANY",
    "Interval",
    "Verdict",
    "above",
    "at_least",
    "at_most",
    "cliffs_delta_interval",
    "coverage_table",
    "equivalence",
    "exact_check",
    "fewest_values",
    "geometric_mean_interval",
    "log_log_slopes",
    "mean_interval",
    "median_interval",
    "paired_difference_interval",
    "proportion_interval",
    "sign_flip_interval",
    "simultaneous_confidence",
    "skewness",
    "superiority_interval",
    "t_interval",
    "variance_interval",
]
