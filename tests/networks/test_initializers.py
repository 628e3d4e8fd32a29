"""How networks start: moments, laws and bounds of every scheme, its pairing with the others, and bad names.

Statistical bounds are five standard errors, computed from the draws themselves, so a right scheme misses one in two
million times; keys are fixed, so a test that passes once passes always.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from naive_activations import TEXTBOOK
from scipy import stats
from scipy.integrate import quad

from nnsim.core.errors import UnknownNameError, UsageError
from nnsim.core.seeding import key
from nnsim.networks.initializers import (
    ASYMMETRIC_SIGMA,
    SCHEMES,
    TRUNCATED_DEVIATION,
    Layer,
    initialize,
    parse,
    preserving_gain,
    variance_scaling,
    variances,
)
from nnsim.networks.spec import NetworkSpec

KEY = key(0, "tests", "initializers")
WIDE = NetworkSpec((300, 100), dtype="float64")  # one layer of unequal fans
EQUAL = NetworkSpec((200, 200, 200, 200), "gelu", dtype="float64")
BATCH = np.random.default_rng(1).standard_normal((40, 300))
FIXED = ("zeros", "constant", "identity")  # draw nothing
WITH_BIASES = {"torch_default", "mean_field:1.5:0.3", "asymmetric"}
EXAMPLES = [*SCHEMES, "constant:0.3", "normal:0.2", "uniform:0.7", "truncated_normal:0.2", "orthogonal:1.3"]
EXAMPLES += ["sparse:4", "identity:0.5", "mean_field:1.5", "mean_field:1.5:0.3"]


def weights(scheme, spec=WIDE, seed=KEY, X=BATCH):
    """Return W and b of the first layer."""
    return spec.layers(initialize(spec, scheme, seed, X))[0]


def hidden_layers(scheme, spec=EQUAL, keys=8):
    """Return all weights and all biases of the second layer of several networks."""
    layers = [spec.layers(initialize(spec, scheme, KEY + number))[1] for number in range(keys)]
    return np.concatenate([W.ravel() for W, _ in layers]), np.concatenate([b for _, b in layers])


def assert_mean(sample, expected):
    """Fail if the sample's mean is more than five standard errors off."""
    error = np.std(sample) / math.sqrt(sample.size)
    assert abs(np.mean(sample) - expected) <= 5 * error + 1e-15, f"{np.mean(sample)} +- {error} is not {expected}"


def assert_law(sample, law):
    """Fail if the Kolmogorov-Smirnov test tells the sample from the law."""
    assert stats.kstest(sample.ravel(), law.cdf).pvalue > 1e-4


class TestEveryScheme:
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("scheme", EXAMPLES)
    def test_the_vector_has_the_shape_and_precision_of_the_network(self, scheme, dtype):
        spec = NetworkSpec((20, 30, 20, 4), dtype=dtype)
        theta = initialize(spec, scheme, KEY, BATCH[:, :20])
        assert (theta.shape, theta.dtype) == ((spec.n_parameters,), np.dtype(dtype))

    @pytest.mark.parametrize("scheme", EXAMPLES)
    def test_the_same_key_gives_the_same_bits(self, scheme):
        np.testing.assert_array_equal(initialize(WIDE, scheme, KEY, BATCH), initialize(WIDE, scheme, KEY, BATCH))

    @pytest.mark.parametrize("scheme", [name for name in EXAMPLES if not name.startswith(FIXED)])
    def test_another_key_gives_other_weights(self, scheme):
        assert (weights(scheme)[0] != weights(scheme, seed=KEY + 1)[0]).any()

    @pytest.mark.parametrize("scheme", EXAMPLES)
    def test_biases_are_zero_unless_the_scheme_draws_them(self, scheme):
        assert weights(scheme)[1].any() == (scheme in WITH_BIASES)

    @pytest.mark.parametrize("scheme", ["he_normal", "orthogonal", "sparse", "torch_default", "asymmetric"])
    def test_layers_of_one_shape_draw_different_numbers(self, scheme):
        first, second, third = (W for W, _ in EQUAL.layers(initialize(EQUAL, scheme, KEY)))
        assert (first != second).any()
        assert (second != third).any()

    @pytest.mark.parametrize("scheme", ["he_normal", "orthogonal", "sparse", "torch_default", "asymmetric"])
    def test_a_layer_does_not_depend_on_those_after_it(self, scheme):
        deeper = NetworkSpec((300, 100, 50, 7), dtype="float64")
        np.testing.assert_array_equal(weights(scheme)[0], weights(scheme, deeper)[0])

    def test_a_64_bit_key_is_taken(self):
        assert initialize(WIDE, "he_normal", 2**64 - 1).any()


