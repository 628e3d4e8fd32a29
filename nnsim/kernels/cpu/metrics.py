"""How well the logits answer: correct outputs, squared errors, and the area under the ROC curve."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.compiling.decorators import inner, kernel
from nnsim.kernels.cpu.sums import sum_of_squares
from nnsim.kernels.formulas.losses import CROSS_ENTROPY
from nnsim.kernels.formulas.scalar_math import fma
from nnsim.kernels.formulas.scores import is_right


@inner
def _largest(values):
    best = 0
    for j in range(1, values.size):
        if values[j] > values[best]:
            best = j
    return best


@inner
def count_correct(loss, Z, Y):
    """Count the outputs that are classified rightly."""
    rows, outputs = Z.shape
    count = 0
    for i in range(rows):
        if loss == CROSS_ENTROPY:
            count += 1 if _largest(Z[i]) == np.int64(Y[i, 0]) else 0
        else:
            for j in range(outputs):
                count += 1 if is_right(Z[i, j], Y[i, j]) else 0
    return count


@inner
def sum_squared_errors(Z, Y, differences, lanes):
    """Sum of squared differences, in float64; `differences` is scratch of Z's shape, lanes of 128 float64."""
    rows, outputs = Z.shape
    for i in range(rows):
        for j in range(outputs):
            differences[i, j] = Z[i, j] - Y[i, j]
    return sum_of_squares(differences.reshape(rows * outputs), lanes)


@inner
def total_sum_of_squares(Y):
    """Sum of squared differences of the targets from their means, output by output, in float64.

    NaN where all rows are equal, as R^2 then is.
    """
    rows, outputs = Y.shape
    total, equal = 0.0, True
    for j in range(outputs):
        mean = 0.0
        for i in range(rows):
            mean += np.float64(Y[i, j])
            equal = equal and Y[i, j] == Y[0, j]
        mean /= rows
        for i in range(rows):
            difference = np.float64(Y[i, j]) - mean
            total = fma(difference, difference, total)
    return np.nan if equal else total


@kernel
def total_sum_of_squares_of(Y):
    """Return the `total_sum_of_squares` of targets, called from Python."""
    return total_sum_of_squares(Y)


@inner
def _sift(scores, labels, start, end):
    """Let the number at `start` sink to its place in a heap that ends before `end`."""
    root = start
    while 2 * root + 1 < end:
        child = 2 * root + 1
        if child + 1 < end and scores[child + 1] > scores[child]:
            child += 1
        if scores[root] >= scores[child]:
            return
        scores[root], scores[child] = scores[child], scores[root]
        labels[root], labels[child] = labels[child], labels[root]
        root = child


@inner
def _sort(scores, labels):
    """Sort scores upwards, and labels with them (heapsort: J. W. J. Williams 1964)."""
    n = scores.size
    for start in range(n // 2 - 1, -1, -1):
        _sift(scores, labels, start, n)
    for end in range(n - 1, 0, -1):
        scores[0], scores[end] = scores[end], scores[0]
        labels[0], labels[end] = labels[end], labels[0]
        _sift(scores, labels, 0, end)


@inner
def area_under_curve(scores, labels):
    """Probability that a row of class 1 scores above one of class 0, ties counting one half (Hanley and McNeil 1982).

    Both vectors are float64 and are sorted in place; NaN where a class is absent or a score is not a number.
    """
    for i in range(scores.size):
        if np.isnan(scores[i]):
            return np.nan
    _sort(scores, labels)
    ones, wins, start = 0.0, 0.0, 0
    while start < scores.size:
        end, tied_ones = start, 0.0
        while end < scores.size and scores[end] == scores[start]:
            tied_ones += labels[end]
            end += 1
        zeros_below, tied_zeros = start - ones, end - start - tied_ones
        wins += tied_ones * (zeros_below + 0.5 * tied_zeros)
        ones += tied_ones
        start = end
    return wins / (ones * (scores.size - ones))
