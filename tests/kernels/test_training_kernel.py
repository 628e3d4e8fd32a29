"""Whole epochs of training against the naive ones, and what a training call promises."""

from __future__ import annotations

import math

import naive
import naive_losses
import naive_training
import numpy as np
import pytest
from cases import KEY, LOSSES, data, naive_epochs, naive_run, network, parameters, twin
from naive_activations import TEXTBOOK
from naive_optimizers import Optimizer

from nnsim.kernels.cpu.optimizers import Moments
from nnsim.kernels.cpu.training import Data, State, evaluate, logits, loss_and_gradient, train_epochs
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.kernels.formulas.columns import N_HISTORY, TRAIN_LOSS, VALIDATION_LOSS, VALIDATION_METRIC
from nnsim.kernels.formulas.philox import SHUFFLE
from nnsim.training.recipe import Recipe
from nnsim.training.schedules import plateau

WIDTHS = (4, 6, 5, 3)
ROWS = 22

all_losses = pytest.mark.parametrize("loss", LOSSES)


class Run:
    """A small network, its data and the state that training changes."""

    def __init__(self, loss, activation="tanh", kind=np.float64, rows=ROWS, widths=WIDTHS):
        self.spec = network(loss, "none", widths, activation, np.dtype(kind).name)
        self.net, self.theta = self.spec.architecture, parameters(self.spec)
        self.velocity, self.statistics = np.zeros_like(self.theta), self.spec.initial_statistics()
        drawn = data(self.spec, rows)
        self.X, self.Y = drawn.X, drawn.Y
        self.X_validation, self.Y_validation = drawn.X_validation, drawn.Y_validation

    def state(self, recipe):
        """Return the state of a run that does not stop early."""
        none = self.theta[:0]
        moments = Moments(self.velocity, none, np.ones(2))
        watching = plateau(recipe.parsed_schedule, recipe.learning_rate)[1], np.array([math.inf, -1.0, 0.0])
        return State(self.theta, self.statistics, moments, *watching, none, none)

    def train(self, epochs, batch=5, learning_rate=0.1, momentum=0.9, first=0, key=KEY):
        """Train on; return (step of divergence or -1, history)."""
        recipe, history = Recipe(learning_rate, momentum, batch, epochs), np.full((epochs, N_HISTORY), -7.0)
        rows = Data(self.X, self.Y, self.X_validation, self.Y_validation)
        done, stopped = train_epochs(
            *(self.net, self.state(recipe), recipe.optimizer_params(self.spec), recipe.run_options(), rows),
            *(recipe.rates(len(self.X)), np.uint64(key), first, history),
        )
        return (done * recipe.steps(len(self.X)) + stopped if stopped >= 0 else -1), history

    def evaluate(self, batch):
        """Return loss and metric on the validation rows."""
        rows = self.X_validation, self.Y_validation
        return evaluate(self.net, self.theta, self.statistics, *rows, batch, False)[:2]

    def naive_gradient(self, theta, X, Y):
        loss, gradient = naive_training.loss_and_gradient(twin(self.spec), theta, X, Y)
        return loss.value, gradient

    def naive_logits(self, theta, X):
        return naive_training.logits(twin(self.spec), theta, X.tolist(), [])

    def naive_train(self, epochs, batch, learning_rate, momentum):
        """Return (theta, mean training loss of each epoch) of the naive twin."""
        run = naive_run(self.spec, self.theta, self, Recipe(learning_rate, momentum, batch, epochs))
        return run[-1].state.theta, [epoch.loss for epoch in run]


# --- against the naive epochs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("batch", [1, 5, 11, 22, 100], ids=lambda b: f"batch{b}")
@all_losses
def test_epochs_equal_the_naive_ones(loss, batch, momentum):
    run = Run(loss)
    theta, losses = run.naive_train(3, batch, 0.02, momentum)
    step, history = run.train(3, batch, 0.02, momentum)
    assert step == -1
    np.testing.assert_allclose(run.theta, theta, rtol=0, atol=1e-12)
    np.testing.assert_allclose(history[:, TRAIN_LOSS], losses, rtol=0, atol=1e-12)


@pytest.mark.parametrize("activation", TEXTBOOK)
def test_epochs_of_every_activation_equal_the_naive_ones(activation):
    run = Run("cross_entropy", activation)
    theta, losses = run.naive_train(2, 5, 0.05, 0.9)
    _, history = run.train(2, 5, 0.05, 0.9)
    np.testing.assert_allclose(run.theta, theta, rtol=0, atol=1e-12)
    np.testing.assert_allclose(history[:, TRAIN_LOSS], losses, rtol=0, atol=1e-12)


@all_losses
def test_float32_epochs_are_near_the_naive_ones(loss):
    run = Run(loss, kind=np.float32)
    theta, losses = run.naive_train(3, 5, 0.1, 0.9)
    _, history = run.train(3)
    np.testing.assert_allclose(run.theta, theta, rtol=0, atol=1e-5)
    np.testing.assert_allclose(history[:, TRAIN_LOSS], losses, rtol=1e-5)


