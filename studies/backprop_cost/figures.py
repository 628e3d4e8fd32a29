"""The figures of the study, counts beside times."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnsim.report.arms import rows_of
from nnsim.report.figures import FigureSpec
from nnsim.study.parts import Config
from nnsim.theory.training.cost import difference_passes

from . import plots
from .memory import ITEM, KEPT
from .timing import predicted_ratio


def _counted_costs(trials: pd.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the multiply-adds of a gradient against the parameters, by method."""
    rows = trials.drop_duplicates("parameters").sort_values("parameters", kind="stable")
    parameters = rows["parameters"].to_numpy(dtype=float)
    forward, backward = (rows[f"{name}_products"].to_numpy(dtype=float) for name in ("forward", "backward"))
    return {
        "backpropagation": (parameters, forward + backward),
        "differences": (parameters, difference_passes(parameters) * forward),
        "central differences": (parameters, difference_passes(parameters, central=True) * forward),
    }


def figures(tables: dict[str, pd.DataFrame], config: Config) -> dict[str, FigureSpec]:
    """Return the figures, counts beside times."""
    trials, times = tables["trials"], tables["times"]
    counted = {text: predicted_ratio(text) for text in config["architecture"]}
    columns = {"backpropagation": "gradient_seconds", "differences": "difference_seconds"}
    return {
        "ratio": FigureSpec(
            plots.ratios(rows_of(times, kind="time"), counted),
            "A backward pass over a forward pass: the ratio of multiply-adds, 2 - n0 n1 / S, and of processor times. "
            "Only where the first layer holds nearly all weights does it cost one forward pass.",
            "Counted and timed ratio of backward to forward pass for each architecture, beside the page's 1.",
        ),
        "differences": FigureSpec(
            plots.against_parameters(
                _counted_costs(rows_of(trials, kind="difference", status="done")),
                rows_of(times, kind="difference"),
                columns,
            ),
            "Cost of one gradient against the number of parameters, counted (left) and timed (right, medians with 95 % "
            "intervals): backpropagation grows with P, differences with its square.",
            "Two log-log panels: lines of slope 1 for backpropagation and of slope 2 for differences.",
        ),
        "memory": FigureSpec(
            plots.memory(rows_of(trials, kind="memory", status="done"), KEPT, ITEM),
            f"Bytes that a training pass keeps for its way back, in networks of {config['width']} units a layer: they "
            "grow with depth times batch.",
            "Bytes kept against hidden layers times rows, on one line of slope 1.",
        ),
    }
