"""Readers of the user's own data files: CSV with a header line, NPZ, and IDX (the MNIST format).

A reader returns the numbers as the file gives them. What a target column means (classes or measurements) is decided
in `nnsim.datasets`. Nothing in a file is ever evaluated or unpickled.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import struct
import zipfile
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from nnsim.errors import DataError, UnknownNameError, UsageError
from nnsim.spreadsheets import unshielded

_QUOTED_CHARACTERS = 40
_GZIP_MAGIC = b"\x1f\x8b"
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_IDX_MOST_SIZES = 8
_NPZ_ERRORS = (ValueError, OSError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Table:
    """What a file holds, before its target is understood.

    Attributes
    ----------
    X : ndarray, shape (n, d)
        Features, finite; any integer or floating dtype.
    y : ndarray, shape (n,) or (n, k)
        The target as written: finite numbers, or text labels.
    feature_names : tuple of str
        One name for each of the d columns.
    """

    X: np.ndarray
    y: np.ndarray
    feature_names: tuple[str, ...]


def read(path: Path, target: str | None = None) -> Table:
    """Read a data file in the format that its name says.

    Parameters
    ----------
    path : Path
        ``*.csv``, ``*.npz``, or a name that contains ``idx`` (``train-images-idx3-ubyte``, also with ``.gz``).
    target : str, optional
        CSV: the name of the target column. IDX: the labels file, where it does not have the usual name.

    Returns
    -------
    Table
        The rows in the file's order.

    Raises
    ------
    DataError
        The file is missing, a folder, empty, damaged, or holds something else than numbers.
    UsageError
        `target` is missing, unknown or not for this format.
    """
    try:
        _require_file(path)
        return _read_by_name(path, target)
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}") from None


def _read_by_name(path: Path, target: str | None) -> Table:
    if path.suffix.lower() == ".csv":
        return read_csv(path, target)
    if path.suffix.lower() == ".npz":
        if target is not None:
            raise UsageError(f"'{path}' takes no target '{target}': an NPZ file holds its target as the array 'y'")
        return read_npz(path)
    if "idx" in path.name.lower():
        return read_idx(path, target)
    raise _unknown_format(path)


def _unknown_format(path: Path) -> DataError:
    return DataError(
        f"the format of '{path}' is unknown: its name must end in .csv or .npz, or contain idx (as MNIST's)"
    )


def files_of(path: Path, target: str | None = None) -> list[Path]:
    """Return every file that `read` opens: images in the IDX format have their labels in a second one."""
    if path.suffix.lower() in {".csv", ".npz"} or "idx" not in path.name.lower():
        return [path]
    return [path, Path(target) if target is not None else _labels_beside(path)]


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"'{path}' is a folder: give a CSV, NPZ or IDX file inside it")
    if not path.exists():
        raise DataError(f"there is no file '{path}'")
    if not path.is_file():
        raise DataError(f"'{path}' is not a regular file")
    if path.stat().st_size == 0:
        raise DataError(f"'{path}' is empty")


# CSV -----------------------------------------------------------------------------------------------------------------


def read_csv(path: Path, target: str | None) -> Table:
    """Read a comma-separated file: one header line, then a row of numbers for each sample.

    Every column but `target` is a feature. Numbers are read exactly (nearest float64). Blank lines are skipped, but
    counted: rows in messages are a spreadsheet's, the header is row 1.

    Parameters
    ----------
    path : Path
        A UTF-8 file, with or without a byte order mark.
    target : str or None
        The header of the target column.

    Returns
    -------
    Table
        `X` float64; `y` float64 where every target is a number, else str.

    Raises
    ------
    DataError
        Not UTF-8, no header or no rows, a row of another length, a cell that is no finite number.
    UsageError, UnknownNameError
        `target` is missing, or not the name of a column.
    """
    records = _csv_records(path)
    header = [cell.strip() for cell in next(records, (1, []))[1]]
    _check_header(path, header, target)
    column = header.index(str(target))
    names = header[:column] + header[column + 1 :]
    rows: list[int] = []
    targets: list[str] = []
    values = array("d")
    for row, cells in records:
        _check_length(path, row, cells, header)
        rows.append(row)
        targets.append(cells.pop(column).strip())
        values.extend(_csv_features(path, row, names, cells))
    if not rows:
        raise DataError(f"'{path}' holds a header and no rows")
    X = np.array(values).reshape(len(rows), len(names))
    return Table(X, _csv_target(path, header[column], rows, targets), tuple(names))


def read_features(path: Path, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Read the features called `names` of a CSV file, whose columns may stand in any order, or ``X`` of an NPZ file.

    Returns
    -------
    X : ndarray, shape (n, len(names))
        The features in the order of `names`, float64.
    ignored : list of str
        The other columns of the file.

    Raises
    ------
    DataError
        As `read` does, and where a feature is missing.
    """
    try:
        _require_file(path)
        if path.suffix.lower() != ".csv":
            return _unnamed_features(path, len(names)), []
        return _csv_columns(path, names)
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}") from None


