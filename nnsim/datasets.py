"""Data: sets that ship with scikit-learn, synthetic tasks, and the user's own CSV, NPZ and IDX files.

A (name or file, key, n_samples) is the same data, and the same split, bit for bit, on every machine.
"""

from __future__ import annotations

import hashlib
import importlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import distribution
from pathlib import Path

import numpy as np

from nnsim import synthetic
from nnsim.errors import DataError, UnknownNameError, UsageError
from nnsim.kernels.cpu.columns import mean_and_deviation
from nnsim.kernels.cpu.draws import fill_permutation
from nnsim.kernels.philox import DATA, SPLIT
from nnsim.readers import Table, files_of, read
from nnsim.synthetic import Arrays

PARTS = ("train", "validation", "test")
_GRID = 2.0**20
_DIGITS = "sklearn/datasets/data/digits.csv.gz"
_LARGEST = 1e100  # squares and their sums stay finite
_MANY_LABELS = 20
_ROWS_PER_LABEL = 10


@dataclass(frozen=True)
class Dataset:
    """Samples and what is to be learnt about them.

    Attributes
    ----------
    name : str
        The name or path that it was loaded by.
    X : ndarray of float64, shape (n, d), C-contiguous
        Features, as they are (not standardised).
    y : ndarray
        Classification: int64 class numbers from 0, shape (n,). Regression: float64 targets, shape (n, k).
    task : {"classification", "regression"}
        What `y` holds.
    n_classes : int
        Number of classes, 0 for regression.
    feature_names, class_names : tuple of str
        One name for each feature, and for each class (none for regression).
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    task: str
    n_classes: int
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scaling:
    """How columns are standardised: (value - origin - mean) / deviation, each a float64 vector, one number a column."""

    origin: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return rows standardised; the rows that the constants were found on come out bit for bit as in the split."""
        return np.ascontiguousarray((values - self.origin - self.mean) / self.deviation)

    def undo(self, values: np.ndarray) -> np.ndarray:
        """Return standardised rows in their own units."""
        return values * self.deviation + self.mean + self.origin


