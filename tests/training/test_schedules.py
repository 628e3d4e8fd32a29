"""Learning-rate schedules: against naive twins, closed forms and PyTorch, their text, and their bits.

Run as a script, this file prints the SHA-256 of every trace as JSON; with "write" it writes them to the folder
``golden``.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import kept
import llvmlite.binding
import naive_schedules as naive
import numpy as np
import pytest

from nnsim.core.errors import UnknownNameError, UsageError
from nnsim.kernels.formulas.schedules import FACTOR, reduce_on_plateau
from nnsim.training.schedule_curves import power
from nnsim.training.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    MultiStep,
    Plateau,
    Schedule,
    Step,
    Warmup,
    parse_schedule,
    plateau,
    trace,
)

RATE, COUNT = 0.3, 40
GOLDEN = Path(__file__).parents[1] / "golden" / "schedules.json"


def rates(text, learning_rate=RATE, steps_per_epoch=1, epochs=COUNT):
    return trace(parse_schedule(text), learning_rate, steps_per_epoch, epochs)


def one_cycle(turns, levels, shaped=True):
    """Return the naive one-cycle for the ends of its phases and the rates there, first ones included."""
    phases = list(zip(turns[:-1], turns[1:], levels[:-1], levels[1:], strict=True))
    return lambda t: naive.one_cycle(t, phases, shaped)


def cyclic(up, down, start=0.25, scale=lambda cycle, t: 1.0):
    return lambda t: naive.cyclic(t, RATE, start, up, down, scale)


FIRST, FINAL = RATE / 25, RATE / 25 / 1e4
LENGTHS_GIVEN = {  # schedules whose length does not depend on the run's
    "constant": lambda t: naive.constant(t, RATE),
    "step:size=7,gamma=0.3": lambda t: naive.step(t, RATE, 7, 0.3),
    "step:size=100": lambda t: naive.step(t, RATE, 100, 0.1),
    "multi_step:milestones=3/4/20": lambda t: naive.multi_step(t, RATE, (3, 4, 20), 0.1),
    "exponential:gamma=0.9": lambda t: naive.exponential(t, RATE, 0.9),
    "polynomial:power=0.9,total=30": lambda t: naive.polynomial(t, RATE, 0.9, 30),
    "linear:start=0.5,end=0.1,total=30": lambda t: naive.linear(t, RATE, 0.5, 0.1, 30),
    "cosine:t_max=17,eta_min=0.01": lambda t: naive.cosine(t, RATE, 17, 0.01),
    "cosine_restarts:t_0=3,t_mult=2,eta_min=0.01": lambda t: naive.cosine_restarts(t, RATE, 3, 2, 0.01),
    "cosine_restarts:t_0=7": lambda t: naive.cosine_restarts(t, RATE, 7, 1, 0.0),
    "cyclic:size_up=5": cyclic(5, 5),
    "cyclic:size_up=5,size_down=2,mode=triangular2": cyclic(5, 2, scale=lambda cycle, t: 0.5**cycle),
    "cyclic:size_up=2,size_down=3,start_factor=0,mode=exp_range,gamma=0.9": cyclic(2, 3, 0.0, lambda cycle, t: 0.9**t),
    "one_cycle:total=30": one_cycle([0, 8, 29], [FIRST, RATE, FINAL]),
    "plateau": lambda t: RATE,
}
WHOLE_RUN = {
    "polynomial": lambda t: naive.polynomial(t, RATE, 1.0, COUNT),
    "polynomial:power=2.5": lambda t: naive.polynomial(t, RATE, 2.5, COUNT),
    "linear": lambda t: naive.linear(t, RATE, 1.0, 0.0, COUNT),
    "cosine": lambda t: naive.cosine(t, RATE, COUNT, 0.0),
    "one_cycle": one_cycle([0, 11, 39], [FIRST, RATE, FINAL]),
    "one_cycle:anneal=linear": one_cycle([0, 11, 39], [FIRST, RATE, FINAL], False),
    "one_cycle:three_phase=yes,pct_start=0.4": one_cycle([0, 15, 30, 39], [FIRST, RATE, FIRST, FINAL]),
    "one_cycle:pct_start=0.5,div_factor=2,final_div_factor=8": one_cycle([0, 19, 39], [RATE / 2, RATE, RATE / 16]),
}
EXAMPLES = LENGTHS_GIVEN | WHOLE_RUN
CHAINS = ["warmup:epochs=5+cosine", "warmup:steps=7,start_factor=0+step:size=4", "warmup:epochs=3,by=epoch"]


# --- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_moment_is_the_textbook_formula_s(text):
    expected = [EXAMPLES[text](t) for t in range(COUNT)]
    np.testing.assert_allclose(rates(text), expected, rtol=1e-14, atol=1e-15 * RATE)


@pytest.mark.parametrize("text", sorted(set(EXAMPLES) - {"plateau"}))  # for which a metric comes once an epoch
@pytest.mark.parametrize("by", ["epoch", "step"])
def test_a_schedule_moves_with_epochs_or_with_steps(text, by):
    moves = 3 * COUNT if by == "step" else COUNT
    separator = "," if ":" in text else ":"
    found = rates(f"{text}{separator}by={by}", steps_per_epoch=3)
    expected = np.repeat(rates(text, epochs=moves), 3 * COUNT // moves)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("text", [*EXAMPLES, *CHAINS])
def test_no_rate_is_negative_or_above_the_learning_rate(text):
    found = rates(text, steps_per_epoch=3)
    assert found.dtype == np.float64
    assert found.shape == (3 * COUNT,)
    assert found.min() >= 0
    assert found.max() <= RATE * (1 + 1e-15)


@pytest.mark.parametrize("text", [text for text in [*EXAMPLES, *CHAINS] if "eta_min" not in text])
def test_twice_the_learning_rate_is_twice_every_rate(text):
    np.testing.assert_array_equal(rates(text, 2 * RATE), 2 * rates(text))


@pytest.mark.parametrize(
    "text", ["constant", "step:size=3", "exponential:gamma=0.9", "polynomial:power=0.9", "linear", "cosine:eta_min=0.1"]
)
def test_a_decay_starts_at_the_learning_rate_and_falls(text):
    found = rates(text)
    assert found[0] == RATE
    assert (np.diff(found) <= 0).all()


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("cosine:t_max=9,eta_min=0.01", 0.01),
        ("linear:end=0.5,total=9", RATE / 2),
        ("polynomial:total=9", 0.0),
        ("one_cycle:total=9,final_div_factor=2,div_factor=2", RATE / 4),
    ],
)
def test_after_its_length_the_last_rate_stays(text, last):
    assert (rates(text)[9:] == last).all()


def test_the_last_rates_of_a_long_cosine_keep_their_digits():
    n = 100_000
    expected = [RATE * math.sin(math.pi * left / (2 * n)) ** 2 for left in (3, 2, 1)]
    np.testing.assert_allclose(rates("cosine", epochs=n)[-3:], expected, rtol=1e-14)


def test_cosine_restarts_start_over_at_every_cycle():
    found = rates("cosine_restarts:t_0=4,t_mult=3", epochs=60)
    assert np.flatnonzero(found == RATE).tolist() == [0, 4, 16, 52]


def test_one_cycle_starts_peaks_and_ends_where_it_says():
    found = rates("one_cycle", epochs=100)
    assert found[[0, 29, 99]].tolist() == [RATE / 25, RATE, RATE / 25 / 1e4]
    assert found.argmax() == 29


def test_triangles_turn_at_their_corners():
    assert rates("cyclic:size_up=2,size_down=4,start_factor=0.5", 1.0, epochs=7).tolist() == [
        *(0.5, 0.75, 1.0, 0.875, 0.75, 0.625, 0.5)
    ]


def test_a_power_of_one_gives_the_number_itself():
    x = np.linspace(0, 1, 101)
    np.testing.assert_array_equal(power(x, 1.0), x)


@pytest.mark.parametrize("exponent", [0.1, 0.5, 0.9, 1.5, 7.25, 100])
def test_powers(exponent):
    x = np.linspace(0, 1, 101)
    np.testing.assert_allclose(power(x, exponent), [value**exponent for value in x], rtol=2e-14)


# --- runs and their parts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", LENGTHS_GIVEN)
def test_a_shorter_run_has_the_first_rates_of_a_longer_one(text):
    np.testing.assert_array_equal(rates(text, steps_per_epoch=3, epochs=11), rates(text, steps_per_epoch=3)[:33])


def test_a_run_of_no_epochs_has_no_rates():
    assert rates("one_cycle", epochs=0).shape == (0,)


@pytest.mark.parametrize(
    ("warmup", "joint"), [("epochs=5", 15), ("steps=7", 7), ("steps=1", 1), ("epochs=5,by=epoch", 15)]
)
@pytest.mark.parametrize("main", ["constant", "cosine", "step:size=9", "linear:by=step"])
def test_a_warm_up_meets_the_schedule_at_the_learning_rate(warmup, joint, main):
    found = rates(f"warmup:{warmup}+{main}", steps_per_epoch=3)
    assert (found[:joint] < RATE).all()
    assert found[joint] == RATE
    rises = np.diff(found[: joint + 1])
    assert (rises >= 0).all()
    distinct = 5 if "by=epoch" in warmup else joint
    assert rises.max(initial=0) == pytest.approx(RATE * (1 - 1 / 3) / distinct)


@pytest.mark.parametrize("main", ["cosine", "one_cycle", "step:size=4", "cosine_restarts:t_0=3", "linear:by=step"])
def test_after_a_warm_up_of_whole_epochs_the_schedule_has_the_rest_of_the_run(main):
    found = rates(f"warmup:epochs=5+{main}", steps_per_epoch=3)
    np.testing.assert_array_equal(found[15:], rates(main, steps_per_epoch=3, epochs=COUNT - 5))


def test_a_warm_up_that_ends_within_an_epoch_leaves_the_epochs_as_they_are():
    found = rates("warmup:steps=4+step:size=1,gamma=0.5", 1.0, steps_per_epoch=3, epochs=4)
    assert found[4:].tolist() == [1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]


def test_a_warm_up_by_steps_rises_in_a_line():
    np.testing.assert_allclose(rates("warmup:steps=4,start_factor=0.2", 1.0, epochs=6), [0.2, 0.4, 0.6, 0.8, 1, 1])


def test_a_warm_up_by_epochs_rises_once_an_epoch():
    found = rates("warmup:epochs=2,by=epoch,start_factor=0.5", 1.0, 2, 3)
    assert found.tolist() == [0.5, 0.5, 0.75, 0.75, 1, 1]


# --- text ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cosine", Cosine()),
        ("cosine:T_max=30,eta_min=1e-3", Cosine(t_max=30, eta_min=1e-3)),
        ("cosine : t_max = 30", Cosine(t_max=30)),
        ("step:size=30,gamma=0.1", Step(size=30, gamma=0.1)),
        ("multi_step:milestones=30", MultiStep(milestones=(30,))),
        ("warmup:epochs=5", Warmup(epochs=5, then=Constant())),
        ("warmup:epochs=5+cosine:eta_min=1e+0", Warmup(epochs=5, then=Cosine(eta_min=1.0))),
        ("warmup:steps=50 + step:size=3,by=step", Warmup(steps=50, then=Step(size=3, by="step"))),
        ("plateau:mode=max", Plateau(mode="max")),
    ],
)
def test_text_becomes_a_schedule(text, expected):
    assert parse_schedule(text) == expected


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_knows_its_name_and_its_source(name):
    entry = SCHEDULES[name]
    assert issubclass(entry, Schedule)
    assert entry.name == name
    assert entry.source


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cosin", "unknown schedule 'cosin': did you mean 'cosine'?"),
        ("warmpu:epochs=5+cosine", "unknown schedule 'warmpu': did you mean 'warmup'?"),
        ("", "unknown schedule ''"),
        ("step:siz=3", "unknown key of schedule 'step', 'siz': did you mean 'size'? known are by, gamma, size"),
        ("warmup:then=cosine", "unknown key of schedule 'warmup', 'then'"),
        ("cosine:", "unknown key of schedule 'cosine', ''"),
    ],
)
def test_an_unknown_name_is_met_with_the_nearest(text, sentence):
    with pytest.raises(UnknownNameError) as caught:
        parse_schedule(text)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("step", "schedule 'step' needs size, a whole number from 1 to 1e+12: 'step:size=...'"),
        ("step:size=0", "schedule 'step': size must be a whole number from 1 to 1e+12, got 0"),
        ("step:size=3.5", "schedule 'step': size must be a whole number from 1 to 1e+12, got '3.5'"),
        ("step:size", "schedule 'step': size needs a value, as in 'step:size=...'"),
        ("step:size=3,size=4", "schedule 'step:size=3,size=4' gives a key twice"),
        ("exponential:gamma=2", "schedule 'exponential': gamma must be a number above 0 and at most 1, got 2.0"),
        ("linear:end=nan", "schedule 'linear': end must be a number from 0 to 1, got nan"),
        ("polynomial:power=x", "schedule 'polynomial': power must be a number above 0 and at most 100, got 'x'"),
        ("cosine:by=epochs", "schedule 'cosine': by must be epoch or step, got 'epochs'"),
        ("one_cycle:three_phase=1", "schedule 'one_cycle': three_phase must be yes or no, got '1'"),
        ("multi_step:milestones=5/3", "whole numbers that rise, as in 30/80, got (5, 3)"),
        ("multi_step:milestones=3/", "whole numbers that rise, as in 30/80, got '3/'"),
        ("cyclic:size_up=3,mode=exp_range", "mode exp_range needs gamma"),
        ("cyclic:size_up=3,gamma=0.9", "and no other takes it"),
        ("one_cycle:three_phase=yes,pct_start=0.6", "pct_start must be at most 0.5 with three_phase, got 0.6"),
        ("plateau:threshold=1", "a relative threshold must be below 1, got 1"),
        ("warmup", "schedule 'warmup' needs its length, either epochs or steps"),
        ("warmup:epochs=1,steps=2", "schedule 'warmup' needs its length, either epochs or steps"),
        ("warmup:steps=2,by=epoch", "by=epoch needs its length in epochs"),
        ("warmup:steps=2+warmup:steps=2", "schedule 'warmup' cannot follow a warm-up"),
        ("cosine+linear", "one schedule can follow a warm-up, as in 'warmup:epochs=5+cosine'"),
        ("warmup:steps=2+cosine+linear", "one schedule can follow a warm-up"),
    ],
)
def test_a_wrong_value_is_one_sentence(text, sentence):
    with pytest.raises(UsageError) as caught:
        parse_schedule(text)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("values", [{"size": 2.0}, {"size": "2"}, {"size": 2, "gamma": "0.1"}, {"size": 2, "by": 1}])
def test_values_from_python_are_checked_too(values):
    with pytest.raises(UsageError, match=r"^schedule 'step': \w+ must be "):
        Step(**values)


@pytest.mark.parametrize(
    ("text", "run", "sentence"),
    [
        ("cosine", (0.0, 1, 2), "the learning rate must be a positive number, got 0.0"),
        ("cosine", (math.inf, 1, 2), "the learning rate must be a positive number, got inf"),
        ("cosine", (0.1, 0, 2), "whole numbers of at least 1 and 0, got 0 and 2"),
        ("cosine", (0.1, 1, 2.0), "whole numbers of at least 1 and 0, got 1 and 2.0"),
        ("cosine:eta_min=0.2", (0.1, 1, 2), "schedule 'cosine': eta_min must be at most the learning rate, 0.1, got 0"),
        ("cosine_restarts:t_0=2,eta_min=1", (0.1, 1, 2), "'cosine_restarts': eta_min must be at most"),
        ("plateau:min_lr=1", (0.1, 1, 2), "'plateau': min_lr must be at most the learning rate, 0.1, got 1"),
        ("warmup:epochs=2", (0.1, 5, 2), "a warm-up of 10 steps leaves nothing of a run of 10: warm up for at most 9"),
        ("one_cycle", (0.1, 1, 3), "rises for pct_start = 0.3 of 3 steps and needs more than one to rise: it takes at"),
    ],
)
def test_a_run_that_does_not_fit_is_one_sentence(text, run, sentence):
    with pytest.raises(UsageError) as caught:
        trace(parse_schedule(text), *run)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(("pct_start", "least"), [(0.3, 4), (0.25, 5), (0.9, 2)])
def test_the_shortest_cycle_that_is_offered_is_taken(pct_start, least):
    text = f"one_cycle:pct_start={pct_start}"
    assert rates(text, epochs=least).max() <= RATE
    with pytest.raises(UsageError, match=f"at least {least} steps"):
        rates(text, epochs=least - 1)


# --- the rule that watches a metric --------------------------------------------------------------------------------


def followed(schedule, metrics, learning_rate=RATE, state=None):
    """Return the rate after each epoch, and the state."""
    rule, start = plateau(schedule, learning_rate)
    state = start if state is None else state
    rates = []
    for metric in metrics:
        state[:] = reduce_on_plateau(*state, metric, rule)
        rates.append(learning_rate * state[FACTOR])
    return rates, state


def noisy_metrics(mode, n=400):
    """Return metrics that get better for a while, on steps of 0.01 so that thresholds are met exactly, with a NaN."""
    rng = np.random.default_rng(5)
    falling = 1 / (1 + np.arange(n) / 30) + 0.1 * rng.standard_normal(n)
    metrics = np.round(falling if mode == "min" else -falling, 2)
    metrics[7] = math.nan
    return [float(metric) for metric in metrics]


BEATEN = {
    ("min", "rel"): lambda metric, best: metric < best * (1 - 0.1 if best > 0 else 1 + 0.1),
    ("max", "rel"): lambda metric, best: metric > best * (1 + 0.1 if best > 0 else 1 - 0.1),
    ("min", "abs"): lambda metric, best: metric < best - 0.1,
    ("max", "abs"): lambda metric, best: metric > best + 0.1,
}
SETTINGS = [
    {"factor": 0.5, "patience": 3},
    {"factor": 0.5, "patience": 0, "cooldown": 5},
    {"factor": 0.3, "patience": 2, "min_lr": 1e-3},
    {"factor": 0.9, "patience": 1, "cooldown": 1, "eps": 0.02},
]


@pytest.mark.parametrize(("mode", "threshold_mode"), BEATEN)
@pytest.mark.parametrize("settings", SETTINGS)
def test_plateau_follows_its_naive_twin(mode, threshold_mode, settings):
    metrics = noisy_metrics(mode)
    twin = naive.Plateau(RATE, mode, beaten=BEATEN[mode, threshold_mode], **settings)
    found, _ = followed(Plateau(mode=mode, threshold=0.1, threshold_mode=threshold_mode, **settings), metrics)
    expected = [twin.after(metric) for metric in metrics]
    assert len(set(expected)) > 2
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_plateau_lowers_the_rate_after_more_than_patience_bad_epochs():
    found, _ = followed(Plateau(patience=2, factor=0.5), [3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0], 1.0)
    assert found == [1, 1, 1, 1, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("metric", [-3.0, -0.5, 0.0, 0.75])
def test_a_metric_that_does_not_change_is_a_plateau_whatever_its_sign(metric, mode, threshold_mode):
    schedule = Plateau(mode=mode, patience=2, factor=0.5, threshold_mode=threshold_mode)
    assert followed(schedule, [metric] * 8, 1.0)[0] == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]


@pytest.mark.parametrize(("mode", "better", "not_enough"), [("max", -1.7, -1.9), ("min", -2.3, -2.1)])
def test_a_negative_metric_is_beaten_by_a_share_of_its_size(mode, better, not_enough):
    schedule = Plateau(mode=mode, patience=0, factor=0.5, threshold=0.1)
    assert followed(schedule, [-2.0, better], 1.0)[0] == [1, 1]
    assert followed(schedule, [-2.0, not_enough], 1.0)[0] == [1, 0.5]


def test_bad_epochs_do_not_count_in_the_cooldown():
    found, _ = followed(Plateau(patience=0, factor=0.5, cooldown=2), [1.0] * 6, 1.0)
    assert found == [1, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_plateau_goes_on_from_its_state():
    schedule, metrics = Plateau(patience=1, factor=0.7, cooldown=2), noisy_metrics("min")
    whole, end = followed(schedule, metrics)
    first, state = followed(schedule, metrics[:123])
    rest, state = followed(schedule, metrics[123:], state=state.copy())
    assert first + rest == whole
    np.testing.assert_array_equal(state, end)


@pytest.mark.parametrize("text", ["cosine", "warmup:steps=2+linear"])
def test_without_a_plateau_the_factor_stays_one(text):
    found, state = followed(parse_schedule(text), [1.0] * 1000 + [math.nan], 1.0)
    assert set(found) == {1.0}
    assert state[FACTOR] == 1.0


def test_a_plateau_after_a_warm_up_is_found():
    found, _ = followed(parse_schedule("warmup:steps=2+plateau:patience=0,factor=0.5"), [1.0, 1.0], 1.0)
    assert found == [1, 0.5]


# --- PyTorch -------------------------------------------------------------------------------------------------------

LONG = 20_000
PARITY = {
    "step:size=700,gamma=0.9": ("StepLR", {"step_size": 700, "gamma": 0.9}),
    "multi_step:milestones=30/80/9000": ("MultiStepLR", {"milestones": [30, 80, 9000]}),
    "exponential:gamma=0.9995": ("ExponentialLR", {"gamma": 0.9995}),
    "polynomial:power=0.9,total=15000": ("PolynomialLR", {"power": 0.9, "total_iters": 15000}),
    "polynomial": ("PolynomialLR", {"total_iters": LONG}),
    "linear:start=1,end=0.1,total=15000": (
        *("LinearLR", {"start_factor": 1.0, "end_factor": 0.1, "total_iters": 15000}),
    ),
    "cosine:eta_min=0.001": ("CosineAnnealingLR", {"T_max": LONG, "eta_min": 0.001}),
    "cosine": ("CosineAnnealingLR", {"T_max": LONG}),
    "cosine_restarts:t_0=10,t_mult=2,eta_min=1e-5": (
        *("CosineAnnealingWarmRestarts", {"T_0": 10, "T_mult": 2, "eta_min": 1e-5}),
    ),
    "cosine_restarts:t_0=77": ("CosineAnnealingWarmRestarts", {"T_0": 77}),
    "cyclic:size_up=200": ("CyclicLR", {"step_size_up": 200}),
    "cyclic:size_up=200,size_down=300,mode=triangular2": (
        *("CyclicLR", {"step_size_up": 200, "step_size_down": 300, "mode": "triangular2"}),
    ),
    "cyclic:size_up=200,mode=exp_range,gamma=0.9999": (
        *("CyclicLR", {"step_size_up": 200, "mode": "exp_range", "gamma": 0.9999}),
    ),
    "one_cycle": ("OneCycleLR", {"total_steps": LONG}),
    "one_cycle:anneal=linear,pct_start=0.37": (
        *("OneCycleLR", {"total_steps": LONG, "anneal_strategy": "linear", "pct_start": 0.37}),
    ),
    "one_cycle:three_phase=yes,div_factor=10,final_div_factor=100": (
        *("OneCycleLR", {"total_steps": LONG, "three_phase": True, "div_factor": 10, "final_div_factor": 100}),
    ),
}
OF_THE_RATE = {  # arguments that PyTorch takes where the learning rate is enough here
    "CyclicLR": {"base_lr": 0.25 * RATE, "max_lr": RATE, "cycle_momentum": False},
    "OneCycleLR": {"max_lr": RATE, "cycle_momentum": False},
}


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


def optimizer_of(torch, learning_rate=RATE):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=learning_rate)


def torch_rates(optimizer, scheduler, count):
    found = []
    for _ in range(count):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(found) < count:
            scheduler.step()
    return found


@pytest.mark.parametrize("text", PARITY)
def test_pytorch_agrees_over_a_long_run(torch, text):
    """To 1e-12 relative to the rate itself, or to 1e-15 of the learning rate where PyTorch's cosine cancels."""
    kind, arguments = PARITY[text]
    optimizer = optimizer_of(torch)
    scheduler = getattr(torch.optim.lr_scheduler, kind)(optimizer, **arguments, **OF_THE_RATE.get(kind, {}))
    np.testing.assert_allclose(
        rates(text, epochs=LONG), torch_rates(optimizer, scheduler, LONG), rtol=1e-12, atol=1e-15 * RATE
    )


