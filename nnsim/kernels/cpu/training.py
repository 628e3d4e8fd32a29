"""Whole epochs of mini-batch training in one kernel: nothing returns to Python, nothing is allocated, between steps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnsim.kernels.compiling.decorators import inlined, inner, kernel
from nnsim.kernels.cpu.draws import permute
from nnsim.kernels.cpu.dropout import fill_masks
from nnsim.kernels.cpu.losses import loss_and_delta
from nnsim.kernels.cpu.metrics import area_under_curve, count_correct, sum_squared_errors, total_sum_of_squares
from nnsim.kernels.cpu.network import layer_matrix, layer_vector, new_workspace
from nnsim.kernels.cpu.normalization import update_running
from nnsim.kernels.cpu.optimizers import Moments, clip_gradient, update
from nnsim.kernels.cpu.passes import backward, forward
from nnsim.kernels.formulas.columns import (
    CLIPPED,
    GRADIENT_NORM,
    LEARNING_RATE,
    TRAIN_LOSS,
    VALIDATION_AUC,
    VALIDATION_LOSS,
    VALIDATION_METRIC,
)
from nnsim.kernels.formulas.losses import BCE, CROSS_ENTROPY
from nnsim.kernels.formulas.normalization import BATCH
from nnsim.kernels.formulas.philox import SHUFFLE
from nnsim.kernels.formulas.scalar_math import fma
from nnsim.kernels.formulas.schedules import BAD_EPOCHS, BEST, COOLDOWN, FACTOR, PlateauRule, reduce_on_plateau
from nnsim.kernels.formulas.scores import (
    BEST_EPOCH,
    BEST_VALUE,
    WAITED,
    r_squared,
    ranking_score,
    wait_for_better,
)


class Data(NamedTuple):
    """Inputs and targets to train on and to validate with: C-contiguous matrices, targets as `loss_and_delta` wants."""

    X: np.ndarray
    Y: np.ndarray
    X_validation: np.ndarray
    Y_validation: np.ndarray


class State(NamedTuple):
    """What training changes, and what a run goes on from.

    ``statistics`` are the running statistics of batch normalisation; ``plateau`` is the state of `reduce_on_plateau`;
    ``stopping`` holds the best value that early stopping has seen, its epoch, and the epochs since, ``best_theta`` and
    ``best_statistics`` the parameters then (empty without early stopping).
    """

    theta: np.ndarray
    statistics: np.ndarray
    moments: Moments
    plateau: np.ndarray
    stopping: np.ndarray
    best_theta: np.ndarray
    best_statistics: np.ndarray


class RunOptions(NamedTuple):
    """How a run goes, beyond the optimizer's rule.

    ``batch`` rows a step, fewer in the last one of an epoch; ``watch_metric`` tells that plateaus and early stopping go
    by the metric, not by the loss; ``patience`` epochs without an improvement of more than ``min_delta`` end the run
    (0: never); ``plateau`` is the rule by which plateaus reduce the learning rate; ``auc`` asks for the area under the
    ROC curve.
    """

    batch: int
    watch_metric: bool
    patience: int
    min_delta: float
    plateau: PlateauRule
    auc: bool


@inlined
def _gather(source, order, target):
    for i in range(target.shape[0]):
        row = order[i]
        for j in range(target.shape[1]):
            target[i, j] = source[row, j]


@inner
def _copy(source, target):
    for i in range(target.size):
        target[i] = source[i]


@inlined
def _loss(net, work, rows, Y):
    """Loss and weight of the batch that `forward` has just seen; leaves dL/dZ in the last layer's delta."""
    layer, outputs = net.widths.size - 2, net.widths[-1]
    Z = layer_matrix(work, work.z, layer, rows, outputs)
    return loss_and_delta(net, Z, Y, layer_matrix(work, work.delta, layer, rows, outputs), work.scratch, work.lanes)


@inner
def _scores(Z, Y, scores, labels, start):
    """Keep what ranks the rows of a batch: the logit of class 1, less that of class 0 where there are two."""
    for i in range(Z.shape[0]):
        scores[start + i] = np.float64(Z[i, 0]) if Z.shape[1] == 1 else ranking_score(Z[i, 0], Z[i, 1])
        labels[start + i] = np.float64(Y[i, 0])


