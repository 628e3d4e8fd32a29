"""Whole epochs of mini-batch training of a population: a block trains one network after the other.

A network's parameters, its optimizer's moments and its batch stay in the block's memory; the data and what a run begins
with and comes to lie in the device's.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

from nnsim.kernels.cuda.decorators import barrier, cuda, device, divmod32, kernel
from nnsim.kernels.cuda.draws import permute
from nnsim.kernels.cuda.dropout import fill_masks
from nnsim.kernels.cuda.gemm import TILES
from nnsim.kernels.cuda.losses import loss_and_delta
from nnsim.kernels.cuda.metrics import area_under_curve, count_correct, sum_squared_errors
from nnsim.kernels.cuda.network import (
    DELTA,
    END,
    FIRST,
    GRADIENT,
    INPUTS,
    MASKS,
    MASKS_SIZE,
    MOMENTS,
    MOMENTS_ROW,
    ORDER,
    PARAMETERS,
    RUNNING,
    SCRATCH,
    SECOND,
    STATISTICS,
    TARGETS,
    THETA,
    WORK,
    Z,
    pitch,
)
from nnsim.kernels.cuda.normalization import update_running
from nnsim.kernels.cuda.optimizers import clip_gradient, update
from nnsim.kernels.cuda.passes import backward, forward
from nnsim.kernels.cuda.threads import opaque, thread, thread_range
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
from nnsim.kernels.formulas.scores import BEST_EPOCH, BEST_VALUE, WAITED, r_squared, ranking_score, wait_for_better
from nnsim.kernels.formulas.written_orders import LANES

# A block's own float64 numbers: b1^t and b2^t, the state of the plateau rule, that of early stopping.
POWERS, PLATEAU, STOPPING, BLOCK_STATE = 0, 2, 6, 16
IN_ORDER = -1  # the place of a shuffle that changes nothing
EPOCHS, STOPPED = range(2)  # what a network's training came to
STATIC_BYTES = 8 * (LANES + BLOCK_STATE)
"""Shared memory of a block beside its network's."""


class Population(NamedTuple):
    """What networks of one shape begin with and come to: arrays on the device, a row for each network.

    ``theta`` ... ``best_statistics`` are as in `nnsim.kernels.cpu.training.State`, the moments' parts by themselves.
    ``keys`` (uint64) and ``rates`` (float64, the learning rate of every step of the call) go in, ``history`` and
    ``ended`` (int64: epochs done, and the step at which the loss stopped being finite, or -1) come out; ``ranking``
    (networks, 2, validation rows, or 0 without the area under the curve) is scratch.
    """

    theta: Any
    first: Any
    second: Any
    powers: Any
    statistics: Any
    plateau: Any
    stopping: Any
    best_theta: Any
    best_statistics: Any
    keys: Any
    rates: Any
    history: Any
    ended: Any
    ranking: Any


@device
def _load(source, memory, place):
    for i in thread_range(0, source.size):
        memory[place + i] = source[i]


@device
def _save(memory, place, target):
    for i in thread_range(0, target.size):
        target[i] = memory[place + i]


@device
def _load_network(memory, places, population, network, block_state):
    _load(population.theta[network], memory, places.network[THETA])
    _load(population.first[network], memory, places.network[FIRST])
    _load(population.second[network], memory, places.network[SECOND])
    _load(population.statistics[network], memory, places.network[STATISTICS])
    _load(population.powers[network], block_state, POWERS)
    _load(population.plateau[network], block_state, PLATEAU)
    _load(population.stopping[network], block_state, STOPPING)
    barrier()


@device
def _save_network(memory, places, population, network, block_state):
    _save(memory, places.network[THETA], population.theta[network])
    _save(memory, places.network[FIRST], population.first[network])
    _save(memory, places.network[SECOND], population.second[network])
    _save(memory, places.network[STATISTICS], population.statistics[network])
    _save(block_state, POWERS, population.powers[network])
    _save(block_state, PLATEAU, population.plateau[network])
    _save(block_state, STOPPING, population.stopping[network])
    barrier()


@device
def _gather(memory, places, X, Y, order, start, rows):
    """Copy a batch: the rows that the shuffle at place `order` names, or those from `start` on."""
    inputs, targets = X.shape[1], Y.shape[1]
    x, y = places.network[INPUTS], places.network[TARGETS]
    for place in thread_range(0, rows * inputs):
        i, j = divmod32(place, inputs)
        row = start + i if order == IN_ORDER else np.int64(memory[order + start + i])
        memory[x + i * pitch(inputs) + j] = X[row, j]
    for place in thread_range(0, rows * targets):
        i, j = divmod32(place, targets)
        row = start + i if order == IN_ORDER else np.int64(memory[order + start + i])
        memory[y + place] = Y[row, j]
    barrier()