@pytest.mark.parametrize(
    ("text", "kind", "arguments"),
    [
        ("cosine", "CosineAnnealingLR", {"T_max": 900}),
        ("step:size=30,gamma=0.9", "StepLR", {"step_size": 30, "gamma": 0.9}),
        ("exponential:gamma=0.99", "ExponentialLR", {"gamma": 0.99}),
    ],
)
def test_pytorch_agrees_on_what_follows_a_warm_up(torch, text, kind, arguments):
    optimizer, schedulers = optimizer_of(torch), torch.optim.lr_scheduler
    rise = schedulers.LinearLR(optimizer, start_factor=0.01, total_iters=100)
    main = getattr(schedulers, kind)(optimizer, **arguments)
    chain = schedulers.SequentialLR(optimizer, [rise, main], milestones=[100])
    found = rates(f"warmup:epochs=100,by=epoch,start_factor=0.01+{text}", epochs=1000)
    np.testing.assert_allclose(found, torch_rates(optimizer, chain, 1000), rtol=1e-12, atol=1e-15 * RATE)


def torch_plateau(torch, metrics, **settings):
    """Return PyTorch's rate after each epoch."""
    optimizer, found = optimizer_of(torch), []
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **settings)
    for metric in metrics:
        scheduler.step(metric)
        found.append(optimizer.param_groups[0]["lr"])
    return found


