"""Training as users call it: that it learns, that it can be cut anywhere, and how it fails."""

from __future__ import annotations

import math
from dataclasses import replace

import naive_losses
import naive_training
import numpy as np
import pytest
from cases import naive_epochs, twin
from naive_optimizers import Optimizer

from nnsim.core.errors import NnsimWarning, UsageError
from nnsim.core.seeding import key
from nnsim.data import datasets
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.training import trainer
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import COLUMNS, Batches, batches, evaluate, loss_of, targets, train

KEY = key(0, "tests", "training")
DIGITS = NetworkSpec((64, 32, 10))
RECIPE = Recipe(epochs=6)


def parts(name, dtype=np.float32):
    return batches(datasets.split(datasets.load(name, key=KEY), key=KEY), dtype)


@pytest.fixture(scope="module")
def digits():
    return parts("digits")


@pytest.fixture(scope="module")
def diabetes():
    return parts("diabetes")


def start(spec, scheme="he_normal"):
    return initialize(spec, scheme, KEY)


def small(loss="cross_entropy", widths=(3, 4, 2), rows=11):
    """Return a small network in double precision, and random data for it."""
    spec = NetworkSpec(widths, "tanh", loss=loss, dtype="float64")
    rng = np.random.default_rng(6)
    X = rng.standard_normal((2 * rows, widths[0]))
    Y = {
        "cross_entropy": rng.integers(0, widths[-1], (2 * rows, 1)).astype(float),
        "bce": rng.integers(0, 2, (2 * rows, widths[-1])).astype(float),
    }.get(loss, rng.standard_normal((2 * rows, widths[-1])))
    return spec, Batches(X[:rows], Y[:rows], X[rows:], Y[rows:])


def assert_same_run(found, expected):
    np.testing.assert_array_equal(found.theta, expected.theta)
    np.testing.assert_array_equal(found.state.moments.first, expected.state.moments.first)
    np.testing.assert_array_equal(found.history, expected.history)
    assert (found.status, found.diverged_at) == (expected.status, expected.diverged_at)