@dataclass(frozen=True)
class Split:
    """A data set in three disjoint parts, standardised by the training part.

    Attributes
    ----------
    X_train, X_validation, X_test : ndarray of float64, shape (rows, n_features), C-contiguous
        Features; on the training rows each has mean 0 and standard deviation 1 (or is 0, where it is constant).
    y_train, y_validation, y_test : ndarray
        Classification: int64 class numbers, shape (rows,). Regression: float64, shape (rows, n_outputs), standardised
        as the features are.
    task : {"classification", "regression"}
        What the targets are.
    n_features, n_outputs : int
        Features, and classes or regression targets.
    scaling : Scaling
        Of the features.
    target_scaling : Scaling or None
        Of a regression's targets.
    class_names : tuple of str
        The classes' names; none for regression.
    """

    X_train: np.ndarray
    y_train: np.ndarray
    X_validation: np.ndarray
    y_validation: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    task: str
    n_features: int
    n_outputs: int
    scaling: Scaling
    target_scaling: Scaling | None = None
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A data set that is known by name.

    Attributes
    ----------
    task : {"classification", "regression"}
        What is to be learnt.
    n_samples : int
        Rows by default: all of a bundled set, or a synthetic one's usual size.
    description : str
        One line for listings.
    make : callable
        ``make(n, key)`` returns (X, y, feature names, class names) with n rows, or with all of them if bundled.
    """

    task: str
    n_samples: int
    description: str
    make: Callable[[int, np.uint64], Arrays]


# Loading -------------------------------------------------------------------------------------------------------------


def load(name_or_path: str, *, key: int, target: str | None = None, n_samples: int | None = None) -> Dataset:
    """Return the data set of a registered name, or of the user's file.

    A file's target is read by this rule. Text is class labels, in sorted order. Whole numbers are class labels in
    numeric order, unless there are more than 20 different ones with fewer than 10 rows each on average: those are
    measurements. Numbers with fractions, and a `y` of several columns, are measurements: the task is regression.

    Parameters
    ----------
    name_or_path : str
        A key of `DATASETS`, or a path as `nnsim.readers.read` takes it (write ``./digits`` for a file of that name).
    key : int
        64-bit key (`nnsim.seeding.key`) that synthetic data, and the choice of rows for `n_samples`, depend on.
    target : str, optional
        For files: a CSV's target column, or the labels file of IDX images.
    n_samples : int, optional
        Number of rows: synthetic sets are made with as many; of others, a random choice is kept in its order.

    Returns
    -------
    Dataset
        Not yet split or standardised. Bundled data are rounded to multiples of 2^-20.

    Raises
    ------
    UnknownNameError
        No such data set or target column.
    UsageError
        `n_samples` or `target` does not fit the data.
    DataError
        The file cannot be read, all its targets are equal, or a number is beyond 1e100.
    """
    number = np.uint64(key)
    if n_samples is not None and n_samples < len(PARTS):
        raise UsageError(f"n_samples is {n_samples}: training, validation and test need at least {len(PARTS)} rows")
    if name_or_path in DATASETS:
        dataset = _registered(name_or_path, number, target, n_samples)
    elif _looks_like_path(name_or_path):
        dataset = _from_table(name_or_path, read(Path(name_or_path), target), number, n_samples)
    else:
        raise UnknownNameError("data set", name_or_path, DATASETS)
    _check_learnable(dataset)
    return dataset


def with_task(dataset: Dataset, task: str) -> Dataset:
    """Return `dataset` with its target read as the classes or the measurements that `task` needs.

    Raises
    ------
    UsageError
        Text cannot be measurements, and neither fractions nor several columns can be class labels.
    """
    if task == dataset.task:
        return dataset
    return _as_measurements(dataset) if task == "regression" else _as_labels(dataset)


def _as_measurements(dataset: Dataset) -> Dataset:
    try:
        values = np.array([float(name) for name in dataset.class_names])
    except ValueError:
        named = ", ".join(dataset.class_names[:3])
        raise UsageError(f"the target of '{dataset.name}' holds names ({named} ...), not measurements") from None
    return replace(dataset, y=values[dataset.y][:, None], task="regression", n_classes=0, class_names=())


def _as_labels(dataset: Dataset) -> Dataset:
    if dataset.y.shape[1] > 1 or (dataset.y != np.floor(dataset.y)).any():
        raise UsageError(f"the target of '{dataset.name}' holds measurements, not class labels")
    classes, labels = np.unique(dataset.y[:, 0], return_inverse=True)
    names = tuple(str(int(label)) for label in classes)
    return replace(dataset, y=labels.astype(np.int64), task="classification", n_classes=len(names), class_names=names)


def fingerprint(name_or_path: str, target: str | None = None) -> str:
    """Return the SHA-256 of each of a user's files, "" for a registered data set: part of a trial's identity."""
    if name_or_path in DATASETS or not Path(name_or_path).is_file():
        return ""
    files = [path for path in files_of(Path(name_or_path), target) if path.is_file()]  # `load` says what is missing
    return "+".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)


def _check_learnable(dataset: Dataset) -> None:
    X, y = dataset.X, dataset.y
    if (y == y[0]).all():
        held = dataset.class_names[y[0]] if dataset.n_classes else y[0, 0]
        raise DataError(f"the target of '{dataset.name}' is {held} in all {len(y)} rows, expected two values or more")
    for values, what in ((X, "a feature"), (y, "the target")):
        largest = max(values.max(), -values.min())
        if largest > _LARGEST:
            raise DataError(f"{what} of '{dataset.name}' has the size {largest}: rescale it below {_LARGEST}")


def _looks_like_path(name: str) -> bool:
    return os.sep in name or bool(Path(name).suffix) or os.path.exists(name)


def _registered(name: str, key: np.uint64, target: str | None, n_samples: int | None) -> Dataset:
    if target is not None:
        raise UsageError(f"data set '{name}' takes no target '{target}': it has its own, only files need one")
    source = DATASETS[name]
    X, y, feature_names, class_names = source.make(n_samples or source.n_samples, key)
    rows = _chosen_rows(name, len(X), n_samples, key)
    return Dataset(name, X[rows], y[rows], source.task, len(class_names), feature_names, class_names)


def _from_table(name: str, table: Table, key: np.uint64, n_samples: int | None) -> Dataset:
    rows = _chosen_rows(name, len(table.X), n_samples, key)
    X = np.ascontiguousarray(table.X[rows], dtype=np.float64)
    y = table.y.ravel() if table.y.size == len(table.y) else table.y
    if y.ndim == 1 and _are_labels(y):
        classes, numbers = np.unique(y, return_inverse=True)
        class_names = tuple(str(label if y.dtype.kind == "U" else int(label)) for label in classes)
        _check_labels(name, class_names)
        labels = numbers[rows].astype(np.int64)
        return Dataset(name, X, labels, "classification", len(classes), table.feature_names, class_names)
    targets = np.ascontiguousarray(y.reshape(len(y), -1)[rows], dtype=np.float64)
    return Dataset(name, X, targets, "regression", 0, table.feature_names)


def _check_labels(name: str, labels: tuple[str, ...]) -> None:
    for label in labels:
        if not label or not label.isprintable():
            raise DataError(f"a label of '{name}' is {label!r}, expected one line of plain text")


def _are_labels(y: np.ndarray) -> bool:
    """Say whether a target column holds class labels, by the rule that `load` states."""
    if y.dtype.kind in "Ub":
        return True
    if (y != np.floor(y)).any():
        return False
    different = len(np.unique(y))
    return different <= _MANY_LABELS or len(y) >= _ROWS_PER_LABEL * different


def _chosen_rows(name: str, n: int, n_samples: int | None, key: np.uint64) -> np.ndarray:
    """Return the rows to keep, in ascending order."""
    if n_samples is None or n_samples == n:
        return np.arange(n)
    if n_samples > n:
        raise UsageError(f"n_samples is {n_samples}: '{name}' has {n} rows, give at most {n}")
    order = np.empty(n, np.int64)
    fill_permutation(order, key, DATA, 0)
    return np.sort(order[:n_samples])


# Splitting -----------------------------------------------------------------------------------------------------------


def split(dataset: Dataset, *, key: int, fractions: tuple[float, float, float] = (0.7, 0.15, 0.15)) -> Split:
    """Split into training, validation and test parts, and standardise all by the training part.

    Rows are permuted by `key`. Where every class has at least three rows, each class is divided by `fractions` on its
    own, and has at least one row in each part; otherwise, and for regression, all rows are divided together.

    Parameters
    ----------
    dataset : Dataset
        As `load` returns it.
    key : int
        64-bit key of the permutation.
    fractions : tuple of float
        Training, validation and test, positive, with sum 1.

    Returns
    -------
    Split
        Features, and regression targets, less the training mean and over the training standard deviation (divided by
        the number of rows; 1 where it is 0).

    Raises
    ------
    UsageError
        `fractions` are not three positive numbers with sum 1.
    DataError
        Fewer than three rows.
    """
    _check_fractions(fractions)
    n = len(dataset.X)
    if n < len(PARTS):
        raise DataError(f"'{dataset.name}' has too few rows to split: {n}, expected at least {len(PARTS)}")
    order = np.empty(n, np.int64)
    fill_permutation(order, np.uint64(key), SPLIT, 0)
    part = _parts(dataset, order, fractions)
    rows = [order[part == number] for number in range(len(PARTS))]
    (X_train, X_validation, X_test), scaling = _standardised(dataset.X, rows)
    target_scaling = None
    if dataset.task == "regression":
        (y_train, y_validation, y_test), target_scaling = _standardised(dataset.y, rows)
        n_outputs = dataset.y.shape[1]
    else:
        y_train, y_validation, y_test = (dataset.y[chosen] for chosen in rows)
        n_outputs = dataset.n_classes
    return Split(
        X_train, y_train, X_validation, y_validation, X_test, y_test,
        dataset.task, dataset.X.shape[1], n_outputs, scaling, target_scaling, dataset.class_names,
    )  # fmt: skip


def _check_fractions(fractions: tuple[float, float, float]) -> None:
    positive = len(fractions) == len(PARTS) and all(fraction > 0 for fraction in fractions)
    if not positive or abs(math.fsum(fractions) - 1) > 1e-9:
        given = ", ".join(map(str, fractions))
        raise UsageError(f"fractions are ({given}): expected three positive numbers with sum 1, as (0.7, 0.15, 0.15)")


def _parts(dataset: Dataset, order: np.ndarray, fractions: tuple[float, float, float]) -> np.ndarray:
    """Return the part (0, 1, 2) of each place in `order`."""
    groups = [np.arange(len(order))]
    if dataset.task == "classification":
        by_class = [np.flatnonzero(dataset.y[order] == number) for number in np.unique(dataset.y)]
        if min(map(len, by_class)) >= len(PARTS):
            groups = by_class
    part = np.zeros(len(order), np.int64)
    for places in groups:
        first, second = _cuts(len(places), fractions)
        part[places[first:second]] = 1
        part[places[second:]] = 2
    return part


def _cuts(n: int, fractions: tuple[float, float, float]) -> tuple[int, int]:
    """Return where validation and test begin in n >= 3 rows: nearest to `fractions` with no part empty."""
    first = min(max(int(n * fractions[0] + 0.5), 1), n - 2)
    second = int(n * (fractions[0] + fractions[1]) + 0.5)
    return first, min(max(second, first + 1), n - 1)


def fewest_training_rows(data: Split) -> int:
    """Return how many training rows the data set of `data` has at least, whatever its key.

    How often each class is drawn hangs on the key, and a class that is divided on its own may fall short of its share
    by up to a row and a half.
    """
    rows = sum(len(X) for X in (data.X_train, data.X_validation, data.X_test))
    if data.task == "regression":
        return len(data.X_train)
    return max(math.ceil(0.7 * rows - 1.5 * data.n_outputs), 1)


def _standardised(values: np.ndarray, rows: list[np.ndarray]) -> tuple[list[np.ndarray], Scaling]:
    """Return the parts of `values`, standardised by the first, and how.

    All is measured from the first training row, so that a constant column is exactly 0 and a large offset costs no
    digits.
    """
    origin = values[rows[0][0]].copy()
    mean, deviation = np.empty(values.shape[1]), np.empty(values.shape[1])
    mean_and_deviation(np.ascontiguousarray(values[rows[0]] - origin), mean, deviation)
    deviation[deviation == 0] = 1
    scaling = Scaling(origin, mean, deviation)
    return [scaling.apply(values[chosen]) for chosen in rows], scaling


# Bundled with scikit-learn -------------------------------------------------------------------------------------------


def _bundled(loader: str, n: int, key: np.uint64, **options: bool) -> Arrays:
    """Load all rows, rounded to a grid, so that no last bit of a number hangs on the library's way of reading it."""
    bunch = getattr(importlib.import_module("sklearn.datasets"), loader)(**options)
    X = np.ascontiguousarray(np.round(bunch.data * _GRID) / _GRID)
    feature_names = tuple(map(str, bunch.feature_names))
    if "target_names" not in bunch:
        return X, np.round(bunch.target * _GRID)[:, None] / _GRID, feature_names, ()
    return X, bunch.target.astype(np.int64), feature_names, tuple(map(str, bunch.target_names))


