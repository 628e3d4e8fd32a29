"""What is seen in a network: against loops, against networks built for the purpose, and against mean-field theory."""

from __future__ import annotations

import math

import naive
import naive_probes
import numpy as np
import pytest
from naive_activations import TEXTBOOK

from nnsim.core.seeding import key
from nnsim.networks.initializers import initialize, preserving_gain
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.layers import COLUMNS, probe
from nnsim.theory.signals import mean_field
from nnsim.training.probe_request import largest_slope

WIDTHS = (5, 7, 4, 6, 3)
ROWS = 9
LOGS = {"a_log", "delta_log"}
SHARES = {"saturated", "dead"}


def case(activation, loss="cross_entropy", dtype="float64"):
    """Return a network, some of whose units saturate, and a batch for it.

    Logits stay small: the slope p - 1 of a confident softmax has no digits to compare.
    """
    spec = NetworkSpec(WIDTHS, activation, loss=loss, dtype=dtype)
    rng = np.random.default_rng(3)
    theta = rng.standard_normal(spec.n_parameters)
    theta[spec.n_parameters - (WIDTHS[-2] + 1) * WIDTHS[-1] :] *= 0.1
    X = rng.standard_normal((ROWS, WIDTHS[0]))
    labels = rng.integers(0, WIDTHS[-1], (ROWS, 1)).astype(float)
    Y = {"cross_entropy": labels, "bce": rng.integers(0, 2, (ROWS, WIDTHS[-1])).astype(float)}
    return spec, theta, X, Y.get(loss, rng.standard_normal((ROWS, WIDTHS[-1])))


def loops(spec, theta, X, Y, signal=None):
    book = TEXTBOOK[spec.activation]
    layers = naive.unflatten(theta.tolist(), spec.widths)
    sent = None if signal is None else signal.tolist()
    return naive_probes.probe(layers, book.f, book.df, spec.loss, X.tolist(), Y.tolist(), sent)


def assert_same(found, expected, rel=1e-12):
    assert len(found) == len(expected)
    for layer, (row, truth) in enumerate(zip(found, expected, strict=True)):
        for column in COLUMNS:
            assert row[column] == pytest.approx(truth[column], rel=rel, abs=rel if "mean" in column else 0), (
                f"{column} of layer {layer}"
            )


class TestAgainstLoops:
    @pytest.mark.parametrize("activation", TEXTBOOK)
    def test_every_column_with_the_gradient_of_the_loss(self, activation):
        arguments = case(activation)
        assert_same(probe(*arguments), loops(*arguments))

    @pytest.mark.parametrize("activation", TEXTBOOK)
    def test_every_column_with_an_injected_signal(self, activation):
        arguments = case(activation)
        signal = np.random.default_rng(4).standard_normal((ROWS, WIDTHS[-1]))
        assert_same(probe(*arguments, signal), loops(*arguments, signal))

    @pytest.mark.parametrize("loss", ["bce", "mse", "mae", "huber"])
    def test_every_column_with_another_loss(self, loss):
        arguments = case("tanh", loss)
        assert_same(probe(*arguments), loops(*arguments))

    def test_single_precision_is_close(self):
        spec, theta, X, Y = case("tanh", dtype="float32")
        theta, X = theta.astype(np.float32), X.astype(np.float32)
        assert_same(probe(spec, theta, X, Y), loops(spec, theta, X, Y), rel=1e-4)


class TestLargestSlope:
    @pytest.mark.parametrize(
        ("activation", "slope"),
        [("identity", 1), ("sigmoid", 0.25), ("tanh", 1), ("relu", 1), ("erf", 2 / math.sqrt(math.pi)), ("step", 0)],
    )
    def test_it_is_the_known_maximum(self, activation, slope):
        assert largest_slope(activation, None) == pytest.approx(slope, rel=1e-14)

    def test_a_slope_below_zero_counts_by_its_size(self):
        assert largest_slope("leaky_relu", -3.0) == 3