def test_velocity_is_the_naive_one():
    run = Run("mse")
    optimizer = Optimizer("momentum", run.theta.size, 0.9)
    naive_epochs(run.spec, run.theta, run, Recipe(0.1, 0.9, 5, 3), optimizer)
    run.train(3)
    np.testing.assert_allclose(run.velocity, optimizer.first, rtol=0, atol=1e-12)


def test_without_momentum_the_velocity_is_left_alone():
    run = Run("mse")
    run.train(2, momentum=0.0)
    assert (run.velocity == 0).all()


def test_without_a_hidden_layer_it_is_the_linear_model():
    run = Run("mse", widths=(4, 3))
    theta, _ = run.naive_train(3, 5, 0.1, 0.9)
    run.train(3)
    np.testing.assert_allclose(run.theta, theta, rtol=0, atol=1e-12)


# --- batches, orders and resuming ----------------------------------------------------------------------------------


@all_losses
def test_a_batch_larger_than_the_data_is_one_batch(loss):
    exact, larger = Run(loss), Run(loss)
    _, history = exact.train(3, batch=ROWS)
    _, larger_history = larger.train(3, batch=10 * ROWS)
    np.testing.assert_array_equal(larger.theta, exact.theta)
    np.testing.assert_array_equal(larger_history, history)


def test_the_first_step_of_one_batch_goes_down_the_gradient():
    run = Run("cross_entropy")
    gradient = np.empty_like(run.theta)
    loss = loss_and_gradient(run.net, run.theta, run.X, run.Y, gradient, np.uint64(KEY), 0)
    start = run.theta.copy()
    _, history = run.train(1, batch=ROWS, learning_rate=0.25)
    np.testing.assert_allclose(run.theta, start - 0.25 * gradient, rtol=0, atol=1e-15)
    assert history[0, TRAIN_LOSS] == pytest.approx(loss, rel=1e-14)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("cut", [1, 2, 4])
def test_resumed_epochs_equal_one_call_bit_for_bit(cut, kind):
    whole, parts = Run("cross_entropy", "relu", kind), Run("cross_entropy", "relu", kind)
    _, history = whole.train(5)
    _, before = parts.train(cut)
    _, after = parts.train(5 - cut, first=cut)
    np.testing.assert_array_equal(parts.theta, whole.theta)
    np.testing.assert_array_equal(parts.velocity, whole.velocity)
    np.testing.assert_array_equal(np.concatenate([before, after]), history)


def test_the_same_call_gives_the_same_bits():
    one, other = Run("bce", "gelu", np.float32), Run("bce", "gelu", np.float32)
    _, history = one.train(4)
    _, other_history = other.train(4)
    np.testing.assert_array_equal(other.theta, one.theta)
    np.testing.assert_array_equal(other_history, history)


@pytest.mark.parametrize("change", [{"key": KEY + 1}, {"first": 1}], ids=["key", "first"])
def test_the_order_of_rows_depends_on(change):
    one, other = Run("mse"), Run("mse")
    one.train(1)
    other.train(1, **change)
    assert (one.theta != other.theta).any()


def test_validation_data_do_not_change_the_training():
    one, other = Run("mse"), Run("mse")
    other.X_validation, other.Y_validation = other.X_validation[:2] + 1, other.Y_validation[:2]
    _, history = one.train(3)
    _, other_history = other.train(3)
    np.testing.assert_array_equal(other.theta, one.theta)
    np.testing.assert_array_equal(other_history[:, TRAIN_LOSS], history[:, TRAIN_LOSS])
    assert (other_history[:, VALIDATION_LOSS] != history[:, VALIDATION_LOSS]).all()


