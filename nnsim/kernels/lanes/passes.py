"""The forward and the backward pass through all layers of every network, as in `nnsim.kernels.cpu.passes`."""

from __future__ import annotations

from nnsim.kernels.compiling.decorators import inlined
from nnsim.kernels.cpu.activations import activate, multiply_by_slope
from nnsim.kernels.cpu.network import has_skip
from nnsim.kernels.cpu.normalization import norm_evaluate
from nnsim.kernels.cpu.passes import add, copy, multiply, product
from nnsim.kernels.cpu.simd import VECTOR_BYTES, address_of
from nnsim.kernels.formulas.normalization import BATCH, NONE
from nnsim.kernels.lanes.gemm import ZERO, affine, bias_gradient, input_gradient, weight_gradient
from nnsim.kernels.lanes.network import layer_address, layer_vector, norm_parameters
from nnsim.kernels.lanes.normalization import norm_backward, norm_forward


@inlined
def affine_layer(net, theta, x, work, layer, rows):
    """Z_l = H_{l-1} W_l + b_l."""
    fan_in, fan_out = net.widths[layer], net.widths[layer + 1]
    h = address_of(x) if layer == 0 else layer_address(work, work.h, layer - 1)
    w = address_of(theta) + VECTOR_BYTES * work.weights_at[layer]
    b = w + VECTOR_BYTES * fan_in * fan_out
    affine(theta[0], h, w, b, layer_address(work, work.z, layer), rows, fan_in, fan_out)


@inlined
def _normalize(net, theta, statistics, work, layer, rows, lanes, values, out, training):
    """Normalise one matrix of layer `layer`: by this batch in training, else by the running statistics."""
    width = net.widths[layer + 1]
    z, y = layer_vector(work, values, layer, rows, width, lanes), layer_vector(work, out, layer, rows, width, lanes)
    x = layer_vector(work, work.x, layer, rows, width, lanes)
    gamma, beta = norm_parameters(net, work, theta, layer, lanes)
    moments = work.moments[layer]
    if training or net.normalization != BATCH:
        norm_forward(net.normalization, z, x, y, gamma, beta, moments, net.epsilon, work.scratch, rows, width, lanes)
    else:
        running = statistics[work.statistics_at[layer] * lanes : work.statistics_at[layer + 1] * lanes]
        shape = (rows, width * lanes)
        norm_evaluate(z.reshape(shape), x.reshape(shape), y.reshape(shape), gamma, beta, running, moments, net.epsilon)


@inlined
def layer_output(net, work, layer, rows, lanes, normalized, training):
    """H_l from A_l, or from what normalisation has left in H_l: dropout, and the layer before added."""
    width = net.widths[layer + 1]
    h, a = layer_vector(work, work.h, layer, rows, width, lanes), layer_vector(work, work.a, layer, rows, width, lanes)
    if training and net.dropout > 0:
        product(h if normalized else a, layer_vector(work, work.keep, layer, rows, width, lanes), h)
    elif (net.dropout > 0 or net.residual) and not normalized:
        copy(a, h)
    if has_skip(net, layer):
        add(layer_vector(work, work.h, layer - 1, rows, width, lanes), h)


@inlined
def activate_layer(net, theta, statistics, work, layer, rows, lanes, training):
    """From Z_l to H_l: normalisation, activation, dropout, skip connection; nothing in the last layer."""
    if layer < net.widths.size - 2:
        width = net.widths[layer + 1]
        after = net.normalization != NONE and net.after
        if net.normalization != NONE and not net.after:
            _normalize(net, theta, statistics, work, layer, rows, lanes, work.z, work.z, training)
        z = layer_vector(work, work.z, layer, rows, width, lanes)
        activate(net.activation, z, layer_vector(work, work.a, layer, rows, width, lanes), net.parameter)
        if after:
            _normalize(net, theta, statistics, work, layer, rows, lanes, work.a, work.h, training)
        layer_output(net, work, layer, rows, lanes, after, training)


@inlined
def forward(net, theta, statistics, x, work, rows, lanes, training):
    """Fill ``work.z``, ``work.a`` and ``work.h`` for a batch of `rows` rows; the last layer's Z are the logits.

    x is a vector (rows * inputs * lanes,). In training, batches are normalised by their own moments and ``work.keep``
    must hold the masks of the step; else the running statistics are used and nothing is dropped.
    """
    for layer in range(net.widths.size - 1):
        affine_layer(net, theta, x, work, layer, rows)
        activate_layer(net, theta, statistics, work, layer, rows, lanes, training)


@inlined
def _delta_from_error(net, theta, work, gradient, layer, rows, lanes):
    """delta_l from dL/dH_l of a hidden layer: `activate_layer` backwards."""
    width = net.widths[layer + 1]
    delta = layer_vector(work, work.delta, layer, rows, width, lanes)
    if net.residual:
        copy(layer_vector(work, work.error, layer, rows, width, lanes), delta)
    if net.dropout > 0:
        multiply(delta, layer_vector(work, work.keep, layer, rows, width, lanes))
    if net.normalization != NONE and net.after:
        _denormalize(net, theta, work, gradient, layer, rows, lanes)
    z, a = layer_vector(work, work.z, layer, rows, width, lanes), layer_vector(work, work.a, layer, rows, width, lanes)
    multiply_by_slope(net.activation, z, a, delta, net.parameter)
    if net.normalization != NONE and not net.after:
        _denormalize(net, theta, work, gradient, layer, rows, lanes)


@inlined
def _denormalize(net, theta, work, gradient, layer, rows, lanes):
    width = net.widths[layer + 1]
    delta = layer_vector(work, work.delta, layer, rows, width, lanes)
    x = layer_vector(work, work.x, layer, rows, width, lanes)
    gamma, _ = norm_parameters(net, work, theta, layer, lanes)
    grad_gamma, grad_beta = norm_parameters(net, work, gradient, layer, lanes)
    moments = work.moments[layer]
    norm_backward(net.normalization, delta, x, gamma, grad_gamma, grad_beta, moments, work.scratch, rows, width, lanes)


@inlined
def _backward_layer(net, theta, x, work, gradient, layer, rows, lanes):
    """Gradients of layer `layer` from its delta, and the delta of the layer before it."""
    constants = address_of(work.panel)
    fan_in, fan_out = net.widths[layer], net.widths[layer + 1]
    h = address_of(x) if layer == 0 else layer_address(work, work.h, layer - 1)
    delta = layer_address(work, work.delta, layer)
    g = address_of(gradient) + VECTOR_BYTES * work.weights_at[layer]
    weight_gradient(theta[0], constants, h, delta, g, rows, fan_in, fan_out)
    bias_gradient(theta[0], constants, delta, g + VECTOR_BYTES * fan_in * fan_out, rows, fan_out)
    if layer > 0:
        w = address_of(theta) + VECTOR_BYTES * work.weights_at[layer]
        skipped = layer_address(work, work.error, layer) if has_skip(net, layer) else ZERO
        error = layer_address(work, work.error, layer - 1)
        input_gradient(theta[0], constants, delta, w, error, skipped, rows, fan_in, fan_out)
        _delta_from_error(net, theta, work, gradient, layer - 1, rows, lanes)


@inlined
def backward(net, theta, x, work, gradient, rows, lanes):
    """Fill ``work.delta`` and the flat gradient from the last layer's delta and what a training pass left."""
    for layer in range(net.widths.size - 2, -1, -1):
        _backward_layer(net, theta, x, work, gradient, layer, rows, lanes)
