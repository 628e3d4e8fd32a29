"""Into how many regions layers cut their inputs: the most that folds are known to reach, and drawn ones (C4)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from nnsim.core.seeding import key
from nnsim.probes.expressivity import piece_counts as counts
from nnsim.report.arms import rows_of
from nnsim.report.questions import Exactly, Question
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.theory.expressivity import regions as laws

from .shared import ShapeTrial, count_cost, counted

if TYPE_CHECKING:
    import pandas as pd

FOLDS = ((1, 4, 1), (2, 4, 1), (3, 4, 1), (1, 4, 2), (2, 4, 2), (2, 6, 2), (3, 4, 2))
"""(depth, width, inputs) of the networks that reach the lower bound on regions."""
LAYERS = ((6, 1), (8, 2), (8, 3), (8, 4))
"""(units, inputs) of the layers whose regions are counted."""
COUNTS = {
    "general": ("sum over j <= d of C(n, j)", laws.arrangement_regions),
    "central": ("2 sum over j < d of C(n - 1, j), without biases,", laws.central_regions),
}
"""Regions of a layer with biases and without."""


def folded_trials(config: Config) -> Iterator[ShapeTrial]:
    """Yield networks that are written to fold the plane."""
    for depth, width, dimension in FOLDS:
        yield ShapeTrial(kind="folded", depth=depth, width=width, dimension=dimension, repeat=0)


def measure_folded(trial: ShapeTrial) -> Measured:
    """Count the regions of a folding network."""
    return counted(trial, counts.folded_pieces(trial.width, trial.depth, trial.dimension))


def folded_questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether folds reach the lower bound."""
    rows = rows_of(tables["trials"], kind="folded", status="done")
    bounds = [laws.folded_regions([row.width] * row.depth, row.dimension) for row in rows.itertuples()]
    yield Question(
        id="C4-folded",
        kind="check",
        statement="Folding layers reach the lower bound prod floor(n/d)^d times sum C(n, j) on regions.",
        source="Montúfar et al. 2014, theorem 5",
        arm="written networks of one and two inputs",
        values=rows["pieces"].to_numpy(dtype=float) / np.array(bounds, dtype=float),
        rule=Exactly(1.0),
        note="regions over the bound, counted in rational arithmetic",
    )


def plane_trials(config: Config) -> Iterator[ShapeTrial]:
    """Yield layers that are drawn, with biases and without."""
    for kind, (width, dimension), repeat in product(COUNTS, LAYERS, range(config["seeds"])):
        yield ShapeTrial(kind=kind, depth=1, width=width, dimension=dimension, repeat=repeat)


def measure_planes(trial: ShapeTrial) -> Measured:
    """Count the regions of a drawn layer."""
    draws = key(trial.root_seed, "planes", trial.width, trial.dimension, trial.repeat)
    return counted(trial, counts.plane_regions(trial.width, trial.dimension, trial.kind == "general", draws))


def plane_questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask for the regions of drawn layers."""
    for kind, (text, count) in COUNTS.items():
        rows = rows_of(tables["trials"], kind=kind, status="done")
        expected = [count(row.width, row.dimension) for row in rows.itertuples()]
        yield Question(
            id=f"C4-{kind}",
            kind="check",
            statement=f"A layer of n units cuts R^d into {text} regions.",
            source="Zaslavsky 1975; Cover 1965",
            arm="Gaussian layers of 6 to 8 units, 1 to 4 inputs",
            values=rows["pieces"].to_numpy(dtype=float) / np.array(expected, dtype=float),
            rule=Exactly(1.0),
            note="counted over predicted; counted by deletion and restriction in rational arithmetic",
        )


FOLDED = Part(
    kinds={"folded": Kind(ShapeTrial, measure_folded, lambda trial: 0.1)},
    trials=folded_trials,
    questions=folded_questions,
)
PLANES = Part(
    kinds={kind: Kind(ShapeTrial, measure_planes, count_cost) for kind in COUNTS},
    trials=plane_trials,
    questions=plane_questions,
)