class TestVarianceScaling:
    @pytest.mark.parametrize(
        ("scheme", "variance"),
        [
            ("normal", 1e-4),
            ("normal:0.2", 0.04),
            ("uniform", 0.05**2 / 3),
            ("uniform:0.7", 0.49 / 3),
            ("truncated_normal:0.2", (0.2 * TRUNCATED_DEVIATION) ** 2),
            ("lecun_normal", 1 / 300),
            ("lecun_uniform", 1 / 300),
            ("xavier_normal", 2 / 400),
            ("xavier_uniform", 2 / 400),
            ("he_normal", 2 / 300),
            ("he_uniform", 2 / 300),
            ("standard_uniform", 1 / 900),
            ("torch_default", 1 / 900),
            ("preserving_normal", 2 / 300),
            ("mean_field:1.5:0.3", 2.25 / 300),
        ],
    )
    def test_moments_of_the_weights(self, scheme, variance):
        W, _ = weights(scheme)
        assert_mean(W, 0)
        assert_mean(W**2, variance)

    @pytest.mark.parametrize(("mode", "fan"), [("fan_in", 300), ("fan_out", 100), ("fan_avg", 200)])
    @pytest.mark.parametrize("distribution", ["normal", "truncated_normal", "uniform"])
    def test_the_mode_chooses_the_fan(self, mode, fan, distribution):
        W = variance_scaling(Layer(WIDE, 0, np.uint64(KEY)), 3.0, mode, distribution)
        assert_mean(W**2, 3 / fan)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize(
        ("scheme", "bound"),
        [
            ("uniform", 0.05),
            ("uniform:0.7", 0.7),
            ("lecun_uniform", math.sqrt(3 / 300)),
            ("xavier_uniform", math.sqrt(6 / 400)),
            ("he_uniform", math.sqrt(6 / 300)),
            ("standard_uniform", math.sqrt(1 / 300)),
            ("torch_default", math.sqrt(1 / 300)),
        ],
    )
    def test_uniform_weights_fill_their_interval(self, scheme, bound, dtype):
        largest = np.abs(weights(scheme, NetworkSpec((300, 100), dtype=dtype))[0]).max()
        assert 0.999 * bound < largest < bound * (1 + 1e-7)

    @pytest.mark.parametrize("scheme", ["truncated_normal", "truncated_normal:0.2"])
    def test_truncated_weights_end_at_two_deviations(self, scheme):
        deviation = (*parse(scheme)[1], 0.01)[0]
        largest = np.abs(weights(scheme)[0]).max()
        assert 1.98 * deviation < largest < 2 * deviation

    @pytest.mark.parametrize(
        ("scheme", "law"),
        [
            ("he_normal", stats.norm(scale=math.sqrt(2 / 300))),
            ("he_uniform", stats.uniform(-math.sqrt(6 / 300), 2 * math.sqrt(6 / 300))),
            ("truncated_normal:0.2", stats.truncnorm(-2, 2, scale=0.2)),
        ],
        ids=["normal", "uniform", "truncated"],
    )
    def test_weights_follow_their_law(self, scheme, law):
        assert_law(weights(scheme)[0], law)

    def test_the_truncated_deviation_is_that_of_its_law(self):
        assert pytest.approx(stats.truncnorm(-2, 2).std(), rel=1e-12) == TRUNCATED_DEVIATION

    def test_weights_of_a_layer_are_uncorrelated(self):
        W, _ = weights("he_normal")
        assert_mean((W[:, :-1] * W[:, 1:]) * 150, 0)
        assert_mean((W[:-1] * W[1:]) * 150, 0)


