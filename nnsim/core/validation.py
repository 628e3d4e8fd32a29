"""The public edge: what a caller hands over is checked once, here; kernels trust what they get."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnsim.core.errors import UsageError


def check_dtype(name: str, array: np.ndarray, expected: Any) -> None:
    """Raise UsageError unless `array` is a NumPy array of the expected type.

    Parameters
    ----------
    name : str
        What the error calls the array.
    array : ndarray
        What was handed over, an array or not.
    expected : dtype or what NumPy takes for one
    """
    if not isinstance(array, np.ndarray) or array.dtype != np.dtype(expected):
        got = getattr(array, "dtype", type(array).__name__)
        raise UsageError(f"{name} must be an array of {np.dtype(expected)}, got {got}")


def check_rank(name: str, array: np.ndarray, expected: int) -> None:
    """Raise UsageError unless `array` has the expected dimensions and lies row by row in memory.

    Parameters
    ----------
    name : str
        What the error calls the array.
    array : ndarray
    expected : int
        Number of dimensions.
    """
    if array.ndim != expected:
        raise UsageError(f"{name} must have {expected} dimensions, got {array.ndim}")
    if not array.flags.c_contiguous:
        raise UsageError(f"{name} must be C-contiguous: pass it through numpy.ascontiguousarray")


def check_shape(name: str, array: np.ndarray, expected: tuple[int | None, ...]) -> None:
    """Raise UsageError unless `array` has the expected shape and lies row by row in memory.

    Parameters
    ----------
    name : str
        What the error calls the array.
    array : ndarray
    expected : tuple of int or None
        Size of each dimension; None stands for any.
    """
    check_rank(name, array, len(expected))
    if any(want is not None and want != have for want, have in zip(expected, array.shape, strict=True)):
        wanted = " x ".join("any" if want is None else str(want) for want in expected)
        raise UsageError(f"{name} must be {wanted}, got {' x '.join(map(str, array.shape))}")


def check_targets(name: str, Y: np.ndarray, rows: int, outputs: int, classes: bool) -> None:
    """Raise UsageError unless `Y` holds class numbers below `outputs` in one column, or `outputs` numbers a row.

    Parameters
    ----------
    name : str
        What the error calls the targets.
    Y : ndarray
    rows : int
        Rows that it must have.
    outputs : int
        Outputs of the network.
    classes : bool
        Whether targets are class numbers.
    """
    check_shape(name, Y, (rows, 1 if classes else outputs))
    if classes and Y.size and not (Y.min() >= 0 and Y.max() < outputs and (np.floor(Y) == Y).all()):
        raise UsageError(f"{name} must hold class numbers from 0 to {outputs - 1}, got {Y.min():g} to {Y.max():g}")
