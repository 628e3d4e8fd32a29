"""How many labellings and functions one unit computes, and how many two layers do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nnsim.theory.expressivity import separability as theory

from . import settings
from .rule_questions import MINSKY

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question

COVER = "Cover 1965, Theorem 1"
HALF_MARGIN = 0.1  # a unit with a bias, which has one dimension more, would be off by 0.13 at 20 dimensions
JUMP_MARGIN = 0.05  # such a unit would be off by 0.05 above the jump, where 20 dimensions fall from 0.97 to 0.08


def counting_questions(answers: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask how many labellings of points a plane makes."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    for dimension, points in settings.COUNTS:
        rows = rows_of(answers, kind="count", dimension=dimension, points=points)
        yield Question(
            f"C8-count-{dimension}-{points}", "check",
            f"Of the {2**points} labellings of {points} points in {dimension} dimensions C(P, N) are separable.", COVER,
            "Gaussian points, every labelling tried", rows["value"].to_numpy(dtype=float),
            float(theory.dichotomies(points, dimension)), "exact",
        )  # fmt: skip

    def fraction(name: str, statement: str, dimension: int, load: float, margin: float) -> Question:
        points = round(load * dimension)
        rows = rows_of(answers, kind="cover", dimension=dimension, points=points)
        where = f"{points} Gaussian points in {dimension} dimensions, random labels"
        return Question(
            name, "claim", statement, COVER, where, rows["value"].dropna().to_numpy(dtype=float),
            theory.separable_fraction(points, dimension), margin=margin, interval="proportion",
        )  # fmt: skip

    largest = max(config["dimension"])
    for dimension in config["dimension"]:
        statement = f"Half of the labellings of 2 N points are separable (N = {dimension})."
        yield fraction(f"C8-half-{dimension}", statement, dimension, 2.0, HALF_MARGIN)
    jump = "The separable fraction jumps at P = 2 N: {} at P = {:g} N it is Cover's."
    yield fraction("C8-jump-below", jump.format("below,", 1.5), largest, 1.5, JUMP_MARGIN)
    yield fraction("C8-jump-above", jump.format("above,", 2.5), largest, 2.5, JUMP_MARGIN)


def logic_questions(answers: pd.DataFrame) -> Iterator[Question]:
    """Ask which functions of two bits one unit computes, and which a layer of them."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    texts = {
        "functions": ("threshold_functions", 14.0, "One threshold unit computes 14 of the 16 functions of two bits."),
        "xor-best": ("best_on_xor", 3.0, "The best threshold unit has three of XOR's four corners right."),
        "hidden-1": ("reachable_1", 14.0, "One hidden unit adds nothing: still 14 of the 16 functions."),
        "xor-1": ("xor_1", 0.0, "No network with one hidden threshold unit computes XOR."),
        "hidden-2": ("reachable_2", 16.0, "Two hidden threshold units are enough for all 16 functions."),
        "xor-2": ("xor_2", 1.0, "Two hidden threshold units compute XOR."),
    }
    for name, (quantity, prediction, statement) in texts.items():
        values = rows_of(answers, kind="logic", quantity=quantity)["value"].dropna().to_numpy(dtype=float)
        yield Question(
            f"C8-{name}", "check", statement, f"{MINSKY}; {COVER}", "every choice of units tried by linear programming",
            values, prediction, "exact",
        )  # fmt: skip
