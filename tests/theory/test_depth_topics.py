"""Formulas, lines, closed regions, plane waves and equal parameters of the depth study, each against another way."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import linprog, minimize_scalar

from nnsim.core.errors import UsageError
from nnsim.kernels.cpu_only.ridges import sum_of_waves
from nnsim.networks.equal_parameters import equal_width
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.expressivity.best_lines import line_error, lines_needed
from nnsim.probes.expressivity.enclosure import circle, encloses, positive_stretches
from nnsim.probes.expressivity.linear_pieces import follow
from nnsim.probes.expressivity.piece_counts import largest_error
from nnsim.probes.expressivity.ridge_functions import FREQUENCY, WAVES, fixed_unit_errors, ridge_data
from nnsim.theory.expressivity import approximation, regions


class TestRegionLaws:
    @pytest.mark.parametrize(("n", "d", "count"), [(3, 2, 7), (4, 2, 11), (4, 3, 15), (3, 5, 8), (5, 1, 6)])
    def test_general_position(self, n, d, count):
        assert regions.arrangement_regions(n, d) == count

    @pytest.mark.parametrize(("n", "d", "count"), [(3, 2, 6), (4, 3, 14), (5, 1, 2)])
    def test_through_the_origin(self, n, d, count):
        assert regions.central_regions(n, d) == count

    def test_one_plane_more_cuts_what_the_others_make_in_it(self):
        total = regions.arrangement_regions(8, 3) + regions.arrangement_regions(8, 2)
        assert regions.arrangement_regions(9, 3) == total

    def test_folded(self):
        assert regions.folded_regions((4, 5, 3), 2) == 4 * 4 * 7

    def test_most_pieces(self):
        assert regions.most_pieces((2, 3)) == 12

    @pytest.mark.parametrize(("sw2", "sb2", "a"), [(2.0, 1.0, 1.0), (0.7, 0.2, 3.0)])
    def test_a_first_layer_unit_breaks_as_often_as_the_cauchy_law_says(self, sw2, sb2, a):
        density = lambda x: math.sqrt(sw2 * sb2) / (math.pi * (sb2 + sw2 * x * x))  # noqa: E731 of -b / w
        assert regions.layer_breaks(1, a, sw2, sb2) == pytest.approx(quad(density, -a, a)[0], abs=1e-9)

    @pytest.mark.parametrize("layer", [1, 2, 5])
    def test_a_later_layer_by_kac_and_rice(self, layer):
        def crossings(x):
            z, slope, both = 2 * x * x + layer * 0.25, 2.0, 2 * x
            return math.sqrt(z * slope - both * both) / (math.pi * z)

        assert regions.layer_breaks(layer, 1.5, 2.0, 0.25) == pytest.approx(quad(crossings, -1.5, 1.5)[0], abs=1e-9)

    def test_the_covariances_are_those_of_wide_networks(self):
        rng = np.random.default_rng(0)
        x, squares = 0.7, []
        for _ in range(300):
            h, slope = np.full(1, x), np.ones(1)
            for fan_in in (1, 200, 200):
                W = rng.normal(size=(fan_in, 200)) * math.sqrt(2 / fan_in)
                z, slope = h @ W + 0.5 * rng.normal(size=200), slope @ W
                squares.append((np.mean(z * z), np.mean(slope * slope), np.mean(z * slope)))
                h, slope = np.maximum(z, 0), slope * (z > 0)
        last = np.mean(squares[2::3], axis=0)
        assert last == pytest.approx([2 * x * x + 3 * 0.25, 2.0, 2 * x], rel=0.04)

    def test_later_layers_need_he(self):
        with pytest.raises(ValueError, match="sw2 = 2 alone, got 1"):
            regions.layer_breaks(2, 1.0, 1.0, 1.0)

    @pytest.mark.parametrize(("layer", "breaks"), [(1, 1.0), (2, 0.0)])
    def test_without_biases_all_first_breaks_are_at_the_origin(self, layer, breaks):
        assert regions.layer_breaks(layer, 1.0, 2.0, 0.0) == breaks

    def test_a_network_breaks_as_often_as_its_units(self):
        units = 3 * regions.layer_breaks(1, 1.0, 2.0, 1.0) + 5 * regions.layer_breaks(2, 1.0, 2.0, 1.0)
        assert regions.random_breaks((3, 5), 1.0, 1.0) == pytest.approx(units)


class TestApproximationLaws:
    @pytest.mark.parametrize("tents", [1, 3])
    def test_the_square_by_chords(self, tents):
        x = np.linspace(0, 1, 2**14 + 1)
        grid = np.linspace(0, 1, 2**tents + 1)
        assert np.max(np.interp(x, grid, grid**2) - x * x) == approximation.square_error(tents)

    @pytest.mark.parametrize("lines", [1, 2, 5])
    def test_the_best_lines_by_linear_programming(self, lines):
        """Minimise the largest error over continuous functions with `lines` equal pieces."""
        x = np.linspace(0, 1, 400 * lines + 1)
        knots = np.linspace(0, 1, lines + 1)
        hats = np.array([np.interp(x, knots, unit) for unit in np.eye(lines + 1)]).T
        ones = np.ones((x.size, 1))
        A = np.vstack([np.hstack([hats, -ones]), np.hstack([-hats, -ones])])
        cost = np.append(np.zeros(lines + 1), 1.0)
        found = linprog(cost, A, np.concatenate([x * x, -x * x]), bounds=(None, None)).fun
        assert found == pytest.approx(approximation.best_lines_error(lines), rel=1e-4)

    def test_barrons_norm_of_waves(self):
        """The slope of the target in one dimension is bounded by it, and reaches it where all waves are in step."""
        x = np.linspace(0, 2 * math.pi, 10_001)
        in_step = math.sqrt(2 / 5) * 5 * np.cos(1.5 * x)
        steepest = np.abs(np.gradient(in_step, x)).max()
        assert approximation.waves_barron_norm(5, 1.5) == pytest.approx(steepest, rel=1e-5)

    def test_barrons_bound(self):
        assert approximation.barron_bound(1.5, 2.0, 9) == pytest.approx(4.0)

    def test_lines_for_an_error(self):
        assert [approximation.lines_for_error(approximation.square_error(m)) for m in (1, 2, 3)] == [2, 3, 6]


class TestLines:
    @pytest.mark.parametrize("f", [math.exp, lambda x: x**4, lambda x: x * x])
    def test_the_error_of_one_line(self, f):
        def worst(slope):
            gaps = f_x - slope * x
            return (gaps.max() - gaps.min()) / 2

        x = np.linspace(0.2, 1.1, 20_001)
        f_x = np.array([f(value) for value in x.tolist()])
        assert line_error(f, 0.2, 1.1) == pytest.approx(minimize_scalar(worst, bounds=(0, 5)).fun, rel=1e-4)

    @pytest.mark.parametrize("lines", [1, 3, 10])
    def test_the_square_takes_n_lines_and_for_less_error_one_more(self, lines):
        error = approximation.best_lines_error(lines)
        assert lines_needed(lambda x: x * x, 1.001 * error) == lines
        assert lines_needed(lambda x: x * x, 0.999 * error) == lines + 1

    def test_lines_may_be_unequal(self):
        """About the integral of sqrt(f'' / (16 error)) lines, f = exp on [0, 3]."""
        assert lines_needed(math.exp, 1e-4, 0.0, 3.0) == pytest.approx(2 * (math.exp(1.5) - 1) / 4 / 0.01, abs=1)

    def test_the_largest_error_of_a_line(self):
        line = [(np.ones((1, 1)), np.zeros(1))]
        assert largest_error(follow(line, np.array([[0.0], [1.0]]))) == 0.25  # x against x^2


def pyramid(height: float, faces: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Answer the second class where the sum of |facets| is under `height`: a polygon around the origin."""
    angle = 2 * np.pi * np.arange(faces) / faces
    W = np.vstack([np.cos(angle), np.sin(angle)])
    return [(W, np.zeros(faces)), (np.column_stack([np.zeros(faces), -np.ones(faces)]), np.array([0.0, height]))]