def facts(activation, biases, inputs=((0.0,),), weight=1.0, outputs=1.0):
    """Probe one hidden layer of a unit per bias, all of which see `weight` times the one input."""
    spec = NetworkSpec((1, len(biases), 1), activation, loss="mse", dtype="float64")
    theta = np.zeros(spec.n_parameters)
    (W, b), (V, _) = spec.layers(theta)
    W[:], b[:], V[:] = weight, biases, outputs
    return probe(spec, theta, np.array(inputs), np.ones((len(inputs), 1)))


class TestConstructedNetworks:
    @pytest.mark.parametrize(
        ("biases", "share"),
        [((1, 2), 0), ((-1, 2), 0.5), ((-1, -2, -3, 1), 0.75), ((-1, -2), 1), ((0, 1), 0.5)],
        ids=str,
    )
    def test_a_relu_unit_that_is_never_positive_is_dead(self, biases, share):
        assert facts("relu", biases)[0]["dead"] == share

    def test_a_unit_that_is_alive_on_one_row_is_not_dead(self):
        hidden = facts("relu", (-1, -3), inputs=((0.0,), (1.0,), (2.0,), (-5.0,)))[0]
        assert (hidden["dead"], hidden["saturated"]) == (0.5, 7 / 8)

    def test_a_leaky_unit_never_dies(self):
        assert facts("leaky_relu", (-1, -2))[0]["dead"] == 0

    def test_saturated_entries_are_counted_over_rows_and_units(self):
        hidden = facts("tanh", (0, 10), inputs=((0.0,), (5.0,), (-5.0,), (0.1,)))[0]
        assert (hidden["saturated"], hidden["dead"]) == (6 / 8, 0)

    @pytest.mark.parametrize(("activation", "edge"), [("tanh", math.atanh(math.sqrt(0.95))), ("sigmoid", 4.356709)])
    def test_saturation_begins_at_a_twentieth_of_the_largest_slope(self, activation, edge):
        assert facts(activation, (edge - 1e-3, edge + 1e-3, -edge + 1e-3, -edge - 1e-3))[0]["saturated"] == 0.5

    def test_a_slope_that_has_rounded_to_zero_is_dead(self):
        assert facts("tanh", (100, 0))[0]["dead"] == 0.5

    @pytest.mark.parametrize("activation", ["relu", "tanh"])
    def test_the_output_layer_has_no_slope(self, activation):
        output = facts(activation, (-1, -2, 50))[1]
        assert (output["saturated"], output["dead"]) == (0, 0)

    def test_the_output_layer_is_its_own_activation(self):
        output = probe(*case("tanh"))[-1]
        assert (output["a_mean"], output["a_square"]) == (output["z_mean"], output["z_square"])

    def test_a_network_without_hidden_layers_is_its_output_layer(self):
        spec = NetworkSpec((2, 1), loss="mse", dtype="float64")
        (output,) = probe(spec, np.array([1.0, 2.0, 3.0]), np.array([[1.0, 1.0]]), np.array([[5.0]]))
        assert (output["z_mean"], output["delta_square"], output["weight_squares"]) == (6, 4, 5)


class TestZeroRows:
    def test_a_layer_of_zeros_has_the_logarithm_of_zero(self):
        hidden = facts("relu", (-1, -2))[0]
        assert (hidden["a_log"], hidden["delta_log"], hidden["a_square"]) == (-math.inf, -math.inf, 0)

    def test_one_row_of_zeros_is_enough(self):
        hidden = facts("relu", (0, 0), inputs=((1.0,), (-1.0,), (2.0,)))[0]
        assert (hidden["a_log"], hidden["delta_log"]) == (-math.inf, -math.inf)

    def test_a_signal_of_zeros_has_the_logarithm_of_zero_everywhere(self):
        spec, theta, X, Y = case("tanh")
        found = probe(spec, theta, X, Y, np.zeros((ROWS, WIDTHS[-1])))
        assert {row["delta_log"] for row in found} == {-math.inf}


