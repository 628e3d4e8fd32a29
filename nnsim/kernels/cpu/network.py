"""The memory of one batch, and where each layer stands in it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnsim.kernels.compiling.decorators import inlined, inner, maker
from nnsim.kernels.cpu.gemm import new_panel
from nnsim.kernels.cpu.simd import address_of
from nnsim.kernels.formulas.architecture import is_normalized, layer_size, skips
from nnsim.kernels.formulas.normalization import NONE
from nnsim.kernels.formulas.written_orders import LANES, TILE_WORDS


class Workspace(NamedTuple):
    """Memory for one batch, made once a run.

    ``z`` (what the activation is applied to), ``a``, ``h`` (what a layer hands on), ``delta`` = dL/dZ and ``error`` =
    dL/dH hold every layer's matrix one after the other, layer l from ``rows_at[l]``; ``h`` is ``a``, and ``error`` is
    ``delta``, where nothing tells them apart. So do ``x`` (normalised values) and ``keep`` (0 or 1 / (1 - p) of
    dropout), empty without. ``moments[l]`` is a normalised layer's mean, variance and 1 / sqrt(variance + epsilon);
    ``weights_at[l]`` is where W_l begins in the parameter vector, ``statistics_at[l]`` where layer l begins in the
    running statistics; ``scratch`` serves losses and norms, ``lanes``
    sums, ``panel`` matrix products.
    """

    weights_at: np.ndarray
    statistics_at: np.ndarray
    rows_at: np.ndarray
    z: np.ndarray
    a: np.ndarray
    h: np.ndarray
    delta: np.ndarray
    error: np.ndarray
    x: np.ndarray
    keep: np.ndarray
    moments: np.ndarray
    scratch: np.ndarray
    lanes: np.ndarray
    panel: np.ndarray


@maker
def offsets(net, batch):
    """Return where each layer begins in the parameters, in the running statistics and in the batch's matrices."""
    layers = net.widths.size - 1
    weights_at, statistics_at, rows_at = np.zeros((3, layers + 1), np.int64)
    for layer in range(layers):
        fan_in, fan_out = net.widths[layer], net.widths[layer + 1]
        normalized = is_normalized(net.normalization, layer, layers - 1)
        weights_at[layer + 1] = weights_at[layer] + layer_size(fan_in, fan_out, normalized)
        statistics_at[layer + 1] = statistics_at[layer] + 2 * fan_out
        rows_at[layer + 1] = rows_at[layer] + batch * fan_out
    return weights_at, statistics_at, rows_at


@maker
def new_workspace(net, theta, batch):
    """Return a Workspace for batches of up to `batch` rows, of theta's dtype."""
    layers, widest = net.widths.size - 1, net.widths[1:].max()
    weights_at, statistics_at, rows_at = offsets(net, batch)
    size, hidden, dtype = rows_at[layers], rows_at[layers - 1], theta.dtype
    normalized, dropped = net.normalization != NONE, net.dropout > 0
    z, a, delta = np.empty(size, dtype), np.empty(size, dtype), np.empty(size, dtype)
    h = np.empty(size, dtype) if (normalized and net.after) or dropped or net.residual else a
    error = np.empty(size, dtype) if net.residual else delta
    x = np.empty(hidden if normalized else 0, dtype)
    keep = np.empty((hidden // TILE_WORDS + 1) * TILE_WORDS if dropped else 0, dtype)
    moments = np.empty((layers if normalized else 0, 3, max(widest, batch)), dtype)
    scratch = np.empty((2 * widest + 2) * batch + 2 * widest, dtype)
    lanes, panel = np.empty(LANES), new_panel(theta)
    return Workspace(weights_at, statistics_at, rows_at, z, a, h, delta, error, x, keep, moments, scratch, lanes, panel)


@inlined
def layer_vector(work, values, layer, rows, width):
    """Return layer `layer` of one of the workspace's matrices as a vector of its rows * width numbers."""
    start = work.rows_at[layer]
    return values[start : start + rows * width]


@inlined
def layer_matrix(work, values, layer, rows, width):
    """Return layer `layer` of one of the workspace's matrices with shape (rows, width)."""
    return layer_vector(work, values, layer, rows, width).reshape(rows, width)


@inlined
def layer_address(work, values, layer, size):
    """Address of layer `layer` of one of the workspace's matrices, whose numbers take `size` bytes."""
    return address_of(values) + size * work.rows_at[layer]


@inlined
def norm_parameters(net, work, values, layer):
    """Return gamma and beta of layer `layer`, or their gradients, from a vector laid out like the parameters."""
    width = net.widths[layer + 1]
    end = work.weights_at[layer + 1]
    return values[end - 2 * width : end - width], values[end - width : end]


@inner
def has_skip(net, layer):
    """Tell whether the layer before is added to layer `layer`."""
    return skips(net.residual, layer, net.widths.size - 2, net.widths[layer], net.widths[layer + 1])
