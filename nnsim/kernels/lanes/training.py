"""Whole epochs of mini-batch training of as many networks as a vector has lanes.

Each network has its own parameters, data, shuffles, masks, learning rates and decay. One that diverges or stops early
leaves its lane, and the others go on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnsim.kernels.compiling.decorators import inlined, inner, kernel, maker
from nnsim.kernels.cpu.draws import permute
from nnsim.kernels.cpu.metrics import area_under_curve
from nnsim.kernels.cpu.normalization import update_running
from nnsim.kernels.cpu.optimizers import Moments
from nnsim.kernels.cpu.simd import VECTOR_BYTES, address_of, aligned, lanes_of, size_of
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
from nnsim.kernels.formulas.schedules import BAD_EPOCHS, BEST, COOLDOWN, FACTOR, reduce_on_plateau
from nnsim.kernels.formulas.scores import BEST_EPOCH, BEST_VALUE, WAITED, r_squared, wait_for_better
from nnsim.kernels.lanes.dropout import fill_masks
from nnsim.kernels.lanes.losses import loss_and_delta
from nnsim.kernels.lanes.metrics import count_correct, scores, sum_squared_errors
from nnsim.kernels.lanes.network import layer_vector, new_workspace
from nnsim.kernels.lanes.optimizers import REPEATED, clip_gradient, update
from nnsim.kernels.lanes.passes import backward, forward
from nnsim.kernels.lanes.vectors import gather_square, gather_vector

EPOCHS, STOPPED = range(2)  # what a network's training came to
RUNNING = -2  # `STOPPED` of a network that is still in its lane
X, Y, X_VALIDATION, Y_VALIDATION = range(4)  # places in a network's row of `Group.data`
FEW = 4  # columns that are gathered one by one, where no square of lanes is left


class Group(NamedTuple):
    """What networks of one shape, at most as many as a vector has lanes, begin with and come to; a row for each.

    ``theta`` ... ``best_statistics`` are as in `nnsim.kernels.cpu.training.State`, the moments' parts by themselves,
    except for ``powers``, which is one vector for all. ``keys`` (uint64), ``rates`` (float64, the learning rate of
    every step of the call), ``decays`` (float64, segments), ``data`` (int64, the addresses of the four arrays of
    `nnsim.kernels.cpu.training.Data`) and ``deviations`` (`total_sum_of_squares` of the validation targets) go in;
    ``history`` and ``ended`` (int64: epochs done, and the step at which the loss stopped being finite, or -1) come out.
    """

    theta: np.ndarray
    first: np.ndarray
    second: np.ndarray
    powers: np.ndarray
    statistics: np.ndarray
    plateau: np.ndarray
    stopping: np.ndarray
    best_theta: np.ndarray
    best_statistics: np.ndarray
    keys: np.ndarray
    rates: np.ndarray
    decays: np.ndarray
    data: np.ndarray
    deviations: np.ndarray
    history: np.ndarray
    ended: np.ndarray


class Lanes(NamedTuple):
    """What is in the lanes while they train: vectors of all networks' numbers, as `State` has them of one.

    ``tally`` (float64) and ``counts`` (int64) hold a number a lane in each row.
    """

    theta: np.ndarray
    statistics: np.ndarray
    moments: Moments
    gradient: np.ndarray
    keys: np.ndarray
    data: np.ndarray
    deviations: np.ndarray
    order: np.ndarray
    places: np.ndarray
    tally: np.ndarray
    counts: np.ndarray
    decays: np.ndarray
    repeated: np.ndarray
    x: np.ndarray
    y: np.ndarray
    ranking: np.ndarray


# Rows of `Lanes.tally`.
LOSS, WEIGHT, TOTAL, SUM_OF_WEIGHTS, NORM, CUT, LENGTH, CUTS, RATES, ERROR, SCRATCH = range(11)
ROWS_OF_TALLY = SCRATCH + 4


@inner
def _load(rows, lanes, vectors):
    """Put each network's row of numbers into its lane; lanes without a network hold zeros."""
    for i in range(rows.shape[1]):
        for lane in range(lanes):
            vectors[i * lanes + lane] = rows[lane, i] if lane < rows.shape[0] else 0


@inner
def _save(vectors, lane, lanes, row):
    for i in range(row.size):
        row[i] = vectors[i * lanes + lane]


@inner
def _clear(vectors, lane, lanes):
    for i in range(lane, vectors.size, lanes):
        vectors[i] = 0


