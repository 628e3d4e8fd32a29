"""Intervals cover as often as they say, equal scipy's where scipy has them, and verdicts follow their rule."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
from scipy import optimize, stats

from nnsim.core.errors import UsageError
from nnsim.report.claims import VERDICTS
from nnsim.report.statistics import (
    Interval,
    Verdict,
    above,
    at_least,
    at_most,
    equivalence,
    exact_check,
    fewest_values,
    geometric_mean_interval,
    mean_interval,
    median_interval,
    paired_difference_interval,
    proportion_interval,
    simultaneous_confidence,
    skewness,
    superiority_interval,
    t_interval,
    variance_interval,
)

SAMPLE = [2.1, 3.7, 1.9, 4.4, 2.8, 3.1]
ONE_SAMPLE_INTERVALS = [mean_interval, geometric_mean_interval, variance_interval, median_interval]


def span(low, high):
    """Return an interval from `low` to `high` around its middle."""
    return Interval(low, (low + high) / 2, high, 0.95, "made up", 10)


def coverage(make_interval, draw, truth, repeats=4000):
    """Return how often intervals of fresh samples contain the truth."""
    intervals = (make_interval(draw()) for _ in range(repeats))
    return sum(i.low <= truth <= i.high for i in intervals) / repeats


class TestStudent:
    def test_equals_scipy(self):
        found = t_interval(SAMPLE, 0.9)
        expected = stats.t.interval(0.9, len(SAMPLE) - 1, np.mean(SAMPLE), stats.sem(SAMPLE))
        assert (found.low, found.high) == pytest.approx(expected, rel=1e-12)
        assert (found.estimate, found.confidence, found.n) == (pytest.approx(3.0), 0.9, 6)

    @pytest.mark.parametrize("n", [2, 5])
    def test_covers_normal_means_as_often_as_stated(self, n):
        rng = np.random.default_rng(n)
        found = coverage(lambda x: t_interval(x, 0.9), lambda: rng.normal(3.0, 2.0, n), 3.0)
        assert found == pytest.approx(0.9, abs=0.016)


def hall_end(x, quantile):
    """Return the mean that Hall's transformed t puts at `quantile`, by finding the root of his cubic."""
    n, mean, error = len(x), np.mean(x), stats.sem(x)
    a = stats.skew(x) / math.sqrt(n)
    cubic = lambda t: t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6 - quantile  # noqa: E731
    return mean - error * optimize.brentq(cubic, -1e6, 1e6, xtol=1e-13)