class TestPairing:
    @pytest.mark.parametrize(
        ("scheme", "variance"),
        [("lecun_normal", 1 / 300), ("he_normal", 2 / 300), ("xavier_normal", 2 / 400), ("mean_field:1.5", 2.25 / 300)],
    )
    def test_normal_schemes_scale_the_same_draws(self, scheme, variance):
        np.testing.assert_array_equal(weights(scheme)[0], weights("normal:1")[0] * math.sqrt(variance))

    def test_he_is_lecun_times_the_root_of_two(self):
        np.testing.assert_allclose(
            weights("he_normal")[0], math.sqrt(2) * weights("lecun_normal")[0], rtol=2**-51, atol=0
        )

    @pytest.mark.parametrize(
        ("scheme", "bound"), [("he_uniform", math.sqrt(6 / 300)), ("xavier_uniform", math.sqrt(6 / 400))]
    )
    def test_uniform_schemes_scale_the_same_draws(self, scheme, bound):
        np.testing.assert_allclose(weights(scheme)[0], weights("uniform:1")[0] * bound, rtol=2**-51, atol=0)

    def test_the_truncated_draws_are_those_within_two_deviations(self):
        drawn = weights("normal:1")[0].ravel()
        kept = drawn[np.abs(drawn) < 2]
        np.testing.assert_array_equal(weights("truncated_normal:1")[0].ravel()[: kept.size], kept)


class TestBiases:
    def test_torch_default_draws_biases_like_weights(self):
        _, b = hidden_layers("torch_default")
        assert_law(b, stats.uniform(-1 / math.sqrt(200), 2 / math.sqrt(200)))

    def test_mean_field_biases_have_their_own_deviation(self):
        _, b = hidden_layers("mean_field:1.5:0.3")
        assert_law(b, stats.norm(scale=0.3))

    @pytest.mark.parametrize("scheme", ["torch_default", "mean_field:1:1"])
    def test_biases_are_not_the_weights_again(self, scheme):
        W, b = weights(scheme, NetworkSpec((1, 100), dtype="float64"))
        assert np.intersect1d(W, b).size == 0


class TestVariances:
    @pytest.mark.parametrize("scheme", [name for name in EXAMPLES if variances(name, EQUAL) is not None])
    def test_declared_and_drawn_variances_agree(self, scheme):
        W, b = hidden_layers(scheme)
        of_weights, of_biases = variances(scheme, EQUAL)
        assert_mean(200 * W**2, of_weights)
        assert_mean(b**2, of_biases)

    @pytest.mark.parametrize("scheme", ["zeros", "constant", "orthogonal", "lsuv", "sparse", "identity", "asymmetric"])
    def test_weights_that_are_not_independent_draws_have_none(self, scheme):
        assert variances(scheme, EQUAL) is None

    def test_an_unknown_scheme_is_refused(self):
        with pytest.raises(UnknownNameError):
            variances("hee_normal", EQUAL)


class TestOrthogonal:
    @pytest.mark.parametrize("shape", [(40, 40), (60, 25), (25, 60), (1, 1), (1, 7), (7, 1)], ids=str)
    @pytest.mark.parametrize(("scheme", "gain"), [("orthogonal:1", 1.0), ("orthogonal:1.3", 1.3)])
    def test_the_shorter_side_is_orthonormal_times_the_gain(self, shape, scheme, gain):
        W, _ = weights(scheme, NetworkSpec(shape, loss="mse", dtype="float64"))
        shorter = W if shape[0] >= shape[1] else W.T
        np.testing.assert_allclose(shorter.T @ shorter, np.eye(min(shape)) * gain**2, atol=1e-12)

    @pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
    def test_without_a_number_the_gain_is_computed_from_the_activation(self, activation):
        W, _ = weights("orthogonal", NetworkSpec((30, 30), activation, dtype="float64"))
        np.testing.assert_allclose(W.T @ W, np.eye(30) * preserving_gain(activation, None) ** 2, atol=1e-12)


@pytest.fixture(scope="module")
def matrices():
    """Many orthogonal 4x4 matrices, each of its own key."""
    spec = NetworkSpec((4, 4), dtype="float64")
    return np.array([weights("orthogonal:1", spec, KEY + number)[0] for number in range(4000)])


class TestHaarMeasure:
    """For Q uniform over the orthogonal group O(n): Mezzadri 2007; Diaconis and Shahshahani 1994."""

    def test_the_mean_of_every_entry_is_zero(self, matrices):
        for entry in matrices.reshape(-1, 16).T:
            assert_mean(entry, 0)

    def test_every_entry_has_the_law_of_a_coordinate_on_the_sphere(self, matrices):
        for entry in matrices.reshape(-1, 16).T:
            assert_law(entry, stats.beta(1.5, 1.5, loc=-1, scale=2))

    def test_the_squared_trace_has_mean_one(self, matrices):
        assert_mean(np.trace(matrices, axis1=1, axis2=2) ** 2, 1)

    def test_the_trace_of_the_square_has_mean_one(self, matrices):
        assert_mean(np.trace(matrices @ matrices, axis1=1, axis2=2), 1)

    def test_half_of_the_matrices_are_rotations(self, matrices):
        assert_mean(np.sign(np.linalg.det(matrices)), 0)


