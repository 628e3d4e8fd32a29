"""Losses over a batch: the mean loss, and delta = dL/dZ for the way back."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnsim.kernels.cpu.gemm import transpose
from nnsim.kernels.losses import (
    BCE,
    CROSS_ENTROPY,
    binary_cross_entropy,
    binary_cross_entropy_slope,
    squared_error,
    squared_error_slope,
)
from nnsim.kernels.options import inner
from nnsim.kernels.scalar_math import exp, log


@inner
def _exponentials(Z, labels, E, top):
    """Write E[j, i] = e^(z_ij - m_i) with the largest logit m_i of row i, and return sum_i m_i - z_{i, y_i}."""
    transpose(Z, E)
    classes, rows = E.shape
    for i in range(rows):
        top[i] = E[0, i]
    for j in range(1, classes):
        for i in range(rows):
            top[i] = E[j, i] if E[j, i] > top[i] else top[i]
    loss = 0.0
    for i in range(rows):
        loss += np.float64(top[i] - E[np.int64(labels[i, 0]), i])
    for j in range(classes):
        for i in range(rows):
            E[j, i] = exp(E[j, i] - top[i])
    return loss


@inner
def _cross_entropy(Z, labels, delta, scratch):
    """Mean cross-entropy; labels holds class numbers in its first column.

    Everything runs on the transpose, one row a class, so that the loops over rows of the batch are vector code.
    """
    rows, classes = Z.shape
    E = scratch[: classes * rows].reshape(classes, rows)
    total, share = scratch[classes * rows : (classes + 1) * rows], scratch[(classes + 1) * rows : (classes + 2) * rows]
    loss = _exponentials(Z, labels, E, share)
    for i in range(rows):
        total[i] = E[0, i]
    for j in range(1, classes):
        for i in range(rows):
            total[i] += E[j, i]
    scale = Z.dtype.type(1.0 / rows)
    for i in range(rows):
        share[i] = scale / total[i]
        total[i] = log(total[i])
    for i in range(rows):
        loss += np.float64(total[i])
    for j in range(classes):
        for i in range(rows):
            E[j, i] *= share[i]
    transpose(E, delta)
    for i in range(rows):
        delta[i, np.int64(labels[i, 0])] -= scale
    return loss / rows


def _elementwise(value: Any, slope: Any) -> Any:
    @inner
    def loss_and_delta(Z, targets, delta):
        rows, outputs = Z.shape
        scale = Z.dtype.type(1.0 / (rows * outputs))
        loss = 0.0
        for i in range(rows):
            for j in range(outputs):
                delta[i, j] = value(Z[i, j], targets[i, j])
            for j in range(outputs):
                loss += np.float64(delta[i, j])
            for j in range(outputs):
                delta[i, j] = scale * slope(Z[i, j], targets[i, j])
        return loss / (rows * outputs)

    return loss_and_delta


_binary_cross_entropy = _elementwise(binary_cross_entropy, binary_cross_entropy_slope)
_squared_error = _elementwise(squared_error, squared_error_slope)


@inner
def loss_and_delta(code, Z, targets, delta, scratch):
    """Return the mean loss in float64 and write delta = dL/dZ.

    Z and delta have shape (rows, outputs). targets is (rows, 1) with class numbers for cross-entropy, else
    (rows, outputs). Cross-entropy is averaged over rows, the others over rows and outputs. scratch is a vector of at
    least (outputs + 2) * rows numbers.
    """
    if code == CROSS_ENTROPY:
        return _cross_entropy(Z, targets, delta, scratch)
    if code == BCE:
        return _binary_cross_entropy(Z, targets, delta)
    return _squared_error(Z, targets, delta)