@inner
def _evaluate(net, theta, statistics, X, Y, deviation, batch, work, ranking):
    """Mean loss, metric and area under the ROC curve over the rows of X; NaN where there are none.

    The metric is the accuracy or, for the losses of regression, R^2, with `deviation` the `total_sum_of_squares` of Y;
    ranking is scratch (2, rows) or has no columns, and then no area is computed.
    """
    layer, outputs, n = net.widths.size - 2, net.widths[-1], X.shape[0]
    loss, weight, right, error = 0.0, 0.0, 0, 0.0
    classes = net.loss == CROSS_ENTROPY or net.loss == BCE
    for start in range(0, n, batch):
        x, y = X[start : start + batch], Y[start : start + batch]
        rows = x.shape[0]
        forward(net, theta, statistics, x, work, False)
        mean, part = _loss(net, work, rows, y)
        loss, weight = fma(part, mean, loss), weight + part
        Z = layer_matrix(work, work.z, layer, rows, outputs)
        if classes:
            right += count_correct(net.loss, Z, y)
        else:
            error += sum_squared_errors(Z, y, layer_matrix(work, work.delta, layer, rows, outputs), work.lanes)
        if ranking.shape[1] > 0:
            _scores(Z, y, ranking[0], ranking[1], start)
    area = area_under_curve(ranking[0], ranking[1]) if ranking.shape[1] > 0 else np.nan
    if classes:
        return loss / weight, right / (n if net.loss == CROSS_ENTROPY else n * outputs), area
    return loss / weight, r_squared(error, deviation), area


@kernel
def evaluate(net, theta, statistics, X, Y, batch, auc):
    """Return (mean loss, metric, area under the ROC curve) over the rows of X.

    The metric is the accuracy or, for the losses of regression, R^2. The area is NaN where `auc` is false.
    """
    work = new_workspace(net, theta, min(batch, X.shape[0]))
    return _evaluate(
        net, theta, statistics, X, Y, total_sum_of_squares(Y), batch, work, np.empty((2, X.shape[0] if auc else 0))
    )


@kernel
def logits(net, theta, statistics, X, batch):
    """Return the last layer's Z for the rows of X, as the network answers after training."""
    n, outputs = X.shape[0], net.widths[-1]
    work, Z = new_workspace(net, theta, min(batch, n)), np.empty((n, outputs), theta.dtype)
    for start in range(0, n, batch):
        x = X[start : start + batch]
        forward(net, theta, statistics, x, work, False)
        answers = layer_vector(work, work.z, net.widths.size - 2, x.shape[0], outputs)
        _copy(answers, Z[start : start + batch].reshape(answers.size))
    return Z


@kernel
def loss_and_gradient(net, theta, X, Y, gradient, key, step):
    """Return the mean loss of a training pass over the rows of X and write its gradient with respect to theta.

    Dropout's masks are those of `step` under `key`.
    """
    work = new_workspace(net, theta, X.shape[0])
    fill_masks(work.keep, key, step, net.dropout)
    forward(net, theta, theta[:0], X, work, True)
    loss, _ = _loss(net, work, X.shape[0], Y)
    backward(net, theta, X, work, gradient)
    return loss


@inlined
def _update_statistics(net, statistics, work, rows):
    if net.normalization == BATCH:
        for layer in range(net.widths.size - 2):
            running = statistics[work.statistics_at[layer] : work.statistics_at[layer + 1]]
            update_running(running, work.moments[layer], rows, net.widths[layer + 1], net.momentum)


@inner
def _train_epoch(net, state, params, X, Y, order, x_rows, y_rows, rates, factor, key, first, work, gradient):
    """Take one step for every batch of rows in `order`.

    Returns the mean loss, the mean norm of the gradient, the share of the steps that clipped it, and the step at which
    the loss stopped being finite, or -1.
    """
    batch, total, weight, length, clipped = x_rows.shape[0], 0.0, 0.0, 0.0, 0
    for step in range(rates.size):
        chosen = order[step * batch : (step + 1) * batch]
        x, y = x_rows[: chosen.size], y_rows[: chosen.size]
        _gather(X, chosen, x)
        _gather(Y, chosen, y)
        fill_masks(work.keep, key, first + step, net.dropout)
        forward(net, state.theta, state.statistics, x, work, True)
        loss, part = _loss(net, work, chosen.size, y)
        if not np.isfinite(loss):
            return loss, length, 0.0, step
        total, weight = fma(loss, part, total), weight + part
        backward(net, state.theta, x, work, gradient)
        _update_statistics(net, state.statistics, work, chosen.size)
        norm, cut = clip_gradient(gradient, params.clip_norm, params.clip_value, work.lanes)
        length += norm
        clipped += 1 if cut else 0
        update(state.theta, gradient, state.moments, params, rates[step] * factor, chosen.size)
    return total / weight, length / rates.size, clipped / rates.size, -1


