"""The gradient-clipping study: its claims hold on clipping as it is, and turn where its physics is broken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nnsim_cli.main import main
from nnsim_studies import gradient_clipping
from nnsim_studies.gradient_clipping import first_steps, shared
from study_bench import Bench, Tables

from nnsim.experiment.config import resolve
from nnsim.probes import clipped_steps
from nnsim.report.claims import Claim
from nnsim.report.judging import claims_of
from nnsim.report.render import frame_csv

pytestmark = pytest.mark.physics

SMALL = {
    "clip": "none,norm:1,norm:0.01,value:0.01",
    "learning_rate": "0.003,0.03,0.3,3",
    "adamw_rate": "0.001,0.01,0.1",
    "depth": 16,
    "width": 24,
    "seeds": 10,
    "step_seeds": 8,
    "epochs": 4,
}
TINY = SMALL | {
    "clip": "none,norm:1",
    "learning_rate": "0.1,10",
    "adamw_rate": "0.01",
    "depth": 2,
    "width": 4,
    "seeds": 2,
    "step_seeds": 2,
    "epochs": 1,
    "batch_size": 16,
    "data": "iris",
}
CONFIG = resolve(gradient_clipping.study, "quick", SMALL)
CHECKS = ["D4-direction", "D4-norm", "D4-value-size", "D4-value-direction"]
SAVED = ["D4-without", "D4-with", "D4-survival-norm", "D4-survival-value"]
REACHED = ["D4-learns", "D4-deep", "D4-cure", "D4-always", "D4-adamw", "D4-small", "D4-product"]
CLEAR = [*CHECKS, *SAVED, "D4-small", "D4-product"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory, gradient_clipping.study, SMALL)


@pytest.fixture(scope="module")
def whole(bench: Bench) -> Tables:
    """Everything, as it is."""
    return bench.kept()


def judged(tables: Tables, config: dict[str, Any] = CONFIG) -> dict[str, Claim]:
    return {claim.id: claim for claim in claims_of(gradient_clipping.study, tables, config)}


@pytest.fixture(scope="module")
def unbroken(whole: Tables) -> dict[str, Claim]:
    return judged(whole)


def fallen(tables: Tables) -> set[str]:
    return {name for name, claim in judged(tables).items() if claim.verdict == "fails"}


def called(tables: Tables, **names: Any) -> Tables:
    """Return the tables with the trained arms of one clipping under another's name."""
    trials = tables["trials"]
    return tables | {"trials": trials.assign(clip=trials["clip"].replace(names["clip"]))}


def scored(tables: Tables, value: Callable[[pd.DataFrame], Any], **where: Any) -> Tables:
    """Return the tables with the test metric of the arms with the given values written anew."""
    trials = tables["trials"].copy()
    chosen = trials["kind"] == "training"
    for name, wanted in where.items():
        chosen &= trials[name] == wanted
    assert chosen.any()
    trials.loc[chosen, "test_metric"] = value(trials[chosen])
    return tables | {"trials": trials}


class TestUnbroken:
    def test_these_are_all_claims(self, unbroken: dict[str, Claim]) -> None:
        assert sorted(unbroken) == sorted([*CHECKS, *SAVED, *REACHED])

    @pytest.mark.parametrize("claim", CLEAR)
    def test_holds(self, unbroken: dict[str, Claim], claim: str) -> None:
        assert unbroken[claim].verdict == "holds", unbroken[claim]

    def test_the_order_of_the_rows_does_not_matter(self, whole: Tables, unbroken: dict[str, Claim]) -> None:
        turned = judged({name: table[::-1].reset_index(drop=True) for name, table in whole.items()})
        assert [claim.verdict for claim in turned.values()] == [claim.verdict for claim in unbroken.values()]

    def test_the_unit_of_replication_is_the_seed(self, unbroken: dict[str, Claim]) -> None:
        assert [unbroken[name].n for name in ("D4-norm", "D4-with", "D4-survival-norm", "D4-product")] == [
            8,
            10,
            10,
            10,
        ]


