"""A study cut by question: what its parts measure becomes rows, what they ask claims, and what they run is warm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from tiny_studies import measured as measured_tables

from nnsim.experiment.config import resolve
from nnsim.experiment.csv_rows import SchemaError
from nnsim.report.judging import claims_of
from nnsim.report.questions import Question, Within
from nnsim.study.declaration import Axis, Column, Study, Table, presets
from nnsim.study.parts import Config, Kind, Measured, Part, study_of
from nnsim.study.trials import DataTrial, NetworkTrial, TrainingTrial, Trial

warmed: list[Trial] = []


@dataclass(frozen=True, kw_only=True)
class Square(Trial):
    side: float
    colour: str | None = None

    def smallest(self) -> Self:
        return replace(super().smallest(), side=0.0)


@dataclass(frozen=True, kw_only=True)
class Circle(Trial):
    radius: float


def squares(config: Config) -> Iterator[Square]:
    for repeat in range(config["seeds"]):
        yield Square(kind="square", side=2.0, repeat=repeat)
        yield Square(kind="red square", side=3.0, colour="red", repeat=repeat)


def circles(config: Config) -> Iterator[Circle]:
    for repeat in range(config["seeds"]):
        yield Circle(kind="circle", radius=1.0, repeat=repeat)


def measure_square(trial: Square) -> Measured:
    warmed.append(trial)
    return {"trials": [{"area": trial.side**2}], "corners": [{"corner": corner} for corner in range(4)]}


def measure_circle(trial: Circle) -> Measured:
    warmed.append(trial)
    return {"trials": [{"area": 3.0 * trial.radius**2, "status": "diverged", "reason": "round"}]}


def ask(name: str, kind: str, area: float) -> Any:
    def questions(tables: dict[str, Any], config: Config) -> Iterator[Question]:
        rows = tables["trials"]
        values = rows[rows["kind"] == kind]["area"].to_numpy(dtype=float) + 0.01 * np.arange(config["seeds"])
        rule = Within(area, 1.0)
        yield Question(id=name, kind="claim", statement="s", source="s", arm=kind, values=values, rule=rule)

    return questions


def a_study(**changed: Any) -> Study:
    square = Kind(Square, measure_square, lambda trial: trial.side, ("a float32",))
    return study_of(
        **{
            "name": "shapes", "title": "t", "question": "q", "expect": "e", "falsify": "f", "misreading": "m",
            "references": (), "schema_version": 1, "summary": lambda tables: None,
            "figures": lambda tables, config: {},
            "axes": (Axis("seeds", int, "seeds", presets(6, 6, 6), scalar=True),),
            "tables": (
                Table(
                    "trials",
                    (
                        Column("kind", "text", "", "k"), Column("repeat", "int", "", "r"),
                        Column("side", "float", "", "s"), Column("colour", "text", "", "c"),
                        Column("area", "float", "", "a"), Column("status", "text", "", "s"),
                        Column("reason", "text", "", "r"),
                    ),
                ),
                Table("corners", (Column("side", "float", "", "s"), Column("corner", "int", "", "c"))),
            ),
            "parts": (
                Part({"square": square, "red square": square}, squares, ask("S", "square", 4.0)),
                Part(
                    {"circle": Kind(Circle, measure_circle, lambda trial: 1.0, ("b float64", "a float32"))},
                    circles, ask("C", "circle", 3.0),
                ),
            ),
        }
        | changed
    )  # fmt: skip


def test_trials_come_part_by_part_without_what_they_do_not_have() -> None:
    first, second, *_, last = a_study().trials({"seeds": 6})
    assert first == {"kind": "square", "repeat": 0, "side": 2.0}
    assert second == {"kind": "red square", "repeat": 0, "side": 3.0, "colour": "red"}
    assert last == {"kind": "circle", "repeat": 5, "radius": 1.0}


def test_rows_hold_the_trials_settings_and_what_was_measured(tmp_path: Path) -> None:
    study = a_study()
    tables = measured_tables(study, resolve(study, "quick", {}), tmp_path)
    assert tables["corners"]["side"].tolist() == [2.0] * 4 + [3.0] * 4 + ([2.0] * 4 + [3.0] * 4) * 5
    rows = tables["trials"]
    assert rows["status"].tolist() == ["done"] * 12 + ["diverged"] * 6
    assert rows["colour"].fillna("").tolist() == ["", "red"] * 6 + [""] * 6


def test_a_measured_column_that_is_left_out_is_an_error(tmp_path: Path) -> None:
    kind = Kind(Square, lambda trial: {"corners": [{}]}, lambda trial: 1.0)
    study = a_study(parts=(Part({"square": kind, "red square": kind}, squares),))
    with pytest.raises(SchemaError, match="lacks the column 'corner'"):
        measured_tables(study, resolve(study, "quick", {}), tmp_path)


def test_claims_are_judged_together_in_the_order_of_the_parts(tmp_path: Path) -> None:
    study = a_study()
    config = resolve(study, "quick", {})
    claims = claims_of(study, measured_tables(study, config, tmp_path), config)
    assert [(claim.id, claim.verdict, claim.confidence) for claim in claims] == [
        ("S", "holds", pytest.approx(0.975)), ("C", "holds", pytest.approx(0.975)),
    ]  # fmt: skip


def test_the_first_trial_of_each_kind_is_warm_at_its_smallest() -> None:
    warmed.clear()
    study = a_study()
    assert study.warm_up is not None
    study.warm_up()
    assert [(trial.kind, getattr(trial, "side", None)) for trial in warmed] == [
        ("square", 0.0), ("red square", 0.0), ("circle", None),
    ]  # fmt: skip
    assert study.kernels == ("a float32", "b float64")


def test_what_cannot_be_used_is_refused_before_a_trial_is_laid_out() -> None:
    def check(config: Config) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match=r"^no$"):
        a_study(check=check).trials({"seeds": 6})


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (DataTrial, {"data": "digits", "samples": 3, "fingerprint": "f"}),
        (NetworkTrial, {"data": "digits", "scheme": "zeros", "activation": "relu", "depth": 9, "width": 9}),
        (
            TrainingTrial,
            {"data": "digits", "scheme": "zeros", "activation": "relu", "depth": 9, "width": 9, "learning_rate": 1.0}
            | {"epochs": 9, "batch_size": 99},
        ),
    ],
)
def test_trials_come_back_from_their_settings(kind: type[Trial], more: dict[str, Any]) -> None:
    trial = kind(kind="k", repeat=3, **more)
    assert kind.of(trial.settings()) == trial
    assert {"id", "root_seed"}.isdisjoint(trial.settings())
    small = trial.smallest().settings()
    assert (small["data"], small["samples"], small["repeat"]) == ("xor", 60, 0)
    assert small.get("depth", 1) == small.get("epochs", 1) == 1
