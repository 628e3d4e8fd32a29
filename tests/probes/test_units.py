"""Single units on a batch: against NumPy, on networks built for the purpose, and under watch in training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from nnsim.core.errors import UsageError
from nnsim.networks.activations import evaluate
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.units import UnitFacts, drift, unit_facts
from nnsim.study.network_trials import data_of, network_of
from nnsim.study.trials import TrainingTrial
from nnsim.study.unit_trials import doublings, start_of, watch_training
from nnsim.training.trainer import batches, train

ROWS = 40


def case(activation: str = "relu", **settings: Any) -> tuple[NetworkSpec, np.ndarray, np.ndarray]:
    spec = NetworkSpec((3, 6, 5, 2), activation, dtype="float64", **settings)
    theta = initialize(spec, "torch_default", 5)
    return spec, theta, np.random.default_rng(2).standard_normal((ROWS, 3))


def naive(spec: NetworkSpec, theta: np.ndarray, X: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return (linear output, what the activation sees, activation) of every hidden layer, by matrix products."""
    found, H = [], X
    for W, b in spec.layers(theta)[:-1]:
        linear = Z = H @ W + b
        if spec.normalization == "batch":
            Z = (linear - linear.mean(axis=0)) / np.sqrt(linear.var(axis=0) + spec.norm_epsilon)
        H = evaluate(spec.activation, Z, spec.parameter)[0]
        found.append((linear, Z, H))
    return found


