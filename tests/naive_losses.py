"""Every loss and metric once more, as sums over Python numbers: imports nothing from nnsim."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from naive import Matrix


class Loss(NamedTuple):
    """The mean loss of a batch, delta = dL/dZ, and what the batch counts in a mean over batches."""

    value: float
    delta: Matrix
    weight: float


def softmax(row: Sequence[float]) -> list[float]:
    top = max(row)
    powers = [math.exp(z - top) for z in row]
    return [power / sum(powers) for power in powers]


def log_sum_exp(row: Sequence[float]) -> float:
    top = max(row)
    return top + math.log(sum(math.exp(z - top) for z in row))


def cross_entropy(Z: Matrix, labels: Matrix, smoothing: float = 0.0, weights: Sequence[float] | None = None) -> Loss:
    """-sum_j w_j q_j ln softmax(z)_j with q_j = (1 - s) [j = y] + s / C, over the sum of the rows' w_y."""
    classes = range(len(Z[0]))
    w = weights or [1.0 for _ in classes]
    total = math.fsum(w[int(label)] for (label,) in labels)
    loss, delta = 0.0, []
    for row, (label,) in zip(Z, labels, strict=True):
        shares = [w[j] * ((1 - smoothing) * (j == int(label)) + smoothing / len(classes)) for j in classes]
        loss += math.fsum(shares[j] * (log_sum_exp(row) - row[j]) for j in classes if shares[j])
        p = softmax(row)
        delta.append([math.fsum(shares[j] * (p[k] - (j == k)) for j in classes) / total for k in classes])
    return Loss(loss / total, delta, total)


def logistic(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z > 0 else 1 - 1 / (1 + math.exp(z))


def softplus(z: float) -> float:
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


def _elementwise(Z: Matrix, Y: Matrix, value: Callable, slope: Callable) -> Loss:
    """The mean over rows and outputs; `value` and `slope` also take the number of the output."""
    count = len(Z) * len(Z[0])
    pairs = [list(zip(z, y, range(len(z)), strict=True)) for z, y in zip(Z, Y, strict=True)]
    loss = sum(value(z, y, j) for row in pairs for z, y, j in row)
    return Loss(loss / count, [[slope(z, y, j) / count for z, y, j in row] for row in pairs], len(Z))


def bce(Z: Matrix, Y: Matrix, weights: Sequence[float] | None = None) -> Loss:
    """-w_j y ln s(z) - (1 - y) ln(1 - s(z))."""
    w = weights or [1.0] * len(Z[0])
    return _elementwise(
        *(Z, Y),
        lambda z, y, j: w[j] * y * softplus(-z) + (1 - y) * softplus(z),
        lambda z, y, j: (1 - y) * logistic(z) - w[j] * y * logistic(-z),
    )


def mse(Z: Matrix, Y: Matrix) -> Loss:
    """(z - y)^2."""
    return _elementwise(Z, Y, lambda z, y, _: (z - y) * (z - y), lambda z, y, _: 2 * (z - y))


def mae(Z: Matrix, Y: Matrix) -> Loss:
    """|z - y|, whose slope at zero is zero."""
    return _elementwise(Z, Y, lambda z, y, _: abs(z - y), lambda z, y, _: float(z > y) - float(z < y))


def huber(Z: Matrix, Y: Matrix, delta: float = 1.0) -> Loss:
    """d^2 / 2 for a distance d up to delta, else delta^2 / 2 + delta (d - delta)."""

    def value(z: float, y: float, _: int) -> float:
        near, beyond = min(abs(z - y), delta), max(abs(z - y) - delta, 0.0)
        return near * near / 2 + delta * beyond

    return _elementwise(Z, Y, value, lambda z, y, _: math.copysign(min(abs(z - y), delta), z - y))


LOSSES: dict[str, Callable[..., Loss]] = {
    "cross_entropy": cross_entropy,
    "bce": bce,
    "mse": mse,
    "mae": mae,
    "huber": huber,
}

# --- metrics -------------------------------------------------------------------------------------------------------


def accuracy(Z: Matrix, labels: Matrix) -> float:
    """Share of rows whose largest output is the label's."""
    return sum(row.index(max(row)) == int(label) for row, (label,) in zip(Z, labels, strict=True)) / len(Z)


def binary_accuracy(Z: Matrix, Y: Matrix) -> float:
    """Share of outputs whose sign is the target's."""
    pairs = [pair for rows in zip(Z, Y, strict=True) for pair in zip(*rows, strict=True)]
    return sum((z > 0) == (y > 0.5) for z, y in pairs) / len(pairs)


def r_squared(Z: Matrix, Y: Matrix) -> float:
    """1 - (mean squared error) / (mean over outputs of the targets' variance)."""
    variances = []
    for column in zip(*Y, strict=True):
        mean = sum(column) / len(column)
        variances.append(sum((y - mean) ** 2 for y in column) / len(column))
    return 1 - mse(Z, Y).value / (sum(variances) / len(variances))


METRICS = {"cross_entropy": accuracy, "bce": binary_accuracy, "mse": r_squared, "mae": r_squared, "huber": r_squared}


def area_under_curve(scores: Sequence[float], labels: Sequence[float]) -> float:
    """Share of the pairs of a row of class 1 and a row of class 0 in which the first scores higher; a tie is half."""
    ones = [score for score, label in zip(scores, labels, strict=True) if label == 1]
    zeros = [score for score, label in zip(scores, labels, strict=True) if label == 0]
    won = sum((one > zero) + 0.5 * (one == zero) for one in ones for zero in zeros)
    return won / (len(ones) * len(zeros))
