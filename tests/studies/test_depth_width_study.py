"""The depth-width study: its claims hold on networks as they are, and turn where what they measure is broken."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nnsim_cli.main import main
from nnsim_studies import depth_width
from study_bench import Bench, Tables

from nnsim.experiment.config import resolve
from nnsim.networks import initializers
from nnsim.networks.initializers import Layer
from nnsim.probes.expressivity import constructions, piece_counts
from nnsim.report.claims import Claim
from nnsim.report.judging import claims_of
from nnsim.theory.expressivity import approximation

pytestmark = pytest.mark.physics

SMALL = {
    "blocks": 6,
    "tents": 4,
    "neurons": "96,384",
    "line_depth": "1,2",
    "line_nets": 200,
    "parity_bits": 6,
    "depth": "1,2,4,8",
    "digits_parameters": 2000,
    "dimension": "2,10",
    "units": "4,16",
    "ridge_rows": 1500,
    "learning_rate": "0.003,0.03,0.1,0.6",
    "seeds": 10,
    "epochs": 8,
    "plane_epochs": 40,
    "curve_epochs": 100,
    "ridge_epochs": 30,
}
TINY = {
    "blocks": 2,
    "tents": 1,
    "neurons": "8",
    "line_depth": "2",
    "line_nets": 2,
    "parity_bits": 2,
    "depth": "2",
    "digits_parameters": 200,
    "spirals_parameters": 30,
    "dimension": "3",
    "units": "2",
    "ridge_rows": 64,
    "learning_rate": "0.03",
    "seeds": 2,
    "epochs": 1,
    "plane_epochs": 1,
    "curve_epochs": 1,
    "ridge_epochs": 1,
}
CONFIG = resolve(depth_width.study, "quick", SMALL)
WRITTEN = ["C1-tents", "C1-power", "C2-error", "C2-lines", "C4-folded", "C7-parity"]
RANDOM = ["C3-first", "C3-count-1", "C3-count-2", "C3-neurons", "C3-depth", "C4-general", "C4-central"]
TRAINED = [
    *("C1-found", "C1-wide-deep", "C1-wide-shallow", "C1-bound", "C5-enough", "C5-fixed-relu", "C5-fixed-sigmoid"),
    *(f"C5-{activation}-{dimension}" for activation in ("relu", "sigmoid") for dimension in (2, 10)),
    *("C6-digits", "C6-too-deep-digits", "C6-too-deep-spirals", "C6-spirals"),
    *("C6-width-2", "C6-width-3-1", "C6-width-3-3"),
]
LEARNT = [
    *("C1-bound", "C5-fixed-relu", "C5-fixed-sigmoid", "C6-too-deep-digits", "C6-too-deep-spirals"),
    *("C6-width-2", "C6-width-3-1", "C6-width-3-3"),
]
"""Claims of the trained arms that so little training decides."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory, depth_width.study, SMALL)


@pytest.fixture(scope="module")
def whole(bench: Bench) -> Tables:
    """Everything, as it is."""
    return bench.kept()


def judged(tables: Tables, config: dict[str, Any] = CONFIG) -> dict[str, Claim]:
    return {claim.id: claim for claim in claims_of(depth_width.study, tables, config)}


@pytest.fixture(scope="module")
def unbroken(whole: Tables) -> dict[str, Claim]:
    return judged(whole)


class TestUnbroken:
    def test_these_are_all_claims(self, unbroken: dict[str, Claim]) -> None:
        assert sorted(unbroken) == sorted([*WRITTEN, *RANDOM, *TRAINED])

    @pytest.mark.parametrize("claim", [*WRITTEN, *RANDOM])
    def test_holds(self, unbroken: dict[str, Claim], claim: str) -> None:
        assert unbroken[claim].verdict == "holds", unbroken[claim]

    @pytest.mark.parametrize("claim", LEARNT)
    def test_holds_after_short_training(self, unbroken: dict[str, Claim], claim: str) -> None:
        assert unbroken[claim].verdict == "holds", unbroken[claim]

    @pytest.mark.parametrize("claim", [name for name in TRAINED if name not in LEARNT])
    def test_what_takes_longer_is_measured(self, unbroken: dict[str, Claim], claim: str) -> None:
        assert unbroken[claim].n == 10
        assert math.isfinite(unbroken[claim].estimate)

    def test_the_order_of_the_rows_does_not_matter(self, whole: Tables, unbroken: dict[str, Claim]) -> None:
        turned = {name: table[::-1].reset_index(drop=True) for name, table in whole.items()}
        for name, claim in judged(turned).items():
            assert (claim.verdict, claim.n) == (unbroken[name].verdict, unbroken[name].n)
            assert claim.estimate == pytest.approx(unbroken[name].estimate, rel=1e-9)


