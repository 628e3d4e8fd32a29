"""What is said and predicted of a layer, what is held against it, and how near it must be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from nnsim.report.arms import change_per_layer
from nnsim.theory.signals.finite_width import predict_arm

if TYPE_CHECKING:
    import pandas as pd

SLOPE_MARGIN = 0.05  # of ln per layer: variance 1.8 instead of 2 would be off by 0.105
PAGE = "textbook statement: sigma' <= 0.25, so ten layers multiply the gradient by 0.25^10"
PAGE_RELU = "textbook statement: ReLU's slope is 1, so gradients do not shrink"
MEAN_FIELD = "Schoenholz et al. 2017, section 5"
PER_LAYER = "ln of the factor per layer of the gradient's mean square, prediction corrected for the finite width"


def backward_factor(scheme: str, activation: str, depth: int, width: int) -> float:
    """Predicted ln of the factor per layer on the way back; NaN where there is no prediction."""
    expected = predict_arm(scheme, activation, depth, width)
    return math.nan if expected is None else float(expected.backward[0]) / max(depth - 1, 1)


def lost(layers: pd.DataFrame, first: int, last: int) -> np.ndarray:
    """ln(mean delta_first^2 / mean delta_last^2) / (last - first) for each seed."""
    return -change_per_layer(layers, "delta_log", first, last)
