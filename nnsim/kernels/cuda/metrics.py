"""How well the logits answer: correct outputs, squared errors and the area under the ROC curve, by all threads."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.cuda.decorators import barrier, device, divmod32
from nnsim.kernels.cuda.network import pitch
from nnsim.kernels.cuda.sums import add_lanes, sum_of_squares
from nnsim.kernels.cuda.threads import opaque, thread_range
from nnsim.kernels.formulas.losses import CROSS_ENTROPY
from nnsim.kernels.formulas.scores import is_right
from nnsim.kernels.formulas.written_orders import LANES


@device
def _count_correct_of_row(memory, loss, z, y, outputs):
    """Count the outputs of one row that are classified rightly."""
    if loss == CROSS_ENTROPY:
        best = 0
        for j in range(1, outputs):
            if memory[z + j] > memory[z + best]:
                best = j
        return 1.0 if best == np.int64(memory[y]) else 0.0
    count = 0.0
    for j in range(outputs):
        count += 1.0 if is_right(memory[z + j], memory[y + j]) else 0.0
    return count


@device
def count_correct(memory, loss, z, y, targets, rows, outputs, lanes):
    """Count the outputs that are classified rightly; whole numbers, so that the order does not matter."""
    for lane in thread_range(0, LANES):
        lanes[lane] = 0.0
        for i in range(lane, rows, LANES):
            lanes[lane] += _count_correct_of_row(memory, loss, z + i * pitch(outputs), y + i * targets, outputs)
    return add_lanes(lanes)


@device
def sum_squared_errors(memory, z, y, differences, rows, outputs, lanes):
    """Sum of squared differences, in float64; `differences` is the place of rows * outputs numbers of scratch."""
    for place in thread_range(0, rows * outputs):
        i, j = divmod32(place, outputs)
        memory[differences + place] = memory[z + i * pitch(outputs) + j] - memory[y + place]
    barrier()
    return sum_of_squares(memory, differences, rows * outputs, lanes)


@device
def _wins(scores, labels, rows, i):
    """Return the rows of class 0 over which row i, of class 1, wins; a tie is half a win."""
    count = 0.0
    for other in range(rows):
        if labels[other] == 0.0:
            count += 1.0 if scores[other] < scores[i] else (0.5 if scores[other] == scores[i] else 0.0)
    return count


@device
def _count_of_ones(scores, labels, lanes):
    """Return the number of rows of class 1, NaN where a score is not a number."""
    for lane in thread_range(0, LANES):
        lanes[lane] = 0.0
        for i in range(lane, scores.size, LANES):
            lanes[lane] += labels[i] if scores[i] == scores[i] else np.nan
    return add_lanes(lanes)


@device
def area_under_curve(scores, labels, lanes):
    """Probability that a row of class 1 scores above one of class 0, ties counting one half (see the CPU's).

    Every pair is compared: halves of whole numbers are added, so that the order does not matter.
    """
    rows = opaque(scores.size)
    ones = _count_of_ones(scores, labels, lanes)
    if not 0.0 < ones < rows:
        return np.nan
    for lane in thread_range(0, LANES):
        lanes[lane] = 0.0
        for i in range(lane, rows, LANES):
            lanes[lane] += _wins(scores, labels, rows, i) if labels[i] == 1.0 else 0.0
    return add_lanes(lanes) / (ones * (rows - ones))
