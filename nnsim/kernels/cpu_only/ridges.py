"""Sums of plane waves, the targets on which approximation is measured."""

from __future__ import annotations

from nnsim.kernels.compiling.decorators import kernel
from nnsim.kernels.formulas.scalar_math import fma, sin_cos


@kernel
def sum_of_waves(X, W, phases, out):
    """Write sum_k cos(sum_i x_i W_ik + phase_k) for each row x of a float64 array X."""
    for row in range(X.shape[0]):
        total = 0.0
        for k in range(W.shape[1]):
            z = phases[k]
            for i in range(W.shape[0]):
                z = fma(X[row, i], W[i, k], z)
            _, cosine = sin_cos(z)
            total += cosine
        out[row] = total
