"""Matrix products bit for bit: one chain of fma over k for every element, whatever the tiles, blocks and strides."""

from __future__ import annotations

import naive
import numba
import numpy as np
import pytest

from nnsim.kernels.cpu.gemm import DEPTH, ONE, ZERO, gemm, matrix_product, new_panel
from nnsim.kernels.cpu.simd import ROWS, VECTOR_BYTES, address_of
from nnsim.kernels.lanes.gemm import matrix_product as product_in_lanes

KINDS = [np.float32, np.float64]
FORMATS = {np.float32: naive.FLOAT32, np.float64: naive.FLOAT64}
GUARD = 97

all_kinds = pytest.mark.parametrize("kind", KINDS)
all_transpositions = pytest.mark.parametrize(
    ("transpose_a", "transpose_b"),
    [(False, False), (True, False), (False, True), (True, True)],
    ids=["AB", "A'B", "AB'", "A'B'"],
)

# --- the reference: an exact fma over arrays -----------------------------------------------------------------------


def odd_sum(x, y):
    """x + y rounded to odd: where it is inexact, the neighbour with an odd significand (Boldo and Melquiond 2008)."""
    total = x + y
    part = total - x
    error = (x - (total - part)) + (y - part)
    even = (total.view(np.int64) & 1) == 0
    return np.where((error != 0) & even, np.nextafter(total, np.copysign(np.inf, error)), total)


def split(x):
    """Halves of 26 bits whose sum is x (Veltkamp 1968)."""
    high = x * 134217729.0 - (x * 134217729.0 - x)
    return high, x - high


def exact_product(a, b):
    """Product and its rounding error (Dekker 1971)."""
    (a1, a2), (b1, b2) = split(a), split(b)
    product = a * b
    return product, a2 * b2 - (((product - a1 * b1) - a2 * b1) - a1 * b2)


def exact_sum(x, y):
    """Sum and its rounding error (Knuth 1969)."""
    total = x + y
    part = total - x
    return total, (x - (total - part)) + (y - part)


def fma(a, b, c):
    """a b + c with one rounding, for arrays far from overflow and underflow (Boldo and Melquiond 2008)."""
    if a.dtype == np.float32:  # a product of two has 48 bits and is exact in float64
        return odd_sum(a.astype(np.float64) * b, c.astype(np.float64)).astype(np.float32)
    high, low = exact_product(a, b)
    small, smaller = exact_sum(c, low)
    large, rest = exact_sum(high, small)
    return large + odd_sum(rest, smaller)


def chain(A, B, start):
    """C = start + A B, summed from k = 0 upwards by fma."""
    C = np.broadcast_to(start, (A.shape[0], B.shape[1])).astype(A.dtype)
    for k in range(A.shape[1]):
        C = fma(*np.broadcast_arrays(A[:, k, None], B[k]), C)
    return C


@all_kinds
def test_reference_fma_is_exact(kind):
    rng = np.random.default_rng(3)
    a, b, c = (rng.standard_normal((3, 500)) * 10.0 ** rng.integers(-6, 6, (3, 500))).astype(kind)
    c[:100] = -a[:100] * b[:100]
    exact = [naive.fma(float(x), float(y), float(z), FORMATS[kind]) for x, y, z in zip(a, b, c, strict=True)]
    np.testing.assert_array_equal(fma(a, b, c), np.array(exact, kind))


# --- products ------------------------------------------------------------------------------------------------------


def uneven(rng, shape, kind):
    """Return numbers whose sizes differ so much that every other order of summation shows."""
    return (rng.standard_normal(shape) * 10.0 ** rng.integers(-3, 4, shape)).astype(kind)


def guarded(matrix, filling):
    """Return a C-contiguous copy in the middle of a vector that holds `filling`, and the vector."""
    room = np.full(matrix.size + 2 * GUARD, filling, matrix.dtype)
    view = room[GUARD : GUARD + matrix.size].reshape(matrix.shape)
    view[...] = matrix
    return view, room


