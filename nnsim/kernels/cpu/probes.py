"""What one looks at in every layer of a network: moments, saturation, dead units, gradient norms."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.compiling.decorators import inner, kernel, maker
from nnsim.kernels.cpu.activations import multiply_by_slope
from nnsim.kernels.cpu.losses import loss_and_delta
from nnsim.kernels.cpu.network import layer_matrix, new_workspace
from nnsim.kernels.cpu.passes import activate_layer, affine_layer, backward, forward
from nnsim.kernels.formulas.columns import (
    A_LOG,
    A_MEAN,
    A_SQUARE,
    BIAS_GRADIENT_SQUARES,
    DEAD,
    DELTA_LOG,
    DELTA_SQUARE,
    N_PROBE,
    SATURATED,
    WEIGHT_GRADIENT_SQUARES,
    WEIGHT_SQUARES,
    Z_MEAN,
    Z_SQUARE,
)
from nnsim.kernels.formulas.scalar_math import fma, log


@maker
def _mean(values, power):
    """Mean of values^power of a matrix, summed down the columns and then along them, in float64."""
    sums = np.zeros(values.shape[1])
    for i in range(values.shape[0]):
        for j in range(sums.size):
            x = np.float64(values[i, j])
            sums[j] = sums[j] + x if power == 1 else fma(x, x, sums[j])
    total = 0.0
    for j in range(sums.size):
        total += sums[j]
    return total / values.size


@inner
def _mean_log(values):
    """Mean over rows of ln(mean of squares of the row), in float64; -inf where a row is zero."""
    rows, units = values.shape
    total = 0.0
    for i in range(rows):
        square = 0.0
        for j in range(units):
            x = np.float64(values[i, j])
            square = fma(x, x, square)
        total += log(square / units)
    return total / rows


@inner
def _sum_of_squares(values):
    total = 0.0
    for i in range(values.size):
        x = np.float64(values[i])
        total = fma(x, x, total)
    return total


@maker
def _slope_facts(slope, threshold):
    """Share of |f'| below the threshold, and share of units whose slope is zero on every row."""
    rows, units = slope.shape
    flat, alive = np.zeros(units, np.int64), np.zeros(units, np.int64)
    for i in range(rows):
        for j in range(units):
            flat[j] += abs(slope[i, j]) < threshold
            alive[j] |= slope[i, j] != 0
    small, dead = 0, 0
    for j in range(units):
        small += flat[j]
        dead += 1 - alive[j]
    return small / slope.size, dead / units


@maker
def _probe_layer(net, theta, gradient, work, layer, rows, threshold, out):
    width = net.widths[layer + 1]
    z = layer_matrix(work, work.z, layer, rows, width)
    out[Z_MEAN], out[Z_SQUARE] = _mean(z, 1), _mean(z, 2)
    delta = layer_matrix(work, work.delta, layer, rows, width)
    out[DELTA_SQUARE], out[DELTA_LOG] = _mean(delta, 2), _mean_log(delta)
    at = work.weights_at[layer]
    bias_at = at + net.widths[layer] * width
    out[WEIGHT_SQUARES] = _sum_of_squares(theta[at:bias_at])
    out[WEIGHT_GRADIENT_SQUARES] = _sum_of_squares(gradient[at:bias_at])
    out[BIAS_GRADIENT_SQUARES] = _sum_of_squares(gradient[bias_at : bias_at + width])
    if layer == net.widths.size - 2:
        out[A_MEAN], out[A_SQUARE], out[A_LOG] = out[Z_MEAN], out[Z_SQUARE], _mean_log(z)
        return
    a = layer_matrix(work, work.a, layer, rows, width)
    out[A_MEAN], out[A_SQUARE], out[A_LOG] = _mean(a, 1), _mean(a, 2), _mean_log(a)
    slope = np.ones_like(a)
    multiply_by_slope(net.activation, z.reshape(z.size), a.reshape(a.size), slope.reshape(slope.size), net.parameter)
    out[SATURATED], out[DEAD] = _slope_facts(slope, threshold)


@kernel
def probe_layers(net, theta, X, Y, signal, threshold):
    """Return one row of facts for every layer, after a training pass forward and backward over all rows of X.

    Normalisation goes by the moments of these rows, and nothing is dropped.

    Parameters
    ----------
    net : Architecture
    theta : vector
    X, Y : matrices
        Inputs (rows, inputs) and targets as the loss wants them.
    signal : matrix (rows, outputs) or (0, 0)
        Error signal to send back from the last layer; with no rows, the gradient of the loss is sent.
    threshold : float
        |f'| below which a unit counts as saturated.

    Returns
    -------
    float64 array (layers, N_PROBE)
    """
    rows, outputs, layers = X.shape[0], net.widths[-1], net.widths.size - 1
    work = new_workspace(net, theta, rows)
    gradient = np.empty_like(theta)
    work.keep[:] = 1
    forward(net, theta, theta[:0], X, work, True)
    delta = layer_matrix(work, work.delta, layers - 1, rows, outputs)
    if signal.shape[0] == 0:
        loss_and_delta(net, layer_matrix(work, work.z, layers - 1, rows, outputs), Y, delta, work.scratch, work.lanes)
    else:
        for i in range(rows):
            for j in range(outputs):
                delta[i, j] = signal[i, j]
    backward(net, theta, X, work, gradient)
    out = np.zeros((layers, N_PROBE))
    for layer in range(layers):
        _probe_layer(net, theta, gradient, work, layer, rows, threshold, out[layer])
    return out


@kernel
def scale_to_unit_variance(net, theta, X):
    """Divide every W_l by the standard deviation of its output on the rows of X, from the first layer to the last.

    Layer-sequential unit variance (Mishkin and Matas 2016). With zero biases the output is linear in W_l, so one
    division is exact.
    """
    rows = X.shape[0]
    work = new_workspace(net, theta, rows)
    work.keep[:] = 1
    for layer in range(net.widths.size - 1):
        affine_layer(net, theta, X, work, layer)
        z = layer_matrix(work, work.z, layer, rows, net.widths[layer + 1])
        mean = _mean(z, 1)
        deviation = np.sqrt(fma(-mean, mean, _mean(z, 2)))
        if deviation > 0.0:
            at = work.weights_at[layer]
            weights = theta[at : at + net.widths[layer] * net.widths[layer + 1]]
            for i in range(weights.size):
                weights[i] = weights[i] / theta.dtype.type(deviation)
            affine_layer(net, theta, X, work, layer)
        activate_layer(net, theta, theta[:0], work, layer, rows, True)
