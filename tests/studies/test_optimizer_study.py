"""The optimizer study: every claim holds on the program as it is, and turns where its physics is broken.

Identities, coordinate checks and the widths are measured by the study's own engine. What trained arms end with is
shown to the claims as tables, in which a lead can be set.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nnsim_cli.main import main
from nnsim_studies import optimizer
from nnsim_studies.optimizer import widths
from nnsim_studies.optimizer.comparison import CENTRES, DEFAULT_RATE, grid
from study_bench import Bench, Tables

from nnsim.core.errors import UsageError
from nnsim.experiment.config import resolve
from nnsim.probes import training_identities
from nnsim.report.claims import Claim
from nnsim.report.judging import claims_of
from nnsim.report.render import frame_csv
from nnsim.training.recipe import Recipe

pytestmark = pytest.mark.physics

SMALL = {
    "data": "digits",
    "optimizer": "momentum,adamw",
    "rates": 3,
    "seeds": 6,
    "epochs": 1,
    "width": 8,
    "mup_width": "32,256",
    "mup_rate": "0.001953125,0.00390625,0.0078125,0.015625,0.03125,0.0625",
    "mup_epochs": 1,
    "coordinate_width": "128,1024",
    "probe_seeds": 20,
}
TINY = SMALL | {
    "data": "xor,target_sine",
    "samples": 60,
    "seeds": 2,
    "batch_size": 16,
    "mup_width": "4,8",
    "mup_rate": "0.01,0.02",
    "coordinate_width": "4,8",
    "probe_seeds": 2,
}
NARROW = {"coordinate_width": "64,256"}
CONFIG = resolve(optimizer.study, "quick", SMALL)
IDENTITIES = ["decay", "first_step", "start_loss", "dropout"]
CHECKS = [
    *("D5-adamw-decay-smallest", "D5-adamw-decay-largest", "D5-adam-l2", "D5-adam-first-step-digits"),
    *("D8-softmax-digits", "D8-bce-digits"),
    *(f"D8-dropout-{moment}-{rate}" for moment in ("mean", "square") for rate in ("0.2", "0.5")),
]
WIDTHS = [
    *("D7-transfer-mup", "D7-transfer-standard", "D7-coordinate-mup-first", "D7-coordinate-mup-hidden"),
    *("D7-coordinate-standard-hidden", "D7-coordinate-mup-readout", "D7-coordinate-standard-readout"),
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory, optimizer.study, SMALL)


def judged(tables: Tables, config: dict[str, Any] = CONFIG) -> dict[str, Claim]:
    return {claim.id: claim for claim in claims_of(optimizer.study, tables, config)}


def fallen(tables: Tables) -> set[str]:
    return {name for name, claim in judged(tables).items() if claim.verdict == "fails"}


# --- identities ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unbroken(bench: Bench) -> dict[str, Claim]:
    return judged(bench(*IDENTITIES, "width", "coordinate"))


@pytest.mark.parametrize("claim", [*CHECKS, *WIDTHS])
def test_holds(unbroken: dict[str, Claim], claim: str) -> None:
    assert unbroken[claim].verdict == "holds", unbroken[claim]


def with_recipe(patch: pytest.MonkeyPatch, change: Callable[[Recipe], Recipe]) -> None:
    """Let the identities be measured on another recipe than they are held against."""
    train = training_identities.train
    patch.setattr(training_identities, "train", lambda s, t, d, recipe, key: train(s, t, d, change(recipe), key))


class TestBrokenIdentities:
    @pytest.mark.parametrize("change", [{"weight_decay": 0.101}, {"optimizer": "adam"}, {"epochs": 99}])
    def test_another_decay(self, bench: Bench, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]) -> None:
        with_recipe(monkeypatch, lambda recipe: replace(recipe, **change))
        assert {"D5-adamw-decay-smallest", "D5-adamw-decay-largest"} <= fallen(bench("decay"))

    def test_an_adam_that_decays_by_a_share(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        with_recipe(monkeypatch, lambda recipe: replace(recipe, optimizer="adamw"))
        assert fallen(bench("decay")) == {"D5-adam-l2"}

    @pytest.mark.parametrize("change", [{"epsilon": 0.0011}, {"learning_rate": 0.0101}, {"optimizer": "rmsprop"}])
    def test_another_first_step(self, bench: Bench, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]) -> None:
        with_recipe(monkeypatch, lambda recipe: replace(recipe, **change))
        assert fallen(bench("first_step")) == {"D5-adam-first-step-digits"}

    def test_a_readout_that_is_not_zero(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        measured = training_identities.start_loss
        monkeypatch.setattr(training_identities, "start_loss", lambda *arguments: measured(*arguments) + 1e-6)
        assert fallen(bench("start_loss")) == {"D8-softmax-digits", "D8-bce-digits"}

    def test_dropout_at_another_rate(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        measured = training_identities.dropout_moments
        monkeypatch.setattr(training_identities, "dropout_moments", lambda rate, key: measured(rate + 0.04, key))
        assert fallen(bench("dropout")) == {"D8-dropout-square-0.2", "D8-dropout-square-0.5"}

    def test_dropout_that_is_not_inverted(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        measured = training_identities.dropout_moments

        def plain(rate: float, key: int) -> tuple[float, float]:
            mean, square = measured(rate, key)
            return mean * (1 - rate), square * (1 - rate) ** 2

        monkeypatch.setattr(training_identities, "dropout_moments", plain)
        moments = itertools.product(("mean", "square"), ("0.2", "0.5"))
        assert fallen(bench("dropout")) == {f"D8-dropout-{moment}-{rate}" for moment, rate in moments}


# --- widths --------------------------------------------------------------------------------------------------------


class TestBrokenWidths:
    def test_rates_that_do_not_fall_with_the_width(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(widths, "mup_layer_rates", lambda spec, base: None)
        assert {"D7-transfer-mup", "D7-coordinate-mup-hidden"} <= fallen(bench("width", "coordinate", **NARROW))

    def test_a_readout_that_is_too_large(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(widths, "mup_start", lambda spec, theta, base: theta * (spec.widths[1] / base))
        assert "D7-coordinate-mup-readout" in fallen(bench("coordinate", **NARROW))

    def test_a_first_layer_whose_rate_grows(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(widths, "mup_layer_rates", lambda spec, base: (spec.widths[1] / base, 1.0, 1.0))
        assert "D7-coordinate-mup-first" in fallen(bench("coordinate", **NARROW))

    def test_names_exchanged(self, bench: Bench) -> None:
        names = {"standard": "mup", "mup": "standard"}
        tables = {
            name: table.assign(parametrization=table["parametrization"].replace(names))
            for name, table in bench("width", "coordinate", **NARROW).items()
            if "parametrization" in table
        }
        found = judged(tables | {"identities": bench("dropout")["identities"]})
        broken = {name for name in WIDTHS if found[name].verdict == "fails"}
        assert broken == set(WIDTHS) - {"D7-coordinate-mup-first"}

    def test_an_optimum_at_the_edge_decides_nothing(self, bench: Bench) -> None:
        found = judged(bench("width", mup_rate="0.001953125,0.00390625"))
        assert {found[f"D7-transfer-{name}"].verdict for name in ("mup", "standard")} == {"inconclusive"}


# --- comparisons ---------------------------------------------------------------------------------------------------

LEADS = [
    *((f"optimizer-{first}-{second}-digits", first, second) for first, second in (
        ("momentum", "sgd"), ("nesterov", "momentum"), ("adam", "rmsprop"), ("adam", "momentum"), ("adamw", "adam"))),
    ("page-adamw-best-digits", "adamw", "momentum"),
]  # fmt: skip


@pytest.fixture(scope="module")
def empty(bench: Bench) -> Tables:
    """Tables in which nothing was trained."""
    return bench("dropout", probe_seeds=2)


def compared(empty: Tables, leads: dict[str, float], best: float = 0.5, default: float = 0.9) -> Tables:
    """Return tables of tuned arms that end at 0.9 plus their lead, with noise of 0.001, at the middle of their grid."""
    rng, rows = np.random.default_rng(0), []
    for name, rate, seed in itertools.product(CENTRES, (0.1, 0.5, 1.0), range(8)):
        centre = DEFAULT_RATE if name == "adamw" and rate == 0.1 else rate
        score = 0.9 + leads.get(name, 0.0) + 0.001 * rng.standard_normal()
        row = {"kind": "training", "data": "digits", "optimizer": name, "learning_rate": centre, "repeat": seed}
        row |= {"status": "done", "chance": 0.1, "validation_metric": 0.9 if rate == best else 0.5}
        rows.append(row | {"test_metric": default if centre == DEFAULT_RATE else score})
    return empty | {"trials": pd.concat([empty["trials"], pd.DataFrame(rows)])}


class TestComparisons:
    def test_arms_that_end_alike(self, empty: Tables) -> None:
        found = judged(compared(empty, {}))
        names = [*(name for name, *_ in LEADS), "page-adamw-default-digits"]
        assert {name: found[name].verdict for name in names} == dict.fromkeys(names, "holds")

    @pytest.mark.parametrize(("claim", "first", "second"), LEADS)
    def test_an_arm_that_falls_behind(self, empty: Tables, claim: str, first: str, second: str) -> None:
        assert claim in fallen(compared(empty, {first: -0.03}))

    @pytest.mark.parametrize(("claim", "first", "second"), LEADS)
    def test_exchanged_arms(self, empty: Tables, claim: str, first: str, second: str) -> None:
        assert claim in fallen(compared(empty, {second: 0.03}))

    def test_a_default_that_loses(self, empty: Tables) -> None:
        assert fallen(compared(empty, {}, default=0.87)) == {"page-adamw-default-digits"}

    def test_a_rate_chosen_at_the_edge_decides_nothing(self, empty: Tables) -> None:
        found = judged(compared(empty, {}, best=1.0))
        assert {found[name].verdict for name, *_ in LEADS} == {"inconclusive"}

    def test_fewer_than_six_seeds_say_what_they_cannot_show(self, empty: Tables) -> None:
        config = CONFIG | {"seeds": 5}
        assert "no exact test" in judged(compared(empty, {}), config)["page-adamw-best-digits"].note

    def test_arms_that_did_not_run_are_untested(self, empty: Tables) -> None:
        assert {judged(empty)[name].verdict for name, *_ in LEADS} == {"untested"}


# --- trials, tables, figures ---------------------------------------------------------------------------------------


class TestTrials:
    def test_every_arm_has_the_same_budget(self) -> None:
        trials = pd.DataFrame(optimizer.study.trials(resolve(optimizer.study, "quick", {})))
        counts = trials[trials["kind"] == "training"].groupby(["data", "optimizer"]).size()
        assert set(counts) == set(trials.loc[trials["kind"] == "training", "budget"]) == {70}

    @pytest.mark.parametrize("name", CENTRES)
    def test_grids_are_log_spaced_around_their_middle(self, name: str) -> None:
        rates = grid(name, 5)
        assert rates[2] == pytest.approx(CENTRES[name], rel=1e-3)
        assert np.diff(np.log10(rates)) == pytest.approx([0.5] * 4, abs=1e-3)

    @pytest.mark.parametrize("rates", [3, 7, 9])
    def test_the_default_rate_is_in_the_grid_of_adamw(self, rates: int) -> None:
        assert DEFAULT_RATE in grid("adamw", rates)

    def test_only_adamw_decays(self, bench: Bench) -> None:
        trials = bench("training", seeds=1)["trials"]
        assert dict(zip(trials["optimizer"], trials["weight_decay"], strict=True)) == {"momentum": 0.0, "adamw": 0.01}


def test_summary_and_figures_of_a_tiny_run(bench: Bench) -> None:
    tables, config = bench(**TINY), resolve(optimizer.study, "quick", TINY)
    summary = optimizer.study.summary(tables)
    assert set(summary["at_edge"]) <= {True, False}
    assert frame_csv(summary).count(b"\n") == 1 + 2 * 2 * 3 + 2 * 2 * 2
    assert len(optimizer.study.figures(tables, config)) == 5


def test_runs_that_diverge_are_rows(bench: Bench) -> None:
    tables = bench("width", **TINY | {"mup_rate": "1e30"})
    assert set(tables["trials"]["status"]) == {"diverged"}
    found = judged(tables | {"identities": tables["identities"]}, resolve(optimizer.study, "quick", TINY))
    assert found["D7-transfer-mup"].verdict == "untested"


BAD = {
    "data": ({"data": "digit"}, "unknown data set 'digit': did you mean 'digits'?"),
    "batch": ({"batch_size": 2000}, "larger than the training rows of 'digits', at least 1243 at any root seed"),
}


class TestBadInput:
    @pytest.mark.parametrize(("axes", "sentence"), BAD.values(), ids=BAD)
    def test_is_refused_before_anything_runs(self, axes: dict[str, Any], sentence: str) -> None:
        with pytest.raises(UsageError, match="digit") as refused:
            optimizer.study.trials(resolve(optimizer.study, "quick", SMALL | axes))
        assert sentence in str(refused.value)

    @pytest.mark.parametrize(
        "options", [("--optimizer", "adem"), ("--rates", "2"), ("--mup-rate", "0"), ("--weight-decay", "-1")]
    )
    def test_a_value_that_does_not_exist(self, options: tuple[str, str], tmp_path: Any, monkeypatch: Any) -> None:
        monkeypatch.chdir(tmp_path)
        assert main(["study", "optimizer", *options]) == 2
        assert not list(tmp_path.iterdir())
