"""SELU, closed moments, stability and remedies against independent integration, linear algebra and simulated nets."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from naive_activations import TEXTBOOK
from scipy.integrate import quad
from scipy.optimize import fsolve

from nnsim.core.errors import UnknownNameError
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.networks.gaussian_moments import activation_moments
from nnsim.probes.activation_moments import sampled_moments
from nnsim.theory.signals.attraction import perturbation_factor
from nnsim.theory.signals.batch_statistics import batch_norm_gradient_factor
from nnsim.theory.signals.closed_moments import closed_moments
from nnsim.theory.signals.remedies import layer_norm_factor, residual_trajectory
from nnsim.theory.signals.selu import gradient_growth, selu_constants, variance_decay

CLOSED = ("identity", "step", "hard_tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "erf", "sin")


def mean(function, kinks=(0.0,)):
    """Integrate against N(0, 1) by adaptive quadrature, split at kinks."""
    edges = [-12.0, *kinks, 12.0]
    density = 1 / math.sqrt(2 * math.pi)
    pieces = (
        quad(lambda z: function(z) * math.exp(-z * z / 2) * density, a, b, epsabs=1e-13, limit=200)[0]
        for a, b in pairwise(edges)
    )
    return sum(pieces)


def selu(z, alpha, scale):
    return scale * z if z > 0 else scale * alpha * math.expm1(z)


class TestSelu:
    def test_constants_solve_the_equations_of_the_fixed_point(self):
        def residues(constants):
            return [mean(lambda z: selu(z, *constants)), mean(lambda z: selu(z, *constants) ** 2) - 1]

        assert selu_constants() == pytest.approx(fsolve(residues, [1.5, 1.0], xtol=1e-12), abs=1e-9)

    def test_the_decay_is_the_derivative_of_the_second_moment(self):
        constants, step = selu_constants(), 1e-4

        def second(q):
            return mean(lambda z: selu(math.sqrt(q) * z, *constants) ** 2)

        assert variance_decay() == pytest.approx((second(1 + step) - second(1 - step)) / (2 * step), abs=1e-7)

    def test_the_growth_is_the_mean_squared_slope(self):
        alpha, scale = selu_constants()
        found = mean(lambda z: (scale if z > 0 else scale * alpha * math.exp(z)) ** 2)
        assert gradient_growth() == pytest.approx(found, abs=1e-10)

    def test_published_digits(self):
        found = (*selu_constants(), variance_decay(), gradient_growth())
        assert found == pytest.approx((1.6732632423543772, 1.0507009873554805, 0.782648, 1.0716), abs=5e-5)


class TestClosedMoments:
    @pytest.mark.parametrize("name", CLOSED)
    def test_equal_quadrature_of_what_networks_run(self, name):
        assert closed_moments(name) == pytest.approx(activation_moments(name), abs=1e-12)

    @pytest.mark.parametrize("name", ["hard_tanh", "relu", "selu", "gelu", "erf", "sin"])
    def test_equal_quadrature_of_the_textbook_formula(self, name):
        function, slope, *_ = TEXTBOOK[name]
        kinks = ACTIVATIONS[name].kinks or (0.0,)
        found = [mean(function, kinks), mean(lambda z: function(z) ** 2, kinks), mean(lambda z: slope(z) ** 2, kinks)]
        assert closed_moments(name) == pytest.approx(found, abs=1e-9)

    @pytest.mark.parametrize(("name", "parameter"), [("leaky_relu", 0.3), ("elu", 0.5), ("elu", 2.0)])
    def test_parameters_count(self, name, parameter):
        assert closed_moments(name, parameter) == pytest.approx(activation_moments(name, 1.0, parameter), abs=1e-12)

    def test_others_have_none(self):
        assert {name for name in ACTIVATIONS if closed_moments(name) is None} == set(ACTIVATIONS) - set(CLOSED)

    def test_unknown_name(self):
        with pytest.raises(UnknownNameError, match="did you mean 'gelu'"):
            closed_moments("gellu")


class TestSampledMoments:
    @pytest.mark.parametrize("name", ["relu", "gelu", "tanh", "sin"])
    def test_approach_the_expectations(self, name):
        assert sampled_moments(name, None, 200_000, 3) == pytest.approx(activation_moments(name), abs=0.01)

    def test_are_those_of_the_key(self):
        assert sampled_moments("tanh", None, 100, 1) == sampled_moments("tanh", None, 100, 1)
        assert sampled_moments("tanh", None, 100, 1) != sampled_moments("tanh", None, 100, 2)


class TestStability:
    @pytest.mark.parametrize("name", ["tanh", "gelu", "silu", "softplus"])
    def test_is_the_derivative_of_the_variance_map(self, name):
        step = 1e-4
        ends = [activation_moments(name, 1 + sign * step).second for sign in (-1, 1)]
        expected = (ends[1] - ends[0]) / (2 * step) / activation_moments(name).second
        assert perturbation_factor(name) == pytest.approx(expected, abs=1e-7)

    def test_selu_has_its_closed_form(self):
        assert perturbation_factor("selu") == pytest.approx(variance_decay(), abs=1e-12)

    @pytest.mark.parametrize("name", ["relu", "leaky_relu", "identity"])
    def test_homogeneous_activations_are_neutral(self, name):
        assert perturbation_factor(name) == pytest.approx(1.0, abs=1e-12)

    def test_which_ones_repel(self):
        repelling = {name for name in ACTIVATIONS if perturbation_factor(name) > 1 + 1e-9}
        assert repelling == {"gelu", "gelu_tanh", "silu", "mish"}


class TestRemedies:
    def test_batch_normalised_relu_has_its_closed_form(self):
        assert batch_norm_gradient_factor("relu") == pytest.approx(math.pi / (math.pi - 1), abs=1e-12)

    def test_layer_normalisation_is_the_preserving_gain(self):
        assert layer_norm_factor("sigmoid") == pytest.approx(0.0448356 / 0.2933790, abs=1e-5)

    def test_relu_with_skips_doubles_the_gradient_a_layer(self):
        _, gradients = residual_trajectory("relu", 2.0, 6)
        assert np.diff(gradients) == pytest.approx([-math.log(2)] * 5, abs=1e-9)

    def test_one_layer_has_nothing_to_cross(self):
        squares, gradients = residual_trajectory("tanh", 1.0, 1, input_square=2.0)
        assert squares[0] == pytest.approx(math.log(activation_moments("tanh", 2.0).second))
        assert gradients == pytest.approx([0.0])

    @pytest.mark.parametrize("name", ["sigmoid", "tanh"])
    def test_a_wide_residual_net_follows_them(self, name):
        depth, width, rng = 5, 1000, np.random.default_rng(4)
        f = {"sigmoid": lambda z: 1 / (1 + np.exp(-z)), "tanh": np.tanh}[name]
        slope = {"sigmoid": lambda a: a * (1 - a), "tanh": lambda a: 1 - a * a}[name]
        a, weights, slopes, squares = rng.standard_normal(width), [], [], []
        for layer in range(depth):
            weights.append(rng.standard_normal((width, width)) / math.sqrt(width))
            value = f(a @ weights[-1])
            slopes.append(slope(value))
            a = value if layer == 0 else a + value
            squares.append(np.mean(a * a))
        arriving, deltas = rng.standard_normal(width), []
        for layer in reversed(range(depth)):
            deltas.append(np.mean((arriving * slopes[layer]) ** 2))
            arriving = arriving + weights[layer] @ (arriving * slopes[layer])
        expected_squares, expected = residual_trajectory(name, 1.0, depth)
        assert np.log(squares) == pytest.approx(expected_squares, abs=0.1)
        assert np.log(deltas[::-1]) - math.log(deltas[0]) == pytest.approx(expected, abs=0.2)
