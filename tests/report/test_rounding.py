"""Numbers as tables hold them: what belongs together is cut at one place, whatever the last bits are."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nnsim.report.claims import TIMED, Claim, as_written, claims_frame, summary_columns, summary_frame
from nnsim.report.judging import judge
from nnsim.report.questions import Question, Within
from nnsim.report.statistics.rounding import rounded, rounded_rows
from nnsim.study.discovery import find_study

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([1.23456789], (1.23457,)),
        ([123456789.0], (123457000.0,)),
        ([1.23456789e-7], (1.23457e-7,)),
        ([0.5, 1.23456789e-7], (0.5, 0.0)),
        ([-1e-17, 0.2, 0.3], (0.0, 0.2, 0.3)),
        ([2.0, INF, -INF], (2.0, INF, -INF)),
        ([0.0], (0.0,)),
        ([9.9999996], (10.0,)),
        ([5e-324], (5e-324,)),
        ([1.7976931348623157e308], (1.79769e308,)),
        ([], ()),
    ],
)
def test_the_largest_number_has_six_digits(numbers: list[float], expected: tuple[float, ...]) -> None:
    assert rounded(numbers) == expected


def test_zero_has_no_sign() -> None:
    assert math.copysign(1.0, rounded([-1e-9, 1.0])[0]) == 1.0


def test_what_is_no_number_stays() -> None:
    first, second = rounded([NAN, 1.23456789])
    assert math.isnan(first)
    assert second == 1.23457


@pytest.mark.parametrize("exact", [1.0, 1000.0, 0.1, 999999.5, 1e-5])
def test_the_last_bit_is_not_seen_at_a_power_of_ten_either(exact: float) -> None:
    below, above = np.nextafter(exact, 0.0), np.nextafter(exact, INF)
    if exact != 999999.5:  # the middle between two numbers of six digits
        assert rounded([below]) == rounded([exact]) == rounded([above])
    assert rounded([exact]) == rounded(rounded([exact]))


@pytest.mark.parametrize(
    ("margin", "expected"), [(0.1, 1.23457), (1e-4, 1.234568), (1e-9, 1.23456789012), (1e-14, 1.23456789012)]
)
def test_a_narrow_margin_shows_more_digits_up_to_twelve(margin: float, expected: float) -> None:
    assert rounded([1.2345678901234], margin) == (expected,)


def test_a_wide_margin_shows_fewer() -> None:
    assert rounded([1.2345678e-3], 50.0) == (0.0012,)


def asked_of(values: np.ndarray, prediction: float) -> Question:
    rule = Within(prediction, 0.1)
    return Question(id="A", kind="claim", statement="s", source="s", arm="s", values=values, rule=rule)


class TestClaims:
    CLAIM = Claim("A", "claim", "s", "s", "s", confidence=0.95)

    def test_estimate_and_interval_are_cut_at_one_place(self) -> None:
        claim = replace(self.CLAIM, prediction=1 / 3, margin=0.05, estimate=1e-7 / 3, low=-2 / 3, high=2 / 3)
        found = as_written(claim)
        assert (found.prediction, found.margin) == (0.333333, 0.05)
        assert (found.low, found.estimate, found.high) == (-0.666667, 0.0, 0.666667)

    def test_a_prediction_of_zero_is_zero(self) -> None:
        assert as_written(replace(self.CLAIM, prediction=-2e-16, margin=0.05)).prediction == 0.0

    def test_an_exact_comparison_keeps_all_digits(self) -> None:
        claim = replace(self.CLAIM, confidence=NAN, prediction=1 / 3, estimate=1 / 3)
        assert as_written(claim) == claim

    def test_the_frame_holds_claims_as_they_are_written(self) -> None:
        assert claims_frame([replace(self.CLAIM, estimate=1 / 3)])["estimate"].tolist() == [0.333333]

    def test_measured_times_are_marked(self) -> None:
        asked = asked_of(np.ones(6), 1.0)
        frame = claims_frame(judge([asked, replace(asked, timed=True)]))
        assert frame["timed"].tolist() == [False, True]

    def test_a_remark_on_skewness_does_not_hang_on_the_last_bit(self) -> None:
        """Two ones among ten have a skewness of 1.5, from which on there is a remark."""
        values = np.array([1.0, 1.0, *[0.0] * 8])
        notes = {judge([asked_of(factor * values, 0.5)])[0].note for factor in np.linspace(0.1, 10.0, 500)}
        assert notes == {""}


class TestSummary:
    FRAME = pd.DataFrame(
        {
            "learning_rate": [0.1 / 3],
            "quantity": ["loss"],
            "n": [3],
            "median": [1e-7 / 3],
            "low": [-1 / 3],
            "high": [INF],
            "loss_mean": [1e-7 / 3],
            "loss_low": [NAN],
            "parameters": pd.array([7], "Int64"),
        }
    )

    def test_statistics_of_one_quantity_are_cut_at_one_place(self) -> None:
        row = summary_frame(self.FRAME).iloc[0]
        assert (row["median"], row["low"], row["high"]) == (0.0, -0.333333, INF)
        assert row["loss_mean"] == 3.33333e-8
        assert math.isnan(row["loss_low"])

    def test_settings_and_counts_stay_as_they_are(self) -> None:
        names = ["learning_rate", "quantity", "n", "parameters"]
        pd.testing.assert_frame_equal(summary_frame(self.FRAME)[names], self.FRAME[names])

    def test_an_empty_summary_stays_empty(self) -> None:
        empty = self.FRAME.iloc[:0]
        pd.testing.assert_frame_equal(summary_frame(empty), empty)

    def test_the_rows_may_have_any_index(self) -> None:
        frame = pd.DataFrame({"low": [1 / 3, 2 / 3]}, index=[7, 5])
        assert rounded_rows(frame, [["low"]])["low"].to_dict() == {7: 0.333333, 5: 0.666667}

    def test_the_dictionary_knows_the_mark_of_times(self) -> None:
        assert summary_columns(find_study("backprop-cost"), ["timed"]) == (TIMED,)
