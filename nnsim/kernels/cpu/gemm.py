"""Matrix products of any size and transposition, in one written order of summation.

C[i, j] = (start[i, j] + a[i, 0] b[0, j]) + a[i, 1] b[1, j] + ..., each step one fma. Blocks of k keep a panel of B in
the first-level cache; a later block goes on from the sums that the earlier one stored, so blocking changes no bit.
"""

from __future__ import annotations

import numpy as np

from nnsim.kernels.compiling.decorators import inner, kernel, maker
from nnsim.kernels.cpu.simd import ROWS, VECTOR_BYTES, WIDE, address_of, lanes_of, make_tile, make_transpose, size_of

DEPTH = 256  # rows of a panel of B: WIDE vectors each, at most 48 kB in all
ZERO, ONE = np.int64(0), np.int64(1)  # as arguments, plain 0 and 1 would make Numba compile a variant for each
PACK_FROM = 2**14  # bytes that a panel of B spans beyond which it is gathered: far rows crowd into few sets of a cache

_wide_tall, _wide_4, _wide_2, _wide_1 = (make_tile(rows, WIDE, masked=False) for rows in (ROWS, 4, 2, 1))
_pair_tall, _pair_4, _pair_2, _pair_1 = (make_tile(rows, 2, masked=False) for rows in (ROWS, 4, 2, 1))
_edge_tall, _edge_4, _edge_2, _edge_1 = (make_tile(rows, 2, masked=True) for rows in (ROWS, 4, 2, 1))
_slim_tall, _slim_4, _slim_2, _slim_1 = (make_tile(rows, 1, masked=True) for rows in (ROWS, 4, 2, 1))
_transpose_whole, _transpose_edge = make_transpose(masked=False), make_transpose(masked=True)


def _make_sweep(tall, four, two, one):
    """Return a function that computes one panel of columns of C from the top down, in tiles of falling height."""

    @inner
    def sweep(like, a, a_row, a_col, b, b_row, c, c_row, start, start_row, m, columns, k):
        size = size_of(like)
        a_step, c_step, start_step = size * a_row, size * c_row, size * start_row
        i = 0
        while i + ROWS <= m:
            tall(like, a, a_row, a_col, b, b_row, c, c_row, start, start_row, k, columns)
            a, c, start, i = a + ROWS * a_step, c + ROWS * c_step, start + ROWS * start_step, i + ROWS
        if i + 4 <= m:
            four(like, a, a_row, a_col, b, b_row, c, c_row, start, start_row, k, columns)
            a, c, start, i = a + 4 * a_step, c + 4 * c_step, start + 4 * start_step, i + 4
        if i + 2 <= m:
            two(like, a, a_row, a_col, b, b_row, c, c_row, start, start_row, k, columns)
            a, c, start, i = a + 2 * a_step, c + 2 * c_step, start + 2 * start_step, i + 2
        if i < m:
            one(like, a, a_row, a_col, b, b_row, c, c_row, start, start_row, k, columns)

    return sweep


_sweep_wide = _make_sweep(_wide_tall, _wide_4, _wide_2, _wide_1)
_sweep_pair = _make_sweep(_pair_tall, _pair_4, _pair_2, _pair_1)
_sweep_edge = _make_sweep(_edge_tall, _edge_4, _edge_2, _edge_1)
_sweep_slim = _make_sweep(_slim_tall, _slim_4, _slim_2, _slim_1)


