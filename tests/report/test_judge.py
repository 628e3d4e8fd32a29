"""One rule from values to verdicts: the simultaneous level, each rule, and what never gets a verdict."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from nnsim.report.claims import claims_frame
from nnsim.report.judging import judge
from nnsim.report.questions import Above, AtLeast, AtMost, Exactly, Question, Within
from nnsim.report.statistics import mean_interval, proportion_interval, variance_interval

TIGHT = 1.0 + 0.001 * np.arange(-10, 11)  # mean 1, standard error 0.0014


RULES: dict[str, Any] = {"at_most": AtMost, "at_least": AtLeast, "above": Above, "exact": Exactly}


def question(
    values: Any = TIGHT,
    prediction: float = 1.0,
    name: str = "Q",
    rule: str = "within",
    margin: float = 0.1,
    **more: Any,
) -> Question:
    return Question(
        id=name,
        kind="claim",
        statement="It is one.",
        source="Nobody 2000",
        arm="all",
        values=np.asarray(values, float),
        rule=RULES[rule](prediction) if rule in RULES else Within(prediction, margin),
        **more,
    )


def verdict(*arguments: Any, **options: Any) -> str:
    return judge([question(*arguments, **options)])[0].verdict


class TestLevel:
    def test_one_question_has_the_whole_confidence(self) -> None:
        assert judge([question()])[0].confidence == pytest.approx(0.95)

    def test_bonferroni_divides_the_error_among_the_questions(self) -> None:
        claims = judge([question(name=f"Q{number}") for number in range(10)])
        assert [claim.confidence for claim in claims] == pytest.approx([0.995] * 10)

    def test_only_questions_with_values_and_an_interval_are_counted(self) -> None:
        asked = [question(), question([]), question(np.ones(3), rule="exact"), question()]
        assert judge(asked)[0].confidence == pytest.approx(0.975)

    def test_the_confidence_can_be_chosen(self) -> None:
        assert judge([question(), question()], confidence=0.9)[0].confidence == pytest.approx(0.95)

    def test_more_questions_never_make_a_claim_hold(self) -> None:
        values = 1.0 + 0.05 * np.array([-3.0, -1.0, 0.0, 0.0, 1.0, 3.0])
        alone, *_ = judge([question(values, margin=0.15)])
        among, *_ = judge([question(values, margin=0.15)] * 50)
        assert (alone.verdict, among.verdict) == ("holds", "inconclusive")
        assert among.low < alone.low < alone.high < among.high

    def test_nobody_asks(self) -> None:
        assert judge([]) == []

    def test_nothing_but_empty_questions(self) -> None:
        assert [claim.verdict for claim in judge([question([]), question([])])] == ["untested", "untested"]


class TestOrder:
    def test_claims_come_in_the_order_of_the_questions(self) -> None:
        rules = ["exact", "at_most", "within", "exact", "at_least"]
        asked = [question(name=f"Q{number}", rule=rule) for number, rule in enumerate(rules)]
        assert [claim.id for claim in judge(asked)] == ["Q0", "Q1", "Q2", "Q3", "Q4"]

    def test_what_is_said_is_passed_on(self) -> None:
        claim = judge([question(note="beside it")])[0]
        said = (claim.id, claim.kind, claim.statement, claim.source, claim.arm, claim.note)
        assert said == ("Q", "claim", "It is one.", "Nobody 2000", "all", "beside it")


class TestRules:
    @pytest.mark.parametrize(
        ("rule", "bound", "expected"),
        [
            ("within", 1.05, "holds"),
            ("within", 1.1, "inconclusive"),
            ("within", 1.2, "fails"),
            ("at_most", 1.1, "holds"),
            ("at_most", 1.0, "inconclusive"),
            ("at_most", 0.9, "fails"),
            ("at_least", 0.9, "holds"),
            ("at_least", 1.0, "inconclusive"),
            ("at_least", 1.1, "fails"),
        ],
    )
    def test_the_whole_interval_is_judged(self, rule: str, bound: float, expected: str) -> None:
        assert verdict(TIGHT, bound, rule=rule) == expected

    @pytest.mark.parametrize("rule", ["within", "at_most", "at_least", "exact"])
    def test_without_values_all_numbers_are_empty(self, rule: str) -> None:
        claim = judge([question([], rule=rule)])[0]
        assert claim.verdict == "untested"
        assert claim.n == 0
        assert np.isnan([claim.estimate, claim.low, claim.high]).all()

    @pytest.mark.parametrize("rule", ["within", "at_most", "at_least"])
    def test_without_a_prediction_nothing_is_tested(self, rule: str) -> None:
        assert verdict(TIGHT, math.nan, rule=rule) == "untested"

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_a_value_that_is_not_finite_is_never_dropped(self, value: float) -> None:
        assert verdict([*TIGHT, value]) == "untested"

    def test_one_seed_decides_nothing(self) -> None:
        assert verdict([1.0]) == "inconclusive"

    def test_claims_make_a_table(self) -> None:
        frame = claims_frame(judge([question(), question([])]))
        assert frame["verdict"].tolist() == ["holds", "untested"]


class TestExact:
    def test_equal_to_the_last_bit(self) -> None:
        claim = judge([question([0.0, -0.0], 0.0, rule="exact")])[0]
        assert (claim.verdict, claim.n) == ("holds", 2)
        assert math.isnan(claim.confidence)

    def test_one_bit_is_enough_to_fail(self) -> None:
        assert verdict([1.0, np.nextafter(1.0, 2.0)], 1.0, rule="exact") == "fails"

    def test_low_and_high_are_the_range(self) -> None:
        claim = judge([question([0.0, 3.0, 1.0], 0.0, rule="exact")])[0]
        assert (claim.low, claim.estimate, claim.high) == (0.0, 1.0, 3.0)
        assert "range" in claim.method

    def test_what_is_not_finite_is_untested(self) -> None:
        assert verdict([0.0, math.nan], 0.0, rule="exact") == "untested"


class TestEdge:
    @pytest.mark.parametrize(("bound", "inside"), [(0.9, "holds"), (1.1, "fails"), (1.0, "inconclusive")])
    def test_an_optimum_at_the_edge_of_its_grid_decides_nothing(self, bound: float, inside: str) -> None:
        assert verdict(TIGHT, bound, rule="at_least") == inside
        (claim,) = judge([question(TIGHT, bound, rule="at_least", at_edge=True)])
        assert claim.verdict == "inconclusive"
        assert ("a wider grid may decide" in claim.note) is (inside != "inconclusive")

    def test_nothing_at_the_edge_is_still_untested(self) -> None:
        assert verdict([], at_edge=True) == "untested"


class TestIntervals:
    def test_mean(self) -> None:
        claim, expected = judge([question()])[0], mean_interval(TIGHT, 0.95)
        assert (claim.low, claim.estimate, claim.high) == (expected.low, expected.estimate, expected.high)

    def test_variance(self) -> None:
        values = np.sin(np.arange(300.0))
        claim, expected = judge([question(values, 0.5, interval="variance")])[0], variance_interval(values, 0.95)
        assert (claim.low, claim.estimate, claim.high) == (expected.low, expected.estimate, expected.high)
        assert claim.verdict == "holds"

    def test_proportion(self) -> None:
        hits = np.array([1.0] * 90 + [0.0] * 10)
        claim, expected = judge([question(hits, 0.9, interval="proportion")])[0], proportion_interval(90, 100, 0.95)
        assert (claim.low, claim.estimate, claim.high) == (expected.low, expected.estimate, expected.high)

    def test_the_method_names_interval_and_rule(self) -> None:
        assert judge([question(rule="at_most")])[0].method == "skew-adjusted t interval of the mean, at most"


class TestEstimates:
    """Each name of `Question.interval` estimates what it says."""

    @pytest.mark.parametrize(
        ("name", "values", "estimate"),
        [
            ("mean", [1.0, 2.0, 6.0], 3.0),
            ("geometric_mean", [1.0, 2.0, 4.0], 2.0),
            ("median", [1.0, 2.0, 6.0], 2.0),
            ("proportion", [0.0, 1.0, 1.0, 1.0], 0.75),
            ("superiority", [-1.0, 0.0, 2.0, 3.0], 0.625),
            ("cliffs_delta", [-1.0, 0.0, 2.0, 3.0], 0.25),
            ("sign_flip", [1.0, 2.0, 6.0], 3.0),
        ],
    )
    def test_the_estimate(self, name: str, values: list[float], estimate: float) -> None:
        assert judge([question(values, interval=name)])[0].estimate == pytest.approx(estimate)


class TestRemarks:
    """What a verdict cannot show stands in the note."""

    @staticmethod
    def note(values: Any, asked: int = 1, **options: Any) -> str:
        return judge([question(values, **options)] * asked)[0].note

    def test_five_seeds_decide_nothing(self) -> None:
        claim = judge([question(TIGHT[8:13])])[0]
        assert claim.verdict == "inconclusive"
        assert claim.note == "5 seeds decide nothing: no sign-flip or rank test of fewer than 6 reaches 0.05"

    def test_six_seeds_decide(self) -> None:
        claim = judge([question(TIGHT[8:14])])[0]
        assert (claim.verdict, claim.note) == ("holds", "")

    def test_two_equal_seeds_decide_nothing(self) -> None:
        assert verdict([1.0, 1.0]) == "inconclusive"

    def test_equal_values_say_how_many_seeds_may_differ(self) -> None:
        claim = judge([question([1.0] * 6)])[0]
        assert claim.verdict == "holds"
        assert "all 6 values are equal" in claim.note
        assert "up to 46%" in claim.note  # 1 - 0.025^(1/6)

    def test_few_pairs_show_no_superiority_among_many_claims(self) -> None:
        leads = np.arange(1.0, 11.0)
        options = {"prediction": 0.5, "rule": "above", "interval": "superiority"}
        assert self.note(leads, **options) == ""
        note = self.note(leads, asked=50, **options)
        assert note == "10 seeds show nothing at this level even if all agree: 11 are needed"
        assert judge([question(leads, **options)] * 50)[0].verdict == "inconclusive"
        assert judge([question(np.arange(1.0, 12.0), **options)] * 50)[0].verdict == "holds"

    def test_a_proportion_needs_no_remark(self) -> None:
        assert self.note([1.0, 1.0, 1.0], interval="proportion") == ""

    def test_few_values_have_no_variance(self) -> None:
        assert self.note(TIGHT, interval="variance") == "a variance needs 100 seeds"

    def test_skewed_values_are_told(self) -> None:
        assert "skewness 2.5" in self.note([*TIGHT[:8], 2.0])

    def test_skewed_values_with_symmetric_logarithms_are_not(self) -> None:
        values = np.exp(np.linspace(-3.0, 3.0, 9))
        assert "skewness" in self.note(values)
        assert self.note(values, interval="geometric_mean") == ""

    def test_the_question_speaks_first(self) -> None:
        assert self.note([1.0, 1.0], note="beside it").startswith("beside it; 2 seeds decide")

    def test_no_value_needs_no_remark(self) -> None:
        assert self.note([]) == self.note([*TIGHT, math.nan]) == ""
