"""Data: sets that ship with scikit-learn, synthetic tasks, and the user's own CSV, NPZ and IDX files.

A (name or file, key, n_samples) is the same data, and the same split, bit for bit, on every machine.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nnsim.core.errors import DataError, UnknownNameError, UsageError
from nnsim.core.shown import Shown
from nnsim.data.data_files import DataFile
from nnsim.data.features import Feature, expand, indicators, input_names, learn, plain_features, recoded
from nnsim.data.readers import Reading, files_of, read
from nnsim.data.registered_files import DATASETS
from nnsim.data.scaling import Scaling, check_distance, check_spread, is_constant, scaling_of
from nnsim.data.targets import TargetRule
from nnsim.kernels.cpu.draws import fill_permutation
from nnsim.kernels.formulas.philox import DATA, SPLIT

PARTS = ("training", "validation", "test")
_LARGEST = 1e100  # squares and their sums stay finite


@dataclass(frozen=True, repr=False)
class Dataset(Shown):
    """Samples and what is to be learnt about them.

    Attributes
    ----------
    name : str
        The name or path that it was loaded by.
    X : ndarray of float64, shape (n, d), C-contiguous
        Features, as they are (not standardised): numbers, the places of words of a column of text, NaN where a cell is
        missing.
    y : ndarray
        Classification: int64 class numbers from 0, shape (n,). Regression: float64 targets, shape (n, k).
    task : {"classification", "regression"}
        What `y` holds.
    n_classes : int
        Number of classes, 0 for regression.
    feature_names, class_names : tuple of str
        One name for each feature, and for each class (none for regression).
    features : tuple of Feature
        What the columns of X are; none where all are numbers.
    missing : str
        What `split` puts in place of missing cells, one of `nnsim.data.features.STRATEGIES`.
    rows : int64 array (n,), optional
        The numbers that a file gives its rows, for sentences.
    notes : tuple of str
        What was decided without being asked.
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    task: str
    n_classes: int
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...] = ()
    features: tuple[Feature, ...] = ()
    missing: str = "refuse"
    rows: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[Feature, ...]:
        """The columns of X, one `Feature` each, also where `features` is empty because all are numbers."""
        return self.features or plain_features(self.feature_names)

    def facts(self) -> dict[str, object]:
        """Return its name, its task and its size."""
        classes = {"classes": self.n_classes} if self.n_classes else {}
        return {"name": self.name, "task": self.task, "rows": len(self.X), "features": self.X.shape[1]} | classes

    def row(self, number: int) -> int:
        """Return the number that the file gives a row of X."""
        return number if self.rows is None else int(self.rows[number])


