"""The figures of the study, theory beside measurement."""

from __future__ import annotations

import pandas as pd

from nnsim.report.arms import rows_of
from nnsim.report.figures import FigureSpec
from nnsim.study.parts import Config
from nnsim.theory.expressivity.separability import separable_fraction

from . import plots
from .boundaries import PANELS
from .shared import GATES
from .summary import summary


def figures(tables: dict[str, pd.DataFrame], config: Config) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    found = summary(tables)
    return {
        "capacity": FigureSpec(
            plots.capacity(rows_of(found, kind="cover"), separable_fraction),
            "Share of random labellings of P Gaussian points in N dimensions that a plane through the origin makes. "
            "Points: decided by linear programming, with 95 % intervals; dashed: Cover's count. All curves pass "
            "through one half at P = 2 N, and grow into a step.",
            "Separable fraction against points over dimensions, falling from one to zero through one half at two.",
        ),
        "mistakes": FigureSpec(
            plots.mistakes(rows_of(tables["trials"], kind="margin")),
            "Mistakes of the perceptron rule against Novikoff's bound, one point a seed. The bound always holds, and "
            "random points stay far below it.",
            "Mistakes against the bound, both logarithmic, all points below the diagonal.",
        ),
        "xor": FigureSpec(
            plots.successes(rows_of(found, kind="xor")),
            f"Share of runs that have XOR's four corners right after {config['epochs']} epochs, each arm at its chosen "
            "learning rate, with 95 % intervals. One monotone unit never does; one GELU unit can.",
            "Share of successful runs against hidden units, one line an activation.",
        ),
        "boundaries": FigureSpec(
            plots.boundaries(
                tables["boundaries"],
                list(PANELS),
                GATES,
                {panel: gate for panel, (gate, _, _) in PANELS.items()},
            ),
            "What units and networks make of the square: the threshold unit's two values, and the probability of class "
            "1 of the others; black lines divide the classes. Trained networks: the first seed with all corners right. "
            "A sigmoid unit on XOR can do no better than to say one half everywhere.",
            "Six panels of class regions: half-planes for single units, a band for networks on XOR.",
        ),
    }
