"""Early stopping, plateaus, and runs that are cut and go on: all that a run carries from one epoch to the next."""

from __future__ import annotations

from dataclasses import replace

import naive_training
import numpy as np
import pytest
from cases import EVERYTHING, KEY, data, network, parameters
from naive_schedules import Plateau

from nnsim.core.errors import UsageError
from nnsim.kernels.formulas.columns import LEARNING_RATE, VALIDATION_LOSS, VALIDATION_METRIC
from nnsim.training.recipe import Recipe
from nnsim.training.schedules import parse_schedule
from nnsim.training.trainer import Batches, evaluate, train

NOISY = Recipe(0.2, batch_size=5, epochs=40)  # learns nothing of 22 random rows that helps on others


def case(norm="batch", loss="mse", dtype="float64", **options):
    spec = network(loss, norm, dtype=dtype, **options)
    return spec, parameters(spec), data(spec)


def signs(watch):
    """Return the column that is watched, and the sign that makes it small when it is good."""
    return (VALIDATION_METRIC, -1.0) if watch == "metric" else (VALIDATION_LOSS, 1.0)


# --- early stopping ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("min_delta", [0.0, 0.02])
@pytest.mark.parametrize("patience", [1, 3, 7])
@pytest.mark.parametrize("watch", ["loss", "metric"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_it_restores_the_parameters_and_statistics_of_the_best_epoch(norm, watch, patience, min_delta):
    arguments = case(norm)
    whole = train(*arguments, NOISY, KEY)
    column, sign = signs(watch)
    best, count = naive_training.stopped((sign * whole.history[:, column]).tolist(), patience, min_delta)
    assert count < NOISY.epochs
    stopping = replace(NOISY, patience=patience, min_delta=min_delta, watch=watch)
    run, at_best = train(*arguments, stopping, KEY), train(*arguments, NOISY, KEY, until=best + 1)
    np.testing.assert_array_equal(run.history, whole.history[:count])
    np.testing.assert_array_equal(run.theta, at_best.theta)
    np.testing.assert_array_equal(run.statistics, at_best.statistics)
    assert (run.status, run.stopped_early) == ("done", True)


def test_a_run_that_reaches_its_last_epoch_was_not_stopped_and_holds_the_best():
    arguments, patient = case(), replace(NOISY, patience=40)
    run = train(*arguments, patient, KEY)
    best = int(np.argmin(run.history[:, VALIDATION_LOSS]))
    assert (len(run.history), run.stopped_early) == (40, False)
    np.testing.assert_array_equal(run.theta, train(*arguments, NOISY, KEY, until=best + 1).theta)


def test_a_run_that_was_stopped_goes_no_further():
    arguments, stopping = case(), replace(NOISY, patience=1)
    run = train(*arguments, stopping, KEY)
    spec, _, rows = arguments
    assert train(spec, run, rows, stopping, KEY) is run


@pytest.mark.parametrize("options", [{"patience": 2}, {"schedule": "plateau:patience=1"}], ids=["patience", "plateau"])
def test_without_validation_rows_there_is_nothing_to_watch(options):
    spec, theta, rows = case()
    alone = Batches(rows.X, rows.Y, rows.X[:0], rows.Y[:0])
    with pytest.raises(UsageError, match=r"^X of the validation rows has no rows: at least 1 is needed$"):
        train(spec, theta, alone, replace(NOISY, **options), KEY)


def test_without_validation_rows_a_run_knows_its_training_loss_only():
    spec, theta, rows = case()
    run = train(spec, theta, Batches(rows.X, rows.Y, rows.X[:0], rows.Y[:0]), NOISY, KEY)
    assert run.status == "done"
    assert np.isfinite(run.history[:, 0]).all()
    assert np.isnan(run.history[:, [VALIDATION_LOSS, VALIDATION_METRIC]]).all()


def test_a_run_that_diverges_keeps_its_best_epoch_and_the_epochs_before():
    """Steps grow tenfold an epoch, until a loss is infinite."""
    spec, theta, rows = case("none")
    growing = replace(NOISY, schedule="multi_step:milestones=6,gamma=0.1", patience=30)
    good = train(spec, theta, rows, growing, KEY, until=5)
    bad = train(spec, good, rows, replace(growing, learning_rate=1e200), KEY)
    assert bad.status == "diverged"
    assert bad.diverged_at // growing.steps(22) == len(bad.history) == 5
    np.testing.assert_array_equal(bad.history, good.history)
    np.testing.assert_array_equal(bad.theta, good.theta)


# --- plateaus ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("watch", ["loss", "metric"])
@pytest.mark.parametrize("text", ["patience=1,factor=0.5", "patience=0,factor=0.1,cooldown=2", "patience=2,min_lr=0.1"])
def test_a_plateau_reduces_the_rate_as_the_naive_one(text, watch):
    mode = "max" if watch == "metric" else "min"
    recipe = replace(NOISY, schedule=f"plateau:{text},mode={mode},threshold_mode=abs", watch=watch)
    history = train(*case(), recipe, KEY).history
    rule = parse_schedule(recipe.schedule)
    sign = -1.0 if watch == "metric" else 1.0
    expected, rate = [], recipe.learning_rate
    naive = Plateau(
        rate, mode, rule.factor, rule.patience, lambda new, best: sign * new < sign * best - rule.threshold,
        rule.cooldown, rule.min_lr, rule.eps,
    )  # fmt: skip
    for value in history[:, signs(watch)[0]]:
        expected.append(rate)
        rate = naive.after(float(value))
    assert expected[-1] < 0.6 * recipe.learning_rate
    np.testing.assert_allclose(history[:, LEARNING_RATE], expected, rtol=1e-13)


@pytest.mark.parametrize("watch", ["loss", "metric"])
def test_a_plateau_must_watch_in_the_direction_of_what_is_watched(watch):
    mode, right = ("min", "max") if watch == "metric" else ("max", "min")
    with pytest.raises(UsageError) as refusal:
        Recipe(schedule=f"warmup:epochs=1+plateau:mode={mode}", watch=watch)
    assert str(refusal.value) == f"schedule 'plateau' watches the {watch} and needs mode={right}, got mode={mode}"


# --- going on ------------------------------------------------------------------------------------------------------

WITH_EVERYTHING = Recipe(
    0.05,
    batch_size=5,
    epochs=9,
    optimizer="adamw",
    weight_decay=0.02,
    decayed="weights",
    schedule="warmup:steps=6+plateau:patience=0,factor=0.5",
    clip_norm=0.5,
    patience=4,
    layer_rates=(1.0, 0.5, 2.0),
)


def everything(dtype):
    """Return two classes and everything that a network can have."""
    spec = network(
        "cross_entropy", "batch", (4, 6, 6, 2), dtype=dtype, label_smoothing=0.1, loss_weights=(0.5, 2.0), **EVERYTHING
    )
    return spec, parameters(spec), data(spec)


def contents(run):
    """Return the bytes of all that a run holds."""
    arrays = [run.theta, run.statistics, run.history, *run.state.moments]
    arrays += [part for part in run.state if isinstance(part, np.ndarray)]
    return [array.tobytes() for array in arrays], run.status, run.diverged_at, run.stopped_early


@pytest.mark.parametrize("cut", range(10))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_that_is_cut_anywhere_gives_the_bytes_of_one_that_is_not(dtype, cut):
    spec, theta, rows = everything(dtype)
    whole = train(spec, theta, rows, WITH_EVERYTHING, KEY, auc=True)
    first = train(spec, theta, rows, WITH_EVERYTHING, KEY, until=cut, auc=True)
    assert len(first.history) == min(cut, len(whole.history))
    assert contents(train(spec, first, rows, WITH_EVERYTHING, KEY, auc=True)) == contents(whole)


@pytest.mark.parametrize("schedule", ["cosine:by=step", "one_cycle", "warmup:epochs=2+cyclic:size_up=3"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"])
def test_epochs_one_by_one_give_the_bytes_of_one_call(optimizer, schedule):
    spec, theta, rows = everything("float64")
    recipe = replace(WITH_EVERYTHING, optimizer=optimizer, schedule=schedule, patience=None, epochs=5)
    run = theta
    for epoch in range(1, 6):
        run = train(spec, run, rows, recipe, KEY, until=epoch)
    assert contents(run) == contents(train(spec, theta, rows, recipe, KEY))


def test_the_run_with_everything_clips_reduces_and_has_an_area():
    """So that the tests above see what they are about."""
    spec, theta, rows = everything("float64")
    run = train(spec, theta, rows, replace(WITH_EVERYTHING, patience=None), KEY, auc=True)
    assert np.isfinite(run.history).all()
    assert (run.history[:, -1] > 0).any()
    assert run.state.plateau[-1] < 1


# --- what cannot be watched ----------------------------------------------------------------------------------------


def of_one_target(rows=3):
    """Return a regression whose validation targets are all 0.1, which no sum of floats keeps to the bit."""
    spec, theta, batches = case()
    return spec, theta, replace(batches, X_validation=batches.X[:rows], Y_validation=np.full((rows, 3), 0.1))


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("options", [{"patience": 3}, {"schedule": "plateau:mode=max"}], ids=["patience", "plateau"])
def test_the_metric_of_one_target_stops_and_slows_no_run(options, rows):
    with pytest.raises(UsageError) as refusal:
        train(*of_one_target(rows), replace(NOISY, watch="metric", **options), KEY)
    assert str(refusal.value) == (
        "R2, the metric to watch, needs validation rows with two different targets or more, "
        f"got {rows} with one: watch the loss, or take more rows for validation"
    )


@pytest.mark.parametrize("rows", [1, 3])
def test_the_metric_of_one_target_is_not_a_number(rows):
    spec, theta, batches = of_one_target(rows)
    history = train(spec, theta, batches, replace(NOISY, epochs=2, patience=3), KEY).history
    assert np.isnan(history[:, VALIDATION_METRIC]).all()
    assert np.isnan(evaluate(spec, theta, batches.X_validation, batches.Y_validation).metric)


def test_the_accuracy_of_one_class_can_be_watched():
    spec, theta, rows = case(loss="cross_entropy")
    one_class = replace(rows, Y_validation=np.zeros_like(rows.Y_validation))
    assert train(spec, theta, one_class, replace(NOISY, patience=2, watch="metric"), KEY).status == "done"
