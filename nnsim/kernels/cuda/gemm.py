"""Matrix products in the order of `nnsim.kernels.cpu.gemm`: a thread goes through k with 4 x 4 sums at a time.

The rows and columns of a thread's tile lie as far apart as there are tiles, so that neighbouring threads read
neighbouring numbers. At the edge a thread repeats what another computes, and does not write it.
"""

from __future__ import annotations

from nnsim.kernels.cuda.options import THREADS, barrier, device, divided, read, real, thread
from nnsim.kernels.scalar_math import fma

SIDE = 4
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
        read(memory, places[0] + offset),
        read(memory, places[1] + offset),
        read(memory, places[2] + offset),
        read(memory, places[3] + offset),
    )


@device
def _start(memory, start, offset, columns):
    """Return the numbers from which a row's sums go on."""
    if start == NOTHING:
        zero = real(memory, 0)
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
def gemm(memory, a, a_row, a_col, b, b_row, b_col, c, c_row, start, start_row, m, n, k):
    """C = start + A B with C of shape (m, n), all places and strides in `memory`; C's rows are contiguous."""
    down, across = (m + SIDE - 1) // SIDE, (n + SIDE - 1) // SIDE
    for tile in range(thread(), down * across, THREADS):
        if b_col == 1:
            i, j = divided(tile, across)
        else:
            j, i = divided(tile, down)
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
        _store(memory, c + c_row * i, j, across, n, sums0)
        if i + down < m:
            _store(memory, c + c_row * (i + down), j, across, n, sums1)
        if i + 2 * down < m:
            _store(memory, c + c_row * (i + 2 * down), j, across, n, sums2)
        if i + 3 * down < m:
            _store(memory, c + c_row * (i + 3 * down), j, across, n, sums3)
    barrier()


# The products of a layer with `rows` rows; matrices of the batch have rows of `pitch(width)` numbers.


@device
def affine(memory, a, a_row, w, b, z, z_row, rows, fan_in, fan_out):
    """Z = A W + b."""
    gemm(memory, a, a_row, 1, w, fan_out, 1, z, z_row, b, 0, rows, fan_out, fan_in)


@device
def weight_gradient(memory, a, a_row, delta, delta_row, g, rows, fan_in, fan_out):
    """G = A^T delta."""
    gemm(memory, a, 1, a_row, delta, delta_row, 1, g, fan_out, NOTHING, 0, fan_in, fan_out, rows)


@device
def bias_gradient(memory, delta, delta_row, g, rows, fan_out):
    """G = 1^T delta, the sums of delta's columns."""
    for j in range(thread(), fan_out, THREADS):
        total = real(memory, 0)
        for i in range(rows):
            total += memory[delta + i * delta_row + j]
        memory[g + j] = total
    barrier()


@device
def error_before(memory, delta, delta_row, w, e, e_row, skipped, rows, fan_in, fan_out):
    """E = skipped + delta W^T; `skipped` may be `NOTHING`, and has E's layout."""
    gemm(memory, delta, delta_row, 1, w, 1, fan_out, e, e_row, skipped, e_row, rows, fan_in, fan_out)
