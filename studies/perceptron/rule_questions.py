"""What the perceptron rule learns, and with how many mistakes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nnsim.theory.expressivity import separability as theory

from . import settings

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question

NOVIKOFF = "Novikoff 1962"
MINSKY = "Minsky and Papert 1969"


def rule_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask what the perceptron rule learns, and whether it keeps Novikoff's bound."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    rows = rows_of(trials, kind="margin").dropna(subset=["bound", "mistakes"])
    within = (rows["mistakes"] <= rows["bound"]) & rows["converged"].astype(bool)
    yield Question(
        "C8-novikoff", "check", "The perceptron rule stops after at most (R / gamma)^2 mistakes.", NOVIKOFF,
        f"{settings.MARGIN_POINTS} points in {settings.MARGIN_DIMENSION} dimensions, "
        f"margins from {min(config['margin']):g}",
        within.to_numpy(dtype=float), 1.0, "exact", note="1 where the mistakes of a seed are within its bound",
    )  # fmt: skip
    rows = rows_of(trials, kind="orthogonal").dropna(subset=["mistakes"])
    yield Question(
        "C8-novikoff-tight", "check", "No smaller bound is true: orthogonal inputs reach it.", NOVIKOFF,
        f"{settings.ORTHOGONAL} orthogonal unit vectors, random labels", rows["mistakes"].to_numpy(dtype=float),
        theory.mistake_bound(1.0, 1.0 / math.sqrt(settings.ORTHOGONAL)), "exact", note="mistakes",
    )  # fmt: skip
    for gate in ("and", "or"):
        rows = rows_of(trials, kind="gate", gate=gate).dropna(subset=["bound", "mistakes"])
        within = (rows["mistakes"] <= rows["bound"]) & (rows["correct"] == 4)
        yield Question(
            f"C8-{gate}", "check", f"One threshold unit learns {gate.upper()} within Novikoff's bound.", NOVIKOFF,
            f"{gate.upper()}, corners of the square in random order", within.to_numpy(dtype=float), 1.0, "exact",
        )  # fmt: skip
    rows = rows_of(trials, kind="gate", gate="xor").dropna(subset=["converged", "mistakes"])
    yield Question(
        "C8-xor-rule", "check", "On XOR the perceptron rule makes mistakes for ever.", MINSKY,
        "XOR, corners of the square in random order, 1000 passes", rows["converged"].to_numpy(dtype=float), 0.0,
        "exact", note="1 where a pass had no mistake",
    )  # fmt: skip
