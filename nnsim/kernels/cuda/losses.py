"""Losses over a batch in the order of `nnsim.kernels.cpu.losses`: the mean loss, and delta = dL/dZ."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnsim.kernels.cuda.decorators import barrier, cast_like, device, divmod32
from nnsim.kernels.cuda.network import pitch
from nnsim.kernels.cuda.sums import total
from nnsim.kernels.cuda.threads import thread_range
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

# Cross-entropy: what belongs to a row is one thread's, what belongs to a row and a class is any thread's. Rows of delta
# hold the exponentials, rows of Z have the same length.


@device
def _exponentials(memory, z, delta, rows, classes, top, sums):
    """Write e^(z_ij - m_i) to delta, with the largest logit m_i of row i in `top`, and the sum over j in `sums`."""
    row = pitch(classes)
    for i in thread_range(0, rows):
        largest = memory[z + i * row]
        for j in range(1, classes):
            number = memory[z + i * row + j]
            largest = number if number > largest else largest
        memory[top + i] = largest
    barrier()
    for place in thread_range(0, rows * classes):
        i, j = divmod32(place, classes)
        memory[delta + i * row + j] = exp(memory[z + i * row + j] - memory[top + i])
    barrier()
    for i in thread_range(0, rows):
        added = memory[delta + i * row]
        for j in range(1, classes):
            added += memory[delta + i * row + j]
        memory[sums + i] = added
    barrier()


@device
def _cross_entropy(memory, z, labels, delta, rows, classes, top, sums, lanes):
    """Mean cross-entropy; labels are class numbers."""
    row = pitch(classes)
    _exponentials(memory, z, delta, rows, classes, top, sums)
    scale = cast_like(memory, 1.0 / rows)
    for i in thread_range(0, rows):
        label = np.int64(memory[labels + i])
        memory[top + i] = row_loss(memory[top + i] - memory[z + i * row + label], memory[sums + i])
        memory[sums + i] = scale / memory[sums + i]
    barrier()
    loss = total(memory, top, rows, lanes)
    for place in thread_range(0, rows * classes):
        i, j = divmod32(place, classes)
        at, share = delta + i * row + j, memory[sums + i]
        if j == np.int64(memory[labels + i]):
            memory[at] = label_slope(memory[at], share, scale)
        else:
            memory[at] = other_slope(memory[at], share)
    barrier()
    return loss / rows, np.float64(rows)


@device
def _part(net, label, j, classes):
    """Return the weight of -ln p_j in the loss of a row with this label."""
    return label_part(net.loss_weights[j], net.loss_parameter, classes, j == label)


@device
def _weighted_cross_entropy(memory, net, z, labels, delta, rows, classes, top, sums, lanes):
    """Mean cross-entropy with smoothed labels and class weights, over the sum of the weights of the rows' classes."""
    row = pitch(classes)
    _exponentials(memory, z, delta, rows, classes, top, sums)
    for i in thread_range(0, rows):
        label, level = np.int64(memory[labels + i]), row_loss(memory[top + i], memory[sums + i])
        loss, shares = cast_like(memory, 0), cast_like(memory, 0)
        for j in range(classes):
            part = _part(net, label, j, classes)
            loss, shares = add_part(loss, shares, part, level, memory[z + i * row + j])
        memory[top + i], memory[sums + i] = loss, shares / memory[sums + i]
    barrier()
    loss = total(memory, top, rows, lanes)
    for i in thread_range(0, rows):
        memory[top + i] = net.loss_weights[np.int64(memory[labels + i])]
    barrier()
    weight = total(memory, top, rows, lanes)
    scale = cast_like(memory, 1.0 / weight)
    for place in thread_range(0, rows * classes):
        i, j = divmod32(place, classes)
        part = _part(net, np.int64(memory[labels + i]), j, classes)
        at = delta + i * row + j
        memory[at] = part_slope(memory[at], memory[sums + i], part, scale)
    barrier()
    return loss / weight, weight


def _elementwise(value: Any, slope: Any) -> Any:
    """Return the loop over all outputs, each with its own parameter, for a loss that sums over them."""

    @device
    def loss_and_delta(memory, net, z, y, delta, rows, outputs, values, lanes):
        row, size = pitch(outputs), rows * outputs
        scale = cast_like(memory, 1.0 / size)
        for place in thread_range(0, size):
            i, j = divmod32(place, outputs)
            at = i * row + j
            parameter = net.loss_weights[j] if net.loss == BCE else net.loss_parameter
            memory[values + place] = value(memory[z + at], memory[y + place], parameter)
            memory[delta + at] = scale * slope(memory[z + at], memory[y + place], parameter)
        barrier()
        return total(memory, values, size, lanes) / size

    return loss_and_delta


_binary_cross_entropy = _elementwise(binary_cross_entropy, binary_cross_entropy_slope)
_squared_error = _elementwise(squared_error, squared_error_slope)
_absolute_error = _elementwise(absolute_error, absolute_error_slope)
_huber = _elementwise(huber, huber_slope)


@device
def loss_and_delta(memory, net, z, y, delta, rows, scratch, lanes):
    """Return the mean loss and the weight of the batch in a mean over batches, in float64; write delta = dL/dZ.

    Rows of Z and delta have `pitch(outputs)` numbers, those of the targets one for cross-entropy, else one for each
    output; scratch has room for the batch's outputs and two numbers for each row, lanes for 128 float64.
    """
    outputs = net.widths[net.widths.size - 1]
    if net.loss == CROSS_ENTROPY:
        top = scratch
        sums = top + rows
        if net.weighted:
            return _weighted_cross_entropy(memory, net, z, y, delta, rows, outputs, top, sums, lanes)
        return _cross_entropy(memory, z, y, delta, rows, outputs, top, sums, lanes)
    if net.loss == BCE:
        loss = _binary_cross_entropy(memory, net, z, y, delta, rows, outputs, scratch, lanes)
    elif net.loss == MSE:
        loss = _squared_error(memory, net, z, y, delta, rows, outputs, scratch, lanes)
    elif net.loss == HUBER:
        loss = _huber(memory, net, z, y, delta, rows, outputs, scratch, lanes)
    else:
        loss = _absolute_error(memory, net, z, y, delta, rows, outputs, scratch, lanes)
    return loss, np.float64(rows)