def _digits(n: int, key: np.uint64) -> Arrays:
    """Load the digits, which most studies use, from scikit-learn's own file: its import takes over a second."""
    file = Path(str(distribution("scikit-learn").locate_file(_DIGITS)))
    if not file.is_file():
        return _bundled("load_digits", n, key)
    rows = np.loadtxt(file, delimiter=",")
    feature_names = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))
    return np.ascontiguousarray(rows[:, :-1]), rows[:, -1].astype(np.int64), feature_names, tuple("0123456789")


# The registry --------------------------------------------------------------------------------------------------------


def _classes(n_samples: int, description: str, make: Callable[[int, np.uint64], Arrays]) -> Source:
    return Source("classification", n_samples, description, make)


def _targets(n_samples: int, description: str, make: Callable[[int, np.uint64], Arrays]) -> Source:
    return Source("regression", n_samples, description, make)


DATASETS: dict[str, Source] = {
    "digits": _classes(1797, "8x8 images of handwritten digits, 10 classes", _digits),
    "breast_cancer": _classes(569, "30 measures of cell nuclei, 2 classes", partial(_bundled, "load_breast_cancer")),
    "wine": _classes(178, "13 chemical measures of wines, 3 classes", partial(_bundled, "load_wine")),
    "iris": _classes(150, "4 measures of iris flowers, 3 classes", partial(_bundled, "load_iris")),
    "diabetes": _targets(
        442, "10 raw measures of patients, disease progression", partial(_bundled, "load_diabetes", scaled=False)
    ),
    "moons": _classes(1000, "two interleaving half circles in the plane, noise 0.1", synthetic.moons),
    "circles": _classes(1000, "two concentric circles in the plane, noise 0.05", synthetic.circles),
    "spirals": _classes(1000, "two interleaving spirals of 3/2 turns in the plane, noise 0.02", synthetic.spirals),
    "xor": _classes(1000, "uniform points of a square, classes by quadrant, no noise", synthetic.xor),
    "blobs": _classes(1000, "five Gaussian clouds on a pentagon in the plane, noise 0.8", synthetic.blobs),
    "teacher_student": _targets(
        2000, "random teacher of 20 inputs and 10 tanh units, noise 0.05", synthetic.teacher_student
    ),
    "target_sine": _targets(1000, "sin(2 pi x) on (-1, 1), no noise", synthetic.target_sine),
    "target_square": _targets(1000, "x^2 on (0, 1), no noise", synthetic.target_square),
    "target_step": _targets(1000, "1 where x > 0, else 0, on (-1, 1), no noise", synthetic.target_step),
    "target_abs": _targets(1000, "|x| on (-1, 1), no noise", synthetic.target_abs),
    "target_chirp": _targets(1000, "sin(8 pi x^2) on (0, 1), no noise", synthetic.target_chirp),
    "target_sawtooth": _targets(1000, "four triangular teeth on (0, 1), no noise", synthetic.target_sawtooth),
}
