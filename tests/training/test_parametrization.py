"""muP: what it scales, that it is the standard parametrization at the base width, and the coordinate check by loops."""

from __future__ import annotations

import numpy as np
import pytest

from nnsim.core.errors import UsageError
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.training.mup import mup_layer_rates, mup_start, preactivation_changes

SPEC = NetworkSpec((5, 8, 8, 3), "tanh", dtype="float64")


@pytest.fixture
def theta() -> np.ndarray:
    return initialize(SPEC, "lecun_normal", 1)


def test_rates_fall_with_the_fan_in_but_for_the_first_layer() -> None:
    assert mup_layer_rates(SPEC, 2) == (1.0, 0.25, 0.25)


def test_the_readout_alone_is_scaled(theta: np.ndarray) -> None:
    before, after = SPEC.layers(theta), SPEC.layers(mup_start(SPEC, theta, 2))
    for layer in range(2):
        assert np.array_equal(before[layer][0], after[layer][0])
    assert after[2][0] == pytest.approx(before[2][0] / 2)


def test_the_base_width_changes_nothing(theta: np.ndarray) -> None:
    assert mup_layer_rates(SPEC, 8) == (1.0, 1.0, 1.0)
    assert np.array_equal(mup_start(SPEC, theta, 8), theta)


def test_the_start_that_is_given_stays(theta: np.ndarray) -> None:
    kept = theta.copy()
    mup_start(SPEC, theta, 2)
    assert np.array_equal(theta, kept)


def test_the_variance_of_the_readout_falls_as_the_square_of_the_width() -> None:
    squares = []
    for width in (64, 256):
        spec = NetworkSpec((4, width, 64), dtype="float64")
        start = mup_start(spec, initialize(spec, "lecun_normal", 3), 64)
        squares.append(np.mean(spec.layers(start)[-1][0] ** 2))
    assert squares[0] / squares[1] == pytest.approx(16, rel=0.1)


def test_changes_of_pre_activations_by_numpy(theta: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    after, X = theta + 0.1 * rng.standard_normal(theta.size), rng.standard_normal((6, 5))

    def z(parameters: np.ndarray) -> list[np.ndarray]:
        h, found = X, []
        for W, b in SPEC.layers(parameters):
            found.append(h @ W + b)
            h = np.tanh(found[-1])
        return found

    expected = [np.sqrt(np.mean((a - b) ** 2)) for a, b in zip(z(after), z(theta), strict=True)]
    assert preactivation_changes(SPEC, theta, after, X) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("options", [{"normalization": "layer"}, {"residual": True}])
def test_a_network_that_is_not_plain_is_refused(options: dict) -> None:
    spec = NetworkSpec(SPEC.widths, dtype="float64", **options)
    theta = np.zeros(spec.n_parameters)
    with pytest.raises(UsageError, match="plain networks"):
        preactivation_changes(spec, theta, theta, np.zeros((1, 5)))


def test_a_base_width_of_zero_is_refused(theta: np.ndarray) -> None:
    with pytest.raises(UsageError, match="at least 1, got 0"):
        mup_layer_rates(SPEC, 0)
    with pytest.raises(UsageError, match="base width of at least 1"):
        mup_start(SPEC, theta, 0)
