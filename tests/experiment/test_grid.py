"""Grids: ranges of numbers, axes that vary together, excluded combinations."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from decimal import Decimal, getcontext, localcontext
from fractions import Fraction
from typing import Any

import pytest
import toy

from nnsim.core.errors import UnknownNameError, UsageError
from nnsim.experiment.config import resolve
from nnsim.experiment.grid import boxes
from nnsim.experiment.plan import make_plan
from nnsim.experiment.ranges import expand


def trials(**given: Any) -> list[tuple[str, int, float]]:
    """Return shape, size and scale of the trials of the toy study under `given`, with one repeat."""
    plan = make_plan(toy.study, resolve(toy.study, "quick", {"repeats": 1, **given}))
    return [tuple(trial.settings[name] for name in ("shape", "size", "scale")) for trial in plan.trials]  # type: ignore[misc]


class TestRanges:
    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("log:1e-4:1e0:5", [0.0001, 0.001, 0.01, 0.1, 1.0]),
            ("log:1e-4:1e0:9", [0.0001, 0.00031622776601683794, 0.001, 0.0031622776601683794, 0.01,
                                0.03162277660168379, 0.1, 0.31622776601683794, 1.0]),
            ("log:1:64:7", [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]),
            ("log:1:1e-2:3", [1.0, 0.1, 0.01]),
            ("lin:0:1:5", [0.0, 0.25, 0.5, 0.75, 1.0]),
            ("lin:0:1:11", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
            ("lin:-0.1:0.2:4", [-0.1, 0.0, 0.1, 0.2]),
            ("lin:1:0:2", [1.0, 0.0]),
            ("range:0:4", [0, 1, 2, 3]),
            ("range:2:9:3", [2, 5, 8]),
            ("range:3:0:-1", [3, 2, 1]),
        ],
    )  # fmt: skip
    def test_a_range_is_these_values(self, text: str, values: list[float]) -> None:
        assert expand(text) == values
        assert [type(value) for value in expand(text)] == [type(value) for value in values]

    @pytest.mark.parametrize(
        ("first", "last", "count"), [("1e-5", "3", 12), ("0.7", "1e4", 33), ("1e-300", "1e300", 8)]
    )
    def test_every_float_of_a_log_range_is_the_nearest(self, first: str, last: str, count: int) -> None:
        with localcontext() as context:
            context.prec = 120  # the naive formula with digits to spare
            ratio = Decimal(last) / Decimal(first)
            exact = [Decimal(first) * ratio ** (Decimal(step) / (count - 1)) for step in range(count)]
            assert expand(f"log:{first}:{last}:{count}") == [float(value) for value in exact]

    @pytest.mark.parametrize(("first", "last", "count"), [("0.1", "0.7", 10), ("-3.3", "1e3", 77)])
    def test_every_float_of_a_linear_range_is_the_nearest(self, first: str, last: str, count: int) -> None:
        low, high = Fraction(first), Fraction(last)
        exact = [low + (high - low) * step / (count - 1) for step in range(count)]
        assert expand(f"lin:{first}:{last}:{count}") == [float(value) for value in exact]

    def test_the_callers_decimal_context_does_not_matter(self) -> None:
        usual = expand("log:1e-4:1:9")
        with localcontext() as context:
            context.prec = 3
            assert getcontext().prec == 3
            assert expand("log:1e-4:1:9") == usual

    def test_the_pure_python_decimal_gives_the_same(self) -> None:
        code = (
            "import sys; sys.modules['_decimal'] = None; import decimal; assert decimal.__name__ == 'decimal'; "
            "from nnsim.experiment.ranges import expand; print(expand('log:3e-5:0.7:17'))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
        )
        assert done.stdout.strip() == str(expand("log:3e-5:0.7:17"))

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("log:0:1:5", "the range 'log:0:1:5' is not of the form log:FIRST:LAST:COUNT: both ends must be greater"),
            ("log:1:2", "the range 'log:1:2' is not of the form log:FIRST:LAST:COUNT"),
            ("lin:0:1:1", "the range 'lin:0:1:1' is not of the form lin:FIRST:LAST:COUNT: COUNT must be from 2 to"),
            ("lin:0:1:999999999999", "the range 'lin:0:1:999999999999' is not of the form"),
            ("lin:0:nan:5", "the range 'lin:0:nan:5' is not of the form"),
            ("lin:0:1e999999999:5", "the range 'lin:0:1e999999999:5' is not of the form"),
            ("lin:0:1:2.5", "the range 'lin:0:1:2.5' is not of the form"),
            ("range:5", "the range 'range:5' is not of the form range:START:STOP[:STEP]"),
            ("range:0:5:0", "the range 'range:0:5:0' is not of the form range:START:STOP[:STEP]: STEP must not be 0"),
            ("range:5:5", "the range 'range:5:5' is not of the form range:START:STOP[:STEP]: it must hold from 1"),
            ("range:0:1000000000000", "the range 'range:0:1000000000000' is not of the form"),
            ("lgo:1:2:3", "unknown range 'lgo': did you mean 'log'? known are lin, log, range"),
        ],
    )
    def test_what_cannot_be_used_is_one_sentence(self, text: str, sentence: str) -> None:
        with pytest.raises(UsageError) as caught:
            expand(text)
        assert str(caught.value).startswith(sentence)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "given", "resolved"),
        [
            ("scale", "log:0.1:10:3,0.5", (0.1, 1.0, 10.0, 0.5)),
            ("scale", [0.5, "lin:1:2:3"], (0.5, 1.0, 1.5, 2.0)),
            ("size", "range:1:4,9", (1, 2, 3, 9)),
            ("size", "lin:2:6:3", (2, 4, 6)),
        ],
    )
    def test_an_axis_of_numbers_takes_ranges(self, name: str, given: Any, resolved: Any) -> None:
        assert resolve(toy.study, "quick", {name: given})[name] == resolved

    def test_whole_numbers_are_not_made_of_parts(self) -> None:
        with pytest.raises(UsageError, match=r"--size must be a whole number, got '1\.5': the nearest is 2"):
            resolve(toy.study, "quick", {"size": "lin:1:2:3"})

    def test_a_colon_in_a_name_is_no_range(self) -> None:
        axis = toy.axis("shape", str, ("a",))
        study = dataclasses.replace(toy.study, axes=(axis, *toy.study.axes[1:]))
        assert resolve(study, "quick", {"shape": "log:0.1"})["shape"] == ("log:0.1",)


class TestZip:
    @pytest.mark.parametrize("rule", ["size,scale", ["size", "scale"]])
    def test_zipped_axes_vary_together(self, rule: Any) -> None:
        found = trials(shape="cube", size=[1, 2], scale=[0.5, 0.25], zip=[rule])
        assert found == [("cube", 1, 0.5), ("cube", 2, 0.25)]

    def test_the_other_axes_multiply(self) -> None:
        found = trials(size=[1, 2], scale=[0.5, 0.25], zip=[["size", "scale"]])
        assert len(found) == 4
        assert {pair[1:] for pair in found} == {(1, 0.5), (2, 0.25)}

    @pytest.mark.parametrize(
        ("rules", "sentence"),
        [
            ([["size"]], "--zip needs at least two axes"),
            ([["size", "sise"]], "unknown axis of study 'toy' 'sise': did you mean 'size'?"),
            ([["size", "repeats"]], "--repeats takes one value for the whole study, so it cannot be zipped"),
            ([["size", "scale"]], "--zip size,scale needs axes with equally many values: size has 2, scale has 1"),
            ([["size", "shape"], ["shape", "size"]], "--zip names the axis size twice"),
            ([["size", "size"]], "--zip names the axis size twice"),
            ([[1, 2]], "--zip takes names of axes"),
            (3, "'zip' must be a list of rules, got '3'"),
        ],
    )
    def test_what_cannot_be_zipped_is_one_sentence(self, rules: Any, sentence: str) -> None:
        with pytest.raises(UsageError) as caught:
            resolve(toy.study, "quick", {"zip": rules})
        assert str(caught.value).startswith(sentence)


class TestExclude:
    @pytest.mark.parametrize("rule", ["shape=cube,size=2", {"shape": "cube", "size": 2}])
    def test_a_combination_is_left_out(self, rule: Any) -> None:
        found = trials(exclude=[rule])
        assert sorted(found) == [("cube", 1, 0.1), ("square", 1, 0.1), ("square", 2, 0.1)]

    def test_rules_add_up(self) -> None:
        found = trials(exclude=["shape=cube,size=2", "shape=square,size=1"])
        assert sorted(found) == [("cube", 1, 0.1), ("square", 2, 0.1)]

    def test_a_rule_that_another_covers_is_allowed_in_any_order(self) -> None:
        rules = ["shape=cube", "shape=cube,size=2"]
        assert trials(exclude=rules) == trials(exclude=rules[::-1]) == [("square", 1, 0.1), ("square", 2, 0.1)]

    def test_zipped_axes_can_be_excluded_too(self) -> None:
        given = {"shape": "cube", "size": [1, 2, 3], "scale": [0.1, 0.2, 0.3], "zip": [["size", "scale"]]}
        assert trials(**given, exclude=["size=2"]) == [("cube", 1, 0.1), ("cube", 3, 0.3)]
        with pytest.raises(UsageError, match="leaves nothing out: the grid has no such combination"):
            trials(**given, exclude=["size=2,scale=0.3"])

    def test_excluding_equals_filtering_the_product(self) -> None:
        rules = [{"shape": "cube", "size": 2}, {"size": 3, "scale": 0.5}, {"shape": "square", "size": 3, "scale": 0.1}]
        given = {"size": [1, 2, 3], "scale": [0.1, 0.5]}
        names = ("shape", "size", "scale")
        kept = [
            trial
            for trial in trials(**given)
            if not any(all(dict(zip(names, trial, strict=True))[name] == value for name, value in rule.items())
                       for rule in rules)
        ]  # fmt: skip
        assert sorted(trials(**given, exclude=rules)) == sorted(kept)

    def test_no_combination_is_in_two_boxes(self) -> None:
        config = resolve(toy.study, "quick", {"exclude": ["shape=cube,size=2,scale=0.1"]})
        combinations = [
            (shape, size, scale)
            for box in boxes(config)
            for shape in box["shape"] for size in box["size"] for scale in box["scale"]
        ]  # fmt: skip
        assert len(combinations) == len(set(combinations)) == 3

    @pytest.mark.parametrize(
        ("rules", "sentence"),
        [
            (["shape=cube,size=7"], "--exclude shape=cube,size=7 leaves nothing out: the grid has no such combination"),
            (["sise=1"], "unknown axis of study 'toy' 'sise': did you mean 'size'?"),
            (["shape=cub"], "unknown shape 'cub': did you mean 'cube'?"),
            (["size=x"], "--size must be a whole number, got 'x'"),
            (["repeats=2"], "--repeats takes one value for the whole study, so it cannot be excluded"),
            (["size"], "--exclude takes values of axes, as in"),
            ([{}], "--exclude needs at least one value"),
            (["size=1", "size=2"], "study 'toy' has no trial left under this configuration: widen an axis"),
        ],
    )
    def test_what_cannot_be_excluded_is_one_sentence(self, rules: Any, sentence: str) -> None:
        with pytest.raises(UsageError) as caught:
            trials(exclude=rules)
        assert str(caught.value).startswith(sentence)


class TestIdentity:
    def test_a_trial_is_the_same_whatever_rule_left_it(self) -> None:
        whole = {trial.id for trial in make_plan(toy.study, resolve(toy.study, "quick", {})).trials}
        some = make_plan(toy.study, resolve(toy.study, "quick", {"exclude": ["size=2"]}))
        assert {trial.id for trial in some.trials} < whole

    def test_a_trial_that_boxes_share_is_listed_once(self) -> None:
        def listed(config: dict[str, Any]) -> list[dict[str, Any]]:
            return [*toy.trials(config), {"kind": "common"}]

        study = dataclasses.replace(toy.study, trials=listed)
        plan = make_plan(study, resolve(study, "quick", {"exclude": ["shape=cube,size=2"]}))
        assert plan.counts == {"solid": 6, "common": 1}

    def test_rules_are_part_of_what_two_runs_must_share(self) -> None:
        plan = make_plan(toy.study, resolve(toy.study, "quick", {"exclude": ["size=2"]}))
        assert plan.identity["config"]["exclude"] == [{"size": 2}]

    def test_an_unknown_range_offers_the_nearest(self) -> None:
        with pytest.raises(UnknownNameError, match="did you mean 'lin'"):
            resolve(toy.study, "quick", {"scale": "line:0:1:3"})
