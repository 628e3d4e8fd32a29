"""The dead-neurons study: every claim's verdict on networks as they are, and on networks that break its physics."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from nnsim_studies import dead_neurons
from nnsim_studies.dead_neurons import off_units
from study_bench import Bench, Tables, student  # noqa: F401

from nnsim.core.errors import UsageError
from nnsim.kernels.cpu.training import loss_and_gradient
from nnsim.networks import initializers
from nnsim.networks.initializers import Filled, Layer
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.sharpness import sharpness
from nnsim.probes.units import UnitFacts
from nnsim.report.claims import Claim
from nnsim.report.judging import claims_of
from nnsim.study import network_trials, unit_trials
from nnsim.study.trials import NetworkTrial
from nnsim.training import trainer

pytestmark = pytest.mark.physics

SMALL = {
    "narrow_width": "3", "narrow_depth": "2,8", "nets": 2200, "probe_seeds": 12, "width": 24, "seeds": 12,
    "bias": "-2,0,0.5", "learning_rate": "0.125,0.25,0.5,1,2,4,8,16,32", "epochs": 40, "samples": 300,
}  # fmt: skip
TINY = {"nets": 3, "probe_seeds": 1, "width": 6, "seeds": 1, "epochs": 2, "samples": 60, "learning_rate": "0.1,8"}
TINY |= {"narrow_depth": "2,3", "data": "moons", "bias": "-1,0,0.5"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory, dead_neurons.study, SMALL)


@pytest.fixture(scope="module")
def whole(bench: Bench) -> Tables:
    """Everything, as it is."""
    return bench.kept()


def judged(bench: Bench, tables: Tables, **axes: Any) -> dict[str, Claim]:
    return {claim.id: claim for claim in claims_of(dead_neurons.study, tables, bench.config(**axes))}


def verdicts(bench: Bench, tables: Tables, **axes: Any) -> dict[str, str]:
    return {name: claim.verdict for name, claim in judged(bench, tables, **axes).items()}


@pytest.fixture(scope="module")
def unbroken(bench: Bench, whole: Tables) -> dict[str, Claim]:
    return judged(bench, whole)


HOLD = [
    *("B1-3x2", "B1-3x8", "B2-exact-3", "B2-lower", "B2-upper"),
    *("B3-leaky", "B3-he", "B3-asymmetric", "B3-mean", "B3-batch", "B3-without"),
    *("B4-calm", "B4-catapult", "B4-he", "B4-batch-onset", "B4-negative-bias"),
    *("B4-first-layer", "B4-revivals", "B4-dormant"),
]
FAIL = ["B4-jump", "B4-batch", "B4-positive-bias"]


class TestUnbroken:
    def test_these_are_all_claims(self, unbroken: dict[str, Claim]) -> None:
        assert sorted(unbroken) == sorted([*HOLD, *FAIL])

    @pytest.mark.parametrize("claim", HOLD)
    def test_holds(self, unbroken: dict[str, Claim], claim: str) -> None:
        assert unbroken[claim].verdict == "holds", unbroken[claim]

    @pytest.mark.parametrize("claim", FAIL)
    def test_fails_and_the_report_says_so(self, unbroken: dict[str, Claim], claim: str) -> None:
        assert unbroken[claim].verdict == "fails", unbroken[claim]


def changed(tables: Tables, table: str, **columns: Callable[[Any], Any]) -> Tables:
    frame = tables[table]
    return tables | {table: frame.assign(**{name: change(frame[name]) for name, change in columns.items()})}


def exchanged(first: Any, second: Any) -> Callable[[Any], Any]:
    return lambda column: column.replace({first: second, second: first})


# --- networks as they are drawn ------------------------------------------------------------------------------------


def with_mean(mean: float) -> Callable[[Layer], Filled]:
    """Normal draws of He's deviation whose mean is `mean` deviations."""

    def fill(layer: Layer) -> Filled:
        return (layer.normals(layer.shape) + mean) * math.sqrt(2 / layer.fan_in), None

    return fill


def with_scheme(patch: pytest.MonkeyPatch, name: str, fill: Callable[[Layer], Filled]) -> None:
    patch.setitem(initializers.SCHEMES, name, replace(initializers.SCHEMES[name], fill=fill))


