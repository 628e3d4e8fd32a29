"""Matrix products in the order of `nnsim.kernels.cpu.gemm`: a thread goes through k with 4 x 4 sums at a time.

The rows and columns of a thread's tile lie as far apart as there are tiles, so that neighbouring threads read
neighbouring numbers. At the edge a thread repeats what another computes, and does not write it.
"""

from __future__ import annotations

from nnsim.kernels.cuda.decorators import barrier, cast_like, device, divmod32, load_unchecked, simulated
from nnsim.kernels.cuda.threads import thread, thread_range
from nnsim.kernels.formulas.scalar_math import fma

SIDE = 4
DOWN, ACROSS = (2, 2) if simulated else (8, 16)
STAGED_THREADS = DOWN * ACROSS
"""Threads of a block for matrices that are not in shared memory: one for each 4 x 4 sums of a block of C."""

STAGE = 3 if simulated else 16  # steps of k between two copies
A_ROW, B_ROW = STAGE + 1, SIDE * ACROSS
A_SIZE = SIDE * DOWN * A_ROW
TILES = A_SIZE + STAGE * B_ROW
"""Numbers of shared memory for products of matrices that are not."""

NOTHING = -1
"""The place of a matrix of zeros."""


@device
def _spread(first, step, count):
    """Return four numbers, `step` apart, none beyond the last of `count`."""
    last = count - 1
    return first, min(first + step, last), min(first + 2 * step, last), min(first + 3 * step, last)


@device
def _at(place, stride, numbers):
    """Return the places of four rows or columns."""
    return (
        place + stride * numbers[0],
        place + stride * numbers[1],
        place + stride * numbers[2],
        place + stride * numbers[3],
    )


@device
def _load(memory, offset, places):
    return (
        load_unchecked(memory, places[0] + offset),
        load_unchecked(memory, places[1] + offset),
        load_unchecked(memory, places[2] + offset),
        load_unchecked(memory, places[3] + offset),
    )


@device
def _start(memory, start, offset, columns):
    """Return the numbers from which a row's sums go on."""
    if start == NOTHING:
        zero = cast_like(memory, 0)
        return zero, zero, zero, zero
    return _load(memory, start + offset, columns)


@device
def _add_product(x, y, sums):
    """Return sums + x y for one row of a tile."""
    return fma(x, y[0], sums[0]), fma(x, y[1], sums[1]), fma(x, y[2], sums[2]), fma(x, y[3], sums[3])


@device
def _store(memory, place, first, step, count, sums):
    memory[place + first] = sums[0]
    if first + step < count:
        memory[place + first + step] = sums[1]
    if first + 2 * step < count:
        memory[place + first + 2 * step] = sums[2]
    if first + 3 * step < count:
        memory[place + first + 3 * step] = sums[3]


@device
def _store_tile(memory, c, c_row, i, down, m, j, across, n, sums0, sums1, sums2, sums3):
    """Write a thread's four rows, `down` apart, of those that are inside."""
    if i < m and j < n:
        _store(memory, c + c_row * i, j, across, n, sums0)
        if i + down < m:
            _store(memory, c + c_row * (i + down), j, across, n, sums1)
        if i + 2 * down < m:
            _store(memory, c + c_row * (i + 2 * down), j, across, n, sums2)
        if i + 3 * down < m:
            _store(memory, c + c_row * (i + 3 * down), j, across, n, sums3)


@device
def _direct(memory, a, a_row, a_col, b, b_row, b_col, c, c_row, start, start_row, m, n, k):
    """A and B are read where they stand."""
    down, across = (m + SIDE - 1) // SIDE, (n + SIDE - 1) // SIDE
    for tile in thread_range(0, down * across):
        if b_col == 1:
            i, j = divmod32(tile, across)
        else:
            j, i = divmod32(tile, down)
        rows, columns = _spread(i, down, m), _spread(j, across, n)
        a_rows, b_columns = _at(a, a_row, rows), _at(b, b_col, columns)
        sums0 = _start(memory, start, start_row * rows[0], columns)
        sums1 = _start(memory, start, start_row * rows[1], columns)
        sums2 = _start(memory, start, start_row * rows[2], columns)
        sums3 = _start(memory, start, start_row * rows[3], columns)
        for step in range(k):
            x, y = _load(memory, step * a_col, a_rows), _load(memory, step * b_row, b_columns)
            sums0, sums1 = _add_product(x[0], y, sums0), _add_product(x[1], y, sums1)
            sums2, sums3 = _add_product(x[2], y, sums2), _add_product(x[3], y, sums3)
        _store_tile(memory, c, c_row, i, down, m, j, across, n, sums0, sums1, sums2, sums3)


