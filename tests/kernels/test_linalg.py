"""The QR factor against NumPy's and against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from nnsim.kernels.cpu_only.linalg import orthonormal_columns

SHAPES = [(1, 1), (2, 2), (7, 1), (9, 4), (33, 32), (50, 50)]


def matrix(shape):
    return np.random.default_rng(shape).standard_normal(shape)


def factor(A):
    """Q of A, which is left as it is."""
    return orthonormal_columns(A.copy())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
class TestFullRank:
    def test_columns_are_orthonormal(self, shape):
        Q = factor(matrix(shape))
        np.testing.assert_allclose(Q.T @ Q, np.eye(shape[1]), atol=1e-14 * shape[0])

    def test_r_is_upper_triangular(self, shape):
        A = matrix(shape)
        np.testing.assert_allclose(np.tril(factor(A).T @ A, -1), 0, atol=1e-14 * shape[0])

    def test_the_diagonal_of_r_is_positive(self, shape):
        A = matrix(shape)
        assert (np.diag(factor(A).T @ A) > 0).all()

    def test_q_times_r_is_the_matrix(self, shape):
        A = matrix(shape)
        Q = factor(A)
        np.testing.assert_allclose(Q @ (Q.T @ A), A, atol=1e-14 * shape[0])

    def test_it_is_numpys_up_to_the_sign_of_columns(self, shape):
        A = matrix(shape)
        Q, R = np.linalg.qr(A)
        np.testing.assert_allclose(factor(A), Q * np.sign(np.diag(R)), atol=1e-12)


def test_an_orthonormal_matrix_is_its_own_factor():
    Q = factor(matrix((20, 8)))
    np.testing.assert_allclose(factor(Q), Q, atol=1e-14)


def test_the_unit_matrix_stays():
    np.testing.assert_array_equal(factor(np.eye(6, 4)), np.eye(6, 4))


@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_scale_does_not_matter(scale):
    A = matrix((12, 5))
    np.testing.assert_allclose(factor(A * scale), factor(A), atol=1e-13)


RANK_DEFICIENT = {
    "zeros": np.zeros((5, 3)),
    "zero column": matrix((5, 3)) * [1, 0, 1],
    "equal columns": matrix((5, 1)) * [1, 1, 1],
    "rank one, square": np.outer(np.arange(4.0), np.arange(1.0, 5.0)),
}


@pytest.mark.parametrize("name", RANK_DEFICIENT)
def test_without_full_rank_the_factor_is_still_orthonormal(name):
    Q = factor(RANK_DEFICIENT[name])
    np.testing.assert_allclose(Q.T @ Q, np.eye(Q.shape[1]), atol=1e-12)