@device
def _loss(memory, net, places, rows, lanes):
    """Loss and weight of the batch that `forward` has just seen; leaves dL/dZ in the last layer's delta."""
    last, at = places.layer[net.widths.size - 2], places.network
    return loss_and_delta(memory, net, last[Z], at[TARGETS], last[DELTA], rows, at[SCRATCH], lanes)


@device
def _rank(memory, net, places, rows, ranking, start):
    """Keep what ranks the rows of a batch: the logit of class 1, less that of class 0 where there are two."""
    outputs = net.widths[net.widths.size - 1]
    z = places.layer[net.widths.size - 2][Z]
    for i in thread_range(0, rows):
        at = z + i * pitch(outputs)
        score = np.float64(memory[at])
        if outputs > 1:
            score = ranking_score(memory[at], memory[at + 1])
        ranking[0, start + i] = score
        ranking[1, start + i] = np.float64(memory[places.network[TARGETS] + i])
    barrier()


@device
def _update_statistics(memory, net, places, rows):
    if net.normalization == BATCH:
        for layer in range(net.widths.size - 2):
            at, row, width = places.layer[layer], places.network[MOMENTS_ROW], net.widths[layer + 1]
            update_running(memory, at[RUNNING], at[MOMENTS], row, rows, width, net.momentum)


@device
def _learn(memory, tiles, net, places, params, rows, learning_rate, block_state, lanes):
    """Take one step from the loss's delta; return the norm of the gradient before clipping, and whether it was."""
    backward(memory, tiles, net, places, rows)
    _update_statistics(memory, net, places, rows)
    gradient, size = places.network[GRADIENT], places.network[PARAMETERS]
    norm, cut = clip_gradient(memory, gradient, size, params.clip_norm, params.clip_value, lanes)
    update(memory, places, block_state, params, learning_rate, rows)
    return norm, cut


@device
def _answer(memory, net, places, rows, targets, ranking, start, lanes):
    """Return how many outputs of a batch are right, or the sum of their squared errors in a regression."""
    outputs, z, at = net.widths[net.widths.size - 1], places.layer[net.widths.size - 2][Z], places.network
    if ranking.shape[1] > 0:
        _rank(memory, net, places, rows, ranking, start)
    if net.loss == CROSS_ENTROPY or net.loss == BCE:
        return count_correct(memory, net.loss, z, at[TARGETS], targets, rows, outputs, lanes)
    return sum_squared_errors(memory, z, at[TARGETS], at[SCRATCH], rows, outputs, lanes)


@device
def _metric(net, answered, rows, deviation):
    """Return accuracy or R^2 from the answers to so many rows."""
    if net.loss == CROSS_ENTROPY:
        return answered / np.float64(rows)
    if net.loss == BCE:
        return answered / np.float64(rows * net.widths[net.widths.size - 1])
    return r_squared(answered, deviation)


@device
def _epoch(
    memory, tiles, net, params, options, data, places, rates, factor, key, first, deviation, ranking, block_state, lanes
):
    """Take one step for every batch of the shuffled rows, then look at every batch of the validation rows.

    One loop does both: what it calls would else be compiled twice. Returns the mean loss of the steps, the mean norm of
    the gradient, the share of the steps that clipped it; mean loss, metric and area under the curve of the validation
    rows, NaN where there are none; and the step at which the loss stopped being finite, or -1.
    """
    batch, looked_at, at = options.batch, data.X_validation.shape[0], places.network
    looks, _ = divmod32(looked_at + batch - 1, batch)
    total, weight, length, clipped = 0.0, 0.0, 0.0, 0.0
    loss, loss_weight, answered = 0.0, 0.0, 0.0
    for step in range(rates.size + looks):
        training, start = step < rates.size, (step if step < rates.size else step - rates.size) * batch
        if training:
            rows = min(batch, data.X.shape[0] - start)
            _gather(memory, places, data.X, data.Y, at[ORDER], start, rows)
            fill_masks(memory, at[MASKS], at[MASKS_SIZE], key, first + step, opaque(net.dropout))
        else:
            rows = min(batch, looked_at - start)
            _gather(memory, places, data.X_validation, data.Y_validation, IN_ORDER, start, rows)
        forward(memory, tiles, net, places, rows, training)
        mean, part = _loss(memory, net, places, opaque(rows), lanes)
        if not training:
            loss, loss_weight = fma(part, mean, loss), loss_weight + part
            answered += _answer(memory, net, places, rows, data.Y.shape[1], ranking, start, lanes)
        elif abs(mean) < np.inf:
            total, weight = fma(mean, part, total), weight + part
            norm, cut = _learn(memory, tiles, net, places, params, rows, rates[step] * factor, block_state, lanes)
            length += norm
            clipped += 1.0 if cut else 0.0
        else:
            return mean, length, 0.0, np.nan, np.nan, np.nan, step
    steps = np.float64(rates.size)
    if looks == 0:
        return total / weight, length / steps, clipped / steps, np.nan, np.nan, np.nan, -1
    metric = _metric(net, answered, looked_at, deviation)
    area = area_under_curve(ranking[0], ranking[1], lanes) if ranking.shape[1] > 0 else np.nan
    return total / weight, length / steps, clipped / steps, loss / loss_weight, metric, area, -1


