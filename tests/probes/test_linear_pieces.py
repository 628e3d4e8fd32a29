"""Affine pieces and regions: against dense scans, rational arithmetic, sign patterns of samples and closed forms."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations, pairwise, product

import numpy as np
import pytest
from scipy.optimize import linprog

from nnsim.core.errors import UsageError
from nnsim.probes.expressivity import constructions
from nnsim.probes.expressivity.hyperplane_arrangements import count_regions
from nnsim.probes.expressivity.linear_pieces import affine, follow, rational, regions
from nnsim.probes.expressivity.piece_counts import SQUARE, UNIT
from nnsim.theory.expressivity.regions import arrangement_regions, central_regions, folded_regions

SEGMENT = np.array([[-1.0], [1.0]])


def random_layers(seed, widths, bias=1.0):
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(size=shape) * math.sqrt(2 / shape[0]), bias * rng.normal(size=shape[1]))
        for shape in pairwise(widths)
    ]


def exactly(layers):
    return [(rational(W), rational(b)) for W, b in layers]


def outputs(layers, X):
    for W, b in layers[:-1]:
        X = np.maximum(X @ W + b, 0)
    return X @ layers[-1][0] + layers[-1][1]


def pattern(layers, X):
    """Return which hidden units are on at each row."""
    signs = []
    for W, b in layers[:-1]:
        X = X @ W + b
        signs.append(X > 0)
        X = np.maximum(X, 0)
    return np.hstack(signs)


def patterns(layers, X):
    return {row.tobytes() for row in pattern(layers, X)}


class TestFollow:
    @pytest.mark.parametrize("widths", [(1, 20, 1), (1, 12, 12, 1), (1, 6, 6, 6, 6, 2), (3, 8, 8, 1)])
    def test_counts_what_a_dense_scan_sees(self, widths):
        layers = random_layers(1, widths)
        ends = np.vstack([-np.ones(widths[0]), np.ones(widths[0])])
        trace = follow(layers, ends)
        t = (np.arange(100_000) + 0.5)[:, None] / 100_000
        seen = pattern(layers, ends[0] + t * (ends[1] - ends[0]))
        assert 1 + sum(trace.breaks) == 1 + np.count_nonzero((seen[1:] != seen[:-1]).any(axis=1))

    def test_the_values_are_the_networks(self):
        layers = random_layers(2, (1, 9, 9, 1))
        trace = follow(layers, SEGMENT)
        assert trace.values == pytest.approx(outputs(layers, 2 * trace.at[:, None] - 1), abs=1e-12)

    def test_between_the_ends_the_output_is_straight(self):
        layers = random_layers(3, (1, 9, 9, 1))
        trace = follow(layers, SEGMENT)
        middle = (trace.at[:-1] + trace.at[1:]) / 2
        expected = trace.values[:-1] + trace.slopes * (middle - trace.at[:-1])[:, None]
        assert expected == pytest.approx(outputs(layers, 2 * middle[:, None] - 1), abs=1e-12)

    @pytest.mark.parametrize("seed", range(5))
    def test_floats_count_what_fractions_count(self, seed):
        layers = random_layers(seed, (1, 6, 6, 6, 1))
        exact = follow(exactly(layers), rational(SEGMENT))
        floating = follow(layers, SEGMENT)
        assert (floating.pieces, floating.breaks) == (exact.pieces, exact.breaks)

    def test_fractions_stay_fractions(self):
        trace = follow(exactly(random_layers(0, (1, 3, 1))), rational(SEGMENT))
        assert all(isinstance(value, Fraction) for value in [*trace.at, *trace.values[:, 0], *trace.slopes[:, 0]])

    def test_a_hand_counted_network(self):
        layers = [(np.array([[1.0, 1.0]]), np.array([0.0, -0.5])), (np.array([[1.0], [-2.0]]), np.zeros(1))]
        trace = follow(layers, SEGMENT)  # max(x, 0) - 2 max(x - 1/2, 0): flat, up, down
        assert trace.at.tolist() == [0.0, 0.5, 0.75, 1.0]
        assert trace.slopes[:, 0].tolist() == [0.0, 2.0, -2.0]

    def test_a_unit_that_nobody_reads_makes_no_piece(self):
        layers = [(np.ones((1, 2)), np.array([0.0, 0.5])), (np.array([[1.0], [0.0]]), np.zeros(1))]
        assert (follow(layers, SEGMENT).pieces, follow(layers, SEGMENT).breaks) == (2, (2,))

    def test_two_units_with_one_breakpoint_make_one_piece_more(self):
        layers = [(np.array([[1.0, -2.0]]), np.zeros(2)), (np.ones((2, 1)), np.zeros(1))]
        assert (follow(layers, SEGMENT).pieces, follow(layers, SEGMENT).breaks) == (2, (1,))

    def test_a_unit_that_is_zero_at_a_corner_is_not_cut(self):
        layers = [(np.ones((1, 1)), np.ones(1)), (np.ones((1, 1)), np.zeros(1))]
        assert follow(layers, SEGMENT).pieces == 1

    def test_the_path_may_turn(self):
        layers = random_layers(4, (2, 7, 7, 1))
        path = np.array([[0.0, 0.0], [1.0, 0.5], [-1.0, 2.0]])
        whole = follow(layers, path)
        legs = [follow(layers, path[start : start + 2]) for start in (0, 1)]
        assert whole.values[-1] == pytest.approx(legs[1].values[-1])
        assert sum(whole.breaks) == sum(sum(leg.breaks) for leg in legs)

    def test_a_linear_network_has_one_piece(self):
        assert follow(random_layers(0, (1, 1)), SEGMENT).pieces == 1


class TestRegions:
    @pytest.mark.parametrize("widths", [(2, 6, 1), (2, 5, 5, 1), (2, 3, 3, 3, 1)])
    def test_counts_the_sign_patterns_of_many_points(self, widths):
        layers = random_layers(5, widths, bias=0.3)
        square = 4 * SQUARE - 2
        found = regions(layers, square)
        grid = (np.stack(np.meshgrid(*[np.arange(400) + 0.5] * 2), axis=-1).reshape(-1, 2) / 400) * 4 - 2
        inside = np.array([region.corners.mean(axis=0) for region in found])
        seen, named = patterns(layers, grid), patterns(layers, inside)
        assert len(named) == len(found)
        assert seen <= named  # a grid overlooks what is smaller than its mesh

    def test_the_regions_tile_the_polygon(self):
        found = regions(random_layers(6, (2, 6, 6, 1)), SQUARE)
        assert sum(map(area, found)) == pytest.approx(1.0)

    def test_the_values_are_the_networks(self):
        layers = random_layers(7, (2, 6, 6, 1))
        for region in regions(layers, SQUARE):
            assert region.values == pytest.approx(outputs(layers, region.corners), abs=1e-12)

    def test_one_layer_of_lines_in_general_position(self):
        layers = random_layers(8, (2, 7, 1), bias=0.1)
        lines = [(W, b) for W, b in zip(layers[0][0].T, layers[0][1], strict=True)]
        corners = [np.linalg.solve(np.array([u, v]), [-a, -b]) for (u, a), (v, b) in combinations(lines, 2)]
        half = 1 + np.abs(corners).max()
        assert len(regions(layers, half * (2 * SQUARE - 1))) == arrangement_regions(7, 2)


def area(region):
    x, y = region.corners.T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


class TestCountRegions:
    @pytest.mark.parametrize(("n", "d"), [(1, 1), (5, 1), (4, 2), (7, 2), (6, 3), (7, 4), (3, 5)])
    def test_general_position(self, n, d):
        rng = np.random.default_rng(n)
        assert count_regions(rng.normal(size=(d, n)), rng.normal(size=n)) == arrangement_regions(n, d)

    @pytest.mark.parametrize(("n", "d"), [(5, 1), (4, 2), (6, 3), (6, 4)])
    def test_through_the_origin(self, n, d):
        rng = np.random.default_rng(n)
        assert count_regions(rng.normal(size=(d, n)), np.zeros(n)) == central_regions(n, d)

    def test_sign_patterns_by_linear_programming(self):
        """A pattern is a region if some point has a positive margin to all planes, each on its side."""
        rng = np.random.default_rng(3)
        W, b = rng.normal(size=(3, 5)), 0.3 * rng.normal(size=5)
        found = 0
        for signs in product((-1.0, 1.0), repeat=5):
            sides = np.array(signs)
            margins = np.column_stack([-(sides * W).T, np.ones(5)])
            bounds = [(-1e3, 1e3)] * 3 + [(None, 1.0)]
            found += linprog([0, 0, 0, -1], margins, sides * b, bounds=bounds).fun < -1e-9
        assert found == count_regions(W, b)

    def test_parallel_planes(self):
        assert count_regions(np.array([[1.0, 1.0, 2.0], [0.0, 0.0, 0.0]]), np.array([0.0, 1.0, 5.0])) == 4

    def test_equal_planes_count_once(self):
        assert count_regions(np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([1.0, 2.0])) == 2

    def test_three_lines_through_a_point(self):
        assert count_regions(np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]), np.array([-1.0, -1.0, -2.0])) == 6

    def test_a_unit_without_weights_cuts_nothing(self):
        assert count_regions(np.zeros((2, 1)), np.ones(1)) == 1


class TestWrittenNetworks:
    @pytest.mark.parametrize("depth", [1, 2, 7, 12])
    def test_tents_double(self, depth):
        assert follow(constructions.zigzag(2, depth), UNIT).pieces == 2**depth

    @pytest.mark.parametrize(("width", "depth"), [(1, 3), (4, 3), (8, 2), (3, 4)])
    def test_zigzags_multiply(self, width, depth):
        exact = exactly(constructions.zigzag(width, depth)) if width == 3 else constructions.zigzag(width, depth)
        assert follow(exact, rational(UNIT) if width == 3 else UNIT).pieces == width**depth

    def test_a_zigzag_runs_between_zero_and_one(self):
        assert set(follow(constructions.zigzag(4, 2), UNIT).values[:, 0].tolist()) == {0.0, 1.0}

    @pytest.mark.parametrize("tents", [1, 2, 5])
    def test_the_square_is_met_at_the_grid(self, tents):
        x = np.arange(2**tents + 1)[:, None] / 2**tents
        assert outputs(constructions.square(tents), x).tolist() == (x * x).tolist()

    @pytest.mark.parametrize(("widths", "inputs"), [((4,), 1), ((3, 5), 1), ((4, 4), 2), ((5, 3), 2), ((6, 4, 2), 2)])
    def test_folding_reaches_the_bound(self, widths, inputs):
        layers = exactly(constructions.folded(widths, inputs))
        found = (
            1 + sum(follow(layers, rational(UNIT)).breaks) if inputs == 1 else len(regions(layers, rational(SQUARE)))
        )
        assert found == folded_regions(widths, inputs)

    @pytest.mark.parametrize(
        ("widths", "inputs", "sentence"),
        [((4,), 3, "for 1 or 2 inputs, got 3"), ((1, 4), 2, "at least 2 units, one an input, got 1")],
    )
    def test_what_cannot_be_folded(self, widths, inputs, sentence):
        with pytest.raises(UsageError, match=sentence):
            constructions.folded(widths, inputs)

    @pytest.mark.parametrize("n", [1, 2, 5])
    def test_parity(self, n):
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        (W, b), (v, c) = constructions.parity(n)
        assert ((bits @ W + b > 0) @ v + c)[:, 0].tolist() == (bits.sum(axis=1) % 2).tolist()

    def test_flat_is_the_order_of_a_networks_parameters(self):
        assert constructions.flat(constructions.parity(2)).tolist() == [1, 1, 1, 1, -0.5, -1.5, 1, -1, 0]


def test_affine_is_a_matrix_product():
    rng = np.random.default_rng(0)
    X, W, b = rng.normal(size=(4, 3)), rng.normal(size=(3, 5)), rng.normal(size=5)
    assert affine(X, W, b) == pytest.approx(X @ W + b, abs=1e-14)