def product(A, B, transpose_a, transpose_b):
    """Return op(A) op(B) for A and B given as their operands stand in the product; what surrounds them is NaN."""
    kind = A.dtype.type
    stored_a, _ = guarded(A.T if transpose_a else A, np.nan)
    stored_b, _ = guarded(B.T if transpose_b else B, np.nan)
    C, room = guarded(np.full((A.shape[0], B.shape[1]), np.nan, kind), kind(-7))
    matrix_product(stored_a, stored_b, C, transpose_a, transpose_b)
    assert (room[:GUARD] == -7).all(), "wrote before C"
    assert (room[GUARD + C.size :] == -7).all(), "wrote behind C"
    return C


def lanes(kind):
    return VECTOR_BYTES // np.dtype(kind).itemsize


SHAPES = {
    "no-rows": lambda w: (0, 3, 2),
    "no-columns": lambda w: (3, 0, 2),
    "no-depth": lambda w: (3, 2, 0),
    "single": lambda w: (1, 1, 1),
    "row": lambda w: (1, 17, 5),
    "column": lambda w: (19, 1, 5),
    "outer": lambda w: (7, 9, 1),
    "odd": lambda w: (13, 11, 7),
    "vector-minus-1": lambda w: (ROWS - 1, w - 1, 9),
    "vector": lambda w: (ROWS, w, 9),
    "vector-plus-1": lambda w: (ROWS + 1, w + 1, 9),
    "tile-minus-1": lambda w: (2 * ROWS - 1, 2 * w - 1, 33),
    "tile": lambda w: (2 * ROWS, 2 * w, 33),
    "tile-plus-1": lambda w: (2 * ROWS + 1, 2 * w + 1, 33),
    "many-tiles": lambda w: (5 * ROWS + 3, 6 * w + 5, 40),
    "depth-minus-1": lambda w: (ROWS + 2, 2 * w + 3, DEPTH - 1),
    "depth": lambda w: (ROWS + 2, 2 * w + 3, DEPTH),
    "depth-plus-1": lambda w: (ROWS + 2, 2 * w + 3, DEPTH + 1),
    "three-blocks": lambda w: (5, w + 3, 2 * DEPTH + 17),
    "wide": lambda w: (2 * ROWS + 1, 1200, 20),
    "wide-and-deep": lambda w: (2 * ROWS + 1, 401, DEPTH + 9),
    "wide-and-low": lambda w: (2, 401, DEPTH + 9),
}


@all_transpositions
@all_kinds
@pytest.mark.parametrize("shape", SHAPES)
def test_product_is_the_fma_chain_bit_for_bit(shape, kind, transpose_a, transpose_b):
    m, n, k = SHAPES[shape](lanes(kind))
    rng = np.random.default_rng([m, n, k])
    A, B = uneven(rng, (m, k), kind), uneven(rng, (k, n), kind)
    np.testing.assert_array_equal(product(A, B, transpose_a, transpose_b), chain(A, B, kind(0)))


@all_transpositions
@all_kinds
def test_products_of_many_small_sizes(kind, transpose_a, transpose_b):
    rng = np.random.default_rng(11)
    for m, n, k in rng.integers(1, 45, (60, 3)):
        A, B = uneven(rng, (m, k), kind), uneven(rng, (k, n), kind)
        np.testing.assert_array_equal(product(A, B, transpose_a, transpose_b), chain(A, B, kind(0)), f"{m} {n} {k}")


@all_transpositions
@all_kinds
def test_products_of_every_number_of_columns(kind, transpose_a, transpose_b):
    rng = np.random.default_rng(16)
    A, B = uneven(rng, (ROWS + 3, 5), kind), uneven(rng, (5, 8 * lanes(kind)), kind)
    whole = chain(A, B, kind(0))
    for n in range(1, B.shape[1] + 1):
        np.testing.assert_array_equal(product(A, B[:, :n], transpose_a, transpose_b), whole[:, :n], f"{n} columns")


