"""What one looks at in every layer of a network, as in `nnsim.kernels.cpu.probes`; a thread adds up one fact.

Every fact is summed in the CPU's order, so by one thread; layers and facts are many enough to keep a block busy.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import types

from nnsim.kernels.cuda.activations import multiply_by_slope
from nnsim.kernels.cuda.decorators import barrier, cast_like, cuda, device, divmod32, kernel
from nnsim.kernels.cuda.gemm import TILES
from nnsim.kernels.cuda.losses import loss_and_delta
from nnsim.kernels.cuda.network import (
    BIAS_GRADIENT,
    DELTA,
    INPUTS,
    MASKS,
    MASKS_SIZE,
    SCRATCH,
    TARGETS,
    THETA,
    WEIGHT,
    WEIGHT_GRADIENT,
    A,
    Z,
    pitch,
)
from nnsim.kernels.cuda.passes import backward, forward
from nnsim.kernels.cuda.threads import thread_range
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
from nnsim.kernels.formulas.written_orders import LANES


@device
def _mean(memory, matrix, rows, units):
    """Mean of a matrix of the batch, summed down the columns and then along them, in float64."""
    total = 0.0
    for j in range(units):
        column = 0.0
        for i in range(rows):
            column += np.float64(memory[matrix + i * pitch(units) + j])
        total += column
    return total / np.float64(rows * units)


@device
def _mean_square(memory, matrix, rows, units):
    """Mean of the squares of a matrix of the batch, in the same order."""
    total = 0.0
    for j in range(units):
        column = 0.0
        for i in range(rows):
            x = np.float64(memory[matrix + i * pitch(units) + j])
            column = fma(x, x, column)
        total += column
    return total / np.float64(rows * units)


@device
def _mean_log(memory, matrix, rows, units):
    """Mean over rows of ln(mean of squares of the row), in float64; -inf where a row is zero."""
    total = 0.0
    for i in range(rows):
        total += log(_sum_of_squares(memory, matrix + i * pitch(units), units) / np.float64(units))
    return total / np.float64(rows)


@device
def _sum_of_squares(memory, values, size):
    total = 0.0
    for i in range(size):
        x = np.float64(memory[values + i])
        total = fma(x, x, total)
    return total


@device
def _flat_share(memory, slope, rows, units, threshold):
    """Share of |f'| below the threshold."""
    flat = 0.0
    for i in range(rows):
        for j in range(units):
            flat += 1.0 if abs(memory[slope + i * pitch(units) + j]) < threshold else 0.0
    return flat / np.float64(rows * units)


@device
def _dead_share(memory, slope, rows, units):
    """Share of units whose slope is zero on every row."""
    dead = 0.0
    for j in range(units):
        alive = False
        for i in range(rows):
            alive = alive or memory[slope + i * pitch(units) + j] != 0
        dead += 0.0 if alive else 1.0
    return dead / np.float64(units)


@device
def _fact(memory, net, at, layer, rows, fact):
    """Return one fact of one layer, but for those of slopes."""
    fan_in, units = net.widths[layer], net.widths[layer + 1]
    activated = at[Z] if layer == net.widths.size - 2 else at[A]
    if fact == Z_MEAN:
        return _mean(memory, at[Z], rows, units)
    if fact == Z_SQUARE:
        return _mean_square(memory, at[Z], rows, units)
    if fact == A_MEAN:
        return _mean(memory, activated, rows, units)
    if fact == A_SQUARE:
        return _mean_square(memory, activated, rows, units)
    if fact == A_LOG:
        return _mean_log(memory, activated, rows, units)
    if fact == DELTA_SQUARE:
        return _mean_square(memory, at[DELTA], rows, units)
    if fact == DELTA_LOG:
        return _mean_log(memory, at[DELTA], rows, units)
    if fact == WEIGHT_SQUARES:
        return _sum_of_squares(memory, at[WEIGHT], fan_in * units)
    if fact == WEIGHT_GRADIENT_SQUARES:
        return _sum_of_squares(memory, at[WEIGHT_GRADIENT], fan_in * units)
    if fact == BIAS_GRADIENT_SQUARES:
        return _sum_of_squares(memory, at[BIAS_GRADIENT], units)
    return 0.0