@device
def _stage(memory, matrix, row, col, rows, columns, tiles, at, tile_row, along_rows):
    """Copy a corner of a matrix into shared memory; neighbouring threads read along its rows or its columns."""
    for place in thread_range(0, rows * columns):
        if along_rows:
            i, j = divmod32(place, columns)
        else:
            j, i = divmod32(place, rows)
        tiles[at + i * tile_row + j] = load_unchecked(memory, matrix + i * row + j * col)


@device
def _staged(memory, tiles, a, a_row, a_col, b, b_row, b_col, c, c_row, start, start_row, m, n, k):
    """Blocks of C one after the other, the corners of A and B that they need in shared memory."""
    i, j = divmod32(thread(), ACROSS)
    for top in range(0, m, SIDE * DOWN):
        height = min(SIDE * DOWN, m - top)
        rows = _spread(min(i, height - 1), DOWN, height)
        for left in range(0, n, SIDE * ACROSS):
            width = min(SIDE * ACROSS, n - left)
            columns = _spread(min(j, width - 1), ACROSS, width)
            a_rows, b_columns = _at(0, A_ROW, rows), _at(A_SIZE, 1, columns)
            corner = start if start == NOTHING else start + top * start_row + left
            sums0 = _start(memory, corner, start_row * rows[0], columns)
            sums1 = _start(memory, corner, start_row * rows[1], columns)
            sums2 = _start(memory, corner, start_row * rows[2], columns)
            sums3 = _start(memory, corner, start_row * rows[3], columns)
            for k0 in range(0, k, STAGE):
                depth = min(STAGE, k - k0)
                a_corner, b_corner = a + top * a_row + k0 * a_col, b + k0 * b_row + left * b_col
                _stage(memory, a_corner, a_row, a_col, height, depth, tiles, 0, A_ROW, a_col == 1)
                _stage(memory, b_corner, b_row, b_col, depth, width, tiles, A_SIZE, B_ROW, b_col == 1)
                barrier()
                for step in range(depth):
                    x, y = _load(tiles, step, a_rows), _load(tiles, step * B_ROW, b_columns)
                    sums0, sums1 = _add_product(x[0], y, sums0), _add_product(x[1], y, sums1)
                    sums2, sums3 = _add_product(x[2], y, sums2), _add_product(x[3], y, sums3)
                barrier()
            _store_tile(
                memory, c + top * c_row + left, c_row, i, DOWN, height, j, ACROSS, width, sums0, sums1, sums2, sums3
            )


@device
def gemm(memory, tiles, a, a_row, a_col, b, b_row, b_col, c, c_row, start, start_row, m, n, k):
    """C = start + A B with C of shape (m, n), all places and strides in `memory`; C's rows are contiguous.

    `tiles` is shared memory for `TILES` numbers, or None where `memory` is shared itself. C overlaps neither A nor B.
    """
    if tiles is None:
        _direct(memory, a, a_row, a_col, b, b_row, b_col, c, c_row, start, start_row, m, n, k)
    else:
        _staged(memory, tiles, a, a_row, a_col, b, b_row, b_col, c, c_row, start, start_row, m, n, k)
    barrier()


# The products of a layer with `rows` rows; matrices of the batch have rows of `pitch(width)` numbers.


@device
def affine(memory, tiles, a, a_row, w, b, z, z_row, rows, fan_in, fan_out):
    """Z = A W + b."""
    gemm(memory, tiles, a, a_row, 1, w, fan_out, 1, z, z_row, b, 0, rows, fan_out, fan_in)


@device
def weight_gradient(memory, tiles, a, a_row, delta, delta_row, g, rows, fan_in, fan_out):
    """G = A^T delta."""
    gemm(memory, tiles, a, 1, a_row, delta, delta_row, 1, g, fan_out, NOTHING, 0, fan_in, fan_out, rows)


@device
def bias_gradient(memory, delta, delta_row, g, rows, fan_out):
    """G = 1^T delta, the sums of delta's columns."""
    for j in thread_range(0, fan_out):
        total = cast_like(memory, 0)
        for i in range(rows):
            total += memory[delta + i * delta_row + j]
        memory[g + j] = total
    barrier()


@device
def input_gradient(memory, tiles, delta, delta_row, w, e, e_row, skipped, rows, fan_in, fan_out):
    """E = skipped + delta W^T; `skipped` may be `NOTHING`, and has E's layout."""
    gemm(memory, tiles, delta, delta_row, 1, w, 1, fan_out, e, e_row, skipped, e_row, rows, fan_in, fan_out)
