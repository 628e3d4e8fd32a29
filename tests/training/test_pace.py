"""Steps to a loss: counted on known losses, and in a training against the run as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.training.recipe import Recipe
from nnsim.training.steps_to_loss import steps_to, train_until
from nnsim.training.trainer import Batches, train

LINES = {
    "met at once": ([0.2, 0.1], 0.25, 40.0),
    "met half-way": ([0.4, 0.2], 0.3, 60.0),
    "met exactly": ([0.4, 0.3, 0.2], 0.3, 80.0),
    "never met": ([0.4, 0.35], 0.3, None),
}


@pytest.mark.parametrize(("losses", "threshold", "steps"), LINES.values(), ids=LINES)
def test_steps_to_a_threshold(losses: list[float], threshold: float, steps: float | None) -> None:
    assert steps_to(np.array(losses), threshold, 40) == pytest.approx(steps)


class TestTrainUntil:
    spec = NetworkSpec((2, 4, 1), "tanh", loss="mse", dtype="float64")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((24, 2))
    data = Batches(X, X[:, :1] * X[:, 1:], X[:6], X[:6, :1] * X[:6, 1:])
    theta = initialize(spec, "lecun_normal", 3)
    recipe = Recipe(0.1, None, 8, 60, "sgd")

    def test_it_counts_what_the_whole_run_shows(self) -> None:
        losses = train(self.spec, self.theta, self.data, self.recipe, 5).history[:, 1]
        threshold = float(losses[25])
        run, steps = train_until(self.spec, self.theta, self.data, self.recipe, 5, threshold)
        assert steps == steps_to(losses, threshold, 3)
        assert len(run.history) < 60

    def test_a_loss_that_is_never_met_trains_to_the_end(self) -> None:
        run, steps = train_until(self.spec, self.theta, self.data, self.recipe, 5, -1.0)
        assert (len(run.history), steps) == (60, None)

    def test_a_run_that_diverges_counts_no_steps(self) -> None:
        line = NetworkSpec((2, 1), loss="mse", dtype="float64")
        run, steps = train_until(line, np.ones(3), self.data, Recipe(1e9, None, 8, 60, "sgd"), 5, 1e-3)
        assert (run.status, steps) == ("diverged", None)
