"""The contract: our studies keep it, and a study that breaks one rule is told which."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import toy
from nnsim_cli.main import main

from nnsim.core.errors import UnknownNameError, UsageError
from nnsim.kernels.compiling.decorators import kernel
from nnsim.runs.contract import RULES, ContractError, check_study
from nnsim.study.declaration import Study

PRESETS, TRIALS, COMPILE, MEASURE, SCHEMA, RESUME, SEEDS, CLAIMS, REPORT, EMPTY, NAN = RULES


def changed(**fields: Any) -> Study:
    return dataclasses.replace(toy.study, **fields)


def measure_with(**cells: Any) -> Study:
    """Return the toy study with other cells in its table of trials."""

    def measure(trial: dict[str, Any]) -> dict[str, Any]:
        tables = toy.measure(trial)
        return tables | {"trials": [tables["trials"][0] | {name: value(trial) for name, value in cells.items()}]}

    return changed(measure=measure)


def with_settings(**settings: Any) -> Study:
    return changed(trials=lambda config: [trial | settings for trial in toy.trials(config)])


def draws_from_nothing() -> Study:
    numbers = count()
    return measure_with(area=lambda trial: float(next(numbers)))


def lists_other_trials() -> Study:
    calls = count()
    return changed(trials=lambda config: [trial | {"call": next(calls)} for trial in toy.trials(config)])


def changes_its_trial() -> Study:
    def measure(trial: dict[str, Any]) -> dict[str, Any]:
        trial["size"] = int(trial["size"])
        trial["seen"] = True
        return toy.measure(trial)

    return changed(measure=measure)


def judges_what_it_remembers() -> Study:
    areas: list[float] = []

    def measure(trial: dict[str, Any]) -> dict[str, Any]:
        tables = toy.measure(trial)
        areas.append(tables["trials"][0]["area"])
        return tables

    def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Any]:
        return [dataclasses.replace(claim, estimate=areas[-1]) for claim in toy.claims(tables, config)]

    return changed(measure=measure, claims=claims)


def changes_its_tables() -> Study:
    def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Any]:
        tables["layers"]["share"] *= 2
        return toy.claims(tables, config)

    return changed(claims=claims)


def decides(verdict: str, **values: float) -> Study:
    def claims(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> list[Any]:
        (claim,) = toy.claims(tables, config)
        estimate = float(tables["trials"]["area"].astype(float).mean())
        return [dataclasses.replace(claim, verdict=verdict, estimate=values.get("estimate", estimate))]

    return changed(claims=claims)


def draws_where(wrong: Callable[[pd.DataFrame], Any]) -> Study:
    def figures(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> dict[str, Any]:
        if wrong(tables["trials"]):
            raise ZeroDivisionError("nothing\nto draw")
        return {}

    return changed(figures=figures)


BROKEN: dict[str, tuple[Study, str, str]] = {
    "other trials": (lists_other_trials(), TRIALS, "trials(config) lists other trials when it is called again"),
    "no kind": (with_settings(kind=3), TRIALS, "a trial has no text 'kind'"),
    "engine's name": (with_settings(id=3), TRIALS, "a trial has a setting 'id' or 'root_seed'"),
    "endless cost": (changed(cost=lambda settings: math.nan), TRIALS, "cost(settings) is no time in seconds"),
    "draws from nothing": (draws_from_nothing(), MEASURE, "measure(trial) gives other rows when it is called again"),
    "changes its trial": (changes_its_trial(), MEASURE, "ValueError: measure(trial) changes the trial"),
    "raises": (measure_with(area=lambda trial: 1 / 0), SCHEMA, "8 of 8 trials raised, the first ZeroDivisionError"),
    "other kind": (measure_with(kind=lambda trial: "x"), SCHEMA, "column 'kind' of table 'trials' is not the trial's"),
    "wrong type": (measure_with(size=lambda trial: "x"), SCHEMA, "SchemaError: table 'trials', column 'size'"),
    "no seed": (changed(measure=lambda trial: toy.measure(trial | {"root_seed": 0})), SEEDS, "seed 1 gives what"),
    "remembers": (judges_what_it_remembers(), CLAIMS, "claims(tables, config) judges the same tables in another way"),
    "changes its tables": (changes_its_tables(), CLAIMS, "claims(tables, config) changes the table 'layers'"),
    "no figure": (draws_where(lambda trials: True), REPORT, "ZeroDivisionError: nothing to draw (test_contract.py"),
    "nothing to draw": (draws_where(lambda trials: trials.empty), EMPTY, "ZeroDivisionError: nothing to draw"),
    "decides on nothing": (decides("holds", estimate=1.0), EMPTY, "claim T1 holds without a measurement"),
    "fails on nan": (decides("fails"), NAN, "claim T1 fails without a measurement"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def measured() -> Iterator[None]:
    toy.measured.clear()
    yield
    toy.measured.clear()


class TestOurs:
    def test_the_toy_study_keeps_it(self) -> None:
        told: list[tuple[str, str]] = []
        check_study(toy.study, told=lambda rule, problem: told.append((rule, problem)))
        assert told == [(rule, "") for rule in RULES]

    def test_the_example_that_new_writes_keeps_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert main(["study", "new", "my-study"]) == 0
        check_study(str(tmp_path / "my_study.py"), seeds=8)


@kernel
def double(x: float) -> float:
    return 2 * x


class TestBroken:
    @pytest.mark.parametrize(("study", "rule", "problem"), BROKEN.values(), ids=BROKEN)
    def test_the_broken_rule_is_named(self, study: Study, rule: str, problem: str) -> None:
        with pytest.raises(ContractError) as caught:
            check_study(study)
        assert caught.value.problems[rule].startswith(problem)
        assert "\n" not in str(caught.value)

    def test_a_preset_without_trials(self) -> None:
        values = {"quick": (1, 2), "standard": (1, 2), "paper": (3,)}
        size = dataclasses.replace(toy.study.axes[1], values=values)
        axes = tuple(size if axis.name == "size" else axis for axis in toy.study.axes)
        study = changed(axes=axes, trials=lambda config: toy.trials(config) if config["size"] == (1, 2) else [])
        with pytest.raises(ContractError) as caught:
            check_study(study)
        assert caught.value.problems.keys() == {PRESETS}

    def test_a_kernel_that_warm_up_forgets(self) -> None:
        late = measure_with(area=lambda trial: double(trial["root_seed"] + 1.0))
        with pytest.raises(ContractError) as caught:
            check_study(dataclasses.replace(late, warm_up=lambda: double(1)))
        assert caught.value.problems == {
            COMPILE: "measure(trial) compiles double(float64,) in the middle of a run: call it in warm_up()"
        }

    def test_an_interrupted_run_with_other_bytes(self) -> None:
        """The third time that a trial is measured, its row is another: that is after the interruption."""
        times: dict[tuple[str, int], int] = {}

        def area(trial: dict[str, Any]) -> float:
            name = trial["id"], trial["root_seed"]
            times[name] = times.get(name, 0) + 1
            return float(times[name] > 4) + trial["root_seed"]

        with pytest.raises(ContractError) as caught:
            check_study(measure_with(area=area))
        assert caught.value.problems[RESUME] == "trials.csv differs"

    def test_what_the_caller_got_wrong_is_no_broken_rule(self) -> None:
        with pytest.raises(UnknownNameError, match="did you mean 'size'"):
            check_study(toy.study, sise=3)
        with pytest.raises(UsageError, match="there is no study file"):
            check_study("no_such_file.py")


class TestCommands:
    def test_check_tells_every_rule(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["study", "check", toy.__file__, "--set", "size=1", "--set", "repeats=1"]) == 0
        assert capsys.readouterr().out == "".join(f"ok      {rule}\n" for rule in RULES)

    def test_check_of_a_broken_study_exits_with_4(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["study", "check", toy.__file__, "--set", "shape=broken"]) == 4
        streams = capsys.readouterr()
        assert f"BROKEN  {SCHEMA}: 4 of 4 trials raised, the first ZeroDivisionError" in streams.out
        assert streams.err.startswith("nnsim: error: study 'toy' breaks ")
        assert streams.err.count("\n") == 1

    def test_new_writes_a_study_that_runs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert main(["study", "new", "my-study"]) == 0
        assert capsys.readouterr().out == "my_study.py\n"
        assert main(["study", "run", "my_study.py", "-q", "--seeds", "5"]) == 0
        assert (tmp_path / "nnsim-results" / "my-study-quick" / "report.html").is_file()

    @pytest.mark.parametrize("name", ["../up", "My Study", "run", "3d", ""])
    def test_new_refuses_what_is_no_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert main(["study", "new", name]) == 2
        assert capsys.readouterr().err.startswith(f"nnsim: error: a study cannot be called '{name}': use lower-case")
        assert list(tmp_path.iterdir()) == []

    def test_new_never_overwrites(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "mine.py").write_text("mine")
        assert main(["study", "new", "mine"]) == 2
        assert "'mine.py' is there already" in capsys.readouterr().err
        assert (tmp_path / "mine.py").read_text() == "mine"
