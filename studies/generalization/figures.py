"""The figures of the study, theory beside measurement."""

from __future__ import annotations

from functools import partial

import pandas as pd

from nnsim.report.arms import rows_of
from nnsim.report.figures import FigureSpec
from nnsim.study.parts import Config

from . import plots
from .linear import FEATURES, ROWS, risk_law
from .regularisers import LABELS, regularised_arms
from .widths import width_arms


def figures(tables: dict[str, pd.DataFrame], config: Config) -> dict[str, FigureSpec]:
    """Return the figures, theory beside measurement."""
    arms, strengths = regularised_arms(tables["trials"])
    picked = [
        (LABELS[name], rows_of(arms.runs, regulariser=name, strength=strength)) for name, strength in strengths.items()
    ]
    noise = max(config["target_noise"])
    return {
        "width": FigureSpec(
            plots.widths(width_arms(tables["trials"]).runs),
            f"One hidden layer on {config['rows']} rows of {config['data']}, each width at the smallest rate of "
            "those that fit its training labels best: means over seeds with 95 % intervals, geometric of the loss. "
            "Test labels are clean; the gap is to rows with labels as noisy as the training rows'. Beyond the width "
            "that just fits its labels gap and test loss fall; the test accuracy has no dip there.",
            "Training accuracy, test accuracy, gap and test loss against width, one line a label noise.",
        ),
        "double-descent": FigureSpec(
            plots.risks(rows_of(tables["linear"], target_noise=noise), ROWS, partial(risk_law, target_noise=noise)),
            f"Least squares on p of {FEATURES} Gaussian features, {ROWS} rows: "
            "geometric means over seeds with 95 % intervals. Dashed: the exact expected error, infinite at p = n, "
            "which lies above a geometric mean where the spread is wide. The best L2 penalty has no peak.",
            "Squared error against the number of features, with a peak where they are as many as the rows.",
        ),
        "regularisation": FigureSpec(
            plots.regularised(picked),
            f"Networks of width {config['tuned_width']} with label noise {max(config['label_noise']):g}: gap and test "
            "accuracy of each regulariser at the rate and strength that validation rows chose, means over seeds "
            "with 95 % intervals.",
            "Gap and test accuracy, a row a regulariser.",
        ),
    }
