"""Batch and layer normalisation in the order of `nnsim.kernels.cpu.normalization`; a thread takes a whole group.

A group is what one mean belongs to: a unit over the rows of a batch, or a row over its units.
"""

from __future__ import annotations

from nnsim.kernels.cpu.normalization import INVERSE
from nnsim.kernels.cuda.decorators import barrier, cast_like, device
from nnsim.kernels.cuda.network import pitch
from nnsim.kernels.cuda.threads import thread_range
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


@device
def _groups(code, rows, width):
    """Return how many groups there are, how many members each has, and the steps from one to the next of both."""
    if code == BATCH:
        return width, rows, 1, pitch(width)
    return rows, width, pitch(width), 1


@device
def norm_forward(memory, code, z, out, normal, gamma, beta, moments, moments_row, rows, width, epsilon):
    """Normalise Z by the moments of this batch: writes them, the normalised Z, and out = gamma normal + beta."""
    groups, members, step, stride = _groups(code, rows, width)
    count = cast_like(memory, members)
    for group in thread_range(0, groups):
        first = group * step
        mean, variance = memory[z + first], cast_like(memory, 0)
        for i in range(1, members):
            mean += memory[z + first + i * stride]
        mean /= count
        for i in range(members):
            difference = memory[z + first + i * stride] - mean
            variance = fma(difference, difference, variance)
        variance /= count
        inverse = inverse_deviation(variance, epsilon)
        memory[moments + group], memory[moments + moments_row + group] = mean, variance
        memory[moments + INVERSE * moments_row + group] = inverse
        for i in range(members):
            unit = group if code == BATCH else i
            at = first + i * stride
            x = normalize(memory[z + at], mean, inverse)
            memory[normal + at] = x
            memory[out + at] = scale_and_shift(x, memory[gamma + unit], memory[beta + unit])
    barrier()


@device
def norm_evaluate(memory, z, out, normal, gamma, beta, running, rows, width, epsilon):
    """Normalise Z by running statistics, the means and then the variances of all units."""
    for j in thread_range(0, width):
        mean, inverse = memory[running + j], inverse_deviation(memory[running + width + j], epsilon)
        for i in range(rows):
            at = i * pitch(width) + j
            x = normalize(memory[z + at], mean, inverse)
            memory[normal + at] = x
            memory[out + at] = scale_and_shift(x, memory[gamma + j], memory[beta + j])
    barrier()


@device
def update_running(memory, running, moments, moments_row, rows, width, momentum):
    """Blend a batch's mean and unbiased variance into the running statistics."""
    unbiased = cast_like(memory, rows / (rows - 1))
    for j in thread_range(0, width):
        memory[running + j] = running_mean(memory[running + j], memory[moments + j], momentum)
        variance = memory[moments + moments_row + j]
        memory[running + width + j] = running_variance(memory[running + width + j], variance, unbiased, momentum)
    barrier()


@device
def _parameter_gradients(memory, delta, normal, grad_gamma, grad_beta, rows, width):
    """Sums down the columns of delta times the normalised numbers, and of delta."""
    for j in thread_range(0, width):
        error = memory[delta + j]
        by_gamma, by_beta = error * memory[normal + j], error
        for i in range(1, rows):
            at = i * pitch(width) + j
            by_gamma = fma(memory[delta + at], memory[normal + at], by_gamma)
            by_beta += memory[delta + at]
        memory[grad_gamma + j], memory[grad_beta + j] = by_gamma, by_beta
    barrier()


@device
def _batch_error(memory, delta, normal, gamma, inverses, grad_gamma, grad_beta, rows, width):
    """The means over a column of g = gamma delta and g x are those of the parameters' gradients, times gamma."""
    count = cast_like(memory, rows)
    for j in thread_range(0, width):
        scale, inverse = memory[gamma + j], memory[inverses + j]
        mean_g, mean_gx = scale * memory[grad_beta + j] / count, scale * memory[grad_gamma + j] / count
        for i in range(rows):
            at = i * pitch(width) + j
            memory[delta + at] = error_through_norm(
                memory[delta + at], scale, memory[normal + at], mean_g, mean_gx, inverse
            )
    barrier()


@device
def _layer_error(memory, delta, normal, gamma, inverses, rows, width):
    """Means over a row of g = gamma delta and of g x, summed from the left."""
    count = cast_like(memory, width)
    for i in thread_range(0, rows):
        first, inverse = i * pitch(width), memory[inverses + i]
        mean_g, mean_gx = cast_like(memory, 0), cast_like(memory, 0)
        for j in range(width):
            error, scale = memory[delta + first + j], memory[gamma + j]
            mean_g = fma(scale, error, mean_g)
            mean_gx = fma(scale * error, memory[normal + first + j], mean_gx)
        mean_g /= count
        mean_gx /= count
        for j in range(width):
            at = first + j
            memory[delta + at] = error_through_norm(
                memory[delta + at], memory[gamma + j], memory[normal + at], mean_g, mean_gx, inverse
            )
    barrier()


@device
def norm_backward(memory, code, delta, normal, gamma, grad_gamma, grad_beta, moments, moments_row, rows, width):
    """Turn delta = dL/dY into dL/dZ in place, and write the gradients of gamma and beta."""
    _parameter_gradients(memory, delta, normal, grad_gamma, grad_beta, rows, width)
    inverses = moments + INVERSE * moments_row
    if code == BATCH:
        _batch_error(memory, delta, normal, gamma, inverses, grad_gamma, grad_beta, rows, width)
    else:
        _layer_error(memory, delta, normal, gamma, inverses, rows, width)