class TestMean:
    SKEWED = (0.02, 0.1, 0.3, 0.35, 0.8, 1.1, 4.0)

    @pytest.mark.parametrize("sign", [1, -1])
    def test_the_end_towards_the_tail_is_halls(self, sign):
        x, quantile = sign * np.array(self.SKEWED), float(stats.t.ppf(0.975, 6))
        found, expected = mean_interval(x, 0.95), hall_end(x, -sign * quantile)
        assert (found.high if sign > 0 else found.low) == pytest.approx(expected, rel=1e-9)

    def test_the_other_end_is_no_nearer_than_students(self):
        found, student = mean_interval(self.SKEWED, 0.95), t_interval(self.SKEWED, 0.95)
        assert found.low == student.low
        assert found.high > student.high + 0.5

    @pytest.mark.parametrize("confidence", [0.9, 0.999])
    def test_never_narrower_than_students(self, confidence):
        for x in np.random.default_rng(1).exponential(size=(200, 8)):
            found, student = mean_interval(x, confidence), t_interval(x, confidence)
            assert found.low <= student.low <= found.estimate <= student.high <= found.high

    def test_far_from_zero_symmetric_values_give_almost_students(self):
        x = 1e6 + np.arange(-20.0, 21.0)
        found, student = mean_interval(x, 0.95), t_interval(x, 0.95)
        assert found.high - found.low == pytest.approx(student.high - student.low, rel=0.02)

    def test_scaled_values_have_the_scaled_interval(self):
        found, scaled = mean_interval(self.SKEWED, 0.95), mean_interval(-8.0 * np.array(self.SKEWED), 0.95)
        assert (scaled.low, scaled.high) == pytest.approx((-8 * found.high, -8 * found.low), rel=1e-14)

    def test_one_value_has_an_infinite_interval(self):
        found = mean_interval([2.0], 0.95)
        assert (found.low, found.estimate, found.high, found.sufficient) == (-math.inf, 2.0, math.inf, False)

    def test_equal_values_have_no_width(self):
        found = mean_interval([0.1] * 10, 0.95)  # whose sum is 0.9999999999999999
        assert (found.low, found.estimate, found.high) == (0.1, 0.1, 0.1)

    @pytest.mark.parametrize("make_interval", [mean_interval, geometric_mean_interval])
    def test_five_values_are_not_sufficient_however_close(self, make_interval):
        assert equivalence(make_interval([1.0, 1.0], 0.95), 1.0, 0.1) == "inconclusive"
        assert equivalence(make_interval([1.0] * 5, 0.95), 1.0, 0.1) == "inconclusive"
        assert equivalence(make_interval([1.0] * 6, 0.95), 1.0, 0.1) == "holds"

    def test_nearly_overflown_values_are_no_warning(self):
        assert equivalence(mean_interval([1e200, -1e200, 1e10, 1.0, 2.0, 3.0], 0.95), 0.0, 1.0) == "inconclusive"

    @pytest.mark.parametrize("scale", [1e-200, 1e200])
    def test_skewness_neither_overflows_nor_underflows(self, scale):
        assert skewness(scale * np.array(self.SKEWED)) == pytest.approx(stats.skew(self.SKEWED), rel=1e-12)

    def test_equal_values_are_not_skewed(self):
        assert skewness([0.1] * 10) == 0.0


class TestPairedDifference:
    def test_is_the_mean_interval_of_the_differences(self):
        first, second = np.array(SAMPLE), np.array([1.0, 3.9, 1.2, 4.0, 2.9, 2.2])
        found, expected = paired_difference_interval(first, second, 0.95), mean_interval(first - second, 0.95)
        assert (found.low, found.estimate, found.high) == (expected.low, expected.estimate, expected.high)

    def test_shared_noise_cancels(self):
        noise = np.random.default_rng(2).normal(0, 100, 20)
        found = paired_difference_interval(noise + 1.0, noise, 0.99)
        assert (found.low, found.high) == pytest.approx((1.0, 1.0))

    def test_diverged_on_both_sides_is_untested(self):
        assert at_least(paired_difference_interval([math.inf, 1.0], [math.inf, 0.0], 0.95), 0.0) == "untested"

    def test_unequal_lengths_are_refused(self):
        with pytest.raises(UsageError, match="hold 2 and 3 values"):
            paired_difference_interval([1, 2], [1, 2, 3], 0.95)


class TestGeometricMean:
    def test_is_the_exponential_of_the_log_interval(self):
        logs, found = mean_interval(np.log(SAMPLE), 0.95), geometric_mean_interval(SAMPLE, 0.95)
        expected = np.exp([logs.low, logs.estimate, logs.high])
        assert (found.low, found.estimate, found.high) == pytest.approx(tuple(expected), rel=1e-14)

    def test_estimate_equals_scipy(self):
        assert geometric_mean_interval(SAMPLE, 0.95).estimate == pytest.approx(stats.gmean(SAMPLE), rel=1e-14)

    @pytest.mark.parametrize("value", [0.0, -1.0])
    def test_value_without_logarithm_is_untested(self, value):
        assert at_least(geometric_mean_interval([1.0, value, 2.0], 0.95), 0.0) == "untested"

    def test_upper_end_beyond_float_is_infinite(self):
        assert geometric_mean_interval([1e-300, 1e300], 0.95).high == math.inf

    def test_one_value_has_the_whole_half_line(self):
        found = geometric_mean_interval([2.0], 0.95)
        assert (found.low, found.high, found.sufficient) == (0.0, math.inf, False)


