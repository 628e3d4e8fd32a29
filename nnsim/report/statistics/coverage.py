"""How often each interval covered the truth in simulated samples, as measured once and kept beside this module."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame

PATH = Path(__file__).with_name("coverage.csv")


def coverage_table() -> DataFrame:
    """Return the measured coverage of every interval, written by ``tests/extended/measure_coverage.py``.

    Returns
    -------
    DataFrame
        A row for each ``method`` (words as in `Interval`), shape of ``data``, number of values ``n`` and
        ``confidence``: from how many ``samples`` it was measured, in what share of them the interval was
        ``sufficient``, and the ``coverage`` (1), NaN where none was sufficient.
    """
    import pandas as pd  # a third of a second that a lone interval need not pay

    return pd.read_csv(PATH)
