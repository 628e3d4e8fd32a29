"""Safetensors files: arrays by name and one JSON record, written whole and the same bytes each time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from nnsim.core.atomic_files import publish
from nnsim.core.errors import DataError

RECORD = "nnsim"
"""The one key of the metadata: with several, safetensors would write them in any order."""


def write(path: Path, tensors: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> None:
    """Write arrays and a record into one file.

    Parameters
    ----------
    path : Path
    tensors : mapping of str to ndarray
        Arrays by name, of any shape and order in memory.
    record : mapping
        What JSON can hold, without NaN and infinities.

    Raises
    ------
    StoreError
        If the disk refuses.
    """
    text = json.dumps(record, allow_nan=False, sort_keys=True)
    publish(path, [save({name: array.copy(order="C") for name, array in tensors.items()}, {RECORD: text})])


class TensorFile:
    """A file opened for reading: its record at once, its arrays when their names and shapes are known to be right.

    Raises
    ------
    DataError
        The file is missing, truncated, no safetensors file, or holds no record of nnsim.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise DataError(f"there is no file '{path}'")
        try:
            self._file = safe_open(path, "numpy")
            self.record = _record((self._file.metadata() or {})[RECORD])
        except (SafetensorError, OSError) as error:
            raise DataError(f"'{path}' is no safetensors file, or is damaged: {_one_line(error)}") from None
        except KeyError:
            raise DataError(f"'{path}' was not written by nnsim: it lacks nnsim's record") from None
        except (ValueError, RecursionError):
            raise DataError(f"the record in '{path}' is damaged: expected a JSON object") from None

    def arrays(self, expected: Mapping[str, tuple[tuple[int, ...], Any]]) -> dict[str, np.ndarray]:
        """Return the arrays, which must be exactly those of `expected`: name to (shape, dtype).

        Raises
        ------
        DataError
            One is missing, too many, or has another shape or type; nothing is read then.
        """
        held = set(self._file.keys())
        for name in expected:
            if name not in held:
                raise DataError(f"'{self.path}' lacks the tensor '{name}'")
        for name in sorted(held - expected.keys()):
            raise DataError(f"'{self.path}' holds the unexpected tensor '{name}'")
        for name, (shape, dtype) in expected.items():
            self._check(name, shape, np.dtype(dtype))
        return {name: self._file.get_tensor(name) for name in expected}

    def _check(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        part = self._file.get_slice(name)
        if tuple(part.get_shape()) != shape:
            self._refuse(name, "shape", tuple(part.get_shape()), shape)
        wanted = f"{dtype.kind.upper()}{8 * dtype.itemsize}"
        if part.get_dtype() != wanted:
            self._refuse(name, "type", part.get_dtype(), wanted)

    def _refuse(self, name: str, what: str, found: object, expected: object) -> NoReturn:
        raise DataError(f"tensor '{name}' of '{self.path}' has the {what} {found}, expected {expected}")


def _record(text: str) -> dict[str, Any]:
    record = json.loads(text, parse_constant=_no_constant)
    if not isinstance(record, dict):
        raise ValueError(text)
    return record


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
