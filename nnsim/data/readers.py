"""From a data file of the user's to a table: its columns as features, its target as classes or measurements.

The formats are CSV with a header line, NPZ, and IDX (the MNIST format).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np

from nnsim.core.errors import DataError, UnknownNameError, UsageError
from nnsim.data.array_files import labels_beside, read_idx, read_idx_array, read_npz, read_npz_features, refuse_entry
from nnsim.data.csv_files import Cells, CsvFile, ForeignCellsError, Words
from nnsim.data.data_files import DataFile, is_plain_text, quoted
from nnsim.data.dialects import Dialect, is_missing, looks_like_a_number, options_for
from nnsim.data.features import STRATEGIES, TRUTH, Feature, first_hole, plain_features, unreadable
from nnsim.data.targets import Place, Target, TargetRule, target_of_array, target_of_cells

MOST_WORDS = 100
"""Different texts of a column that become inputs unless the column is named."""


@dataclass(frozen=True)
class Reading:
    """How the columns of a file are read.

    Attributes
    ----------
    dialect : Dialect
    chosen : tuple of str, optional
        The features; by default all columns but the target.
    dropped : tuple of str
        Columns that are no features.
    categorical : "auto", "refuse", or tuple of str
        Which columns are text of which each word becomes an input: those that hold no numbers, none, or these.
    missing : str
        One of `nnsim.data.features.STRATEGIES`.
    """

    dialect: Dialect = field(default_factory=Dialect)
    chosen: tuple[str, ...] | None = None
    dropped: tuple[str, ...] = ()
    categorical: str | tuple[str, ...] = "auto"
    missing: str = "refuse"

    def __post_init__(self) -> None:
        if self.missing not in STRATEGIES:
            raise UnknownNameError("treatment of missing cells", self.missing, STRATEGIES)

    @property
    def named(self) -> tuple[str, ...]:
        """The columns that the user calls text."""
        return self.categorical if isinstance(self.categorical, tuple) else ()


@dataclass(frozen=True)
class Table:
    """What a file holds.

    Attributes
    ----------
    X : ndarray, shape (n, d)
        Any integer or floating dtype: numbers, the places of words of a column of text, and NaN where a cell is
        missing and may be.
    features : tuple of Feature
        What each of the d columns is.
    target : Target
    rows : int64 array (n,)
        The file's numbers of the rows: a spreadsheet's of CSV, the header being row 1; else from 0.
    notes : tuple of str
        What was decided without being asked.
    """

    X: np.ndarray
    features: tuple[Feature, ...]
    target: Target
    rows: np.ndarray
    notes: tuple[str, ...] = ()


def read(
    file: DataFile | Path, target: str | None = None, rule: TargetRule | None = None, reading: Reading | None = None
) -> Table:
    """Read a data file in the format that its name says.

    Parameters
    ----------
    file : DataFile or Path
        ``*.csv``, ``*.tsv``, ``*.npz``, or a name that contains ``idx`` (``train-images-idx3-ubyte``); CSV and IDX also
        gzipped, with ``.gz``. Standard input is CSV.
    target : str, optional
        CSV: the name of the target column. IDX: the labels file, where it does not have the usual name.
    rule : TargetRule, optional
    reading : Reading, optional

    Returns
    -------
    Table
        The rows in the file's order, less those that the rule drops.

    Raises
    ------
    DataError
        The file is missing, a folder, empty, damaged, or a cell is not what it must be.
    UsageError
        `target` is missing, unknown or not for this format; a choice that does not fit the file.
    """
    file = DataFile(file) if isinstance(file, Path) else file
    rule, reading = rule or TargetRule(), reading or Reading()
    try:
        file.check()
        if file.format == "csv":
            return _kept(_read_csv(file, target, rule, reading))
        return _kept(_read_arrays(file, target, rule, reading))
    except OSError as error:
        raise DataError(f"'{file}' cannot be read: {error.strerror}") from None


def files_of(file: DataFile, target: str | None = None) -> list[DataFile]:
    """Return every file that `read` opens: images in the IDX format have their labels in a second one."""
    if file.content is not None or file.suffix in {".csv", ".tsv", ".npz"} or "idx" not in file.path.name.lower():
        return [file]
    return [file, DataFile(Path(target) if target is not None else labels_beside(file.path))]


def _kept(table: Table) -> Table:
    """Return the rows that have a target."""
    kept = table.target.kept
    if kept is None:
        return table
    return Table(table.X[kept], table.features, table.target, table.rows[kept], table.notes)


def _choose(file: DataFile, names: Sequence[str], reading: Reading) -> list[str]:
    """Return the features among the columns, in the file's order."""
    for name in (*(reading.chosen or ()), *reading.dropped, *reading.named):
        if name not in names:
            raise UnknownNameError(f"column of '{file}'", name, names)
    chosen = [name for name in names if reading.chosen is None or name in reading.chosen]
    chosen = [name for name in chosen if name not in reading.dropped]
    if not chosen:
        raise DataError(f"'{file}' has no feature: besides the target no column is left")
    return chosen


