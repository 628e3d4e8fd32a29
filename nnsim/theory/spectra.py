"""Singular values of random weight matrices and Jacobians."""

from __future__ import annotations

import math


def mean_singular_value(n_var: float) -> float:
    """Return the mean singular value of a large square matrix W, (8 / (3 pi)) sqrt(n Var W), of the quarter-circle law.

    The Jacobian of a layer in the linear regime, as monitored by Glorot & Bengio 2010, section 4.2: 0.49 for weights
    U(+-1/sqrt(n)), 0.85 for their own initialisation.

    Parameters
    ----------
    n_var : float
        Width times the variance of a weight.
    """
    return 8.0 / (3.0 * math.pi) * math.sqrt(n_var)