@inlined
def _leave(group, state, lane, lanes, epochs, stopped):
    """Write down what a network came to; its lane goes on with zeros, which nobody looks at."""
    group.ended[lane, EPOCHS], group.ended[lane, STOPPED] = epochs, stopped
    _save(state.theta, lane, lanes, group.theta[lane])
    _save(state.statistics, lane, lanes, group.statistics[lane])
    _save(state.moments.first, lane, lanes, group.first[lane])
    _save(state.moments.second, lane, lanes, group.second[lane])
    for i in range(group.powers.shape[1]):
        group.powers[lane, i] = state.moments.powers[i]
    _clear(state.theta, lane, lanes)
    _clear(state.moments.first, lane, lanes)
    _clear(state.moments.second, lane, lanes)


@maker
def _new_lanes(group, batch, shapes, auc, lanes):
    n, inputs, n_validation, targets = shapes
    dtype, size = group.theta.dtype, group.theta.shape[1] * lanes
    first, second = aligned(group.first.shape[1] * lanes, dtype), aligned(group.second.shape[1] * lanes, dtype)
    return Lanes(
        aligned(size, dtype), aligned(group.statistics.shape[1] * lanes, dtype),
        Moments(first, second, group.powers[0].copy()), aligned(size, dtype), np.zeros(lanes, np.uint64),
        np.empty((4, lanes), np.int64), np.ones(lanes), np.zeros((lanes, n), np.int64), np.empty(lanes, np.int64),
        np.zeros((ROWS_OF_TALLY, lanes)), np.zeros((1, lanes), np.int64), np.zeros((group.decays.shape[1], lanes)),
        aligned(2 * REPEATED * lanes, dtype).reshape(2, REPEATED * lanes), aligned(batch * inputs * lanes, dtype),
        aligned(batch * targets * lanes, dtype), np.empty((lanes, 2, n_validation if auc else 0)),
    )  # fmt: skip


@inlined
def _begin(group, state, lanes):
    """Put each network into its lane; a lane without one takes the data of the first."""
    networks = group.theta.shape[0]
    _load(group.theta, lanes, state.theta)
    _load(group.statistics, lanes, state.statistics)
    _load(group.first, lanes, state.moments.first)
    _load(group.second, lanes, state.moments.second)
    for lane in range(lanes):
        network = lane if lane < networks else 0
        state.keys[lane], state.deviations[lane] = group.keys[network], group.deviations[network]
        for i in range(4):
            state.data[i, lane] = group.data[network, i]
    for lane in range(networks):
        group.ended[lane, STOPPED] = RUNNING
        for i in range(group.decays.shape[1]):
            state.decays[i, lane] = group.decays[lane, i]


@inner
def _gather_row(like, places, target, columns):
    """Write a row of each lane's matrix, whose addresses `places` holds, as vectors."""
    lanes, size = lanes_of(like), size_of(like)
    j = 0
    while j + lanes <= columns:
        gather_square(like, places, size * j, target + VECTOR_BYTES * j)
        j += lanes
    if columns >= lanes and columns - j > FEW:
        gather_square(like, places, size * (columns - lanes), target + VECTOR_BYTES * (columns - lanes))
        return
    while j < columns:
        gather_vector(like, places, size * j, target + VECTOR_BYTES * j)
        j += 1


@inner
def _gather(like, data, order, shuffled, first, places, target, columns, rows):
    """Copy rows of each lane's matrix: from `first` on those that its order names or, unshuffled, as they come."""
    lanes, size = lanes_of(like), size_of(like)
    for i in range(rows):
        for lane in range(lanes):
            row = order[lane, first + i] if shuffled else first + i
            places[lane] = data[lane] + size * columns * row
        _gather_row(like, address_of(places), target + VECTOR_BYTES * columns * i, columns)


@inlined
def _take_batch(state, which_x, which_y, shuffled, first, rows, inputs, targets):
    like, lanes, data, order, places = state.theta[0], lanes_of(state.theta[0]), state.data, state.order, state.places
    x, y = state.x[: rows * inputs * lanes], state.y[: rows * targets * lanes]
    _gather(like, data[which_x], order, shuffled, first, places, address_of(x), inputs, rows)
    _gather(like, data[which_y], order, shuffled, first, places, address_of(y), targets, rows)
    return x, y


@inlined
def _loss(net, work, state, y, rows, lanes):
    """Loss and weight of the batch that `forward` has just seen, into the tally; dL/dZ into the last layer's delta."""
    layer, outputs = net.widths.size - 2, net.widths[-1]
    z = layer_vector(work, work.z, layer, rows, outputs, lanes)
    delta = layer_vector(work, work.delta, layer, rows, outputs, lanes)
    loss_and_delta(net, z, y, delta, work.scratch, work.lanes, state.tally[LOSS], state.tally[WEIGHT], rows, outputs)