@inner
def _reduce(state, metric, rule):
    state[BEST], state[BAD_EPOCHS], state[COOLDOWN], state[FACTOR] = reduce_on_plateau(
        state[BEST], state[BAD_EPOCHS], state[COOLDOWN], state[FACTOR], metric, rule
    )


@inner
def _wait(state, value, epoch, min_delta):
    """Keep the best parameters, and count the epochs since; value is to be small."""
    best, best_epoch, waited, better = wait_for_better(
        state.stopping[BEST_VALUE], state.stopping[BEST_EPOCH], state.stopping[WAITED], value, epoch, min_delta
    )
    state.stopping[BEST_VALUE], state.stopping[BEST_EPOCH], state.stopping[WAITED] = best, best_epoch, waited
    if better:
        _copy(state.theta, state.best_theta)
        _copy(state.statistics, state.best_statistics)


@kernel
def train_epochs(net, state, params, options, data, rates, key, first, history):
    """Train for up to ``history.shape[0]`` epochs by mini-batch gradient descent.

    Parameters
    ----------
    net : Architecture
    state : State
        Changed in place.
    params : OptimizerParams
    options : RunOptions
    data : Data
    rates : float64 vector (epochs * steps,)
        The learning rate of every step of this call, before plateaus reduce it; with fewer steps an epoch than
        batches, the last rows of each shuffle are left out.
    key : uint64
        Key of the shuffles and of dropout.
    first : int
        Number of the first epoch of this call, which its shuffle depends on.
    history : float64 array (epochs, `nnsim.kernels.formulas.columns.HISTORY`)
        Written, an epoch a row; R^2 is NaN where all validation targets are equal.

    Returns
    -------
    epochs, step : int
        How many epochs were finished, and the step of the next one at which the loss stopped being finite, or -1.
    """
    n, epochs = data.X.shape[0], history.shape[0]
    work, gradient = new_workspace(net, state.theta, options.batch), np.empty_like(state.theta)
    order, words = np.empty(n, np.int64), np.empty(n + 4, np.uint64)
    x_rows = np.empty((options.batch, data.X.shape[1]), data.X.dtype)
    y_rows = np.empty((options.batch, data.Y.shape[1]), data.Y.dtype)
    ranking = np.empty((2, data.X_validation.shape[0] if options.auc else 0))
    steps, deviation = rates.size // epochs, total_sum_of_squares(data.Y_validation)
    for epoch in range(epochs):
        permute(order, words, key, SHUFFLE, first + epoch)
        its_rates, factor = rates[epoch * steps : (epoch + 1) * steps], state.plateau[FACTOR]
        train_loss, length, clipped, stopped = _train_epoch(
            net, state, params, data.X, data.Y, order, x_rows, y_rows, its_rates, factor, key, (first + epoch) * steps,
            work, gradient,
        )  # fmt: skip
        if stopped >= 0:
            return epoch, stopped
        loss, metric, area = _evaluate(
            net, state.theta, state.statistics, data.X_validation, data.Y_validation, deviation, options.batch, work,
            ranking,
        )  # fmt: skip
        history[epoch, TRAIN_LOSS], history[epoch, GRADIENT_NORM], history[epoch, CLIPPED] = train_loss, length, clipped
        history[epoch, VALIDATION_LOSS], history[epoch, VALIDATION_METRIC] = loss, metric
        history[epoch, VALIDATION_AUC], history[epoch, LEARNING_RATE] = area, its_rates[-1] * factor
        value = metric if options.watch_metric else loss
        _reduce(state.plateau, value, options.plateau)
        if options.patience > 0:
            _wait(state, -value if options.watch_metric else value, first + epoch, options.min_delta)
            if state.stopping[WAITED] >= options.patience:
                return epoch + 1, -1
    return epochs, -1
