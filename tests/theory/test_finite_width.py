"""Finite-width predictions: against samples of random networks, exact laws, and the limit of infinite width."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from nnsim.core.seeding import key
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.propagation import propagate, unit_rows
from nnsim.theory.signals import finite_width
from nnsim.theory.signals.finite_width import Propagation, predict
from nnsim.theory.signals.mean_field import gradient_trajectory, variance_trajectory
from nnsim.theory.signals.relu_laws import relu_log_backward_law, relu_log_forward_law

DEPTH, WIDTH, NETS = 10, 128, 400
SIGMAS = 4.5  # of the sample's standard error; ten layers of two directions of ten cases exceed it once in 700 keys
ARMS = [
    pytest.param("identity", 1.0, 0.0, id="identity"),
    pytest.param("identity", 0.8, 0.3, id="identity-biases"),
    pytest.param("relu", 2.0, 0.0, id="relu"),
    pytest.param("relu", 1.5, 0.2, id="relu-biases"),
    pytest.param("tanh", 1.0, 0.0, id="tanh"),
    pytest.param("tanh", 2.0, 0.1, id="tanh-biases"),
    pytest.param("gelu", 2.1, 0.0, id="gelu"),
    pytest.param("gelu", 1.5, 0.1, id="gelu-biases"),
    pytest.param("sigmoid", 1.0, 0.0, id="sigmoid"),
    pytest.param("sigmoid", 4.0, 0.2, id="sigmoid-biases"),
]


@cache
def sample(
    name: str, sw2: float, sb2: float, width: int = WIDTH, nets: int = NETS, depth: int = DEPTH
) -> tuple[np.ndarray, np.ndarray]:
    """Return ln a^2 (networks, layers), and ln delta^2 relative to the last layer, which is left out; for one input."""
    spec = NetworkSpec((width, *[width] * depth, width), name, dtype="float64")
    scheme = f"mean_field:{math.sqrt(sw2)!r}:{math.sqrt(sb2)!r}"
    X = unit_rows(np.ones((1, width)))
    logs = np.empty((2, nets, depth))
    for net in range(nets):
        theta = initialize(spec, scheme, key(0, "weights", name, net))
        facts = propagate(spec, theta, X, key(0, "signal", name, net))[:depth]
        logs[:, net] = [[fact[column] for fact in facts] for column in ("a_log", "delta_log")]
    return logs[0], logs[1, :, :-1] - logs[1, :, -1:]


def deviations(values: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return how many standard errors the mean of each column is away from what is expected."""
    return np.abs(values.mean(axis=0) - expected) / (values.std(axis=0, ddof=1) / math.sqrt(len(values)))


def squares(values: np.ndarray) -> np.ndarray:
    """Return what has the variance of each column as its mean."""
    return (values - values.mean(axis=0)) ** 2 * (len(values) / (len(values) - 1))


class TestSample:
    @pytest.mark.parametrize(("name", "sw2", "sb2"), ARMS)
    def test_activations(self, name: str, sw2: float, sb2: float) -> None:
        forward, _ = sample(name, sw2, sb2)
        assert deviations(forward, predict(name, sw2, sb2, DEPTH, WIDTH).forward).max() < SIGMAS

    @pytest.mark.parametrize(("name", "sw2", "sb2"), ARMS)
    def test_errors(self, name: str, sw2: float, sb2: float) -> None:
        _, backward = sample(name, sw2, sb2)
        assert deviations(backward, predict(name, sw2, sb2, DEPTH, WIDTH).backward[:-1]).max() < SIGMAS

    @pytest.mark.parametrize(("name", "sw2", "sb2"), ARMS)
    def test_variance_of_activations(self, name: str, sw2: float, sb2: float) -> None:
        forward, _ = sample(name, sw2, sb2)
        assert deviations(squares(forward), predict(name, sw2, sb2, DEPTH, WIDTH).forward_variance).max() < SIGMAS

    @pytest.mark.parametrize(("name", "sw2"), [("relu", 2.0), ("gelu", 2.1)])
    def test_the_limit_of_infinite_width_would_be_told_apart(self, name: str, sw2: float) -> None:
        forward, backward = sample(name, sw2, 0.0)
        limit = predict(name, sw2, 0.0, DEPTH, 10**12)
        assert deviations(forward, limit.forward).max() > SIGMAS
        assert deviations(backward, limit.backward[:-1]).max() > SIGMAS

    @pytest.mark.parametrize(("name", "sw2", "sb2"), [("tanh", 1.0, 0.0), ("sigmoid", 4.0, 0.2), ("elu", 1.5, 0.1)])
    def test_errors_of_narrow_networks(self, name: str, sw2: float, sb2: float) -> None:
        """Without the alignment of W with the forward signal the way back would be nine standard errors off."""
        _, backward = sample(name, sw2, sb2, 32, 4000)
        assert deviations(backward, predict(name, sw2, sb2, DEPTH, 32).backward[:-1]).max() < SIGMAS