@maker
def new_panel(like):
    """Return scratch for `gemm`: a panel of B, then a row of zeros, then a one, and room to align them."""
    panel = np.zeros(((WIDE * DEPTH + WIDE + 2) * VECTOR_BYTES) // like.itemsize, like.dtype)
    panel[(_one_of(address_of(panel)) - address_of(panel)) // like.itemsize] = 1
    return panel


@inner
def _aligned(panel):
    return (panel + VECTOR_BYTES - 1) // VECTOR_BYTES * VECTOR_BYTES


@inner
def _zeros_of(panel):
    return _aligned(panel) + WIDE * VECTOR_BYTES * DEPTH


@inner
def _one_of(panel):
    return _zeros_of(panel) + WIDE * VECTOR_BYTES


@inner
def _panel_width(like, columns):
    """Return how many columns the next panel takes of those that are left: two vectors where three would leave one."""
    lanes = lanes_of(like)
    if columns >= WIDE * lanes and columns != 4 * lanes:
        return WIDE * lanes
    return min(2 * lanes, columns)


@inner
def _sweep(like, a, a_row, a_col, b, b_row, c, c_row, start, start_row, m, columns, k):
    lanes = lanes_of(like)
    if columns > 2 * lanes:
        _sweep_wide(like, a, a_row, a_col, b, b_row, c, c_row, start, start_row, m, columns, k)
    elif columns == 2 * lanes:
        _sweep_pair(like, a, a_row, a_col, b, b_row, c, c_row, start, start_row, m, columns, k)
    elif columns > lanes:
        _sweep_edge(like, a, a_row, a_col, b, b_row, c, c_row, start, start_row, m, columns, k)
    else:
        _sweep_slim(like, a, a_row, a_col, b, b_row, c, c_row, start, start_row, m, columns, k)


@inner
def _pack(like, target, width, b, b_row, k, columns):
    """Copy a panel of B to contiguous rows: a product of depth zero leaves its start."""
    _sweep(like, ZERO, ZERO, ZERO, ZERO, ZERO, target, width, b, b_row, k, columns, ZERO)


@inner
def _transpose(like, source, source_row, target, target_row, rows, columns):
    """Write target = source.T for a matrix of shape (rows, columns), block by block; addresses and strides."""
    size, lanes = size_of(like), lanes_of(like)
    for i in range(0, rows, lanes):
        for j in range(0, columns, lanes):
            block, place = source + size * (i * source_row + j), target + size * (j * target_row + i)
            if i + lanes <= rows and j + lanes <= columns:
                _transpose_whole(like, block, source_row, place, target_row, lanes, lanes)
            else:
                _transpose_edge(like, block, source_row, place, target_row, rows - i, columns - j)


@inner
def transpose(source, target):
    """Write target = source.T for C-contiguous matrices."""
    rows, columns = source.shape
    _transpose(target[0, 0], address_of(source), columns, address_of(target), rows, rows, columns)


@inner
def gemm(like, panel, a, a_row, a_col, b, b_row, b_col, c, c_row, start, start_row, m, n, k):
    """Compute C = start + A @ B with C of shape (m, n) and A of shape (m, k).

    Parameters
    ----------
    like : scalar
        Any number of the matrices' type.
    panel, a, b, c, start : int
        Addresses: of scratch from `new_panel`, and of the matrices. A `start` of 0 stands for zeros.
    a_row, a_col, b_row, b_col, c_row, start_row : int
        Strides in elements. B has b_col = 1 or b_row = 1; C and start have contiguous rows. start_row = 0 adds the
        same row, a bias, to every row.
    """
    size, width = size_of(like), WIDE * lanes_of(like)
    packed, zeros = _aligned(panel), _zeros_of(panel)
    pack = size * b_row * min(k, DEPTH) > PACK_FROM and m >= 2 * ROWS
    for k0 in range(0, max(k, 1), DEPTH):
        depth = min(DEPTH, k - k0)
        j = 0
        while j < n:
            columns = _panel_width(like, n - j)
            b_panel, panel_row = b + size * (k0 * b_row + j * b_col), b_row
            if b_col != 1:
                _transpose(like, b_panel, b_col, packed, width, columns, depth)
                b_panel, panel_row = packed, width
            elif pack:
                _pack(like, packed, width, b_panel, b_row, depth, columns)
                b_panel, panel_row = packed, width
            c_panel = c + size * j
            first, first_row = start + size * j, start_row
            if k0 > 0:
                first, first_row = c_panel, c_row
            elif start == 0:
                first, first_row = zeros, ZERO
            a_block = a + size * k0 * a_col
            _sweep(like, a_block, a_row, a_col, b_panel, panel_row, c_panel, c_row, first, first_row, m, columns, depth)
            j += columns


# The products of a layer with `rows` rows, on C-contiguous matrices of which the addresses are given.


@inner
def affine(like, panel, a, w, b, z, rows, fan_in, fan_out):
    """Z = A W + b."""
    gemm(like, panel, a, fan_in, ONE, w, fan_out, ONE, z, fan_out, b, ZERO, rows, fan_out, fan_in)


@inner
def weight_gradient(like, panel, a, delta, g, rows, fan_in, fan_out):
    """G = A^T delta; where delta's rows do not fill a vector, G^T = delta^T A, whose rows do."""
    size, lanes, packed = size_of(like), lanes_of(like), _aligned(panel)
    if fan_out >= lanes:
        gemm(like, panel, a, ONE, fan_in, delta, fan_out, ONE, g, fan_out, ZERO, ZERO, fan_in, fan_out, rows)
        return
    for i in range(0, fan_in, WIDE * lanes):
        width, block = min(WIDE * lanes, fan_in - i), a + size * i
        gemm(like, panel, delta, ONE, fan_out, block, fan_in, ONE, packed, width, ZERO, ZERO, fan_out, width, rows)
        _transpose(like, packed, width, g + size * i * fan_out, fan_out, fan_out, width)


@inner
def bias_gradient(like, panel, delta, g, rows, fan_out):
    """G = 1^T delta, the sums of delta's columns."""
    gemm(like, panel, _one_of(panel), ZERO, ZERO, delta, fan_out, ONE, g, fan_out, ZERO, ZERO, ONE, fan_out, rows)


@inner
def input_gradient(like, panel, delta, w, e, skipped, rows, fan_in, fan_out):
    """E = skipped + delta W^T; a `skipped` of 0 stands for zeros."""
    gemm(like, panel, delta, fan_out, ONE, w, ONE, fan_out, e, fan_in, skipped, fan_in, rows, fan_in, fan_out)


@inner
def _matrix_product(panel, A, B, C, transpose_a, transpose_b):
    m, n = C.shape
    k = A.shape[0] if transpose_a else A.shape[1]
    a_row, a_col = (ONE, A.shape[1]) if transpose_a else (A.shape[1], ONE)
    b_row, b_col = (ONE, B.shape[1]) if transpose_b else (B.shape[1], ONE)
    a, b, c = address_of(A), address_of(B), address_of(C)
    gemm(panel[0], address_of(panel), a, a_row, a_col, b, b_row, b_col, c, n, ZERO, ZERO, m, n, k)


@kernel
def matrix_product(A, B, C, transpose_a, transpose_b):
    """Write C = op(A) @ op(B), op being the transpose where asked for; all C-contiguous and of one dtype."""
    _matrix_product(new_panel(C), A, B, C, transpose_a, transpose_b)
