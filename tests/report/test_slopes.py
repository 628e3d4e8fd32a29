"""Slopes on logarithmic axes, one a seed."""

from __future__ import annotations

import pandas as pd
import pytest

from nnsim.report.statistics.slopes import log_slopes, side_by_side, slopes_by_seed


class TestSlopesBySeed:
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


class TestSlopes:
    def test_of_powers(self):
        wide = pd.DataFrame({2: [1.0, 4.0], 4: [0.5, 16.0], 8: [0.25, 64.0]})
        assert log_slopes(wide) == pytest.approx([-1.0, 2.0])

    def test_of_one_column(self):
        assert log_slopes(pd.DataFrame({2: [1.0]})).size == 0

    def test_a_seed_that_one_arm_lacks_is_left_out(self):
        wide = side_by_side({1: pd.Series({0: 1.0, 1: 2.0}), 2: pd.Series({1: 3.0, 2: 4.0})})
        assert wide.to_numpy().tolist() == [[2.0, 3.0]]
