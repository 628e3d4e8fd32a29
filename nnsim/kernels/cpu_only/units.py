"""What single units do on a batch: whether their slope is ever not zero, how large they are, what they are fed."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.compiling.decorators import kernel, maker
from nnsim.kernels.cpu.activations import multiply_by_slope
from nnsim.kernels.cpu.network import layer_matrix, new_workspace
from nnsim.kernels.cpu.normalization import MEAN, VARIANCE
from nnsim.kernels.cpu.passes import forward
from nnsim.kernels.formulas.normalization import BATCH
from nnsim.kernels.formulas.scalar_math import fma

# Columns of a unit's facts. Z is what the activation is applied to, LINEAR what the weights and the bias give.
ACTIVE, SIZE, Z_MEAN, Z_VARIANCE, LINEAR_MEAN, LINEAR_VARIANCE = range(6)
COLUMNS = 6


@maker
def _moments(values, mean, variance):
    """Mean and (biased) variance of every column, summed in the order of the rows, in float64."""
    rows, units = values.shape
    for i in range(rows):
        for j in range(units):
            mean[j] += values[i, j]
    for j in range(units):
        mean[j] /= rows
    for i in range(rows):
        for j in range(units):
            difference = values[i, j] - mean[j]
            variance[j] = fma(difference, difference, variance[j])
    for j in range(units):
        variance[j] /= rows


@maker
def _layer_units(net, z, a, out):
    rows, units = z.shape
    slope = np.ones_like(a)
    multiply_by_slope(net.activation, z.reshape(z.size), a.reshape(a.size), slope.reshape(slope.size), net.parameter)
    for i in range(rows):
        for j in range(units):
            out[j, ACTIVE] += slope[i, j] != 0
            out[j, SIZE] += abs(a[i, j])
    for j in range(units):
        out[j, SIZE] /= rows
    _moments(z, out[:, Z_MEAN], out[:, Z_VARIANCE])


@kernel
def unit_facts(net, theta, statistics, X, training):
    """Return one row of facts for every hidden unit, layer by layer, on all rows of X; nothing is dropped.

    Parameters
    ----------
    net : Architecture
    theta, statistics : vectors
    X : matrix (rows, inputs)
    training : bool
        Whether batch normalisation goes by the moments of these rows, instead of the running statistics.

    Returns
    -------
    float64 array (hidden units, COLUMNS)
        The number of rows on which the slope is not zero; the mean of |a|; mean and variance of z, and of the linear
        output before normalisation (by running statistics that is not kept: it is then that of z).
    """
    rows, layers, at = X.shape[0], net.widths.size - 2, 0
    work = new_workspace(net, theta, rows)
    work.keep[:] = 1
    forward(net, theta, statistics, X, work, training)
    out = np.zeros((net.widths[1:-1].sum(), COLUMNS))
    for layer in range(layers):
        width = net.widths[layer + 1]
        z, a = layer_matrix(work, work.z, layer, rows, width), layer_matrix(work, work.a, layer, rows, width)
        here = out[at : at + width]
        _layer_units(net, z, a, here)
        here[:, LINEAR_MEAN:] = here[:, Z_MEAN:LINEAR_MEAN]
        if net.normalization == BATCH and training and not net.after:
            for j in range(width):
                here[j, LINEAR_MEAN] = work.moments[layer, MEAN, j]
                here[j, LINEAR_VARIANCE] = work.moments[layer, VARIANCE, j]
        at += width
    return out
