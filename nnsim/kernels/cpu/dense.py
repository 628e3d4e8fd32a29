"""A multi-layer perceptron in one flat parameter vector: forward, backward and the memory they need.

With layers numbered l = 0 ... L - 1, A_{-1} = X and the last layer linear::

    Z_l = A_{l-1} W_l + b_l         A_l = f(Z_l)
    delta_{L-1} = dLoss/dZ_{L-1}    delta_{l-1} = (delta_l W_l^T) * f'(Z_{l-1})
    grad W_l = A_{l-1}^T delta_l    grad b_l = 1^T delta_l

The parameter vector is W_0, b_0, W_1, b_1, ..., with W_l of shape (fan_in, fan_out), row by row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnsim.kernels.cpu.activations import activate, multiply_by_slope
from nnsim.kernels.cpu.gemm import affine, bias_gradient, error_before, new_panel, weight_gradient
from nnsim.kernels.options import inlined, maker
from nnsim.kernels.vector import address_of, size_of


class Architecture(NamedTuple):
    """What the kernels know of a network: widths (int64 array), activation code and parameter, loss code."""

    widths: np.ndarray
    activation: int
    parameter: float
    loss: int


class Workspace(NamedTuple):
    """Memory for one batch, made once a run.

    ``z``, ``a`` and ``delta`` hold every layer's matrix one after the other, layer l from ``rows_at[l]``;
    ``weights_at[l]`` is where W_l begins in the parameter vector, ``outputs`` scratch for the
    loss and ``panel`` for matrix products.
    """

    weights_at: np.ndarray
    rows_at: np.ndarray
    z: np.ndarray
    a: np.ndarray
    delta: np.ndarray
    outputs: np.ndarray
    panel: np.ndarray


@maker
def new_workspace(theta, widths, batch):
    """Return a Workspace for batches of up to `batch` rows, of theta's dtype."""
    layers = widths.size - 1
    weights_at, rows_at = np.zeros(layers + 1, np.int64), np.zeros(layers + 1, np.int64)
    for layer in range(layers):
        weights_at[layer + 1] = weights_at[layer] + (widths[layer] + 1) * widths[layer + 1]
        rows_at[layer + 1] = rows_at[layer] + batch * widths[layer + 1]
    size = rows_at[layers]
    dtype = theta.dtype
    z, a, delta = np.empty(size, dtype), np.empty(size, dtype), np.empty(size, dtype)
    outputs = np.empty((widths[layers] + 2) * batch, dtype)
    return Workspace(weights_at, rows_at, z, a, delta, outputs, new_panel(theta))


@inlined
def layer_vector(work, values, layer, rows, width):
    """Return layer `layer` of ``work.z``, ``work.a`` or ``work.delta`` as a vector of its rows * width numbers."""
    start = work.rows_at[layer]
    return values[start : start + rows * width]


@inlined
def layer_matrix(work, values, layer, rows, width):
    """Return layer `layer` of ``work.z``, ``work.a`` or ``work.delta`` with shape (rows, width)."""
    return layer_vector(work, values, layer, rows, width).reshape(rows, width)


@inlined
def _address(work, values, layer, size):
    """Address of layer `layer` of ``work.z``, ``work.a`` or ``work.delta``."""
    return address_of(values) + size * work.rows_at[layer]


@inlined
def forward_layer(net, theta, X, work, layer):
    """Fill layer `layer` of ``work.z`` and, unless it is the last, of ``work.a``, from the layer before it."""
    rows, size, panel = X.shape[0], size_of(theta[0]), address_of(work.panel)
    fan_in, fan_out = net.widths[layer], net.widths[layer + 1]
    a = address_of(X) if layer == 0 else _address(work, work.a, layer - 1, size)
    w = address_of(theta) + size * work.weights_at[layer]
    b = w + size * fan_in * fan_out
    affine(theta[0], panel, a, w, b, _address(work, work.z, layer, size), rows, fan_in, fan_out)
    if layer < net.widths.size - 2:
        z = layer_vector(work, work.z, layer, rows, fan_out)
        activate(net.activation, z, layer_vector(work, work.a, layer, rows, fan_out), net.parameter)


@inlined
def forward(net, theta, X, work):
    """Fill ``work.z`` and ``work.a`` for the rows of X; the last layer's Z are the logits."""
    for layer in range(net.widths.size - 1):
        forward_layer(net, theta, X, work, layer)


@inlined
def _backward_layer(net, theta, X, work, gradient, layer):
    """Gradients of layer `layer` from its delta, and the delta of the layer before it."""
    rows, size, panel = X.shape[0], size_of(theta[0]), address_of(work.panel)
    fan_in, fan_out = net.widths[layer], net.widths[layer + 1]
    a = address_of(X) if layer == 0 else _address(work, work.a, layer - 1, size)
    delta = _address(work, work.delta, layer, size)
    g = address_of(gradient) + size * work.weights_at[layer]
    weight_gradient(theta[0], panel, a, delta, g, rows, fan_in, fan_out)
    bias_gradient(theta[0], panel, delta, g + size * fan_in * fan_out, rows, fan_out)
    if layer > 0:
        w = address_of(theta) + size * work.weights_at[layer]
        error_before(theta[0], panel, delta, w, _address(work, work.delta, layer - 1, size), rows, fan_in, fan_out)
        z = layer_vector(work, work.z, layer - 1, rows, fan_in)
        before = layer_vector(work, work.delta, layer - 1, rows, fan_in)
        multiply_by_slope(net.activation, z, layer_vector(work, work.a, layer - 1, rows, fan_in), before, net.parameter)


@inlined
def backward(net, theta, X, work, gradient):
    """Fill ``work.delta`` and the flat gradient from the last layer's delta and what `forward` left."""
    for layer in range(net.widths.size - 2, -1, -1):
        _backward_layer(net, theta, X, work, gradient, layer)
