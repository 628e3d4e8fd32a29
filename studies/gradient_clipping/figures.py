"""The figures of the study, theory beside measurement."""

from __future__ import annotations

import pandas as pd

from nnsim.report.arms import rows_of
from nnsim.report.figures import FigureSpec
from nnsim.study.parts import Config

from . import plots
from .exploding import SCHEMES
from .shared import runs_of


def figures(tables: dict[str, pd.DataFrame], config: Config) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    runs = runs_of(tables["trials"])
    return {
        "survival": FigureSpec(
            plots.survival(rows_of(runs, optimizer="sgd"), tuple(SCHEMES)),
            f"Share of the networks of {config['depth']} layers whose loss stays finite at each rate of plain SGD, "
            "with Clopper and Pearson's 95 % intervals. Too large a start diverges at every useful rate unless its "
            "gradients are clipped.",
            "Share that survives against the learning rate, one line a kind of clipping.",
        ),
        "scores": FigureSpec(
            plots.scores(runs),
            "What the networks reach: medians of the test metric over seeds with 95 % intervals, diverged runs as "
            "chance. Under SGD a small threshold shifts the best rate up; AdamW takes no notice of it.",
            "Test result against the learning rate, one panel a problem, one line a kind of clipping.",
        ),
        "direction": FigureSpec(
            plots.direction(tables["steps"]),
            "Cosine between a gradient and what clipping makes of it, one point a network. By norm it is 1 whatever "
            "the threshold; by value it falls below what a gradient of independent normal numbers would keep.",
            "Cosine against the threshold: level at one by norm, falling by value.",
        ),
    }
