"""The memory of one batch of every network, and where each layer stands in it."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.compiling.decorators import inlined, maker
from nnsim.kernels.cpu.network import Workspace, offsets
from nnsim.kernels.cpu.simd import VECTOR_BYTES, address_of, aligned
from nnsim.kernels.formulas.normalization import NONE
from nnsim.kernels.formulas.written_orders import LANES, TILE_WORDS
from nnsim.kernels.lanes.gemm import new_constants


@maker
def new_workspace(net, theta, batch):
    """Return a `nnsim.kernels.cpu.network.Workspace` for batches of up to `batch` rows, of theta's dtype.

    Its arrays hold a vector where those of one network hold a number, and the places of layers count vectors; ``lanes``
    is scratch for 128 sums a lane, ``panel`` holds vectors of zeros and of ones.
    """
    layers, widest, lanes = net.widths.size - 1, net.widths.max(), VECTOR_BYTES // theta.itemsize
    weights_at, statistics_at, rows_at = offsets(net, batch)
    size, hidden, dtype = rows_at[layers] * lanes, rows_at[layers - 1] * lanes, theta.dtype
    normalized, dropped = net.normalization != NONE, net.dropout > 0
    z, a, delta = aligned(size, dtype), aligned(size, dtype), aligned(size, dtype)
    h = aligned(size, dtype) if (normalized and net.after) or dropped or net.residual else a
    error = aligned(size, dtype) if net.residual else delta
    x = aligned(hidden if normalized else 0, dtype)
    tiles = rows_at[layers - 1] // TILE_WORDS + 1
    keep = aligned(tiles * TILE_WORDS * lanes if dropped else 0, dtype)
    most, norms = max(widest, batch) * lanes, layers if normalized else 0
    moments = aligned(norms * 3 * most, dtype).reshape(norms, 3, most)
    scratch = aligned(((2 * widest + 4) * batch + 2 * widest) * lanes, dtype)
    sums, constants = aligned(LANES * lanes, np.float64), new_constants(theta)
    return Workspace(
        weights_at, statistics_at, rows_at, z, a, h, delta, error, x, keep, moments, scratch, sums, constants
    )


@inlined
def layer_vector(work, values, layer, rows, width, lanes):
    """Return layer `layer` of one of the workspace's matrices as a vector of its rows * width * lanes numbers."""
    start = work.rows_at[layer] * lanes
    return values[start : start + rows * width * lanes]


@inlined
def layer_address(work, values, layer):
    """Address of layer `layer` of one of the workspace's matrices."""
    return address_of(values) + VECTOR_BYTES * work.rows_at[layer]


@inlined
def norm_parameters(net, work, values, layer, lanes):
    """Return gamma and beta of layer `layer`, or their gradients, from a vector laid out like the parameters."""
    width = net.widths[layer + 1] * lanes
    end = work.weights_at[layer + 1] * lanes
    return values[end - 2 * width : end - width], values[end - width : end]
