"""Slopes on logarithmic axes, one a seed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nnsim.report.slopes import log_slopes, side_by_side, slopes_by_seed


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
