"""Targets made of a few plane waves, and what least squares over fixed random units makes of them.

The waves' directions are random and their frequency is one number, so that the first moment of the spectrum (the
constant of Barron 1993) is the same in every dimension, and only the dimension differs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nnsim.kernels.cpu.draws import fill_normal, fill_uniform
from nnsim.kernels.cpu_only.ridges import sum_of_waves
from nnsim.kernels.formulas.philox import DATA, INIT

WAVES = 8
FREQUENCY = 1.5
FIXED_SCALE = 3.0
"""Largest slope and offset of the fixed units: the sigmoid's width is then that of a wave."""


class RidgeData(NamedTuple):
    """Inputs (rows, dimension), coordinates uniform with variance 1, and targets (rows, 1); both float64."""

    X: np.ndarray
    y: np.ndarray


def _normals(shape: tuple[int, int], key: np.uint64, purpose: int, step: int) -> np.ndarray:
    out = np.empty(math.prod(shape))
    fill_normal(out, key, purpose, step)
    return out.reshape(shape)


def _uniforms(size: int, key: np.uint64, purpose: int, step: int) -> np.ndarray:
    out = np.empty(size)
    fill_uniform(out, key, purpose, step)
    return out


def _directions(dimension: int, count: int, key: np.uint64, purpose: int, step: int) -> np.ndarray:
    """Independent unit vectors in columns, uniform on the sphere."""
    W = _normals((dimension, count), key, purpose, step)
    square = W[0] * W[0]
    for row in W[1:]:
        square = square + row * row
    return W / np.sqrt(square)


def ridge_data(dimension: int, rows: int, key: int) -> RidgeData:
    """Return y = sqrt(2 / K) sum_k cos(w_k . x + phase_k) on uniform inputs, K = `WAVES`, |w_k| = `FREQUENCY`.

    Parameters
    ----------
    dimension, rows : int
    key : int
        64-bit key of the waves and of the inputs.

    Returns
    -------
    RidgeData
        Targets have a variance near 1.
    """
    stream = np.uint64(key)
    X = math.sqrt(3.0) * (2.0 * _uniforms(rows * dimension, stream, DATA, 0).reshape(rows, dimension) - 1.0)
    W = FREQUENCY * _directions(dimension, WAVES, stream, DATA, 1)
    phases = 2.0 * math.pi * _uniforms(WAVES, stream, DATA, 2)
    y = np.empty(rows)
    sum_of_waves(X, W, phases, y)
    return RidgeData(X, (math.sqrt(2.0 / WAVES) * y)[:, None])


def fixed_unit_errors(
    data: RidgeData, train_rows: int, activation: str, units: Sequence[int], key: int
) -> dict[int, float]:
    """Return the share of the variance that n random units, of which only the output is fitted, leave on fresh rows.

    Parameters
    ----------
    data : RidgeData
    train_rows : int
        Rows that are fitted; the others are fresh.
    activation : {"relu", "sigmoid"}
    units : sequence of int
        Each n; a smaller layer is the beginning of a larger one.
    key : int
        64-bit key of the units: direction uniform on the sphere, offset uniform.

    Returns
    -------
    dict of n to float
        By LAPACK: the last digits are the library's.
    """
    stream, count = np.uint64(key), max(units)
    U = _directions(data.X.shape[1], count, stream, INIT, 0)
    b = FIXED_SCALE * (2.0 * _uniforms(count, stream, INIT, 1) - 1.0)
    Z = data.X @ U + b
    features = np.maximum(Z, 0.0) if activation == "relu" else 0.5 + 0.5 * np.tanh(0.5 * FIXED_SCALE * Z)
    features = np.column_stack([np.ones(len(Z)), features])
    y, fresh = data.y[:, 0], data.y[train_rows:, 0]
    errors = {}
    for n in units:
        weights = np.linalg.lstsq(features[:train_rows, : n + 1], y[:train_rows], rcond=1e-10)[0]
        missed = features[train_rows:, : n + 1] @ weights - fresh
        errors[n] = float(np.mean(missed * missed) / np.var(fresh))
    return errors
