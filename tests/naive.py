"""Every algorithm of the kernels once more, as loops and formulas over Python numbers: imports nothing from nnsim.

Matrices are lists of rows. A network is a list of layers (W, b) with W of shape (fan_in, fan_out); its activation is
a pair of functions f(z) and f'(z), applied after every layer but the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

Matrix = list[list[float]]
Layers = list[tuple[Matrix, list[float]]]

# --- rounding ------------------------------------------------------------------------------------------------------

FLOAT32 = (24, -126)  # digits of the significand, exponent of the smallest normal number
FLOAT64 = (53, -1022)


def rounded(exact: Fraction, digits: int, least_exponent: int) -> float:
    """Round to the nearest binary number, ties to even, subnormal numbers included (IEEE 754, no overflow)."""
    if exact == 0:
        return 0.0
    exponent = abs(exact.numerator).bit_length() - exact.denominator.bit_length()
    if abs(exact) < Fraction(2) ** exponent:
        exponent -= 1
    quantum = Fraction(2) ** (max(exponent, least_exponent) - digits + 1)
    return float(round(exact / quantum) * quantum)


def fma(a: float, b: float, c: float, precision: tuple[int, int] = FLOAT64) -> float:
    """a b + c, computed exactly and rounded once."""
    return rounded(Fraction(a) * Fraction(b) + Fraction(c), *precision)


# --- random numbers (Salmon, Moraes, Dror and Shaw 2011) -----------------------------------------------------------

WORD = 0xFFFFFFFF


def philox(counter: Sequence[int], key: Sequence[int]) -> tuple[int, int, int, int]:
    """Philox4x32-10."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & WORD, (p0 >> 32) ^ c3 ^ k1, p0 & WORD
        k0, k1 = (k0 + 0x9E3779B9) & WORD, (k1 + 0xBB67AE85) & WORD
    return c0, c1, c2, c3


def words(key: int, purpose: int, step: int, block: int) -> tuple[int, int, int, int]:
    """Block `block` of the stream (key, purpose, step)."""
    return philox((block & WORD, block >> 32, step, purpose), (key & WORD, key >> 32))


def uniforms32(key: int, purpose: int, step: int, tiles: int) -> list[float]:
    """256 numbers a tile: word w of block b of the tile stands at 64 w + b; (upper 23 bits + 1/2) / 2^23."""
    out = []
    for tile in range(tiles):
        blocks = [words(key, purpose, step, 64 * tile + b) for b in range(64)]
        out += [((block[w] >> 9) + 0.5) / 2**23 for w in range(4) for block in blocks]
    return out


def uniforms64(key: int, purpose: int, step: int, tiles: int) -> list[float]:
    """128 numbers a tile: words (2 w, 2 w + 1) of block b at 64 w + b; (upper 52 of 64 bits + 1/2) / 2^52."""
    out = []
    for tile in range(tiles):
        blocks = [words(key, purpose, step, 64 * tile + b) for b in range(64)]
        out += [((((block[w] << 32) | block[w + 1]) >> 12) + 0.5) / 2**52 for w in (0, 2) for block in blocks]
    return out


def normals(uniforms: Sequence[float], tile: int) -> list[float]:
    """Box and Muller (1958): the first half of a tile holds radii, the second half angles."""
    out: list[float] = []
    for start in range(0, len(uniforms), tile):
        middle, end = start + tile // 2, start + tile
        pairs = list(zip(uniforms[start:middle], uniforms[middle:end], strict=True))
        radii = [math.sqrt(-2 * math.log(u)) for u, _ in pairs]
        out += [r * math.cos(2 * math.pi * v) for r, (_, v) in zip(radii, pairs, strict=True)]
        out += [r * math.sin(2 * math.pi * v) for r, (_, v) in zip(radii, pairs, strict=True)]
    return out