class TestVariance:
    @pytest.mark.parametrize("draw", ["normal", "laplace", "uniform"])
    def test_covers_many_values_of_any_shape_almost_as_often_as_stated(self, draw):
        rng = np.random.default_rng(5)
        truth = {"normal": 1.0, "laplace": 2.0, "uniform": 1 / 12}[draw]
        found = coverage(lambda x: variance_interval(x, 0.9), lambda: getattr(rng, draw)(size=400), truth)
        assert found == pytest.approx(0.9, abs=0.03)

    def test_is_around_the_unbiased_variance(self):
        assert variance_interval(SAMPLE, 0.95).estimate == pytest.approx(np.var(SAMPLE, ddof=1), rel=1e-14)

    def test_few_values_are_not_sufficient(self):
        assert at_most(variance_interval([0.0, 1.0] * 49, 0.95), 1e9) == "inconclusive"
        assert at_most(variance_interval([0.0, 1.0] * 50, 0.95), 1e9) == "holds"

    def test_one_value_has_no_variance(self):
        found = variance_interval([2.0], 0.95)
        assert math.isnan(found.estimate)
        assert equivalence(found, 1.0, 0.5) == "inconclusive"


class TestProportion:
    @pytest.mark.parametrize("confidence", [0.9, 0.995])
    @pytest.mark.parametrize(("successes", "n"), [(0, 10), (3, 10), (10, 10), (17, 40), (1, 1)])
    def test_equals_scipy(self, successes, n, confidence):
        expected = stats.binomtest(successes, n).proportion_ci(confidence, method="exact")
        found = proportion_interval(successes, n, confidence)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
        assert found.estimate == successes / n

    @pytest.mark.parametrize("n", [1, 2, 7, 20, 50])
    def test_exact_coverage_is_never_below_the_stated_level(self, n):
        intervals = [proportion_interval(k, n, 0.9) for k in range(n + 1)]
        for p in np.linspace(0.0, 1.0, 101):
            covered = [k for k, interval in enumerate(intervals) if interval.low <= p <= interval.high]
            assert stats.binom.pmf(covered, n, p).sum() >= 0.9 - 1e-12, f"p = {p}"

    def test_no_trial_is_untested(self):
        assert at_most(proportion_interval(0, 0, 0.95), 1.0) == "untested"

    @pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5), (0, -1)])
    def test_impossible_counts_are_refused(self, successes, n):
        with pytest.raises(UsageError, match="are possible"):
            proportion_interval(successes, n, 0.95)


class TestSuperiority:
    def test_estimate_counts_a_tie_as_half(self):
        assert superiority_interval([3, 2, 1, 5], [1, 2, 3, 4], 0.9).estimate == 0.625

    def test_without_ties_it_is_clopper_pearson(self):
        found, expected = superiority_interval([3, 2, 0], [1, 1, 1], 0.9), proportion_interval(2, 3, 0.9)
        assert (found.low, found.high) == (expected.low, expected.high)

    def test_ties_widen_both_ends(self):
        found = superiority_interval([1, 1, 1, 0], [0, 0, 1, 1], 0.9)
        assert found.low == proportion_interval(2, 4, 0.9).low
        assert found.high == proportion_interval(3, 4, 0.9).high

    @pytest.mark.parametrize("diverged", [math.nan, math.inf, -math.inf])
    def test_a_diverged_run_loses_to_any_number(self, diverged):
        assert superiority_interval([-1e300, diverged], [diverged, -1e300], 0.9).estimate == 0.5
        assert superiority_interval([-1e300], [diverged], 0.9).estimate == 1.0

    def test_two_diverged_runs_tie(self):
        assert superiority_interval([math.nan], [math.inf], 0.9).estimate == 0.5

    @pytest.mark.parametrize("tie", [0.0, 0.3, 0.9])
    def test_covers_with_ties_at_least_as_often_as_stated(self, tie):
        rng = np.random.default_rng(4)
        win = 0.7 * (1 - tie)
        outcomes = (1.0, 0.0, -1.0)
        draw = lambda: rng.choice(outcomes, 15, p=(win, tie, 1 - win - tie))  # noqa: E731
        assert coverage(lambda x: superiority_interval(x, np.zeros(15), 0.9), draw, win + tie / 2) >= 0.89

    def test_no_pair_is_untested(self):
        assert at_least(superiority_interval([], [], 0.95), 0.5) == "untested"


