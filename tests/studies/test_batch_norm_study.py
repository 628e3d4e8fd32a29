"""The batch-norm study: every claim's verdict on networks as they are, and on networks that break its physics."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from nnsim_studies import batch_norm
from nnsim_studies.batch_norm.training import NormalizedTrial
from study_bench import Bench, Tables, student  # noqa: F401

from nnsim.core.errors import UsageError
from nnsim.networks import initializers
from nnsim.networks.initializers import variance_scaling
from nnsim.report.claims import Claim
from nnsim.report.judging import claims_of
from nnsim.study import network_trials, unit_trials

pytestmark = pytest.mark.physics

SMALL = {
    "activation": "relu,tanh", "dropout": "0.5", "probe_seeds": 20, "depth": "2,8", "width": 24, "seeds": 12,
    "epochs": 8, "samples": 500, "batch_size": 32, "learning_rate": "0.04,0.16,0.64,2.56,10.24,40.96",
}  # fmt: skip
TINY = {"activation": "relu", "probe_seeds": 1, "depth": "1,2", "width": 4, "seeds": 1, "epochs": 1}
TINY |= {"dropout": "0.5", "data": "moons", "samples": 60, "batch_size": 16, "learning_rate": "0.1,1,1e10"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory, batch_norm.study, SMALL)


@pytest.fixture(scope="module")
def whole(bench: Bench) -> Tables:
    """Everything, as it is."""
    return bench.kept()


def judged(bench: Bench, tables: Tables, **axes: Any) -> dict[str, Claim]:
    return {claim.id: claim for claim in claims_of(batch_norm.study, tables, bench.config(**axes))}


def verdicts(bench: Bench, tables: Tables, **axes: Any) -> dict[str, str]:
    return {name: claim.verdict for name, claim in judged(bench, tables, **axes).items()}


@pytest.fixture(scope="module")
def unbroken(bench: Bench, whole: Tables) -> dict[str, Claim]:
    return judged(bench, whole)


HOLD = [
    *("D1-orthogonal", "D1-scale", "D1-explosion-relu", "D1-explosion-tanh", "D1-plain"),
    *("D1-survival-shallow", "D1-survival-deep", "D1-accuracy", "D1-unstable", "D1-growth"),
    *("D1-drift-plain", "D1-drift-held", *(f"D1-dropout-0.5-layer-{layer}" for layer in (1, 2, 4))),
]
OTHERWISE = {
    "D1-rates-batch-shallow": "fails",
    "D1-rates-batch-deep": "inconclusive",
    "D1-rates-layer-shallow": "inconclusive",
    "D1-rates-layer-deep": "inconclusive",
    "D1-drift-moves": "fails",
}


class TestUnbroken:
    def test_these_are_all_claims(self, unbroken: dict[str, Claim]) -> None:
        assert sorted(unbroken) == sorted([*HOLD, *OTHERWISE])

    @pytest.mark.parametrize("claim", HOLD)
    def test_holds(self, unbroken: dict[str, Claim], claim: str) -> None:
        assert unbroken[claim].verdict == "holds", unbroken[claim]

    @pytest.mark.parametrize("claim", OTHERWISE)
    def test_does_not_hold_and_the_report_says_so(self, unbroken: dict[str, Claim], claim: str) -> None:
        assert unbroken[claim].verdict == OTHERWISE[claim], unbroken[claim]


# --- as they are drawn ---------------------------------------------------------------------------------------------


def measuring(**settings: Any) -> Callable[[dict[str, Any]], Any]:
    """Measure trials with other settings than they say, and say what they said."""

    def measure(trial: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
        tables = batch_norm.study.measure(trial | settings)
        said = {name: trial.get(name) for name in settings}
        return {
            name: [row | {key: said[key] for key in said.keys() & row.keys()} for row in rows]
            for name, rows in tables.items()
        }

    return measure


def changing(monkeypatch: pytest.MonkeyPatch, name: str, **settings: Any) -> None:
    """Let trials that are trained under watch have another network or recipe than they say."""
    told = getattr(unit_trials, name)
    monkeypatch.setattr(unit_trials, name, lambda *given: replace(told(*given), **settings))


class TestBrokenDraws:
    def test_an_epsilon_breaks_the_invariance(self, bench: Bench) -> None:
        found = verdicts(bench, bench("scale", measure=measuring(norm_epsilon=0.1)))
        assert (found["D1-orthogonal"], found["D1-scale"]) == ("fails", "fails")

    @pytest.mark.parametrize("normalization", ["layer", "none"])
    def test_another_normalisation_explodes_otherwise(self, bench: Bench, normalization: str) -> None:
        found = verdicts(bench, bench("explosion", probe_seeds=8, measure=measuring(normalization=normalization)))
        assert found["D1-explosion-relu"] == "fails"

    def test_another_activation_under_the_name(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        parse = network_trials.parse_activation
        monkeypatch.setattr(network_trials, "parse_activation", lambda name: parse({"tanh": "gelu"}.get(name, name)))
        assert verdicts(bench, bench("explosion", probe_seeds=8))["D1-explosion-tanh"] == "fails"

    def test_another_variance_without_normalisation(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        he = initializers.SCHEMES["he_normal"]
        wrong = replace(he, fill=lambda layer: (variance_scaling(layer, 2.4, "fan_in", "normal"), None))
        monkeypatch.setitem(initializers.SCHEMES, "he_normal", wrong)
        found = verdicts(bench, bench("explosion", probe_seeds=8))
        assert (found["D1-plain"], found["D1-explosion-relu"]) == ("fails", "holds")

    def test_another_dropout_than_is_said(self, bench: Bench) -> None:
        found = verdicts(bench, bench("shift", probe_seeds=6, measure=measuring(dropout=0.4)))
        assert (found["D1-dropout-0.5-layer-2"], found["D1-dropout-0.5-layer-4"]) == ("fails", "fails")

    def test_statistics_that_have_not_learnt(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        changing(monkeypatch, "network_of", norm_momentum=0.001)
        found = verdicts(bench, bench("shift", probe_seeds=6))
        assert found["D1-dropout-0.5-layer-1"] == "fails"


# --- training ------------------------------------------------------------------------------------------------------


def exchanged(tables: Tables, first: str, second: str) -> Tables:
    """Return the tables with the rows of two normalisations under each other's name."""
    names = {first: second, second: first}
    return tables | {
        name: tables[name].assign(normalization=tables[name]["normalization"].replace(names))
        for name in ("trials", "drift")
    }


