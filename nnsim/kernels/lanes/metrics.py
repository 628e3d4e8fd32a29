"""How well every network's logits answer: correct outputs, and squared errors."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.compiling.decorators import inner
from nnsim.kernels.cpu.simd import address_of
from nnsim.kernels.formulas.losses import CROSS_ENTROPY
from nnsim.kernels.formulas.scores import is_right, ranking_score
from nnsim.kernels.lanes.gemm import transpose
from nnsim.kernels.lanes.sums import sum_of_squares


@inner
def _largest(T, best, which):
    """Write which class has the largest logit of each column, the first of equals."""
    classes, columns = T.shape
    for i in range(columns):
        best[i], which[i] = T[0, i], 0
    for j in range(1, classes):
        for i in range(columns):
            larger = T[j, i] > best[i]
            best[i], which[i] = (T[j, i], T.dtype.type(j)) if larger else (best[i], which[i])


@inner
def count_correct(loss, z, targets, scratch, rows, outputs, right):
    """Add to `right`, int64 (lanes,), how many outputs are classified rightly; scratch as in `loss_and_delta`."""
    lanes = right.size
    if loss == CROSS_ENTROPY:
        size, columns = z.size, rows * lanes
        T, rest = scratch[:size].reshape(outputs, columns), scratch[size : size + 2 * columns].reshape(2, columns)
        transpose(z[0], address_of(z), address_of(T), rows, outputs)
        _largest(T, rest[0], rest[1])
        for start in range(0, columns, lanes):
            for lane in range(lanes):
                right[lane] += 1 if rest[1, start + lane] == targets[start + lane] else 0
    else:
        for start in range(0, z.size, lanes):
            for lane in range(lanes):
                right[lane] += 1 if is_right(z[start + lane], targets[start + lane]) else 0


@inner
def sum_squared_errors(z, targets, differences, work_sums, out):
    """Write each lane's sum of squared differences; `differences` is scratch of z's size."""
    for i in range(z.size):
        differences[i] = z[i] - targets[i]
    sum_of_squares(differences, work_sums, out)


@inner
def scores(z, targets, outputs, lanes, ranking, start):
    """Keep what ranks the rows of a batch, and their labels, in `ranking` (lanes, 2, rows).

    That is the logit of class 1, less that of class 0 where there are two.
    """
    for lane in range(lanes):
        for i in range(z.size // (outputs * lanes)):
            first = z[i * outputs * lanes + lane]
            second = z[(i * outputs + outputs - 1) * lanes + lane]
            ranking[lane, 0, start + i] = np.float64(first) if outputs == 1 else ranking_score(first, second)
            ranking[lane, 1, start + i] = np.float64(targets[i * lanes + lane])
