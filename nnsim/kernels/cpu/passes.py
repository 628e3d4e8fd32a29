"""The forward and the backward pass through all layers.

The last layer is linear. Backwards, with delta_l = dL/dZ_l ::

    dL/dH_{l-1} = delta_l W_l^T  (+ dL/dH_l where H_{l-1} was added to H_l)
    delta_{l-1} = dL/dH_{l-1} * f'(Z_{l-1}), and through dropout and normalisation where the network has them
    grad W_l = H_{l-1}^T delta_l    grad b_l = 1^T delta_l

References
----------
D. E. Rumelhart, G. E. Hinton and R. J. Williams, Nature 323 (1986) 533; K. He, X. Zhang, S. Ren and J. Sun, "Deep
residual learning", CVPR 2016 (skip connections).
"""

from __future__ import annotations

from nnsim.kernels.compiling.decorators import inlined, inner
from nnsim.kernels.cpu.activations import activate, multiply_by_slope
from nnsim.kernels.cpu.gemm import ZERO, affine, bias_gradient, input_gradient, weight_gradient
from nnsim.kernels.cpu.network import has_skip, layer_address, layer_matrix, layer_vector, norm_parameters
from nnsim.kernels.cpu.normalization import norm_backward, norm_evaluate, norm_forward
from nnsim.kernels.cpu.simd import address_of, size_of
from nnsim.kernels.formulas.normalization import BATCH, NONE


@inner
def multiply(values, factors):
    """values *= factors, each number by its own."""
    for i in range(values.size):
        values[i] *= factors[i]


@inner
def product(values, factors, out):
    """out = values * factors."""
    for i in range(out.size):
        out[i] = values[i] * factors[i]


@inner
def add(values, out):
    """out += values."""
    for i in range(out.size):
        out[i] += values[i]


@inner
def copy(values, out):
    """out = values."""
    for i in range(out.size):
        out[i] = values[i]


@inlined
def affine_layer(net, theta, X, work, layer):
    """Z_l = H_{l-1} W_l + b_l."""
    rows, size, panel = X.shape[0], size_of(theta[0]), address_of(work.panel)
    fan_in, fan_out = net.widths[layer], net.widths[layer + 1]
    h = address_of(X) if layer == 0 else layer_address(work, work.h, layer - 1, size)
    w = address_of(theta) + size * work.weights_at[layer]
    b = w + size * fan_in * fan_out
    affine(theta[0], panel, h, w, b, layer_address(work, work.z, layer, size), rows, fan_in, fan_out)


@inlined
def _normalize(net, theta, statistics, work, layer, rows, values, out, training):
    """Normalise one matrix of layer `layer`: by this batch in training, else by the running statistics."""
    width = net.widths[layer + 1]
    Z, Y = layer_matrix(work, values, layer, rows, width), layer_matrix(work, out, layer, rows, width)
    X = layer_matrix(work, work.x, layer, rows, width)
    gamma, beta = norm_parameters(net, work, theta, layer)
    moments = work.moments[layer]
    if training or net.normalization != BATCH:
        norm_forward(net.normalization, Z, X, Y, gamma, beta, moments, net.epsilon, work.scratch)
    else:
        running = statistics[work.statistics_at[layer] : work.statistics_at[layer + 1]]
        norm_evaluate(Z, X, Y, gamma, beta, running, moments, net.epsilon)


@inlined
def layer_output(net, work, layer, rows, normalized, training):
    """H_l from A_l, or from what normalisation has left in H_l: dropout, and the layer before added."""
    width = net.widths[layer + 1]
    h, a = layer_vector(work, work.h, layer, rows, width), layer_vector(work, work.a, layer, rows, width)
    if training and net.dropout > 0:
        product(h if normalized else a, layer_vector(work, work.keep, layer, rows, width), h)
    elif (net.dropout > 0 or net.residual) and not normalized:
        copy(a, h)
    if has_skip(net, layer):
        add(layer_vector(work, work.h, layer - 1, rows, width), h)