@device
def _reduce(block_state, metric, rule):
    if thread() == 0:
        plateau = block_state[PLATEAU:STOPPING]
        plateau[BEST], plateau[BAD_EPOCHS], plateau[COOLDOWN], plateau[FACTOR] = reduce_on_plateau(
            plateau[BEST], plateau[BAD_EPOCHS], plateau[COOLDOWN], plateau[FACTOR], metric, rule
        )
    barrier()


@device
def _wait(memory, places, population, network, stopping, value, epoch, min_delta):
    """Keep the best parameters, and count the epochs since; value is to be small."""
    best, best_epoch, waited, better = wait_for_better(
        stopping[BEST_VALUE], stopping[BEST_EPOCH], stopping[WAITED], value, epoch, min_delta
    )
    barrier()
    if better:
        _save(memory, places.network[THETA], population.best_theta[network])
        _save(memory, places.network[STATISTICS], population.best_statistics[network])
    if thread() == 0:
        stopping[BEST_VALUE], stopping[BEST_EPOCH], stopping[WAITED] = best, best_epoch, waited
    barrier()


@device
def _train(
    memory, tiles, net, params, options, data, places, population, network, first, deviation, block_state, lanes
):
    """Train one network for up to as many epochs as its history has rows; return them, and the step it diverged at."""
    history, all_rates, key = population.history[network], population.rates[network], population.keys[network]
    epochs, ranking = history.shape[0], population.ranking[network]
    n, at = data.X.shape[0], places.network
    steps, _ = divmod32(all_rates.size, epochs)
    for epoch in range(epochs):
        permute(memory, at[ORDER], n, at[WORK], at[END] - at[WORK], key, SHUFFLE, first + epoch)
        rates, factor = all_rates[epoch * steps : (epoch + 1) * steps], block_state[PLATEAU + FACTOR]
        train_loss, length, clipped, loss, metric, area, stopped = _epoch(
            memory, tiles, net, params, options, data, places, rates, factor, key, (first + epoch) * steps, deviation,
            ranking, block_state, lanes,
        )  # fmt: skip
        if stopped >= 0:
            return epoch, stopped
        if thread() == 0:
            row = history[epoch]
            row[TRAIN_LOSS], row[GRADIENT_NORM], row[CLIPPED] = train_loss, length, clipped
            row[VALIDATION_LOSS], row[VALIDATION_METRIC], row[VALIDATION_AUC] = loss, metric, area
            row[LEARNING_RATE] = rates[steps - 1] * factor
        value = metric if options.watch_metric else loss
        _reduce(block_state, value, options.plateau)
        if options.patience > 0:
            watched = -value if options.watch_metric else value
            stopping = block_state[STOPPING:BLOCK_STATE]
            _wait(memory, places, population, opaque(network), stopping, watched, first + epoch, options.min_delta)
            if stopping[WAITED] >= options.patience:
                return epoch + 1, -1
    return epochs, -1


@cache
def train_epochs(dtype: str, resident: bool) -> Any:
    """Return the kernel for networks of one precision, in shared memory (`resident`) or in the device's.

    ``train_epochs(net, params, options, data, places, population, first, deviation, scratch)`` trains every network of
    a population for up to as many epochs as its history has rows, from epoch number `first` on; `deviation` is the
    total sum of squares of the validation targets, `scratch` a matrix with a row of `END` numbers for each block, or of
    none where the memory is shared. Any number of blocks will do, of any number of threads where it is shared, else of
    `nnsim.kernels.cuda.gemm.STAGED_THREADS`.
    """
    number = {"float32": types.float32, "float64": types.float64}[dtype]

    @kernel
    def train_epochs(net, params, options, data, places, population, first, deviation, scratch):
        lanes = cuda.shared.array(LANES, types.float64)
        block_state = cuda.shared.array(BLOCK_STATE, types.float64)  # the simulator tells arrays apart by their lines
        tiles = None if resident else cuda.shared.array(TILES, number)
        memory = cuda.shared.array(0, number) if resident else scratch[cuda.blockIdx.x]
        for network in range(cuda.blockIdx.x, population.theta.shape[0], cuda.gridDim.x):
            _load_network(memory, places, population, network, block_state)
            epochs, stopped = _train(
                memory,
                tiles,
                net,
                params,
                options,
                data,
                places,
                population,
                network,
                first,
                deviation,
                block_state,
                lanes,
            )
            barrier()
            if thread() == 0:
                population.ended[network, EPOCHS], population.ended[network, STOPPED] = epochs, stopped
            _save_network(memory, places, population, opaque(network), block_state)

    return train_epochs
