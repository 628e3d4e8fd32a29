"""Passes for their cost: the same ones again and again, a gradient by differences, and the memory of a batch."""

from __future__ import annotations

from nnsim.kernels.compiling.decorators import inlined, kernel
from nnsim.kernels.cpu.losses import loss_and_delta
from nnsim.kernels.cpu.network import layer_matrix, new_workspace
from nnsim.kernels.cpu.passes import backward, forward


@inlined
def _loss(net, theta, X, Y, work):
    """Loss of a training pass over the rows of X, with the last layer's delta."""
    forward(net, theta, theta[:0], X, work, True)
    last, rows = net.widths.size - 2, X.shape[0]
    Z = layer_matrix(work, work.z, last, rows, net.widths[-1])
    delta = layer_matrix(work, work.delta, last, rows, net.widths[-1])
    loss, _ = loss_and_delta(net, Z, Y, delta, work.scratch, work.lanes)
    return loss


@kernel
def repeat_passes(net, theta, X, Y, gradient, times, back):
    """Pass forward `times` times, and backward after each if `back`; return the loss."""
    work, loss = new_workspace(net, theta, X.shape[0]), 0.0
    work.keep[:] = 1
    for _ in range(times):
        loss = _loss(net, theta, X, Y, work)
        if back:
            backward(net, theta, X, work, gradient)
    return loss


@kernel
def difference_gradient(net, theta, X, Y, step, central, gradient):
    """Write the gradient by one-sided or central differences of the loss; return the number of forward passes made."""
    work, passes = new_workspace(net, theta, X.shape[0]), 0
    work.keep[:] = 1
    base = 0.0
    if not central:
        base = _loss(net, theta, X, Y, work)
        passes += 1
    for i in range(theta.size):
        kept = theta[i]
        theta[i] = kept + step
        difference = _loss(net, theta, X, Y, work) - base
        passes += 1
        if central:
            theta[i] = kept - step
            difference = (difference - _loss(net, theta, X, Y, work)) / 2.0
            passes += 1
        theta[i] = kept
        gradient[i] = difference / step
    return passes


@kernel
def kept_bytes(net, theta, batch):
    """Return the bytes of what a training pass keeps for every layer of a batch: Z, A and delta."""
    work = new_workspace(net, theta, batch)
    return (work.z.size + work.a.size + work.delta.size) * theta.itemsize
