"""Whole epochs of mini-batch training in one kernel: nothing returns to Python, nothing is allocated, between steps."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.cpu.dense import backward, forward, layer_matrix, new_workspace
from nnsim.kernels.cpu.draws import permute
from nnsim.kernels.cpu.losses import loss_and_delta
from nnsim.kernels.losses import BCE, CROSS_ENTROPY
from nnsim.kernels.optimizers import accumulate, descend
from nnsim.kernels.options import inlined, inner, kernel
from nnsim.kernels.philox import SHUFFLE
from nnsim.kernels.scalar_math import fma

TRAIN_LOSS, VALIDATION_LOSS, VALIDATION_METRIC = range(3)  # columns of the history


@inlined
def _gather(source, order, target):
    for i in range(target.shape[0]):
        row = order[i]
        for j in range(target.shape[1]):
            target[i, j] = source[row, j]


@inlined
def _loss(net, work, X, Y):
    """Loss of the batch that `forward` has just seen; leaves dL/dZ in the last layer's delta."""
    layer, outputs = net.widths.size - 2, net.widths[-1]
    rows = X.shape[0]
    Z = layer_matrix(work, work.z, layer, rows, outputs)
    delta = layer_matrix(work, work.delta, layer, rows, outputs)
    return loss_and_delta(net.loss, Z, Y, delta, work.outputs)


@inlined
def _update(theta, velocity, gradient, learning_rate, momentum):
    if momentum == 0:
        for i in range(theta.size):
            theta[i] = descend(theta[i], gradient[i], learning_rate)
    else:
        for i in range(theta.size):
            velocity[i] = accumulate(velocity[i], gradient[i], momentum)
            theta[i] = descend(theta[i], velocity[i], learning_rate)


@inner
def _largest(values):
    best = 0
    for j in range(1, values.size):
        if values[j] > values[best]:
            best = j
    return best


@inner
def _hits(loss, Z, Y):
    """Count the outputs that are classified rightly."""
    rows, outputs = Z.shape
    hits = 0
    for i in range(rows):
        if loss == CROSS_ENTROPY:
            hits += 1 if _largest(Z[i]) == np.int64(Y[i, 0]) else 0
        else:
            for j in range(outputs):
                hits += 1 if (Z[i, j] > 0) == (Y[i, j] > 0.5) else 0
    return hits


@inner
def _spread(Y):
    """Mean over outputs of the variance of the targets, the loss of the best constant."""
    rows, outputs = Y.shape
    total = 0.0
    for j in range(outputs):
        mean = 0.0
        for i in range(rows):
            mean += np.float64(Y[i, j])
        mean /= rows
        for i in range(rows):
            difference = np.float64(Y[i, j]) - mean
            total = fma(difference, difference, total)
    return total / (rows * outputs)


@inner
def _evaluate(net, theta, X, Y, batch, work):
    """Mean loss over the rows of X, and the accuracy or, for squared error, R^2."""
    layer, outputs = net.widths.size - 2, net.widths[-1]
    loss, hits = 0.0, 0
    for start in range(0, X.shape[0], batch):
        x, y = X[start : start + batch], Y[start : start + batch]
        rows = x.shape[0]
        forward(net, theta, x, work)
        loss = fma(float(rows), _loss(net, work, x, y), loss)
        hits += _hits(net.loss, layer_matrix(work, work.z, layer, rows, outputs), y)
    loss /= X.shape[0]
    if net.loss == CROSS_ENTROPY:
        return loss, hits / X.shape[0]
    if net.loss == BCE:
        return loss, hits / (X.shape[0] * outputs)
    return loss, 1.0 - loss / _spread(Y)


@kernel
def evaluate(net, theta, X, Y, batch):
    """Return (mean loss, metric) over the rows of X; the metric is the accuracy or, for squared error, R^2."""
    return _evaluate(net, theta, X, Y, batch, new_workspace(theta, net.widths, min(batch, X.shape[0])))


@kernel
def logits(net, theta, X):
    """Return the last layer's Z for the rows of X."""
    rows, outputs = X.shape[0], net.widths[-1]
    work = new_workspace(theta, net.widths, rows)
    forward(net, theta, X, work)
    return layer_matrix(work, work.z, net.widths.size - 2, rows, outputs).copy()


@kernel
def loss_and_gradient(net, theta, X, Y, gradient):
    """Return the mean loss over the rows of X and write its gradient with respect to theta."""
    work = new_workspace(theta, net.widths, X.shape[0])
    forward(net, theta, X, work)
    loss = _loss(net, work, X, Y)
    backward(net, theta, X, work, gradient)
    return loss


@inner
def _train_epoch(net, theta, velocity, gradient, X, Y, order, x_rows, y_rows, learning_rate, momentum, work):
    """Take one step for every batch of rows in `order`; return the mean loss and the step it stopped at, or -1."""
    n, batch, total = order.size, x_rows.shape[0], 0.0
    for start in range(0, n, batch):
        chosen = order[start : start + batch]
        x, y = x_rows[: chosen.size], y_rows[: chosen.size]
        _gather(X, chosen, x)
        _gather(Y, chosen, y)
        forward(net, theta, x, work)
        loss = _loss(net, work, x, y)
        if not np.isfinite(loss):
            return loss, start // batch
        total = fma(loss, float(chosen.size), total)
        backward(net, theta, x, work, gradient)
        _update(theta, velocity, gradient, learning_rate, momentum)
    return total / n, -1


@kernel
def train_epochs(
    net, theta, velocity, X, Y, X_validation, Y_validation, batch, learning_rate, momentum, key, first, history
):
    """Train for ``history.shape[0]`` epochs by mini-batch gradient descent with momentum.

    Parameters
    ----------
    net : Architecture
    theta, velocity : vectors
        Parameters and their velocities, changed in place.
    X, Y, X_validation, Y_validation : matrices
        Inputs and targets, C-contiguous, of theta's dtype; targets as `loss_and_delta` wants them.
    batch : int
        Rows a step; the last batch of an epoch may be smaller.
    learning_rate, momentum : scalars of theta's dtype
    key : uint64
        Key of the shuffles.
    first : int
        Number of the first epoch of this call, which its shuffle depends on.
    history : float64 array (epochs, 3)
        Written: mean training loss of the epoch's steps, validation loss and metric after it.

    Returns
    -------
    int
        The step, counted within this call, at which the loss stopped being finite; -1 if it never did.
    """
    n, steps = X.shape[0], (X.shape[0] + batch - 1) // batch
    work, gradient = new_workspace(theta, net.widths, batch), np.empty_like(theta)
    order, words = np.empty(n, np.int64), np.empty(n + 4, np.uint64)
    x_rows, y_rows = np.empty((batch, X.shape[1]), X.dtype), np.empty((batch, Y.shape[1]), Y.dtype)
    for epoch in range(history.shape[0]):
        permute(order, words, key, SHUFFLE, first + epoch)
        train_loss, stopped = _train_epoch(
            net, theta, velocity, gradient, X, Y, order, x_rows, y_rows, learning_rate, momentum, work
        )
        if stopped >= 0:
            return epoch * steps + stopped
        history[epoch, TRAIN_LOSS] = train_loss
        loss, metric = _evaluate(net, theta, X_validation, Y_validation, batch, work)
        history[epoch, VALIDATION_LOSS], history[epoch, VALIDATION_METRIC] = loss, metric
    return -1