def test_data_are_not_changed():
    run = Run("mse")
    before = [array.copy() for array in (run.X, run.Y, run.X_validation, run.Y_validation)]
    run.train(2)
    for array, copy in zip((run.X, run.Y, run.X_validation, run.Y_validation), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_no_epoch_changes_nothing():
    run = Run("mse")
    before = run.theta.copy()
    step, _ = run.train(0)
    assert step == -1
    np.testing.assert_array_equal(run.theta, before)


def test_training_learns_a_separable_task():
    run = Run("cross_entropy", "relu", np.float32, rows=60, widths=(4, 16, 3))
    run.Y = np.argmax(run.X[:, :3], axis=1).astype(np.float32)[:, None]
    _, history = run.train(200)
    assert history[-1, TRAIN_LOSS] < 0.02 * history[0, TRAIN_LOSS]


# --- history and evaluation ----------------------------------------------------------------------------------------


@all_losses
def test_history_holds_the_validation_loss_and_metric_after_each_epoch(loss):
    run, again = Run(loss), Run(loss)
    _, history = run.train(3)
    for epoch in range(3):
        again.train(1, first=epoch)
        value, metric = again.evaluate(5)
        assert history[epoch, VALIDATION_LOSS] == value
        assert history[epoch, VALIDATION_METRIC] == metric


@pytest.mark.parametrize("batch", [1, 4, 9, 50], ids=lambda b: f"batch{b}")
@all_losses
def test_evaluation_equals_the_naive_loss_and_metric(loss, batch):
    run = Run(loss)
    run.train(5)
    value, metric = run.evaluate(batch)
    Z = run.naive_logits(run.theta.tolist(), run.X_validation)
    Y = run.Y_validation.tolist()
    assert value == pytest.approx(twin(run.spec).loss(Z, Y).value, rel=1e-12)
    assert metric == pytest.approx(naive_losses.METRICS[run.spec.loss](Z, Y), rel=1e-12)


def linear(loss, outputs):
    """Return a network without hidden layer whose logits are its inputs."""
    theta = np.concatenate([np.eye(outputs).ravel(), np.zeros(outputs)])
    return network(loss, widths=(outputs, outputs)), theta


METRICS = [
    ("cross_entropy", [[3, 1], [0, 2], [5, 4], [1, 9]], [[0], [1], [1], [1]], 0.75),
    ("cross_entropy", [[1, 1], [2, 2]], [[0], [1]], 0.5),  # of equal logits the first counts
    ("bce", [[3, -1], [0.5, 2]], [[1, 0], [0, 1]], 0.75),
    ("bce", [[0.0], [0.0]], [[0], [1]], 0.5),  # a logit of zero says no
    ("mse", [[1, 2], [3, 5]], [[1, 2], [3, 5]], 1.0),
    ("mse", [[2, 2], [2, 2]], [[1, 0], [3, 4]], 0.0),
    ("mse", [[3, 4], [1, 0]], [[1, 0], [3, 4]], -3.0),
    ("mae", [[3, 4], [1, 0]], [[1, 0], [3, 4]], -3.0),
    ("huber", [[1, 2], [3, 5]], [[1, 2], [3, 5]], 1.0),
]


@pytest.mark.parametrize(("loss", "Z", "Y", "expected"), METRICS)
def test_metric(loss, Z, Y, expected):
    Z, Y = np.array(Z, float), np.array(Y, float)
    spec, theta = linear(loss, Z.shape[1])
    assert evaluate(spec.architecture, theta, theta[:0], Z, Y, 2, False)[1] == pytest.approx(expected, abs=1e-15)


def test_logits_of_a_row_do_not_depend_on_the_batch():
    run = Run("mse", "silu", np.float32)
    whole = logits(run.net, run.theta, run.statistics, run.X, ROWS)
    for i in range(ROWS):
        np.testing.assert_array_equal(logits(run.net, run.theta, run.statistics, run.X[i : i + 1], 1)[0], whole[i])


# --- divergence ----------------------------------------------------------------------------------------------------


def first_infinite_step(run, batch, learning_rate):
    """Return the step at which the naive twin's loss stops being finite."""
    order = naive.permutation(ROWS, KEY, SHUFFLE, 0) + naive.permutation(ROWS, KEY, SHUFFLE, 1)
    theta, step = run.theta.tolist(), 0
    for epoch in range(2):
        rows = order[epoch * ROWS : (epoch + 1) * ROWS]
        for start in range(0, ROWS, batch):
            chosen = rows[start : start + batch]
            loss, gradient = run.naive_gradient(theta, run.X[chosen].tolist(), run.Y[chosen].tolist())
            if not math.isfinite(loss):
                return step
            theta = [t - learning_rate * g for t, g in zip(theta, gradient, strict=True)]
            step += 1
    raise AssertionError("the naive twin does not diverge")


@pytest.mark.parametrize("learning_rate", [3.0, 100.0, 1e12, 1e40])
def test_divergence_returns_its_step(learning_rate):
    run = Run("mse", "identity")
    expected = first_infinite_step(run, 5, learning_rate)
    step, _ = run.train(2, batch=5, learning_rate=learning_rate, momentum=0.0)
    assert step == expected


def test_divergence_leaves_the_epochs_before_it_in_the_history():
    run = Run("mse", "identity")
    step, history = run.train(50, batch=ROWS, learning_rate=1.0, momentum=0.0)  # one step an epoch
    assert 1 < step < 49
    assert np.isfinite(history[:step, TRAIN_LOSS]).all()
    assert (history[step:] == -7).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_data_that_are_not_finite_diverge_when_they_are_met(bad):
    run = Run("mse")
    order = naive.permutation(ROWS, KEY, SHUFFLE, 0)
    run.X[order[12]] = bad
    run.X[order[12], 1:] = -bad
    run.net = run.net._replace(activation=ACTIVATIONS.code("relu"))
    step, _ = run.train(1, batch=5)
    assert step == 2
