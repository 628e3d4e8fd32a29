"""Batch and layer normalisation of a layer's matrix in every network, forward and backward.

Sums down the columns of (rows, width) matrices of vectors are sums down the columns of (rows, width * lanes) matrices
of numbers: batch normalisation is that of one network. Layer normalisation sums along rows: on the transpose, the same
sums down columns.
"""

from __future__ import annotations

from nnsim.kernels.compiling.decorators import inner
from nnsim.kernels.cpu import normalization as single
from nnsim.kernels.cpu.normalization import INVERSE, MEAN, VARIANCE
from nnsim.kernels.cpu.simd import address_of
from nnsim.kernels.formulas.normalization import (
    BATCH,
    error_through_norm,
    inverse_deviation,
    normalize,
    scale_and_shift,
)
from nnsim.kernels.formulas.scalar_math import fma
from nnsim.kernels.lanes.gemm import transpose

_batch_forward, _batch_backward = single.norm_forward, single.norm_backward
_column_moments, _parameter_gradients = single.column_moments, single.parameter_gradients


@inner
def _layer_forward(z, x, y, gamma, beta, moments, epsilon, scratch, rows, width, lanes):
    columns = rows * lanes
    T = scratch[: width * columns].reshape(width, columns)
    transpose(z[0], address_of(z), address_of(T), rows, width)
    _column_moments(T, moments[MEAN, :columns], moments[VARIANCE, :columns])
    for i in range(columns):
        moments[INVERSE, i] = inverse_deviation(moments[VARIANCE, i], epsilon)
    for i in range(rows):
        mean, inverse = moments[MEAN, i * lanes :], moments[INVERSE, i * lanes :]
        for j in range(width):
            place = (i * width + j) * lanes
            _normalize_vector(z[place:], x[place:], mean, inverse, lanes)
        row = slice(i * width * lanes, (i + 1) * width * lanes)
        _scale_and_shift(x[row], y[row], gamma, beta)


@inner
def _normalize_vector(z, x, mean, inverse, lanes):
    for lane in range(lanes):
        x[lane] = normalize(z[lane], mean[lane], inverse[lane])


@inner
def _scale_and_shift(x, y, gamma, beta):
    for i in range(x.size):
        y[i] = scale_and_shift(x[i], gamma[i], beta[i])


@inner
def norm_forward(code, z, x, y, gamma, beta, moments, epsilon, scratch, rows, width, lanes):
    """Normalise z by the moments of this batch: writes x, y = gamma x + beta (which may be z) and the moments.

    z, x and y are vectors (rows * width * lanes,); gamma and beta (width * lanes,); moments (3, at least max(rows,
    width) * lanes); scratch holds at least rows * width * lanes numbers.
    """
    if code == BATCH:
        shape = (rows, width * lanes)
        _batch_forward(code, z.reshape(shape), x.reshape(shape), y.reshape(shape), gamma, beta, moments, epsilon, z)
    else:
        _layer_forward(z, x, y, gamma, beta, moments, epsilon, scratch, rows, width, lanes)


@inner
def _layer_error(delta, x, gamma, inverse, scratch, rows, width, lanes):
    """Means over a row of g = gamma delta and of g x, summed from the left."""
    columns = rows * lanes
    size = width * columns
    D, T = scratch[:size].reshape(width, columns), scratch[size : 2 * size].reshape(width, columns)
    mean_g, mean_gx = scratch[2 * size : 2 * size + columns], scratch[2 * size + columns : 2 * size + 2 * columns]
    transpose(delta[0], address_of(delta), address_of(D), rows, width)
    transpose(delta[0], address_of(x), address_of(T), rows, width)
    for i in range(columns):
        mean_g[i], mean_gx[i] = 0, 0
    for j in range(width):
        for i in range(rows):
            for lane in range(lanes):
                g, place = gamma[j * lanes + lane], i * lanes + lane
                mean_g[place] = fma(g, D[j, place], mean_g[place])
                mean_gx[place] = fma(g * D[j, place], T[j, place], mean_gx[place])
    for i in range(columns):
        mean_g[i] /= delta.dtype.type(width)
        mean_gx[i] /= delta.dtype.type(width)
    for i in range(rows):
        for j in range(width):
            for lane in range(lanes):
                place, unit, row = (i * width + j) * lanes + lane, j * lanes + lane, i * lanes + lane
                delta[place] = error_through_norm(
                    delta[place], gamma[unit], x[place], mean_g[row], mean_gx[row], inverse[row]
                )


@inner
def norm_backward(code, delta, x, gamma, grad_gamma, grad_beta, moments, scratch, rows, width, lanes):
    """Turn delta = dL/dY into dL/dZ in place, and write the gradients of gamma and beta.

    scratch holds at least (2 * rows * width + 2 * max(rows, width)) * lanes numbers.
    """
    shape = (rows, width * lanes)
    if code == BATCH:
        _batch_backward(code, delta.reshape(shape), x.reshape(shape), gamma, grad_gamma, grad_beta, moments, scratch)
    else:
        _parameter_gradients(delta.reshape(shape), x.reshape(shape), grad_gamma, grad_beta)
        _layer_error(delta, x, gamma, moments[INVERSE], scratch, rows, width, lanes)