@pytest.mark.parametrize(("mode", "threshold_mode"), BEATEN)
@pytest.mark.parametrize("settings", SETTINGS)
def test_pytorch_agrees_on_plateaus(torch, mode, threshold_mode, settings):
    """But for relative thresholds of negative metrics: these stay above 0 here."""
    settings = {**settings, "mode": mode, "threshold": 0.1, "threshold_mode": threshold_mode}
    above = 2.0 if threshold_mode == "rel" else 0.0
    metrics = [metric + above for metric in noisy_metrics(mode)]
    expected = torch_plateau(torch, metrics, **settings)
    assert len(set(expected)) > 2
    np.testing.assert_allclose(followed(Plateau(**settings), metrics)[0], expected, rtol=1e-12)


def test_pytorch_takes_a_constant_negative_metric_for_better_and_we_do_not(torch):
    """The one exception from PyTorch: its relative threshold has the sign of the best metric."""
    settings = {"mode": "max", "patience": 2, "factor": 0.5}
    assert set(torch_plateau(torch, [-3.0] * 12, **settings)) == {RATE}
    assert followed(Plateau(**settings), [-3.0] * 12)[0][-1] < RATE


# --- bits ----------------------------------------------------------------------------------------------------------


def digests():
    """Return the SHA-256 of the trace of every example, and of the rates on a noisy plateau."""
    traces = {text: rates(text, 0.1, steps_per_epoch=7, epochs=101) for text in [*EXAMPLES, *CHAINS]}
    for mode in ("min", "max"):
        schedule = Plateau(mode=mode, threshold=0.1, factor=0.7, patience=2, cooldown=1)
        traces[f"plateau:mode={mode}"] = np.array(followed(schedule, noisy_metrics(mode))[0])
    return {text: hashlib.sha256(array.tobytes()).hexdigest() for text, array in traces.items()}


