"""Losses over a batch: the mean loss, and delta = dL/dZ for the way back."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnsim.kernels.compiling.decorators import inner
from nnsim.kernels.cpu.gemm import transpose
from nnsim.kernels.cpu.sums import total
from nnsim.kernels.formulas.losses import (
    BCE,
    CROSS_ENTROPY,
    HUBER,
    MSE,
    absolute_error,
    absolute_error_slope,
    add_part,
    binary_cross_entropy,
    binary_cross_entropy_slope,
    huber,
    huber_slope,
    label_part,
    label_slope,
    other_slope,
    part_slope,
    row_loss,
    squared_error,
    squared_error_slope,
)
from nnsim.kernels.formulas.scalar_math import exp

# Everything about a row of logits runs on the transpose, one row a class, so that the loops over the rows of the batch
# are vector code.


@inner
def exponentials(E, top, sums):
    """Turn logits E[j, i] = z_ij into e^(z_ij - m_i), with row i's largest, m_i, in `top` and the sum in `sums`."""
    classes, rows = E.shape
    for i in range(rows):
        top[i] = E[0, i]
    for j in range(1, classes):
        for i in range(rows):
            top[i] = E[j, i] if E[j, i] > top[i] else top[i]
    for j in range(classes):
        for i in range(rows):
            E[j, i] = exp(E[j, i] - top[i])
    for i in range(rows):
        sums[i] = E[0, i]
    for j in range(1, classes):
        for i in range(rows):
            sums[i] += E[j, i]


@inner
def _cross_entropy(Z, labels, delta, E, top, sums, lanes):
    """Mean cross-entropy; labels holds class numbers in its first column."""
    rows, classes = Z.shape
    transpose(Z, E)
    exponentials(E, top, sums)
    scale = Z.dtype.type(1.0 / rows)
    for i in range(rows):
        top[i] -= Z[i, np.int64(labels[i, 0])]
    for i in range(rows):
        top[i] = row_loss(top[i], sums[i])
    loss = total(top[:rows], lanes)
    for i in range(rows):
        sums[i] = scale / sums[i]
    for i in range(rows):
        top[i] = label_slope(E[np.int64(labels[i, 0]), i], sums[i], scale)
    for j in range(classes):
        for i in range(rows):
            E[j, i] = other_slope(E[j, i], sums[i])
    transpose(E, delta)
    for i in range(rows):
        delta[i, np.int64(labels[i, 0])] = top[i]
    return loss / rows, float(rows)


@inner
def _weighted_cross_entropy(Z, labels, delta, E, top, sums, lanes, smoothing, weights):
    """Mean cross-entropy with smoothed labels and class weights, over the sum of the weights of the rows' classes."""
    rows, classes = Z.shape
    transpose(Z, E)
    exponentials(E, top, sums)
    for i in range(rows):
        level, label = row_loss(top[i], sums[i]), np.int64(labels[i, 0])
        loss, shares = Z.dtype.type(0), Z.dtype.type(0)
        for j in range(classes):
            delta[i, j] = label_part(weights[j], smoothing, classes, j == label)
            loss, shares = add_part(loss, shares, delta[i, j], level, Z[i, j])
        top[i], sums[i] = loss, shares / sums[i]
    batch_loss = total(top[:rows], lanes)
    for i in range(rows):
        top[i] = weights[np.int64(labels[i, 0])]
    weight = total(top[:rows], lanes)
    scale = Z.dtype.type(1.0 / weight)
    for i in range(rows):
        for j in range(classes):
            delta[i, j] = part_slope(E[j, i], sums[i], delta[i, j], scale)
    return batch_loss / weight, weight


def _elementwise(value: Any, slope: Any) -> Any:
    """Return the loop over all outputs, each with its own parameter, for a loss that sums over them."""

    @inner
    def loss_and_delta(z, y, parameter, delta, lanes):
        scale = z.dtype.type(1.0 / z.size)
        for i in range(z.size):
            delta[i] = value(z[i], y[i], parameter[i])
        loss = total(delta, lanes)
        for i in range(z.size):
            delta[i] = scale * slope(z[i], y[i], parameter[i])
        return loss / z.size

    return loss_and_delta


_binary_cross_entropy = _elementwise(binary_cross_entropy, binary_cross_entropy_slope)
_squared_error = _elementwise(squared_error, squared_error_slope)
_absolute_error = _elementwise(absolute_error, absolute_error_slope)
_huber = _elementwise(huber, huber_slope)


@inner
def _loss_of_outputs(net, Z, targets, delta, parameter, lanes):
    rows, outputs = Z.shape
    size = rows * outputs
    for i in range(rows):
        for j in range(outputs):
            parameter[i * outputs + j] = net.loss_weights[j] if net.loss == BCE else net.loss_parameter
    z, y, d = Z.reshape(size), targets.reshape(size), delta.reshape(size)
    if net.loss == BCE:
        return _binary_cross_entropy(z, y, parameter, d, lanes)
    if net.loss == MSE:
        return _squared_error(z, y, parameter, d, lanes)
    if net.loss == HUBER:
        return _huber(z, y, parameter, d, lanes)
    return _absolute_error(z, y, parameter, d, lanes)


@inner
def loss_and_delta(net, Z, targets, delta, scratch, lanes):
    """Return the mean loss and the weight of the batch in a mean over batches, in float64; write delta = dL/dZ.

    Z and delta have shape (rows, outputs). targets is (rows, 1) with class numbers for cross-entropy, else
    (rows, outputs). Cross-entropy is averaged over rows (by their classes' weights), the others over rows and outputs.
    scratch is a vector of at least (outputs + 2) * rows numbers, lanes of 128 float64.
    """
    rows, outputs = Z.shape
    size = rows * outputs
    if net.loss != CROSS_ENTROPY:
        return _loss_of_outputs(net, Z, targets, delta, scratch[:size], lanes), float(rows)
    E, top, sums = scratch[:size].reshape(outputs, rows), scratch[size : size + rows], scratch[size + rows :]
    if net.weighted:
        return _weighted_cross_entropy(Z, targets, delta, E, top, sums, lanes, net.loss_parameter, net.loss_weights)
    return _cross_entropy(Z, targets, delta, E, top, sums, lanes)