@all_transpositions
@all_kinds
def test_products_of_every_number_of_rows(kind, transpose_a, transpose_b):
    rng = np.random.default_rng(17)
    A, B = uneven(rng, (4 * ROWS, 5), kind), uneven(rng, (5, 2 * lanes(kind) + 1), kind)
    whole = chain(A, B, kind(0))
    for m in range(1, A.shape[0] + 1):
        np.testing.assert_array_equal(product(A[:m], B, transpose_a, transpose_b), whole[:m], f"{m} rows")


@all_kinds
def test_small_product_equals_exact_arithmetic(kind):
    rng = np.random.default_rng(12)
    A, B = uneven(rng, (5, 9), kind), uneven(rng, (9, 6), kind)
    C = product(A, B, False, False)
    for i, j in np.ndindex(C.shape):
        total = 0.0
        for k in range(9):
            total = naive.fma(float(A[i, k]), float(B[k, j]), total, FORMATS[kind])
        assert C[i, j] == total


def test_product_equals_the_naive_one():
    rng = np.random.default_rng(13)
    A, B = rng.standard_normal((9, 21)), rng.standard_normal((21, 14))
    np.testing.assert_allclose(product(A, B, False, False), naive.matmul(A.tolist(), B.tolist()), rtol=0, atol=1e-13)


@all_kinds
def test_a_row_does_not_depend_on_the_rows_beside_it(kind):
    rng = np.random.default_rng(14)
    A, B = uneven(rng, (37, 60), kind), uneven(rng, (60, 50), kind)
    whole = product(A, B, False, False)
    for i in range(37):
        np.testing.assert_array_equal(product(A[i : i + 1], B, False, False)[0], whole[i])


@all_transpositions
@all_kinds
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_number_that_is_not_finite_reaches_its_row_only(value, kind, transpose_a, transpose_b):
    rng = np.random.default_rng(15)
    A, B = abs(rng.standard_normal((19, 23))).astype(kind), abs(rng.standard_normal((23, 41))).astype(kind)
    A[7, 11] = value
    C = product(A, B, transpose_a, transpose_b)
    np.testing.assert_array_equal(C[7], np.full(41, value, kind))
    assert np.isfinite(np.delete(C, 7, axis=0)).all()


@all_transpositions
@all_kinds
def test_zero_times_infinity_is_nan(kind, transpose_a, transpose_b):
    A, B = np.zeros((3, 4), kind), np.ones((4, 5), kind)
    B[2, 3] = np.inf
    C = product(A, B, transpose_a, transpose_b)
    assert np.isnan(C[:, 3]).all()
    assert (np.delete(C, 3, axis=1) == 0).all()


# --- starts and strides --------------------------------------------------------------------------------------------


@numba.njit(error_model="numpy")
def with_panel(panel, A, B, C, start, start_row, m, n, k, columns_of_b):
    b_row, b_col = (ONE, B.shape[1]) if columns_of_b else (B.shape[1], ONE)
    at = address_of(start) if start.size > 0 else ZERO
    gemm(
        *(panel[0], address_of(panel), address_of(A), A.shape[1], ONE, address_of(B), b_row, b_col),
        *(address_of(C), C.shape[1], at, start_row, m, n, k),
    )


@numba.njit(error_model="numpy")
def strided_product(A, B, C, start, start_row, m, n, k, columns_of_b):
    """C = start + A B for matrices that are the left columns of wider ones; B may be read by columns."""
    with_panel(new_panel(C), A, B, C, start, start_row, m, n, k, columns_of_b)


STRIDED = [(9, 35, 20), (17, 5, 300), (2 * ROWS + 1, 75, 600)]


def left_columns(rng, rows, columns, kind, extra=3):
    """Return a wider matrix of which the left columns count; the rest is NaN."""
    room = np.full((rows, columns + extra), np.nan, kind)
    room[:, :columns] = uneven(rng, (rows, columns), kind)
    return room


