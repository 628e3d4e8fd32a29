"""Synthetic data sets: classes in the plane, a teacher network, and functions of one variable.

Each maker takes the number of rows and a Philox key, and returns (X, y, feature names, class names): `X` of shape
(n, d) float64; `y` of shape (n,) int64 with class numbers, or (n, 1) float64 with targets. All is made of Philox
draws, elementwise + - * / sqrt, the project's own sin, cos and tanh, and sums in written order, so the same
(n, key) is the same data, bit for bit, on every machine.

References
----------
K. J. Lang and M. J. Witbrock, "Learning to tell two spirals apart", Proc. 1988 Connectionist Models Summer School, 52;
D. Saad and S. A. Solla, Phys. Rev. E 52 (1995) 4225 (teacher and student); D. Yarotsky, Neural Networks 94 (2017) 103
(x^2 by deep networks); M. Telgarsky, "Benefits of depth in neural networks", COLT 2016 (sawtooth).
"""

from __future__ import annotations

import math

import numpy as np

from nnsim.kernels.cpu.draws import fill_normal, fill_uniform
from nnsim.kernels.cpu_only.synthetic import sines, teacher
from nnsim.kernels.formulas.philox import DATA, NOISE

Arrays = tuple[np.ndarray, np.ndarray, tuple[str, ...], tuple[str, ...]]


def _uniform(n: int, key: np.uint64, step: int) -> np.ndarray:
    out = np.empty(n)
    fill_uniform(out, key, DATA, step)
    return out


def _normal(shape: tuple[int, ...], key: np.uint64, purpose: int, step: int) -> np.ndarray:
    out = np.empty(math.prod(shape))
    fill_normal(out, key, purpose, step)
    return out.reshape(shape)