class TestBrokenTraining:
    def test_normalised_under_the_name_of_plain(self, bench: Bench, whole: Tables) -> None:
        found = verdicts(bench, exchanged(whole, "none", "batch"))
        assert {found[f"D1-rates-batch-{name}"] for name in ("shallow", "deep")} == {"fails"}

    def test_batch_under_the_name_of_layer(self, bench: Bench, whole: Tables) -> None:
        found = verdicts(bench, exchanged(whole, "layer", "batch"))
        assert {found[f"D1-rates-layer-{name}"] for name in ("shallow", "deep")} == {"holds"}

    def test_a_hundred_times_the_rate_would_be_seen(self, bench: Bench, whole: Tables) -> None:
        trials, plain = whole["trials"].copy(), whole["trials"]["normalization"] == "none"
        trials.loc[plain, "learning_rate"] /= 100
        found = verdicts(bench, whole | {"trials": trials})
        assert {found[f"D1-rates-batch-{name}"] for name in ("shallow", "deep")} == {"holds"}

    def test_survivors_that_diverged(self, bench: Bench, whole: Tables) -> None:
        trials = whole["trials"].copy()
        trials.loc[(trials["normalization"] == "batch") & (trials["kind"] == "training"), "status"] = "diverged"
        found = verdicts(bench, whole | {"trials": trials})
        assert (found["D1-survival-shallow"], found["D1-survival-deep"]) == ("fails", "fails")

    def test_accuracies_exchanged(self, bench: Bench, whole: Tables, unbroken: dict[str, Claim]) -> None:
        claim = judged(bench, exchanged(whole, "none", "batch"))["D1-accuracy"]
        assert claim.estimate == pytest.approx(-unbroken["D1-accuracy"].estimate)
        assert claim.verdict != "holds"

    def test_tiny_weights_never_learn(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        he = initializers.SCHEMES["he_normal"]
        tiny = replace(he, fill=lambda layer: (variance_scaling(layer, 1e-6, "fan_in", "normal"), None))
        monkeypatch.setitem(initializers.SCHEMES, "he_normal", tiny)
        axes = {"learning_rate": "0.01,0.1,1", "epochs": 1, "depth": "8"}
        claim = judged(bench, bench("training", **axes), **axes)["D1-unstable"]
        assert claim.high < claim.prediction
        assert claim.verdict != "holds"

    def test_decay_shrinks_normalised_weights(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        changing(monkeypatch, "recipe_of", weight_decay=0.5)
        axes = {"learning_rate": "0.1", "depth": "2"}
        found = verdicts(bench, bench("training", **axes), **axes)
        assert found["D1-growth"] == "fails"

    def test_drifts_exchanged(self, bench: Bench, whole: Tables) -> None:
        found = verdicts(bench, exchanged(whole, "none", "batch"))
        assert found["D1-drift-held"] == "fails"

    def test_what_does_not_learn_does_not_drift(self, bench: Bench) -> None:
        axes = {"learning_rate": "1e-6,2e-6,4e-6", "depth": "2", "epochs": 1}
        tables = bench("training", **axes)
        trials = tables["trials"].copy()
        trials["validation_metric"] = (trials["learning_rate"] == 2e-6).astype(float)  # inside of the grid
        assert verdicts(bench, tables | {"trials": trials}, **axes)["D1-drift-plain"] == "fails"

    def test_linear_outputs_that_move_more(self, bench: Bench, whole: Tables) -> None:
        moved = whole["drift"].copy()
        moved.loc[moved["normalization"] == "batch", "linear"] *= 10
        assert verdicts(bench, whole | {"drift": moved})["D1-drift-moves"] == "holds"


# --- contract and bad input ----------------------------------------------------------------------------------------


BAD = {
    "a batch of one row": ({"batch_size": 1}, "at least 2 rows in every batch"),
    "a batch larger than the data": ({"batch_size": 5000}, "at least 335 at any root seed: choose at most 335"),
    "dropout of everything": ({"dropout": "1"}, "dropout must be above 0 and below 1, got 1"),
    "step": ({"activation": "step"}, "'step' passes no gradient"),
}


@pytest.mark.parametrize(("axes", "sentence"), BAD.values(), ids=BAD)
def test_bad_input(bench: Bench, axes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        batch_norm.study.trials(bench.config(**axes))


def test_test_results_go_by_the_running_statistics() -> None:
    """The laboratory's shared trial, too: with the statistics of the start a trained network would guess."""
    trial = NormalizedTrial(
        kind="training", scheme="he_normal", activation="relu", depth=2, width=16, repeat=0, data="digits", samples=600,
        learning_rate=0.1, batch_size=32, epochs=6, optimizer="sgd", normalization="batch",
    )  # fmt: skip
    row = network_trials.train_network(trial)["trials"][0]
    assert row["test_metric"] == pytest.approx(row["validation_metric"], abs=0.1)
    assert math.isfinite(row["test_loss"])