class TestLsuv:
    SPEC = NetworkSpec((20, 50, 40, 30, 5), "tanh", dtype="float64")
    X = np.random.default_rng(2).standard_normal((64, 20)) * 3 + 1

    @pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "selu"])
    def test_every_layer_has_unit_variance_on_the_batch(self, activation):
        spec = NetworkSpec(self.SPEC.widths, activation, dtype="float64")
        A, f = self.X, np.vectorize(TEXTBOOK[activation].f)
        for W, b in spec.layers(initialize(spec, "lsuv", KEY, self.X)):
            Z = A @ W + b
            assert np.var(Z) == pytest.approx(1, abs=1e-6)
            A = f(Z)

    def test_directions_stay_orthonormal(self):
        for W, _ in self.SPEC.layers(initialize(self.SPEC, "lsuv", KEY, self.X)):
            gram = W.T @ W if W.shape[0] >= W.shape[1] else W @ W.T
            np.testing.assert_allclose(gram / gram[0, 0], np.eye(gram.shape[0]), atol=1e-12)

    def test_a_batch_of_zeros_leaves_the_weights_finite(self):
        assert np.isfinite(initialize(self.SPEC, "lsuv", KEY, 0 * self.X)).all()

    def test_the_batch_is_left_as_it_was(self):
        before = self.X.copy()
        initialize(self.SPEC, "lsuv", KEY, self.X)
        np.testing.assert_array_equal(self.X, before)

    def test_no_batch_is_refused(self):
        with pytest.raises(UsageError, match=r"^scheme 'lsuv' needs a batch of inputs, and none was given$"):
            initialize(self.SPEC, "lsuv", KEY)


class TestSparse:
    def test_every_unit_has_fifteen_incoming_weights(self):
        assert set(np.count_nonzero(weights("sparse")[0], axis=0)) == {15}

    def test_the_number_of_incoming_weights_can_be_set(self):
        assert set(np.count_nonzero(weights("sparse:4")[0], axis=0)) == {4}

    def test_a_layer_of_fewer_inputs_is_full(self):
        assert weights("sparse", NetworkSpec((6, 9)))[0].all()

    def test_the_weights_are_standard_normal(self):
        W, _ = weights("sparse")
        assert_law(W[W != 0], stats.norm)

    def test_every_input_is_chosen_alike(self):
        chosen = np.count_nonzero(hidden_layers("sparse")[0].reshape(8, 200, 200), axis=(0, 2))
        assert stats.chisquare(chosen).pvalue > 1e-4

    @pytest.mark.parametrize("number", ["0", "-1", "2.5", "0.5"])
    def test_a_number_that_is_no_count_is_refused(self, number):
        with pytest.raises(UsageError) as refusal:
            parse(f"sparse:{number}")
        expected = f"scheme 'sparse' takes a whole number of at least 1 incoming weights, got '{number}'"
        assert str(refusal.value) == expected


class TestFixedWeights:
    def test_zeros(self):
        assert not initialize(WIDE, "zeros", KEY).any()

    @pytest.mark.parametrize(("scheme", "value"), [("constant", 0.1), ("constant:-2", -2.0)])
    def test_constant(self, scheme, value):
        assert (weights(scheme)[0] == value).all()

    @pytest.mark.parametrize(("scheme", "gain"), [("identity", 1.0), ("identity:0.5", 0.5)])
    @pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)], ids=str)
    def test_identity(self, shape, scheme, gain):
        np.testing.assert_array_equal(weights(scheme, NetworkSpec(shape, dtype="float64"))[0], gain * np.eye(*shape))


@pytest.fixture(scope="module")
def layer():
    """W and b of the asymmetric scheme, and which entries of W are not the scaled Gaussian draws."""
    spec = NetworkSpec((20, 4000), dtype="float64")
    W, b = weights("asymmetric", spec)
    return W, b, weights("normal:1", spec)[0] * (ASYMMETRIC_SIGMA / math.sqrt(20)) != W