@inner
def _add_up(tally, lanes):
    for lane in range(lanes):
        tally[TOTAL, lane] = fma(tally[LOSS, lane], tally[WEIGHT, lane], tally[TOTAL, lane])
        tally[SUM_OF_WEIGHTS, lane] += tally[WEIGHT, lane]


@inlined
def _evaluate(net, state, work, n, batch, inputs, targets, lanes):
    """Mean loss, metric and area under the ROC curve over the validation rows of every network, into the tally.

    `TOTAL` then holds the loss, `ERROR` the metric; the area is computed by whoever needs it, from the scores.
    """
    layer, outputs, tally = net.widths.size - 2, net.widths[-1], state.tally
    classes = net.loss == CROSS_ENTROPY or net.loss == BCE
    tally[TOTAL], tally[SUM_OF_WEIGHTS], tally[ERROR], state.counts[0] = 0.0, 0.0, 0.0, 0
    for start in range(0, n, batch):
        rows = min(batch, n - start)
        x, y = _take_batch(state, X_VALIDATION, Y_VALIDATION, False, start, rows, inputs, targets)
        forward(net, state.theta, state.statistics, x, work, rows, lanes, False)
        _loss(net, work, state, y, rows, lanes)
        _add_up(tally, lanes)
        z = layer_vector(work, work.z, layer, rows, outputs, lanes)
        if classes:
            count_correct(net.loss, z, y, work.scratch, rows, outputs, state.counts[0])
        else:
            differences = layer_vector(work, work.delta, layer, rows, outputs, lanes)
            sum_squared_errors(z, y, differences, work.lanes, tally[NORM])
            for lane in range(lanes):
                tally[ERROR, lane] += tally[NORM, lane]
        if state.ranking.shape[2] > 0:
            scores(z, y, outputs, lanes, state.ranking, start)
    answers = n if net.loss == CROSS_ENTROPY else n * outputs
    for lane in range(lanes):
        tally[TOTAL, lane] = tally[TOTAL, lane] / tally[SUM_OF_WEIGHTS, lane]
        if classes:
            tally[ERROR, lane] = state.counts[0, lane] / answers
        else:
            tally[ERROR, lane] = r_squared(tally[ERROR, lane], state.deviations[lane])


@inlined
def _update_statistics(net, statistics, work, rows, lanes):
    if net.normalization == BATCH:
        for layer in range(net.widths.size - 2):
            running = statistics[work.statistics_at[layer] * lanes : work.statistics_at[layer + 1] * lanes]
            update_running(running, work.moments[layer], rows, net.widths[layer + 1] * lanes, net.momentum)


@inner
def _any_stops(loss, ended):
    stops = False
    for lane in range(ended.shape[0]):
        stops |= ended[lane, STOPPED] == RUNNING and not np.isfinite(loss[lane])
    return stops


@inner
def _any_runs(ended):
    runs = False
    for lane in range(ended.shape[0]):
        runs |= ended[lane, STOPPED] == RUNNING
    return runs


@inner
def _set_rates(rates, step, plateau, tally):
    """Write the learning rate of every network, and none for lanes that hold zeros."""
    for lane in range(rates.shape[0]):
        tally[RATES, lane] = rates[lane, step] * plateau[lane, FACTOR]


@inner
def _train_epoch(net, group, state, params, batch, n, steps, inputs, targets, epoch, first, work):
    """Take one step for every batch of the epoch; networks whose loss stops being finite leave.

    Leaves in the tally each network's mean loss (`TOTAL`), mean norm of the gradient (`LENGTH`) and share of the steps
    that clipped it (`CUTS`).
    """
    lanes, tally = lanes_of(state.theta[0]), state.tally
    tally[TOTAL], tally[SUM_OF_WEIGHTS], tally[LENGTH], tally[CUTS] = 0.0, 0.0, 0.0, 0.0
    for step in range(steps):
        rows = min(batch, n - step * batch)
        x, y = _take_batch(state, X, Y, True, step * batch, rows, inputs, targets)
        fill_masks(work.keep, state.keys, first + step, net.dropout)
        forward(net, state.theta, state.statistics, x, work, rows, lanes, True)
        _loss(net, work, state, y, rows, lanes)
        if _any_stops(tally[LOSS], group.ended):
            for lane in range(group.ended.shape[0]):
                if group.ended[lane, STOPPED] == RUNNING and not np.isfinite(tally[LOSS, lane]):
                    _leave(group, state, lane, lanes, epoch, step)
            if not _any_runs(group.ended):
                return
        _add_up(tally, lanes)
        backward(net, state.theta, x, work, state.gradient, rows, lanes)
        _update_statistics(net, state.statistics, work, rows, lanes)
        clip_gradient(
            state.gradient, params.clip_norm, params.clip_value, work.lanes, state.repeated[0], tally[NORM], tally[CUT]
        )
        for lane in range(lanes):
            tally[LENGTH, lane] += tally[NORM, lane]
            tally[CUTS, lane] += tally[CUT, lane]
        _set_rates(group.rates, epoch * steps + step, group.plateau, tally)
        update(
            state.theta, state.gradient, state.moments, params, state.decays, tally[RATES], rows, state.repeated,
            tally[SCRATCH:],
        )  # fmt: skip
    for lane in range(lanes):
        tally[TOTAL, lane] /= tally[SUM_OF_WEIGHTS, lane]
        tally[LENGTH, lane] /= steps
        tally[CUTS, lane] /= steps