# --- written otherwise ---------------------------------------------------------------------------------------------


def low_fold(pieces: int) -> np.ndarray:
    """A fold that reaches 0.4 of its height, so that the next one is never climbed to the top."""
    heights = 0.8 * pieces * (-1.0) ** np.arange(pieces)
    heights[0] = 0.4 * pieces
    return heights


def other_square(tents: int) -> constructions.WrittenLayers:
    *layers, (W, b) = constructions.square(tents)
    return [*layers, (1.01 * W, b)]


def late_parity(bits: int) -> constructions.WrittenLayers:
    (W, b), last = constructions.parity(bits)
    return [(W, b - 1), last]


BROKEN_WRITING = {
    "low folds": ("zigzag", constructions, "_fold", low_fold, {"C1-tents", "C1-power"}),
    "low folds of the plane": ("folded", constructions, "_fold", low_fold, {"C4-folded"}),
    "a square that is steeper": (
        "square", piece_counts.constructions, "square", other_square, {"C2-error", "C2-lines"}
    ),
    "lines for another function": (
        "square", piece_counts, "lines_needed",
        lambda f, error: approximation.lines_for_error(error / 2), {"C2-lines"},
    ),
    "units that are on one bit late": ("parity", piece_counts.constructions, "parity", late_parity, {"C7-parity"}),
}  # fmt: skip


class TestBrokenWriting:
    @pytest.mark.parametrize(("kind", "place", "name", "broken", "fall"), BROKEN_WRITING.values(), ids=BROKEN_WRITING)
    def test_these_claims_fail(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str, place: Any, name: str, broken: Any, fall: set
    ) -> None:
        true = getattr(constructions, name, None)
        monkeypatch.setattr(place, name, broken_by(true, broken, constructions, name))
        found = judged(bench(kind))
        assert {claim for claim in fall if found[claim].verdict == "fails"} == fall