@pytest.mark.parametrize("columns_of_b", [False, True], ids=["B", "B'"])
@pytest.mark.parametrize("shape", STRIDED, ids=str)
@all_kinds
def test_bias_starts_every_row(kind, shape, columns_of_b):
    m, n, k = shape
    rng = np.random.default_rng(21)
    A, B = left_columns(rng, m, k, kind), left_columns(rng, *((n, k) if columns_of_b else (k, n)), kind)
    bias, C = uneven(rng, n, kind), np.full((m, n + 3), -7, kind)
    strided_product(A, B, C, bias, 0, m, n, k, columns_of_b)
    right = B[:, :k].T if columns_of_b else B[:, :n]
    np.testing.assert_array_equal(C[:, :n], chain(A[:, :k], right, bias))
    assert (C[:, n:] == -7).all()


@pytest.mark.parametrize("shape", STRIDED, ids=str)
@all_kinds
def test_a_matrix_may_be_the_start(kind, shape):
    m, n, k = shape
    rng = np.random.default_rng(22)
    A, B, start = left_columns(rng, m, k, kind), left_columns(rng, k, n, kind), left_columns(rng, m, n, kind, extra=5)
    C = np.full((m, n + 3), -7, kind)
    strided_product(A, B, C, start, n + 5, m, n, k, False)
    np.testing.assert_array_equal(C[:, :n], chain(A[:, :k], B[:, :n], start[:, :n]))


@all_kinds
def test_a_start_without_depth_is_the_result(kind):
    rng = np.random.default_rng(23)
    A, B, bias = np.empty((5, 3), kind), np.empty((0, 10), kind), uneven(rng, 7, kind)
    C = np.full((5, 10), -7, kind)
    strided_product(A, B, C, bias, 0, 5, 7, 0, False)
    np.testing.assert_array_equal(C[:, :7], np.broadcast_to(bias, (5, 7)))


@pytest.mark.parametrize("columns_of_b", [False, True], ids=["B", "B'"])
@all_kinds
def test_a_product_may_go_on_from_its_own_sums(kind, columns_of_b):
    rng = np.random.default_rng(24)
    A, B = uneven(rng, (10, 30), kind), uneven(rng, (30, 12), kind)
    C = np.empty((10, 12), kind)
    for k in (slice(0, 13), slice(13, 30)):
        left, right = np.ascontiguousarray(A[:, k]), np.ascontiguousarray(B[k].T if columns_of_b else B[k])
        start = C if k.start else np.empty((0, 12), kind)
        strided_product(left, right, C, start, 12, 10, 12, left.shape[1], columns_of_b)
    np.testing.assert_array_equal(C, chain(A, B, kind(0)))


# --- many products at once -----------------------------------------------------------------------------------------


@all_kinds
@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 12])
def test_each_lane_has_its_own_product(kind, m, n):
    rng, k, lanes = np.random.default_rng(m * n), 11, VECTOR_BYTES // np.dtype(kind).itemsize
    A, B = rng.normal(size=(m, k, lanes)).astype(kind), rng.normal(size=(k, n, lanes)).astype(kind)
    C, alone = np.full((m, n, lanes), np.nan, kind), np.empty((m, n), kind)
    product_in_lanes(A, B, C)
    for lane in range(lanes):
        matrix_product(A[:, :, lane].copy(), B[:, :, lane].copy(), alone, False, False)
        np.testing.assert_array_equal(C[:, :, lane], alone)


@all_kinds
def test_a_product_of_depth_zero_is_zero_in_every_lane(kind):
    lanes = VECTOR_BYTES // np.dtype(kind).itemsize
    C = np.full((3, 5, lanes), np.nan, kind)
    product_in_lanes(np.empty((3, 0, lanes), kind), np.empty((0, 5, lanes), kind), C)
    np.testing.assert_array_equal(C, 0)
