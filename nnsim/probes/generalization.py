"""What a model makes of rows it has not seen: noisy labels, the gap, and least squares beyond interpolation.

References
----------
C. Zhang, S. Bengio, M. Hardt, B. Recht and O. Vinyals, "Understanding deep learning requires rethinking
generalization", ICLR 2017 (random labels); P. Nakkiran et al., "Deep double descent", ICLR 2020 (label noise).
"""

from __future__ import annotations

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.kernels.cpu.draws import fill_uniform
from nnsim.kernels.formulas.philox import NOISE


def check_noise(noise: float) -> None:
    """Raise UsageError unless a share of wrong labels is at least 0 and below 1."""
    if not 0.0 <= noise < 1.0:
        raise UsageError(f"label noise is {noise:g}, allowed is at least 0 and below 1: a share of wrong labels")


def noisy_labels(y: np.ndarray, classes: int, noise: float, key: int) -> np.ndarray:
    """Return a copy of class numbers in which each is wrong with probability `noise`: any other class, equally likely.

    Row i draws the same whatever `noise` is, so what is wrong at a smaller noise is so at a larger one.

    Parameters
    ----------
    y : int64 array (rows,)
    classes : int
        Number of classes, at least 2.
    noise : float
        Share of wrong labels, at least 0 and below 1.
    key : int
        64-bit Philox key.

    Raises
    ------
    UsageError
        If the noise is outside its range.
    """
    check_noise(noise)
    chance, other = (np.empty(y.size) for _ in range(2))
    for step, out in enumerate((chance, other)):
        fill_uniform(out, np.uint64(key), NOISE, step)
    shift = 1 + np.floor(other * (classes - 1)).astype(np.int64)
    return np.where(chance < noise, (y + shift) % classes, y)


def accuracy_on_noisy_labels(accuracy: float, classes: int, noise: float) -> float:
    """Return the accuracy to expect on rows whose labels `noisy_labels` would make, from that on clean ones.

    A right answer stays right with probability 1 - noise; a wrong one meets its class with noise / (classes - 1).

    Parameters
    ----------
    accuracy : float
        On clean labels, from 0 to 1.
    classes, noise
        As for `noisy_labels`.
    """
    return (1.0 - noise) * accuracy + noise / (classes - 1) * (1.0 - accuracy)


def least_norm_fit(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the least-squares coefficients, of all equally good ones those of smallest norm; by LAPACK.

    Parameters
    ----------
    X : float64 array (rows, features)
    y : float64 array (rows,)
    """
    return np.linalg.lstsq(X, y, rcond=None)[0]


def ridge_fit(X: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """Return the w that minimises ||y - X w||^2 + penalty ||w||^2, a float64 array (features,); by LAPACK.

    Solved with as many unknowns as there are rows or features, whichever are fewer.

    Parameters
    ----------
    X : float64 array (rows, features)
    y : float64 array (rows,)
    penalty : float
        Positive.
    """
    rows, features = X.shape
    if features <= rows:
        return np.linalg.solve(X.T @ X + penalty * np.eye(features), X.T @ y)
    return X.T @ np.linalg.solve(X @ X.T + penalty * np.eye(rows), y)