# CSV -----------------------------------------------------------------------------------------------------------------


def _read_csv(file: DataFile, target: str | None, rule: TargetRule, reading: Reading) -> Table:
    sheet = CsvFile(file, reading.dialect)
    if target is None or target not in sheet.header:
        _refuse_target(sheet, target)
    names = _choose(file, [name for name in sheet.header if name != target], reading)
    sheet.check_names([target, *names])
    cells = sheet.discover(names, [target, *(name for name in reading.named if name in names)])
    place = Place(str(file), target, cells.rows)
    understood = target_of_cells(cells.texts.pop(target), reading.dialect, rule, place)
    X, features = _features(sheet, cells, names, reading)
    return Table(X, features, understood, cells.rows, _notes(file, features, reading) + understood.notes)


def _refuse_target(sheet: CsvFile, target: str | None) -> NoReturn:
    if all(sheet.dialect.number(name) is not None for name in sheet.header):
        raise DataError(f"'{sheet.file}' has no header line: its first row holds numbers, expected the columns' names")
    if target is None:
        columns = ", ".join(sheet.header)
        raise UsageError(f"'{sheet.file}' needs the name of its target column: the columns are {columns}")
    raise UnknownNameError("target column", target, sheet.header)


def _features(
    sheet: CsvFile, cells: Cells, names: list[str], reading: Reading
) -> tuple[np.ndarray, tuple[Feature, ...]]:
    """Return the matrix of the features and what they are; complain about what is missing where nothing may be."""
    X = cells.numbers
    features = {name: Feature(name) for name in names if name not in cells.texts}
    if cells.texts:
        columns = dict(zip(features, X.T, strict=True))
        for name, texts in cells.texts.items():
            features[name], columns[name] = _text_feature(sheet, cells.rows, name, Words.of(texts), reading)
        X = np.ascontiguousarray(np.transpose([columns[name] for name in names]))
    hole = first_hole(tuple(features.values()), X) if reading.missing == "refuse" else None
    if hole is not None:
        remedy = f"fill in what is missing with --missing mean, or leave the column out with --drop {names[hole[1]]}"
        _refuse_missing(sheet, cells, names, hole, remedy)
    return X, tuple(features[name] for name in names)


def _text_feature(
    sheet: CsvFile, rows: np.ndarray, name: str, words: Words, reading: Reading
) -> tuple[Feature, np.ndarray]:
    """Return what a column is that is not of numbers alone, and its values."""
    held = [word for word in words.words if not is_missing(word)]
    if name not in reading.named:
        if held and all(word.lower() in TRUTH for word in held):
            feature = Feature(name, "truth")
            return feature, np.array([TRUTH.get(word.lower(), np.nan) for word in words.words])[words.numbers]
        _check_text(sheet, rows, name, words, reading)
    texts = tuple(sorted(word for word in words.words if word))
    _check_words(sheet.file, name, texts, reading)
    places = {word: float(place) for place, word in enumerate(texts)}
    return Feature(name, "text", texts), np.array([places.get(word, np.nan) for word in words.words])[words.numbers]