class TestLargeFluctuations:
    """Twenty layers of GELU with He's variance: ln a^2 has a standard deviation of 3, and its map is curved."""

    LAYERS = 20

    @pytest.fixture
    def expected(self) -> Propagation:
        return predict("gelu", 2.0, 0.0, self.LAYERS, WIDTH)

    @pytest.fixture
    def networks(self) -> tuple[np.ndarray, np.ndarray]:
        return sample("gelu", 2.0, 0.0, depth=self.LAYERS)

    def test_activations(self, networks: tuple[np.ndarray, np.ndarray], expected: Propagation) -> None:
        assert deviations(networks[0], expected.forward).max() < SIGMAS

    def test_variance_of_activations(self, networks: tuple[np.ndarray, np.ndarray], expected: Propagation) -> None:
        assert deviations(squares(networks[0]), expected.forward_variance).max() < SIGMAS

    def test_errors(self, networks: tuple[np.ndarray, np.ndarray], expected: Propagation) -> None:
        assert deviations(networks[1], expected.backward[:-1]).max() < SIGMAS

    def test_an_expansion_about_the_path_of_infinite_width_would_be_told_apart(
        self, networks: tuple[np.ndarray, np.ndarray]
    ) -> None:
        """To first order in 1 / width: a variance of 14.8 in the last layer, and -0.0995 per layer on the way back."""
        assert deviations(squares(networks[0]), np.full(self.LAYERS, 14.8))[-1] > SIGMAS
        assert deviations(networks[1], np.full(self.LAYERS - 1, -0.0995 * (self.LAYERS - 1)))[0] > SIGMAS

    def test_more_trajectories_change_little(self, expected: Propagation, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(finite_width, "TRAJECTORIES", 10946)
        monkeypatch.setattr(finite_width, "STRIDE", 6765)
        many = predict("gelu", 2.0, 0.0, self.LAYERS, WIDTH)
        np.testing.assert_allclose(expected.forward, many.forward, atol=0.005)
        np.testing.assert_allclose(expected.backward, many.backward, atol=0.005)
        np.testing.assert_allclose(expected.forward_variance, many.forward_variance, rtol=0.005)
        assert expected.forward[-1] != many.forward[-1]


class TestLattice:
    """Moments between the points of the lattice in ln q."""

    @pytest.mark.parametrize("moments", [finite_width._log_moments, finite_width._joint_moments])
    @pytest.mark.parametrize("name", ["tanh", "gelu", "silu", "hard_tanh", "sin", "elu"])
    def test_they_are_as_if_computed_there(self, name: str, moments: Callable[..., tuple[float, ...]]) -> None:
        points = np.array([-6.013, -1.97, -0.4501, 0.0, 0.55, 1.027, 3.07, 5.53])
        direct = np.transpose([moments(name, point, None) for point in points.tolist()])
        found = finite_width._interpolated(moments, name, points, None)
        np.testing.assert_allclose(found, direct, rtol=1e-7, atol=1e-7)

    def test_beyond_floats_there_are_none(self) -> None:
        points = np.array([0.3, math.nan, 341.0, -341.0])
        found = finite_width._interpolated(finite_width._log_moments, "tanh", points, None)
        np.testing.assert_array_equal(np.isnan(found).all(axis=0), [False, True, True, True])


class TestExactLaws:
    """A He network of equal widths n: the exact laws, from which predictions differ by O(1 / n^2)."""

    def errors(self, width: int) -> tuple[float, float, float]:
        expected, widths = predict("relu", 2.0, 0.0, DEPTH, width), [width] * DEPTH
        forward, backward = relu_log_forward_law([width, *widths]), relu_log_backward_law(widths)
        return (
            expected.forward[-1] - forward.mean,
            expected.backward[0] - backward.mean,
            expected.forward_variance[-1] - forward.variance,
        )

    @pytest.mark.parametrize("part", [0, 1, 2], ids=["forward", "backward", "variance"])
    def test_the_difference_falls_with_the_square_of_the_width(self, part: int) -> None:
        at_100, at_200, at_400 = (self.errors(width)[part] for width in (100, 200, 400))
        assert at_100 != 0
        assert at_200 / at_100 == pytest.approx(1 / 4, rel=0.05)
        assert at_400 / at_200 == pytest.approx(1 / 4, rel=0.05)

    def test_he_networks_have_minus_five_halves_beta_and_five_beta(self) -> None:
        expected, beta = predict("relu", 2.0, 0.0, DEPTH, WIDTH), DEPTH / WIDTH
        assert expected.forward[-1] == pytest.approx(-2.5 * beta, rel=1e-9)
        assert expected.forward_variance[-1] == pytest.approx(5 * beta, rel=1e-9)


class TestLimit:
    @pytest.mark.parametrize(("name", "sw2", "sb2"), ARMS)
    def test_activations_follow_the_variance_recursion(self, name: str, sw2: float, sb2: float) -> None:
        following = variance_trajectory(name, sw2, sb2, sw2 + sb2, DEPTH)  # layers 2 ... DEPTH + 1
        limit = predict(name, sw2, sb2, DEPTH, 10**15)
        np.testing.assert_allclose(limit.forward, np.log((following - sb2) / sw2), rtol=1e-9, atol=1e-11)

    @pytest.mark.parametrize(("name", "sw2", "sb2"), ARMS)
    def test_errors_follow_chi(self, name: str, sw2: float, sb2: float) -> None:
        ratios = gradient_trajectory(name, sw2, sb2, sw2 + sb2, DEPTH - 1)
        limit = predict(name, sw2, sb2, DEPTH, 10**15)
        np.testing.assert_allclose(limit.backward, np.append(np.log(ratios), 0.0), rtol=1e-9, atol=1e-11)

    def test_all_networks_are_equal(self) -> None:
        np.testing.assert_allclose(predict("tanh", 2.0, 0.1, DEPTH, 10**15).forward_variance, 0.0, atol=1e-13)


class TestCorrection:
    def test_it_is_proportional_to_one_over_a_large_width(self) -> None:
        limit, narrow, wide = (predict("gelu", 1.5, 0.1, DEPTH, width) for width in (10**15, 10**7, 2 * 10**7))
        np.testing.assert_allclose(narrow.forward - limit.forward, 2 * (wide.forward - limit.forward), rtol=1e-3)
        np.testing.assert_allclose(
            narrow.backward - limit.backward, 2 * (wide.backward - limit.backward), rtol=1e-3, atol=1e-10
        )

    def test_larger_inputs_shift_a_homogeneous_network_alone(self) -> None:
        plain, larger = (predict("relu", 2.0, 0.0, DEPTH, WIDTH, input_square=square) for square in (1.0, 7.0))
        np.testing.assert_allclose(larger.forward - plain.forward, math.log(7.0), rtol=1e-9)
        np.testing.assert_allclose(larger.backward, plain.backward, atol=1e-9)

    def test_the_parameter_is_used(self) -> None:
        slope = 0.3
        he = predict("leaky_relu", 2 / (1 + slope**2), 0.0, DEPTH, 10**15, slope)
        np.testing.assert_allclose(he.forward, 0.0, atol=1e-9)

    def test_one_layer_has_no_way_back(self) -> None:
        assert predict("tanh", 1.0, 0.0, 1, WIDTH).backward.tolist() == [0.0]


class TestBeyondFloats:
    """What cannot be computed is NaN, and the layers before it are as they were."""

    @pytest.mark.parametrize(("sw2", "sb2"), [(1e4, 0.0), (1e-9, 0.0)], ids=["exploding", "vanishing"])
    def test_hundreds_of_layers(self, sw2: float, sb2: float) -> None:
        expected = predict("relu", sw2, sb2, 300, WIDTH)
        short = predict("relu", sw2, sb2, 5, WIDTH)
        np.testing.assert_array_equal(expected.forward[:5], short.forward)
        assert math.isnan(expected.forward[-1])
        assert math.isnan(expected.backward[0])

    def nothing(self, expected: Propagation) -> bool:
        return bool(np.isnan(expected.forward).all())

    def test_no_weights(self) -> None:
        assert self.nothing(predict("relu", 0.0, 0.0, DEPTH, WIDTH))

    @pytest.mark.parametrize("slope", [1e100, 1e200])
    def test_a_slope_that_has_no_square(self, slope: float) -> None:
        assert math.isnan(predict("leaky_relu", 1.0, 0.0, DEPTH, WIDTH, slope).forward[-1])