class TestMedian:
    @pytest.mark.parametrize("n", [5, 6, 9, 10, 25, 100])
    def test_uses_the_highest_rank_that_still_covers(self, n):
        values = np.arange(1.0, n + 1)
        rank = median_interval(values[::-1], 0.9).low
        covers = [1 - 2 * stats.binom.cdf(r - 1, n, 0.5) for r in (rank, rank + 1)]
        assert covers[0] >= 0.9 > covers[1]

    def test_ends_are_mirror_ranks(self):
        found = median_interval(np.arange(1.0, 11), 0.95)
        assert (found.low, found.estimate, found.high) == (2.0, 5.5, 9.0)
        assert found.method == "order statistics 2 and 9 of the median"

    @pytest.mark.parametrize("n", [6, 15])
    def test_covers_as_often_as_its_ranks_say(self, n):
        rng = np.random.default_rng(n)
        rank = median_interval(np.arange(1.0, n + 1), 0.9).low
        exact = 1 - 2 * stats.binom.cdf(rank - 1, n, 0.5)
        found = coverage(lambda x: median_interval(x, 0.9), lambda: rng.exponential(1.0, n), math.log(2))
        assert found == pytest.approx(exact, abs=0.016)

    def test_too_few_values_give_the_range_and_say_so(self):
        found = median_interval([3.0, 1.0, 2.0], 0.95)
        assert (found.low, found.estimate, found.high, found.sufficient) == (1.0, 2.0, 3.0, False)
        assert equivalence(found, 2.0, 100.0) == "inconclusive"

    def test_a_diverged_loss_is_a_rank(self):
        found = median_interval([1, 2, 3, 4, 5, 6, 7, math.inf], 0.9)
        assert (found.low, found.estimate, found.high) == (2.0, 4.5, 7.0)

    def test_mostly_diverged_is_untested(self):
        assert at_most(median_interval([1.0] + [math.inf] * 9, 0.9), 5.0) == "untested"


class TestAbove:
    @pytest.mark.parametrize(
        ("low", "high", "verdict"),
        [
            (0.1, 0.3, "holds"),
            (0.0, 0.3, "inconclusive"),
            (-0.1, 0.3, "inconclusive"),
            (0.0, 0.0, "fails"),
            (-0.3, 0.0, "fails"),
            (-0.3, -0.1, "fails"),
        ],
    )
    def test_a_tie_is_not_above(self, low, high, verdict):
        assert above(Interval(low, (low + high) / 2, high, 0.95, "by hand", 10), 0.0) == verdict

    def test_one_value_is_not_enough(self):
        assert above(mean_interval([1.0], 0.95), 0.0) == "inconclusive"

    def test_no_value_is_untested(self):
        assert above(mean_interval([], 0.95), 0.0) == "untested"


class TestUnusableValues:
    @pytest.mark.parametrize("make_interval", ONE_SAMPLE_INTERVALS)
    @pytest.mark.parametrize("values", [[], [1.0, math.nan, 2.0], [math.nan]], ids=str)
    def test_empty_or_nan_is_untested(self, make_interval, values):
        found = make_interval(values, 0.95)
        assert found.n == len(values)
        assert equivalence(found, 0.0, 1e9) == at_most(found, 1e9) == at_least(found, -1e9) == "untested"

    @pytest.mark.parametrize("make_interval", [mean_interval, geometric_mean_interval, variance_interval])
    def test_infinite_value_is_untested(self, make_interval):
        assert at_most(make_interval([1.0, math.inf, 2.0], 0.95), 1e9) == "untested"

    @pytest.mark.parametrize("make_interval", ONE_SAMPLE_INTERVALS)
    def test_a_table_is_refused(self, make_interval):
        with pytest.raises(UsageError, match="2 dimensions"):
            make_interval(np.ones((2, 2)), 0.95)

    @pytest.mark.parametrize("make_interval", ONE_SAMPLE_INTERVALS)
    @pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, math.nan])
    def test_impossible_confidence_is_refused(self, make_interval, confidence):
        with pytest.raises(UsageError, match="confidence is"):
            make_interval(SAMPLE, confidence)