@functools.cache
def compiled_for(cpu):
    """Return the digests of a process that compiles for `cpu`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_CPU_")}
    choice = {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": "", "PYTHONPATH": kept.PATHS}
    command = [sys.executable, __file__]
    done = subprocess.run(command, env={**inherited, **choice}, check=True, capture_output=True, timeout=3600)
    return json.loads(done.stdout)


x86 = pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="names of x86 CPUs")
avx2 = pytest.mark.skipif(
    not all(llvmlite.binding.get_host_cpu_features().get(feature) for feature in ("avx2", "fma", "bmi2")),
    reason="this machine cannot run AVX2 code",
)


def test_the_traces_are_the_golden_ones():
    assert digests() == json.loads(GOLDEN.read_text())


@x86
@pytest.mark.parametrize("cpu", [pytest.param("haswell", marks=avx2), "generic"])
def test_code_for_another_cpu_gives_the_golden_traces(cpu):
    assert compiled_for(cpu) == json.loads(GOLDEN.read_text())


def test_digests_tell_different_traces_apart():
    found = digests()
    assert found["constant"] == found["plateau"]
    assert found["linear"] == found["polynomial"]
    assert found["plateau:mode=min"] == found["plateau:mode=max"]  # of metrics with the opposite sign
    assert len(set(found.values())) == len(found) - 3


if __name__ == "__main__":
    if "write" in sys.argv:
        GOLDEN.write_text(json.dumps(digests(), indent=2) + "\n")
    else:
        print(json.dumps(digests()))
