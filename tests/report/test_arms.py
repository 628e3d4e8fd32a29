"""Picking an arm's values out of tidy tables: which rows, which seeds, in which order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnsim.report.arms import ARM, at_chosen_rate, change_per_layer, chosen_rates, rows_of


def layers(*rows: tuple[int, int, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["repeat", "layer", "a_log"])


def runs(**metrics: tuple[float, ...]) -> pd.DataFrame:
    """Return a run for each scheme, rate (0.01, 0.1, 1.0) and seed; scheme="he" has metrics per rate."""
    rows = [
        {
            "scheme": scheme,
            "activation": "relu",
            "depth": 3,
            "learning_rate": rate,
            "repeat": repeat,
            "status": "done" if math.isfinite(metric) else "diverged",
            "validation_metric": metric + 0.001 * repeat,
        }
        for scheme, values in metrics.items()
        for rate, metric in zip((0.01, 0.1, 1.0), values, strict=True)
        for repeat in range(3)
    ]
    return pd.DataFrame(rows)


class TestRowsOf:
    FRAME = pd.DataFrame({"scheme": ["he", "he", "xavier"], "depth": [5, 30, 5], "value": [1.0, math.nan, 3.0]})

    @pytest.mark.parametrize(
        ("wanted", "places"),
        [
            ({}, [0, 1, 2]),
            ({"scheme": "he"}, [0, 1]),
            ({"scheme": "he", "depth": 5}, [0]),
            ({"scheme": "lsuv"}, []),
            ({"value": math.nan}, []),
        ],
        ids=["all", "one column", "two columns", "none", "nan equals nothing"],
    )
    def test_rows_that_match_all(self, wanted: dict[str, Any], places: list[int]) -> None:
        assert rows_of(self.FRAME, **wanted).index.tolist() == places

    def test_an_empty_table_stays_empty(self) -> None:
        assert rows_of(self.FRAME[:0], scheme="he").empty


class TestChangePerLayer:
    def test_difference_over_distance(self) -> None:
        frame = layers((0, 1, 2.0), (0, 4, 100.0), (0, 11, -3.0))
        assert change_per_layer(frame, "a_log", 1, 11).tolist() == [-0.5]

    def test_seeds_come_in_their_order(self) -> None:
        frame = layers((2, 1, 0.0), (0, 2, 7.0), (2, 2, 9.0), (1, 1, 0.0), (0, 1, 0.0), (1, 2, 8.0))
        assert change_per_layer(frame, "a_log", 1, 2).tolist() == [7.0, 8.0, 9.0]

    def test_a_seed_without_both_layers_is_left_out(self) -> None:
        assert change_per_layer(layers((0, 1, 0.0), (0, 2, 7.0), (1, 1, 0.0)), "a_log", 1, 2).tolist() == [7.0]

    @pytest.mark.parametrize("frame", [layers(), layers((0, 1, 0.0)), layers((0, 2, 0.0))], ids=["no", "first", "last"])
    def test_no_seed_with_both_layers(self, frame: pd.DataFrame) -> None:
        assert change_per_layer(frame, "a_log", 1, 2).size == 0

    def test_a_dead_network_is_not_hidden(self) -> None:
        dead = change_per_layer(layers((0, 1, 0.0), (0, 2, -math.inf), (1, 1, 0.0), (1, 2, 1.0)), "a_log", 1, 2)
        assert dead.tolist() == [-math.inf, 1.0]


class TestChosenRates:
    def test_each_arm_has_its_own(self) -> None:
        chosen = chosen_rates(runs(he=(0.2, 0.9, 0.1), xavier=(0.2, 0.3, 0.8)))
        assert chosen[["scheme", "learning_rate", "at_edge"]].to_numpy().tolist() == [
            ["he", 0.1, False],
            ["xavier", 1.0, True],
        ]

    def test_columns_that_tell_arms_apart(self) -> None:
        assert ARM == ["scheme", "activation", "depth"]

    def test_only_the_rows_at_the_chosen_rate_are_kept(self) -> None:
        frame = runs(he=(0.2, 0.9, 0.1), xavier=(0.2, 0.3, 0.8))
        picked = at_chosen_rate(frame, chosen_rates(frame))
        assert picked["scheme"].tolist() == ["he"] * 3 + ["xavier"] * 3
        assert picked["learning_rate"].tolist() == [0.1] * 3 + [1.0] * 3
        assert picked["repeat"].tolist() == [0, 1, 2, 0, 1, 2]

    def test_rows_of_another_table_are_picked_too(self) -> None:
        chosen = chosen_rates(runs(he=(0.2, 0.9, 0.1)))
        history = pd.DataFrame(
            {"scheme": "he", "activation": "relu", "depth": 3, "learning_rate": [0.01, 0.1], "epoch": [1, 2]}
        )
        assert at_chosen_rate(history, chosen)["epoch"].tolist() == [2]

    def test_a_diverged_run_counts_against_its_rate(self) -> None:
        frame = runs(he=(0.5, 0.6, math.nan))
        assert chosen_rates(frame)["learning_rate"].tolist() == [0.1]

    def test_a_missing_arm_gives_no_row(self) -> None:
        frame = runs(he=(0.5, 0.6, 0.1))
        picked = at_chosen_rate(rows_of(frame, scheme="xavier"), chosen_rates(frame))
        assert picked.empty
        assert list(picked.columns) == list(frame.columns)

    def test_values_are_not_touched(self) -> None:
        frame = runs(he=(0.5, 0.6, 0.1))
        before = frame.copy()
        at_chosen_rate(frame, chosen_rates(frame))
        pd.testing.assert_frame_equal(frame, before)
        np.testing.assert_array_equal(frame["learning_rate"].unique(), [0.01, 0.1, 1.0])
