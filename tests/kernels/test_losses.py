"""Losses and their deltas against the formulas, far out, and against finite differences."""

from __future__ import annotations

import math

import naive_losses
import numba
import numpy as np
import pytest
from cases import LOSSES as CASES
from cases import naive_loss

from nnsim.kernels.cpu.losses import loss_and_delta
from nnsim.kernels.formulas.losses import LOSSES
from nnsim.kernels.formulas.written_orders import LANES
from nnsim.networks.spec import NetworkSpec

KINDS = [np.float32, np.float64]
INF = math.inf

all_kinds = pytest.mark.parametrize("kind", KINDS)
all_losses = pytest.mark.parametrize("loss", LOSSES)


@numba.njit(error_model="numpy")
def run(net, Z, targets, delta, scratch, lanes):
    return loss_and_delta(net, Z, targets, delta, scratch, lanes)


def evaluate(loss, Z, targets, **options):
    """Return the loss and delta of a kernel."""
    delta = np.full_like(Z, np.nan)
    rows, outputs = Z.shape
    net = architecture(loss, outputs, Z.dtype.name, **options)
    value, _ = run(net, Z, targets, delta, np.empty((outputs + 2) * rows, Z.dtype), np.empty(LANES))
    return value, delta


def architecture(loss, outputs, dtype, **options):
    """Return what the kernels know of a network with this loss; cross-entropy of one output is for them, too."""
    spec = NetworkSpec((1, max(outputs, 2)), loss=loss, dtype=dtype, **options)
    known, weights = spec.architecture, spec.architecture.loss_weights
    return known._replace(loss_weights=weights[:outputs].copy())


def case(loss, kind, rows=11, outputs=5, spread=3.0, seed=1):
    """Return logits and targets."""
    rng = np.random.default_rng(seed)
    Z = (spread * rng.standard_normal((rows, outputs))).astype(kind)
    if loss == "cross_entropy":
        return Z, rng.integers(0, outputs, (rows, 1)).astype(kind)
    return Z, (rng.integers(0, 2, Z.shape) if loss == "bce" else rng.standard_normal(Z.shape)).astype(kind)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (32, 10), (5, 100)], ids=str)
@pytest.mark.parametrize("spread", [1e-3, 1.0, 30.0])
@all_kinds
@all_losses
def test_equals_the_naive_loss(loss, kind, spread, shape):
    Z, Y = case(loss, kind, *shape, spread)
    expected = naive_losses.LOSSES[loss](Z.astype(float).tolist(), Y.astype(float).tolist())
    value, delta = evaluate(loss, Z, Y)
    eps = float(np.finfo(kind).eps)
    assert value == pytest.approx(expected.value, rel=10 * eps, abs=10 * eps)
    # a difference of numbers up to 1, or up to |z| for errors
    scale = max(1.0, float(abs(Z).max())) / (Z.size if loss != "cross_entropy" else shape[0])
    np.testing.assert_allclose(delta, expected.delta, rtol=10 * eps, atol=4 * eps * scale)


@pytest.mark.parametrize("y", [0.0, 0.25, 1.0])
@all_kinds
def test_binary_targets_may_be_probabilities(kind, y):
    Z, Y = np.array([[-2.0, 0.0, 3.0]], kind), np.full((1, 3), y, kind)
    expected = naive_losses.bce(Z.astype(float).tolist(), Y.astype(float).tolist())
    value, delta = evaluate("bce", Z, Y)
    assert value == pytest.approx(expected.value, rel=10 * float(np.finfo(kind).eps))
    np.testing.assert_allclose(delta, expected.delta, atol=4 * float(np.finfo(kind).eps))


# --- known values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3, 10, 1000])
@all_kinds
def test_cross_entropy_of_equal_logits_is_the_log_of_the_classes(kind, classes):
    value, delta = evaluate("cross_entropy", np.zeros((4, classes), kind), np.zeros((4, 1), kind))
    assert value == pytest.approx(math.log(classes), rel=2 * float(np.finfo(kind).eps))
    np.testing.assert_allclose(delta[:, 1:], 1 / (4 * classes), rtol=4 * float(np.finfo(kind).eps))


@all_kinds
def test_binary_cross_entropy_of_zero_logits_is_the_log_of_two(kind):
    value, delta = evaluate("bce", np.zeros((3, 2), kind), np.array([[0, 1], [1, 1], [0, 0]], kind))
    assert value == pytest.approx(math.log(2), rel=2 * float(np.finfo(kind).eps))
    np.testing.assert_allclose(abs(delta), 1 / 12, rtol=2 * float(np.finfo(kind).eps))


@all_kinds
def test_squared_error_of_the_targets_is_zero(kind):
    Z, _ = case("mse", kind)
    value, delta = evaluate("mse", Z, Z.copy())
    assert value == 0
    assert (delta == 0).all()


