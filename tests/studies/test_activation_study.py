"""The activation study: its claims hold on activations as they are, and turn where their physics is broken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nnsim_cli.main import main
from nnsim_studies import activation
from nnsim_studies.activation import accuracy, gains
from study_bench import Bench, Tables, student  # noqa: F401

from nnsim.experiment.config import resolve
from nnsim.networks import initializers
from nnsim.networks.initializers import preserving_gain, variance_scaling
from nnsim.probes import activation_moments
from nnsim.report.claims import Claim
from nnsim.report.judging import claims_of
from nnsim.runs.run import run_study
from nnsim.study import network_trials

pytestmark = pytest.mark.physics

SMALL = {
    "activation": "relu,sigmoid,selu",
    "trained_activation": "relu,tanh",
    "data": "moons",
    "samples": 400,
    "learning_rate": "0.006,0.025,0.1,0.4",
    "width": 16,
    "seeds": 6,
    "probe_seeds": 30,
    "epochs": 15,
}
TINY = SMALL | {
    "activation": "relu,selu",
    "data": "xor,moons",
    "samples": 60,
    "learning_rate": "0.03",
    "depth": 1,
    "width": 4,
    "seeds": 2,
    "probe_seeds": 2,
    "epochs": 1,
    "batch_size": 16,
}
CONFIG = resolve(activation.study, "quick", SMALL)
SELU = ["A13-decay", "A13-square", "A13-mean", "A13-growth"]
FLOW = [f"A1-{name}-{way}" for name in ("relu", "sigmoid", "selu") for way in ("forward", "backward")]
MOMENTS = [f"A1-{name}-moments" for name in ("relu", "sigmoid", "selu")]
CLAIMS = ["A13-lambda", "A13-alpha", *SELU, "A1-silu-repels", *MOMENTS, *FLOW, "training-moons-tanh"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory, activation.study, SMALL)


@pytest.fixture(scope="module")
def whole(bench: Bench) -> Tables:
    """Everything, as it is."""
    return bench.kept()


def judged(tables: Tables) -> dict[str, Claim]:
    return {claim.id: claim for claim in claims_of(activation.study, tables, CONFIG)}


def failing(tables: Tables) -> set[str]:
    return {name for name, claim in judged(tables).items() if claim.verdict == "fails"}


@pytest.fixture(scope="module")
def unbroken(whole: Tables) -> dict[str, Claim]:
    return judged(whole)


class TestUnbroken:
    def test_these_are_all_claims(self, unbroken: dict[str, Claim]) -> None:
        assert sorted(unbroken) == sorted(CLAIMS)

    @pytest.mark.parametrize("claim", CLAIMS)
    def test_holds(self, unbroken: dict[str, Claim], claim: str) -> None:
        assert unbroken[claim].verdict == "holds", unbroken[claim]


def under_another_name(monkeypatch: pytest.MonkeyPatch, module: Any, names: dict[str, str]) -> None:
    """Let networks run another activation than the claims are about."""
    parse = network_trials.parse_activation
    monkeypatch.setattr(module, "parse_activation", lambda text: parse(names.get(text, text)))


class TestBroken:
    def test_the_moments_of_another_activation(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        evaluate = activation_moments.evaluate
        monkeypatch.setattr(activation_moments, "evaluate", lambda name, z, p: evaluate("tanh", z))
        assert failing(bench("moments")) == set(MOMENTS)

    def test_draws_of_another_variance(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        evaluate = activation_moments.evaluate
        monkeypatch.setattr(activation_moments, "evaluate", lambda name, z, p: evaluate(name, 1.3 * z, p))
        assert failing(bench("moments")) == set(MOMENTS)

    def test_constants_that_are_one_digit_short(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        evaluate = gains.evaluate
        monkeypatch.setattr(gains, "evaluate", lambda *given: tuple(x * (1 + 1e-12) for x in evaluate(*given)))
        assert failing(bench("moments", probe_seeds=2)) == {"A13-lambda", "A13-alpha"}

    @pytest.mark.parametrize("name", ["relu", "sigmoid", "selu"])
    def test_another_gain(self, bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        def fill(layer: initializers.Layer) -> initializers.Filled:
            square = preserving_gain(layer.spec.activation, layer.spec.parameter) ** 2
            return variance_scaling(layer, 0.7 * square, "fan_in", "normal"), None

        broken = replace(initializers.SCHEMES["preserving_normal"], fill=fill)
        monkeypatch.setitem(initializers.SCHEMES, "preserving_normal", broken)
        assert f"A1-{name}-backward" in failing(bench("flow"))

    @pytest.mark.parametrize(("other", "fall"), [("elu", {*SELU} - {"A13-mean"}), ("softplus", {*SELU})])
    def test_another_activation_under_selus_name(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, other: str, fall: set[str]
    ) -> None:
        under_another_name(monkeypatch, network_trials, {"selu": other})
        assert failing(bench("selu", "perturbation")) >= fall

    def test_mish_under_silus_name(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        under_another_name(monkeypatch, network_trials, {"silu": "mish"})
        assert failing(bench("perturbation")) == {"A1-silu-repels"}

    def test_an_activation_that_learns_less(self, whole: Tables) -> None:
        trials = whole["trials"].copy()
        trials.loc[trials["activation"] == "tanh", "test_metric"] -= 0.2
        assert failing(whole | {"trials": trials}) == {"training-moons-tanh"}

    def test_runs_that_diverge_count_as_chance(self, whole: Tables) -> None:
        trials = whole["trials"].copy()
        tanh = (trials["kind"] == "training") & (trials["activation"] == "tanh")
        trials.loc[tanh, ["status", "validation_metric", "test_metric"]] = ["diverged", np.nan, np.nan]
        claim = judged(whole | {"trials": trials})["training-moons-tanh"]
        assert (claim.verdict, claim.n) == ("inconclusive", 6)  # their rate is at the edge of the grid
        assert claim.high < -accuracy.SAME

    def test_an_optimum_at_the_edge_decides_nothing(self, whole: Tables) -> None:
        trials = whole["trials"]
        low = trials[~(trials["learning_rate"] > 0.006)]
        assert judged(whole | {"trials": low})["training-moons-tanh"].verdict == "inconclusive"


class TestContract:
    @pytest.mark.parametrize(
        "axes",
        [
            {"activation": "leaky_relu:0.2", "trained_activation": "tanh"},
            {"data": "diabetes", "samples": 0},
            {"learning_rate": "1e10", "seeds": 1, "probe_seeds": 1},
        ],
        ids=["without ReLU", "regression", "all diverge"],
    )
    def test_there_is_a_report_of_what_is_odd_but_allowed(self, tmp_path: Path, axes: dict[str, Any]) -> None:
        result = run_study("activation", output=tmp_path, jobs=1, figure_formats=[], **(TINY | axes))
        assert result.failures == ()
        assert (tmp_path / "report.html").stat().st_size > 10_000


BAD_VALUES = {
    "step": (("--activation", "step"), "activation 'step' passes no gradient: choose from identity"),
    "trained step": (("--trained-activation", "step"), "activation 'step' passes no gradient: choose from identity"),
    "activation": (("--activation", "rleu"), "unknown activation 'rleu': did you mean 'relu'?"),
    "scheme": (("--scheme", "he_norml"), "unknown scheme 'he_norml': did you mean 'he_normal'?"),
    "data set": (("--data", "digits,moon"), "unknown data set 'moon': did you mean 'moons'?"),
    "batch": (("--batch-size", "500"), "a batch of 500 rows is larger than the"),
}


class TestBadInput:
    @pytest.mark.parametrize(("arguments", "sentence"), BAD_VALUES.values(), ids=BAD_VALUES)
    def test_one_sentence(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
        arguments: tuple[str, ...], sentence: str,
    ) -> None:  # fmt: skip
        monkeypatch.chdir(tmp_path)
        assert main(["study", "activation", *arguments, "--dry-run"]) == 2
        streams = capsys.readouterr()
        assert streams.err.startswith(f"nnsim: error: {sentence}")
        assert streams.err.count("\n") == 1
