"""Batch and layer normalisation of a layer's matrix, forward and backward.

Sums run down the columns, in the order of the rows. Layer normalisation sums along rows: on the transpose, the same
sums down columns.
"""

from __future__ import annotations

from nnsim.kernels.compiling.decorators import inner
from nnsim.kernels.cpu.gemm import transpose
from nnsim.kernels.formulas.normalization import (
    BATCH,
    error_through_norm,
    inverse_deviation,
    normalize,
    running_mean,
    running_variance,
    scale_and_shift,
)
from nnsim.kernels.formulas.scalar_math import fma

MEAN, VARIANCE, INVERSE = range(3)  # rows of a layer's moments


@inner
def column_moments(Z, mean, variance):
    """Mean and (biased) variance of every column."""
    rows, columns = Z.shape
    count = Z.dtype.type(rows)
    for j in range(columns):
        mean[j] = Z[0, j]
    for i in range(1, rows):
        for j in range(columns):
            mean[j] += Z[i, j]
    for j in range(columns):
        mean[j] /= count
        variance[j] = 0
    for i in range(rows):
        for j in range(columns):
            difference = Z[i, j] - mean[j]
            variance[j] = fma(difference, difference, variance[j])
    for j in range(columns):
        variance[j] /= count


@inner
def _moments(code, Z, moments, scratch):
    """Mean and variance of every column (batch normalisation) or every row (layer normalisation)."""
    rows, width = Z.shape
    if code == BATCH:
        column_moments(Z, moments[MEAN, :width], moments[VARIANCE, :width])
    else:
        T = scratch[: rows * width].reshape(width, rows)
        transpose(Z, T)
        column_moments(T, moments[MEAN, :rows], moments[VARIANCE, :rows])


@inner
def _apply(code, Z, X, Y, gamma, beta, moments):
    """X = the normalised Z, Y = gamma X + beta; Y may be Z."""
    rows, width = Z.shape
    mean, inverse = moments[MEAN], moments[INVERSE]
    for i in range(rows):
        if code == BATCH:
            for j in range(width):
                X[i, j] = normalize(Z[i, j], mean[j], inverse[j])
        else:
            for j in range(width):
                X[i, j] = normalize(Z[i, j], mean[i], inverse[i])
        for j in range(width):
            Y[i, j] = scale_and_shift(X[i, j], gamma[j], beta[j])


@inner
def norm_forward(code, Z, X, Y, gamma, beta, moments, epsilon, scratch):
    """Normalise Z by the moments of this batch: writes X, Y = gamma X + beta (which may be Z) and the moments.

    Z, X and Y have shape (rows, width); gamma and beta (width,); moments (3, at least max(rows, width)); scratch is a
    vector of at least rows * width numbers.
    """
    rows, width = Z.shape
    _moments(code, Z, moments, scratch)
    for k in range(width if code == BATCH else rows):
        moments[INVERSE, k] = inverse_deviation(moments[VARIANCE, k], epsilon)
    _apply(code, Z, X, Y, gamma, beta, moments)


@inner
def norm_evaluate(Z, X, Y, gamma, beta, running, moments, epsilon):
    """Normalise Z by running statistics, the means and then the variances of all units."""
    width = Z.shape[1]
    for j in range(width):
        moments[MEAN, j] = running[j]
        moments[INVERSE, j] = inverse_deviation(running[width + j], epsilon)
    _apply(BATCH, Z, X, Y, gamma, beta, moments)


@inner
def update_running(running, moments, rows, width, momentum):
    """Blend a batch's mean and unbiased variance into the running statistics."""
    unbiased = running.dtype.type(rows / (rows - 1))
    for j in range(width):
        running[j] = running_mean(running[j], moments[MEAN, j], momentum)
        running[width + j] = running_variance(running[width + j], moments[VARIANCE, j], unbiased, momentum)


@inner
def parameter_gradients(delta, X, grad_gamma, grad_beta):
    """Sums down the columns of delta X and of delta."""
    rows, width = delta.shape
    for j in range(width):
        grad_gamma[j] = delta[0, j] * X[0, j]
        grad_beta[j] = delta[0, j]
    for i in range(1, rows):
        for j in range(width):
            grad_gamma[j] = fma(delta[i, j], X[i, j], grad_gamma[j])
            grad_beta[j] += delta[i, j]


@inner
def _batch_error(delta, X, gamma, inverse, grad_gamma, grad_beta, scratch):
    """The means over a column of g = gamma delta and g x are those of the parameters' gradients, times gamma."""
    rows, width = delta.shape
    count = delta.dtype.type(rows)
    mean_g, mean_gx = scratch[:width], scratch[width : 2 * width]
    for j in range(width):
        mean_g[j], mean_gx[j] = gamma[j] * grad_beta[j] / count, gamma[j] * grad_gamma[j] / count
    for i in range(rows):
        for j in range(width):
            delta[i, j] = error_through_norm(delta[i, j], gamma[j], X[i, j], mean_g[j], mean_gx[j], inverse[j])


@inner
def _layer_error(delta, X, gamma, inverse, scratch):
    """Means over a row of g = gamma delta and of g x, summed from the left."""
    rows, width = delta.shape
    size = rows * width
    D, T = scratch[:size].reshape(width, rows), scratch[size : 2 * size].reshape(width, rows)
    mean_g, mean_gx = scratch[2 * size : 2 * size + rows], scratch[2 * size + rows : 2 * size + 2 * rows]
    transpose(delta, D)
    transpose(X, T)
    for i in range(rows):
        mean_g[i], mean_gx[i] = 0, 0
    for j in range(width):
        for i in range(rows):
            mean_g[i] = fma(gamma[j], D[j, i], mean_g[i])
            mean_gx[i] = fma(gamma[j] * D[j, i], T[j, i], mean_gx[i])
    for i in range(rows):
        mean_g[i] /= delta.dtype.type(width)
        mean_gx[i] /= delta.dtype.type(width)
    for i in range(rows):
        for j in range(width):
            delta[i, j] = error_through_norm(delta[i, j], gamma[j], X[i, j], mean_g[i], mean_gx[i], inverse[i])


@inner
def norm_backward(code, delta, X, gamma, grad_gamma, grad_beta, moments, scratch):
    """Turn delta = dL/dY into dL/dZ in place, and write the gradients of gamma and beta.

    scratch is a vector of at least 2 * rows * width + 2 * max(rows, width) numbers.
    """
    parameter_gradients(delta, X, grad_gamma, grad_beta)
    if code == BATCH:
        _batch_error(delta, X, gamma, moments[INVERSE], grad_gamma, grad_beta, scratch)
    else:
        _layer_error(delta, X, gamma, moments[INVERSE], scratch)