class TestSideEffects:
    def test_arguments_are_left_as_they_were(self):
        spec, theta, X, Y = case("gelu")
        signal = np.ones((ROWS, WIDTHS[-1]))
        before = [array.copy() for array in (theta, X, Y, signal)]
        probe(spec, theta, X, Y, signal)
        for array, copy in zip((theta, X, Y, signal), before, strict=True):
            np.testing.assert_array_equal(array, copy)

    def test_a_signal_makes_targets_irrelevant(self):
        spec, theta, X, Y = case("gelu")
        signal = np.ones((ROWS, WIDTHS[-1]))
        assert probe(spec, theta, X, Y, signal) == probe(spec, theta, X, 0 * Y, signal)

    def test_memory_order_and_precision_of_the_batch_do_not_matter(self):
        spec, theta, X, Y = case("gelu")
        X = np.round(X * 8) / 8
        assert probe(spec, theta, np.asfortranarray(X, np.float32), Y) == probe(spec, theta, X, Y)


WIDTH, HIDDEN, NETS, BATCH = 512, 4, 100, 16
SCHEMES = {"relu": (2.0, 0.0), "tanh": (1.5**2, 0.3**2), "sigmoid": (4.0, 0.2**2), "gelu": (None, 0.1**2)}
MOMENTS = ("z_square", "a_square", "delta_square")


def weight_variance(activation):
    """sw^2 of the case; for gelu the one that preserves a variance of 1."""
    sw2, sb2 = SCHEMES[activation]
    return sw2 or preserving_gain(activation, None) ** 2, sb2


def predicted(activation):
    """Mean-field moments of every layer, output included, for inputs and a signal of mean square 1."""
    sw2, sb2 = weight_variance(activation)
    q = [sw2 + sb2, *mean_field.variance_trajectory(activation, sw2, sb2, sw2 + sb2, HIDDEN)]
    a = [*((following - sb2) / sw2 for following in q[1:]), q[-1]]
    delta = [*mean_field.gradient_trajectory(activation, sw2, sb2, sw2 + sb2, HIDDEN), 1.0]
    return dict(zip(MOMENTS, map(np.array, (q, a, delta)), strict=True))


def with_mean_square_one(A):
    return A / np.sqrt(np.mean(A**2))


def measured(activation):
    """Moments of NETS wide random networks: arrays (nets, layers)."""
    sw2, sb2 = weight_variance(activation)
    spec = NetworkSpec((WIDTH,) * (HIDDEN + 2), activation, loss="mse", dtype="float64")
    rng = np.random.default_rng(5)
    rows = []
    for net in range(NETS):
        X, signal = (with_mean_square_one(rng.standard_normal((BATCH, WIDTH))) for _ in range(2))
        theta = initialize(spec, f"mean_field:{math.sqrt(sw2)!r}:{math.sqrt(sb2)!r}", key(0, "theory", net))
        rows.append(probe(spec, theta, X, X, signal))
    return {name: np.array([[layer[name] for layer in net] for net in rows]) for name in MOMENTS}


@pytest.mark.parametrize("activation", SCHEMES)
def test_at_initialisation_wide_networks_follow_mean_field_theory(activation):
    """Poole et al. 2016, eq. 3; Schoenholz et al. 2017, section 5.

    The mean over networks may be off by five of its standard errors, and by depth / width: corrections for finite
    width begin at that order (Hanin and Nica 2018). Together that is at most 8 % of the prediction.
    """
    found, expected = measured(activation), predicted(activation)
    for name in MOMENTS:
        ratio = found[name] / expected[name]
        tolerance = 5 * np.std(ratio, axis=0, ddof=1) / math.sqrt(NETS) + HIDDEN / WIDTH
        assert tolerance.max() < 0.08
        assert (np.abs(ratio.mean(axis=0) - 1) <= tolerance).all(), f"{name}: {ratio.mean(axis=0)} +- {tolerance}"
