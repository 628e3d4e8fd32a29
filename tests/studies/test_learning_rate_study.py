"""The learning-rate study: its claims hold on descent as it is, and turn where its physics is broken.

Where a broken physics would take too long to measure, the claims are shown tables in which it has been written.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nnsim_cli.main import main
from nnsim_studies import learning_rate
from nnsim_studies.learning_rate import edge, quadratic
from nnsim_studies.learning_rate import schedules as studied
from nnsim_studies.learning_rate.rate_range import RULES
from nnsim_studies.learning_rate.shared import NOISY, best_rate
from study_bench import Bench, Tables, student  # noqa: F401

from nnsim.experiment.config import resolve
from nnsim.report.claims import Claim
from nnsim.report.judging import claims_of
from nnsim.report.render import frame_csv
from nnsim.training import schedules

pytestmark = pytest.mark.physics

SMALL = {
    "width": 32,
    "seeds": 8,
    "learning_rate": "0.03,0.125,0.5,8",
    "epochs": 6,
    "speed_rate": "0.003,0.01,0.03,0.3",
    "speed_epochs": 400,
    "adamw_data": "digits",
    "adamw_rate": "0.0001,0.001,0.01,0.1",
    "adamw_epochs": "2,30",
    "schedule_rate": "0.003,0.03,0.3",
    "edge_seeds": 6,
    "edge_steps": 7000,
}
TINY = SMALL | {
    "data": "iris",
    "adamw_data": "iris",
    "batch_size": 16,
    "width": 3,
    "seeds": 2,
    "learning_rate": "0.1,1",
    "speed_rate": "0.003,0.3",
    "speed_epochs": 3,
    "adamw_rate": "0.001,0.01",
    "adamw_epochs": "1,2",
    "schedule": "constant,cosine",
    "schedule_rate": "0.01",
    "schedule_epochs": 7,
    "edge_seeds": 2,
    "edge_steps": 30,
}
CONFIG = resolve(learning_rate.study, "quick", SMALL)
DECAYING = [name for name in learning_rate.SCHEDULE_NAMES if name != "constant"]
CLAIMS = [
    *("D2-quadratic-plain", "D2-quadratic-momentum", "D2-beyond", "D2-too-high", "D2-slow", "D2-hundred"),
    *("D3-edge", "D3-heavy-ball", "D3-below", "D3-never", "D3-sharpening"),
    *(f"D2-range-{rule}" for rule in RULES),
    *("D2-adamw-digits-short", "D2-adamw-digits-long"),
    *(f"D5-trace-{name}" for name in learning_rate.SCHEDULE_NAMES),
    *(f"D5-{name}" for name in DECAYING),
    *("D5-digits-cosine", "D5-digits-plateau"),
]
OPEN = {
    "D2-beyond",
    "D2-hundred",
    *(f"D2-range-{rule}" for rule in RULES),
    *(f"D5-{s}" for s in DECAYING),
}
"""Claims that so few seeds and rates do not settle: tables decide them both ways below."""
CLEAR = [name for name in CLAIMS if name not in OPEN]
PARTS = (
    learning_rate.SEARCH,
    learning_rate.ADAMW,
    learning_rate.SCHEDULES,
    learning_rate.QUADRATIC,
    learning_rate.EDGE,
)
KINDS = [kind for part in PARTS for kind in part.kinds]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory, learning_rate.study, SMALL)


@pytest.fixture(scope="module")
def whole(bench: Bench) -> Tables:
    """Everything, as it is."""
    return bench.kept()


@pytest.fixture(scope="module")
def tiny(bench: Bench) -> Tables:
    """As little as there can be of everything."""
    return bench.kept(**TINY)


def judged(tables: Tables, config: dict[str, Any] = CONFIG) -> dict[str, Claim]:
    return {claim.id: claim for claim in claims_of(learning_rate.study, tables, config)}


@pytest.fixture(scope="module")
def unbroken(whole: Tables) -> dict[str, Claim]:
    return judged(whole)


def fallen(tables: Tables) -> set[str]:
    return {name for name, claim in judged(tables).items() if claim.verdict == "fails"}


def rewritten(tables: Tables, table: str, column: str, value: Callable[[pd.DataFrame], Any], **where: Any) -> Tables:
    """Return the tables with one column of the rows that have the given values written anew."""
    frame = tables[table].copy()
    chosen = np.ones(len(frame), bool)
    for name, wanted in where.items():
        values = frame[name].str.split(":").str[0] if name == "schedule" else frame[name]
        chosen &= (values == wanted).to_numpy()
    assert chosen.any()
    frame.loc[chosen, column] = value(frame[chosen])
    return tables | {table: frame}


class TestUnbroken:
    def test_these_are_all_claims(self, unbroken: dict[str, Claim]) -> None:
        assert sorted(unbroken) == sorted(CLAIMS)

    @pytest.mark.parametrize("claim", CLEAR)
    def test_holds(self, unbroken: dict[str, Claim], claim: str) -> None:
        assert unbroken[claim].verdict == "holds", unbroken[claim]

    def test_the_order_of_the_rows_does_not_matter(self, whole: Tables, unbroken: dict[str, Claim]) -> None:
        turned = judged({name: table[::-1].reset_index(drop=True) for name, table in whole.items()})
        assert {name: claim.verdict for name, claim in turned.items()} == {
            name: claim.verdict for name, claim in unbroken.items()
        }

    def test_the_unit_of_replication_is_the_seed(self, unbroken: dict[str, Claim]) -> None:
        assert [unbroken[name].n for name in ("D3-edge", "D2-slow", "D2-range-valley", "D5-cosine")] == [6, 8, 8, 8]


class TestBrokenDescent:
    def test_a_momentum_that_nobody_knows_of_moves_the_divergence(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = quadratic.divergence_rate

        def pushed(spec: Any, theta: Any, data: Any, recipe: Any, key: int) -> float:
            return found(spec, theta, data, replace(recipe, momentum=recipe.momentum / 2 + 0.05), key)

        monkeypatch.setattr(quadratic, "divergence_rate", pushed)
        assert fallen(bench("quadratic", seeds=4)) == {"D2-quadratic-plain", "D2-quadratic-momentum"}

    def test_half_the_hessian_predicts_twice_the_rate(self, whole: Tables) -> None:
        halved = rewritten(whole, "sharpness", "sharpness", lambda rows: rows["sharpness"] / 2, kind="quadratic")
        assert {"D2-quadratic-plain", "D2-quadratic-momentum"} <= fallen(halved)

    def test_a_momentum_that_nobody_knows_of_moves_the_edge(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        follow = edge.follow_sharpness

        def pushed(spec: Any, theta: Any, data: Any, recipe: Any, key: int, looks: Any) -> Any:
            return follow(spec, theta, data, replace(recipe, momentum=recipe.momentum / 2 + 0.1), key, looks)

        monkeypatch.setattr(edge, "follow_sharpness", pushed)
        assert {"D3-edge", "D3-heavy-ball"} <= fallen(bench("edge", edge_seeds=4, edge_steps=4000))

    def test_a_sharper_small_rate(self, whole: Tables) -> None:
        sharper = rewritten(whole, "sharpness", "sharpness", lambda rows: 120 + rows["sharpness"], learning_rate=0.02)
        assert {"D3-below", "D3-never"} <= fallen(sharper)

    def test_one_network_at_the_edge_is_enough(self, whole: Tables) -> None:
        one = rewritten(whole, "sharpness", "sharpness", lambda rows: 100.0, learning_rate=0.02, repeat=0)
        assert "D3-never" in fallen(one)

    def test_sharpness_that_stays_as_it_was(self, whole: Tables) -> None:
        level = rewritten(whole, "sharpness", "sharpness", lambda rows: 30.0, learning_rate=0.02)
        assert "D3-sharpening" in fallen(level)


class TestBrokenSearch:
    @pytest.mark.parametrize("rule", RULES)
    @pytest.mark.parametrize(("rate", "verdict"), [(8.0, "fails"), (0.5, "holds")], ids=["bad", "good"])
    def test_suggestions(self, whole: Tables, rule: str, rate: float, verdict: str) -> None:
        best = best_rate(whole["trials"][whole["trials"]["kind"] == "sweep"])[0]
        assert best == 0.5
        shown = rewritten(whole, "suggestions", "rate", lambda rows: rate, rule=rule)
        assert judged(shown)[f"D2-range-{rule}"].verdict == verdict

    @pytest.mark.parametrize(("factor", "verdict"), [(0.01, "fails"), (100, "holds")])
    def test_starts_that_are_flatter_and_sharper(self, whole: Tables, factor: float, verdict: str) -> None:
        other = rewritten(whole, "sharpness", "sharpness", lambda rows: rows["sharpness"] * factor, kind="range")
        assert judged(other)["D2-beyond"].verdict == verdict

    def test_a_high_rate_that_learns(self, whole: Tables) -> None:
        learnt = rewritten(whole, "trials", "test_metric", lambda rows: 0.9, kind="sweep", learning_rate=8.0)
        learnt = rewritten(learnt, "trials", "status", lambda rows: "done", kind="sweep", learning_rate=8.0)
        assert "D2-too-high" in fallen(learnt)

    def test_steps_that_are_not_inverse_to_the_rate(self, whole: Tables) -> None:
        root = rewritten(whole, "trials", "steps", lambda rows: rows["steps"] ** 0.8, kind="speed")
        assert {"D2-slow", "D2-hundred"} <= fallen(root)

    def test_steps_that_are_inverse_to_the_rate_up_to_the_fastest(self, whole: Tables) -> None:
        flow = rewritten(whole, "trials", "steps", lambda rows: 30 / rows["learning_rate"], kind="speed")
        assert judged(flow)["D2-hundred"].verdict == "holds"

    def test_short_trainings_called_long(self, whole: Tables) -> None:
        trials = whole["trials"].copy()
        swept = trials["kind"] == "adamw"
        trials.loc[swept, "epochs"] = trials.loc[swept, "epochs"].replace({2: 30, 30: 2})
        assert {"D2-adamw-digits-short", "D2-adamw-digits-long"} <= fallen(whole | {"trials": trials})

    def test_an_optimum_at_the_edge_decides_nothing(self, whole: Tables) -> None:
        trials = whole["trials"]
        kept = ~((trials["kind"] == "adamw") & (trials["learning_rate"] > 0.01))
        assert judged(whole | {"trials": trials[kept]})["D2-adamw-digits-short"].verdict == "inconclusive"


class TestBrokenSchedules:
    @pytest.mark.parametrize("name", learning_rate.SCHEDULE_NAMES)
    def test_one_step_at_another_rate(self, whole: Tables, name: str) -> None:
        moved = rewritten(whole, "traces", "rate", lambda rows: rows["rate"] * 1.001, schedule=name, step=5)
        assert fallen(moved) == {f"D5-trace-{name}"}

    def test_a_straight_line_for_the_cosine(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(schedules, "half_cosine", lambda x: x)
        assert fallen(bench("trace")) == {f"D5-trace-{name}" for name in ("cosine", "one_cycle", "cosine_restarts")}

    def test_powers_that_fall_too_fast(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        products = schedules.products
        monkeypatch.setattr(schedules, "products", lambda start, factor, count: products(start, 0.9 * factor, count))
        assert fallen(bench("trace")) == {"D5-trace-step", "D5-trace-exponential"}

    def test_a_plateau_without_patience(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        named = studied.course
        monkeypatch.setattr(
            studied, "course", lambda name, epochs: named(name, epochs).replace("patience=1", "patience=0")
        )
        assert fallen(bench("trace")) == {"D5-trace-plateau"}

    @pytest.mark.parametrize("name", DECAYING)
    @pytest.mark.parametrize(("factor", "verdict"), [(0.5, "holds"), (2.0, "fails")])
    def test_losses_halved_and_doubled(self, whole: Tables, name: str, factor: float, verdict: str) -> None:
        where = {"kind": "schedule", "data": NOISY, "schedule": name}
        scaled = rewritten(whole, "trials", "test_loss", lambda rows: rows["test_loss"] * factor, **where)
        assert judged(scaled)[f"D5-{name}"].verdict == verdict

    @pytest.mark.parametrize("name", ["cosine", "plateau"])
    def test_a_schedule_that_is_worth_a_lot(self, whole: Tables, name: str) -> None:
        where = {"kind": "schedule", "data": studied.CLEAN, "schedule": name}
        better = rewritten(whole, "trials", "test_metric", lambda rows: rows["test_metric"] + 0.04, **where)
        assert f"D5-digits-{name}" in fallen(better)


class TestContract:
    @pytest.mark.parametrize("kind", KINDS)
    def test_trials_that_all_fail_still_make_a_report(self, tiny: Tables, kind: str) -> None:
        config = resolve(learning_rate.study, "quick", TINY)
        failed = tiny["trials"].loc[tiny["trials"]["kind"] == kind, "trial"]
        tables = {name: table[~table["trial"].isin(failed)] for name, table in tiny.items() if name != "trials"}
        trials = rewritten(tiny, "trials", "status", lambda rows: "error", kind=kind)["trials"]
        measured = ["test_metric", "test_loss", "validation_metric", "chance", "steps", "critical_rate"]
        trials.loc[trials["kind"] == kind, measured] = math.nan
        tables["trials"] = trials
        assert frame_csv(learning_rate.study.summary(tables)).count(b"\n") > 1
        assert len(learning_rate.study.figures(tables, config)) == 6
        assert "untested" in {claim.verdict for claim in claims_of(learning_rate.study, tables, config)}


BAD_VALUES = {
    "schedule": (("--schedule", "cosin"), "unknown schedule 'cosin': did you mean 'cosine'?"),
    "cycle": (("--schedule-epochs", "10"), "--schedule-epochs 10 cannot end with a cycle of warm restarts: use a"),
    "batch": (("--batch-size", "2000"), "a batch of 2000 rows is larger than the"),
    "data": (("--data", "digit"), "unknown data set 'digit': did you mean 'digits'?"),
    "rate": (("--learning-rate", "-1"), "--learning-rate -1.0 is not allowed"),
    "one point": (("--edge-steps", "2"), "--edge-steps 2 is not allowed: it must be at least 3"),
}


@pytest.mark.parametrize(("arguments", "sentence"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_value_that_cannot_be_used(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    assert main(["study", "learning-rate", *arguments, "--dry-run"]) == 2
    streams = capsys.readouterr()
    assert sentence in streams.err
    assert streams.err.count("\n") == 1