RADII = (0.5, 1.0, 2.0, 4.0)


class TestEnclosure:
    def test_a_circle_is_one(self):
        corners = circle(3.0)
        assert np.hypot(*corners.T) == pytest.approx(np.full(65, 3.0))
        assert corners[0].tolist() == corners[-1].tolist()

    @pytest.mark.parametrize("faces", [3, 4, 7])
    def test_a_pyramid_is_closed(self, faces):
        assert encloses(pyramid(1.0, faces), RADII)

    def test_the_first_class_may_be_within(self):
        W, b = pyramid(1.0, 4)[1]
        assert encloses([pyramid(1.0, 4)[0], (W[:, ::-1], b[::-1])], RADII)

    def test_two_facets_leave_a_wedge(self):
        assert not encloses(pyramid(1.0, 2), RADII)

    def test_a_strip_that_leaves_between_the_corners_is_seen(self):
        """The second class where |normal . x| < 1/400: every corner of every circle says the first."""
        along = circle(1.0)[:2].mean(axis=0)
        normal = np.array([[-along[1]], [along[0]]])
        strip = [(400 * np.hstack([normal, -normal]), np.zeros(2)), (-np.ones((2, 1)), np.ones(1))]
        corners = np.concatenate([circle(radius) for radius in RADII])
        assert (np.abs(corners @ normal) > 1 / 400).all()
        assert not encloses(strip, RADII)

    def test_one_class_everywhere_closes_nothing(self):
        assert not encloses(pyramid(-1.0, 4), RADII)

    def test_one_logit_is_the_margin(self):
        (W, b), (v, c) = pyramid(1.0, 4)
        assert encloses([(W, b), (v[:, 1:], c[1:])], RADII)

    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("depth", [1, 4])
    def test_random_networks_of_width_two_never_close(self, seed, depth):
        rng = np.random.default_rng(seed)
        widths = (2, *[2] * depth, 2)
        layers = [(rng.normal(size=(a, b)), rng.normal(size=b)) for a, b in pairwise(widths)]
        assert not encloses(layers, RADII)

    def test_stretches_of_the_second_class(self):
        path = np.array([[-4.0, 0.0], [4.0, 0.0]])
        stretches = positive_stretches(pyramid(1.0, 4), path)
        assert np.array(stretches) * 8 - 4 == pytest.approx(np.array([[-1.0, 1.0]]))

    def test_a_path_may_begin_within(self):
        path = np.array([[0.0, 0.0], [4.0, 0.0]])
        assert positive_stretches(pyramid(1.0, 4), path) == [pytest.approx((0.0, 0.25))]

    def test_no_stretch_without_the_class(self):
        assert positive_stretches(pyramid(-1.0, 4), np.array([[-4.0, 0.0], [4.0, 0.0]])) == []


