"""Columns of what training and probes write: names for tables, numbers for kernels."""

from __future__ import annotations

HISTORY = (
    "train_loss",
    "validation_loss",
    "validation_metric",
    "validation_auc",
    "learning_rate",
    "gradient_norm",
    "clipped",
)
"""Of an epoch: mean training loss of its steps; validation loss, metric and area under the ROC curve after it; learning
rate of its last step; mean norm of the gradient before clipping, NaN unless it is clipped by its norm; share of the
steps that clipped it, by norm or by value."""
TRAIN_LOSS, VALIDATION_LOSS, VALIDATION_METRIC, VALIDATION_AUC, LEARNING_RATE, GRADIENT_NORM, CLIPPED = range(7)

PROBE = (
    "z_mean",
    "z_square",
    "a_mean",
    "a_square",
    "a_log",
    "delta_square",
    "delta_log",
    "saturated",
    "dead",
    "weight_squares",
    "weight_gradient_squares",
    "bias_gradient_squares",
)
"""Of a layer. Means run over the rows of the batch and the units of the layer; a logarithm is that of the mean square
of one row, averaged over rows; ``saturated`` is a share of (row, unit) pairs, ``dead`` one of units."""
(
    Z_MEAN,
    Z_SQUARE,
    A_MEAN,
    A_SQUARE,
    A_LOG,
    DELTA_SQUARE,
    DELTA_LOG,
    SATURATED,
    DEAD,
    WEIGHT_SQUARES,
    WEIGHT_GRADIENT_SQUARES,
    BIAS_GRADIENT_SQUARES,
) = range(12)

N_HISTORY, N_PROBE = len(HISTORY), len(PROBE)
