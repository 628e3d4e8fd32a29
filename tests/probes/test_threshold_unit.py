"""Threshold units: the perceptron rule, separability, Boolean functions, and the closed forms they are held against."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from nnsim.core.errors import UsageError
from nnsim.probes import threshold_unit
from nnsim.probes.threshold_unit import XOR, corners, is_separable, learn, radius_and_margin
from nnsim.theory.expressivity import separability as theory

AND, OR = (-1, -1, -1, 1), (-1, 1, 1, 1)


def labels(values: tuple[int, ...]) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def naive_rule(X: np.ndarray, y: np.ndarray, passes: int) -> tuple[list[float], int, int, bool]:
    w, mistakes = [0.0] * X.shape[1], 0
    for done in range(1, passes + 1):
        before = mistakes
        for x, label in zip(X.tolist(), y.tolist(), strict=True):
            if label * sum(a * b for a, b in zip(w, x, strict=True)) <= 0:
                w = [a + label * b for a, b in zip(w, x, strict=True)]
                mistakes += 1
        if mistakes == before:
            return w, mistakes, done, True
    return w, mistakes, passes, False


class TestRule:
    @pytest.mark.parametrize("seed", range(5))
    def test_does_what_the_loops_do(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        X, y = rng.integers(-4, 5, (12, 4)).astype(float), rng.choice([-1.0, 1.0], 12)  # sums without rounding
        learnt = learn(X, y, passes=7)
        assert (learnt.weights.tolist(), *learnt[1:]) == naive_rule(X, y, 7)

    @pytest.mark.parametrize("gate", [AND, OR], ids=["and", "or"])
    def test_ends_with_all_rows_right(self, gate: tuple[int, ...]) -> None:
        learnt = learn(corners(2), labels(gate))
        assert learnt.converged
        assert (np.sign(threshold_unit.scores(corners(2), learnt.weights)) == gate).all()

    def test_never_ends_on_xor(self) -> None:
        assert not learn(corners(2), labels(XOR), passes=500).converged

    def test_a_label_of_zero_is_refused(self) -> None:
        with pytest.raises(UsageError, match="labels must be -1 or 1, got 0"):
            learn(corners(2), np.array([0.0, 1.0, 1.0, 1.0]))

    def test_labels_of_another_length_are_refused(self) -> None:
        with pytest.raises(UsageError, match="y must be 4, got 3"):
            learn(corners(2), np.ones(3))


def test_radius_and_margin_are_those_of_the_unit_vector() -> None:
    X, y = np.array([[3.0, 4.0], [1.0, -2.0]]), np.array([1.0, -1.0])
    assert radius_and_margin(X, y, np.array([0.0, 5.0])) == pytest.approx((5.0, 2.0), rel=1e-15)


class TestSeparability:
    @pytest.mark.parametrize("seed", range(20))
    def test_in_the_plane_it_is_a_matter_of_angles(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(4, 2)), rng.choice([-1.0, 1.0], 4)
        turned = np.sort(np.arctan2(*(y[:, None] * X).T))
        gaps = np.diff([*turned, turned[0] + 2 * math.pi])
        assert is_separable(X, y) == (gaps.max() > math.pi)

    def test_what_the_rule_learns_is_separable(self) -> None:
        rng = np.random.default_rng(3)
        X = rng.normal(size=(30, 5))
        assert is_separable(X, np.sign(X[:, 0]))

    def test_a_row_of_both_classes_is_not(self) -> None:
        assert not is_separable(np.ones((2, 3)), np.array([1.0, -1.0]))

    def test_xor_has_gordans_certificate(self) -> None:
        assert (labels(XOR) @ corners(2) == 0).all()  # a positive combination of y x is 0: no w can have all above 0
        assert not is_separable(corners(2), labels(XOR))

    @pytest.mark.parametrize(("points", "dimension"), [(5, 2), (6, 3), (6, 5)])
    def test_the_count_is_that_of_all_labellings(self, points: int, dimension: int) -> None:
        X = np.random.default_rng(points).normal(size=(points, dimension))
        every = sum(is_separable(X, np.array(y)) for y in product((-1.0, 1.0), repeat=points))
        assert threshold_unit.count_separable(X) == every == theory.dichotomies(points, dimension)


class TestBooleanFunctions:
    @pytest.mark.parametrize(("inputs", "count"), [(1, 4), (2, 14), (3, 104)])
    def test_how_many_one_unit_computes(self, inputs: int, count: int) -> None:
        assert len(threshold_unit.threshold_functions(inputs)) == count  # Muroga 1971, table 2.3

    def test_two_are_missing(self) -> None:
        every = set(product((-1, 1), repeat=4))
        assert every - set(threshold_unit.threshold_functions(2)) == {XOR, tuple(-bit for bit in XOR)}

    def test_one_hidden_unit_reaches_what_a_unit_computes(self) -> None:
        assert threshold_unit.reachable_functions(2, 1) == set(threshold_unit.threshold_functions(2))

    def test_two_hidden_units_reach_all(self) -> None:
        assert len(threshold_unit.reachable_functions(2, 2)) == 16

    def test_or_and_not_and_make_xor(self) -> None:
        hidden = [labels(OR), -labels(AND)]
        assert tuple(np.where(hidden[0] + hidden[1] > 1, 1, -1)) == XOR


class TestTheory:
    @pytest.mark.parametrize(("points", "dimension"), [*product((1, 2, 5, 9), (1, 2, 4, 12))])
    def test_dichotomies_by_covers_recursion(self, points: int, dimension: int) -> None:
        def count(p: int, n: int) -> int:
            if n == 0:
                return 0
            return 2 if p == 1 else count(p - 1, n) + count(p - 1, n - 1)

        assert theory.dichotomies(points, dimension) == count(points, dimension)

    @pytest.mark.parametrize("dimension", [1, 3, 20, 200])
    def test_half_at_twice_the_dimension(self, dimension: int) -> None:
        assert theory.separable_fraction(2 * dimension, dimension) == 0.5

    def test_every_labelling_of_few_points(self) -> None:
        assert theory.separable_fraction(7, 7) == 1.0

    def test_the_bound(self) -> None:
        assert theory.mistake_bound(3.0, 0.5) == 36.0

    @pytest.mark.parametrize("margin", [0.0, -1.0, math.nan])
    def test_a_margin_that_is_not_positive_is_refused(self, margin: float) -> None:
        with pytest.raises(UsageError, match="the margin is"):
            theory.mistake_bound(1.0, margin)

    @pytest.mark.parametrize(("points", "dimension", "name"), [(0, 1, "points"), (1, 0, "dimensions")])
    def test_a_count_below_one_is_refused(self, points: int, dimension: int, name: str) -> None:
        with pytest.raises(UsageError, match=f"{name} is 0"):
            theory.dichotomies(points, dimension)