def permutation(n: int, key: int, purpose: int, step: int) -> list[int]:
    """Fisher and Yates: place i changes with place floor(word_i (i + 1) / 2^32)."""
    order = list(range(n))
    for i in range(1, n):
        partner = words(key, purpose, step, i // 4)[i % 4] * (i + 1) >> 32
        order[i], order[partner] = order[partner], order[i]
    return order


# --- matrices ------------------------------------------------------------------------------------------------------


def transposed(A: Matrix) -> Matrix:
    return [list(column) for column in zip(*A, strict=True)]


def matmul(A: Matrix, B: Matrix) -> Matrix:
    """C[i][j] = sum of A[i][k] B[k][j], summed from k = 0 upwards."""
    return [[sum(a * b for a, b in zip(row, column, strict=True)) for column in zip(*B, strict=True)] for row in A]


def add_row(Z: Matrix, b: Sequence[float]) -> Matrix:
    return [[z + beta for z, beta in zip(row, b, strict=True)] for row in Z]


# --- losses --------------------------------------------------------------------------------------------------------


class Loss(NamedTuple):
    """The mean loss of a batch and delta = dL/dZ."""

    value: float
    delta: Matrix


def softmax(row: Sequence[float]) -> list[float]:
    top = max(row)
    powers = [math.exp(z - top) for z in row]
    return [power / sum(powers) for power in powers]


def log_sum_exp(row: Sequence[float]) -> float:
    top = max(row)
    return top + math.log(sum(math.exp(z - top) for z in row))


def cross_entropy(Z: Matrix, labels: Matrix) -> Loss:
    """-ln softmax(z)[y], mean over rows."""
    rows, loss, delta = len(Z), 0.0, []
    for row, (label,) in zip(Z, labels, strict=True):
        y = int(label)
        loss += log_sum_exp(row) - row[y]
        delta.append([(p - (j == y)) / rows for j, p in enumerate(softmax(row))])
    return Loss(loss / rows, delta)


def logistic(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z > 0 else 1 - 1 / (1 + math.exp(z))


def _elementwise(Z: Matrix, Y: Matrix, value: Callable, slope: Callable) -> Loss:
    count = len(Z) * len(Z[0])
    pairs = [list(zip(z, y, strict=True)) for z, y in zip(Z, Y, strict=True)]
    loss = sum(value(z, y) for row in pairs for z, y in row)
    return Loss(loss / count, [[slope(z, y) / count for z, y in row] for row in pairs])


def bce(Z: Matrix, Y: Matrix) -> Loss:
    """-y ln s(z) - (1 - y) ln(1 - s(z)), mean over rows and outputs."""

    def softplus(z: float) -> float:
        return max(z, 0.0) + math.log1p(math.exp(-abs(z)))

    return _elementwise(Z, Y, lambda z, y: y * softplus(-z) + (1 - y) * softplus(z), lambda z, y: logistic(z) - y)


def mse(Z: Matrix, Y: Matrix) -> Loss:
    """(z - y)^2, mean over rows and outputs."""
    return _elementwise(Z, Y, lambda z, y: (z - y) * (z - y), lambda z, y: 2 * (z - y))


LOSSES = {"cross_entropy": cross_entropy, "bce": bce, "mse": mse}


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


METRICS = {"cross_entropy": accuracy, "bce": binary_accuracy, "mse": r_squared}

# --- networks ------------------------------------------------------------------------------------------------------


def unflatten(theta: Sequence[float], widths: Sequence[int]) -> Layers:
    """Layers of the vector W_0, b_0, W_1, b_1, ..., each W row by row."""
    layers, at = [], 0
    for fan_in, fan_out in pairwise(widths):
        W = [list(theta[at + i * fan_out : at + (i + 1) * fan_out]) for i in range(fan_in)]
        at += fan_in * fan_out
        layers.append((W, list(theta[at : at + fan_out])))
        at += fan_out
    return layers


def flatten(layers: Layers) -> list[float]:
    return [x for W, b in layers for row in [*W, b] for x in row]


def forward(layers: Layers, f: Callable, X: Matrix) -> tuple[list[Matrix], list[Matrix]]:
    """Return the inputs A_{l-1} and the pre-activations Z_l of every layer."""
    inputs, Zs = [X], []
    for W, b in layers:
        Zs.append(add_row(matmul(inputs[-1], W), b))
        inputs.append([[f(z) for z in row] for row in Zs[-1]])
    return inputs[:-1], Zs


def backward(layers: Layers, df: Callable, inputs: list[Matrix], Zs: list[Matrix], delta: Matrix) -> Layers:
    """Return the gradients of all W and b from the last layer's dL/dZ (Rumelhart, Hinton and Williams 1986)."""
    gradients: Layers = []
    for layer in reversed(range(len(layers))):
        grad_b = [sum(column) for column in zip(*delta, strict=True)]
        gradients.insert(0, (matmul(transposed(inputs[layer]), delta), grad_b))
        if layer > 0:
            before = matmul(delta, transposed(layers[layer][0]))
            rows = zip(before, Zs[layer - 1], strict=True)
            delta = [[d * df(z) for d, z in zip(*row, strict=True)] for row in rows]
    return gradients


def loss_and_gradient(
    theta: Sequence[float], widths: Sequence[int], f: Callable, df: Callable, loss: str, X: Matrix, Y: Matrix
) -> tuple[float, list[float]]:
    """Return the mean loss and its gradient as a flat vector."""
    layers = unflatten(theta, widths)
    inputs, Zs = forward(layers, f, X)
    value, delta = LOSSES[loss](Zs[-1], Y)
    return value, flatten(backward(layers, df, inputs, Zs, delta))


def epoch(
    theta: list[float],
    velocity: list[float],
    gradient_of: Callable[[list[float], Matrix, Matrix], tuple[float, list[float]]],
    data: tuple[Matrix, Matrix],
    order: Sequence[int],
    batch: int,
    learning_rate: float,
    momentum: float,
) -> tuple[list[float], list[float], list[float]]:
    """Heavy-ball descent (Polyak 1964) over the rows of (X, Y) in `order`.

    Returns theta, velocity and, for each step, the mean loss before it times its rows.
    """
    X, Y = data
    losses = []
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        loss, gradient = gradient_of(theta, [X[i] for i in rows], [Y[i] for i in rows])
        losses.append(loss * len(rows))
        velocity = [momentum * v + g for v, g in zip(velocity, gradient, strict=True)]
        theta = [t - learning_rate * v for t, v in zip(theta, velocity, strict=True)]
    return theta, velocity, losses
