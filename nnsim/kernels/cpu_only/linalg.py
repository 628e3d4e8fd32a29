"""The one matrix factorisation that results depend on, in a written order instead of LAPACK's."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.compiling.decorators import inner, kernel
from nnsim.kernels.formulas.scalar_math import fma


@inner
def _reflect(A, v, first, w):
    """Apply I - 2 v v^T to rows first... of A, where v is a unit vector over these rows; w is scratch."""
    rows, columns = A.shape
    for j in range(columns):
        w[j] = 0.0
    for i in range(first, rows):
        for j in range(columns):
            w[j] = fma(v[i], A[i, j], w[j])
    for i in range(first, rows):
        twice = -2.0 * v[i]
        for j in range(columns):
            A[i, j] = fma(twice, w[j], A[i, j])


@kernel
def orthonormal_columns(A):
    """Return Q of A = Q R with R's diagonal positive, by Householder reflections.

    For a Gaussian A, Q is uniform (Haar) over matrices with orthonormal columns (Mezzadri 2007).

    Parameters
    ----------
    A : float64 array (m, n) with m >= n
        Overwritten.

    Returns
    -------
    float64 array (m, n)
    """
    m, n = A.shape
    reflectors, signs, w = np.zeros((n, m)), np.empty(n), np.empty(n)
    for k in range(n):
        v = reflectors[k]
        square = 0.0
        for i in range(k, m):
            v[i] = A[i, k]
            square = fma(v[i], v[i], square)
        length = np.sqrt(square)
        signs[k] = -1.0 if v[k] > 0.0 else 1.0  # the sign of R[k, k] after the reflection
        v[k] -= signs[k] * length
        square = 0.0
        for i in range(k, m):
            square = fma(v[i], v[i], square)
        norm = np.sqrt(square)
        for i in range(k, m):
            v[i] = v[i] / norm if norm > 0.0 else 0.0
        _reflect(A, v, k, w)
    Q = np.zeros((m, n))
    for k in range(n):
        Q[k, k] = signs[k]
    for k in range(n - 1, -1, -1):
        _reflect(Q, reflectors[k], k, w)
    return Q