# --- far out -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1e3, 1e4])
@all_kinds
def test_cross_entropy_of_a_confident_error_is_the_gap(kind, size):
    Z, labels = np.array([[size, -size, 0.0]], kind), np.array([[1.0]], kind)
    value, delta = evaluate("cross_entropy", Z, labels)
    assert value == 2 * size
    np.testing.assert_array_equal(delta, [[1, -1, 0]])


@pytest.mark.parametrize("size", [1e3, 1e4])
@all_kinds
def test_cross_entropy_of_a_confident_hit_is_zero(kind, size):
    value, delta = evaluate("cross_entropy", np.array([[-size, size, 0.0]], kind), np.array([[1.0]], kind))
    assert value == 0
    np.testing.assert_array_equal(delta, np.zeros((1, 3)))


@all_kinds
def test_cross_entropy_does_not_depend_on_a_common_shift(kind):
    Z, labels = case("cross_entropy", kind, spread=1.0)
    Z = np.round(Z * 64) / 64
    for shift in (-4096, 4096):
        shifted, shifted_delta = evaluate("cross_entropy", Z + kind(shift), labels)
        value, delta = evaluate("cross_entropy", Z, labels)
        assert shifted == value
        np.testing.assert_array_equal(shifted_delta, delta)


BINARY = [  # z, y, loss, slope
    (1e4, 0.0, 1e4, 1.0),
    (1e4, 1.0, 0.0, 0.0),
    (-1e4, 0.0, 0.0, 0.0),
    (-1e4, 1.0, 1e4, -1.0),
]


@all_kinds
@pytest.mark.parametrize(("z", "y", "value", "slope"), BINARY)
def test_binary_cross_entropy_far_out(z, y, value, slope, kind):
    loss, delta = evaluate("bce", np.array([[z]], kind), np.array([[y]], kind))
    assert loss == value
    assert delta[0, 0] == slope


@all_kinds
def test_binary_cross_entropy_of_a_likely_hit_is_small_but_not_zero(kind):
    value, _ = evaluate("bce", np.array([[40.0]], kind), np.array([[1.0]], kind))
    assert value == pytest.approx(math.exp(-40), rel=4 * float(np.finfo(kind).eps))


@all_kinds
def test_squared_error_far_out(kind):
    value, delta = evaluate("mse", np.array([[1e4, -1e4]], kind), np.zeros((1, 2), kind))
    assert value == 1e8
    np.testing.assert_array_equal(delta, [[1e4, -1e4]])


@pytest.mark.parametrize("bad", [np.nan, INF])
@pytest.mark.parametrize("place", [0, 1, 4])
@all_kinds
@all_losses
def test_a_logit_that_is_not_finite_makes_the_loss_so(loss, kind, place, bad):
    Z, Y = case(loss, kind, rows=3)
    Y[1] = 0
    Z[1, place] = bad
    assert not np.isfinite(evaluate(loss, Z, Y)[0])