@device
def _slopes(memory, net, places, rows):
    """Leave f' of every hidden layer where delta was."""
    for layer in range(net.widths.size - 2):
        at, size = places.layer[layer], rows * pitch(net.widths[layer + 1])
        for i in thread_range(0, size):
            memory[at[DELTA] + i] = cast_like(memory, 1)
        barrier()
        multiply_by_slope(memory, net.activation, at[Z], at[A], at[DELTA], size, net.parameter)


@device
def _load(memory, places, theta, X, Y):
    """Bring in a network, the rows on which it is looked at and their targets; nothing is dropped."""
    at, inputs, targets = places.network, X.shape[1], Y.shape[1]
    for i in thread_range(0, theta.size):
        memory[at[THETA] + i] = theta[i]
    for place in thread_range(0, X.shape[0] * inputs):
        i, j = divmod32(place, inputs)
        memory[at[INPUTS] + i * pitch(inputs) + j] = X[i, j]
    for place in thread_range(0, Y.shape[0] * targets):
        i, j = divmod32(place, targets)
        memory[at[TARGETS] + place] = Y[i, j]
    for i in thread_range(0, at[MASKS_SIZE]):
        memory[at[MASKS] + i] = cast_like(memory, 1)
    barrier()


@device
def _send_back(memory, net, places, signal, rows, lanes):
    """Write the last layer's delta: the signal or, where there is none, the gradient of the loss."""
    at, last, outputs = places.network, places.layer[net.widths.size - 2], net.widths[net.widths.size - 1]
    if signal.shape[0] == 0:
        loss_and_delta(memory, net, last[Z], at[TARGETS], last[DELTA], rows, at[SCRATCH], lanes)
        return
    for place in thread_range(0, rows * outputs):
        i, j = divmod32(place, outputs)
        memory[last[DELTA] + i * pitch(outputs) + j] = signal[i, j]
    barrier()


@device
def _look(memory, net, places, rows, threshold, out):
    layers = net.widths.size - 1
    for task in thread_range(0, layers * N_PROBE):
        layer, fact = divmod32(task, N_PROBE)
        out[layer, fact] = _fact(memory, net, places.layer[layer], layer, rows, fact)
    barrier()
    _slopes(memory, net, places, rows)
    for layer in thread_range(0, layers - 1):
        slope, units = places.layer[layer][DELTA], net.widths[layer + 1]
        out[layer, SATURATED] = _flat_share(memory, slope, rows, units, threshold)
        out[layer, DEAD] = _dead_share(memory, slope, rows, units)
    barrier()


@cache
def probe_layers(dtype: str, resident: bool) -> Any:
    """Return the kernel for networks of one precision, in shared memory (`resident`) or in the device's.

    ``probe_layers(net, places, theta, X, Y, signal, threshold, out, scratch)`` writes a row of facts for every layer of
    every network. The arrays have a first axis of networks, then the shapes that the CPU's function takes and returns;
    `scratch` is as for `nnsim.kernels.cuda.training.train_epochs`.
    """
    number = {"float32": types.float32, "float64": types.float64}[dtype]

    @kernel
    def probe_layers(net, places, theta, X, Y, signal, threshold, out, scratch):
        lanes = cuda.shared.array(LANES, types.float64)
        tiles = None if resident else cuda.shared.array(TILES, number)
        memory = cuda.shared.array(0, number) if resident else scratch[cuda.blockIdx.x]
        rows = X.shape[1]
        for network in range(cuda.blockIdx.x, theta.shape[0], cuda.gridDim.x):
            _load(memory, places, theta[network], X[network], Y[network])
            forward(memory, tiles, net, places, rows, True)
            _send_back(memory, net, places, signal[network], rows, lanes)
            backward(memory, tiles, net, places, rows)
            _look(memory, net, places, rows, threshold, out[network])

    return probe_layers
