"""Correlations, depth scales, spectra and learning curves against closed forms, other quadrature and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from naive_activations import TEXTBOOK
from scipy.integrate import dblquad, quad, solve_ivp
from scipy.stats import ortho_group

from nnsim.core.errors import UsageError
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.input_pairs import correlations, pair_inputs, pair_moments
from nnsim.theory.signals import correlation, spectra
from nnsim.theory.signals.finite_width_pairs import predict_pair
from nnsim.theory.signals.mean_field import fixed_point, gradient_factor, variance_map
from nnsim.theory.training import linear_dynamics

C_VALUES = (-1.0, -0.9, -0.3, 0.0, 0.5, 0.99, 1.0 - 1e-8, 1.0)


def normal(z):
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


class TestPairs:
    @pytest.mark.parametrize("c", C_VALUES)
    def test_relu_is_the_closed_form(self, c: float) -> None:
        assert correlation.correlation_map("relu", 2.0, 0.0, 0.7, c) == pytest.approx(
            correlation.relu_correlation_map(c), abs=1e-9
        )

    @pytest.mark.parametrize("c", C_VALUES)
    def test_the_slope_of_relu_is_the_share_of_units_that_both_pass(self, c: float) -> None:
        assert correlation.correlation_slope("relu", 2.0, 0.7, c) == pytest.approx(1 - math.acos(c) / math.pi, abs=1e-9)

    @pytest.mark.parametrize("c", [-0.8, 0.0, 0.6, 0.97])
    def test_erf_is_the_closed_form(self, c: float) -> None:
        """E erf(u) erf(v) = (2/pi) arcsin(2 q c / (1 + 2 q)), Williams 1997."""
        erf = np.vectorize(math.erf)
        found = correlation.pair_expectation(lambda u, v: erf(u) * erf(v), 1.3, c)
        assert found == pytest.approx(2 / math.pi * math.asin(2.6 * c / 3.6), abs=1e-9)

    def test_tanh_against_adaptive_quadrature(self) -> None:
        q, c = 1.4, 0.6
        apart = math.sqrt(1 - c * c)

        def integrand(y: float, x: float) -> float:
            u, v = math.sqrt(q) * x, math.sqrt(q) * (c * x + apart * y)
            return math.tanh(u) * math.tanh(v) * normal(x) * normal(y)

        expected, _ = dblquad(integrand, -9, 9, -9, 9, epsabs=1e-10)
        value = correlation.correlation_map("tanh", 1.0, 0.0, q, c) * variance_map("tanh", 1.0, 0.0, q)
        assert value == pytest.approx(expected, abs=1e-8)

    @pytest.mark.parametrize("name", ["tanh", "gelu", "relu"])
    def test_the_slope_is_the_derivative_of_the_map(self, name: str) -> None:
        q, c, h = 0.9, 0.4, 1e-4

        def product(at: float) -> float:
            return correlation.correlation_map(name, 1.5, 0.0, q, at) * variance_map(name, 1.5, 0.0, q) / q

        slope = (product(c + h) - product(c - h)) / (2 * h)
        assert correlation.correlation_slope(name, 1.5, q, c) == pytest.approx(slope, abs=1e-6)

    def test_at_correlation_one_the_slope_is_chi(self) -> None:
        assert correlation.correlation_slope("tanh", 2.0, 0.8, 1.0) == pytest.approx(
            gradient_factor("tanh", 2.0, 0.8), abs=1e-10
        )

    @pytest.mark.parametrize(("q", "c"), [(1.0, 1.1), (1.0, -1.01), (1.0, math.nan), (0.0, 0.5), (math.inf, 0.5)])
    def test_what_is_no_pair_is_refused(self, q: float, c: float) -> None:
        with pytest.raises(UsageError, match="is needed"):
            correlation.pair_expectation(lambda u, v: u * v, q, c)


class TestScales:
    def test_the_variance_slope_is_the_derivative_of_the_variance_map(self) -> None:
        q, h = 0.6, 1e-4
        slope = (variance_map("tanh", 1.7, 0.05, q + h) - variance_map("tanh", 1.7, 0.05, q - h)) / (2 * h)
        assert correlation.variance_slope("tanh", 1.7, q) == pytest.approx(slope, abs=1e-6)

    def test_the_variance_slope_is_chi_plus_the_curvature_term(self) -> None:
        """Against its published form, with tanh'' = -2 tanh (1 - tanh^2)."""
        q = 0.6

        def integrand(z: float) -> float:
            t = math.tanh(math.sqrt(q) * z)
            return ((1 - t * t) ** 2 - 2 * t * t * (1 - t * t)) * normal(z)

        expected = 1.7 * quad(integrand, -9, 9, epsabs=1e-12)[0]
        assert correlation.variance_slope("tanh", 1.7, q) == pytest.approx(expected, abs=1e-9)

    def test_in_order_inputs_become_one(self) -> None:
        q = fixed_point("tanh", 1.0, 0.05).variance
        assert correlation.fixed_correlation("tanh", 1.0, 0.05, q) == 1.0

    def test_in_chaos_the_map_leads_to_the_fixed_correlation_at_the_rate_of_the_scale(self) -> None:
        q = fixed_point("tanh", 3.0, 0.05).variance
        star = correlation.fixed_correlation("tanh", 3.0, 0.05, q)
        c, distances = 0.8, []
        for _ in range(70):
            c = correlation.correlation_map("tanh", 3.0, 0.05, q, c)
            distances.append(abs(c - star))
        assert distances[-1] < 2e-3
        measured = -1 / math.log(distances[-1] / distances[-2])
        assert measured == pytest.approx(correlation.depth_scales("tanh", 3.0, 0.05).correlation, rel=0.01)

    def test_without_biases_an_odd_function_forgets_all_correlation(self) -> None:
        q = fixed_point("tanh", 3.0, 0.0).variance
        assert correlation.fixed_correlation("tanh", 3.0, 0.0, q) == 0.0

    def test_gradients_have_the_scale_of_chi(self) -> None:
        q = fixed_point("tanh", 1.3, 0.05).variance
        scales = correlation.depth_scales("tanh", 1.3, 0.05)
        assert scales.gradient == scales.correlation == pytest.approx(-1 / math.log(gradient_factor("tanh", 1.3, q)))

    def test_there_is_none_where_variances_explode(self) -> None:
        assert all(map(math.isnan, correlation.depth_scales("relu", 3.0, 0.1)))


class TestCriticalLine:
    def test_the_published_point(self) -> None:
        assert correlation.critical_weight("tanh", 0.05) == pytest.approx((1.760955, 0.570048), abs=1e-6)

    def test_it_is_a_fixed_point_at_which_chi_is_one(self) -> None:
        sw2, q = correlation.critical_weight("tanh", 0.2)
        assert variance_map("tanh", sw2, 0.2, q) == pytest.approx(q, abs=1e-10)
        assert gradient_factor("tanh", sw2, q) == pytest.approx(1.0, abs=1e-10)

    @pytest.mark.parametrize(("name", "sw2"), [("relu", 2.0), ("tanh", 1.0)])
    def test_without_biases(self, name: str, sw2: float) -> None:
        assert correlation.critical_weight(name, 0.0) == pytest.approx((sw2, 0.0), abs=1e-6)

    def test_relu_has_no_other_point(self) -> None:
        with pytest.raises(UsageError, match="activation 'relu' has no critical point"):
            correlation.critical_weight("relu", 0.1)


class TestSpectra:
    @pytest.mark.parametrize(
        ("keep", "orthogonal", "slope"), [(1.0, False, 1.0), (0.5, False, 2.0), (1.0, True, 0.0), (0.5, True, 1.0)]
    )
    def test_wide_layers_add_the_published_variance_each(self, keep: float, orthogonal: bool, slope: float) -> None:
        assert spectra.jacobian_spectrum_variance(7, keep=keep, orthogonal=orthogonal) == 7 * slope
        wide = spectra.jacobian_spectrum_variance(7, 10**7, keep, orthogonal)
        assert wide == pytest.approx(7 * slope, abs=1e-4)

    @pytest.mark.parametrize("keep", [1.0, 0.5])
    @pytest.mark.parametrize("orthogonal", [False, True])
    def test_narrow_layers_against_simulation(self, keep: float, orthogonal: bool) -> None:
        rng, n, depth, nets = np.random.default_rng(3), 6, 3, 20_000
        J = np.broadcast_to(np.eye(n), (nets, n, n))
        for _ in range(depth):
            if orthogonal:
                W = ortho_group.rvs(n, nets, random_state=rng)
            else:
                W = rng.standard_normal((nets, n, n)) / math.sqrt(n)
            mask = rng.random((nets, n, 1)) < keep
            J = mask * (W @ J) / math.sqrt(keep)
        values = np.linalg.svd(J, compute_uv=False) ** 2
        found = np.var(values, axis=1)
        expected = spectra.jacobian_spectrum_variance(depth, n, keep, orthogonal)
        assert np.mean(found) == pytest.approx(expected, abs=4 * np.std(found) / math.sqrt(nets) + 1e-12)


class TestLearningCurves:
    @pytest.mark.parametrize(("strength", "start"), [(3.0, 0.001), (0.5, 0.2), (1.0, 2.0)])
    def test_they_solve_the_differential_equation(self, strength: float, start: float) -> None:
        """da/dt = 2 a (s - a) / tau, Saxe et al. 2014, eq. 11."""
        tau, at = 250.0, np.linspace(0, 2000, 9)
        flow = solve_ivp(
            lambda _, a: 2 * a * (strength - a) / tau, (0, 2000), [start], t_eval=at, rtol=1e-10, atol=1e-12
        )
        np.testing.assert_allclose(linear_dynamics.mode_strength(at, strength, start, tau), flow.y[0], atol=1e-7)

    def test_the_half_time_is_where_half_is_learnt(self) -> None:
        t = linear_dynamics.half_time(2.0, 0.01, 100.0)
        assert linear_dynamics.mode_strength(t, 2.0, 0.01, 100.0) == pytest.approx(1.0, abs=1e-12)

    @pytest.mark.parametrize("start", [0.0, 2.0, 3.0])
    def test_there_is_none_from_beyond(self, start: float) -> None:
        assert math.isnan(linear_dynamics.half_time(2.0, start, 100.0))


class TestFiniteWidthPairs:
    """Against networks so narrow that the correction is many standard errors, and what remains is few."""

    NETS, WIDTH, DEPTH = 1200, 32, 6

    @pytest.fixture(scope="class")
    @classmethod
    def measured(cls) -> np.ndarray:
        spec = NetworkSpec((2, *[cls.WIDTH] * cls.DEPTH, 1), "tanh", loss="mse", dtype="float64")
        X = pair_inputs(0.5, 0.3, 0.4)
        scheme = f"mean_field:{math.sqrt(0.7)}:{math.sqrt(0.05)}"
        return np.array([pair_moments(spec, initialize(spec, scheme, key), X) for key in range(cls.NETS)])

    def expected(self, width: int):
        return predict_pair("tanh", 0.7, 0.05, self.DEPTH, width, (0.3, 0.4, 0.5))

    def test_distances(self, measured: np.ndarray) -> None:
        logs = np.log(measured[..., 2])
        error = logs[:, -1].std() / math.sqrt(self.NETS)
        assert logs[:, -1].mean() == pytest.approx(self.expected(self.WIDTH).log_apart[-1], abs=4 * error)
        assert abs(logs[:, -1].mean() - self.expected(10**9).log_apart[-1]) > 6 * error

    def test_correlations(self, measured: np.ndarray) -> None:
        found = 1 - correlations(measured)
        error = found.std(axis=0) / math.sqrt(self.NETS)
        np.testing.assert_array_less(np.abs(found.mean(axis=0) - self.expected(self.WIDTH).correlation), 5 * error)

    def test_ratios(self, measured: np.ndarray) -> None:
        found = np.log(measured[..., 1] / measured[..., 0])
        error = found.std(axis=0) / math.sqrt(self.NETS)
        np.testing.assert_array_less(np.abs(found.mean(axis=0) - self.expected(self.WIDTH).log_ratio), 5 * error)

    def test_an_infinite_width_gives_the_mean_field_map(self) -> None:
        q = fixed_point("tanh", 1.5, 0.05).variance
        square = (q - 0.05) / 1.5
        found = predict_pair("tanh", 1.5, 0.05, 1, 10**12, (square, square, 0.5)).correlation[0]
        c = (1.5 * square * 0.5 + 0.05) / q
        second = (variance_map("tanh", 1.5, 0.05, q) - 0.05) / 1.5
        product = (correlation.correlation_map("tanh", 1.5, 0.05, q, c) * q - 0.05) / 1.5
        assert found == pytest.approx(product / second, abs=1e-6)

    def test_a_kink_is_refused(self) -> None:
        with pytest.raises(UsageError, match="activation 'relu' has a kink"):
            predict_pair("relu", 2.0, 0.0, 3, 10, (1.0, 1.0, 0.5))


def test_every_smooth_activation_has_a_correlation_map() -> None:
    for name in ("tanh", "sigmoid", "gelu", "silu"):
        assert name in TEXTBOOK
        assert -1 <= correlation.correlation_map(name, 1.0, 0.1, 1.0, 0.3) <= 1