def _unnamed_features(path: Path, count: int) -> np.ndarray:
    if path.suffix.lower() == ".npz":
        (X,) = _npz_arrays(path, ("X",))
        _check_array(path, "X", X, kinds="biuf", ranks=range(2, 33))
    elif "idx" in path.name.lower():
        X = read_idx_array(path)
    else:
        raise _unknown_format(path)
    if X.size != len(X) * count:
        raise DataError(f"'{path}' holds {X.size // len(X)} features a row, expected {count}")
    return X.reshape(len(X), count).astype(np.float64)


def _csv_columns(path: Path, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    records = _csv_records(path)
    header = [cell.strip() for cell in next(records, (1, []))[1]]
    missing = [name for name in names if name not in header]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(f"'{path}' lacks the column '{missing[0]}'{more}: the model needs {', '.join(names)}")
    _check_repeated(path, [name for name in header if name in names])
    places = [header.index(name) for name in names]
    values, count = array("d"), 0
    for row, cells in records:
        _check_length(path, row, cells, header)
        values.extend(_csv_features(path, row, list(names), [cells[place] for place in places]))
        count += 1
    if not count:
        raise DataError(f"'{path}' holds a header and no rows")
    return np.array(values).reshape(count, len(names)), [name for name in header if name not in names]


def _csv_records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (row number, cells) of every line that is not blank."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, strict=True)
        try:
            for row, cells in enumerate(reader, start=1):
                if cells:
                    yield row, cells
        except csv.Error as error:
            raise DataError(f"'{path}' is not well-formed CSV at line {reader.line_num}: {error}") from None
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise DataError(
                f"'{path}' is not a UTF-8 text file (it holds byte 0x{byte:02x}): save it as UTF-8"
            ) from None


def _check_header(path: Path, header: list[str], target: str | None) -> None:
    if not any(header):
        raise DataError(f"'{path}' is empty: expected a header line and rows of numbers")
    for number, name in enumerate(header, start=1):
        if not name.replace("\t", " ").isprintable():
            raise DataError(
                f"the name of column {number} in '{path}' is {_quoted(name)}, expected one line of plain text"
            )
    if target not in header:
        _raise_target(path, header, target)
    if "" in header:
        raise DataError(f"column {header.index('') + 1} of '{path}' has no name in the header: name it or remove it")
    _check_repeated(path, header)
    if len(header) == 1:
        raise DataError(f"'{path}' has no feature: its only column is the target '{target}'")


def _check_repeated(path: Path, header: list[str]) -> None:
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise DataError(f"the header of '{path}' has the column '{repeated[0]}' more than once")


def _check_length(path: Path, row: int, cells: list[str], header: list[str]) -> None:
    if len(cells) != len(header):
        raise DataError(f"row {row} of '{path}' has {len(cells)} cells, but the header has {len(header)}")


def _raise_target(path: Path, header: list[str], target: str | None) -> NoReturn:
    if all(_number(name) is not None for name in header):
        raise DataError(f"'{path}' has no header line: its first row holds numbers, expected the columns' names")
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and separator in header[0]:
            raise DataError(f"'{path}' separates its columns by {name}: save it with commas")
    if target is None:
        raise UsageError(f"'{path}' needs the name of its target column: the columns are {', '.join(header)}")
    raise UnknownNameError("target column", target, header)


def _number(cell: str) -> float | None:
    """Return the number that `cell` writes (it may be nan or inf), or None where it is text."""
    if "_" in cell:  # 1_000 is a number to Python alone
        return None
    try:
        return float(cell)
    except ValueError:
        return None


def _csv_features(path: Path, row: int, names: list[str], cells: list[str]) -> array:
    """Return the row's numbers: fast where all is well, cell by cell to find the one to complain about."""
    try:
        values = array("d", map(float, cells))
        if all(map(math.isfinite, values)) and "_" not in "".join(cells):
            return values
    except ValueError:
        pass
    wrong = (pair for pair in zip(names, cells, strict=True) if not _is_finite(_number(pair[1])))
    _raise_cell(path, row, *next(wrong))


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _raise_cell(path: Path, row: int, name: str, cell: str) -> NoReturn:
    raise DataError(f"row {row}, column '{name}' of '{path}' holds {_quoted(cell)}, expected a finite number")


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _QUOTED_CHARACTERS else text[:_QUOTED_CHARACTERS] + "...")


