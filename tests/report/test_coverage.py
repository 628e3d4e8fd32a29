"""How often intervals cover: the table says it, the code still does it, and what judges claims covers at least 93 %."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from extended.measure_coverage import CASES, LEVELS, SIZES, Case, measure
from scipy import stats

from nnsim.report.statistics import Interval, coverage_table, t_interval

LEAST = 0.93
TABLE = coverage_table()
FAST = sorted(CASES.keys() - {"sign_flip_interval"})
JUDGES = {
    "skew-adjusted t interval of the mean": ("normal", "Laplace", "exponential"),
    "skew-adjusted t interval of the geometric mean": ("log-normal", "exponential"),
    "order statistics of the median": ("normal", "Laplace", "exponential", "log-normal"),
    "Clopper-Pearson interval of the proportion": ("binary, p = 0.5", "binary, p = 0.1"),
    "sign interval of the paired superiority": ("leads, no ties", "leads, 30 % ties"),
}


def rows(method: str, data: str, confidence: float = 0.95) -> pd.DataFrame:
    keep = (TABLE["method"] == method) & (TABLE["data"] == data) & (TABLE["confidence"] == confidence)
    return TABLE[keep].set_index("n")


def strays(case: Case, shape: str, n: int, level: float, samples: int) -> float:
    """Return by how many standard errors a new measurement differs from the table's."""
    found = measure(case, shape, n, level, samples, key=1)
    known = rows(found["method"], shape, level).loc[n]
    if math.isnan(known["coverage"]):
        return 0.0 if math.isnan(found["coverage"]) else math.inf
    p = (known["coverage"] * known["samples"] + 1.0) / (known["samples"] + 2.0)
    error = math.sqrt(p * (1.0 - p) * (1.0 / samples + 1.0 / known["samples"]))
    return abs(found["coverage"] - known["coverage"]) / error


class TestTable:
    @pytest.mark.parametrize("name", CASES)
    def test_has_every_shape_size_and_level(self, name: str) -> None:
        case = CASES[name]
        method = measure(case, case.shapes[0], case.sizes[0], 0.95, 1)["method"]
        found = TABLE[TABLE["method"] == method][["data", "n", "confidence"]]
        assert sorted(found.itertuples(index=False, name=None)) == sorted(product(case.shapes, case.sizes, LEVELS))

    @pytest.mark.parametrize(("method", "data"), [(name, data) for name in JUDGES for data in JUDGES[name]])
    def test_what_judges_covers_at_every_size(self, method: str, data: str) -> None:
        found = rows(method, data)
        assert tuple(found.index) == SIZES
        assert (found["sufficient"] == 1.0).all()
        assert found["coverage"].min() >= LEAST

    @pytest.mark.parametrize("data", ["normal", "exponential"])
    def test_a_variance_is_covered_where_it_is_sufficient(self, data: str) -> None:
        assert rows("skew-adjusted t interval of the variance", data)["coverage"].min() >= LEAST

    @pytest.mark.parametrize(
        ("method", "data", "n"),
        [
            *(("t interval of the mean", "exponential", n) for n in SIZES),
            *(("sign-flip interval of the mean", "exponential", n) for n in (10, 20)),
        ],
    )
    def test_what_does_not_judge_covers_too_rarely(self, method: str, data: str, n: int) -> None:
        assert rows(method, data)["coverage"][n] < LEAST

    def test_nothing_covers_the_mean_of_six_log_normal_values(self) -> None:
        six = TABLE[(TABLE["data"] == "log-normal") & (TABLE["n"] == 6) & TABLE["method"].str.endswith("of the mean")]
        assert six[six["confidence"] == 0.95]["coverage"].max() < LEAST


class TestCode:
    """Seeded, with other samples than the table's: four standard errors of their difference are allowed."""

    @pytest.mark.parametrize("level", LEVELS)
    @pytest.mark.parametrize("name", FAST)
    def test_covers_as_the_table_says(self, name: str, level: float) -> None:
        case = CASES[name]
        for shape, n in product(case.shapes, case.sizes):
            assert strays(case, shape, n, level, 200) < 4.0, (shape, n)

    @pytest.mark.parametrize("shape", ["normal", "exponential"])
    def test_sign_flips_cover_as_the_table_says(self, shape: str) -> None:
        assert strays(CASES["sign_flip_interval"], shape, 10, 0.95, 300) < 4.0

    def test_an_interval_that_is_too_narrow_is_told(self) -> None:
        def normal_quantile(x: np.ndarray, level: float) -> Interval:
            found = t_interval(x, level)
            shrink = float(stats.norm.ppf(0.5 + level / 2) / stats.t.ppf(0.5 + level / 2, x.size - 1))
            half = shrink * (found.high - found.estimate)
            return replace(found, low=found.estimate - half, high=found.estimate + half)

        assert strays(CASES["t_interval"]._replace(make=normal_quantile), "normal", 6, 0.95, 2000) > 4.0

    def test_an_interval_that_is_too_wide_is_told(self) -> None:
        wide = CASES["t_interval"]._replace(make=lambda x, level: t_interval(x, 0.99))
        assert strays(wide, "normal", 6, 0.95, 2000) > 4.0
