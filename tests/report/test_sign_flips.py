"""The sign-flip interval of a mean: against the test that it inverts, and what must not matter."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from nnsim.core.errors import UsageError
from nnsim.report.statistics import at_least, equivalence, mean_interval, sign_flip_interval

SKEWED = np.array([0.02, 0.1, 0.3, 0.35, 0.8, 1.1, 4.0, 0.5])


def sign_flip_p(x, centre):
    """Return the smaller one-sided p-value of the sign-flip test of `centre`, by trying every flip."""
    signs = np.array(list(product((1.0, -1.0), repeat=len(x))))
    sums, seen = signs @ (x - centre), np.sum(x - centre)
    return min(np.mean(sums >= seen - 1e-9), np.mean(sums <= seen + 1e-9))


class TestSignFlip:
    @pytest.mark.parametrize("confidence", [0.5, 0.9, 0.98])
    def test_its_ends_are_where_the_test_begins_to_reject(self, confidence):
        found, tail, step = sign_flip_interval(SKEWED, confidence), (1 - confidence) / 2, 1e-6
        for end, outwards in ((found.low, -step), (found.high, step)):
            assert sign_flip_p(SKEWED, end - outwards) > tail >= sign_flip_p(SKEWED, end + outwards)

    def test_six_values_have_their_range_at_95_percent(self):
        found = sign_flip_interval(SKEWED[:6], 0.95)
        assert (found.low, found.high, found.sufficient) == (0.02, 1.1, True)

    def test_five_values_are_too_few_at_95_percent(self):
        found = sign_flip_interval(SKEWED[:5], 0.95)
        assert (found.low, found.high, found.sufficient) == (0.02, 0.8, False)
        assert equivalence(found, 0.5, 100.0) == "inconclusive"

    def test_random_flips_agree_with_students_interval_of_many_normal_values(self):
        x = stats.norm.ppf((np.arange(40) + 0.5) / 40)
        found, expected = sign_flip_interval(x, 0.95), mean_interval(x, 0.95)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.02)

    def test_one_far_value_moves_one_end_only(self):
        x = np.arange(12.0)
        near, far = sign_flip_interval(x, 0.95), sign_flip_interval([*x[:-1], 1e6], 0.95)
        assert far.low == pytest.approx(near.low, abs=0.2)
        assert far.high > 1e4


class TestSamples:
    @pytest.mark.parametrize("n", [8, 30])
    def test_the_same_values_give_the_same_interval(self, n):
        x = np.resize(SKEWED, n)
        assert sign_flip_interval(x, 0.9) == sign_flip_interval(x, 0.9)

    def test_equal_values_have_no_width(self):
        found = sign_flip_interval([0.1] * 10, 0.95)
        assert (found.low, found.estimate, found.high) == (0.1, 0.1, 0.1)

    def test_a_higher_level_is_wider(self):
        narrow, wide = sign_flip_interval(SKEWED, 0.8), sign_flip_interval(SKEWED, 0.95)
        assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high

    @pytest.mark.parametrize("values", [[], [1.0, math.nan], [1.0, math.inf, 2.0]], ids=str)
    def test_unusable_values_are_untested(self, values):
        assert at_least(sign_flip_interval(values, 0.95), -1e9) == "untested"

    def test_impossible_confidence_is_refused(self):
        with pytest.raises(UsageError, match="confidence is"):
            sign_flip_interval(SKEWED, 1.0)