@pytest.mark.parametrize("spread", [1e-3, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("rows", [1, 9, 32])
@pytest.mark.parametrize("name", CASES)
@all_kinds
def test_options_of_a_loss_equal_the_naive_ones(kind, name, rows, spread):
    """Smoothed labels, weights of classes and of positive targets, Huber's delta; far out the loss is the gap."""
    options = {"loss": "cross_entropy", **CASES[name]}
    Z, Y = case(options["loss"], kind, rows, 3, spread)
    expected = naive_loss(NetworkSpec((1, 3), **options))(Z.astype(float).tolist(), Y.astype(float).tolist())
    value, delta = evaluate(**options, Z=Z, targets=Y)
    eps = float(np.finfo(kind).eps)
    # options in single precision are rounded, too
    assert value == pytest.approx(expected.value, rel=20 * eps, abs=20 * eps)
    largest = max(1.0, float(abs(Z).max())) if options["loss"] == "mse" else 3.0
    np.testing.assert_allclose(delta, expected.delta, rtol=20 * eps, atol=10 * eps * largest / rows)


@all_kinds
@pytest.mark.parametrize("name", CASES)
def test_a_batch_weighs_its_rows_or_their_classes_weights(name, kind):
    options = {"loss": "cross_entropy", **CASES[name]}
    Z, Y = case(options["loss"], kind, 7, 3)
    net = architecture(outputs=3, dtype=np.dtype(kind).name, **options)
    _, weight = run(net, Z, Y, np.empty_like(Z), np.empty(5 * 7, kind), np.empty(LANES))
    weights = options.get("loss_weights") if options["loss"] == "cross_entropy" else None
    assert weight == (sum(weights[int(y)] for (y,) in Y) if weights else 7)


@all_kinds
@pytest.mark.parametrize("size", [1e3, 1e4])
def test_smoothed_labels_of_a_confident_answer_cost_their_share_of_the_gap(kind, size):
    value, delta = evaluate(
        "cross_entropy", np.array([[size, -size]], kind), np.array([[0.0]], kind), label_smoothing=0.25
    )
    assert value == 2 * size / 8
    np.testing.assert_array_equal(delta, [[0.125, -0.125]])


@all_kinds
@pytest.mark.parametrize(("z", "value", "slope"), [(1e4, 0.0, 0.0), (-1e4, 3e4, -3.0)])
def test_a_positive_weight_far_out(kind, z, value, slope):
    loss, delta = evaluate("bce", np.array([[z, z]], kind), np.array([[1.0, 1.0]], kind), loss_weights=(3.0, 3.0))
    assert loss == value
    np.testing.assert_array_equal(delta, [[slope / 2, slope / 2]])


@all_kinds
def test_a_positive_weight_spares_negative_targets(kind):
    Z, Y = np.array([[-3.0, 0.5]], kind), np.zeros((1, 2), kind)
    weighted, plain = evaluate("bce", Z, Y, loss_weights=(5.0, 9.0)), evaluate("bce", Z, Y)
    assert weighted[0] == plain[0]
    np.testing.assert_array_equal(weighted[1], plain[1])


@all_kinds
@pytest.mark.parametrize(("z", "slope"), [(1e4, 1.0), (-1e4, -1.0), (2.5, 0.0)])
def test_absolute_error_has_slopes_of_one_and_none_at_its_kink(kind, z, slope):
    value, delta = evaluate("mae", np.array([[z, z]], kind), np.full((1, 2), 2.5, kind))
    assert value == abs(z - 2.5)
    np.testing.assert_array_equal(delta, [[slope / 2, slope / 2]])


HUBER = [(0.25, 0.03125, 0.25), (0.5, 0.125, 0.5), (-2.0, 0.875, -0.5), (1e4, 4999.875, 0.5), (-1e4, 4999.875, -0.5)]


@all_kinds
@pytest.mark.parametrize(("z", "value", "slope"), HUBER)
def test_huber_is_square_near_and_linear_beyond(kind, z, value, slope):
    found, delta = evaluate("huber", np.array([[z, z]], kind), np.zeros((1, 2), kind), huber_delta=0.5)
    assert found == kind(value)
    np.testing.assert_array_equal(delta, [[slope / 2, slope / 2]])


# --- structure -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_delta_is_the_gradient_of_the_loss(name):
    """No difference of this seed is so near to a kink, at 0 or Huber's delta, that a step crosses it."""
    options = {"loss": "cross_entropy", **CASES[name]}
    Z, Y = case(options["loss"], np.float64, rows=4, outputs=3)
    _, delta = evaluate(**options, Z=Z, targets=Y)
    h = 1e-3
    for place in np.ndindex(Z.shape):
        values = []
        for step in (-2, -1, 1, 2):
            moved = Z.copy()
            moved[place] += step * h
            values.append(evaluate(**options, Z=moved, targets=Y)[0])
        difference = (8 * (values[2] - values[1]) - (values[3] - values[0])) / (12 * h)
        assert delta[place] == pytest.approx(difference, abs=1e-11)


@all_kinds
@all_losses
def test_loss_is_the_mean_over_rows(loss, kind):
    Z, Y = case(loss, kind, rows=8)
    value, delta = evaluate(loss, Z, Y)
    rows = [evaluate(loss, Z[i : i + 1], Y[i : i + 1]) for i in range(8)]
    assert value == pytest.approx(np.mean([row for row, _ in rows]), rel=4 * float(np.finfo(kind).eps))
    expected = np.concatenate([row for _, row in rows]) / 8
    np.testing.assert_allclose(delta, expected, rtol=0, atol=4 * float(np.finfo(kind).eps))


@all_kinds
def test_delta_of_cross_entropy_sums_to_zero_in_every_row(kind):
    Z, labels = case("cross_entropy", kind, rows=20, outputs=10)
    _, delta = evaluate("cross_entropy", Z, labels)
    np.testing.assert_allclose(delta.sum(axis=1), 0, atol=float(np.finfo(kind).eps))


@all_kinds
def test_losses_of_many_rows_are_added_in_double_precision(kind):
    rows = 300_000
    value, _ = evaluate("mse", np.ones((rows, 1), kind), np.zeros((rows, 1), kind))
    assert value == 1
    value, _ = evaluate("cross_entropy", np.zeros((rows, 2), kind), np.zeros((rows, 1), kind))
    assert value == pytest.approx(float(kind(math.log(2))), rel=1e-10)