def _check_text(sheet: CsvFile, rows: np.ndarray, name: str, words: Words, reading: Reading) -> None:
    """Complain about a column that holds numbers, too, or that is not to be of text."""
    held = [word for word in words.words if not is_missing(word)]
    numeric = [sheet.dialect.number(word) is not None for word in held]
    if reading.categorical == "auto" and not any(numeric) and not all(map(looks_like_a_number, held)):
        return
    foreign = [word for word, is_number in zip(held, numeric, strict=True) if not is_number]
    index = min(words.first(words.words.index(word)) for word in foreign)
    cell = words.words[words.numbers[index]]
    options = options_for(cell)
    reading_it = f"read it with {options}, " if options else ""
    raise DataError(
        f"row {rows[index]}, column '{name}' of '{sheet.file}' holds {quoted(cell)}, expected a finite number: "
        f"{reading_it}take each cell as text with --categorical {name}, or leave the column out with --drop {name}"
    )


def _check_words(file: DataFile, name: str, words: tuple[str, ...], reading: Reading) -> None:
    for word in words:
        if not is_plain_text(word):
            raise DataError(f"a cell of column '{name}' of '{file}' is {quoted(word)}, expected one line of plain text")
    if len(words) > MOST_WORDS and name not in reading.named:
        raise UsageError(
            f"column '{name}' of '{file}' holds {len(words)} different texts, and each would become an input: leave it "
            f"out with --drop {name}, or let more than {MOST_WORDS} be inputs with --categorical {name}"
        )


def _refuse_missing(sheet: CsvFile, cells: Cells, names: list[str], hole: tuple[int, int], remedy: str) -> NoReturn:
    """Raise DataError about the first missing cell: its row, and its column among `names`."""
    index, name = hole[0], names[hole[1]]
    cell = cells.texts[name][index].strip() if name in cells.texts else cells.missing[name][1]
    where = f"row {cells.rows[index]}, column '{name}' of '{sheet.file}'"
    raise DataError(f"{where} holds {quoted(cell)}, expected a finite number or a text: {remedy}")


def _notes(file: DataFile, features: Sequence[Feature], reading: Reading) -> tuple[str, ...]:
    """Say what became of columns that are no numbers, unless the user has named them."""
    texts = [f"{f.name} ({f.width})" for f in features if f.kind == "text" and f.name not in reading.named]
    truth = [f.name for f in features if f.kind == "truth"]
    said = [f"each word becomes an input of: {', '.join(texts)}"] if texts else []
    said += [f"read as 0 and 1: {', '.join(truth)}"] if truth else []
    return tuple(f"'{file}': {text}" for text in said)


# Arrays --------------------------------------------------------------------------------------------------------------


def _read_arrays(file: DataFile, target: str | None, rule: TargetRule, reading: Reading) -> Table:
    if not reading.dialect == Dialect() or reading.named:
        raise UsageError(f"'{file}' holds numbers as they are: only CSV takes a delimiter, signs or columns of text")
    if file.format == "npz" and target is not None:
        raise UsageError(f"'{file}' takes no target '{target}': an NPZ file holds its target as the array 'y'")
    X, y = read_npz(file.path) if file.format == "npz" else read_idx(file.path, target)
    names = array_names(file, X.shape[1])
    chosen = _choose(file, names, reading)
    if reading.missing == "refuse" and X.dtype.kind == "f" and np.isnan(X).any():
        refuse_entry(file, "X", X, np.isnan(X), ": fill in what is missing with --missing mean")
    X = X if len(chosen) == len(names) else X[:, [names.index(name) for name in chosen]]
    rows = np.arange(len(X))
    understood = target_of_array(y, rule, Place(str(file), "y", rows))
    return Table(X, plain_features(chosen), understood, rows, understood.notes)


def array_names(file: DataFile, count: int) -> list[str]:
    """Return the names of columns that have none."""
    stem = "x" if file.format == "npz" else "pixel_"
    return [f"{stem}{column}" for column in range(count)]


# Features alone ------------------------------------------------------------------------------------------------------