class TestSimultaneousConfidence:
    def test_divides_the_risk_by_the_claims(self):
        assert simultaneous_confidence(0.95, 10) == pytest.approx(0.995, rel=1e-14)

    def test_one_claim_keeps_its_level(self):
        assert simultaneous_confidence(0.9, 1) == pytest.approx(0.9, rel=1e-15)

    def test_all_claims_hold_at_once_as_often_as_stated(self):
        rng, claims = np.random.default_rng(6), 8
        level = simultaneous_confidence(0.9, claims)
        all_cover = [
            all(abs(i.estimate) <= i.high - i.estimate for i in (mean_interval(x, level) for x in samples))
            for samples in rng.standard_normal((1000, claims, 6))
        ]
        assert np.mean(all_cover) >= 0.88

    def test_no_claim_is_refused(self):
        with pytest.raises(UsageError, match="0 claims"):
            simultaneous_confidence(0.95, 0)


class TestFewestValues:
    @pytest.mark.parametrize(("confidence", "least"), [(0.5, 2), (0.9375, 5), (0.95, 6), (0.99, 8), (0.999, 11)])
    def test_signs_that_all_agree_just_reach_the_level(self, confidence, least):
        assert fewest_values(confidence) == least
        assert median_interval(np.arange(least), confidence).sufficient
        assert not median_interval(np.arange(least - 1), confidence).sufficient

    def test_five_pairs_reach_five_percent_in_no_exact_test(self):
        differences = [1.0, 2.0, 3.0, 4.0, 5.0]
        assert stats.wilcoxon(differences, method="exact").pvalue > 0.05
        assert stats.wilcoxon([*differences, 6.0], method="exact").pvalue < 0.05

    def test_impossible_confidence_is_refused(self):
        with pytest.raises(UsageError, match="confidence is"):
            fewest_values(1.0)


