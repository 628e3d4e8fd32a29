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


def jacobian_spectrum_variance(
    depth: int, width: int | float = math.inf, keep: float = 1.0, orthogonal: bool = False
) -> float:
    """Return the mean variance of the eigenvalues of J J^T, where J spans `depth` critical layers of one width.

    In the limit of wide layers depth / keep for Gaussian and depth (1 / keep - 1) for orthogonal weights: Pennington,
    Schoenholz and Ganguli 2017, section 2.5. `keep` is the share of units that pass a gradient, 1 for a linear and 1/2
    for a ReLU network, and weights have variance 1 / (keep width).

    At finite widths exact: let x = E tr A^2 / n and y = E (tr A)^2 / n^2 for A = J J^T, which start at 1. A layer A' =
    D W A W^T D / keep, with masks D that are independent coin flips (for ReLU as far as the spectrum can tell: it does
    not see the sign of a row of W, and that sign decides about the mask), makes of them for Gaussian weights

        x' = (1 - 1/n + 2/(keep n)) x + y / keep,      y' = (1 - 1/n + 1/(keep n)) y + 2 x / (keep n^2),

    and, with E sum_i A_ii^2 = (2 x + n y) n / (n + 2) for orthogonal ones and k = 1 / keep - 1,

        x' = x + k (2 x + n y) / (n + 2),              y' = y + k (2 x + n y) / (n (n + 2)).

    The variance is x - y.

    Parameters
    ----------
    depth : int
        Layers.
    width : int
        Units of each layer; infinite by default.
    keep : float
        Share of units whose slope is 1; the slope of the others is 0.
    orthogonal : bool
        Whether weights are orthogonal instead of Gaussian.
    """
    if math.isinf(width):
        return depth * (1.0 / keep - orthogonal)
    n, k = float(width), 1.0 / keep - 1.0
    x = y = 1.0
    for _ in range(depth):
        if orthogonal:
            diagonal = k * (2.0 * x + n * y) / (n + 2.0)
            x, y = x + diagonal, y + diagonal / n
        else:
            x, y = (
                (1.0 - 1.0 / n + 2.0 / (keep * n)) * x + y / keep,
                (1.0 - 1.0 / n + 1.0 / (keep * n)) * y + 2.0 * x / (keep * n * n),
            )
    return x - y