def read_features(
    file: DataFile | Path, features: Sequence[Feature], dialect: Dialect | None = None
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Read the columns that a model needs: of a CSV file by their names, in any order, else in the file's order.

    Parameters
    ----------
    file : DataFile or Path
    features : sequence of Feature
    dialect : Dialect, optional

    Returns
    -------
    X : float64 array (n, features)
        As `nnsim.data.features.expand` takes it.
    rows : int64 array (n,)
        The file's numbers of the rows, see `Table`.
    ignored : list of str
        The other columns of the file.

    Raises
    ------
    DataError
        As `read` does, and where a feature is missing, or a cell is not what its feature wants.
    """
    file = DataFile(file) if isinstance(file, Path) else file
    try:
        file.check()
        if file.format == "csv":
            return _csv_columns(CsvFile(file, dialect or Dialect()), features)
        X = _array_columns(file, features)
        return X, np.arange(len(X)), []
    except OSError as error:
        raise DataError(f"'{file}' cannot be read: {error.strerror}") from None


def _array_columns(file: DataFile, features: Sequence[Feature]) -> np.ndarray:
    wordy = next((feature.name for feature in features if feature.kind == "text"), None)
    if wordy is not None:
        raise DataError(f"'{file}' holds numbers alone, and the model needs text in the column '{wordy}': give CSV")
    X = read_npz_features(file.path) if file.format == "npz" else read_idx_array(file.path)
    X = X.reshape(len(X), -1)
    names, wanted = array_names(file, X.shape[1]), [feature.name for feature in features]
    if set(wanted) <= set(names):
        X = X[:, [names.index(name) for name in wanted]]
    if X.shape[1] != len(features):
        raise DataError(f"'{file}' holds {X.shape[1]} features a row, expected {len(features)}")
    X = X.astype(np.float64)
    hole = first_hole(features, X)
    if hole is not None:
        refuse_entry(file, "X", X, np.isnan(X), ": the model has not learned what to put in place of a missing one")
    return X


def _csv_columns(sheet: CsvFile, features: Sequence[Feature]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    wanted = [feature.name for feature in features]
    lacking = [name for name in wanted if name not in sheet.header]
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise DataError(f"'{sheet.file}' lacks the column '{lacking[0]}'{more}: the model needs {', '.join(wanted)}")
    sheet.check_names(wanted)
    numbers = [feature.name for feature in features if feature.kind == "number"]
    cells = _known_cells(sheet, numbers, [name for name in wanted if name not in numbers])
    columns = dict(zip(numbers, cells.numbers.T, strict=True))
    for feature in features:
        if feature.kind != "number":
            columns[feature.name] = _known_column(sheet, feature, cells.rows, Words.of(cells.texts[feature.name]))
    X = np.ascontiguousarray(np.transpose([columns[name] for name in wanted]))
    hole = first_hole(features, X)
    if hole is not None:
        remedy = "train with --missing mean, so that the model learns what to put in its place"
        _refuse_missing(sheet, cells, wanted, hole, remedy)
    return X, cells.rows, [name for name in sheet.header if name not in wanted]


def _known_cells(sheet: CsvFile, numbers: list[str], texts: list[str]) -> Cells:
    try:
        return sheet.read(numbers, texts)
    except ForeignCellsError as found:
        name, cell = next(iter(found.cells.items()))
        options = options_for(cell)
        remedy = f": read it with {options}" if options else ""
        where = f"row {found.row}, column '{name}' of '{sheet.file}'"
        raise DataError(f"{where} holds {quoted(cell)}, expected a finite number{remedy}") from None


def _known_column(sheet: CsvFile, feature: Feature, rows: np.ndarray, words: Words) -> np.ndarray:
    """Return the values of a column of text or truth."""
    values = []
    for number, word in enumerate(words.words):
        try:
            missing = is_missing(word) if feature.kind == "truth" else not word
            values.append(np.nan if missing else feature.read(word))
        except ValueError:
            where = f"row {rows[words.first(number)]}, column '{feature.name}' of '{sheet.file}'"
            raise DataError(unreadable(feature, where, word)) from None
    return np.array(values)[words.numbers]