def _sine_and_cosine(angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sine, cosine = np.empty_like(angle), np.empty_like(angle)
    sines(angle, sine, cosine)
    return sine, cosine


def _plane(x0: np.ndarray, x1: np.ndarray, labels: np.ndarray, n_classes: int, noise: float, key: np.uint64) -> Arrays:
    """Return points of the plane with Gaussian noise of standard deviation `noise` on both coordinates."""
    X = np.column_stack([x0, x1])
    if noise > 0:
        X = X + noise * _normal(X.shape, key, NOISE, 0)
    return X, labels, ("x0", "x1"), tuple(map(str, range(n_classes)))


def moons(n: int, key: np.uint64, noise: float = 0.1) -> Arrays:
    """Make two interleaving half circles of radius 1, centred at (0, 0) and (1, 1/2); classes alternate.

    Parameters
    ----------
    n : int
        Rows.
    key : np.uint64
        Philox key.
    noise : float
        Standard deviation of the Gaussian noise on each coordinate, at least 0.
    """
    labels = np.arange(n) % 2
    sine, cosine = _sine_and_cosine(math.pi * _uniform(n, key, 0))
    upper = labels == 0
    return _plane(np.where(upper, cosine, 1 - cosine), np.where(upper, sine, 0.5 - sine), labels, 2, noise, key)


def circles(n: int, key: np.uint64, noise: float = 0.05) -> Arrays:
    """Make two concentric circles, of radius 1 (class 0) and 1/2 (class 1); classes alternate.

    Parameters
    ----------
    n, key, noise
        As for `moons`.
    """
    labels = np.arange(n) % 2
    sine, cosine = _sine_and_cosine(2 * math.pi * _uniform(n, key, 0))
    radius = np.where(labels == 0, 1.0, 0.5)
    return _plane(radius * cosine, radius * sine, labels, 2, noise, key)


def spirals(n: int, key: np.uint64, noise: float = 0.02) -> Arrays:
    """Make two arms of 3/2 turns each, radius = angle / 3 pi, even in area; after Lang and Witbrock (1988).

    Parameters
    ----------
    n, key, noise
        As for `moons`.
    """
    labels = np.arange(n) % 2
    radius = np.sqrt(_uniform(n, key, 0))
    sine, cosine = _sine_and_cosine(3 * math.pi * radius)
    signed = np.where(labels == 0, radius, -radius)
    return _plane(signed * cosine, signed * sine, labels, 2, noise, key)


def xor(n: int, key: np.uint64) -> Arrays:
    """Make uniform points of the square (-1, 1)^2; class 1 where the coordinates differ in sign."""
    x0, x1 = (2 * _uniform(n, key, step) - 1 for step in (0, 1))
    labels = ((x0 > 0) != (x1 > 0)).astype(np.int64)
    return _plane(x0, x1, labels, 2, 0.0, key)


def blobs(n: int, key: np.uint64, noise: float = 0.8) -> Arrays:
    """Make five Gaussian clouds around the corners of a regular pentagon of radius 3; classes take turns.

    Parameters
    ----------
    n, key
        As for `moons`.
    noise : float
        Standard deviation of a cloud along each coordinate, at least 0.
    """
    labels = np.arange(n) % 5
    sine, cosine = _sine_and_cosine(2 * math.pi * labels / 5)
    return _plane(3 * cosine, 3 * sine, labels, 5, noise, key)


def teacher_student(n: int, key: np.uint64, d: int = 20, hidden: int = 10, noise: float = 0.05) -> Arrays:
    """Make y = sum_j v_j tanh(w_j . x) + noise, with x_i ~ N(0, 1), W_ij ~ N(0, 1/d), v_j ~ N(0, 1/hidden).

    The teacher belongs to `key`, so a student with `hidden` tanh units can learn it exactly; after Saad and Solla
    (1995), with tanh in the place of erf.

    Parameters
    ----------
    n, key
        As for `moons`.
    d, hidden : int
        Inputs, and hidden units of the teacher.
    noise : float
        Standard deviation of the Gaussian noise on y.
    """
    X = _normal((n, d), key, DATA, 0)
    W = _normal((d, hidden), key, DATA, 1) / math.sqrt(d)
    v = _normal((hidden,), key, DATA, 2) / math.sqrt(hidden)
    y = np.empty(n)
    teacher(X, W, v, y)
    y = y + noise * _normal((n,), key, NOISE, 0)
    return X, y[:, None], tuple(f"x{i}" for i in range(d)), ()


def _curve(x: np.ndarray, y: np.ndarray) -> Arrays:
    return x[:, None], y[:, None], ("x",), ()


def target_sine(n: int, key: np.uint64) -> Arrays:
    """Make y = sin(2 pi x), x uniform on (-1, 1)."""
    x = 2 * _uniform(n, key, 0) - 1
    return _curve(x, _sine_and_cosine(2 * math.pi * x)[0])


def target_square(n: int, key: np.uint64) -> Arrays:
    """Make y = x^2, x uniform on (0, 1): the building block of deep approximation in Yarotsky (2017)."""
    x = _uniform(n, key, 0)
    return _curve(x, x * x)


def target_step(n: int, key: np.uint64) -> Arrays:
    """Make y = 1 where x > 0, else 0, x uniform on (-1, 1)."""
    x = 2 * _uniform(n, key, 0) - 1
    return _curve(x, np.where(x > 0, 1.0, 0.0))


def target_abs(n: int, key: np.uint64) -> Arrays:
    """Make y = |x|, x uniform on (-1, 1)."""
    x = 2 * _uniform(n, key, 0) - 1
    return _curve(x, np.abs(x))


def target_chirp(n: int, key: np.uint64) -> Arrays:
    """Make y = sin(8 pi x^2), x uniform on (0, 1): four periods, the last the fastest."""
    x = _uniform(n, key, 0)
    return _curve(x, _sine_and_cosine(8 * math.pi * x * x)[0])


def target_sawtooth(n: int, key: np.uint64) -> Arrays:
    """Make four teeth on (0, 1), each rising from 0 to 1 and falling back, as in Telgarsky (2016)."""
    x = _uniform(n, key, 0)
    tooth = 4 * x - np.floor(4 * x)
    return _curve(x, 1 - np.abs(2 * tooth - 1))
