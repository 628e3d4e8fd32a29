"""Means and standard deviations of a table's columns, by which features are standardised."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.compiling.decorators import kernel
from nnsim.kernels.formulas.scalar_math import fma


@kernel
def mean_and_deviation(X, mean, deviation):
    """Write each column's mean and standard deviation; sums run down the rows."""
    n, d = X.shape
    mean[:] = 0.0
    deviation[:] = 0.0
    for i in range(n):
        for j in range(d):
            mean[j] += X[i, j]
    for j in range(d):
        mean[j] /= n
    for i in range(n):
        for j in range(d):
            difference = X[i, j] - mean[j]
            deviation[j] = fma(difference, difference, deviation[j])
    for j in range(d):
        deviation[j] = np.sqrt(deviation[j] / n)