class TestLearning:
    def test_digits_are_learnt(self, digits):
        run = train(DIGITS, start(DIGITS), digits, Recipe(epochs=15), KEY)
        assert (run.status, run.diverged_at, run.history.shape) == ("done", -1, (15, len(COLUMNS)))
        assert run.history[-1, 2] > 0.9

    def test_diabetes_is_learnt_as_well_as_by_least_squares(self, diabetes):
        """About 0.4 of the variance is all that ten measures explain (Efron, Hastie, Johnstone and Tibshirani 2004)."""
        spec = NetworkSpec((10, 16, 1), "tanh", loss="mse")
        run = train(spec, start(spec, "lecun_normal"), diabetes, Recipe(0.01, epochs=30), KEY)
        X = np.column_stack([diabetes.X, np.ones(len(diabetes.X))]).astype(float)
        solution = np.linalg.lstsq(X, diabetes.Y.astype(float))[0]
        predicted = np.column_stack([diabetes.X_validation, np.ones(len(diabetes.X_validation))]) @ solution
        linear = naive_losses.r_squared(predicted.tolist(), diabetes.Y_validation.tolist())
        assert 0.3 < linear - 0.05 < run.history[-1, 2]

    def test_a_linear_network_finds_least_squares(self, diabetes):
        spec = NetworkSpec((10, 1), loss="mse")
        everything = Recipe(0.1, 0.9, batch_size=len(diabetes.X), epochs=1500)
        (W, _) = spec.layers(train(spec, start(spec), diabetes, everything, KEY).theta)[0]
        solution = np.linalg.lstsq(diabetes.X.astype(float), diabetes.Y.astype(float))[0]
        np.testing.assert_allclose(W, solution, atol=1e-3)

    @pytest.mark.parametrize("loss", naive_losses.LOSSES)
    def test_epochs_are_those_of_the_loops(self, loss):
        """Eleven rows in batches of four: the last batch of an epoch is smaller."""
        spec, data = small(loss)
        recipe = Recipe(0.1, 0.9, batch_size=4, epochs=3)
        run = train(spec, start(spec), data, recipe, KEY)
        optimizer = Optimizer("momentum", spec.n_parameters)
        epochs = naive_epochs(spec, start(spec), data, recipe, optimizer, KEY)
        np.testing.assert_allclose(run.theta, epochs[-1].state.theta, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(run.state.moments.first, optimizer.first, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(run.history[:, 0], [epoch.loss for epoch in epochs], rtol=1e-11)


class TestSegments:
    @pytest.mark.parametrize("cut", [0, 1, 4, 6])
    def test_two_calls_give_the_bits_of_one(self, digits, cut):
        whole = train(DIGITS, start(DIGITS), digits, RECIPE, KEY)
        first = train(DIGITS, start(DIGITS), digits, RECIPE, KEY, until=cut)
        assert len(first.history) == cut
        assert_same_run(train(DIGITS, first, digits, RECIPE, KEY), whole)

    def test_the_number_of_kernel_calls_does_not_matter(self, digits, monkeypatch):
        whole = train(DIGITS, start(DIGITS), digits, RECIPE, KEY)
        monkeypatch.setattr(trainer, "CALL_OPERATIONS", 3 * DIGITS.n_parameters * len(digits.X) * 2.5)
        assert_same_run(train(DIGITS, start(DIGITS), digits, RECIPE, KEY), whole)

    def test_a_kernel_call_that_ends_where_training_stops_early_is_the_last(self, digits, monkeypatch):
        recipe = Recipe(0.05, epochs=5, batch_size=100, patience=1, min_delta=10.0)  # nothing is an improvement
        whole = train(DIGITS, start(DIGITS), digits, recipe, KEY)
        assert whole.stopped_early
        monkeypatch.setattr(trainer, "CALL_OPERATIONS", 1.0)
        assert_same_run(train(DIGITS, start(DIGITS), digits, recipe, KEY), whole)

    def test_the_epochs_behind_a_run_choose_the_shuffles(self, digits):
        first = train(DIGITS, start(DIGITS), digits, RECIPE, KEY, until=1)
        forgetful = replace(first, history=first.history[:0])
        later, again = (
            train(DIGITS, run, digits, RECIPE, KEY, until=n).theta for run, n in ((first, 2), (forgetful, 1))
        )
        assert (later != again).any()

    @pytest.mark.parametrize("until", [0, 2])
    def test_a_run_that_is_there_already_is_left_as_it_is(self, digits, until):
        first = train(DIGITS, start(DIGITS), digits, RECIPE, KEY, until=2)
        assert_same_run(train(DIGITS, first, digits, RECIPE, KEY, until=until), first)

    def test_until_goes_no_further_than_the_recipe(self, digits):
        run = train(DIGITS, start(DIGITS), digits, RECIPE, KEY, until=100)
        assert len(run.history) == RECIPE.epochs

    def test_no_epochs_change_nothing(self, digits):
        run = train(DIGITS, start(DIGITS), digits, replace(RECIPE, epochs=0), KEY)
        np.testing.assert_array_equal(run.theta, start(DIGITS))
        assert (run.status, run.history.shape) == ("done", (0, len(COLUMNS)))


class TestDeterminism:
    def test_the_same_key_gives_the_same_bits(self, digits):
        assert_same_run(*(train(DIGITS, start(DIGITS), digits, RECIPE, KEY) for _ in range(2)))

    def test_another_key_gives_another_run(self, digits):
        found, other = (train(DIGITS, start(DIGITS), digits, RECIPE, KEY + n).theta for n in range(2))
        assert (found != other).any()

    def test_arguments_are_left_as_they_were(self, digits):
        theta, first = start(DIGITS), train(DIGITS, start(DIGITS), digits, RECIPE, KEY, until=1)
        arrays = [theta, first.theta, first.history, first.state.theta, first.state.moments.first, digits.X, digits.Y]
        before = [array.copy() for array in arrays]
        train(DIGITS, theta, digits, RECIPE, KEY)
        train(DIGITS, first, digits, RECIPE, KEY)
        for array, copy in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(array, copy)


class TestDivergence:
    @pytest.mark.parametrize("first_epoch", [0, 5])
    def test_it_is_a_status_with_its_step(self, digits, first_epoch):
        recipe = Recipe(1e6, epochs=8 + first_epoch, batch_size=100)
        gentle = replace(recipe, learning_rate=0.01)
        before = train(DIGITS, start(DIGITS), digits, gentle, KEY, until=first_epoch)
        run = train(DIGITS, before, digits, recipe, KEY)
        steps = math.ceil(len(digits.X) / 100)
        assert run.status == "diverged"
        assert 0 < run.diverged_at - first_epoch * steps < 8 * steps
        assert len(run.history) == run.diverged_at // steps
        np.testing.assert_array_equal(run.history[:first_epoch], before.history)

    def test_a_run_that_has_diverged_goes_no_further(self, digits):
        run = train(DIGITS, start(DIGITS), digits, Recipe(1e6, epochs=8, batch_size=100), KEY)
        assert train(DIGITS, run, digits, Recipe(0.01, epochs=8, batch_size=100), KEY) is run

    def test_the_parameters_are_those_after_the_last_finished_step(self, diabetes):
        """Where step k is the first with an infinite loss, k steps were taken: one an epoch here."""
        spec = NetworkSpec((10, 16, 1), loss="mse")
        recipe = Recipe(10.0, batch_size=len(diabetes.X), epochs=1000)
        run = train(spec, start(spec), diabetes, recipe, KEY)
        assert run.status == "diverged"
        stopped = train(spec, start(spec), diabetes, recipe, KEY, until=run.diverged_at - 1)
        assert stopped.status == "done"
        np.testing.assert_array_equal(stopped.history, run.history[: run.diverged_at - 1])
        again = train(spec, stopped, diabetes, recipe, KEY, until=run.diverged_at)
        np.testing.assert_array_equal(again.theta, run.theta)

    def test_a_last_step_that_leaves_no_finite_loss_has_diverged(self, diabetes):
        spec = NetworkSpec((10, 16, 1), loss="mse")
        run = train(spec, start(spec), diabetes, Recipe(1e37, batch_size=len(diabetes.X), epochs=1), KEY)
        assert not np.isfinite(run.history[-1, 1])
        assert (run.status, run.diverged_at) == ("diverged", 1)

    def test_parameters_that_are_not_finite_diverge_at_once(self, digits):
        theta = np.full_like(start(DIGITS), np.nan)
        run = train(DIGITS, theta, digits, RECIPE, KEY)
        assert (run.status, run.diverged_at, run.history.shape) == ("diverged", 0, (0, len(COLUMNS)))

    def test_the_number_of_kernel_calls_does_not_matter(self, digits, monkeypatch):
        recipe = Recipe(1e6, epochs=8, batch_size=100)
        whole = train(DIGITS, start(DIGITS), digits, recipe, KEY)
        monkeypatch.setattr(trainer, "CALL_OPERATIONS", 1.0)
        assert_same_run(train(DIGITS, start(DIGITS), digits, recipe, KEY), whole)


class TestUsage:
    def test_a_batch_of_all_rows_is_allowed(self, digits):
        recipe = Recipe(batch_size=len(digits.X), epochs=1)
        assert train(DIGITS, start(DIGITS), digits, recipe, KEY).status == "done"

    def test_a_batch_larger_than_the_data_is_refused(self, digits):
        rows = len(digits.X)
        with pytest.raises(UsageError) as refusal:
            train(DIGITS, start(DIGITS), digits, Recipe(batch_size=rows + 1), KEY)
        assert str(refusal.value) == (
            f"a batch of {rows + 1} rows is larger than the {rows} training rows: choose at most {rows}"
        )

    def test_data_of_another_width_are_refused(self, digits):
        spec = NetworkSpec((63, 10))
        with pytest.raises(UsageError, match=r"^the network takes 63 inputs, the data have 64$"):
            train(spec, start(spec), digits, RECIPE, KEY)

    def test_a_step_cannot_be_trained(self, digits):
        spec = NetworkSpec((64, 5, 10), "step")
        with pytest.raises(UsageError, match=r"^activation 'step' passes no gradient and cannot be trained$"):
            train(spec, start(spec), digits, RECIPE, KEY)


class TestLoneRow:
    """Batch normalisation, and a last batch of one row."""

    def lone(self, **options):
        spec, data = small()
        rows = len(data.X)
        recipe = Recipe(0.1, batch_size=rows - 1, epochs=3, optimizer="sgd", **options)
        return replace(spec, normalization="batch"), data, recipe

    def test_it_is_left_out_with_a_warning(self):
        spec, data, recipe = self.lone(schedule="cosine:by=step")
        with pytest.warns(NnsimWarning) as said:
            run = train(spec, start(spec), data, recipe, KEY)
        n = len(data.X)
        assert [str(warning.message) for warning in said] == [
            f"batch normalisation cannot take a batch of one row: of {n} training rows in batches of {n - 1}, "
            "the last of every epoch is left out"
        ]
        assert_same_run(run, train(spec, start(spec), data, replace(recipe, drop_last=True), KEY))

    def test_the_schedule_counts_the_steps_that_are_taken(self):
        spec, data, recipe = self.lone(schedule="linear:by=step")
        with pytest.warns(NnsimWarning):
            rates = train(spec, start(spec), data, recipe, KEY).history[:, COLUMNS.index("learning_rate")]
        np.testing.assert_allclose(rates, [0.1, 0.1 * 2 / 3, 0.1 / 3])

    @pytest.mark.parametrize("options", [{"normalization": "layer"}, {"widths": (3, 2), "normalization": "batch"}])
    def test_a_network_that_can_take_it_takes_it(self, options):
        spec, data, recipe = self.lone()
        spec = replace(spec, **options)
        assert train(spec, start(spec), data, recipe, KEY).history.shape[0] == 3

    def test_batches_of_one_row_are_refused(self):
        spec, data, recipe = self.lone()
        with pytest.raises(UsageError) as refusal:
            train(spec, start(spec), data, replace(recipe, batch_size=1), KEY)
        assert str(refusal.value) == (
            "batch normalisation needs at least 2 rows a batch, got batches of 1: choose a larger batch size"
        )

    def test_one_row_in_all_is_refused(self):
        spec, data, recipe = self.lone()
        one = replace(data, X=data.X[:1], Y=data.Y[:1])
        with pytest.raises(UsageError, match=r"got batches of 1: there is 1 training row in all$"):
            train(spec, start(spec), one, replace(recipe, batch_size=1), KEY)


class TestStart:
    @pytest.mark.parametrize(("size", "dtype"), [(1, np.float64), (26, np.float32), (27, np.float64)])
    def test_parameters_that_do_not_fit_are_refused(self, size, dtype):
        spec, data = small()
        with pytest.raises(UsageError, match="theta must be"):
            train(spec, np.zeros(size, dtype), data, Recipe(0.1, 0.9, batch_size=4, epochs=1), KEY)

    @pytest.mark.parametrize(
        ("options", "recipe"),
        [
            ({}, {"optimizer": "adam"}),
            ({}, {"patience": 2}),
            ({"normalization": "batch"}, {}),
            ({"widths": (3, 5, 2)}, {}),
        ],
        ids=["optimizer", "patience", "norm", "widths"],
    )
    def test_a_run_of_another_kind_cannot_go_on(self, options, recipe):
        """Its state holds other numbers than the kernels would read."""
        spec, data = small()
        plain = Recipe(0.1, batch_size=4, epochs=3, optimizer="sgd")
        run = train(spec, start(spec), data, plain, KEY, until=1)
        with pytest.raises(UsageError, match=r"^theta must|^a run goes on only with the network and the recipe"):
            train(replace(spec, **options), run, data, replace(plain, **recipe), KEY)


class TestRecipe:
    @pytest.mark.parametrize("rate", [0, -0.1, math.nan, math.inf, -math.inf])
    def test_a_learning_rate_that_is_not_positive_is_refused(self, rate):
        with pytest.raises(UsageError) as refusal:
            Recipe(learning_rate=rate)
        assert str(refusal.value) == f"the learning rate must be a positive number, got {rate}"

    @pytest.mark.parametrize("momentum", [-0.1, 1, 1.5, math.nan])
    def test_momentum_outside_its_interval_is_refused(self, momentum):
        with pytest.raises(UsageError) as refusal:
            Recipe(momentum=momentum)
        assert str(refusal.value) == f"momentum must be at least 0 and below 1, got {momentum}"

    @pytest.mark.parametrize(("batch", "epochs"), [(0, 1), (-5, 1), (1, -1), (2.5, 1)])
    def test_an_impossible_batch_or_number_of_epochs_is_refused(self, batch, epochs):
        with pytest.raises(UsageError) as refusal:
            Recipe(batch_size=batch, epochs=epochs)
        expected = f"batch size and epochs must be whole numbers of at least 1 and 0, got {batch} and {epochs}"
        assert str(refusal.value) == expected

    def test_no_momentum_is_plain_descent(self):
        spec, data = small()
        run = train(spec, start(spec), data, Recipe(0.1, 0.0, batch_size=4, epochs=2), KEY)
        assert not run.state.moments.first.any()


class TestEvaluation:
    @pytest.mark.parametrize("loss", naive_losses.LOSSES)
    def test_loss_and_metric_are_those_of_the_loops(self, loss):
        spec, data = small(loss, widths=(3, 8, 4), rows=50)
        theta, X, Y = start(spec), data.X, data.Y
        Z = naive_training.logits(twin(spec), theta, X.tolist(), [])
        expected = naive_losses.LOSSES[loss](Z, Y.tolist()).value, naive_losses.METRICS[loss](Z, Y.tolist())
        assert evaluate(spec, theta, X, Y)[:2] == pytest.approx(expected, rel=1e-12)

    def test_rows_beyond_one_batch_count(self, digits):
        theta = start(DIGITS)
        parts = [evaluate(DIGITS, theta, digits.X[half], digits.Y[half]) for half in (slice(600), slice(600, 1200))]
        whole = evaluate(DIGITS, theta, digits.X[:1200], digits.Y[:1200])
        assert whole == pytest.approx(np.mean(parts, axis=0), rel=1e-6, nan_ok=True)

    def test_the_history_ends_with_the_evaluation_of_the_result(self, digits):
        run = train(DIGITS, start(DIGITS), digits, RECIPE, KEY)
        found = evaluate(DIGITS, run.theta, digits.X_validation, digits.Y_validation)
        assert tuple(run.history[-1, 1:4]) == pytest.approx(found, rel=1e-6, nan_ok=True)

    @pytest.mark.parametrize("size", [0, 7, 9])
    def test_statistics_that_do_not_fit_are_refused(self, size):
        spec, data = small()
        with pytest.raises(UsageError, match=rf"^statistics must be 8, got {size}$"):
            evaluate(
                replace(spec, normalization="batch"),
                *(np.zeros(spec.n_parameters + 8), data.X, data.Y, np.zeros(size)),
            )

    def test_the_mean_target_has_no_r_squared(self, diabetes):
        spec = NetworkSpec((10, 1), loss="mse")
        theta = np.zeros(spec.n_parameters, np.float32)
        theta[-1] = diabetes.Y.mean()
        assert evaluate(spec, theta, diabetes.X, diabetes.Y)[1] == pytest.approx(0, abs=1e-6)


class TestBatches:
    @pytest.mark.parametrize(("task", "loss"), [("classification", "cross_entropy"), ("regression", "mse")])
    def test_a_task_has_its_loss(self, task, loss):
        assert loss_of(task) == loss

    def test_class_numbers_become_one_column(self):
        Y = targets(np.array([2, 0, 1]), np.float32)
        assert (Y.dtype, Y.tolist()) == (np.dtype(np.float32), [[2], [0], [1]])

    def test_targets_of_several_columns_keep_them(self):
        assert targets(np.ones((4, 3)), np.float64).shape == (4, 3)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_parts_have_the_precision_of_the_network(self, dtype):
        data = parts("iris", dtype)
        arrays = (data.X, data.Y, data.X_validation, data.Y_validation)
        assert all(array.dtype == dtype and array.flags.c_contiguous for array in arrays)