class TestBrokenDraws:
    def test_negative_means(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        with_scheme(monkeypatch, "he_normal", with_mean(-0.6))
        found = verdicts(bench, bench("narrow", nets=400))
        fall = {"B1-3x2", "B1-3x8", "B2-exact-3", "B2-upper", "B3-he", "B3-mean"}
        assert {name for name in fall if found[name] == "fails"} == fall

    def test_positive_means_and_a_bad_remedy(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        with_scheme(monkeypatch, "he_normal", with_mean(0.6))
        with_scheme(monkeypatch, "asymmetric", with_mean(-0.6))
        found = verdicts(bench, bench("narrow", nets=400))
        assert (found["B2-lower"], found["B3-asymmetric"]) == ("fails", "fails")

    def test_relu_under_the_name_of_leaky_relu(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        parse = network_trials.parse_activation
        monkeypatch.setattr(
            network_trials, "parse_activation", lambda name: parse({"leaky_relu": "relu"}.get(name, name))
        )
        assert verdicts(bench, bench("narrow", nets=50))["B3-leaky"] == "fails"

    def test_the_law_of_one_layer_more(self, bench: Bench, whole: Tables) -> None:
        trials = whole["trials"].copy()
        trials.loc[(trials["kind"] == "narrow") & (trials["depth"] == 2), "depth"] = 3
        found = verdicts(bench, whole | {"trials": trials}, narrow_depth="3,8")
        assert found["B1-3x3"] == "fails"

    def test_normalisation_with_a_low_shift(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        def moved(trial: NetworkTrial, spec: NetworkSpec) -> np.ndarray:
            theta = unit_trials.start_of(trial, spec)
            for shift in spec.views(theta, "shift"):
                shift -= 5
            return theta

        monkeypatch.setattr(off_units, "start_of", moved)
        assert verdicts(bench, bench("invariant"))["B3-batch"] == "fails"

    def test_normalised_under_the_name_of_plain(self, bench: Bench, whole: Tables) -> None:
        found = verdicts(bench, changed(whole, "trials", normalization=exchanged("none", "batch")))
        assert (found["B3-batch"], found["B3-without"]) == ("fails", "fails")


# --- training ------------------------------------------------------------------------------------------------------


class TestBrokenTraining:
    def test_another_sharpness(self, bench: Bench, whole: Tables) -> None:
        larger = verdicts(bench, changed(whole, "sharpness", sharpness=lambda values: 16 * values))
        smaller = verdicts(bench, changed(whole, "sharpness", sharpness=lambda values: values / 16))
        assert (larger["B4-catapult"], larger["B4-jump"]) == ("fails", "fails")
        assert (smaller["B4-catapult"], smaller["B4-calm"]) == ("fails", "fails")

    def test_a_jump_at_the_bound_would_be_seen(self, bench: Bench, whole: Tables) -> None:
        assert verdicts(bench, changed(whole, "sharpness", sharpness=lambda values: values / 6))["B4-jump"] == "holds"

    def test_units_that_cannot_die(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        parse = network_trials.parse_activation
        monkeypatch.setattr(
            network_trials, "parse_activation", lambda name: parse({"relu": "leaky_relu"}.get(name, name))
        )
        found = verdicts(bench, bench("training", learning_rate="1", bias="0"))
        assert (found["B4-he"], found["B4-revivals"]) == ("fails", "fails")

    def test_normalised_under_the_name_of_plain(self, bench: Bench, whole: Tables) -> None:
        found = verdicts(bench, changed(whole, "trials", normalization=exchanged("none", "batch")))
        assert (found["B4-batch"], found["B4-batch-onset"]) == ("holds", "fails")

    @pytest.mark.parametrize(
        ("bias", "claim", "verdict"), [(-2.0, "B4-negative-bias", "fails"), (0.5, "B4-positive-bias", "holds")]
    )
    def test_biases_exchanged(self, bench: Bench, whole: Tables, bias: float, claim: str, verdict: str) -> None:
        assert verdicts(bench, changed(whole, "trials", bias=exchanged(bias, 0.0)))[claim] == verdict

    def test_an_update_that_wakes_the_first_layer(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        train = trainer.train

        def waking(spec: NetworkSpec, *arguments: Any, **options: Any) -> trainer.Run:
            run = train(spec, *arguments, **options)
            spec.layers(run.state.theta)[0][1][:] += np.float32(0.5)
            return run

        monkeypatch.setattr(trainer, "train", waking)
        found = verdicts(bench, bench("training", bias="-4,0", learning_rate="1", epochs=8))
        assert found["B4-first-layer"] == "fails"

    def test_a_score_that_forgets_small_units(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(UnitFacts, "dormancy", lambda facts: np.floor(facts.size))
        assert verdicts(bench, bench("training", seeds=2, bias="0", learning_rate="1"))["B4-dormant"] == "fails"

    def test_a_grid_without_a_jump_decides_nothing(self, bench: Bench, whole: Tables) -> None:
        low = whole["trials"][~(whole["trials"]["learning_rate"] > 1)]
        found = verdicts(bench, whole | {"trials": low})
        assert {found[name] for name in ("B4-jump", "B4-batch-onset")} <= {"inconclusive", "untested"}


def test_the_sharpness_is_the_largest_eigenvalue_of_the_dense_hessian() -> None:
    spec = NetworkSpec((2, 4, 2), "tanh", dtype="float64")
    theta = initializers.initialize(spec, "he_normal", 3)
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((20, 2)), rng.integers(0, 2, (20, 1)).astype(float)

    def gradient(at: np.ndarray) -> np.ndarray:
        found = np.empty_like(at)
        loss_and_gradient(spec.architecture, at, X, Y, found, np.uint64(0), 0)
        return found

    steps = 1e-5 * np.eye(theta.size)
    hessian = np.array([(gradient(theta + step) - gradient(theta - step)) / 2e-5 for step in steps])
    largest = np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1]
    found = sharpness(spec, theta, X, Y, np.cos(np.arange(theta.size)), 1e-6).value
    assert found == pytest.approx(largest, rel=1e-4)


# --- contract and bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sin", "leaky_relu:0.1", "gelu", "identity"])
def test_activations_that_cannot_die_are_refused(bench: Bench, name: str) -> None:
    plain = name.split(":")[0]
    sentence = f"'{plain}' is nowhere flat, so its units cannot die: choose hard_tanh or relu"
    with pytest.raises(UsageError, match=sentence):
        dead_neurons.study.trials(bench.config(activation=name))


def test_a_grid_of_biases_without_zero_is_refused(bench: Bench) -> None:
    with pytest.raises(UsageError, match="add 0 to --bias"):
        dead_neurons.study.trials(bench.config(bias="0.5"))


def test_hard_tanh_dies_too(bench: Bench) -> None:
    tables = bench("training", activation="hard_tanh", bias="0", learning_rate="32", seeds=2)
    assert tables["trials"]["dead_at_end"].max() > 0.3
