"""A clipped step beside its gradient, and what clipping by value does to Gaussian numbers."""

from __future__ import annotations

import numpy as np
import pytest

from nnsim.core.errors import UsageError
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.clipped_steps import gradient_at, turn
from nnsim.probes.edge_of_stability import full_batch
from nnsim.theory.training.clipped_direction import gaussian_cosine
from nnsim.training.recipe import Recipe

RNG = np.random.default_rng(2)
SPEC = NetworkSpec((3, 6, 2), "relu", loss="mse", dtype="float64")
DATA = full_batch(RNG.standard_normal((10, 3)), RNG.standard_normal((10, 2)))
THETA = initialize(SPEC, "he_normal", 9)
GRADIENT = gradient_at(SPEC, THETA, DATA)
NORM = float(np.linalg.norm(GRADIENT))


def seen(**clipping: float):
    return turn(SPEC, THETA, DATA, Recipe(0.5, None, 10, 1, "sgd", **clipping), 0)


class TestTurn:
    def test_without_clipping_the_step_is_the_gradient(self) -> None:
        free = seen()
        assert free.norm == pytest.approx(NORM)
        assert (free.step_norm, free.step_largest) == pytest.approx((NORM, np.abs(GRADIENT).max()), rel=1e-10)
        assert free.cosine == pytest.approx(1, abs=1e-12)

    def test_by_norm(self) -> None:
        clipped = seen(clip_norm=NORM / 10)
        assert clipped.step_norm == pytest.approx(NORM / 10, rel=1e-5)
        assert clipped.cosine == pytest.approx(1, abs=1e-12)

    def test_by_value(self) -> None:
        limit = NORM / 20
        cut = np.clip(GRADIENT, -limit, limit)
        clipped = seen(clip_value=limit)
        assert clipped.step_largest == pytest.approx(limit, rel=1e-10)
        assert clipped.cosine == pytest.approx(GRADIENT @ cut / (NORM * np.linalg.norm(cut)), rel=1e-10)

    @pytest.mark.parametrize(
        ("dtype", "recipe"),
        [("float32", Recipe(0.5, None, 10, 1, "sgd")), ("float64", Recipe(0.5, None, 10, 1, "adam")),
         ("float64", Recipe(0.5, None, 5, 1, "sgd"))],
        ids=["float32", "adam", "two steps an epoch"],
    )  # fmt: skip
    def test_steps_that_do_not_show_the_gradient(self, dtype: str, recipe: Recipe) -> None:
        spec = NetworkSpec((3, 6, 2), "relu", loss="mse", dtype=dtype)
        with pytest.raises(UsageError, match="only in float64, under sgd"):
            turn(spec, THETA.astype(spec.numpy_dtype), DATA, recipe, 0)


class TestGaussianCosine:
    @pytest.mark.parametrize("limit", [0.1, 1.0, 2.5])
    def test_by_monte_carlo(self, limit: float) -> None:
        g = np.random.default_rng(0).standard_normal(400_000)
        cut = np.clip(g, -limit, limit)
        assert gaussian_cosine(limit) == pytest.approx(g @ cut / np.sqrt((g @ g) * (cut @ cut)), abs=2e-3)

    @pytest.mark.parametrize("limit", [0.1, 1.0, 2.5])
    def test_by_quadrature(self, limit: float) -> None:
        from scipy.integrate import quad
        from scipy.stats import norm

        def mean(f) -> float:
            return 2 * sum(quad(lambda z: f(z) * norm.pdf(z), *part)[0] for part in ((0, limit), (limit, np.inf)))

        expected = mean(lambda z: z * min(z, limit)) / np.sqrt(mean(lambda z: min(z, limit) ** 2))
        assert gaussian_cosine(limit) == pytest.approx(expected, rel=1e-7)

    def test_its_ends(self) -> None:
        assert gaussian_cosine(1e-3) == pytest.approx(np.sqrt(2 / np.pi), abs=1e-3)
        assert gaussian_cosine(8.0) == pytest.approx(1, abs=1e-12)