@dataclass(frozen=True, repr=False)
class Split(Shown):
    """A data set in three disjoint parts, standardised by the training part.

    Attributes
    ----------
    X_train, X_validation, X_test : ndarray of float64, shape (rows, n_features), C-contiguous
        Inputs; on the training rows each has mean 0 and standard deviation 1 (or is 0, where it is constant), but for
        indicators of words, which are 0 and 1.
    y_train, y_validation, y_test : ndarray
        Classification: int64 class numbers, shape (rows,). Regression: float64, shape (rows, n_outputs), standardised
        as the features are.
    task : {"classification", "regression"}
        What the targets are.
    n_features, n_outputs : int
        Inputs, and classes or regression targets.
    scaling : Scaling
        Of the inputs.
    target_scaling : Scaling or None
        Of a regression's targets.
    class_names : tuple of str
        The classes' names; none for regression.
    features : tuple of Feature
        How the columns of the data become inputs, as the training rows teach.
    notes : tuple of str
        What the user should know about the parts.
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
    features: tuple[Feature, ...] = ()
    notes: tuple[str, ...] = ()

    def facts(self) -> dict[str, object]:
        """Return the task and the rows of each part."""
        rows = {part: f"{len(getattr(self, f'X_{part}'))} rows" for part in ("train", "validation", "test")}
        return {"task": self.task, "features": self.n_features, "outputs": self.n_outputs} | rows


# Loading -------------------------------------------------------------------------------------------------------------


def load(
    name_or_path: str | DataFile,
    *,
    key: int,
    target: str | None = None,
    n_samples: int | None = None,
    rule: TargetRule | None = None,
    reading: Reading | None = None,
) -> Dataset:
    """Return the data set of a registered name, or of the user's file.

    What a file's target means is decided in `nnsim.data.targets`: text is classes, numbers with fractions are
    measurements, a few whole numbers are classes, and many wait for a rule.

    Parameters
    ----------
    name_or_path : str or DataFile
        A key of `DATASETS`, or a path as `nnsim.data.readers.read` takes it (``./digits`` is a file of that name).
    key : int
        64-bit key (`nnsim.core.seeding.key`) that synthetic data, and the choice of rows for `n_samples`, depend on.
    target : str, optional
        For files: a CSV's target column, or the labels file of IDX images.
    n_samples : int, optional
        Number of rows: synthetic sets are made with as many; of others, a random choice is kept in its order.
    rule : TargetRule, optional
        For files: whether the target is classes or measurements, and what becomes of rows without one.
    reading : Reading, optional
        For files: which columns are features, and how they are read.

    Returns
    -------
    Dataset
        Not yet split or standardised. Bundled data are rounded to multiples of 2^-20.

    Raises
    ------
    UnknownNameError
        No such data set or column.
    UsageError
        `n_samples` or `target` does not fit the data, or the target may be classes or measurements.
    DataError
        The file cannot be read, all its targets are equal, or a number is beyond 1e100.
    """
    number = np.uint64(key)
    if n_samples is not None and n_samples < len(PARTS):
        raise UsageError(f"n_samples is {n_samples}: training, validation and test need at least {len(PARTS)} rows")
    rule, reading = rule or TargetRule(), reading or Reading()
    if isinstance(name_or_path, DataFile):
        dataset = _from_file(name_or_path, number, target, n_samples, rule, reading)
    elif name_or_path in DATASETS:
        dataset = _registered(name_or_path, number, target, n_samples, rule, reading)
    elif _looks_like_path(name_or_path):
        dataset = _from_file(DataFile(Path(name_or_path)), number, target, n_samples, rule, reading)
    else:
        raise UnknownNameError("data set", name_or_path, DATASETS)
    _check_learnable(dataset)
    return dataset


def with_task(dataset: Dataset, task: str) -> Dataset:
    """Return `dataset` with its target read as the classes or the measurements that `task` needs.

    Raises
    ------
    UsageError
        Text cannot be measurements, and measurements cannot be class labels.
    """
    if task == dataset.task:
        return dataset
    if task == "classification":
        raise UsageError(f"the target of '{dataset.name}' holds measurements, not class labels")
    try:
        values = np.array([float(name) for name in dataset.class_names])
    except ValueError:
        named = ", ".join(dataset.class_names[:3])
        raise UsageError(f"the target of '{dataset.name}' holds names ({named} ...), not measurements") from None
    return replace(dataset, y=values[dataset.y][:, None], task="regression", n_classes=0, class_names=())


def fingerprint(name_or_path: str | DataFile, target: str | None = None) -> str:
    """Return the SHA-256 of each of a user's files, "" for a registered data set: part of a trial's identity."""
    if isinstance(name_or_path, str):
        if name_or_path in DATASETS or not Path(name_or_path).is_file():
            return ""
        name_or_path = DataFile(Path(name_or_path))
    files = files_of(name_or_path, target)  # `load` says what is missing
    return "+".join(file.sha256() for file in files if file.content is not None or file.path.is_file())


def files_named(name_or_path: str, target: str | None = None) -> list[Path]:
    """Return the user's files that `load` reads, as far as they are there; none for a registered data set."""
    if name_or_path in DATASETS or not Path(name_or_path).is_file():
        return []
    return [file.path for file in files_of(DataFile(Path(name_or_path)), target) if file.path.is_file()]


def _check_learnable(dataset: Dataset) -> None:
    X, y = dataset.X, dataset.y
    if (y == y[0]).all() or (y.ndim > 1 and is_constant(y[0], np.ptp(y, axis=0)).all()):
        held = dataset.class_names[y[0]] if dataset.n_classes else y[0, 0]
        raise DataError(f"the target of '{dataset.name}' is {held} in all {len(y)} rows, expected two values or more")
    for values, what in ((X, "a feature"), (y, "the target")):
        largest = max(np.fmax.reduce(values, axis=None), -np.fmin.reduce(values, axis=None))
        if largest > _LARGEST:
            raise DataError(f"{what} of '{dataset.name}' has the size {largest}: rescale it below {_LARGEST}")


def _looks_like_path(name: str) -> bool:
    return os.sep in name or bool(Path(name).suffix) or os.path.exists(name)


def _registered(
    name: str, key: np.uint64, target: str | None, n_samples: int | None, rule: TargetRule, reading: Reading
) -> Dataset:
    if target is not None:
        raise UsageError(f"data set '{name}' takes no target '{target}': it has its own, only files need one")
    if reading != Reading() or rule.missing != "refuse":
        raise UsageError(f"data set '{name}' is read as it is: only files have columns to choose, fill in or spell out")
    source = DATASETS[name]
    X, y, feature_names, class_names = source.make(n_samples or source.n_samples, key)
    rows = _chosen_rows(name, len(X), n_samples, key)
    dataset = Dataset(name, X[rows], y[rows], source.task, len(class_names), feature_names, class_names)
    return dataset if rule.task == "auto" else with_task(dataset, rule.task)


