"""Tuned arms side by side: chosen scores in pairs, the best rate between grid points, slopes."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from nnsim.report.tuning import Comparison, best_octave, octaves_moved, slopes_by_seed

RATES = 2.0 ** np.arange(-6, 1)


def valley(middle: float) -> np.ndarray:
    return np.exp((np.log2(RATES) - middle) ** 2 - 3)


class TestBestOctave:
    @pytest.mark.parametrize("middle", [-4.0, -3.3, -2.6])
    def test_a_parabola_has_its_vertex(self, middle: float) -> None:
        assert best_octave(RATES, valley(middle)) == pytest.approx(middle)

    @pytest.mark.parametrize(("middle", "end"), [(-9.0, -6.0), (5.0, 0.0)])
    def test_at_the_edge_it_is_the_edge(self, middle: float, end: float) -> None:
        assert best_octave(RATES, valley(middle)) == end

    def test_beside_a_diverged_run_it_is_the_grid_point(self) -> None:
        losses = valley(-3.3)
        losses[4:] = math.inf
        assert best_octave(RATES, losses) == -3.0

    def test_nothing_finite(self) -> None:
        assert math.isnan(best_octave(RATES, np.full(7, math.inf)))


def runs(shift: float) -> pd.DataFrame:
    rows = [
        {"width": width, "repeat": seed, "learning_rate": rate, "train_loss": loss}
        for width, middle in ((8, -2.0), (32, -2.0 - shift))
        for seed in range(3)
        for rate, loss in zip(RATES, valley(middle + seed / 10), strict=True)
    ]
    return pd.DataFrame(rows)


class TestOctavesMoved:
    @pytest.mark.parametrize("shift", [0.0, 1.7])
    def test_in_pairs(self, shift: float) -> None:
        assert octaves_moved(runs(shift), 8, 32) == pytest.approx([-shift] * 3)

    def test_a_diverged_run_ranks_last(self) -> None:
        table = runs(0.0)
        table.loc[table["learning_rate"] == RATES[-1], "train_loss"] = math.nan
        assert octaves_moved(table, 8, 32) == pytest.approx([0.0] * 3)

    @pytest.mark.parametrize("last", [8, 64])
    def test_one_width_says_nothing(self, last: int) -> None:
        assert octaves_moved(runs(0.0), 8, last).size == 0


class TestLogSlopes:
    def table(self, power: float) -> pd.DataFrame:
        rows = [{"repeat": s, "x": x, "y": (1 + s) * x**power} for s in range(3) for x in (2.0, 4.0, 16.0)]
        return pd.DataFrame(rows)

    @pytest.mark.parametrize("power", [-1.0, 0.0, 2.5])
    def test_a_power_law(self, power: float) -> None:
        assert slopes_by_seed(self.table(power), "x", "y") == pytest.approx([power] * 3)

    def test_a_seed_without_a_positive_value_is_left_out(self) -> None:
        table = self.table(1.0)
        table.loc[0, "y"] = 0.0
        assert slopes_by_seed(table, "x", "y").size == 2

    def test_one_point_has_no_slope(self) -> None:
        assert slopes_by_seed(self.table(1.0).query("x == 2"), "x", "y").size == 0


class TestComparison:
    @pytest.fixture
    def found(self) -> Comparison:
        rows = [
            {"data": "d", "optimizer": name, "learning_rate": rate, "repeat": seed, "status": "done", "chance": 0.1}
            | {"validation_metric": 1 - abs(math.log10(rate) - best), "test_metric": 0.5 + seed / 10 + lead}
            for name, best, lead in (("a", -2, 0.2), ("b", -1, 0.0))
            for rate in (0.001, 0.01, 0.1)
            for seed in (1, 0)
        ]
        table = pd.DataFrame(rows)
        table.loc[(table["optimizer"] == "b") & (table["repeat"] == 1), ["status", "test_metric"]] = ["diverged", None]
        return Comparison(table)

    def test_rates_are_chosen_on_validation_and_edges_flagged(self, found: Comparison) -> None:
        assert found.rate == {"a": 0.01, "b": 0.1}
        assert (found.at_edge("a"), found.at_edge("a", "b")) == (False, True)

    def test_pairs_are_of_one_seed_and_a_diverged_run_is_at_chance(self, found: Comparison) -> None:
        assert found.lead(found.scores("a"), found.scores("b")) == pytest.approx([0.2, 0.8 - 0.1])

    def test_a_rate_can_be_named(self, found: Comparison) -> None:
        assert found.scores("a", 0.001).tolist() == pytest.approx([0.7, 0.8])

    def test_an_arm_that_did_not_run_has_no_scores(self, found: Comparison) -> None:
        assert found.lead(found.scores("a"), found.scores("c")).size == 0
