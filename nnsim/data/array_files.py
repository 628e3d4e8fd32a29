"""Arrays of the user's: NumPy's archives, and the IDX format of MNIST. Nothing in a file is evaluated or unpickled."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from nnsim.core.errors import DataError
from nnsim.data.data_files import DataFile

_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_IDX_MOST_SIZES = 8
_NPZ_ERRORS = (ValueError, OSError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error)


# NPZ -----------------------------------------------------------------------------------------------------------------


def read_npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read the arrays ``X`` and ``y`` of a NumPy archive.

    Parameters
    ----------
    path : Path
        Written by ``np.savez(path, X=..., y=...)`` or ``np.savez_compressed``.

    Returns
    -------
    X : array (n, features)
        Each sample flattened.
    y : array (n,) or (n, k)
        Numbers, which may be missing (NaN) or infinite, or text.

    Raises
    ------
    DataError
        No archive, damaged, an array missing, of objects, or of different lengths; infinities in X.
    """
    X, y = _npz_arrays(path, ("X", "y"))
    _check_array(path, "X", X, kinds="biuf", ranks=range(2, 33))
    _check_array(path, "y", y, kinds="biufU", ranks=range(1, 3))
    if len(X) != len(y):
        raise DataError(f"'{path}' holds {len(X)} rows in X, but {len(y)} in y")
    return X.reshape(len(X), -1), y


def read_npz_features(path: Path) -> np.ndarray:
    """Read the array ``X`` alone, as `read_npz` does."""
    (X,) = _npz_arrays(path, ("X",))
    _check_array(path, "X", X, kinds="biuf", ranks=range(2, 33))
    return X.reshape(len(X), -1)


def _npz_arrays(path: Path, names: Sequence[str]) -> list[np.ndarray]:
    expected = " and ".join(names)
    try:
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive.files]
            if missing:
                held = ", ".join(archive.files) or "nothing"
                raise DataError(f"'{path}' lacks the array '{missing[0]}': it holds {held}, expected {expected}")
            return [_npz_array(path, archive, name) for name in names]
    except _NPZ_ERRORS:
        raise DataError(f"'{path}' is not a NumPy archive, or is damaged: expected np.savez's {expected}") from None


