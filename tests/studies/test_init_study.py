"""The init study: every claim holds on networks as they are, and turns on networks that break its physics.

Networks are measured by the study's own engine, with fixed keys. Where a broken physics would take too long to
measure, the claims are shown tables in which one arm's rows stand under another's name.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nnsim_cli.main import main
from nnsim_studies import init
from nnsim_studies.init import fluctuation, jacobian_spectra, trainable_depth
from nnsim_studies.init.phase_plane import BIAS_VARIANCE, mean_field, tanh_scales
from study_bench import Bench, Tables, student  # noqa: F401

from nnsim.core.errors import StoreError
from nnsim.experiment.config import resolve
from nnsim.networks import initializers
from nnsim.networks.initializers import Filled, Layer, variance_scaling
from nnsim.probes import deep_linear
from nnsim.report.claims import Claim
from nnsim.report.judging import claims_of, judge
from nnsim.report.render import frame_csv
from nnsim.runs.run import run_study
from nnsim.study import network_trials
from nnsim.training import trainer

pytestmark = pytest.mark.physics

SMALL = {
    "scheme": "he_normal,xavier_normal,torch_default",
    "activation": "relu",
    "depth": "5,30",
    "probe_depth": "30",
    "width": 64,
    "learning_rate": "0.001,0.003,0.01,0.03,0.1,0.3",
    "seeds": 6,
    "probe_seeds": 40,
    "epochs": 8,
    "batch_size": 64,
    "momentum": 0.9,
    "fluctuation_nets": 4000,
    "gain_activation": "relu,tanh",
}
TINY = SMALL | {
    "scheme": "he_normal",
    "depth": "2",
    "probe_depth": "3",
    "width": 8,
    "learning_rate": "0.03",
    "seeds": 2,
    "probe_seeds": 2,
    "epochs": 1,
    "fluctuation_nets": 20,
    "gain_activation": "relu",
    "data": "xor",
    "samples": 60,
    "batch_size": 16,
}
CONFIG = resolve(init.study, "quick", SMALL)

BOTH_WAYS = ["A1-relu", "A1-tanh", "A2-standard_uniform", "A2-xavier_uniform", "A4-he", "A4-xavier"]
TRAINED = ["A4-deep-he", "A4-deep-xavier", "A4-shallow-he", "A4-shallow-xavier", "A4-first"]
CLAIMS = [
    *(f"{name}-{direction}" for name in BOTH_WAYS for direction in ("forward", "backward")),
    *("A2-standard_uniform-singular", "A2-xavier_uniform-singular", "A3-weights", "A5-backward"),
    *TRAINED,
    *("A8-factor", "A8-bound", "A10-mean", "A10-variance", "A10-survival"),
    *("A14-zeros", "A14-constant", "A14-random"),
    *(f"A6-{rows}-{activation}" for rows in ("batch", "fresh") for activation in ("relu", "tanh")),
    *("A7-power", "A7-level", "A7-gain-forward", "A7-gain-backward", "A7-gain-explodes"),
    *("A9-ordered-backward", "A9-chaotic-backward", "A9-line", "A9-xi-c", "A9-xi-gradient", "A9-xi-q", "A9-c-star"),
    *(f"A9-relu-map-{c}" for c in ("0", "0.5", "0.9")),
    *("A9-trained-0.3", "A9-trained-0.6", "A9-trained-ratio"),
    *(f"A11-{case}" for case in jacobian_spectra.CASES),
    *("A12-curve", "A12-half-time-strongest", "A12-half-time-weakest", "A12-depth-orthogonal", "A12-depth-gaussian"),
]


# --- measuring and judging -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory, init.study, SMALL)


@pytest.fixture(scope="module")
def whole(bench: Bench) -> Tables:
    """Everything, as it is."""
    return bench.kept()


def judged(tables: Tables, config: dict[str, Any] = CONFIG) -> dict[str, Claim]:
    return {claim.id: claim for claim in claims_of(init.study, tables, config)}


def verdicts(tables: Tables, config: dict[str, Any] = CONFIG) -> dict[str, str]:
    return {name: claim.verdict for name, claim in judged(tables, config).items()}


@pytest.fixture(scope="module")
def unbroken(whole: Tables) -> dict[str, Claim]:
    return judged(whole)


def with_scheme(patch: pytest.MonkeyPatch, name: str, fill: Callable[..., Filled]) -> None:
    """Let `name` draw by `fill`, while the theory still takes it for what it says it is."""
    patch.setitem(initializers.SCHEMES, name, replace(initializers.SCHEMES[name], fill=fill))


# --- as it is ------------------------------------------------------------------------------------------------------


class TestUnbroken:
    def test_these_are_all_claims(self, unbroken: dict[str, Claim]) -> None:
        assert sorted(unbroken) == sorted(CLAIMS)

    @pytest.mark.parametrize("claim", [name for name in CLAIMS if not name.startswith("A9-trained")])
    def test_holds(self, unbroken: dict[str, Claim], claim: str) -> None:
        assert unbroken[claim].verdict == "holds", unbroken[claim]

    def test_all_intervals_have_one_simultaneous_level(self, unbroken: dict[str, Claim]) -> None:
        levels = [claim.confidence for claim in unbroken.values() if not math.isnan(claim.confidence)]
        assert levels == pytest.approx([1 - 0.05 / len(levels)] * len(levels))

    def test_the_unit_of_replication_is_the_seed(self, unbroken: dict[str, Claim]) -> None:
        counts = {claim: unbroken[claim].n for claim in ("A1-relu-forward", "A4-first", "A10-survival", "A14-zeros")}
        assert counts == {"A1-relu-forward": 40, "A4-first": 6, "A10-survival": 4000, "A14-zeros": 6}

    def test_the_order_of_the_rows_does_not_matter(self, whole: Tables, unbroken: dict[str, Claim]) -> None:
        turned = {name: table[::-1].reset_index(drop=True) for name, table in whole.items()}
        for name, claim in judged(turned).items():
            assert (claim.verdict, claim.n) == (unbroken[name].verdict, unbroken[name].n)
            assert claim.estimate == pytest.approx(unbroken[name].estimate, rel=1e-12)


# --- another variance, another law ---------------------------------------------------------------------------------


def scaled(scale: float, distribution: str = "normal") -> Callable[[Layer], Filled]:
    """Independent weights of variance scale / fan_in."""
    return lambda layer: (variance_scaling(layer, scale, "fan_in", distribution), None)


def same_variance_orthogonal(layer: Layer) -> Filled:
    W, _ = initializers.SCHEMES["orthogonal"].fill(layer, math.sqrt(1 / 3))
    return W, None


def biased(layer: Layer) -> Filled:
    """Draws whose mean is a fifth of a deviation below zero: units are off more often than not."""
    real = layer.spec.numpy_dtype
    return (layer.normals(layer.shape) - real(0.2)) * real(math.sqrt(2 / layer.fan_in)), None


def both(name: str) -> set[str]:
    return {f"{name}-forward", f"{name}-backward"}


BROKEN_SCHEMES = {
    "he, 1.8 for 2": ("propagation", "he_normal", scaled(1.8), both("A4-he")),
    "he, 2.2 for 2": ("propagation", "he_normal", scaled(2.2), both("A4-he")),
    "xavier, 1.15 for 1": ("propagation", "xavier_normal", scaled(1.15), both("A4-xavier")),
    "torch, 0.4 for 1/3": ("propagation", "torch_default", scaled(0.4, "uniform"), {"A5-backward"}),
    "gain, 1.8 for 2": ("gain", "preserving_normal", scaled(1.8), {*both("A1-relu"), "A1-tanh-backward"}),
    "gain, 0.8 for tanh's 2.5": ("gain", "preserving_normal", scaled(0.8), {*both("A1-relu"), *both("A1-tanh")}),
    "standard, 0.4 for 1/3": (
        *("linear", "standard_uniform", scaled(0.4, "uniform")),
        {*both("A2-standard_uniform"), "A2-standard_uniform-singular"},
    ),
    "xavier_uniform, 1.15 for 1": (
        *("linear", "xavier_uniform", scaled(1.15, "uniform")),
        {*both("A2-xavier_uniform"), "A2-xavier_uniform-singular"},
    ),
    "standard, orthogonal": (
        *("linear", "standard_uniform", same_variance_orthogonal),
        {"A2-standard_uniform-singular"},
    ),
    "standard, with biases": (
        *("linear", "standard_uniform", initializers.SCHEMES["torch_default"].fill),
        {"A2-standard_uniform-forward", "A3-weights"},
    ),
    "sigmoid, 1.15 for 1": ("bound", "xavier_normal", scaled(1.15), {"A8-factor"}),
    "sigmoid, 1.4 for 1": ("bound", "xavier_normal", scaled(1.4), {"A8-factor", "A8-bound"}),
    "narrow, 1.8 for 2": ("fluctuation", "he_normal", scaled(1.8), {"A10-mean"}),
    "narrow, biased draws": ("fluctuation", "he_normal", biased, {"A10-mean", "A10-variance", "A10-survival"}),
}


class TestBrokenSchemes:
    @pytest.mark.parametrize(("kind", "scheme", "fill", "fall"), BROKEN_SCHEMES.values(), ids=BROKEN_SCHEMES)
    def test_these_claims_fail_and_no_others(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str, scheme: str, fill: Callable, fall: set[str]
    ) -> None:
        with_scheme(monkeypatch, scheme, fill)
        found = verdicts(bench(kind))
        assert {claim for claim, verdict in found.items() if verdict == "fails"} == fall

    @pytest.mark.parametrize("activation", init.TRAINABLE)
    def test_a_variance_of_0_7_turns_every_activation(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, activation: str
    ) -> None:
        preserving = initializers.preserving_gain(activation, None) ** 2
        with_scheme(monkeypatch, "preserving_normal", scaled(0.7 * preserving))
        config = CONFIG | {"gain_activation": (activation,)}
        found = verdicts(bench("gain", gain_activation=activation, probe_seeds=20), config)
        assert "fails" in {found[claim] for claim in both(f"A1-{activation}")}

    def test_another_activation_under_the_name(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        parse = network_trials.parse_activation
        monkeypatch.setattr(
            network_trials, "parse_activation", lambda name: parse({"tanh": "hard_tanh"}.get(name, name))
        )
        found = verdicts(bench("gain"))
        assert found["A1-tanh-backward"] == "fails"
        assert found["A1-relu-backward"] == "holds"

    def test_one_network_that_is_counted_again_and_again(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        key = network_trials.key
        monkeypatch.setattr(network_trials, "key", lambda root, *names: key(root, *names[:1]))
        found = verdicts(bench("fluctuation"))
        assert found["A10-variance"] == "fails"
        assert "holds" not in {found["A10-mean"], found["A10-survival"]}

    def test_wider_networks_spread_less(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fluctuation, "DEPTH", 8)
        tables = bench("fluctuation")
        monkeypatch.setattr(fluctuation, "WIDTH", 12)  # the law of another width than was measured
        found = verdicts(tables)
        assert (found["A10-mean"], found["A10-variance"]) == ("fails", "fails")


class TestBrokenStarts:
    """LSUV, tanh's power law, order and chaos, spectra: with another variance or another start."""

    def broken(self, tables: Tables) -> set[str]:
        return {claim for claim, verdict in verdicts(tables).items() if verdict == "fails"}

    def test_lsuv_that_does_not_look_at_its_batch(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        plain = replace(initializers.SCHEMES["lsuv"], needs_data=False)
        monkeypatch.setitem(initializers.SCHEMES, "lsuv", plain)
        assert {"A6-batch-relu", "A6-batch-tanh"} <= self.broken(bench("lsuv"))

    def test_lsuv_that_aims_at_another_variance(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        scale = initializers.scale_to_unit_variance

        def too_far(net: Any, theta: np.ndarray, X: np.ndarray) -> None:
            scale(net, theta, X)
            theta *= 1.1

        monkeypatch.setattr(initializers, "scale_to_unit_variance", too_far)
        lsuv = {f"A6-{rows}-{activation}" for rows in ("batch", "fresh") for activation in ("relu", "tanh")}
        assert self.broken(bench("lsuv")) == lsuv

    @pytest.mark.parametrize(
        ("kind", "factor", "fall"),
        [
            ("power", 0.9, {"A7-power", "A7-level"}),
            ("tanh_gain", 1.2, {"A7-gain-backward"}),
            ("tanh_gain", 0.3, {"A7-gain-forward", "A7-gain-backward", "A7-gain-explodes"}),
            ("phase", 1.25, {"A9-ordered-backward", "A9-chaotic-backward", "A9-line"}),
            ("pair", 1.4, {"A9-xi-c", "A9-xi-gradient"}),
            ("pair", 0.5, {"A9-c-star", "A9-xi-c", "A9-xi-gradient", "A9-xi-q"}),
            ("jacobian", 0.8, {"A11-linear-gaussian"}),
        ],
    )
    def test_another_weight_variance(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str, factor: float, fall: set[str]
    ) -> None:
        drawn = initializers.SCHEMES["mean_field"].fill
        root = math.sqrt(factor)
        with_scheme(monkeypatch, "mean_field", lambda layer, sw=1.0, sb=0.0: drawn(layer, sw * root, sb))
        assert self.broken(bench(kind)) == fall

    @pytest.mark.parametrize(
        ("kind", "fall"),
        [("pair", {"A9-relu-map-0", "A9-relu-map-0.5", "A9-relu-map-0.9"}), ("jacobian", {"A11-relu-gaussian"})],
    )
    def test_he_of_1_6(self, bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str, fall: set[str]) -> None:
        with_scheme(monkeypatch, "he_normal", scaled(1.6))
        assert self.broken(bench(kind)) == fall

    def test_gaussian_weights_under_the_name_of_orthogonal_ones(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gaussian = initializers.SCHEMES["mean_field"].fill
        with_scheme(monkeypatch, "orthogonal", lambda layer, gain=2**0.5: gaussian(layer, gain))
        assert self.broken(bench("jacobian")) == {"A11-linear-orthogonal", "A11-relu-orthogonal"}


class TestBrokenLinearLearning:
    def test_another_learning_rate(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        descent = deep_linear._descent
        monkeypatch.setattr(
            deep_linear, "_descent", lambda spec, data, rate, steps: descent(spec, data, 0.8 * rate, steps)
        )
        found = verdicts(bench("modes"))
        names = ("A12-curve", "A12-half-time-strongest", "A12-half-time-weakest")
        assert {found[name] for name in names} == {"fails"}

    def test_orthogonal_and_gaussian_exchanged(self, whole: Tables) -> None:
        exchanged = {"orthogonal:1": "lecun_normal", "lecun_normal": "orthogonal:1"}
        found = verdicts(renamed(whole, "scheme", exchanged))
        assert (found["A12-depth-orthogonal"], found["A12-depth-gaussian"]) == ("fails", "fails")


def trained_depths(multiple: float, grid: tuple[int, ...], by_scale: bool = True) -> pd.DataFrame:
    """Return runs whose test metric falls from 1 to chance around `multiple` depth scales, a little apart by seed."""
    rows = []
    for sw2, depth, repeat in product((0.3, 0.6), grid, range(10)):
        scale = tanh_scales(sw2 if by_scale else 0.3).correlation
        metric = 0.1 + 0.9 / (1 + (depth / (multiple * scale * (1 + 0.01 * repeat))) ** 8)
        scheme = mean_field(sw2, BIAS_VARIANCE)
        arm = {"kind": "phase_training", "scheme": scheme, "activation": "tanh", "depth": depth, "repeat": repeat}
        for rate, loss in ((0.01, 0.05), (0.1, 0.0), (1.0, 0.05)):
            scores = {"validation_metric": metric - loss, "test_metric": metric - loss}
            rows.append({**arm, "learning_rate": rate, "status": "done", "chance": 0.1, **scores})
    columns = ["kind", "scheme", "activation", "depth", "repeat", "learning_rate", "status", "chance"]
    return pd.DataFrame(rows, columns=[*columns, "validation_metric", "test_metric"])


class TestTrainedDepths:
    """What is measured depends on the training time; what is made of it does not."""

    GRID = (2, 3, 4, 6, 8, 12, 16, 24, 32)

    def found(self, *given: Any) -> dict[str, str]:
        config = {"phase_weight": (0.3, 0.6), "epochs": 6, "data": "digits"}
        tables = {"trials": trained_depths(*given)}
        claims = judge(list(trainable_depth.questions(tables, config)))
        return {claim.id.removeprefix("A9-trained-"): claim.verdict for claim in claims}

    def test_six_scales_hold(self) -> None:
        assert self.found(6.0, self.GRID) == {"0.3": "holds", "0.6": "holds", "ratio": "holds"}

    def test_fifteen_scales_fail(self) -> None:
        assert self.found(15.0, self.GRID) == {"0.3": "fails", "0.6": "fails", "ratio": "holds"}

    def test_a_depth_that_does_not_depend_on_the_scale_is_not_proportional_to_it(self) -> None:
        assert self.found(8.0, self.GRID, False)["ratio"] == "fails"

    def test_a_grid_on_which_nothing_falls_decides_nothing(self) -> None:
        assert set(self.found(6.0, (2, 3)).values()) == {"inconclusive"}

    def test_no_run_is_untested(self) -> None:
        assert self.found(6.0, ()) == {"0.3": "untested", "0.6": "untested", "ratio": "untested"}


# --- training ------------------------------------------------------------------------------------------------------


def renamed(tables: Tables, column: str, names: dict[Any, Any]) -> Tables:
    """Return the tables with rows of one arm under another's name."""
    changed = dict(tables)
    for table in ("trials", "history"):
        changed[table] = tables[table].assign(**{column: tables[table][column].replace(names)})
    return changed


class TestBrokenTraining:
    def test_he_and_xavier_exchanged(self, whole: Tables) -> None:
        found = judged(renamed(whole, "scheme", {"he_normal": "xavier_normal", "xavier_normal": "he_normal"}))
        assert (found["A4-deep-xavier"].verdict, found["A4-first"].verdict) == ("fails", "fails")
        assert self.falls_short(found["A4-deep-he"])

    def falls_short(self, claim: Claim) -> bool:
        """Networks that learn at no rate have their best one anywhere, also at the edge, which is inconclusive."""
        return claim.verdict in {"fails", "inconclusive"} and claim.high < claim.prediction

    def test_shallow_networks_that_stall(self, whole: Tables) -> None:
        deep = {name: table[table["depth"] == 30] for name, table in whole.items() if "depth" in table}
        found = judged(renamed(whole | deep, "depth", {30: 5}))
        assert self.falls_short(found["A4-shallow-xavier"])
        assert found["A4-shallow-he"].verdict != "holds"

    @pytest.mark.parametrize("scheme", ["he", "xavier"])
    def test_weights_of_zero_never_learn(self, bench: Bench, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
        with_scheme(monkeypatch, f"{scheme}_normal", initializers.SCHEMES["zeros"].fill)
        axes = {"scheme": f"{scheme}_normal", "depth": "5", "epochs": 1, "learning_rate": "0.01"}
        assert self.falls_short(judged(bench("training", **axes), CONFIG | {"depth": (5,)})[f"A4-shallow-{scheme}"])

    def test_an_optimum_at_the_edge_decides_nothing(self, whole: Tables) -> None:
        low = {name: table[~(table["learning_rate"] > 0.01)] for name, table in whole.items() if "depth" in table}
        found = verdicts(whole | low)
        assert found["A4-shallow-he"] == "inconclusive"
        assert found["A4-deep-he"] == "holds"  # its best rate, 0.003, is still inside

    def test_stalling_is_about_every_rate_so_no_edge_matters(self, whole: Tables) -> None:
        one = {name: table[~(table["learning_rate"] > 0.001)] for name, table in whole.items() if "depth" in table}
        assert verdicts(whole | one)["A4-deep-xavier"] == "holds"

    def test_one_rate_at_which_xavier_learns_is_enough(self, whole: Tables) -> None:
        trials = whole["trials"].copy()
        one = (trials["scheme"] == "xavier_normal") & (trials["depth"] == 30) & (trials["learning_rate"] == 0.1)
        trials.loc[one, "validation_metric"] = 0.9
        assert verdicts(whole | {"trials": trials})["A4-deep-xavier"] == "fails"

    def test_diverged_runs_count_as_chance(self, whole: Tables) -> None:
        trials = whole["trials"].copy()
        he = (trials["scheme"] == "he_normal") & (trials["depth"] == 30)
        trials.loc[he, ["status", "validation_metric"]] = ["diverged", math.nan]
        claim = judged(whole | {"trials": trials})["A4-deep-he"]
        assert claim.verdict != "holds"
        assert claim.estimate == pytest.approx(claim.prediction - 0.1)
        assert claim.n == 6


class TestBrokenSymmetry:
    def test_an_update_that_tells_units_apart(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        train = trainer.train

        def uneven(*arguments: Any, **options: Any) -> trainer.Run:
            run = train(*arguments, **options)
            run.theta[0] += np.float32(1e-7)
            return run

        monkeypatch.setattr(trainer, "train", uneven)
        found = verdicts(bench("symmetry"))
        assert (found["A14-zeros"], found["A14-constant"]) == ("fails", "fails")

    def test_a_start_that_is_almost_constant(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        with_scheme(monkeypatch, "zeros", lambda layer: scaled(1e-12)(layer))
        assert verdicts(bench("symmetry"))["A14-zeros"] == "fails"

    def test_random_units_that_are_equal(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        with_scheme(monkeypatch, "he_normal", initializers.SCHEMES["constant"].fill)
        assert verdicts(bench("symmetry"))["A14-random"] == "fails"


# --- what was not measured -----------------------------------------------------------------------------------------


class TestUntested:
    @pytest.mark.parametrize(
        ("scheme", "claims"),
        [
            ("he_normal", {*both("A4-he"), "A4-deep-he", "A4-shallow-he", "A4-first"}),
            ("xavier_normal", {*both("A4-xavier"), "A4-deep-xavier", "A4-shallow-xavier", "A4-first"}),
            ("torch_default", {"A5-backward"}),
        ],
    )
    def test_a_missing_scheme(self, whole: Tables, scheme: str, claims: set[str]) -> None:
        arms = {"propagation", "training"}
        kept = {
            name: table[~(table["kind"].isin(arms) & (table["scheme"] == scheme))]
            for name, table in whole.items()
            if "depth" in table
        }
        missing = {name: claim for name, claim in judged(whole | kept).items() if claim.verdict == "untested"}
        assert set(missing) == claims
        for claim in missing.values():
            assert claim.n == 0
            assert np.isnan([claim.estimate, claim.low, claim.high]).all()

    def test_no_relu(self, bench: Bench) -> None:
        axes = TINY | {"activation": "tanh"}
        found = verdicts(bench("propagation", "training", **axes), resolve(init.study, "quick", axes))
        assert set(found.values()) == {"untested"}

    def test_a_depth_of_5_is_shallow_and_not_deep(self, bench: Bench) -> None:
        axes = {"scheme": "he_normal", "depth": "5", "seeds": 3, "epochs": 2, "learning_rate": "0.01,0.03,0.1"}
        found = judged(bench("training", **axes), resolve(init.study, "quick", SMALL | axes))
        assert found["A4-deep-he"].verdict == "untested"
        assert found["A4-shallow-he"].n == 3

    def test_a_claim_is_made_at_the_depth_nearest_to_30(self, bench: Bench) -> None:
        axes = {"probe_depth": "5,20,100", "probe_seeds": 2}
        arm = judged(bench("propagation", **axes), resolve(init.study, "quick", SMALL | axes))["A4-he-forward"].arm
        assert arm == "he_normal, relu, 20 layers of 64"


KINDS = ("training", "propagation", "gain", "linear", "bound", "fluctuation", "symmetry")
MORE_KINDS = ("lsuv", "power", "tanh_gain", "phase", "pair", "phase_training", "jacobian", "modes", "deep_linear")
FAILING = [*((kind, False) for kind in KINDS), *((kind, True) for kind in (*KINDS, *MORE_KINDS))]


class TestFailedTrials:
    """A trial that raises is a row of the tables; what the others say is reported all the same."""

    def failing(self, kind: str, all_of_them: bool) -> Callable[[dict[str, Any]], Any]:
        def measure(trial: dict[str, Any]) -> Any:
            if trial["kind"] == kind and (all_of_them or trial["repeat"] == 0):
                raise ZeroDivisionError("no such luck")
            return init.study.measure(trial)

        return measure

    @pytest.mark.parametrize(("kind", "all_of_them"), FAILING)
    def test_summary_claims_and_figures_are_made(self, bench: Bench, kind: str, all_of_them: bool) -> None:
        config = resolve(init.study, "quick", TINY)
        tables = bench(measure=self.failing(kind, all_of_them), **TINY)
        assert "error" in set(tables["trials"]["status"])
        assert frame_csv(init.study.summary(tables)).count(b"\n") > 5
        assert len(claims_of(init.study, tables, config)) == 58
        assert len(init.study.figures(tables, config)) == 11

    def test_a_failed_network_is_neither_dead_nor_alive(self, bench: Bench) -> None:
        claim = judged(bench("fluctuation", measure=self.failing("fluctuation", False), **TINY))["A10-survival"]
        assert claim.n == 19


# --- odd but allowed -----------------------------------------------------------------------------------------------

ODD = {
    "one scheme": {},
    "tanh only": {"activation": "tanh"},
    "two activations and depths": {"activation": "relu,leaky_relu:0.2", "depth": "1,3"},
    "regression": {"data": "diabetes", "samples": 0},
    "width 1": {"width": 1, "depth": "1,30", "probe_depth": "2,30"},
    "one seed of each": {"seeds": 1, "probe_seeds": 1, "fluctuation_nets": 1},
    "all runs diverge at once": {"learning_rate": "1e10"},
    "all runs diverge, none with relu": {"learning_rate": "1e10", "activation": "gelu"},
    "no weights": {"scheme": "zeros,normal:0,mean_field:0"},
    "beyond floats": {"scheme": "normal:100,normal:1e-5", "probe_depth": 300},
    "no prediction": {"scheme": "orthogonal,lsuv,identity,sparse,asymmetric", "gain_activation": "leaky_relu:1e200"},
    "three samples": {"samples": 3, "batch_size": 1, "data": "moons"},
}


class TestOddButAllowed:
    @pytest.mark.parametrize("axes", ODD.values(), ids=ODD)
    def test_there_is_a_report(self, tmp_path: Path, axes: dict[str, Any]) -> None:
        result = run_study("init", output=tmp_path, jobs=1, figure_formats=[], **(TINY | axes))
        assert result.failures == ()
        assert (tmp_path / "report.html").stat().st_size > 10_000
        assert not set(result.claims["verdict"]) - {"holds", "fails", "inconclusive", "untested"}


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.fixture
def nothing_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder in which a refused command must leave nothing but the user's own files."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not (tmp_path / "nnsim-results").exists()
    assert not (tmp_path / "out").exists()


BAD_VALUES = {
    "scheme": (("--scheme", "he_norml"), "unknown scheme 'he_norml': did you mean 'he_normal'?"),
    "scheme's number": (("--scheme", "he_normal:2"), "scheme 'he_normal' takes no number, got 'he_normal:2'"),
    "activation": (("--activation", "rleu"), "unknown activation 'rleu': did you mean 'relu'?"),
    "gain activation": (("--gain-activation", "tanhh"), "unknown activation 'tanhh': did you mean 'tanh'?"),
    "step": (("--activation", "step"), "activation 'step' passes no gradient: choose from identity"),
    "data set": (("--data", "digit"), "unknown data set 'digit': did you mean 'digits'?"),
    "target of a data set": (("--target", "y"), "data set 'digits' takes no target 'y'"),
    "depth": (("--depth", "-5"), "--depth -5 is not allowed: it must be at least 1"),
    "depth of zero": (("--depth", "5,0"), "--depth 0 is not allowed: it must be at least 1"),
    "probe depth": (("--probe-depth", "1"), "--probe-depth 1 is not allowed: it must be at least 2"),
    "width": (("--width", "0"), "--width 0 is not allowed: it must be at least 1"),
    "half a unit": (("--width", "63.5"), "--width must be a whole number, got '63.5': the nearest is 64"),
    "seeds": (("--seeds", "0"), "--seeds 0 is not allowed: it must be at least 1"),
    "negative seeds": (("--probe-seeds", "-1"), "--probe-seeds -1 is not allowed: it must be at least 1"),
    "learning rate": (("--learning-rate", "0"), "--learning-rate 0.0 is not allowed: it must be greater than 0"),
    "momentum": (("--momentum", "1"), "momentum must be at least 0 and below 1, got 1.0"),
    "batch": (("--batch-size", "1797"), "a batch of 1797 rows is larger than the"),
    "samples": (("--samples", "1798"), "n_samples is 1798: 'digits' has 1797 rows, give at most 1797"),
}


class TestBadInput:
    @pytest.mark.parametrize(("arguments", "sentence"), BAD_VALUES.values(), ids=BAD_VALUES)
    @pytest.mark.parametrize("more", [(), ("--dry-run",)], ids=["run", "dry-run"])
    def test_a_value_that_cannot_be_used(
        self,
        nothing_written: Path,
        capsys: pytest.CaptureFixture[str],
        arguments: tuple[str, ...],
        sentence: str,
        more: tuple[str, ...],
    ) -> None:
        assert main(["study", "init", *arguments, *more]) == 2
        self.is_one_sentence(capsys, sentence)

    def is_one_sentence(self, capsys: pytest.CaptureFixture[str], sentence: str) -> None:
        streams = capsys.readouterr()
        assert streams.err.startswith(f"nnsim: error: {sentence}")
        assert streams.err.count("\n") == 1
        assert streams.out == ""

    def test_the_largest_batch_is_named(self, nothing_written: Path, capsys: pytest.CaptureFixture[str]) -> None:
        main(["study", "init", "--batch-size", "5000", "--data", "xor"])
        assert capsys.readouterr().err.endswith("at any root seed: choose at most 697\n")
        assert main(["study", "init", "--batch-size", "697", "--data", "xor", "--dry-run"]) == 0

    @pytest.mark.parametrize(
        ("text", "code", "sentence"),
        [
            ("x,label\n1,a\ntwo,b\n", 1, "row 3, column 'x' of 'data.csv' holds 'two', expected a finite number"),
            ("x,label\n1,a\n2,b\nnan,b\n", 1, "row 4, column 'x' of 'data.csv' holds 'nan', expected a finite number"),
            ("x,label\n1,a\n,b\n", 1, "row 3, column 'x' of 'data.csv' holds '', expected a finite number"),
            ("", 1, "'data.csv' is empty"),
            ("x,label\n", 1, "'data.csv' holds a header and no rows"),
            ("x,lable\n1,a\n2,b\n", 2, "unknown target column 'label': did you mean 'lable'?"),
            ("x,label\n1,a\n2,a\n3,a\n", 1, "the target of 'data.csv' is a in all 3 rows"),
        ],
        ids=["text", "nan", "empty cell", "empty file", "header alone", "target", "one class"],
    )
    def test_a_csv_file(
        self, nothing_written: Path, capsys: pytest.CaptureFixture[str], text: str, code: int, sentence: str
    ) -> None:
        Path("data.csv").write_text(text)
        assert main(["study", "init", "--data", "data.csv", "--target", "label"]) == code
        self.is_one_sentence(capsys, sentence)

    def test_a_csv_file_without_a_target(self, nothing_written: Path, capsys: pytest.CaptureFixture[str]) -> None:
        Path("data.csv").write_text("x,label\n1,a\n2,b\n3,a\n")
        assert main(["study", "init", "--data", "data.csv"]) == 2
        self.is_one_sentence(capsys, "'data.csv' needs the name of its target column: the columns are x, label")

    def test_a_missing_file(self, nothing_written: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["study", "init", "--data", "missing.csv", "--target", "y"]) == 1
        self.is_one_sentence(capsys, "there is no file 'missing.csv'")

    def test_a_truncated_idx_file(self, nothing_written: Path, capsys: pytest.CaptureFixture[str]) -> None:
        Path("train-images-idx3-ubyte").write_bytes(struct.pack(">HBB3I", 0, 8, 3, 10, 2, 2) + bytes(39))
        Path("train-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 10) + bytes(range(10)))
        assert main(["study", "init", "--data", "train-images-idx3-ubyte"]) == 1
        self.is_one_sentence(
            capsys, "'train-images-idx3-ubyte' is truncated: expected 56 bytes for shape (10, 2, 2), got 55"
        )


def test_a_folder_refuses_data_that_were_edited(tmp_path: Path) -> None:
    data = tmp_path / "mine.csv"
    axes = {"data": str(data), "target": "y", "batch_size": 2, "output": tmp_path / "out"} | {
        "scheme": "he_normal", "activation": "tanh", "depth": "1", "probe_depth": "2", "width": 2, "seeds": 1,
        "probe_seeds": 1, "fluctuation_nets": 1, "gain_activation": "relu", "epochs": 1, "learning_rate": "0.1",
    }  # fmt: skip
    rows = [f"{i % 5},{i % 2}" for i in range(40)]
    data.write_text("\n".join(["x,y", *rows]) + "\n")
    run_study(init.study, **axes)
    before = (tmp_path / "out" / "trials.csv").read_bytes()
    data.write_text("\n".join(["x,y", "7,0", *rows[1:]]) + "\n")
    with pytest.raises(StoreError, match="data_sha256"):
        run_study(init.study, **axes)
    assert (tmp_path / "out" / "trials.csv").read_bytes() == before
