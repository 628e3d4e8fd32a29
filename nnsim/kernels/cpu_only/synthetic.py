"""What synthetic data sets compute by the row: circular functions, and the answers of a teacher network."""

from __future__ import annotations

from nnsim.kernels.compiling.decorators import kernel
from nnsim.kernels.formulas.scalar_math import fma, sin_cos, tanh


@kernel
def sines(angle, sine, cosine):
    """Write the sine and the cosine of each angle, in radians."""
    for i in range(angle.size):
        sine[i], cosine[i] = sin_cos(angle[i])


@kernel
def teacher(X, W, v, out):
    """Write sum_j v_j tanh(sum_i x_i W_ij) for each row x of X."""
    for row in range(X.shape[0]):
        total = X.dtype.type(0)
        for j in range(W.shape[1]):
            z = X.dtype.type(0)
            for i in range(W.shape[0]):
                z = fma(X[row, i], W[i, j], z)
            total = fma(v[j], tanh(z), total)
        out[row] = total
