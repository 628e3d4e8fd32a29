"""Cliff's delta against a count of pairs, and exponents of power laws, one a seed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnsim.core.errors import UsageError
from nnsim.report.statistics import at_least, cliffs_delta_interval, log_log_slopes, superiority_interval


class TestCliffsDelta:
    FIRST, SECOND = (3.0, 2.0, 1.0, 5.0, 7.0), (1.0, 2.0, 3.0, 4.0, 6.0)

    def test_counts_wins_minus_losses(self):
        assert cliffs_delta_interval(self.FIRST, self.SECOND, 0.9).estimate == pytest.approx((3 - 1) / 5)

    def test_is_twice_the_superiority_minus_one(self):
        found, base = (make(self.FIRST, self.SECOND, 0.9) for make in (cliffs_delta_interval, superiority_interval))
        assert (found.low, found.high) == (2 * base.low - 1, 2 * base.high - 1)

    def test_exchanged_arms_change_the_sign(self):
        found = cliffs_delta_interval(self.FIRST, self.SECOND, 0.9)
        other = cliffs_delta_interval(self.SECOND, self.FIRST, 0.9)
        assert (other.low, other.high) == pytest.approx((-found.high, -found.low), abs=1e-12)

    def test_no_pair_is_untested(self):
        assert at_least(cliffs_delta_interval([], [], 0.95), 0.0) == "untested"


class TestLogLogSlopes:
    X = (1.0, 2.0, 4.0, 16.0)

    @pytest.mark.parametrize("exponent", [-1.0, 0.0, 0.5])
    def test_a_power_law_has_its_exponent(self, exponent):
        y = np.outer([0.1, 1.0, 30.0], np.power(self.X, exponent))
        assert log_log_slopes(self.X, y) == pytest.approx([exponent] * 3, abs=1e-12)

    def test_is_the_least_squares_line_of_the_logarithms(self):
        y = np.random.default_rng(1).lognormal(size=(5, 4))
        expected = np.polyfit(np.log(self.X), np.log(y).T, 1)[0]
        assert log_log_slopes(self.X, y) == pytest.approx(expected, rel=1e-10)

    @pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, math.nan])
    def test_a_seed_without_logarithms_has_no_slope(self, bad):
        slopes = log_log_slopes(self.X, [[1.0, 2.0, bad, 4.0], [1.0, 1.0, 1.0, 1.0]])
        assert math.isnan(slopes[0])
        assert slopes[1] == 0.0

    @pytest.mark.parametrize("x", [(2.0, 2.0, 2.0, 2.0), (0.0, 1.0, 2.0, 3.0), (1.0, 2.0, 3.0, math.nan)])
    def test_x_without_a_line_is_refused(self, x):
        with pytest.raises(UsageError, match="two different positive numbers"):
            log_log_slopes(x, np.ones((2, 4)))

    def test_shapes_that_do_not_fit_are_refused(self):
        with pytest.raises(UsageError, match=r"\(seeds, 4\) is needed"):
            log_log_slopes(self.X, np.ones((4, 2)))
