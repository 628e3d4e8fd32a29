"""The edge of stability: where descent diverges, and its sharpness on the way; schedules in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from nnsim.core.errors import UsageError
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.edge_of_stability import chebyshev_task, divergence_rate, follow_sharpness, full_batch
from nnsim.probes.sharpness import sharpness
from nnsim.theory.training import rate_courses as closed
from nnsim.theory.training.stability import critical_rate, critical_sharpness
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import train

RNG = np.random.default_rng(11)
LINE = NetworkSpec((3, 1), loss="mse", dtype="float64")
DATA = full_batch(RNG.standard_normal((15, 3)), RNG.standard_normal((15, 1)))


class TestTheory:
    @pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
    @pytest.mark.parametrize(("share", "stable"), [(0.999, True), (1.001, False)])
    def test_the_heavy_ball_is_stable_just_below(self, momentum: float, share: float, stable: bool) -> None:
        curvature = 3.0
        rate = share * critical_rate(curvature, momentum)
        step = np.array([[1 + momentum - rate * curvature, -momentum], [1, 0]])
        assert (np.abs(np.linalg.eigvals(step)).max() < 1) == stable

    def test_rate_and_sharpness_are_each_other_s_inverse(self) -> None:
        assert critical_rate(critical_sharpness(0.1, 0.5), 0.5) == pytest.approx(0.1)


@pytest.mark.parametrize("degree", [1, 4, 7])
def test_the_task_is_the_chebyshev_polynomial(degree: int) -> None:
    x, y = chebyshev_task(20, degree)
    assert y[:, 0] == pytest.approx(np.polynomial.chebyshev.Chebyshev.basis(degree)(x[:, 0]), abs=1e-13)
    assert x[:, 0] == pytest.approx(np.polynomial.chebyshev.chebpts1(20)[::-1], abs=1e-15)


class TestDivergence:
    @pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
    def test_of_a_quadratic_is_exact(self, momentum: float) -> None:
        theta = initialize(LINE, "lecun_normal", 1)
        inputs = np.column_stack([DATA.X, np.ones(15)])
        top = np.linalg.eigvalsh(2 / 15 * inputs.T @ inputs)[-1]
        found = divergence_rate(LINE, theta, DATA, Recipe(momentum=momentum, batch_size=15, epochs=2000), 0)
        assert found == pytest.approx(critical_rate(top, momentum), rel=1e-3)

    def test_nowhere_is_said(self) -> None:
        saturated = NetworkSpec((3, 2, 1), "tanh", loss="mae", dtype="float64")
        data = full_batch(np.zeros((4, 3)), np.zeros((4, 1)))
        with pytest.raises(UsageError, match="at no rate"):
            divergence_rate(saturated, np.zeros(saturated.n_parameters), data, Recipe(batch_size=4, epochs=4), 0)


class TestFollowing:
    spec = NetworkSpec((3, 4, 1), "tanh", loss="mse", dtype="float64")
    theta = initialize(spec, "lecun_normal", 2)
    recipe = Recipe(0.05, 0.0, 15, 40)

    def test_looks_do_not_change_the_run(self) -> None:
        run, _ = follow_sharpness(self.spec, self.theta, DATA, self.recipe, 4, [0, 7, 40])
        assert run.theta.tobytes() == train(self.spec, self.theta, DATA, self.recipe, 4).theta.tobytes()

    def test_a_look_sees_the_sharpness_and_the_loss_of_its_step(self) -> None:
        run, looks = follow_sharpness(self.spec, self.theta, DATA, self.recipe, 4, [0, 40])
        last = sharpness(self.spec, run.theta, DATA.X, DATA.Y, np.ones_like(self.theta), 1e-8).value
        assert [look.step for look in looks] == [0, 40]
        assert looks[1].sharpness == pytest.approx(last, rel=1e-4)
        assert looks[1].loss == run.history[-1, 0]
        assert np.isnan(looks[0].loss)

    def test_divergence_ends_the_looks(self) -> None:
        run, looks = follow_sharpness(LINE, np.ones(4), DATA, Recipe(100.0, 0.0, 15, 2000), 4, [0, 1000, 2000])
        assert run.status == "diverged"
        assert [look.step for look in looks] == [0]

    def test_a_step_that_is_no_epoch_is_refused(self) -> None:
        with pytest.raises(UsageError, match="all 15 rows, got 5"):
            follow_sharpness(LINE, np.ones(4), DATA, Recipe(0.1, 0.0, 5, 10), 4, [1])


class TestSchedulesInClosedForm:
    t = np.arange(70)

    def test_step_and_exponential_by_repeated_products(self) -> None:
        rate, steps = 1.0, []
        for t in self.t:
            rate *= 0.5 if t and t % 7 == 0 else 1.0
            steps.append(rate)
        assert closed.step(self.t, 7, 0.5) == pytest.approx(steps)
        assert closed.exponential(self.t, 0.9)[1:] == pytest.approx(0.9 * closed.exponential(self.t, 0.9)[:-1])

    @pytest.mark.parametrize(("first", "factor"), [(10, 1), (10, 2), (3, 3), (1, 2)])
    def test_restarts_by_walking_through_the_cycles(self, first: int, factor: int) -> None:
        expected, length, place = [], first, 0
        for _ in self.t:
            expected.append((1 + np.cos(np.pi * place / length)) / 2)
            place += 1
            if place == length:
                length, place = length * factor, 0
        assert closed.cosine_restarts(self.t, first, factor) == pytest.approx(expected, abs=1e-12)

    def test_one_cycle_goes_through_its_corners(self) -> None:
        rates = closed.one_cycle(np.arange(100), 100)
        assert rates[[0, 29, 99]] == pytest.approx([1 / 25, 1.0, 1 / 25e4])
        assert (np.diff(rates[:30]) > 0).all()
        assert (np.diff(rates[29:]) < 0).all()

    def test_a_plateau_waits_for_its_patience(self) -> None:
        losses = np.array([3.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0])
        assert closed.plateau(losses, 1, 0.1) == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.1])
