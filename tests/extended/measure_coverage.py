"""Measure how often every interval of nnsim/report/statistics covers the truth, in simulated samples.

Writes nnsim/report/statistics/coverage.csv: all rows again, or only those of the intervals that are named.

    python tests/extended/measure_coverage.py
    python tests/extended/measure_coverage.py sign_flip_interval
"""

from __future__ import annotations

import argparse
import math
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nnsim.report import statistics
from nnsim.report.statistics import Interval, coverage

LEVELS = (0.95, 0.999)  # of one claim, and of each of fifty
SIZES = (6, 10, 20)


class Shape(NamedTuple):
    """A distribution with what can be estimated of it."""

    draw: Callable[[np.random.Generator, int], np.ndarray]
    mean: float = math.nan
    median: float = math.nan
    geometric: float = math.nan
    variance: float = math.nan


def binary(p: float) -> Shape:
    return Shape(lambda generator, n: (generator.random(n) < p).astype(float), mean=p)


def leads(win: float, tie: float) -> Shape:
    """Return the signs of paired differences, with P(win) + P(tie) / 2 for their mean."""
    outcomes, weights = (1.0, 0.0, -1.0), (win, tie, 1.0 - win - tie)
    return Shape(lambda generator, n: generator.choice(outcomes, n, p=weights), mean=win + tie / 2.0)


SHAPES = {
    "normal": Shape(lambda generator, n: generator.standard_normal(n), 0.0, 0.0, variance=1.0),
    "Laplace": Shape(lambda generator, n: generator.laplace(size=n), 0.0, 0.0, variance=2.0),
    "exponential": Shape(
        lambda generator, n: generator.standard_exponential(n),
        1.0,
        math.log(2.0),
        math.exp(-np.euler_gamma),
        1.0,
    ),
    "log-normal": Shape(
        lambda generator, n: np.exp(generator.standard_normal(n)),
        math.exp(0.5),
        1.0,
        1.0,
        math.e**2 - math.e,
    ),
    "binary, p = 0.5": binary(0.5),
    "binary, p = 0.1": binary(0.1),
    "leads, no ties": leads(0.8, 0.0),
    "leads, 30 % ties": leads(0.5, 0.3),
}
WHOLE = ("normal", "Laplace", "exponential", "log-normal", "binary, p = 0.5", "binary, p = 0.1")
SMOOTH = ("normal", "Laplace", "exponential", "log-normal")


class Case(NamedTuple):
    """An interval with what it is tried on."""

    make: Callable[[np.ndarray, float], Interval]
    truth: str
    shapes: tuple[str, ...]
    sizes: tuple[int, ...] = SIZES
    samples: int = 10_000


CASES = {
    "mean_interval": Case(statistics.mean_interval, "mean", WHOLE),
    "t_interval": Case(statistics.t_interval, "mean", WHOLE),
    "sign_flip_interval": Case(statistics.sign_flip_interval, "mean", WHOLE, samples=2000),
    "geometric_mean_interval": Case(statistics.geometric_mean_interval, "geometric", ("exponential", "log-normal")),
    "median_interval": Case(statistics.median_interval, "median", SMOOTH),
    "variance_interval": Case(statistics.variance_interval, "variance", SMOOTH, (100, 400), 4000),
    "proportion_interval": Case(
        lambda x, level: statistics.proportion_interval(int(np.sum(x)), x.size, level),
        "mean",
        ("binary, p = 0.5", "binary, p = 0.1"),
    ),
    "superiority_interval": Case(
        lambda x, level: statistics.superiority_interval(x, np.zeros_like(x), level),
        "mean",
        ("leads, no ties", "leads, 30 % ties"),
    ),
}


def measure(case: Case, shape: str, n: int, level: float, samples: int, key: int = 0) -> dict[str, Any]:
    """Return a row of the table: the coverage of one interval on one shape, over `samples` samples of `n` values."""
    truth = getattr(SHAPES[shape], case.truth)
    generator = np.random.Generator(np.random.Philox(key=zlib.crc32(f"{shape} {n} {key}".encode())))
    found = [case.make(SHAPES[shape].draw(generator, n), level) for _ in range(samples)]
    slack = 1e-12 * abs(truth)  # 1 - 0.9 is not 0.1
    covered = [i.low - slack <= truth <= i.high + slack for i in found if i.sufficient]
    share = float(np.mean(covered)) if covered else math.nan
    method = re.sub(r"^.*order statistics.* of", "order statistics of", found[0].method)
    row = {"method": method, "data": shape, "n": n, "confidence": level, "samples": samples}
    return row | {"sufficient": len(covered) / samples, "coverage": share}


def rows_of(case: Case) -> Iterator[dict[str, Any]]:
    for level in LEVELS:
        for shape in case.shapes:
            for n in case.sizes:
                yield measure(case, shape, n, level, case.samples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("interval", nargs="*", choices=[*CASES, []], help="intervals to measure; all without a name")
    for name in parser.parse_args().interval or list(CASES):
        fresh = pd.DataFrame(rows_of(CASES[name]))
        table = pd.concat([others(fresh["method"].iloc[0]), fresh])
        table.sort_values("method", kind="stable").to_csv(coverage.PATH, index=False)
        print(fresh.to_string(index=False), flush=True)


def others(method: str) -> pd.DataFrame:
    """Return the rows of the table that are not of `method`."""
    if not coverage.PATH.exists():
        return pd.DataFrame()
    table = coverage.coverage_table()
    return table[table["method"] != method]


if __name__ == "__main__":
    main()