@inlined
def activate_layer(net, theta, statistics, work, layer, rows, training):
    """From Z_l to H_l: normalisation, activation, dropout, skip connection; nothing in the last layer."""
    if layer < net.widths.size - 2:
        width = net.widths[layer + 1]
        after = net.normalization != NONE and net.after
        if net.normalization != NONE and not net.after:
            _normalize(net, theta, statistics, work, layer, rows, work.z, work.z, training)
        z = layer_vector(work, work.z, layer, rows, width)
        activate(net.activation, z, layer_vector(work, work.a, layer, rows, width), net.parameter)
        if after:
            _normalize(net, theta, statistics, work, layer, rows, work.a, work.h, training)
        layer_output(net, work, layer, rows, after, training)


@inlined
def forward(net, theta, statistics, X, work, training):
    """Fill ``work.z``, ``work.a`` and ``work.h`` for the rows of X; the last layer's Z are the logits.

    In training, batches are normalised by their own moments and ``work.keep`` must hold the masks of the step; else
    the running statistics are used and nothing is dropped.
    """
    for layer in range(net.widths.size - 1):
        affine_layer(net, theta, X, work, layer)
        activate_layer(net, theta, statistics, work, layer, X.shape[0], training)


@inlined
def _delta_from_error(net, theta, work, gradient, layer, rows):
    """delta_l from dL/dH_l of a hidden layer: `activate_layer` backwards."""
    width = net.widths[layer + 1]
    delta = layer_vector(work, work.delta, layer, rows, width)
    if net.residual:
        copy(layer_vector(work, work.error, layer, rows, width), delta)
    if net.dropout > 0:
        multiply(delta, layer_vector(work, work.keep, layer, rows, width))
    if net.normalization != NONE and net.after:
        _denormalize(net, theta, work, gradient, layer, rows)
    z, a = layer_vector(work, work.z, layer, rows, width), layer_vector(work, work.a, layer, rows, width)
    multiply_by_slope(net.activation, z, a, delta, net.parameter)
    if net.normalization != NONE and not net.after:
        _denormalize(net, theta, work, gradient, layer, rows)


@inlined
def _denormalize(net, theta, work, gradient, layer, rows):
    width = net.widths[layer + 1]
    delta, X = layer_matrix(work, work.delta, layer, rows, width), layer_matrix(work, work.x, layer, rows, width)
    gamma, _ = norm_parameters(net, work, theta, layer)
    grad_gamma, grad_beta = norm_parameters(net, work, gradient, layer)
    moments = work.moments[layer]
    norm_backward(net.normalization, delta, X, gamma, grad_gamma, grad_beta, moments, work.scratch)


@inlined
def _backward_layer(net, theta, X, work, gradient, layer):
    """Gradients of layer `layer` from its delta, and the delta of the layer before it."""
    rows, size, panel = X.shape[0], size_of(theta[0]), address_of(work.panel)
    fan_in, fan_out = net.widths[layer], net.widths[layer + 1]
    h = address_of(X) if layer == 0 else layer_address(work, work.h, layer - 1, size)
    delta = layer_address(work, work.delta, layer, size)
    g = address_of(gradient) + size * work.weights_at[layer]
    weight_gradient(theta[0], panel, h, delta, g, rows, fan_in, fan_out)
    bias_gradient(theta[0], panel, delta, g + size * fan_in * fan_out, rows, fan_out)
    if layer > 0:
        w = address_of(theta) + size * work.weights_at[layer]
        skipped = layer_address(work, work.error, layer, size) if has_skip(net, layer) else ZERO
        error = layer_address(work, work.error, layer - 1, size)
        input_gradient(theta[0], panel, delta, w, error, skipped, rows, fan_in, fan_out)
        _delta_from_error(net, theta, work, gradient, layer - 1, rows)


@inlined
def backward(net, theta, X, work, gradient):
    """Fill ``work.delta`` and the flat gradient from the last layer's delta and what a training pass left."""
    for layer in range(net.widths.size - 2, -1, -1):
        _backward_layer(net, theta, X, work, gradient, layer)