def broken_by(true: Any, broken: Callable, module: Any, name: str) -> Callable:
    """Let a broken version call the true one under its own name."""

    def call(*given: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            if true is not None:
                patch.setattr(module, name, true)
            return broken(*given)

    return call


# --- drawn otherwise -----------------------------------------------------------------------------------------------


def other_biases(layer: Layer, sigma_w: float, sigma_b: float) -> initializers.Filled:
    return initializers._mean_field(layer, sigma_w, 1.15 * sigma_b)


def biased_draws(layer: Layer, sigma_w: float, sigma_b: float) -> initializers.Filled:
    W, b = initializers._mean_field(layer, sigma_w, sigma_b)
    return W, b + 1.0


def forty_units(layer: Layer, sigma_w: float, sigma_b: float) -> initializers.Filled:
    """Draws of which only the first forty units of a layer ever read anything."""
    W, b = initializers._mean_field(layer, sigma_w, sigma_b)
    W[:, 40:] = 0
    return W, b


BROKEN_DRAWS = {
    "biases of 1.15": (other_biases, {"C3-first", "C3-count-1", "C3-count-2"}),
    "biases of mean 1": (biased_draws, {"C3-first", "C3-count-1"}),
    "forty units at any width": (forty_units, {"C3-neurons", "C3-first"}),
}


class TestBrokenDraws:
    @pytest.mark.parametrize(("fill", "fall"), BROKEN_DRAWS.values(), ids=BROKEN_DRAWS)
    def test_these_claims_fail(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, fill: Callable, fall: set[str]
    ) -> None:
        scheme = initializers.SCHEMES["mean_field"]
        monkeypatch.setitem(initializers.SCHEMES, "mean_field", replace(scheme, fill=fill))
        found = judged(bench("random", line_nets=80))
        assert {claim for claim in fall if found[claim].verdict == "fails"} == fall

    @pytest.mark.parametrize(("kind", "biased"), [("general", False), ("central", True)])
    def test_planes_of_the_other_kind(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str, biased: bool
    ) -> None:
        true = piece_counts.plane_regions
        monkeypatch.setattr(piece_counts, "plane_regions", lambda n, d, _, key: true(n, d, biased, key))
        assert judged(bench(kind))[f"C4-{kind}"].verdict == "fails"


# --- measured otherwise --------------------------------------------------------------------------------------------


def arm(trials: pd.DataFrame, **values: Any) -> pd.Series:
    keep = pd.Series(True, trials.index)
    for column, value in values.items():
        keep &= trials[column] == value
    return keep


def with_metric(kind: str, change: Callable[[pd.Series], Any], **values: Any) -> Callable[[Tables], None]:
    def edit(tables: Tables) -> None:
        rows = arm(tables["trials"], kind=kind, **values)
        tables["trials"].loc[rows, "test_metric"] = change(tables["trials"].loc[rows, "test_metric"])
        decide_inside(tables, kind)

    return edit


def with_closed(closed: bool, **values: Any) -> Callable[[Tables], None]:
    def edit(tables: Tables) -> None:
        tables["trials"].loc[arm(tables["trials"], kind="enclosure", **values), "encloses"] = closed

    return edit


def trained_errors(power: float) -> Callable[[Tables], None]:
    """Let what trained units leave fall as n^power."""

    def edit(tables: Tables) -> None:
        trials = tables["trials"]
        rows = arm(trials, kind="ridge")
        wobble = 1 + 0.02 * (trials.loc[rows, "repeat"] % 3)
        trials.loc[rows, "test_metric"] = 1 - wobble * trials.loc[rows, "width"] ** power
        decide_inside(tables, "ridge")

    return edit


def decide_inside(tables: Tables, kind: str) -> None:
    """Let every arm of a kind choose a rate inside the grid."""
    trials = tables["trials"]
    trials.loc[arm(trials, kind=kind), "validation_metric"] = 0.1
    trials.loc[arm(trials, kind=kind, learning_rate=0.03), "validation_metric"] = 0.9


def fast_fixed_units(tables: Tables) -> None:
    fixed = tables["fixed"]
    fixed["error"] = (1 + 0.02 * (fixed["repeat"] % 3)) / fixed["units"] ** 2


def deeper_is_more(tables: Tables) -> None:
    trials = tables["trials"]
    rows = arm(trials, kind="random")
    trials.loc[rows, "pieces"] *= trials.loc[rows, "depth"]


def too_many_pieces(tables: Tables) -> None:
    tables["trials"].loc[arm(tables["trials"], kind="sawtooth", repeat=0), "pieces"] = 10**6


SLOPES = ["C5-relu-2", "C5-relu-10", "C5-sigmoid-2", "C5-sigmoid-10"]
EDITS: dict[str, tuple[Callable[[Tables], None], dict[str, str]]] = {
    "training finds nothing": (
        with_metric("sawtooth", lambda metric: 0.01 * metric, width=2), {"C1-found": "holds"}
    ),
    "training finds the tents": (
        with_metric("sawtooth", lambda metric: 0.9 + 0 * metric, width=2), {"C1-found": "fails"}
    ),
    "a wide deep network stays at half": (
        with_metric("sawtooth", lambda metric: 0.5 + 0 * metric, width=16), {"C1-wide-deep": "fails"}
    ),
    "a wide shallow network stays at half": (
        with_metric("sawtooth", lambda metric: 0.5 + 0 * metric, width=197), {"C1-wide-shallow": "fails"}
    ),
    "all wide networks learn": (
        with_metric("sawtooth", lambda metric: 0.99 + 0 * metric), {"C1-wide-deep": "holds", "C1-wide-shallow": "holds"}
    ),
    "more pieces than there can be": (too_many_pieces, {"C1-bound": "fails"}),
    "pieces grow with depth": (deeper_is_more, {"C3-depth": "fails", "C3-count-2": "fails"}),
    "trained errors fall as 1/sqrt n": (trained_errors(-0.5), dict.fromkeys([*SLOPES, "C5-enough"], "fails")),
    "trained errors fall as n^-1.5": (trained_errors(-1.5), dict.fromkeys([*SLOPES, "C5-enough"], "holds")),
    "fixed units fall as 1/n^2": (fast_fixed_units, {"C5-fixed-relu": "fails", "C5-fixed-sigmoid": "fails"}),
    "four layers gain on the digits": (
        with_metric("grid", lambda metric: metric + 0.2, data="digits", depth=4), {"C6-digits": "fails"}
    ),
    "four layers lose on the digits": (
        with_metric("grid", lambda metric: metric - 0.2, data="digits", depth=4), {"C6-digits": "holds"}
    ),
    "eight layers gain": (
        with_metric("grid", lambda metric: 2 + metric, depth=8),
        {"C6-too-deep-digits": "fails", "C6-too-deep-spirals": "fails"},
    ),
    "two layers gain on the spirals": (
        with_metric("grid", lambda metric: metric + 1, data="spirals", depth=2), {"C6-spirals": "holds"}
    ),
    "two layers lose on the spirals": (
        with_metric("grid", lambda metric: metric - 1, data="spirals", depth=2), {"C6-spirals": "fails"}
    ),
    "width 2 closes a region": (with_closed(True, width=2, repeat=3), {"C6-width-2": "fails"}),
    "width 3 closes none": (
        with_closed(False, width=3), {"C6-width-3-1": "inconclusive", "C6-width-3-3": "inconclusive"}
    ),
}  # fmt: skip


class TestOtherMeasurements:
    @pytest.mark.parametrize(("edit", "verdicts"), EDITS.values(), ids=EDITS)
    def test_the_verdict_turns(self, whole: Tables, edit: Callable[[Tables], None], verdicts: dict[str, str]) -> None:
        tables = {name: table.copy() for name, table in whole.items()}
        edit(tables)
        found = judged(tables)
        assert {name: found[name].verdict for name in verdicts} == verdicts

    def test_a_rate_at_the_edge_decides_nothing(self, whole: Tables) -> None:
        trials = whole["trials"]
        fewer = trials[(trials["kind"] != "sawtooth") | (trials["learning_rate"] == 0.03)]
        claim = judged(whole | {"trials": fewer})["C1-found"]
        assert claim.high < 0.5
        assert claim.verdict == "inconclusive"

    def test_diverged_runs_count_as_chance(self, whole: Tables) -> None:
        tables = {name: table.copy() for name, table in whole.items()}
        trials = tables["trials"]
        rows = arm(trials, kind="sawtooth", width=197) & trials["repeat"].lt(5)
        trials.loc[rows, "status"] = "diverged"
        trials.loc[rows, "test_metric"] = np.nan
        decide_inside(tables, "sawtooth")
        trials.loc[rows, "validation_metric"] = np.nan
        before, after = (judged(given)["C1-wide-shallow"] for given in (whole, tables))
        assert after.n == before.n == 10
        assert after.estimate < before.estimate - 0.1


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.fixture
def nothing_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not list(tmp_path.iterdir())


BAD_VALUES = {
    "neurons": (("--neurons", "3"), "3 neurons cannot fill 4 layers of a random network: choose at least 4 neurons"),
    "budget": (
        ("--digits-parameters", "80"),
        "1 hidden layers between 64 inputs and 10 outputs have at least 85 parameters, got a budget of 80: choose at",
    ),
    "deep budget": (("--spirals-parameters", "20"), "8 hidden layers between 2 inputs and 2 outputs have at least 21"),
    "batch": (
        ("--batch-size", "701"),
        "a batch of 701 rows is larger than the smallest training set: choose at most 697",
    ),
    "rows": (("--ridge-rows", "32"), "a batch of 64 rows is larger than the smallest training set: choose at most 32"),
    "blocks": (("--blocks", "0"), "--blocks 0 is not allowed: it must be at least 1"),
}


class TestBadInput:
    @pytest.mark.parametrize(("arguments", "sentence"), BAD_VALUES.values(), ids=BAD_VALUES)
    def test_is_refused_in_one_sentence(
        self, nothing_written: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
    ) -> None:
        assert main(["study", "depth-width", *arguments]) == 2
        streams = capsys.readouterr()
        assert streams.err.startswith(f"nnsim: error: {sentence}")
        assert streams.err.count("\n") == 1
