"""Inputs of mean square one go forward, a Gaussian error signal comes back: what is sent, and what tables keep."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnsim.kernels.cpu.draws import fill_normal
from nnsim.kernels.formulas.philox import SIGNAL
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.propagation import propagate, shown_layers, unit_rows

KEY = 0x51


class TestShownLayers:
    @pytest.mark.parametrize("depth", [1, 2, 7, 11, 30, 100, 499, 500, 501, 1000])
    def test_first_and_last_are_kept_in_order(self, depth: int) -> None:
        layers = shown_layers(depth)
        assert layers[0] == 1
        assert layers[-1] == depth
        assert layers == sorted(set(layers))

    def test_a_shallow_network_is_kept_whole(self) -> None:
        assert shown_layers(6) == [1, 2, 3, 4, 5, 6]

    def test_the_layer_before_the_last_is_not_forced(self) -> None:
        assert shown_layers(12) == [1, 2, 3, 4, 5, 6, 8, 10, 11, 12]

    def test_deep_networks_keep_a_few(self) -> None:
        assert len(shown_layers(1000)) < 30


class TestUnitRows:
    def test_every_row_has_mean_square_one(self) -> None:
        X = np.arange(1.0, 13.0).reshape(3, 4)
        np.testing.assert_allclose((unit_rows(X) ** 2).mean(axis=1), 1.0, rtol=1e-15)

    def test_directions_are_kept(self) -> None:
        X = np.array([[3.0, -4.0]])
        np.testing.assert_allclose(unit_rows(X), X / math.sqrt(12.5), rtol=1e-15)

    def test_a_row_of_zeros_stays(self) -> None:
        np.testing.assert_array_equal(unit_rows(np.zeros((2, 3))), np.zeros((2, 3)))

    def test_squares_are_added_feature_by_feature(self) -> None:
        X = np.array([[1e8, 1.0, -1e8, 1.0, 1e-3]]).repeat(2, axis=0)
        square = 0.0
        for value in X[0].tolist():
            square += value * value
        np.testing.assert_array_equal(unit_rows(X), X / math.sqrt(square / 5))

    def test_the_input_is_not_changed(self) -> None:
        X = np.full((2, 2), 5.0)
        unit_rows(X)
        np.testing.assert_array_equal(X, 5.0)


class TestPropagate:
    """Two tanh layers between 3 inputs and 4 outputs, written out in NumPy."""

    SPEC = NetworkSpec((3, 6, 5, 4), "tanh", dtype="float64")
    X = unit_rows(np.array([[1.0, 2.0, 3.0], [-1.0, 0.5, 0.25]]))

    @property
    def theta(self) -> np.ndarray:
        return initialize(self.SPEC, "mean_field:1.3:0.4", KEY)

    def facts(self, key: int = KEY) -> list[dict[str, float]]:
        return propagate(self.SPEC, self.theta, self.X, key)

    def forward(self) -> list[np.ndarray]:
        activations = [self.X]
        for W, b in self.SPEC.layers(self.theta)[:-1]:
            activations.append(np.tanh(activations[-1] @ W + b))
        return activations

    def backward(self) -> list[np.ndarray]:
        """Return delta of both hidden layers and of the output for the documented stream of normal draws."""
        signal = np.empty(8)
        fill_normal(signal, np.uint64(KEY), SIGNAL, 0)
        deltas = [signal.reshape(2, 4)]
        for (W, _), A in zip(self.SPEC.layers(self.theta)[:0:-1], self.forward()[:0:-1], strict=True):
            deltas.append((deltas[-1] @ W.T) * (1 - A**2))
        return deltas[::-1]

    def test_one_dict_a_layer(self) -> None:
        assert len(self.facts()) == 3

    def test_activations(self) -> None:
        for fact, A in zip(self.facts(), self.forward()[1:], strict=False):
            assert fact["a_square"] == pytest.approx((A**2).mean(), rel=1e-12)
            assert fact["a_log"] == pytest.approx(np.log((A**2).mean(axis=1)).mean(), rel=1e-12)

    def test_errors(self) -> None:
        for fact, delta in zip(self.facts(), self.backward(), strict=True):
            assert fact["delta_square"] == pytest.approx((delta**2).mean(), rel=1e-12)
            assert fact["delta_log"] == pytest.approx(np.log((delta**2).mean(axis=1)).mean(), rel=1e-11)

    def test_weight_gradients_are_sums_over_rows(self) -> None:
        for fact, A, delta in zip(self.facts(), self.forward(), self.backward(), strict=True):
            assert fact["weight_gradient_squares"] == pytest.approx(((A.T @ delta) ** 2).sum(), rel=1e-12)

    def test_one_key_is_one_signal(self) -> None:
        assert self.facts() == self.facts()

    def test_another_key_changes_what_comes_back_alone(self) -> None:
        here, there = self.facts()[0], self.facts(KEY + 1)[0]
        assert here["a_square"] == there["a_square"]
        assert here["delta_square"] != there["delta_square"]

    def test_a_signal_that_dies_has_a_logarithm_of_minus_infinity(self) -> None:
        facts = propagate(self.SPEC, np.zeros(self.SPEC.n_parameters), self.X, KEY)
        assert [fact["a_log"] for fact in facts[:2]] == [-math.inf, -math.inf]
        assert [fact["delta_log"] for fact in facts[:2]] == [-math.inf, -math.inf]

    def test_float64_holds_what_float32_would_lose(self) -> None:
        deep = NetworkSpec((3, *[6] * 60, 4), "tanh", dtype="float64")
        facts = propagate(deep, initialize(deep, "normal:0.003", KEY), self.X, KEY)
        assert math.log(1e-300) < facts[59]["a_log"] < math.log(1e-200)
