"""Constant networks of one input: the exact decision against dense samples, hand-made networks, and Lu's laws."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from scipy.stats import norm

from nnsim.core.errors import UsageError
from nnsim.networks.activations import evaluate
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.expressivity.born_dead import is_constant
from nnsim.theory.signals.dead_units import born_dead_bound, dead_at_input, dead_at_input_bound


def network(depth: int, width: int, activation: str = "relu") -> NetworkSpec:
    return NetworkSpec((1, *[width] * depth, 1), activation, loss="mse", dtype="float64")


def looks_constant(spec: NetworkSpec, theta: np.ndarray) -> bool:
    """Tell whether a network has one value at 4001 points."""
    H = np.linspace(-1, 1, 4001)[:, None]
    for W, b in spec.layers(theta)[:-1]:
        H = evaluate(spec.activation, (H[:, :, None] * W).sum(axis=1) + b, spec.parameter)[0]
    return bool(np.ptp(H, axis=0).max() == 0)


@pytest.mark.parametrize("activation", ["relu", "hard_tanh", "leaky_relu"])
@pytest.mark.parametrize("scheme", ["he_normal", "torch_default", "mean_field:4:1"])
def test_the_decision_is_that_of_a_dense_sample(scheme: str, activation: str) -> None:
    spec = network(4, 2, activation)
    starts = [initialize(spec, scheme, key) for key in range(60)]
    assert [is_constant(spec, theta) for theta in starts] == [looks_constant(spec, theta) for theta in starts]


def test_a_bump_that_samples_miss_is_found() -> None:
    spec = network(2, 3)
    theta = np.zeros(spec.n_parameters)
    (W1, b1), (W2, b2), _ = spec.layers(theta)
    W1[:], b1[:] = 1.0, -0.30013 + 1e-6 * np.array([1, 0, -1])  # a tent, 2e-6 wide and 1e-6 high
    W2[:, 0], b2[0] = [1.0, -2.0, 1.0], -1e-7
    assert looks_constant(spec, theta)
    assert not is_constant(spec, theta)


def test_a_kink_outside_the_interval_does_not_count() -> None:
    spec = network(1, 1)
    theta = np.array([1.0, -2.0, 1.0, 0.0])
    assert is_constant(spec, theta)
    assert not is_constant(spec, theta, high=3.0)


def test_a_layer_of_constants_with_biases_is_constant() -> None:
    spec = network(2, 2)
    theta = np.zeros(spec.n_parameters)
    spec.layers(theta)[0][0][:] = 0.7
    spec.layers(theta)[1][1][:] = 0.3
    assert is_constant(spec, theta)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (NetworkSpec((2, 2, 2)), "1 input"),
        (network(1, 2, "sin"), "'sin' is not piecewise linear"),
        (NetworkSpec((1, 2, 2), normalization="batch"), "plain layers"),
    ],
    ids=["inputs", "activation", "normalisation"],
)
def test_other_networks_are_refused(spec: NetworkSpec, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        is_constant(spec, np.zeros(spec.n_parameters))


# --- theory --------------------------------------------------------------------------------------------------------


def born_dead_at_two_layers(width: int) -> Fraction:
    """Exact by counting signs: k first units are alive right of zero, the others left of it."""
    total = Fraction(0)
    for signs in product((0, 1), repeat=width):
        right = sum(signs)
        left = width - right
        if 0 in (left, right):
            off = Fraction(1, 2)
        else:  # z is a sum of independent symmetric parts, of one sign on each side: off on both
            off = Fraction(1, 4)
        total += off**width
    return total / 2**width


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_the_bound_is_exact_for_two_layers(width: int) -> None:
    assert born_dead_bound(width, 2) == pytest.approx(float(born_dead_at_two_layers(width)), rel=1e-14)


def test_check_value() -> None:
    assert born_dead_bound(2, 2) == 0.15625


@pytest.mark.parametrize(("width", "depth"), [(2, 1), (2, 5), (3, 8), (5, 40)])
def test_the_bounds_are_in_order(width: int, depth: int) -> None:
    assert 0 <= born_dead_bound(width, depth) <= dead_at_input([width] * depth) < 1


def test_silence_at_one_input_of_unequal_widths() -> None:
    assert dead_at_input([1, 2, 3]) == pytest.approx(1 - 1 / 2 * 3 / 4 * 7 / 8)


def test_without_a_shift_the_bound_is_the_law() -> None:
    assert dead_at_input_bound(3, 4, 0.0) == pytest.approx(dead_at_input([3] * 4))


def test_the_bound_with_a_shift() -> None:
    assert dead_at_input_bound(2, 6, 0.5) == pytest.approx(1 - (1 - norm.cdf(-0.5) ** 2) ** 6)


@pytest.mark.parametrize("call", [lambda: dead_at_input([0]), lambda: born_dead_bound(2, 0),
                                  lambda: dead_at_input_bound(2, 2, -1.0)])  # fmt: skip
def test_numbers_out_of_range(call) -> None:
    with pytest.raises(UsageError, match=r"a (whole )?number that is at least"):
        call()