class TestRidges:
    def test_inputs_and_targets_have_variance_one(self):
        data = ridge_data(6, 5000, 4)
        assert data.X.var(axis=0) == pytest.approx(np.ones(6), abs=0.05)
        assert data.y.var() == pytest.approx(1.0, abs=0.25)

    def test_in_one_dimension_all_waves_are_one(self):
        data = ridge_data(1, 300, 9)
        angle = FREQUENCY * data.X[:, 0]
        waves = np.column_stack([np.cos(angle), np.sin(angle)])
        rest = data.y[:, 0] - waves @ np.linalg.lstsq(waves, data.y[:, 0])[0]
        assert np.abs(rest).max() < 1e-12

    def test_the_kernel_is_the_formula(self):
        rng = np.random.default_rng(0)
        X, W, phases, found = rng.normal(size=(9, 4)), rng.normal(size=(4, 3)), rng.normal(size=3), np.empty(9)
        sum_of_waves(X, W, phases, found)
        assert found == pytest.approx(np.cos(X @ W + phases).sum(axis=1), abs=1e-13)

    def test_no_target_is_larger_than_all_waves_in_step(self):
        assert np.abs(ridge_data(5, 1000, 9).y).max() <= math.sqrt(2 * WAVES)

    def test_another_key_is_another_target(self):
        assert ridge_data(2, 5, 1).y.tolist() != ridge_data(2, 5, 2).y.tolist()

    def test_more_rows_begin_with_the_fewer(self):
        assert ridge_data(3, 8, 1).y[:5].tolist() == ridge_data(3, 5, 1).y.tolist()

    def test_fixed_units_that_span_the_target_leave_nothing(self):
        data = ridge_data(1, 400, 3)
        assert fixed_unit_errors(data, 200, "sigmoid", (40,), 5)[40] < 1e-3

    @pytest.mark.parametrize("activation", ["relu", "sigmoid"])
    def test_more_units_leave_less(self, activation):
        errors = fixed_unit_errors(ridge_data(2, 4000, 3), 2000, activation, (2, 8, 32), 5)
        assert errors[2] > errors[8] > errors[32]


class TestEqualParameters:
    @pytest.mark.parametrize(("budget", "depth"), [(5000, 1), (5000, 8), (90, 2), (20, 1)])
    def test_no_width_is_nearer(self, budget, depth):
        width = equal_width(budget, depth, 3, 2)
        distance = {w: abs(NetworkSpec((3, *[w] * depth, 2)).n_parameters - budget) for w in range(1, 900)}
        assert width == min(distance, key=lambda w: distance[w])

    def test_a_budget_that_is_too_small(self):
        with pytest.raises(UsageError, match="at least 8 parameters, got a budget of 7: choose at least 8"):
            equal_width(7, 1, 3, 2)