def _from_file(
    file: DataFile, key: np.uint64, target: str | None, n_samples: int | None, rule: TargetRule, reading: Reading
) -> Dataset:
    table = read(file, target, rule, reading)
    rows = _chosen_rows(str(file), len(table.X), n_samples, key)
    classes = table.target.class_names
    return Dataset(
        name=str(file),
        X=np.ascontiguousarray(table.X[rows], dtype=np.float64),
        y=table.target.values[rows],
        task="classification" if classes else "regression",
        n_classes=len(classes),
        feature_names=tuple(feature.name for feature in table.features),
        class_names=classes,
        features=table.features,
        missing=reading.missing,
        rows=table.rows[rows],
        notes=table.notes,
    )


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
    """Split into training, validation and test parts, and prepare all as the training part teaches.

    Rows are permuted by `key`. Of a classification each class is divided by `fractions` on its own, and has a row in
    each part where it has three or more; one with fewer has its rows in training and validation. Where no class has
    three rows, and for regression, all rows are divided together.

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
        Inputs, and regression targets, less the training mean and over the training standard deviation (divided by
        the number of rows; 1 where it is 0 up to rounding). What is missing is filled in before, and words become
        indicators.

    Raises
    ------
    UsageError
        `fractions` are not three positive numbers with sum 1.
    DataError
        Fewer than three rows, or a number so far from the others that it is no measurement.
    """
    _check_fractions(fractions)
    n = len(dataset.X)
    if n < len(PARTS):
        raise DataError(f"'{dataset.name}' has too few rows to split: {n}, expected at least {len(PARTS)}")
    order = np.empty(n, np.int64)
    fill_permutation(order, np.uint64(key), SPLIT, 0)
    part = _parts(dataset, order, fractions)
    rows = [order[part == number] for number in range(len(PARTS))]
    features = learn(dataset.columns, dataset.X[rows[0]], dataset.missing)
    X = expand(features, recoded(dataset.X, dataset.columns, features))
    (X_train, X_validation, X_test), scaling = _standardised(
        dataset, X, rows, [f"column '{name}'" for name in input_names(features)], indicators(features)
    )
    target_scaling = None
    if dataset.task == "regression":
        (y_train, y_validation, y_test), target_scaling = _standardised(
            dataset, dataset.y, rows, ["the target"] * dataset.y.shape[1]
        )
        n_outputs = dataset.y.shape[1]
    else:
        y_train, y_validation, y_test = (dataset.y[chosen] for chosen in rows)
        n_outputs = dataset.n_classes
    return Split(
        X_train, y_train, X_validation, y_validation, X_test, y_test,
        dataset.task, X.shape[1], n_outputs, scaling, target_scaling, dataset.class_names,
        features, (*_absent_classes(dataset, rows), *_absent_words(dataset, features)),
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
        if max(map(len, by_class)) >= len(PARTS):
            groups = by_class
    part = np.zeros(len(order), np.int64)
    for places in groups:
        first, second = _cuts(len(places), fractions)
        part[places[first:second]] = 1
        part[places[second:]] = 2
    return part


def _cuts(n: int, fractions: tuple[float, float, float]) -> tuple[int, int]:
    """Return where validation and test begin in n rows: nearest to `fractions` with no part empty, if n allows it."""
    if n < len(PARTS):
        return 1, n
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


def _standardised(
    dataset: Dataset, values: np.ndarray, rows: list[np.ndarray], names: list[str], spared: np.ndarray | None = None
) -> tuple[list[np.ndarray], Scaling]:
    """Return the parts of `values`, standardised by the first, and how; complain about a number that is too far out."""
    scaling = scaling_of(values[rows[0]], spared)
    parts = [scaling.apply(values[chosen]) for chosen in rows]
    for chosen, part in zip(rows, parts, strict=True):

        def where(row: int, column: int, chosen: np.ndarray = chosen) -> str:
            return f"row {dataset.row(chosen[row])}, {names[column]} of '{dataset.name}'"

        if chosen is rows[0]:
            check_spread(values[chosen], scaling, where)
        check_distance(values[chosen], part, where)
    return parts, scaling


def _absent_classes(dataset: Dataset, rows: list[np.ndarray]) -> Iterator[str]:
    """Say which classes have no row in some of the parts."""
    if dataset.task != "classification":
        return
    held = [np.bincount(dataset.y[chosen], minlength=dataset.n_classes) > 0 for chosen in rows]
    lacking: dict[tuple[str, ...], list[str]] = {}
    for name, *there in zip(dataset.class_names, *held, strict=True):
        lacking.setdefault(tuple(part for part, has in zip(PARTS, there, strict=True) if not has), []).append(name)
    for parts, names in lacking.items():
        if parts:
            untaught = ", so the network cannot learn it" if "training" in parts else ""
            yield f"no {' or '.join(parts)} row of '{dataset.name}' is of class {_listed(names)}{untaught}"


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _absent_words(dataset: Dataset, features: tuple[Feature, ...]) -> Iterator[str]:
    """Say which words no training row holds, so that no input stands for them."""
    for before, after in zip(dataset.columns, features, strict=True):
        absent = [word for word in before.words if word not in after.words]
        if absent:
            yield (
                f"no training row of '{dataset.name}' holds {_listed(absent)} in column '{before.name}': "
                "rows that do get no indicator"
            )
