"""Noisy labels, fits beyond interpolation, and the closed form of double descent."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from nnsim.core.errors import UsageError
from nnsim.probes.generalization import accuracy_on_noisy_labels, least_norm_fit, noisy_labels, ridge_fit
from nnsim.theory.training.double_descent import best_ridge, least_squares_risk

CLEAN = np.arange(20_000) % 10


class TestNoisyLabels:
    @pytest.mark.parametrize("noise", [0.0, 0.2, 0.9])
    def test_as_many_are_wrong_as_asked_for(self, noise: float) -> None:
        wrong = np.mean(noisy_labels(CLEAN, 10, noise, key=1) != CLEAN)
        assert abs(wrong - noise) <= 4 * math.sqrt(noise * (1 - noise) / CLEAN.size)

    def test_every_other_class_is_equally_likely(self) -> None:
        labels = noisy_labels(CLEAN, 10, 0.5, key=2)
        shifts = np.bincount((labels - CLEAN) % 10, minlength=10)[1:]
        expected = shifts.sum() / 9
        assert np.sum((shifts - expected) ** 2 / expected) < 26.1  # chi square, 8 degrees of freedom, 0.1 %

    def test_classes_stay_in_range(self) -> None:
        assert set(noisy_labels(CLEAN % 3, 3, 0.9, key=3)) == {0, 1, 2}

    def test_what_is_wrong_at_little_noise_is_wrong_at_more(self) -> None:
        little, more = (noisy_labels(CLEAN, 10, noise, key=4) for noise in (0.1, 0.3))
        assert (more[little != CLEAN] == little[little != CLEAN]).all()

    def test_the_labels_given_are_not_changed(self) -> None:
        y = CLEAN.copy()
        noisy_labels(y, 10, 0.5, key=5)
        assert (y == CLEAN).all()

    @pytest.mark.parametrize("noise", [-0.1, 1.0, math.nan])
    def test_a_share_outside_its_range_is_refused(self, noise: float) -> None:
        with pytest.raises(UsageError, match="label noise is"):
            noisy_labels(CLEAN, 10, noise, key=0)


@pytest.mark.parametrize("accuracy", [0.0, 0.3, 1.0])
def test_accuracy_on_noisy_labels_is_what_is_counted(accuracy: float) -> None:
    answers = np.where(np.arange(CLEAN.size) < accuracy * CLEAN.size, CLEAN, (CLEAN + 1) % 10)
    counted = np.mean(answers == noisy_labels(CLEAN, 10, 0.25, key=6))
    assert accuracy_on_noisy_labels(accuracy, 10, 0.25) == pytest.approx(counted, abs=0.013)


class TestFits:
    def test_least_norm_is_the_limit_of_ridge(self) -> None:
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(5, 9)), rng.normal(size=5)
        assert least_norm_fit(X, y) == pytest.approx(ridge_fit(X, y, 1e-9), abs=1e-6)

    @pytest.mark.parametrize("shape", [(9, 4), (4, 9)])
    def test_ridge_minimises_its_penalised_squares(self, shape: tuple[int, int]) -> None:
        rng = np.random.default_rng(1)
        X, y = rng.normal(size=shape), rng.normal(size=shape[0])
        best = minimize(lambda w: np.sum((y - X @ w) ** 2) + 0.7 * np.sum(w**2), np.zeros(shape[1]), tol=1e-12).x
        assert ridge_fit(X, y, 0.7) == pytest.approx(best, abs=1e-5)


class TestRisk:
    @pytest.mark.parametrize(("rows", "features"), [(20, 5), (20, 12), (20, 32), (20, 60)])
    def test_by_monte_carlo(self, rows: int, features: int) -> None:
        rng = np.random.default_rng(features)
        beta = np.full(features, math.sqrt(0.6 / features))
        errors = []
        for _ in range(1500):
            X = rng.normal(size=(rows, features))
            fit = least_norm_fit(X, X @ beta + math.sqrt(0.5) * rng.normal(size=rows))
            errors.append(0.5 + np.sum((fit - beta) ** 2))
        standard_error = np.std(errors) / math.sqrt(len(errors))
        assert least_squares_risk(rows, features, 0.6, 0.5) == pytest.approx(np.mean(errors), abs=4 * standard_error)

    @pytest.mark.parametrize("features", [19, 20, 21])
    def test_is_infinite_where_features_match_rows(self, features: int) -> None:
        assert least_squares_risk(20, features, 1.0, 0.1) == math.inf

    def test_many_features_without_signal_predict_the_mean(self) -> None:
        assert least_squares_risk(20, 10**9, 0.0, 2.0) == pytest.approx(2.0, rel=1e-7)

    @pytest.mark.parametrize(
        ("given", "message"),
        [((0, 5, 1.0, 1.0), "rows is 0"), ((5, 0, 1.0, 1.0), "features is 0"), ((5, 5, -1.0, 1.0), "signal is -1"),
         ((5, 5, 1.0, math.nan), "unexplained is nan")],
    )  # fmt: skip
    def test_what_makes_no_sense_is_refused(self, given: tuple, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            least_squares_risk(*given)


class TestBestRidge:
    @pytest.mark.parametrize("factor", [0.3, 3.0])
    def test_no_other_penalty_predicts_better(self, factor: float) -> None:
        rng = np.random.default_rng(2)
        penalty, leads = best_ridge(20, 0.6, 0.5), []
        for _ in range(400):
            X, beta = rng.normal(size=(20, 20)), rng.normal(size=20) * math.sqrt(0.6 / 20)
            y = X @ beta + math.sqrt(0.5) * rng.normal(size=20)
            other, best = (np.sum((ridge_fit(X, y, size) - beta) ** 2) for size in (factor * penalty, penalty))
            leads.append(other - best)
        assert np.mean(leads) > 3 * np.std(leads) / math.sqrt(len(leads))

    def test_without_signal_there_is_none(self) -> None:
        with pytest.raises(UsageError, match="signal is 0"):
            best_ridge(5, 0.0, 1.0)
