"""The perceptron study: every claim holds on units as they are, and turns where their physics is broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from nnsim_studies import perceptron
from nnsim_studies.perceptron import boundaries, counting, rule, shared, training
from nnsim_studies.perceptron.rule import Labelled, MarginTrial
from nnsim_studies.perceptron.shared import PointsTrial
from study_bench import Bench, Tables

from nnsim.core.errors import UsageError
from nnsim.experiment.config import resolve
from nnsim.probes import threshold_unit
from nnsim.probes.threshold_unit import Learnt, corners
from nnsim.report.claims import Claim
from nnsim.report.judging import claims_of

pytestmark = pytest.mark.physics

SMALL = {
    "margin": "0.5,0.05",
    "rule_seeds": 8,
    "dimension": "20",
    "load": "1.5,2,2.5",
    "cover_sets": 30,
    "count_seeds": 2,
    "activation": "tanh,relu,gelu",
    "hidden": "1,2,8",
    "learning_rate": "0.001,0.064,0.5",
    "seeds": 110,
    "epochs": 300,
}
TINY = SMALL | {
    "rule_seeds": 2,
    "dimension": "2",
    "load": "2",
    "cover_sets": 2,
    "count_seeds": 1,
    "activation": "tanh",
    "hidden": "2",
    "learning_rate": "0.1",
    "seeds": 4,
    "epochs": 5,
}
LOGIC = ["functions", "xor-best", "hidden-1", "xor-1", "hidden-2", "xor-2"]
RULE = ["novikoff", "novikoff-tight", "and", "or", "xor-rule"]
COVER = ["count-3-7", "count-4-8", "half-20", "jump-below", "jump-above"]
XOR = ["one-tanh", "one-relu", "one-gelu", "train-8", "train-2"]
CLAIMS = [f"C8-{name}" for name in (*RULE, *COVER, *LOGIC, *XOR)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory, perceptron.study, SMALL)


@pytest.fixture(scope="module")
def whole(bench: Bench) -> Tables:
    return bench.kept()


def judged(tables: Tables, **axes: Any) -> dict[str, Claim]:
    config = resolve(perceptron.study, "quick", SMALL | axes)
    return {claim.id: claim for claim in claims_of(perceptron.study, tables, config)}


@pytest.fixture(scope="module")
def unbroken(whole: Tables) -> dict[str, Claim]:
    return judged(whole)


def failing(tables: Tables, **axes: Any) -> set[str]:
    return {name.removeprefix("C8-") for name, claim in judged(tables, **axes).items() if claim.verdict == "fails"}


class TestUnbroken:
    def test_these_are_all_claims(self, unbroken: dict[str, Claim]) -> None:
        assert list(unbroken) == CLAIMS

    @pytest.mark.parametrize("claim", CLAIMS)
    def test_holds(self, unbroken: dict[str, Claim], claim: str) -> None:
        assert unbroken[claim].verdict == "holds", unbroken[claim]

    def test_seeds_that_chose_a_rate_do_not_judge_it(self, unbroken: dict[str, Claim]) -> None:
        assert unbroken["C8-train-8"].n == SMALL["seeds"] // 2

    def test_a_report_gives_every_trained_arm_its_rate_and_its_size(self, whole: Tables) -> None:
        found = perceptron.study.summary(whole)
        arms = found[found["kind"] == "xor"]
        assert len(arms) == 9
        assert arms[["learning_rate", "parameters", "at_edge"]].notna().all(axis=None)


# --- the rule ------------------------------------------------------------------------------------------------------


class TestBrokenRule:
    def test_a_rule_that_steps_away(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        learn = threshold_unit.learn

        def away(X: np.ndarray, y: np.ndarray, passes: int = 1000) -> Learnt:
            learnt = learn(X, -y, passes)
            return learnt._replace(converged=bool((y * threshold_unit.scores(X, learnt.weights) > 0).all()))

        monkeypatch.setattr(threshold_unit, "learn", away)
        assert failing(bench("margin", "gate")) == {"novikoff", "and", "or"}

    def test_a_wrong_label(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        with_margin = rule.with_margin

        def with_a_wrong_label(trial: MarginTrial) -> Labelled:
            X, y, normal = with_margin(trial)
            farthest = np.argmax(np.abs(X @ normal))
            X = np.vstack([X, X[farthest]])  # the same input again, with the other label
            return Labelled(X, np.append(y, -y[farthest]), normal)

        def measured(trial: dict[str, Any]) -> dict[str, Any]:
            tables = perceptron.study.measure(trial)
            radius, margin = threshold_unit.radius_and_margin(*with_margin(MarginTrial.of(trial)))
            tables["trials"][0]["bound"] = (radius / margin) ** 2
            return tables

        monkeypatch.setattr(rule, "with_margin", with_a_wrong_label)
        monkeypatch.setattr(rule, "PASSES", 2000)
        assert failing(bench("margin", measure=measured)) == {"novikoff"}

    def test_inputs_that_are_not_orthogonal(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        orthogonal = rule.orthogonal

        def oblique(trial: PointsTrial) -> Labelled:
            X, y, normal = orthogonal(trial)
            return Labelled(X + 0.5 * y[:, None] * normal, y, normal)

        monkeypatch.setattr(rule, "orthogonal", oblique)
        assert failing(bench("orthogonal")) == {"novikoff-tight"}

    def test_another_gate_under_the_name_of_xor(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(shared.GATES, "xor", shared.GATES["or"])
        assert failing(bench("gate")) == {"xor-rule"}


# --- counting ------------------------------------------------------------------------------------------------------


def with_a_bias(X: np.ndarray, y: np.ndarray) -> bool:
    return IS_SEPARABLE(np.column_stack([X, np.ones(len(X))]), y)


IS_SEPARABLE = threshold_unit.is_separable


class TestBrokenCounts:
    def test_planes_that_need_not_go_through_the_origin(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(threshold_unit, "is_separable", with_a_bias)
        found = judged(bench("cover", "count", dimension="4", load="2,2.5"), dimension="4")
        wrong = {"C8-count-3-7", "C8-count-4-8", "C8-half-4", "C8-jump-above"}
        assert {name for name, claim in found.items() if claim.verdict == "fails"} == wrong

    def test_labels_that_are_mostly_equal(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        signs = counting.signs

        def biased(number: np.uint64, n: int) -> np.ndarray:
            return np.maximum(signs(number, n), signs(number + np.uint64(1), n))

        positive = counting.normals
        monkeypatch.setattr(counting, "signs", biased)
        monkeypatch.setattr(counting, "normals", lambda *given, **named: np.abs(positive(*given, **named)))
        assert failing(bench("cover", dimension="4", load="2"), dimension="4") == {"half-4"}

    def test_points_in_a_plane_are_not_in_general_position(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        normals = counting.normals

        def flat(*given: Any, **named: Any) -> np.ndarray:
            X = normals(*given, **named)
            X[:, -1] = 0.0
            return X

        monkeypatch.setattr(counting, "normals", flat)
        assert failing(bench("count")) == {"count-3-7", "count-4-8"}

    @pytest.fixture
    def fresh(self) -> Any:
        def clear() -> None:
            threshold_unit.threshold_functions.cache_clear()
            threshold_unit.reachable_functions.cache_clear()

        clear()
        yield
        clear()

    @pytest.mark.usefixtures("fresh")
    def test_a_unit_that_computed_xor_would_change_all_of_logic(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(threshold_unit, "is_separable", lambda X, y: True)
        assert failing(bench("logic")) == {"functions", "xor-best", "hidden-1", "xor-1"}

    @pytest.mark.usefixtures("fresh")
    def test_a_unit_without_a_bias_is_not_enough(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            threshold_unit, "is_separable", lambda X, y: IS_SEPARABLE(np.ascontiguousarray(X[:, :-1]), y)
        )
        assert {"functions", "hidden-1", "hidden-2", "xor-2"} <= failing(bench("logic"))


# --- training ------------------------------------------------------------------------------------------------------


class TestBrokenTraining:
    @pytest.mark.parametrize(
        ("name", "other", "turned"),
        [("tanh", "gelu", "one-tanh"), ("relu", "gelu", "one-relu")],
    )
    def test_a_unit_that_is_not_monotone_under_the_name(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, other: str, turned: str
    ) -> None:
        parse = training.parse_activation
        monkeypatch.setattr(training, "parse_activation", lambda text: parse({name: other}.get(text, text)))
        axes = {"activation": name, "hidden": "1", "seeds": 40}
        assert turned in failing(bench("xor", **axes), **axes)

    def test_a_monotone_unit_under_the_name_of_gelu(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        parse = training.parse_activation
        monkeypatch.setattr(training, "parse_activation", lambda text: parse("tanh"))
        axes = {"activation": "gelu", "hidden": "1", "seeds": 40}
        claim = judged(bench("xor", **axes), **axes)["C8-one-gelu"]
        assert claim.verdict != "holds"  # where no rate finds it, the best one is anywhere, also at the edge
        assert claim.high < claim.prediction

    def test_weights_of_zero_never_learn(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        initialize: Callable[..., np.ndarray] = training.initialize
        monkeypatch.setattr(training, "initialize", lambda *given: 0 * initialize(*given))
        axes = {"activation": "tanh", "hidden": "8", "seeds": 20}
        claim = judged(bench("xor", **axes), **axes)["C8-train-8"]
        assert claim.verdict != "holds"
        assert claim.high < claim.prediction

    def test_two_and_eight_units_exchanged(self, whole: Tables) -> None:
        trials = whole["trials"].assign(hidden=whole["trials"]["hidden"].replace({2: 8, 8: 2}))
        assert {"train-8", "train-2"} <= failing(whole | {"trials": trials})

    def test_an_optimum_at_the_edge_decides_nothing(self, whole: Tables) -> None:
        trials = whole["trials"]
        low = trials[~((trials["kind"] == "xor") & (trials["learning_rate"] > 0.1) & (trials["hidden"] == 2))]
        assert judged(whole | {"trials": low})["C8-train-2"].verdict == "inconclusive"

    def test_a_diverged_run_has_not_found_it(self, whole: Tables) -> None:
        trials = whole["trials"].copy()
        eight = (trials["kind"] == "xor") & (trials["hidden"] == 8)
        trials.loc[eight, ["status", "found"]] = ["diverged", np.nan]
        claim = judged(whole | {"trials": trials})["C8-train-8"]
        assert (claim.estimate, claim.n) == (0.0, SMALL["seeds"] // 2)


# --- the whole study -----------------------------------------------------------------------------------------------


def test_the_panels_show_what_they_say(whole: Tables) -> None:
    grid = whole["boundaries"]
    for panel, (gate, _, hidden) in boundaries.PANELS.items():
        rows = grid[(grid["panel"] == panel) & (grid["x0"].abs() == 1) & (grid["x1"].abs() == 1)]
        scores = rows.sort_values(["x0", "x1"])["score"].to_numpy()
        right = bool((np.sign(scores) == shared.GATES[gate]).all())
        assert right == (gate == "and" or hidden > 0), panel


@pytest.mark.parametrize("preset", ["quick", "standard", "paper"])
def test_every_preset_has_trials(preset: str) -> None:
    assert list(perceptron.study.trials(resolve(perceptron.study, preset, {})))


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"dimension": "5", "load": "1.5"}, "load 1.5 of 5 dimensions is 7.5 points.*the nearest load is 1.6"),
        ({"activation": "step"}, "activation 'step' passes no gradient"),
    ],
)
def test_axes_that_make_no_sense_are_refused(axes: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        perceptron.study.trials(resolve(perceptron.study, "quick", SMALL | axes))


def test_corners_carry_a_bias() -> None:
    assert corners(2)[:, -1].tolist() == [1.0] * 4