class TestVerdicts:
    def test_the_closed_set_is_that_of_claims(self):
        assert get_args(Verdict) == VERDICTS

    @pytest.mark.parametrize(
        ("low", "high", "verdict"),
        [
            (0.9, 1.1, "holds"),
            (0.75, 1.25, "holds"),
            (1.0, 1.0, "holds"),
            (1.2, 1.3, "inconclusive"),
            (0.0, 2.0, "inconclusive"),
            (1.25, 1.3, "inconclusive"),
            (0.7, 0.75, "inconclusive"),
            (1.26, 1.3, "fails"),
            (-5.0, 0.74, "fails"),
            (-math.inf, 0.5, "untested"),
        ],
    )
    def test_equivalence(self, low, high, verdict):
        assert equivalence(span(low, high), 1.0, 0.25) == verdict

    @pytest.mark.parametrize(
        ("low", "high", "most", "least"),
        [
            (0.0, 1.0, "holds", "inconclusive"),
            (1.0, 1.0, "holds", "holds"),
            (0.5, 1.5, "inconclusive", "inconclusive"),
            (1.0, 2.0, "inconclusive", "holds"),
            (1.1, 2.0, "fails", "holds"),
            (0.0, 0.9, "holds", "fails"),
        ],
    )
    def test_at_most_and_at_least_one(self, low, high, most, least):
        assert (at_most(span(low, high), 1.0), at_least(span(low, high), 1.0)) == (most, least)

    @pytest.mark.parametrize("bit", [math.nextafter(1.0, 0.0), 1.0, math.nextafter(1.0, 2.0)])
    def test_no_verdict_hangs_on_the_last_bit(self, bit):
        one = span(bit, bit)
        assert at_most(one, 1.0) == at_least(one, 1.0) == "holds"
        assert above(one, 1.0) == "fails"
        assert equivalence(one, 1.5, 0.5) == equivalence(one, 0.75, 0.25) == "holds"
        assert (at_most(span(bit, 2.0), 1.0), above(span(bit, 2.0), 1.0)) == ("inconclusive", "inconclusive")

    def test_an_end_that_is_further_away_than_rounding_is_seen(self):
        assert at_most(span(1.0, 1.0 + 1e-9), 1.0) == "inconclusive"
        assert above(span(1.0 + 1e-9, 2.0), 1.0) == "holds"

    @pytest.mark.parametrize(("end", "verdict"), [(1.0 + 5e-14, "fails"), (1.0 + 5e-15, "holds")])
    def test_a_narrow_margin_is_not_widened(self, end, verdict):
        assert equivalence(span(end, end), 1.0, 1e-14) == verdict

    def test_infinite_ends_around_a_finite_estimate_are_inconclusive(self):
        whole_line = Interval(-math.inf, 1.0, math.inf, 0.95, "made up", 10)
        assert equivalence(whole_line, 1.0, 1e300) == at_most(whole_line, 1.0) == at_least(whole_line, 1.0)
        assert at_most(whole_line, 1.0) == "inconclusive"

    def test_one_seed_is_inconclusive_however_close(self):
        assert equivalence(mean_interval([1.0], 0.95), 1.0, 0.5) == "inconclusive"

    @pytest.mark.parametrize("prediction", [math.nan, math.inf])
    def test_no_finite_prediction_is_untested(self, prediction):
        assert equivalence(span(0.9, 1.1), prediction, 0.1) == "untested"

    def test_no_bound_is_untested(self):
        assert at_most(span(0, 1), math.nan) == at_least(span(0, 1), math.nan) == "untested"

    @pytest.mark.parametrize("margin", [-0.1, math.inf, math.nan])
    def test_impossible_margin_is_refused(self, margin):
        with pytest.raises(UsageError, match="margin is"):
            equivalence(span(0, 1), 0.5, margin)

    @pytest.mark.parametrize(
        ("values", "expected", "verdict"),
        [
            ([0.5, 0.5], 0.5, "holds"),
            ([0.0, -0.0], 0.0, "holds"),
            ([0.5, 0.5 + 2**-53], 0.5, "fails"),
            ([1.0, 2.0], [1.0, 2.0], "holds"),
            ([1.0, 2.0], [2.0, 1.0], "fails"),
            (3.0, 3.0, "holds"),
            ([], 0.0, "untested"),
            ([0.0, math.nan], 0.0, "untested"),
            ([0.0], math.nan, "untested"),
        ],
        ids=str,
    )
    def test_exact_check(self, values, expected, verdict):
        assert exact_check(values, expected) == verdict

    def test_exact_check_refuses_shapes_that_do_not_fit(self):
        with pytest.raises(UsageError, match="same shape"):
            exact_check([1.0, 1.0], [1.0])


class TestNoiseNeverHelps:
    RULES = (
        lambda interval: equivalence(interval, 0.0, 1.0),
        lambda interval: at_most(interval, 0.5),
        lambda interval: at_least(interval, -0.5),
    )

    @pytest.mark.parametrize("rule", RULES, ids=["equivalence", "at_most", "at_least"])
    def test_a_wider_interval_keeps_the_verdict_or_becomes_inconclusive(self, rule):
        rng = np.random.default_rng(11)
        for middle, half, extra in zip(
            rng.normal(0, 2, 500), rng.exponential(1, 500), rng.exponential(1, 500), strict=True
        ):
            narrow, wide = (
                rule(span(middle - half, middle + half)),
                rule(span(middle - half - extra, middle + half + extra)),
            )
            assert wide in (narrow, "inconclusive")

    @pytest.mark.parametrize("rule", RULES, ids=["equivalence", "at_most", "at_least"])
    def test_more_spread_around_the_same_mean_never_makes_a_claim_hold(self, rule):
        deviations = np.array([-1.0, -0.5, 0.0, 0.0, 0.5, 1.0])
        for mean in (-3.0, -0.4, 0.0, 0.4, 0.9, 3.0):
            verdicts = [rule(mean_interval(mean + spread * deviations, 0.95)) for spread in (0.0, 0.01, 0.1, 1.0, 10.0)]
            settled = verdicts.index("inconclusive")
            assert set(verdicts[settled:]) == {"inconclusive"}
