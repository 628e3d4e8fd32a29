"""The forward and the backward pass through all layers: the equations of `nnsim.kernels.cpu.passes`."""

from __future__ import annotations

from nnsim.kernels.cuda.activations import activate, multiply_by_slope
from nnsim.kernels.cuda.decorators import barrier, device, divmod32
from nnsim.kernels.cuda.gemm import NOTHING, affine, bias_gradient, input_gradient, weight_gradient
from nnsim.kernels.cuda.network import (
    BIAS,
    BIAS_GRADIENT,
    DELTA,
    ERROR,
    INPUT,
    INPUT_GRADIENT,
    KEEP,
    MOMENTS,
    MOMENTS_ROW,
    NORMAL,
    RUNNING,
    SCALE,
    SCALE_GRADIENT,
    WEIGHT,
    WEIGHT_GRADIENT,
    A,
    H,
    Z,
    has_skip,
    pitch,
)
from nnsim.kernels.cuda.normalization import norm_backward, norm_evaluate, norm_forward
from nnsim.kernels.cuda.threads import opaque, thread_range
from nnsim.kernels.formulas.normalization import BATCH, NONE


@device
def _copy(memory, source, target, size):
    for i in thread_range(0, size):
        memory[target + i] = memory[source + i]
    barrier()


@device
def _add(memory, source, target, size):
    for i in thread_range(0, size):
        memory[target + i] += memory[source + i]
    barrier()


@device
def _keep(memory, source, target, keep, rows, width):
    """Multiply the numbers of a batch's matrix by the masks of dropout, which have no gaps."""
    for place in thread_range(0, rows * width):
        i, j = divmod32(place, width)
        at = i * pitch(width) + j
        memory[target + at] = memory[source + at] * memory[keep + place]
    barrier()


@device
def affine_layer(memory, tiles, net, places, layer, rows):
    """Z_l = H_{l-1} W_l + b_l."""
    fan_in, fan_out, at = net.widths[layer], net.widths[layer + 1], places.layer[layer]
    affine(memory, tiles, at[INPUT], pitch(fan_in), at[WEIGHT], at[BIAS], at[Z], pitch(fan_out), rows, fan_in, fan_out)


@device
def _normalize(memory, net, places, layer, rows, values, out, training):
    """Normalise one matrix of layer `layer`: by this batch in training, else by the running statistics."""
    width, at = net.widths[layer + 1], places.layer[layer]
    gamma, beta = at[SCALE], at[SCALE] + width
    if training or net.normalization != BATCH:
        norm_forward(
            memory, net.normalization, values, out, at[NORMAL], gamma, beta, at[MOMENTS], places.network[MOMENTS_ROW],
            rows, width, net.epsilon,
        )  # fmt: skip
    else:
        norm_evaluate(memory, values, out, at[NORMAL], gamma, beta, at[RUNNING], rows, width, net.epsilon)


@device
def layer_output(memory, net, places, layer, rows, normalized, training):
    """H_l from A_l, or from what normalisation has left in H_l: dropout, and the layer before added."""
    width, at = net.widths[layer + 1], places.layer[layer]
    size = rows * pitch(width)
    if training and net.dropout > 0:
        _keep(memory, at[H] if normalized else at[A], at[H], at[KEEP], rows, width)
    elif (net.dropout > 0 or net.residual) and not normalized:
        _copy(memory, at[A], at[H], size)
    if has_skip(net, layer):
        _add(memory, at[INPUT], at[H], size)


@device
def activate_layer(memory, net, places, layer, rows, training):
    """From Z_l to H_l: normalisation, activation, dropout, skip connection; nothing in the last layer."""
    if layer < net.widths.size - 2:
        at, size = places.layer[layer], rows * pitch(net.widths[layer + 1])
        after = net.normalization != NONE and net.after
        if net.normalization != NONE and not net.after:
            _normalize(memory, net, places, layer, rows, at[Z], at[Z], training)
        activate(memory, net.activation, at[Z], at[A], size, net.parameter)
        if after:
            _normalize(memory, net, places, layer, rows, at[A], at[H], training)
        layer_output(memory, net, places, layer, rows, after, training)


@device
def forward(memory, tiles, net, places, rows, training):
    """Fill Z, A and H for the rows of X, see the CPU's."""
    for layer in range(net.widths.size - 1):
        affine_layer(memory, tiles, net, places, layer, rows)
        activate_layer(memory, net, places, layer, opaque(rows), training)


@device
def _denormalize(memory, net, places, layer, rows):
    width, at = net.widths[layer + 1], places.layer[layer]
    grad_gamma, grad_beta = at[SCALE_GRADIENT], at[SCALE_GRADIENT] + width
    norm_backward(
        memory, net.normalization, at[DELTA], at[NORMAL], at[SCALE], grad_gamma, grad_beta, at[MOMENTS],
        places.network[MOMENTS_ROW], rows, width,
    )  # fmt: skip


@device
def _delta_from_error(memory, net, places, layer, rows):
    """delta_l from dL/dH_l of a hidden layer: `activate_layer` backwards."""
    width, at = net.widths[layer + 1], places.layer[layer]
    size = rows * pitch(width)
    if net.residual:
        _copy(memory, at[ERROR], at[DELTA], size)
    if net.dropout > 0:
        _keep(memory, at[DELTA], at[DELTA], at[KEEP], rows, width)
    if net.normalization != NONE and net.after:
        _denormalize(memory, net, places, layer, rows)
    multiply_by_slope(memory, net.activation, at[Z], at[A], at[DELTA], size, net.parameter)
    if net.normalization != NONE and not net.after:
        _denormalize(memory, net, places, layer, rows)


@device
def _backward_layer(memory, tiles, net, places, layer, rows):
    """Gradients of layer `layer` from its delta, and the delta of the layer before it."""
    fan_in, fan_out, at = net.widths[layer], net.widths[layer + 1], places.layer[layer]
    row, before = pitch(fan_out), pitch(fan_in)
    weight_gradient(memory, tiles, at[INPUT], before, at[DELTA], row, at[WEIGHT_GRADIENT], rows, fan_in, fan_out)
    bias_gradient(memory, at[DELTA], row, at[BIAS_GRADIENT], rows, fan_out)
    if layer > 0:
        skipped = at[ERROR] if has_skip(net, layer) else NOTHING
        input_gradient(
            memory, tiles, at[DELTA], row, at[WEIGHT], at[INPUT_GRADIENT], before, skipped, rows, fan_in, fan_out
        )
        _delta_from_error(memory, net, places, layer - 1, rows)


@device
def backward(memory, tiles, net, places, rows):
    """Fill delta and the flat gradient from the last layer's delta and what a training pass left."""
    for layer in range(net.widths.size - 2, -1, -1):
        _backward_layer(memory, tiles, net, places, layer, opaque(rows))
