"""Losses over a batch of every network: each one's mean loss, and delta = dL/dZ for the way back.

All about a row of logits runs on the transpose, a row a class, as in `nnsim.kernels.cpu.losses`; a class is compared
with the labels of a whole vector of networks, where one network looks its label up.
"""

from __future__ import annotations

from typing import Any

from nnsim.kernels.compiling.decorators import inner
from nnsim.kernels.cpu.losses import exponentials
from nnsim.kernels.cpu.simd import address_of
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
from nnsim.kernels.lanes.gemm import transpose
from nnsim.kernels.lanes.sums import total


@inner
def pick(T, labels, picked):
    """Write the number of T (classes, columns) that each column's label names."""
    classes, columns = T.shape
    for j in range(classes):
        for i in range(columns):
            picked[i] = T[j, i] if labels[i] == j else picked[i]


@inner
def _cross_entropy(E, labels, top, sums, picked, work_sums, loss, rows):
    """Mean cross-entropy; E holds the logits, and then dL/dZ."""
    classes, columns = E.shape
    pick(E, labels, picked)
    exponentials(E, top, sums)
    scale = E.dtype.type(1.0 / rows)
    for i in range(columns):
        top[i] = row_loss(top[i] - picked[i], sums[i])
    total(top[:columns], work_sums, loss)
    for i in range(columns):
        sums[i] = scale / sums[i]
    for j in range(classes):
        for i in range(columns):
            e = E[j, i]
            E[j, i] = label_slope(e, sums[i], scale) if labels[i] == j else other_slope(e, sums[i])


@inner
def _weighted_cross_entropy(E, T, labels, top, sums, losses, shares, work_sums, loss, weight, smoothing, weights):
    """Mean cross-entropy with smoothed labels and class weights, over the sum of the weights of the rows' classes.

    E and T hold the logits; E then holds dL/dZ.
    """
    classes, columns = E.shape
    exponentials(E, top, sums)
    for i in range(columns):
        top[i] = row_loss(top[i], sums[i])
        losses[i], shares[i] = 0, 0
    for j in range(classes):
        for i in range(columns):
            part = label_part(weights[j], smoothing, classes, j == labels[i])
            losses[i], shares[i] = add_part(losses[i], shares[i], part, top[i], T[j, i])
            T[j, i] = part
    for j in range(classes):
        for i in range(columns):
            top[i] = weights[j] if labels[i] == j else top[i]
    for i in range(columns):
        sums[i] = shares[i] / sums[i]
    total(losses[:columns], work_sums, loss)
    total(top[:columns], work_sums, weight)
    lanes = weight.size
    for start in range(0, columns, lanes):
        for lane in range(lanes):
            shares[start + lane] = E.dtype.type(1.0 / weight[lane])
    for j in range(classes):
        for i in range(columns):
            E[j, i] = part_slope(E[j, i], sums[i], T[j, i], shares[i])


def _elementwise(value: Any, slope: Any) -> Any:
    """Return the loop over all outputs, each with its own parameter, for a loss that sums over them."""

    @inner
    def loss_and_delta(z, y, parameter, delta, work_sums, loss):
        numbers = z.size // loss.size
        scale = z.dtype.type(1.0 / numbers)
        for i in range(z.size):
            delta[i] = value(z[i], y[i], parameter[i])
        total(delta, work_sums, loss)
        for i in range(z.size):
            delta[i] = scale * slope(z[i], y[i], parameter[i])
        for lane in range(loss.size):
            loss[lane] /= numbers

    return loss_and_delta


_binary_cross_entropy = _elementwise(binary_cross_entropy, binary_cross_entropy_slope)
_squared_error = _elementwise(squared_error, squared_error_slope)
_absolute_error = _elementwise(absolute_error, absolute_error_slope)
_huber = _elementwise(huber, huber_slope)


@inner
def _loss_of_outputs(net, z, targets, delta, parameter, work_sums, loss, rows, outputs):
    lanes = loss.size
    for j in range(outputs):
        its = net.loss_weights[j] if net.loss == BCE else net.loss_parameter
        for i in range(rows):
            parameter[(i * outputs + j) * lanes : (i * outputs + j + 1) * lanes] = its
    if net.loss == BCE:
        _binary_cross_entropy(z, targets, parameter, delta, work_sums, loss)
    elif net.loss == MSE:
        _squared_error(z, targets, parameter, delta, work_sums, loss)
    elif net.loss == HUBER:
        _huber(z, targets, parameter, delta, work_sums, loss)
    else:
        _absolute_error(z, targets, parameter, delta, work_sums, loss)


@inner
def loss_and_delta(net, z, targets, delta, scratch, work_sums, loss, weight, rows, outputs):
    """Write each lane's mean loss, its batch's weight in a mean over batches, and delta = dL/dZ.

    z and delta are vectors (rows * outputs * lanes,). targets is (rows * lanes,) with class numbers for cross-entropy,
    else (rows * outputs * lanes,). Cross-entropy is averaged over rows (by their classes' weights), the others over
    rows and outputs. scratch holds at least (2 * outputs + 4) * rows * lanes numbers, work_sums is (128 * lanes,);
    loss and weight are float64 (lanes,).
    """
    size, columns = z.size, rows * loss.size
    for lane in range(loss.size):
        weight[lane] = float(rows)
    if net.loss != CROSS_ENTROPY:
        _loss_of_outputs(net, z, targets, delta, scratch[:size], work_sums, loss, rows, outputs)
        return
    E = scratch[:size].reshape(outputs, columns)
    rest = scratch[size : size + 4 * columns].reshape(4, columns)
    transpose(z[0], address_of(z), address_of(E), rows, outputs)
    if net.weighted:
        T = scratch[size + 4 * columns : 2 * size + 4 * columns].reshape(outputs, columns)
        transpose(z[0], address_of(z), address_of(T), rows, outputs)
        _weighted_cross_entropy(
            E, T, targets, rest[0], rest[1], rest[2], rest[3], work_sums, loss, weight, net.loss_parameter,
            net.loss_weights,
        )  # fmt: skip
    else:
        _cross_entropy(E, targets, rest[0], rest[1], rest[2], work_sums, loss, rows)
    for lane in range(loss.size):
        loss[lane] /= weight[lane]
    transpose(z[0], address_of(E), address_of(delta), outputs, rows)
