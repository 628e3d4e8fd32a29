"""Matrix products of many networks at once, in the written order of summation of `nnsim.kernels.cpu.gemm`.

With a network in every lane no tile needs a mask, and a transposed matrix is one with other strides.
"""

from __future__ import annotations

import numpy as np

from nnsim.kernels.compiling.decorators import inner, kernel, maker
from nnsim.kernels.cpu.simd import VECTOR_BYTES, address_of
from nnsim.kernels.lanes.vectors import SIDE, make_tile

ZERO, ONE = np.int64(0), np.int64(1)  # as arguments, plain 0 and 1 would make Numba compile a variant for each


def _make_row(rows):
    """Return a function that computes `rows` rows of C from left to right, in tiles of falling width."""
    four, two, one = (make_tile(rows, columns) for columns in (4, 2, 1))

    @inner
    def row(like, a, a_row, a_step, b, b_step, b_column, c, c_row, c_column, start, start_row, start_column, n, k):
        b_size, c_size, start_size = VECTOR_BYTES * b_column, VECTOR_BYTES * c_column, VECTOR_BYTES * start_column
        j = 0
        while j + 4 <= n:
            four(like, a, a_row, a_step, b, b_step, b_column, c, c_row, c_column, start, start_row, start_column, k)
            b, c, start, j = b + 4 * b_size, c + 4 * c_size, start + 4 * start_size, j + 4
        if j + 2 <= n:
            two(like, a, a_row, a_step, b, b_step, b_column, c, c_row, c_column, start, start_row, start_column, k)
            b, c, start, j = b + 2 * b_size, c + 2 * c_size, start + 2 * start_size, j + 2
        if j < n:
            one(like, a, a_row, a_step, b, b_step, b_column, c, c_row, c_column, start, start_row, start_column, k)

    return row


_tall_row, _single_row = _make_row(SIDE), _make_row(1)


@inner
def gemm(like, a, a_row, a_step, b, b_step, b_column, c, c_row, c_column, start, start_row, start_column, m, n, k):
    """Compute C = start + A @ B in every lane, with C of shape (m, n) and A of shape (m, k).

    Parameters
    ----------
    like : scalar
        Any number of the matrices' type.
    a, b, c, start : int
        Addresses of matrices of vectors.
    a_row, a_step, b_step, b_column, c_row, c_column, start_row, start_column : int
        Strides in vectors: from row to row, from column to column, and along k.
    """
    a_size, c_size, start_size = VECTOR_BYTES * a_row, VECTOR_BYTES * c_row, VECTOR_BYTES * start_row
    i = 0
    while i + SIDE <= m:
        _tall_row(like, a, a_row, a_step, b, b_step, b_column, c, c_row, c_column, start, start_row, start_column, n, k)
        a, c, start, i = a + SIDE * a_size, c + SIDE * c_size, start + SIDE * start_size, i + SIDE
    while i < m:
        _single_row(
            like, a, a_row, a_step, b, b_step, b_column, c, c_row, c_column, start, start_row, start_column, n, k
        )
        a, c, start, i = a + a_size, c + c_size, start + start_size, i + 1


@maker
def new_constants(like):
    """Return scratch that holds a vector of zeros and one of ones, and room to align them."""
    lanes = VECTOR_BYTES // like.itemsize
    constants = np.zeros(3 * lanes, like.dtype)
    first = (_zeros_of(address_of(constants)) - address_of(constants)) // like.itemsize
    constants[first + lanes : first + 2 * lanes] = 1
    return constants


@inner
def _zeros_of(constants):
    return (constants + VECTOR_BYTES - 1) // VECTOR_BYTES * VECTOR_BYTES


# The products of a layer with `rows` rows, on C-contiguous matrices of vectors, of which the addresses are given.


@inner
def affine(like, h, w, b, z, rows, fan_in, fan_out):
    """Z = H W + b."""
    gemm(like, h, fan_in, ONE, w, fan_out, ONE, z, fan_out, ONE, b, ZERO, ONE, rows, fan_out, fan_in)


@inner
def weight_gradient(like, constants, h, delta, g, rows, fan_in, fan_out):
    """G = H^T delta."""
    zeros = _zeros_of(constants)
    gemm(like, h, ONE, fan_in, delta, fan_out, ONE, g, fan_out, ONE, zeros, ZERO, ZERO, fan_in, fan_out, rows)


@inner
def bias_gradient(like, constants, delta, g, rows, fan_out):
    """G = 1^T delta, the sums of delta's columns."""
    zeros = _zeros_of(constants)
    ones = zeros + VECTOR_BYTES
    gemm(like, ones, ZERO, ZERO, delta, fan_out, ONE, g, fan_out, ONE, zeros, ZERO, ZERO, ONE, fan_out, rows)


@inner
def input_gradient(like, constants, delta, w, e, skipped, rows, fan_in, fan_out):
    """E = skipped + delta W^T; a `skipped` of 0 stands for zeros."""
    start, row, column = skipped, fan_in, ONE
    if skipped == 0:
        start, row, column = _zeros_of(constants), ZERO, ZERO
    gemm(like, delta, fan_out, ONE, w, ONE, fan_out, e, fan_in, ONE, start, row, column, rows, fan_in, fan_out)


@inner
def transpose(like, source, target, rows, columns):
    """Write target = source.T: a product of depth zero leaves its start, which may have any strides."""
    gemm(like, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, target, rows, ONE, source, ONE, columns, columns, rows, ZERO)


@kernel
def matrix_product(A, B, C):
    """Write C = A @ B in every lane, for arrays (m, k, lanes), (k, n, lanes) and (m, n, lanes)."""
    constants = new_constants(C)
    like, zeros = C[0, 0, 0], _zeros_of(address_of(constants))
    m, n, k = C.shape[0], C.shape[1], A.shape[1]
    a, b, c = address_of(A), address_of(B), address_of(C)
    gemm(like, a, k, ONE, b, n, ONE, c, n, ONE, zeros, ZERO, ZERO, m, n, k)
