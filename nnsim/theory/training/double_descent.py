"""Double descent in its exact form: least squares on p of D Gaussian features.

Rows x ~ N(0, I_D), targets y = beta . x + noise of variance sigma^2; the first p features are used, the rest are noise
to the fit. With signal = ||beta_T||^2 of the used ones and unexplained = ||beta||^2 - signal + sigma^2, the expected
squared error on a new row depends on nothing else.

References
----------
M. Belkin, D. Hsu and J. Xu, "Two models of double descent for weak features", SIAM J. Math. Data Sci. 2 (2020) 1167.
P. Nakkiran, P. Venkat, S. Kakade and T. Ma, "Optimal regularization can mitigate double descent", ICLR 2021.
"""

from __future__ import annotations

import math

from nnsim.core.errors import UsageError


def least_squares_risk(rows: int, features: int, signal: float, unexplained: float) -> float:
    """Return the expected squared error of the least-squares fit of smallest norm: Belkin, Hsu and Xu 2020, Theorem 1.

    With n rows and p features::

        p <= n - 2:  unexplained (1 + p / (n - p - 1))
        p >= n + 2:  signal (1 - n / p) + unexplained (1 + n / (p - n - 1))

    and infinite in between.

    Parameters
    ----------
    rows, features : int
        n and p, at least 1.
    signal, unexplained : float
        ||beta_T||^2, and the variance of what the used features cannot explain.

    Raises
    ------
    UsageError
        If a count is below 1 or a variance is negative.
    """
    _check(rows, features, signal, unexplained)
    if features <= rows - 2:
        return unexplained * (1.0 + features / (rows - features - 1))
    if features >= rows + 2:
        return signal * (1.0 - rows / features) + unexplained * (1.0 + rows / (features - rows - 1))
    return math.inf


def best_ridge(features: int, signal: float, unexplained: float) -> float:
    """Return p unexplained / signal, the penalty lambda ||w||^2 on the summed squares that predicts best.

    The variance of the noise over that of a coefficient: the posterior mean where coefficients are drawn from
    N(0, signal / p). With it the error falls with the number of features without a peak (Nakkiran et al. 2021).

    Parameters
    ----------
    features : int
        p, at least 1.
    signal, unexplained : float
        ||beta_T||^2, positive, and the variance of what the used features cannot explain, at least 0.

    Raises
    ------
    UsageError
        If there is no feature or no signal, or a variance is negative.
    """
    _check(1, features, signal, unexplained)
    if signal == 0.0:
        raise UsageError("signal is 0: a positive number is needed, without signal no penalty is too large")
    return features * unexplained / signal


def _check(rows: int, features: int, signal: float, unexplained: float) -> None:
    for name, count in (("rows", rows), ("features", features)):
        if count < 1:
            raise UsageError(f"{name} is {count}: a whole number that is at least 1 is needed")
    for name, value in (("signal", signal), ("unexplained", unexplained)):
        if not value >= 0.0:
            raise UsageError(f"{name} is {value}: a number that is at least 0 is needed")