class TestAsymmetric:
    """One incoming weight or the bias of each unit is Beta(2, 1), the rest N(0, 0.6007^2 / fan_in): Lu et al. 2020."""

    def test_at_most_one_weight_of_a_unit_is_replaced(self, layer):
        assert set(layer[2].sum(axis=0)) == {0, 1}

    def test_the_replaced_weights_are_beta(self, layer):
        W, _, replaced = layer
        assert_law(W[replaced], stats.beta(2, 1))

    def test_where_no_weight_is_replaced_the_bias_is_beta(self, layer):
        _, b, replaced = layer
        assert_law(b[~replaced.any(axis=0)], stats.beta(2, 1))

    def test_the_other_biases_are_normal(self, layer):
        _, b, replaced = layer
        assert_law(b[replaced.any(axis=0)], stats.norm(scale=ASYMMETRIC_SIGMA / math.sqrt(20)))

    def test_weights_and_bias_are_replaced_alike_often(self, layer):
        counts = layer[2].sum(axis=1)
        assert stats.chisquare([*counts, 4000 - counts.sum()]).pvalue > 1e-4


class TestPreservingGain:
    @pytest.mark.parametrize("name", TEXTBOOK)
    def test_it_undoes_the_second_moment_of_the_textbook_formula(self, name):
        f, _, kinks = TEXTBOOK[name]

        def integrand(z):
            return f(z) ** 2 * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

        edges = sorted({-12.0, -3.0, *kinks, 3.0, 12.0})
        second = sum(quad(integrand, a, b, epsabs=1e-12, epsrel=1e-10)[0] for a, b in pairwise(edges))
        assert preserving_gain(name, None) == pytest.approx(1 / math.sqrt(second), rel=1e-6)

    def test_the_parameter_counts(self):
        assert preserving_gain("leaky_relu", 0.5) == pytest.approx(math.sqrt(2 / 1.25), rel=1e-6)

    def test_it_stands_on_a_grid_that_hides_last_digits(self):
        assert (preserving_gain("mish", None) * 2**20).is_integer()


class TestNames:
    @pytest.mark.parametrize("name", SCHEMES)
    def test_a_bare_name_has_no_numbers(self, name):
        assert parse(name) == (SCHEMES[name], ())

    def test_numbers_follow_after_colons(self):
        assert parse("mean_field:1.5:3e-1") == (SCHEMES["mean_field"], (1.5, 0.3))

    @pytest.mark.parametrize(
        ("scheme", "sentence"),
        [
            ("he_normal:2", "scheme 'he_normal' takes no number, got 'he_normal:2'"),
            ("lsuv:1", "scheme 'lsuv' takes no number, got 'lsuv:1'"),
            ("normal:1:2", "scheme 'normal' takes deviation, got 'normal:1:2'"),
            ("mean_field:1:2:3", "scheme 'mean_field' takes sigma_w and sigma_b, got 'mean_field:1:2:3'"),
            ("normal:abc", "scheme 'normal:abc': deviation must be numbers, as in 'normal:0.5'"),
            ("normal:", "scheme 'normal:': deviation must be numbers, as in 'normal:0.5'"),
            ("normal:nan", "scheme 'normal:nan': deviation must be from 0 to 1e+30, got nan"),
            ("normal:-1", "scheme 'normal:-1': deviation must be from 0 to 1e+30, got -1"),
            ("constant:1e40", "scheme 'constant:1e40': value must be from -1e+30 to 1e+30, got 1e+40"),
            ("mean_field:1:inf", "scheme 'mean_field:1:inf': sigma_b must be from 0 to 1e+30, got inf"),
        ],
    )
    def test_numbers_that_do_not_fit_are_refused(self, scheme, sentence):
        with pytest.raises(UsageError) as refusal:
            parse(scheme)
        assert str(refusal.value) == sentence

    @pytest.mark.parametrize(
        ("scheme", "nearest"), [("he-normal", "he_normal"), ("xavier_norml:2", "xavier_normal"), ("LSUV", "lsuv")]
    )
    def test_an_unknown_name_is_refused_with_the_nearest_one(self, scheme, nearest):
        with pytest.raises(UnknownNameError, match=rf"^unknown scheme '.*': did you mean '{nearest}'\? known are "):
            parse(scheme)