def _csv_target(path: Path, name: str, rows: list[int], cells: list[str]) -> np.ndarray:
    """Return the target as numbers if every cell is one, as text if it holds labels, and complain about a mixture.

    A column with fractions, nan or inf is one of numbers, so a text in it is a slip and not a label.
    """
    numbers = [_number(cell) for cell in cells]
    written = [value for value in numbers if value is not None]
    of_numbers = len(written) == len(cells) or not all(value.is_integer() for value in written)
    for row, cell, value in zip(rows, cells, numbers, strict=True):
        if not cell or (of_numbers and not _is_finite(value)):
            _raise_cell(path, row, name, cell)
    return np.array(written) if of_numbers else np.array([unshielded(cell) for cell in cells])


# NPZ -----------------------------------------------------------------------------------------------------------------


def read_npz(path: Path) -> Table:
    """Read the arrays ``X`` and ``y`` of a NumPy archive.

    Parameters
    ----------
    path : Path
        Written by ``np.savez(path, X=..., y=...)`` or ``np.savez_compressed``.

    Returns
    -------
    Table
        ``X`` of shape (n, ...) with each sample flattened; ``y`` of shape (n,) or (n, k), numbers or text.

    Raises
    ------
    DataError
        No archive, damaged, an array missing, of objects, of different lengths, or with nan or inf.
    """
    X, y = _npz_arrays(path, ("X", "y"))
    _check_array(path, "X", X, kinds="biuf", ranks=range(2, 33))
    _check_array(path, "y", y, kinds="biufU", ranks=range(1, 3))
    X = X.reshape(len(X), -1)
    if len(X) != len(y):
        raise DataError(f"'{path}' holds {len(X)} rows in X, but {len(y)} in y")
    return Table(X, y, tuple(f"x{column}" for column in range(X.shape[1])))


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
    """Check dtype, rank, size and finiteness of an array that a file holds under `name`."""
    if values.dtype.kind not in kinds:
        raise DataError(f"array '{name}' of '{path}' has dtype {values.dtype}, expected real numbers")
    if values.ndim not in ranks:
        expected = f"{min(ranks)} dimensions, rows first" if name == "X" else "(n,) or (n, k)"
        raise DataError(f"array '{name}' of '{path}' has shape {values.shape}, expected {expected}")
    if values.size == 0:
        raise DataError(f"array '{name}' of '{path}' has shape {values.shape}, which holds no numbers")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        place = tuple(int(index) for index in np.argwhere(~np.isfinite(values))[0])
        where = ", ".join(map(str, place))
        raise DataError(f"{name}[{where}] of '{path}' is {values[place]}, expected a finite number")


# IDX -----------------------------------------------------------------------------------------------------------------


def read_idx(path: Path, target: str | None = None) -> Table:
    """Read images and their labels in the IDX format of MNIST [1]_, plain or gzipped.

    Parameters
    ----------
    path : Path
        The images file, of shape (n, ...); each sample is flattened.
    target : str, optional
        The labels file; by default the file beside it called ``labels-idx1`` where `path` says ``images-idx3``.

    Returns
    -------
    Table
        `X` in the file's own dtype, native byte order; `y` of shape (n,).

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
    labels = Path(target) if target is not None else _labels_beside(path)
    y = read_idx_array(labels)
    if y.ndim != 1 or len(y) != len(X):
        raise DataError(f"'{labels}' has shape {y.shape}, expected ({len(X)},), one label for each image of '{path}'")
    _check_array(path, "X", X, kinds="iuf", ranks=range(2, _IDX_MOST_SIZES + 1))
    _check_array(labels, "y", y, kinds="iuf", ranks=[1])
    X = X.reshape(len(X), -1)
    return Table(X, y, tuple(f"pixel_{column}" for column in range(X.shape[1])))


def _labels_beside(path: Path) -> Path:
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
    _require_file(path)
    content = _uncompressed(path)
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


def _uncompressed(path: Path) -> bytes:
    content = path.read_bytes()
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        with gzip.open(io.BytesIO(content)) as stream:
            return stream.read()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"'{path}' is a damaged gzip file: {error}") from None