@inner
def _reduce(state, metric, rule):
    state[BEST], state[BAD_EPOCHS], state[COOLDOWN], state[FACTOR] = reduce_on_plateau(
        state[BEST], state[BAD_EPOCHS], state[COOLDOWN], state[FACTOR], metric, rule
    )


@inlined
def _wait(group, state, lane, lanes, value, epoch, min_delta):
    """Keep the best parameters, and count the epochs since; value is to be small."""
    stopping = group.stopping[lane]
    best, best_epoch, waited, better = wait_for_better(
        stopping[BEST_VALUE], stopping[BEST_EPOCH], stopping[WAITED], value, epoch, min_delta
    )
    stopping[BEST_VALUE], stopping[BEST_EPOCH], stopping[WAITED] = best, best_epoch, waited
    if better:
        _save(state.theta, lane, lanes, group.best_theta[lane])
        _save(state.statistics, lane, lanes, group.best_statistics[lane])


@inner
def _close_epoch(group, state, options, lane, lanes, epoch, number, steps):
    """Write the epoch's row of one network; one that has waited long enough for a better epoch leaves."""
    history, tally = group.history[lane, epoch], state.tally
    loss, metric = tally[TOTAL, lane], tally[ERROR, lane]
    history[VALIDATION_LOSS], history[VALIDATION_METRIC], history[VALIDATION_AUC] = loss, metric, np.nan
    if options.auc:
        history[VALIDATION_AUC] = area_under_curve(state.ranking[lane, 0], state.ranking[lane, 1])
    history[LEARNING_RATE] = group.rates[lane, (epoch + 1) * steps - 1] * group.plateau[lane, FACTOR]
    value = metric if options.watch_metric else loss
    _reduce(group.plateau[lane], value, options.plateau)
    if options.patience > 0:
        _wait(group, state, lane, lanes, -value if options.watch_metric else value, number, options.min_delta)
        if group.stopping[lane, WAITED] >= options.patience:
            _leave(group, state, lane, lanes, epoch + 1, -1)


@kernel
def train_epochs(net, group, params, options, shapes, first):
    """Train for up to ``group.history.shape[1]`` epochs by mini-batch gradient descent.

    Parameters
    ----------
    net : Architecture
    group : Group
        Changed in place.
    params : OptimizerParams
    options : RunOptions
    shapes : tuple of int
        Rows, inputs, validation rows, and targets a row, of each network's data.
    first : int
        Number of the first epoch of this call, which its shuffle depends on.
    """
    n, inputs, n_validation, targets = shapes
    networks, epochs = group.history.shape[0], group.history.shape[1]
    lanes, batch, steps = lanes_of(group.theta[0, 0]), options.batch, group.rates.shape[1] // epochs
    work = new_workspace(net, group.theta[0], batch)
    state = _new_lanes(group, batch, shapes, options.auc, lanes)
    _begin(group, state, lanes)
    words = np.empty(n + 4, np.uint64)
    for epoch in range(epochs):
        for lane in range(networks):
            permute(state.order[lane], words, state.keys[lane], SHUFFLE, first + epoch)
        _train_epoch(net, group, state, params, batch, n, steps, inputs, targets, epoch, (first + epoch) * steps, work)
        for lane in range(networks):
            if group.ended[lane, STOPPED] == RUNNING:
                history = group.history[lane, epoch]
                history[TRAIN_LOSS], history[GRADIENT_NORM] = state.tally[TOTAL, lane], state.tally[LENGTH, lane]
                history[CLIPPED] = state.tally[CUTS, lane]
        if not _any_runs(group.ended):
            return
        _evaluate(net, state, work, n_validation, batch, inputs, targets, lanes)
        for lane in range(networks):
            if group.ended[lane, STOPPED] == RUNNING:
                _close_epoch(group, state, options, lane, lanes, epoch, first + epoch, steps)
    for lane in range(networks):
        if group.ended[lane, STOPPED] == RUNNING:
            _leave(group, state, lane, lanes, epochs, -1)
