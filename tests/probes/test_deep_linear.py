"""Pairs of inputs, Jacobians and linear networks, each against its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnsim.core.errors import UsageError
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.deep_linear import balanced_start, draw_task, follow_modes, mode_starts, orthonormal, steps_to_learn
from nnsim.probes.input_pairs import correlations, pair_inputs, pair_moments
from nnsim.probes.jacobians import jacobian, squared_singular_values
from nnsim.probes.layers import probe

LINEAR = NetworkSpec((5, 7, 4), "identity", loss="mse", dtype="float64")


class TestPairs:
    @pytest.mark.parametrize("c", [-1.0, -0.3, 0.0, 0.8, 1.0])
    def test_inputs_are_as_long_and_as_alike_as_asked_for(self, c: float) -> None:
        first, other = pair_inputs(c, 0.5, 3.0)
        assert (np.mean(first**2), np.mean(other**2)) == pytest.approx((0.5, 3.0))
        assert np.mean(first * other) == pytest.approx(c * math.sqrt(1.5), abs=1e-12)

    @pytest.mark.parametrize(("c", "square"), [(1.01, 1.0), (math.nan, 1.0), (0.5, 0.0), (0.5, -1.0)])
    def test_other_pairs_are_refused(self, c: float, square: float) -> None:
        with pytest.raises(UsageError):
            pair_inputs(c, square)

    def test_moments_are_those_that_a_probe_sees(self) -> None:
        spec = NetworkSpec((2, 9, 6, 1), "gelu", loss="mse", dtype="float64")
        theta, X = initialize(spec, "torch_default", 3), pair_inputs(0.4, 1.0, 2.0)
        seen = np.array([[layer["a_square"] for layer in probe(spec, theta, row[None], np.zeros((1, 1)))] for row in X])
        np.testing.assert_allclose(pair_moments(spec, theta, X)[:, :2], seen[:, :2].T, rtol=1e-12)

    def test_correlations_are_those_of_the_activations(self) -> None:
        rng = np.random.default_rng(1)
        a, b = rng.standard_normal((2, 50))
        moments = np.array([np.mean(a * a), np.mean(b * b), np.mean((a - b) ** 2)])
        expected = np.mean(a * b) / math.sqrt(np.mean(a * a) * np.mean(b * b))
        assert 1 - correlations(moments) == pytest.approx(expected, abs=1e-12)


class TestJacobians:
    @pytest.mark.parametrize("activation", ["tanh", "gelu"])
    def test_central_differences(self, activation: str) -> None:
        spec = NetworkSpec((4, 6, 5, 1), activation, loss="mse", dtype="float64")
        theta, x, h = initialize(spec, "torch_default", 8), np.array([0.3, -1.0, 0.7, 0.1]), 1e-5

        def last(at: np.ndarray) -> np.ndarray:
            (W1, b1), (W2, b2), _ = spec.layers(theta)
            value = {"tanh": np.tanh, "gelu": lambda z: z * (1 + np.vectorize(math.erf)(z / math.sqrt(2))) / 2}
            return value[activation](value[activation](at @ W1 + b1) @ W2 + b2)

        expected = np.array([(last(x + h * e) - last(x - h * e)) / (2 * h) for e in np.eye(4)])
        np.testing.assert_allclose(jacobian(spec, theta, x), expected, atol=1e-8)

    def test_the_spectrum_is_that_of_j_times_its_transpose(self) -> None:
        J = np.random.default_rng(2).standard_normal((6, 6))
        np.testing.assert_allclose(squared_singular_values(J), np.linalg.eigvalsh(J @ J.T), rtol=1e-9)


class TestTasks:
    def test_inputs_are_white_and_targets_are_the_map(self) -> None:
        task = draw_task(5, 4, (2.0, 0.5), 7)
        data = task.batches()
        np.testing.assert_allclose(data.X.mean(axis=0), 0, atol=1e-15)
        np.testing.assert_allclose(data.X.T @ data.X / len(data.X), np.eye(5), atol=1e-12)
        T = task.inputs @ np.diag(task.strengths) @ task.outputs.T
        np.testing.assert_allclose(data.Y, data.X @ T, atol=1e-12)
        assert np.linalg.svd(T, compute_uv=False)[:2] == pytest.approx([2.0, 0.5])

    def test_columns_are_orthonormal(self) -> None:
        Q = orthonormal(6, 3, 1)
        np.testing.assert_allclose(Q.T @ Q, np.eye(3), atol=1e-12)

    def test_too_many_modes(self) -> None:
        with pytest.raises(UsageError, match="3 modes do not fit 5 features and 2 targets: choose at most 2"):
            draw_task(5, 2, (1.0, 1.0, 1.0), 0)

    def test_a_balanced_start_is_as_strong_as_asked_for_in_each_mode(self) -> None:
        task = draw_task(5, 4, (2.0, 0.5), 7)
        theta = balanced_start(LINEAR, task, 0.01, 7)
        assert mode_starts(LINEAR, task, theta) == pytest.approx([0.01, 0.01])
        (W1, _), (W2, _) = LINEAR.layers(theta)
        np.testing.assert_allclose(task.inputs.T @ W1 @ W2 @ task.outputs, 0.01 * np.eye(2), atol=1e-12)


def descended(theta: np.ndarray, T: np.ndarray, rate: float, steps: int) -> tuple[np.ndarray, list[float]]:
    """Gradient descent on half the squared error of a linear network with whitened inputs, by its formula."""
    (W1, _), (W2, _) = ((W.copy(), b) for W, b in LINEAR.layers(theta))
    losses = []
    for _ in range(steps):
        error = T - W1 @ W2
        losses.append(float(np.sum(error**2)))
        W1, W2 = W1 + rate * error @ W2.T, W2 + rate * W1.T @ error
    return W1 @ W2, losses


class TestDescent:
    task = draw_task(5, 4, (2.0, 0.5), 7)
    T = task.inputs @ np.diag(task.strengths) @ task.outputs.T

    def test_modes_are_those_of_gradient_descent_by_its_formula(self) -> None:
        theta = initialize(LINEAR, "normal:0.1", 5)
        found = follow_modes(LINEAR, theta, self.task, 0.02, (1, 10, 40), 0)
        for row, steps in zip(found, (1, 10, 40), strict=True):
            product, _ = descended(theta, self.T, 0.02, steps)
            expected = np.diag(self.task.inputs.T @ product @ self.task.outputs)
            np.testing.assert_allclose(row, expected, atol=1e-12)

    def test_the_steps_to_learn_are_those_to_the_first_loss_below_the_goal(self) -> None:
        theta = initialize(LINEAR, "normal:0.3", 5)
        _, losses = descended(theta, self.T, 0.1, 400)
        expected = next(step for step, loss in enumerate(losses) if loss < 0.01 * (4 + 0.25))
        run, steps = steps_to_learn(LINEAR, theta, self.task, 0.1, 0.01, 400, 0)
        assert (run.status, steps) == ("done", expected)

    def test_a_rate_that_is_too_low_never_gets_there(self) -> None:
        theta = initialize(LINEAR, "normal:0.3", 5)
        run, steps = steps_to_learn(LINEAR, theta, self.task, 1e-4, 0.01, 60, 0)
        assert (run.status, len(run.history), steps) == ("done", 60, None)

    def test_a_rate_that_is_too_high_diverges(self) -> None:
        run, steps = steps_to_learn(LINEAR, initialize(LINEAR, "normal:0.3", 5), self.task, 30.0, 0.01, 400, 0)
        assert (run.status, steps) == ("diverged", None)
