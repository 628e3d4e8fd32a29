"""How many labellings of points one unit makes: Cover's count."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

from nnsim.core.errors import UsageError
from nnsim.probes import threshold_unit
from nnsim.report.arms import rows_of
from nnsim.report.questions import Exactly, Question, Within
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.theory.expressivity.separability import dichotomies, separable_fraction

from .shared import COVER, PointsTrial, key_of, normals, signs

if TYPE_CHECKING:
    import pandas as pd

LABELLINGS = 20  # random labellings of one trial
COUNTS = ((3, 7), (4, 8))  # dimensions and points whose dichotomies are all tried
HALF_MARGIN = 0.1  # a unit with a bias, which has one dimension more, would be off by 0.13 at 20 dimensions
JUMP_MARGIN = 0.05  # such a unit would be off by 0.05 above the jump, where 20 dimensions fall from 0.97 to 0.08


def trials(config: Config) -> Iterator[PointsTrial]:
    """Yield points that are labelled at random, and points of which every labelling is tried."""
    for dimension, load in product(config["dimension"], config["load"]):
        points = points_of(dimension, load)
        for repeat in range(config["cover_sets"]):
            yield PointsTrial(kind="cover", dimension=dimension, points=points, repeat=repeat)
    for (dimension, points), repeat in product(COUNTS, range(config["count_seeds"])):
        yield PointsTrial(kind="count", dimension=dimension, points=points, repeat=repeat)


def points_of(dimension: int, load: float) -> int:
    """Return how many points are `load` for each dimension; raises UsageError where it is no whole number."""
    points = round(dimension * load)
    if points < 1 or abs(points - dimension * load) > 1e-9 * points:
        raise UsageError(
            f"load {load:g} of {dimension} dimensions is {dimension * load:g} points, expected a whole number: "
            f"the nearest load is {max(points, 1) / dimension:g}"
        )
    return points


def measure_cover(trial: PointsTrial) -> Measured:
    """Label points at random, and ask of each labelling whether a plane through the origin makes it."""
    rows = []
    for draw in range(LABELLINGS):
        number = key_of(trial, trial.points, trial.dimension, draw)
        X, y = normals(number, trial.points, trial.dimension), signs(number, trial.points)
        rows.append({"draw": draw, "quantity": "separable", "value": float(threshold_unit.is_separable(X, y))})
    return {"answers": rows}


def measure_count(trial: PointsTrial) -> Measured:
    """Try every labelling of points."""
    X = normals(key_of(trial, trial.points), trial.points, trial.dimension)
    found = float(threshold_unit.count_separable(X))
    return {"answers": [{"draw": 0, "quantity": "dichotomies", "value": found}]}


def seconds_of(programs: int, trial: PointsTrial) -> float:
    """Return the expected seconds of so many linear programs."""
    return programs * (1e-3 + 5e-7 * trial.points * trial.dimension)


def _count_questions(answers: pd.DataFrame) -> Iterator[Question]:
    for dimension, points in COUNTS:
        rows = rows_of(answers, kind="count", dimension=dimension, points=points)
        yield Question(
            id=f"C8-count-{dimension}-{points}",
            kind="check",
            statement=(
                f"Of the {2**points} labellings of {points} points in {dimension} dimensions C(P, N) are separable."
            ),
            source=COVER,
            arm="Gaussian points, every labelling tried",
            values=rows["value"].to_numpy(dtype=float),
            rule=Exactly(float(dichotomies(points, dimension))),
        )


def _fraction_question(
    name: str, statement: str, answers: pd.DataFrame, dimension: int, load: float, margin: float
) -> Question:
    points = round(load * dimension)
    rows = rows_of(answers, kind="cover", dimension=dimension, points=points)
    return Question(
        id=name,
        kind="claim",
        statement=statement,
        source=COVER,
        arm=f"{points} Gaussian points in {dimension} dimensions, random labels",
        values=rows["value"].dropna().to_numpy(dtype=float),
        rule=Within(separable_fraction(points, dimension), margin),
        interval="proportion",
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask for the count, for the half of it at 2 N points, and for the jump there."""
    answers, largest = tables["answers"], max(config["dimension"])
    yield from _count_questions(answers)
    for dimension in config["dimension"]:
        statement = f"Half of the labellings of 2 N points are separable (N = {dimension})."
        yield _fraction_question(f"C8-half-{dimension}", statement, answers, dimension, 2.0, HALF_MARGIN)
    for side, load in (("below", 1.5), ("above", 2.5)):
        statement = f"The separable fraction jumps at P = 2 N: {side}, at P = {load:g} N it is Cover's."
        yield _fraction_question(f"C8-jump-{side}", statement, answers, largest, load, JUMP_MARGIN)


COUNTING = Part(
    kinds={
        "cover": Kind(PointsTrial, measure_cover, lambda trial: seconds_of(LABELLINGS, trial)),
        "count": Kind(PointsTrial, measure_count, lambda trial: seconds_of(2 ** (trial.points - 1), trial)),
    },
    trials=trials,
    questions=questions,
)
