"""The backprop-cost study: every claim holds on the passes as they are, and turns where their cost is another.

Times are written into the tables by formula: no test waits for a clock.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nnsim_cli.main import main
from nnsim_studies import backprop_cost
from nnsim_studies.backprop_cost import (
    DEEP_MODEL,
    PAGE_MODEL,
    WIDE_INPUT,
    counting,
    differences,
    memory,
    passes,
    shared,
)
from nnsim_studies.backprop_cost.shared import widths_of
from study_bench import Bench, Tables

from nnsim.core.errors import UsageError
from nnsim.experiment.config import resolve
from nnsim.experiment.results.result_folder import open_run
from nnsim.experiment.results.verify import verify
from nnsim.probes.operation_count import count_products
from nnsim.report.claims import Claim
from nnsim.report.judging import claims_of
from nnsim.report.render import frame_csv
from nnsim.runs.run import run_study
from nnsim.study.declaration import Table
from nnsim.theory.training.cost import backward_over_forward

pytestmark = pytest.mark.physics

SMALL = {
    "batch": "2,5",
    "random_networks": 20,
    "seeds": 6,
    "rounds": 1,
    "timed_batch": 4,
    "difference_width": "3,6",
    "difference_batch": 4,
    "depth": "1,3",
    "width": 5,
}
TINY = SMALL | {"architecture": "4-5-3", "seeds": 2, "random_networks": 3}
CONFIG = resolve(backprop_cost.study, "quick", SMALL)
COUNTS = [f"D6-count-{name}" for name in (PAGE_MODEL, DEEP_MODEL, WIDE_INPUT)]
TIMES = [f"D6-time-{name}" for name in (PAGE_MODEL, DEEP_MODEL, WIDE_INPUT)]
CLAIMS = [
    *COUNTS,
    *TIMES,
    *("D6-ratio", "D6-under-three", "page-backward-count", "page-backward-time", "D6-passes-one-sided"),
    *("D6-passes-central", "D6-agree", "D6-slope-backprop", "D6-slope-differences", "D6-memory"),
]


@pytest.fixture(scope="module", autouse=True)
def short_timings() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "TIMED_PRODUCTS", 1.0)
        yield


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory, backprop_cost.study, SMALL)


@pytest.fixture(scope="module")
def whole(bench: Bench) -> Tables:
    """Everything as it is, with times that follow the count."""
    return timed(bench())


def timed(tables: Tables, share: float = 1.0, powers: tuple[float, float] = (1.0, 2.0)) -> Tables:
    """Return tables in which a backward pass takes `share` of its count, and costs are powers of the parameters."""
    rng, times = np.random.default_rng(0), tables["times"].copy()
    noise = 1 + 0.01 * rng.standard_normal(len(times))
    counted = np.array([backward_over_forward(widths_of(text)) for text in times["architecture"]])
    times["ratio"] = noise * share * counted
    parameters = times["parameters"].to_numpy(dtype=float)
    times["gradient_seconds"], times["difference_seconds"] = (noise * parameters**power for power in powers)
    return tables | {"times": times}


def judged(tables: Tables, config: dict[str, Any] = CONFIG) -> dict[str, Claim]:
    return {claim.id: claim for claim in claims_of(backprop_cost.study, tables, config)}


def fallen(tables: Tables) -> set[str]:
    return {name for name, claim in judged(tables).items() if claim.verdict == "fails"}


class TestUnbroken:
    def test_these_are_all_claims(self, whole: Tables) -> None:
        assert sorted(judged(whole)) == sorted(CLAIMS)

    @pytest.mark.parametrize("claim", CLAIMS)
    def test_holds(self, whole: Tables, claim: str) -> None:
        assert judged(whole)[claim].verdict == "holds", judged(whole)[claim]


class TestBrokenCounts:
    def counted(self, patch: pytest.MonkeyPatch, factor: float) -> None:
        """Let a backward pass make `factor` times its products."""

        def count(spec: Any, batch: int) -> Any:
            found = count_products(spec, batch)
            return replace(found, backward=int(factor * found.backward))

        patch.setattr(shared, "count_products", count)

    def test_a_backward_pass_as_dear_as_the_page_says(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        def page(spec: Any, batch: int) -> Any:
            found = count_products(spec, batch)
            return replace(found, backward=found.forward)

        monkeypatch.setattr(shared, "count_products", page)
        assert fallen(bench("count", "random")) == {*COUNTS, "D6-ratio", "page-backward-count"}

    def test_a_backward_pass_that_is_dearer(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counted(monkeypatch, 2.0)
        assert fallen(bench("count", "random")) == {*COUNTS, "D6-ratio", "D6-under-three"}

    def test_one_product_too_many(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        def one_more(spec: Any, batch: int) -> Any:
            found = count_products(spec, batch)
            return replace(found, backward=found.backward + 1)

        monkeypatch.setattr(shared, "count_products", one_more)
        assert {*COUNTS, "D6-ratio"} <= fallen(bench("count", "random"))

    def test_errors_that_are_not_kept(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        kept = memory.kept_bytes
        monkeypatch.setattr(memory, "kept_bytes", lambda *arguments: kept(*arguments) * 2 // 3)
        assert fallen(bench("memory")) == {"D6-memory"}

    def test_memory_that_does_not_grow_with_the_batch(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        kept = memory.kept_bytes
        monkeypatch.setattr(memory, "kept_bytes", lambda net, theta, batch: kept(net, theta, 2))
        assert fallen(bench("memory")) == {"D6-memory"}

    def test_differences_with_another_number_of_passes(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        found = differences.difference_gradient
        monkeypatch.setattr(differences, "difference_gradient", lambda *arguments: found(*arguments) - 1)
        broken = fallen(timed(bench("difference")))
        assert broken == {"D6-passes-one-sided", "D6-passes-central"}

    def test_differences_of_another_function(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        found = differences.difference_gradient
        monkeypatch.setattr(
            differences, "difference_gradient", lambda net, theta, *others: found(net, theta * 1.01, *others)
        )
        assert "D6-agree" in fallen(timed(bench("difference")))


class TestBrokenTimes:
    def test_a_backward_pass_that_takes_one_forward_pass(self, whole: Tables) -> None:
        times = whole["times"].assign(ratio=1.0)
        assert fallen(whole | {"times": times}) == {f"D6-time-{DEEP_MODEL}", "page-backward-time"}

    def test_a_backward_pass_that_takes_twice_its_count(self, whole: Tables) -> None:
        assert fallen(timed(whole, share=2.0)) == set(TIMES)

    @pytest.mark.parametrize(("powers", "claim"), [((2.0, 2.0), "backprop"), ((1.0, 1.0), "differences")])
    def test_another_power(self, whole: Tables, powers: tuple[float, float], claim: str) -> None:
        assert fallen(timed(whole, powers=powers)) == {f"D6-slope-{claim}"}


class TestMeasurement:
    def test_times_are_positive_and_in_their_own_table(self, bench: Bench) -> None:
        tables = bench("time", "difference", seeds=1)
        assert (tables["times"][["forward_seconds", "gradient_seconds"]] > 0).to_numpy().all()
        assert not [name for name in tables["trials"] if "seconds" in name]
        assert backprop_cost.study.table("times").timed

    def test_random_architectures_differ(self, bench: Bench) -> None:
        architectures = bench("random")["trials"]["architecture"]
        assert architectures.nunique() > 15
        assert max(max(widths_of(text)) for text in architectures) <= counting.WIDEST

    def test_summary_and_figures(self, bench: Bench) -> None:
        tables = bench(**TINY)
        config = resolve(backprop_cost.study, "quick", TINY)
        assert frame_csv(backprop_cost.study.summary(tables)).count(b"\n") == 1 + 3 + 2 * 4
        assert len(backprop_cost.study.figures(tables, config)) == 3

    def test_nothing_measured_is_untested(self, bench: Bench) -> None:
        tables = bench("memory")
        found = judged(tables | {"trials": tables["trials"][:0], "times": pd.DataFrame(tables["times"][:0])})
        assert {claim.verdict for claim in found.values()} == {"untested"}


class TestTimesAreNeverCompared:
    def test_a_run_verifies_although_no_time_comes_twice(self, tmp_path: Path) -> None:
        run_study(backprop_cost.study, output=tmp_path, figure_formats=[], **TINY)
        found = verify(open_run(tmp_path), backprop_cost.study, trials=None)
        assert found.holds
        assert found.to_nine_digits == ()

    def test_a_table_of_times_cannot_be_canonical(self) -> None:
        with pytest.raises(ValueError, match="holds times, so it cannot be canonical"):
            Table("times", backprop_cost.TIMES, timed=True)


class TestBadInput:
    @pytest.mark.parametrize("text", ["", "5", "5-", "5-0", "5-x", "5--3", "-5-3", "5-²"])
    def test_an_architecture_that_is_none(self, text: str) -> None:
        with pytest.raises(UsageError, match="two or more widths of at least 1 such as '128-256-1'"):
            widths_of(text)

    def test_is_refused_before_anything_runs(self, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert main(["study", "backprop-cost", "--architecture", "5-x"]) == 2
        assert not list(tmp_path.iterdir())
