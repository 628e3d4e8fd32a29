"""Batch and layer normalisation and dropout once more, as loops over Python numbers: imports nothing from nnsim.

Backwards by the chain rule through the mean and the variance, as Ioffe and Szegedy (2015, section 3) write it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from naive import Matrix, transposed, words

DROPOUT = 7  # purpose of the stream of masks
TILE = 256


class Normalized(NamedTuple):
    """gamma x + beta, and x itself."""

    Y: Matrix
    X: Matrix


def moments(group: Sequence[float]) -> tuple[float, float]:
    """Mean and biased variance."""
    mean = math.fsum(group) / len(group)
    return mean, math.fsum((z - mean) ** 2 for z in group) / len(group)


def standardized(group: Sequence[float], epsilon: float) -> list[float]:
    mean, variance = moments(group)
    return [(z - mean) / math.sqrt(variance + epsilon) for z in group]


def through_moments(group: Sequence[float], slopes: Sequence[float], epsilon: float) -> list[float]:
    """dL/dz of a group from dL/dx: what reaches z directly, through the variance and through the mean."""
    n, (mean, variance) = len(group), moments(group)
    root = math.sqrt(variance + epsilon)
    of_variance = math.fsum(g * (z - mean) for g, z in zip(slopes, group, strict=True)) * -0.5 * root**-3
    of_mean = -math.fsum(slopes) / root - of_variance * 2 * math.fsum(z - mean for z in group) / n
    return [g / root + of_variance * 2 * (z - mean) / n + of_mean / n for g, z in zip(slopes, group, strict=True)]


def scaled(X: Matrix, gamma: Sequence[float], beta: Sequence[float]) -> Normalized:
    return Normalized([[g * x + b for x, g, b in zip(row, gamma, beta, strict=True)] for row in X], X)


def normalize(kind: str, Z: Matrix, gamma: Sequence[float], beta: Sequence[float], epsilon: float) -> Normalized:
    """By the moments of every unit over the batch, or of every row over its units."""
    groups = [standardized(group, epsilon) for group in (transposed(Z) if kind == "batch" else Z)]
    return scaled(transposed(groups) if kind == "batch" else groups, gamma, beta)


def normalize_by(
    running: tuple[list[float], list[float]],
    Z: Matrix,
    gamma: Sequence[float],
    beta: Sequence[float],
    epsilon: float,
) -> Normalized:
    """By given means and variances of the units."""
    rows = [[(z - m) / math.sqrt(v + epsilon) for z, m, v in zip(row, *running, strict=True)] for row in Z]
    return scaled(rows, gamma, beta)


class Slopes(NamedTuple):
    """dL/dZ, dL/dgamma and dL/dbeta."""

    Z: Matrix
    gamma: list[float]
    beta: list[float]


def backward(kind: str, Z: Matrix, X: Matrix, gamma: Sequence[float], delta: Matrix, epsilon: float) -> Slopes:
    """From delta = dL/dY."""
    of_x = [[g * d for g, d in zip(gamma, row, strict=True)] for row in delta]
    pairs = zip(transposed(Z), transposed(of_x), strict=True) if kind == "batch" else zip(Z, of_x, strict=True)
    groups = [through_moments(group, slopes, epsilon) for group, slopes in pairs]
    columns = list(zip(transposed(delta), transposed(X), strict=True))
    of_gamma = [math.fsum(d * x for d, x in zip(*column, strict=True)) for column in columns]
    of_beta = [math.fsum(column) for column, _ in columns]
    return Slopes(transposed(groups) if kind == "batch" else groups, of_gamma, of_beta)


def blended(running: tuple[list[float], list[float]], Z: Matrix, momentum: float) -> tuple[list[float], list[float]]:
    """Running means and variances after a batch: (1 - momentum) old + momentum new, the variance without bias."""
    means, variances = [], []
    for column, old_mean, old_variance in zip(transposed(Z), *running, strict=True):
        mean, _ = moments(column)
        unbiased = math.fsum((z - mean) ** 2 for z in column) / (len(column) - 1)
        means.append((1 - momentum) * old_mean + momentum * mean)
        variances.append((1 - momentum) * old_variance + momentum * unbiased)
    return means, variances


def dropout_words(key: int, step: int, count: int) -> list[int]:
    """The first words of a step: word w of block b of a tile of 256 stands at 64 w + b."""
    found: list[int] = []
    for tile in range(-(-count // TILE)):
        blocks = [words(key, DROPOUT, step, 64 * tile + b) for b in range(64)]
        found += [block[w] for w in range(4) for block in blocks]
    return found[:count]


def masks(rate: float, widths: Sequence[int], batch: int, rows: int, key: int, step: int) -> list[Matrix]:
    """A mask of 0 and 1 / (1 - p) for each hidden layer; layers stand as far apart as a full batch needs."""
    drawn = dropout_words(key, step, batch * sum(widths))
    found, start = [], 0
    for width in widths:
        layer = [drawn[start + i * width : start + (i + 1) * width] for i in range(rows)]
        found.append([[1 / (1 - rate) if word / 2**32 >= rate else 0.0 for word in row] for row in layer])
        start += batch * width
    return found
