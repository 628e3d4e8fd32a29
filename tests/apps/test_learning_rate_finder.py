"""The range test and its suggestions, on curves whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnsim.apps.lr_finder import (
    find_learning_rate,
    minimum,
    slide,
    smooth,
    steep,
    suggest,
    valley,
    why_none,
)
from nnsim.apps.settings import resolve
from nnsim.apps.setup import prepare
from nnsim.core.errors import UsageError

RATES = 10.0 ** np.linspace(-6, 0, 61)


@pytest.fixture(scope="module")
def problem():
    return prepare(resolve({"data": "iris", "hidden": "16", "batch_size": "16", "optimizer": "sgd"}))


def test_smoothing_is_the_bias_corrected_average():
    expected = []
    average = 0.0
    for step, loss in enumerate([3.0, 1.0, 2.0], start=1):
        average = 0.98 * average + 0.02 * loss
        expected.append(average / (1 - 0.98**step))
    assert smooth(np.array([3.0, 1.0, 2.0])) == pytest.approx(expected, rel=1e-14)


def test_minimum_is_a_tenth_of_the_best_rate():
    assert minimum(RATES, (np.log10(RATES) + 2) ** 2) == pytest.approx(1e-3)


def test_steep_is_where_the_loss_falls_fastest():
    losses = -np.tanh(3 * (np.log10(RATES) + 3.05))
    assert steep(RATES, losses) == pytest.approx(10**-3.1)


def naive_valley(losses):
    """Return the index by the longest falling subsequence, with loops."""
    lengths = [1] * len(losses)
    for i in range(len(losses)):
        for j in range(i):
            if losses[i] < losses[j]:
                lengths[i] = max(lengths[i], lengths[j] + 1)
    end = lengths.index(max(lengths))
    third = lengths[end] / 3
    return end - lengths[end] + math.floor(third) + math.floor(third / 2)


@pytest.mark.parametrize("seed", range(5))
def test_valley_is_halfway_down_the_longest_fall(seed):
    losses = np.cumsum(np.random.default_rng(seed).standard_normal(61) - 0.2)
    assert valley(RATES, losses) == RATES[naive_valley(losses.tolist())]


def test_slide_stops_where_the_slopes_at_both_ends_are_alike():
    losses = np.where(np.arange(61) < 40, 1.0, 1.0 + 0.1 * (np.arange(61) - 40.0) ** 2)
    slopes = np.gradient(losses)
    right = next(r for r in range(60, 14, -1) if abs(slopes[r] - slopes[r - 15]) <= 0.005)
    assert slide(RATES, losses) == RATES[right - 15 + 1]


NOISE = 1e-15 * np.random.default_rng(0).standard_normal(61)
RISING = {
    "rising": np.linspace(1, 3, 61),
    "flat": np.ones(61),
    "zero": np.zeros(61),
    "flat but for rounding": np.log(2) + NOISE,
    "rising but for one small dip": np.r_[1.0, 0.995, np.linspace(1.5, 3, 59)],
}


@pytest.mark.parametrize("losses", RISING.values(), ids=RISING)
def test_a_loss_that_does_not_fall_suggests_nothing(losses):
    assert why_none(RATES, losses, losses, skip=6) == (
        "between the rates 1e-06 and 1 the smoothed loss never falls by 1%, "
        "so try other rates or another initialization"
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_loss_that_falls_by_chance_only_suggests_nothing(seed):
    losses = 1 + 0.5 * np.random.default_rng(seed).standard_normal(61)
    assert why_none(RATES, losses, smooth(losses), skip=6).split(" so ")[1] in (
        "take more steps, larger batches or other rates",
        "try other rates or another initialization",
    )


@pytest.mark.parametrize("fall", [2, 3, 10])
def test_a_loss_that_falls_suggests_rates_near_where_it_does(fall):
    losses = np.r_[np.linspace(1, 0.5, fall), np.linspace(1, 3, 61 - fall)]
    assert why_none(RATES, losses, losses, skip=0) == ""
    found = suggest(RATES, losses, skip=0)
    assert max(found[name] for name in ("steep", "minimum", "valley")) <= RATES[fall]


@pytest.mark.parametrize("seed", range(3))
def test_rates_too_low_to_learn_suggest_nothing(seed):
    problem = prepare(resolve({"data": "iris", "hidden": "16", "optimizer": "sgd", "seed": seed}))
    test = find_learning_rate(problem, 1e-12, 1e-11)
    assert (test.suggestions, len(test.rates)) == ({}, 100)
    assert test.reason.startswith("between the rates 1e-12 and 1e-11 the smoothed loss ")


def test_rates_that_learn_give_no_reason(problem):
    test = find_learning_rate(problem)
    assert (set(test.suggestions), test.reason) == ({"steep", "minimum", "valley", "slide"}, "")


def test_too_few_steps_suggest_nothing():
    losses = np.ones(8)
    assert why_none(RATES[:8], losses, losses, skip=2) == "the loss exploded after 8 steps, so begin lower than 1e-06"


def test_the_test_ends_where_the_loss_explodes(problem):
    test = find_learning_rate(problem, 1e-3, 1e6, 100)
    assert len(test.rates) < 100
    assert (test.smoothed[:-1] <= 4 * np.minimum.accumulate(test.smoothed)[:-1]).all()
    assert not test.smoothed[-1] <= 4 * np.nanmin(test.smoothed[:-1])


def test_the_same_test_gives_the_same_bits(problem):
    first, second = (find_learning_rate(problem, steps=30) for _ in range(2))
    assert first.losses.tobytes() == second.losses.tobytes()


def test_tiny_rates_leave_the_loss_of_the_first_parameters(problem):
    test = find_learning_rate(problem, 1e-12, 1e-11, 20)
    assert test.losses == pytest.approx(np.full(20, test.losses.mean()), rel=0.5)


@pytest.mark.parametrize(("start", "end", "steps"), [(0, 1, 100), (1, 0.1, 100), (1e-3, math.inf, 100), (1e-3, 1, 5)])
def test_impossible_ranges_are_refused(problem, start, end, steps):
    with pytest.raises(UsageError):
        find_learning_rate(problem, start, end, steps)
