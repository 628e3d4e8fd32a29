"""The best learning rate between the points of a grid, and how far it moves."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from nnsim.report.best_rate import best_octave, octaves_moved

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
