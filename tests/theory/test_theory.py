"""Mean-field maps and exact laws against closed forms, independent quadrature and simulated networks."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from naive_activations import TEXTBOOK
from scipy.integrate import quad
from scipy.stats import binom

from nnsim.core.errors import UnknownNameError, UsageError
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.networks import gaussian_moments
from nnsim.theory.signals import mean_field, relu_laws, spectra


def textbook_moment(function, kinks, variance=1.0):
    """Integrate function(x) against N(0, variance) by adaptive quadrature, split at kinks and around bends."""
    sigma = math.sqrt(variance)
    edges = sorted({-12 * sigma, *(k for k in (-30.0, -3.0, *kinks, 3.0, 30.0) if abs(k) < 12 * sigma), 12 * sigma})
    pieces = (
        quad(lambda x: function(x) * math.exp(-x * x / (2 * variance)), a, b, epsabs=1e-13, epsrel=1e-11, limit=200)[0]
        for a, b in pairwise(edges)
    )
    return sum(pieces) / (sigma * math.sqrt(2 * math.pi))


def forward_gains(rng, widths, nets, sw2=2.0):
    """Simulate ||h_L||^2 / ||h_0||^2 of `nets` ReLU nets without biases."""
    gains = np.empty(nets)
    for net in range(nets):
        h = x = rng.standard_normal(widths[0])
        for fan_in, width in pairwise(widths):
            h = np.maximum(h @ (rng.standard_normal((fan_in, width)) * math.sqrt(sw2 / fan_in)), 0.0)
        gains[net] = (h @ h) / (x @ x)
    return gains


def backward_gains(rng, widths, nets):
    """Simulate ||delta_1||^2 / ||delta_L||^2 of He nets with one linear output; NaN where delta_L is 0."""
    gains = np.full(nets, np.nan)
    for net in range(nets):
        h, masks = rng.standard_normal(widths[0]), []
        weights = [rng.standard_normal(shape) * math.sqrt(2 / shape[0]) for shape in pairwise(widths)]
        for W in weights:
            h = np.maximum(h @ W, 0.0)
            masks.append(h > 0)
        delta = last = rng.standard_normal(widths[-1]) * masks[-1]
        for W, mask in zip(weights[:0:-1], masks[-2::-1], strict=True):
            delta = mask * (W @ delta)
        if last.any():
            gains[net] = (delta @ delta) / (last @ last)
    return gains


def logs_of_alive(gains):
    return np.log(gains[gains > 0])


class TestGaussianExpectation:
    @pytest.mark.parametrize("variance", [1e-12, 0.3, 1.0, 100.0, 1e12])
    @pytest.mark.parametrize(("power", "moment"), [(0, 1), (2, 1), (4, 3), (6, 15)])
    def test_even_powers_have_their_closed_form(self, power, moment, variance):
        found = gaussian_moments.gaussian_expectation(lambda x: x**power, variance=variance)
        assert found == pytest.approx(moment * variance ** (power / 2), rel=1e-12)

    @pytest.mark.parametrize("variance", [0.01, 1.0, 1000.0])
    def test_oscillation_is_resolved(self, variance):
        found = gaussian_moments.gaussian_expectation(lambda x: np.sin(x) ** 2, variance=variance)
        assert found == pytest.approx((1 - math.exp(-2 * variance)) / 2, abs=1e-10)

    @pytest.mark.parametrize("kink", [0.0, 0.7123, -1.9])
    def test_a_jump_at_a_declared_kink_is_integrated_exactly(self, kink):
        found = gaussian_moments.gaussian_expectation(lambda x: (x > kink).astype(float), (kink,), variance=4.0)
        assert found == pytest.approx(0.5 * math.erfc(kink / 2 / math.sqrt(2)), abs=1e-13)

    def test_a_kink_beyond_the_tails_changes_nothing(self):
        assert gaussian_moments.gaussian_expectation(np.cos, (1e9,)) == gaussian_moments.gaussian_expectation(np.cos)

    @pytest.mark.parametrize("variance", [16.0, 1e4, 1e10])
    def test_saturating_functions_are_resolved_at_large_variance(self, variance):
        found = gaussian_moments.gaussian_expectation(lambda x: (1 - np.tanh(x) ** 2) ** 2, variance=variance)
        expected = textbook_moment(lambda x: (1 - math.tanh(x) ** 2) ** 2, (), variance)
        assert found == pytest.approx(expected, rel=1e-8)

    def test_variance_zero_is_the_value_at_zero(self):
        assert gaussian_moments.gaussian_expectation(np.cos, variance=0.0) == 1.0

    def test_a_function_that_is_nan_somewhere_has_no_expectation(self):
        assert math.isnan(gaussian_moments.gaussian_expectation(lambda x: np.where(x > 2.0, np.nan, x)))

    @pytest.mark.parametrize("variance", [-1.0, math.inf, math.nan])
    def test_impossible_variance_is_refused(self, variance):
        with pytest.raises(UsageError, match="variance is"):
            gaussian_moments.gaussian_expectation(np.cos, variance=variance)


class TestActivationMoments:
    def test_every_activation_has_a_textbook_formula(self):
        assert set(ACTIVATIONS) == set(TEXTBOOK)

    @pytest.mark.parametrize("variance", [0.3, 1.0, 16.0])
    @pytest.mark.parametrize("name", sorted(TEXTBOOK))
    def test_moments_match_adaptive_quadrature_of_the_textbook_formula(self, name, variance):
        f, df, kinks = TEXTBOOK[name]
        found = gaussian_moments.activation_moments(name, variance)
        expected = (
            textbook_moment(f, kinks, variance),
            textbook_moment(lambda x: f(x) ** 2, kinks, variance),
            textbook_moment(lambda x: df(x) ** 2, kinks, variance),
        )
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)

    @pytest.mark.parametrize(
        ("name", "second", "slope"),
        [
            ("identity", 1.0, 1.0),
            ("relu", 0.5, 0.5),
            ("step", 0.5, 0.0),
            ("sin", (1 - math.exp(-2)) / 2, (1 + math.exp(-2)) / 2),
            ("gelu", 1 / 3 + 1 / (2 * math.pi * math.sqrt(3)), 0.455851),
            ("tanh", 0.394294, 0.464403),
            ("sigmoid", 0.293379, 0.044836),
            ("erf", 2 / math.pi * math.asin(2 / 3), 4 / (math.pi * math.sqrt(5))),
        ],
    )
    def test_published_and_closed_form_values(self, name, second, slope):
        moments = gaussian_moments.activation_moments(name)
        assert (moments.second, moments.slope) == pytest.approx((second, slope), abs=5.1e-7)

    def test_mean_of_relu_is_half_the_mean_absolute_value(self):
        assert gaussian_moments.activation_moments("relu", 4.0).mean == pytest.approx(
            2 / math.sqrt(2 * math.pi), rel=1e-12
        )

    def test_selu_has_its_fixed_point_at_zero_mean_and_unit_variance(self):
        moments = gaussian_moments.activation_moments("selu")
        assert (moments.mean, moments.second) == pytest.approx((0.0, 1.0), abs=1e-7)

    @pytest.mark.parametrize("slope", [0.2, 0.5])
    def test_parameter_reaches_the_function(self, slope):
        moments = gaussian_moments.activation_moments("leaky_relu", 1.0, slope)
        assert moments.slope == pytest.approx((1 + slope**2) / 2, abs=1e-9)

    def test_moments_agree_with_monte_carlo(self):
        z = np.random.default_rng(1).standard_normal(400_000)
        sample = np.tanh(1.5 * z) ** 2
        error = sample.std() / math.sqrt(z.size)
        assert gaussian_moments.activation_moments("tanh", 2.25).second == pytest.approx(sample.mean(), abs=4 * error)

    def test_unknown_activation_offers_the_nearest(self):
        with pytest.raises(UnknownNameError, match="did you mean 'relu'"):
            gaussian_moments.activation_moments("rellu")


class TestMeanFieldMaps:
    @pytest.mark.parametrize(
        ("name", "parameter", "expected"),
        [("relu", None, math.sqrt(2)), ("leaky_relu", 0.3, math.sqrt(2 / 1.09)), ("identity", None, 1.0)],
    )
    def test_gain_is_that_of_he(self, name, parameter, expected):
        assert gaussian_moments.gain(name, parameter) == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize("name", sorted(TEXTBOOK))
    def test_gain_keeps_unit_variance(self, name):
        assert mean_field.variance_map(name, gaussian_moments.gain(name) ** 2, 0.0, 1.0) == pytest.approx(
            1.0, rel=1e-12
        )

    def test_bias_variance_is_added(self):
        assert mean_field.variance_map("relu", 1.0, 0.25, 3.0) == pytest.approx(1.75, rel=1e-9)

    def test_xavier_relu_halves_the_variance_per_layer(self):
        trajectory = mean_field.variance_trajectory("relu", 1.0, 0.0, 1.0, 30)
        np.testing.assert_allclose(trajectory, 0.5 ** np.arange(1, 31), rtol=1e-9)

    def test_xavier_relu_loses_two_to_the_thirty_of_the_gradient(self):
        trajectory = mean_field.gradient_trajectory("relu", 1.0, 0.0, 1.0, 30)
        np.testing.assert_allclose(trajectory, 0.5 ** np.arange(30, 0, -1), rtol=1e-9)

    def test_torch_default_relu_divides_the_gradient_by_six_per_layer(self):
        assert mean_field.gradient_factor("relu", 1 / 3, 1.0) == pytest.approx(1 / 6, rel=1e-9)

    def test_gradient_trajectory_multiplies_the_factors_of_the_layers_above(self):
        q = [0.8, *mean_field.variance_trajectory("tanh", 1.5, 0.1, 0.8, 3)]
        chi = [mean_field.gradient_factor("tanh", 1.5, variance) for variance in q[:3]]
        expected = [chi[0] * chi[1] * chi[2], chi[1] * chi[2], chi[2]]
        np.testing.assert_allclose(mean_field.gradient_trajectory("tanh", 1.5, 0.1, 0.8, 3), expected, rtol=1e-14)

    def test_trajectory_stays_infinite_after_overflow(self):
        trajectory = mean_field.variance_trajectory("relu", 1e200, 0.0, 1.0, 4)
        np.testing.assert_array_equal(trajectory[1:], [np.inf] * 3)

    def test_no_layer_has_no_trajectory(self):
        assert mean_field.variance_trajectory("tanh", 1.0, 0.0, 1.0, 0).shape == (0,)
        assert mean_field.gradient_trajectory("tanh", 1.0, 0.0, 1.0, 0).shape == (0,)

    def test_chi_of_tanh_in_the_chaotic_phase(self):
        q = mean_field.fixed_point("tanh", 16.0, 0.09).variance
        assert mean_field.gradient_factor("tanh", 16.0, q) == pytest.approx(2.3673, abs=5e-5)

    def test_critical_tanh_with_bias(self):
        q = mean_field.fixed_point("tanh", 1.760955, 0.05).variance
        assert q == pytest.approx(0.570048, abs=1e-6)
        assert mean_field.gradient_factor("tanh", 1.760955, q) == pytest.approx(1.0, abs=1e-6)

    def test_wide_tanh_net_follows_the_map(self):
        rng, width = np.random.default_rng(5), 1500
        z = rng.standard_normal((1, width))
        measured = []
        for _ in range(3):
            z = np.tanh(z) @ (rng.standard_normal((width, width)) * math.sqrt(1.5 / width))
            z += math.sqrt(0.1) * rng.standard_normal(width)
            measured.append(np.mean(z**2))
        np.testing.assert_allclose(measured, mean_field.variance_trajectory("tanh", 1.5, 0.1, 1.0, 3), rtol=0.15)


class TestFixedPoint:
    def test_fixed_point_is_fixed(self):
        found = mean_field.fixed_point("tanh", 2.0, 0.05)
        assert found.status == "converged"
        assert mean_field.variance_map("tanh", 2.0, 0.05, found.variance) == pytest.approx(found.variance, rel=1e-11)

    def test_every_variance_is_fixed_for_he_relu(self):
        assert mean_field.fixed_point("relu", 2.0, 0.0, start=3.0).variance == pytest.approx(3.0, rel=1e-9)

    @pytest.mark.parametrize(
        ("name", "sw2", "status", "variance"),
        [("relu", 1.0, "vanishes", 0.0), ("relu", 3.0, "explodes", math.inf), ("tanh", 0.5, "vanishes", 0.0)],
    )
    def test_variance_without_a_fixed_point_says_where_it_goes(self, name, sw2, status, variance):
        found = mean_field.fixed_point(name, sw2, 0.0)
        assert (found.status, found.variance) == (status, variance)
        assert status in str(found)

    def test_critical_tanh_is_undecided_and_follows_its_power_law(self):
        found = mean_field.fixed_point("tanh", 1.0, 0.0, max_steps=300)
        assert found.status == "undecided"
        assert found.variance == pytest.approx(1 / (2 * 300), rel=0.05)
        assert "still moves after 300 layers" in str(found)


class TestSigmoid:
    def test_bound_of_ten_layers(self):
        assert mean_field.sigmoid_norm_bound(10) == 9.5367431640625e-07


class TestMeanSingularValue:
    @pytest.mark.parametrize("n_var", [1 / 3, 1.0, 2.0])
    def test_large_square_matrix_has_the_quarter_circle_mean(self, n_var):
        n = 300
        matrix = np.random.default_rng(3).standard_normal((n, n)) * math.sqrt(n_var / n)
        measured = np.linalg.svd(matrix, compute_uv=False).mean()
        assert measured == pytest.approx(spectra.mean_singular_value(n_var), rel=0.01)


class TestReluLaw:
    @pytest.mark.parametrize(("fan", "width"), [(4, 4), (7, 3), (3, 12)])
    def test_factor_has_mean_n_over_fan_and_kurtosis_five_over_n(self, fan, width):
        k = np.arange(width + 1)
        p = binom.pmf(k, width, 0.5)
        mean, second = 2 / fan * p @ k, (2 / fan) ** 2 * p @ (k * k + 2 * k)
        assert mean == pytest.approx(width / fan, rel=1e-12)
        assert second / mean**2 == pytest.approx(1 + 5 / width, rel=1e-12)

    def test_simulated_factor_has_the_same_two_moments(self):
        factors = forward_gains(np.random.default_rng(12), (8, 16), 40_000)
        assert factors.mean() == pytest.approx(2.0, abs=4 * factors.std() / 200)
        assert np.mean(factors**2) / 4 == pytest.approx(1 + 5 / 16, rel=0.03)

    def test_one_unit_has_the_law_of_one_squared_normal(self):
        law = relu_laws.relu_log_forward_law((1, 1))
        assert law.mean == pytest.approx(-0.5772156649015329, rel=1e-12)
        assert law.variance == pytest.approx(math.pi**2 / 2, rel=1e-12)
        assert law.survival == 0.5

    def test_layers_add_and_survival_multiplies(self):
        whole, first, second = (relu_laws.relu_log_forward_law(widths) for widths in ((5, 4, 3), (5, 4), (4, 3)))
        assert whole.mean == pytest.approx(first.mean + second.mean, rel=1e-12)
        assert whole.variance == pytest.approx(first.variance + second.variance, rel=1e-12)
        assert whole.survival == pytest.approx((1 - 2**-4) * (1 - 2**-3), rel=1e-15)

    @pytest.mark.parametrize("sw2", [1.0, 1.8, 2.0])
    @pytest.mark.parametrize("widths", [(6, 12, 8, 10, 16), (20, 20, 20)], ids=str)
    def test_simulated_forward_gain_has_mean_and_variance(self, widths, sw2):
        gains = logs_of_alive(forward_gains(np.random.default_rng(7), widths, 6000, sw2))
        law = relu_laws.relu_log_forward_law(widths, sw2)
        assert gains.mean() == pytest.approx(law.mean, abs=4 * math.sqrt(law.variance / gains.size))
        assert gains.var() == pytest.approx(law.variance, rel=0.1)

    @pytest.mark.parametrize("widths", [(6, 12, 8, 10, 16), (20, 20, 20)], ids=str)
    def test_simulated_backward_gain_has_mean_and_variance(self, widths):
        gains = logs_of_alive(backward_gains(np.random.default_rng(8), widths, 6000))
        law = relu_laws.relu_log_backward_law(widths[1:])
        assert gains.mean() == pytest.approx(law.mean, abs=4 * math.sqrt(law.variance / gains.size))
        assert gains.var() == pytest.approx(law.variance, rel=0.1)

    def test_simulated_nets_survive_as_often_as_stated(self):
        gains = forward_gains(np.random.default_rng(9), (3, 3, 2, 3), 6000)
        survival = relu_laws.relu_log_forward_law((3, 3, 2, 3)).survival
        assert np.mean(gains > 0) == pytest.approx(survival, abs=4 * math.sqrt(0.25 / 6000))

    def test_another_weight_variance_shifts_every_layer_by_half_its_logarithm(self):
        he, other = (relu_laws.relu_log_forward_law((64,) * 31, sw2) for sw2 in (2.0, 1.8))
        assert other.mean - he.mean == pytest.approx(30 * math.log(0.9), rel=1e-12)
        assert other.variance == he.variance

    @pytest.mark.parametrize("depth", [5, 30])
    def test_wide_nets_approach_the_gaussian_approximation(self, depth):
        law = relu_laws.relu_log_forward_law((1000,) * (depth + 1))
        beta = depth / 1000  # the sum of the inverse widths: Hanin and Nica 2018, theorem 1
        assert (law.mean, law.variance) == pytest.approx((-2.5 * beta, 5 * beta), rel=0.01)

    def test_equal_widths_have_the_same_law_both_ways(self):
        forward, backward = relu_laws.relu_log_forward_law((9,) * 4), relu_laws.relu_log_backward_law((9,) * 4)
        assert backward == pytest.approx(forward, rel=1e-14)

    def test_nothing_to_cross_has_gain_one(self):
        assert relu_laws.relu_log_backward_law((8,)) == (0.0, 0.0, 1.0)

    @pytest.mark.parametrize("widths", [(4, 0), (0, 4), (4, 2.5), (4, -1)], ids=str)
    def test_impossible_width_is_refused(self, widths):
        with pytest.raises(UsageError, match="width is"):
            relu_laws.relu_log_forward_law(widths)

    def test_impossible_weight_variance_is_refused(self):
        with pytest.raises(UsageError, match="sw2 is 0"):
            relu_laws.relu_log_forward_law((4, 4), 0.0)