@pytest.mark.parametrize("normalization", ["none", "batch"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_facts_are_those_of_matrix_products(activation: str, normalization: str) -> None:
    spec, theta, X = case(activation, normalization=normalization)
    for facts, (linear, Z, A) in zip(unit_facts(spec, theta, X), naive(spec, theta, X), strict=True):
        np.testing.assert_allclose(facts.size, np.abs(A).mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(facts.z_mean, Z.mean(axis=0), rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(facts.z_variance, Z.var(axis=0), rtol=1e-12)
        np.testing.assert_allclose(facts.linear_mean, linear.mean(axis=0), rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(facts.linear_variance, linear.var(axis=0), rtol=1e-12)


def test_running_statistics_normalise_where_they_are_given() -> None:
    spec, theta, X = case(normalization="batch")
    statistics = spec.initial_statistics()
    statistics[6:12] = 4.0
    seen = unit_facts(spec, theta, X, statistics)[0]
    linear = naive(spec, theta, X)[0][0]
    np.testing.assert_allclose(seen.z_variance, linear.var(axis=0) / (4 + spec.norm_epsilon), rtol=1e-9)


def test_a_unit_is_dead_on_the_inputs_it_is_looked_at() -> None:
    spec = NetworkSpec((1, 2, 2), "relu", dtype="float64")
    theta = np.zeros(spec.n_parameters)
    spec.layers(theta)[0][0][:] = [[1.0, -1.0]]
    right, left = (unit_facts(spec, theta, np.array([[x], [2 * x]]))[0] for x in (1.0, -1.0))
    assert right.dead.tolist() == [False, True]
    assert left.dead.tolist() == [True, False]


def test_saturated_hard_tanh_is_dead_though_it_answers() -> None:
    spec = NetworkSpec((1, 1, 2), "hard_tanh", dtype="float64")
    theta = np.full(spec.n_parameters, 9.0)
    facts = unit_facts(spec, theta, np.ones((3, 1)))[0]
    assert (facts.dead.tolist(), facts.size.tolist()) == ([True], [1.0])


def facts_of(size: list[float], mean: float = 0.0, variance: float = 1.0) -> UnitFacts:
    units = np.array(size)
    m, v = np.full_like(units, mean), np.full_like(units, variance)
    return UnitFacts(units > 0, units, m, v, 2 * m, v)


class TestDormancy:
    def test_scores_are_relative_to_the_layer(self) -> None:
        np.testing.assert_allclose(facts_of([0.0, 0.1, 1.9]).dormancy(), [0, 0.15, 2.85])

    @pytest.mark.parametrize(("tau", "count"), [(0.0, 1), (0.1, 1), (0.15, 2), (3.0, 3)])
    def test_those_at_the_threshold_count(self, tau: float, count: int) -> None:
        assert facts_of([0.0, 0.1, 1.9]).dormant(tau + 1e-12 if tau else 0.0).sum() == count

    def test_a_silent_layer_is_dormant(self) -> None:
        assert facts_of([0.0, 0.0]).dormant(0.0).all()


class TestDrift:
    def test_of_means(self) -> None:
        assert drift(facts_of([1.0, 1.0]), facts_of([1.0, 1.0], mean=0.5)) == pytest.approx(0.5)

    def test_of_the_linear_output(self) -> None:
        assert drift(facts_of([1.0]), facts_of([1.0], mean=0.5), linear=True) == pytest.approx(1.0)

    def test_of_variances_in_deviations_of_the_start(self) -> None:
        assert drift(facts_of([1.0], variance=4.0), facts_of([1.0], variance=16.0)) == pytest.approx(1.0)

    def test_without_any_spread_is_not_a_number(self) -> None:
        assert np.isnan(drift(facts_of([1.0], variance=0.0), facts_of([1.0])))


def test_a_wrong_size_is_refused() -> None:
    spec, theta, X = case()
    with pytest.raises(UsageError, match="X"):
        unit_facts(spec, theta, X[:, :2])


# --- under watch ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class WatchedTrial(TrainingTrial):
    optimizer: str = "sgd"
    normalization: str | None = None


TRIAL = WatchedTrial(
    kind="training", data="moons", samples=80, repeat=1, scheme="he_normal", activation="relu", depth=2, width=6,
    learning_rate=0.1, batch_size=16, epochs=5,
)  # fmt: skip


@pytest.mark.parametrize(("epochs", "looks"), [(1, [0, 1]), (8, [0, 1, 2, 4, 8]), (9, [0, 1, 2, 4, 8, 9])])
def test_looks_double(epochs: int, looks: list[int]) -> None:
    assert doublings(epochs) == looks


def test_looking_changes_nothing() -> None:
    _, _, often = watch_training(TRIAL, [0, 1, 2, 4, 5])
    _, _, once = watch_training(TRIAL, [5])
    np.testing.assert_array_equal(often.theta, once.theta)


def test_test_results_go_by_the_running_statistics() -> None:
    measured, _, run = watch_training(replace(TRIAL, normalization="batch"), [5])
    assert run.statistics.any()
    assert measured["test_metric"] > 0.7


def test_the_bias_is_that_of_the_hidden_layers() -> None:
    spec = network_of(TRIAL, "float32")
    biases = spec.views(start_of(TRIAL, spec, bias=0.5), "bias")
    assert [float(b.max()) for b in biases] == [0.5, 0.5, 0.0]


def test_a_run_that_diverges_is_said_to() -> None:
    measured, looks, _ = watch_training(replace(TRIAL, learning_rate=1e20), [0, 5])
    assert (measured["status"], [epoch for epoch, _ in looks]) == ("diverged", [0])


def test_a_dead_unit_keeps_its_weights() -> None:
    _, looks, run = watch_training(TRIAL, [0, 5], bias=-3.0)
    spec = network_of(TRIAL, "float32")
    dead = looks[0][1][0].dead
    before, after = (spec.layers(theta)[0][0] for theta in (start_of(TRIAL, spec, -3.0), run.theta))
    assert dead.any()
    np.testing.assert_array_equal(before[:, dead], after[:, dead])


def test_training_by_hand_gives_the_same() -> None:
    from nnsim.core.seeding import key
    from nnsim.training.recipe import Recipe

    spec = network_of(TRIAL, "float32")
    recipe = Recipe(learning_rate=0.1, batch_size=16, epochs=5, optimizer="sgd")
    run = train(spec, start_of(TRIAL, spec), batches(data_of(TRIAL), np.float32), recipe, key(0, "shuffle", 1))
    np.testing.assert_array_equal(run.theta, watch_training(TRIAL, [0, 5])[2].theta)