def with_gradient(change: Callable[[np.ndarray, Any], np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the step that was taken differ from what clipping makes of the gradient."""
    train = clipped_steps.train

    def changed(spec: Any, theta: np.ndarray, data: Any, recipe: Any, *rest: Any, **options: Any) -> Any:
        run = train(spec, theta, data, recipe, *rest, **options)
        step = change((theta - run.theta) / recipe.learning_rate, spec)
        return replace(run, theta=theta - recipe.learning_rate * step)

    monkeypatch.setattr(clipped_steps, "train", changed)


def first_layer_only(step: np.ndarray, spec: Any) -> np.ndarray:
    """Clip the first layer a tenth further than the others, as clipping layer by layer would."""
    changed = step.copy()
    spec.layers(changed)[0][0][:] *= 0.9
    return changed


class TestBrokenSteps:
    def test_layers_that_are_clipped_apart_turn_the_step(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        with_gradient(first_layer_only, monkeypatch)
        assert {"D4-direction", "D4-norm"} <= fallen(bench("step"))

    def test_a_step_that_is_too_long(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        with_gradient(lambda step, spec: 1.01 * step, monkeypatch)
        assert fallen(bench("step")) == {"D4-norm", "D4-value-size"}

    def test_clipping_by_value_that_keeps_the_direction(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        by_norm = first_steps.turn

        def scaled(spec: Any, theta: Any, data: Any, recipe: Any, key: int) -> Any:
            limit = recipe.clip_norm or recipe.clip_value
            return by_norm(spec, theta, data, replace(recipe, clip_value=None, clip_norm=limit), key)

        monkeypatch.setattr(first_steps, "turn", scaled)
        assert fallen(bench("step")) == {"D4-value-size", "D4-value-direction"}


class TestBrokenTraining:
    def test_clipped_and_free_exchanged(self, whole: Tables) -> None:
        found = judged(called(whole, clip={"none": "norm:1", "norm:1": "none"}))
        assert found["D4-survival-norm"].verdict == "fails"
        assert found["D4-learns"].verdict != "holds"

    def test_clipping_that_does_nothing(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shared, "clipping", lambda text: {})
        tables = bench("training", seeds=10, learning_rate="0.03,3", adamw_rate="0.01", epochs=1)
        found = judged(tables)
        assert {"D4-survival-norm", "D4-survival-value", "D4-product"} <= fallen(tables)
        assert found["D4-with"].verdict != "holds"

    @pytest.mark.parametrize(("claim", "status"), [("D4-without", "done"), ("D4-with", "diverged")])
    def test_survivors_and_victims(self, whole: Tables, claim: str, status: str) -> None:
        trials = whole["trials"].copy()
        clip = {"D4-without": "none", "D4-with": "norm:1"}[claim]
        there = (trials["problem"] == "exploding") & (trials["clip"] == clip)
        trials.loc[there, "status"] = status
        assert claim in fallen(whole | {"trials": trials})

    def test_steps_that_know_more_than_the_product(self, whole: Tables) -> None:
        better = scored(whole, lambda rows: rows["test_metric"] + 0.05, problem="steady", clip="norm:0.01")
        assert "D4-product" in fallen(better)

    @pytest.mark.parametrize(
        ("claim", "arm", "low", "high"),
        [
            ("D4-learns", {"problem": "exploding", "clip": "norm:1"}, 0.1, 0.5),
            ("D4-deep", {"problem": "deep", "clip": "norm:1"}, 0.0, 0.99),
            ("D4-cure", {"problem": "deep", "clip": "none"}, 0.0, 0.99),
        ],
    )
    def test_what_is_reached_decides(
        self, whole: Tables, claim: str, arm: dict[str, Any], low: float, high: float
    ) -> None:
        middle = self.with_inner_optimum(whole)
        for value, verdict in ((low, "fails"), (high, "holds")):
            assert judged(scored(middle, lambda rows, v=value: v, optimizer="sgd", **arm))[claim].verdict == verdict

    @pytest.mark.parametrize(
        ("claim", "optimizer", "clip"), [("D4-always", "sgd", "norm:1"), ("D4-adamw", "adamw", "norm:0.01")]
    )
    def test_a_difference_decides_where_there_should_be_none(
        self, whole: Tables, claim: str, optimizer: str, clip: str
    ) -> None:
        arms = {"problem": "steady", "optimizer": optimizer}
        alike = scored(self.with_inner_optimum(whole), lambda rows: 0.9, **arms)
        assert judged(alike)[claim].verdict == "holds"
        assert claim in fallen(scored(alike, lambda rows: 0.85, clip=clip, **arms))

    def with_inner_optimum(self, tables: Tables) -> Tables:
        """Return the tables with every arm best at a rate inside its grid: no edge makes a claim inconclusive."""
        trials = tables["trials"].copy()
        inner = trials["learning_rate"].isin([0.03, 0.01])
        trials.loc[trials["kind"] == "training", "validation_metric"] = np.where(inner, 1.0, 0.5)[
            trials["kind"] == "training"
        ]
        trials.loc[trials["kind"] == "training", "status"] = "done"
        return tables | {"trials": trials}

    def test_a_small_threshold_that_costs_nothing(self, whole: Tables) -> None:
        alike = scored(self.with_inner_optimum(whole), lambda rows: 0.9, problem="steady", optimizer="sgd")
        assert "D4-small" in fallen(alike)

    def test_an_optimum_at_the_edge_decides_nothing(self, whole: Tables) -> None:
        trials = whole["trials"]
        kept = whole | {"trials": trials[~(trials["learning_rate"] < 3)]}
        assert judged(kept)["D4-deep"].verdict in {"inconclusive", "untested"}


class TestContract:
    def test_trials_that_all_fail_still_make_a_report(self, bench: Bench) -> None:
        tables = bench(**TINY)
        trials = tables["trials"].assign(status="error", test_metric=math.nan, validation_metric=math.nan)
        broken = {"trials": trials.assign(chance=math.nan), "steps": tables["steps"][:0]}
        config = resolve(gradient_clipping.study, "quick", TINY)
        assert frame_csv(gradient_clipping.study.summary(broken)).count(b"\n") > 1
        assert len(gradient_clipping.study.figures(broken, config)) == 3
        assert {claim.verdict for claim in claims_of(gradient_clipping.study, broken, config)} <= {
            "untested",
            "inconclusive",
            "fails",
        }


BAD_VALUES = {
    "clip": (("--clip", "norm"), "clipping 'norm' is not known: write none, norm:1 or value:0.01"),
    "clip of zero": (("--clip", "norm:0"), "clipping 'norm:0' is not known"),
    "another clip": (("--clip", "none,global:1"), "clipping 'global:1' is not known"),
    "batch": (("--batch-size", "2000"), "a batch of 2000 rows is larger than the"),
    "data": (("--data", "digit"), "unknown data set 'digit': did you mean 'digits'?"),
    "depth": (("--depth", "0"), "--depth 0 is not allowed: it must be at least 1"),
}


@pytest.mark.parametrize(("arguments", "sentence"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_value_that_cannot_be_used(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    assert main(["study", "gradient-clipping", *arguments, "--dry-run"]) == 2
    streams = capsys.readouterr()
    assert streams.err.startswith(f"nnsim: error: {sentence}")
    assert streams.err.count("\n") == 1
