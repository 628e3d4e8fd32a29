"""Where gradient descent stops being stable: the critical rate of a curvature, and the critical curvature of a rate."""

from __future__ import annotations


def critical_rate(sharpness: float, momentum: float = 0.0) -> float:
    """Return (2 + 2 b) / lambda, above which full-batch descent on a quadratic diverges.

    Along an eigenvector of the Hessian the heavy ball x' = x - eta lambda x + b (x - x_before) is stable if and only if
    0 < eta lambda < 2 + 2 b (Polyak 1964; Cohen et al. 2021, appendix B); without momentum that is the textbook's
    2 / lambda.

    Parameters
    ----------
    sharpness : float
        Largest eigenvalue of the Hessian.
    momentum : float in [0, 1)
        b, with the velocity v' = b v + g and the step -eta v'.
    """
    return (2.0 + 2.0 * momentum) / sharpness


def critical_sharpness(learning_rate: float, momentum: float = 0.0) -> float:
    """Return (2 + 2 b) / eta, the sharpness at the edge of stability (Cohen et al. 2021, section 2)."""
    return critical_rate(learning_rate, momentum)
