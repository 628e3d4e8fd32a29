"""The vanishing-gradient study: its claims hold on networks as they are, and turn where their physics is broken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nnsim_cli.main import main
from nnsim_studies import vanishing_gradient
from nnsim_studies.vanishing_gradient import layer_factors
from nnsim_studies.vanishing_gradient.shared import log_gradient
from study_bench import Bench, Tables, student  # noqa: F401

from nnsim.experiment.config import resolve
from nnsim.networks import initializers
from nnsim.networks.initializers import Filled, Layer, variance_scaling
from nnsim.report.claims import Claim
from nnsim.report.judging import claims_of
from nnsim.runs.run import run_study

pytestmark = pytest.mark.physics

SMALL = {
    "activation": "sigmoid,relu",
    "scheme": "xavier_normal,he_normal,torch_default",
    "probe_depth": "20",
    "probe_seeds": 16,
    "narrow_nets": 1500,
    "depth": "3,14",
    "width": 24,
    "learning_rate": "0.001,0.008,0.064,0.512,4.096",
    "seeds": 6,
    "epochs": 5,
}
TINY = SMALL | {
    "activation": "relu",
    "scheme": "he_normal",
    "probe_depth": "3",
    "probe_width": 8,
    "probe_seeds": 2,
    "narrow_nets": 10,
    "arm": "relu/he_normal,sigmoid/xavier_normal/batch",
    "depth": "2",
    "width": 4,
    "learning_rate": "0.03",
    "seeds": 2,
    "epochs": 1,
    "data": "xor",
    "samples": 60,
    "batch_size": 16,
}
CONFIG = resolve(vanishing_gradient.study, "quick", SMALL)
UNTRAINED = [
    *(f"A8-{what}-{crossed}" for what in ("factor", "bound") for crossed in (5, 10, 20)),
    *("A8-not-a-law", "A8-grows", "A8-premise"),
    *(f"A1-sigmoid-{scheme}" for scheme in ("xavier_normal", "he_normal", "torch_default")),
    *("A4-he", "A4-xavier", "A5-backward"),
    *("A7-gain-backward", "A7-gain-forward", "A9-tanh-backward", "A9-sigmoid-backward", "A4-twice-backward"),
    *("A3-weights", "A3-biases", "A3-sigmoid", "A10-mean", "A10-variance", "A10-most-shrink"),
    *("A8-skip-gradient", "A8-batch-gradient", "A8-layer-gradient"),
]
TRAINED = ["A8-stalls", "A8-shallow", "A8-skip", "A8-batch", "A8-layer", "A4-he-learns", "A4-he-leads"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory, vanishing_gradient.study, SMALL)


@pytest.fixture(scope="module")
def whole(bench: Bench) -> Tables:
    """Everything, as it is."""
    return bench.kept()


def judged(tables: Tables) -> dict[str, Claim]:
    return {claim.id: claim for claim in claims_of(vanishing_gradient.study, tables, CONFIG)}


def verdicts(tables: Tables) -> dict[str, str]:
    return {name: claim.verdict for name, claim in judged(tables).items()}


@pytest.fixture(scope="module")
def unbroken(whole: Tables) -> dict[str, Claim]:
    return judged(whole)


class TestUnbroken:
    def test_these_are_all_claims(self, unbroken: dict[str, Claim]) -> None:
        assert sorted(unbroken) == sorted([*UNTRAINED, *TRAINED])

    @pytest.mark.parametrize("claim", [*UNTRAINED, *TRAINED])
    def test_holds(self, unbroken: dict[str, Claim], claim: str) -> None:
        assert unbroken[claim].verdict == "holds", unbroken[claim]

    def test_the_unit_of_replication_is_the_seed(self, unbroken: dict[str, Claim]) -> None:
        assert [unbroken[name].n for name in ("A4-he", "A8-premise", "A8-stalls")] == [16, 16, 6]


# --- another variance, another law ---------------------------------------------------------------------------------


def scaled(scale: float, distribution: str = "normal") -> Callable[..., Filled]:
    return lambda layer, *_: (variance_scaling(layer, scale, "fan_in", distribution), None)


def with_biases(layer: Layer) -> Filled:
    return initializers.SCHEMES["torch_default"].fill(layer)


def biased(layer: Layer) -> Filled:
    """Draws whose mean is a fifth of a deviation below zero: units are off more often than not."""
    real = layer.spec.numpy_dtype
    return (layer.normals(layer.shape) - real(0.2)) * real(math.sqrt(2 / layer.fan_in)), None


def named(prefix: str) -> set[str]:
    return {name for name in UNTRAINED if name.startswith(prefix)}


BROKEN_SCHEMES = {
    "glorot, 1.4 for 1": ("bound", "xavier_normal", scaled(1.4), {*named("A8-fac"), *named("A8-bou"), "A8-premise"}),
    "glorot, 1.15 for 1": ("bound", "xavier_normal", scaled(1.15), named("A8-factor")),
    "preserving, 0.5 for 3.4": ("bound", "preserving_normal", scaled(0.5), {"A8-not-a-law"}),
    "large, 1 for 400": ("bound", "mean_field", scaled(1.0), {"A8-grows"}),
    "he, 1.8 for 2": ("propagation", "he_normal", scaled(1.8), {"A4-he", "A1-sigmoid-he_normal"}),
    "he, 2.2 for 2": ("propagation", "he_normal", scaled(2.2), {"A4-he", "A1-sigmoid-he_normal"}),
    "xavier, 1.2 for 1": ("propagation", "xavier_normal", scaled(1.2), {"A4-xavier", "A1-sigmoid-xavier_normal"}),
    "torch, 0.4 for 1/3": (
        *("propagation", "torch_default", scaled(0.4, "uniform")),
        {"A5-backward", "A1-sigmoid-torch_default"},
    ),
    "exploding, 1 instead": (
        *("explosion", "mean_field", scaled(1.0)),
        {*named("A7"), *named("A9"), "A4-twice-backward"},
    ),
    "trap, with biases": ("trap", "xavier_normal", with_biases, named("A3")),
    "narrow, 1.6 for 2": ("fluctuation", "he_normal", scaled(1.6), {"A10-mean"}),
    "narrow, 6 for 2": ("fluctuation", "he_normal", scaled(6.0), {"A10-mean", "A10-most-shrink"}),
    "narrow, biased draws": ("fluctuation", "he_normal", biased, {"A10-variance"}),
}


class TestBrokenSchemes:
    @pytest.mark.parametrize(("kind", "scheme", "fill", "fall"), BROKEN_SCHEMES.values(), ids=BROKEN_SCHEMES)
    def test_these_claims_fail(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str, scheme: str, fill: Callable, fall: set[str]
    ) -> None:
        broken = replace(initializers.SCHEMES[scheme], fill=fill)
        monkeypatch.setitem(initializers.SCHEMES, scheme, broken)
        found = verdicts(bench(kind, scheme=scheme))
        assert {name for name, verdict in found.items() if verdict == "fails"} >= fall


class TestBrokenRemedies:
    @pytest.mark.parametrize(
        ("claim", "setting"),
        [
            ("A8-skip-gradient", {"residual": False}),
            ("A8-batch-gradient", {"normalization": "layer"}),
            ("A8-layer-gradient", {"normalization": "batch"}),
        ],
    )
    def test_another_remedy_under_its_name(self, bench: Bench, claim: str, setting: dict[str, Any]) -> None:
        def measure(trial: dict[str, Any]) -> Any:
            return vanishing_gradient.study.measure(trial | setting)

        assert verdicts(bench("remedy", measure=measure, probe_seeds=8))[claim] == "fails"


def renamed(tables: Tables, column: str, names: dict[Any, Any]) -> Tables:
    trials = tables["trials"]
    return tables | {"trials": trials.assign(**{column: trials[column].replace(names)})}


class TestBrokenTraining:
    def test_sigmoid_and_relu_exchanged(self, whole: Tables) -> None:
        swap = {"sigmoid": "relu", "relu": "sigmoid", "xavier_normal": "he_normal", "he_normal": "xavier_normal"}
        found = verdicts(renamed(renamed(whole, "activation", swap), "scheme", swap))
        assert found["A8-stalls"] == "fails"
        assert found["A4-he-learns"] != "holds"

    def test_the_two_normalisations_exchanged(self, whole: Tables) -> None:
        found = verdicts(renamed(whole, "remedy", {"batch": "layer", "layer": "batch"}))
        assert found["A8-layer"] == "fails"
        assert found["A8-batch"] != "holds"

    def test_a_skip_connection_that_is_none(self, whole: Tables) -> None:
        assert verdicts(renamed(whole, "remedy", {"skip": "none", "none": "skip"}))["A8-skip"] != "holds"

    def test_the_two_scales_of_relu_exchanged(self, whole: Tables) -> None:
        found = judged(renamed(whole, "scheme", {"he_normal": "xavier_normal", "xavier_normal": "he_normal"}))
        assert found["A4-he-leads"].high < 0

    def test_a_shallow_network_that_is_deep(self, whole: Tables) -> None:
        trials = whole["trials"][whole["trials"]["depth"] != 3]
        assert verdicts(renamed(whole | {"trials": trials}, "depth", {14: 3}))["A8-shallow"] != "holds"

    def test_an_optimum_at_the_edge_decides_nothing(self, whole: Tables) -> None:
        trials = whole["trials"]
        low = trials[~(trials["learning_rate"] > 0.008)]
        assert verdicts(whole | {"trials": low})["A8-skip"] == "inconclusive"

    def test_a_diverged_run_counts_as_chance(self, whole: Tables) -> None:
        trials = whole["trials"].copy()
        he = (trials["kind"] == "training") & (trials["scheme"] == "he_normal")
        trials.loc[he, ["status", "validation_metric"]] = ["diverged", math.nan]
        claim = judged(whole | {"trials": trials})["A4-he-learns"]
        assert claim.verdict != "holds"
        assert claim.n == 6


class TestContract:
    @pytest.mark.parametrize(
        "axes",
        [
            {"scheme": "orthogonal,lsuv"},
            {"data": "diabetes", "samples": 0, "learning_rate": "1e10"},
            {"probe_width": 1, "width": 1, "seeds": 1, "probe_seeds": 1, "narrow_nets": 1},
        ],
        ids=["no prediction", "regressions that diverge", "one of each"],
    )
    def test_there_is_a_report_of_what_is_odd_but_allowed(self, tmp_path: Path, axes: dict[str, Any]) -> None:
        result = run_study("vanishing-gradient", output=tmp_path, jobs=1, figure_formats=[], **(TINY | axes))
        assert result.failures == ()
        assert (tmp_path / "report.html").stat().st_size > 10_000

    def test_a_scheme_without_a_prediction_is_untested_with_a_reason(self) -> None:
        config = resolve(vanishing_gradient.study, "quick", TINY | {"scheme": "orthogonal"})
        empty = {"kind": [], "epoch": [], "activation": [], "scheme": [], "depth": []}
        (question,) = layer_factors.questions({"layers": pd.DataFrame(empty)}, config)
        assert (question.values.size, question.note) == (0, "no prediction: its weights are not independent draws")


BAD_VALUES = {
    "step": (("--activation", "step"), "activation 'step' passes no gradient: choose from identity"),
    "trained step": (("--arm", "step/he_normal"), "activation 'step' passes no gradient: choose from identity"),
    "scheme": (("--scheme", "he_norml"), "unknown scheme 'he_norml': did you mean 'he_normal'?"),
    "arm": (("--arm", "relu"), "arm 'relu' must be activation/scheme or activation/scheme/remedy"),
    "arm's scheme": (("--arm", "relu/he_norml"), "unknown scheme 'he_norml': did you mean 'he_normal'?"),
    "remedy": (("--arm", "relu/he_normal/skipp"), "unknown remedy 'skipp': did you mean 'skip'?"),
    "batch": (("--batch-size", "1797"), "a batch of 1797 rows is larger than the"),
    "momentum": (("--momentum", "1"), "momentum must be at least 0 and below 1, got 1.0"),
}


class TestBadInput:
    @pytest.mark.parametrize(("arguments", "sentence"), BAD_VALUES.values(), ids=BAD_VALUES)
    def test_one_sentence(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
        arguments: tuple[str, ...], sentence: str,
    ) -> None:  # fmt: skip
        monkeypatch.chdir(tmp_path)
        assert main(["study", "vanishing-gradient", *arguments, "--dry-run"]) == 2
        streams = capsys.readouterr()
        assert streams.err.startswith(f"nnsim: error: {sentence}")
        assert streams.err.count("\n") == 1

    def test_a_dead_network_has_no_gradient(self) -> None:
        rows = [{"layer": 1, "delta_log": -np.inf}, {"layer": 2, "delta_log": -np.inf}]
        assert log_gradient(rows, 2) is None