def _npz_array(path: Path, archive: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    try:
        return np.asarray(archive[name])  # an entry that is no array comes as bytes
    except _NPZ_ERRORS:
        sentence = f"array '{name}' of '{path}' is damaged or holds Python objects: expected plain numbers"
        raise DataError(sentence) from None


def _check_array(path: Path, name: str, values: np.ndarray, kinds: str, ranks: Sequence[int]) -> None:
    """Check dtype, rank and size of an array that a file holds under `name`, and that no feature is infinite."""
    if values.dtype.kind not in kinds:
        raise DataError(f"array '{name}' of '{path}' has dtype {values.dtype}, expected real numbers")
    if values.ndim not in ranks:
        expected = f"{min(ranks)} dimensions, rows first" if name == "X" else "(n,) or (n, k)"
        raise DataError(f"array '{name}' of '{path}' has shape {values.shape}, expected {expected}")
    if values.size == 0:
        raise DataError(f"array '{name}' of '{path}' has shape {values.shape}, which holds no numbers")
    if name == "X" and values.dtype.kind == "f" and np.isinf(values).any():
        refuse_entry(path, name, values, np.isinf(values))


def refuse_entry(path: object, name: str, values: np.ndarray, wrong: np.ndarray, remedy: str = "") -> NoReturn:
    """Raise DataError about the first entry that is wrong.

    Parameters
    ----------
    path : Path, DataFile or str
        The file, as the sentence names it.
    name : str
        Of the array in the file.
    values : array
    wrong : bool array, the shape of `values`
        Which entries are wrong, one at least.
    remedy : str
        End of the sentence, as in ``: fill in what is missing``.
    """
    place = tuple(np.argwhere(wrong)[0].tolist())
    where = ", ".join(map(str, place))
    raise DataError(f"{name}[{where}] of '{path}' is {values[place]}, expected a finite number{remedy}")


# IDX -----------------------------------------------------------------------------------------------------------------


def read_idx(path: Path, target: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read images and their labels in the IDX format of MNIST [1]_, plain or gzipped.

    Parameters
    ----------
    path : Path
        The images file, of shape (n, ...); each sample is flattened.
    target : str, optional
        The labels file; by default the file beside it called ``labels-idx1`` where `path` says ``images-idx3``.

    Returns
    -------
    X : array (n, pixels)
        In the file's own dtype, native byte order.
    y : array (n,)

    Raises
    ------
    DataError
        A file is missing, truncated or no IDX file, or the two have different lengths.

    References
    ----------
    .. [1] Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits", 1998.
    """
    X = read_idx_array(path)
    if X.ndim < 2:
        raise DataError(f"'{path}' has shape {X.shape}: it looks like the labels, give the images file")
    labels = Path(target) if target is not None else labels_beside(path)
    y = read_idx_array(labels)
    if y.ndim != 1 or len(y) != len(X):
        raise DataError(f"'{labels}' has shape {y.shape}, expected ({len(X)},), one label for each image of '{path}'")
    _check_array(path, "X", X, kinds="iuf", ranks=range(2, _IDX_MOST_SIZES + 1))
    _check_array(labels, "y", y, kinds="iuf", ranks=[1])
    return X.reshape(len(X), -1), y


def labels_beside(path: Path) -> Path:
    """Return the labels file that lies beside an images file, under the usual name."""
    name = path.name.replace("images", "labels").replace("idx3", "idx1")
    plain = name.removesuffix(".gz")
    for candidate in (name, plain, plain + ".gz"):
        if candidate != path.name and path.with_name(candidate).is_file():
            return path.with_name(candidate)
    raise DataError(f"no labels file '{name}' lies beside '{path}': give the labels file as the target")


def read_idx_array(path: Path) -> np.ndarray:
    """Read one IDX file: two zero bytes, a type code, the rank, the sizes (big-endian uint32), the values.

    Parameters
    ----------
    path : Path
        Plain or gzipped, told apart by content.

    Returns
    -------
    ndarray
        The values in native byte order.

    Raises
    ------
    DataError
        Missing, no IDX file, an unknown type code, a damaged gzip stream, or another number of bytes than announced.
    """
    file = DataFile(path)
    file.check()
    with file.opened() as stream:
        content = stream.read()
    if len(content) < 4 or content[:2] != b"\0\0":
        raise DataError(f"'{path}' is not an IDX file: it begins with {content[:4].hex(' ')}, expected 00 00")
    code, rank = content[2], content[3]
    if code not in _IDX_TYPES:
        known = ", ".join(f"0x{known:02x}" for known in _IDX_TYPES)
        raise DataError(f"'{path}' has the unknown IDX type code 0x{code:02x}: known are {known}")
    if not 1 <= rank <= _IDX_MOST_SIZES:
        raise DataError(f"'{path}' has {rank} dimensions, expected 1 (labels) to {_IDX_MOST_SIZES}")
    start = 4 + 4 * rank
    if len(content) < start:
        raise DataError(f"'{path}' ends within its header: expected {start} bytes for {rank} sizes, got {len(content)}")
    shape = struct.unpack_from(f">{rank}I", content, 4)
    if 0 in shape:
        raise DataError(f"'{path}' has shape {shape}, which holds no values")
    dtype = np.dtype(_IDX_TYPES[code])
    expected = start + dtype.itemsize * math.prod(shape)
    if len(content) != expected:
        fault = "truncated" if len(content) < expected else "too long"
        raise DataError(f"'{path}' is {fault}: expected {expected} bytes for shape {shape}, got {len(content)}")
    values = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return values.astype(dtype.newbyteorder("="))
