"""Every algorithm of the kernels once more, as loops and formulas over Python numbers: imports nothing from nnsim.

Matrices are lists of rows. A network is a list of layers (W, b) with W of shape (fan_in, fan_out); its activation is
a pair of functions f(z) and f'(z), applied after every layer but the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise

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
