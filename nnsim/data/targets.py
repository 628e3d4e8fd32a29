"""What a target column means: classes, which keep their text, or measurements; what is neither is refused.

Nothing is guessed in silence. Text is classes. Numbers of which some have fractions are measurements. Whole numbers are
classes where there are at most `MOST_CLASSES` different ones; more of them are measurements where all are written with
a point, as 100.0, and otherwise wait for the user's word.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

import numpy as np

from nnsim.core.errors import DataError, UnknownNameError, UsageError
from nnsim.data.array_files import refuse_entry
from nnsim.data.csv_files import Words
from nnsim.data.data_files import is_plain_text, quoted
from nnsim.data.dialects import Dialect, is_missing, looks_like_a_number, options_for

TASKS = ("classification", "regression")
MOST_CLASSES = 30
"""Different whole numbers that are taken for classes unless the task is given."""

SAY_TASK = "say --task classification or --task regression"
OR_WRITE = "or write classes as text and measurements with a point, as 100.0"


@dataclass(frozen=True)
class TargetRule:
    """What the user says about the target.

    Attributes
    ----------
    task : {"auto", "classification", "regression"}
    missing : {"refuse", "drop"}
        What becomes of rows without a target.
    """

    task: str = "auto"
    missing: str = "refuse"

    def __post_init__(self) -> None:
        for kind, value, known in (
            ("task", self.task, ("auto", *TASKS)),
            ("treatment of missing targets", self.missing, ("refuse", "drop")),
        ):
            if value not in known:
                raise UnknownNameError(kind, value, known)


@dataclass(frozen=True)
class Place:
    """Where a target stands, for sentences: the file, the column's name, and the number of each row."""

    file: str
    column: str
    rows: np.ndarray

    def __str__(self) -> str:
        return f"the target '{self.column}' of '{self.file}'"

    def refuse(self, index: int, text: str, why: str) -> NoReturn:
        """Raise DataError about a cell.

        Parameters
        ----------
        index : int
            Place of its row in `rows`.
        text : str
            The cell as the file holds it.
        why : str
            End of the sentence, as in ``expected a label``.
        """
        raise DataError(f"row {self.rows[index]}, column '{self.column}' of '{self.file}' holds {quoted(text)}, {why}")


@dataclass(frozen=True)
class Target:
    """A target that is understood.

    Attributes
    ----------
    values : array
        Class numbers, int64 (rows,), or measurements, float64 (rows, targets).
    class_names : tuple of str
        Each class as it is written; none for measurements.
    kept : bool array or None
        Which rows of the file the values belong to, where some had no target.
    notes : tuple of str
        What was decided without being asked.
    """

    values: np.ndarray
    class_names: tuple[str, ...] = ()
    kept: np.ndarray | None = None
    notes: tuple[str, ...] = ()


# Cells ---------------------------------------------------------------------------------------------------------------


def target_of_cells(cells: Sequence[str], dialect: Dialect, rule: TargetRule, place: Place) -> Target:
    """Return what a column of cells means.

    Parameters
    ----------
    cells : sequence of str
        One for each row.
    dialect : Dialect
        How the file writes numbers.
    rule : TargetRule
    place : Place
        The column, for sentences.

    Raises
    ------
    DataError
        A cell is missing and `rule` does not drop it, or all are; a cell among numbers is none; a label is not one
        line of plain text.
    UsageError
        Numbers that may be classes or measurements, one number in two spellings, or a task that does not fit.
    """
    numbers = None if rule.task == "classification" else _all_numbers(cells, dialect)
    if numbers is not None and (rule.task == "regression" or (numbers != np.floor(numbers)).any()):
        return Target(numbers[:, None])
    return target_of_words(Words.of(cells), dialect, rule, place)


def _all_numbers(cells: Sequence[str], dialect: Dialect) -> np.ndarray | None:
    """Return the cells as numbers where all are, which is fast."""
    if not dialect.is_pythons or "_" in "".join(cells):
        return None
    try:
        values = np.array(array("d", map(float, cells)))
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def target_of_words(words: Words, dialect: Dialect | None, rule: TargetRule, place: Place) -> Target:
    """Return what a column of texts means.

    Parameters
    ----------
    words : Words
    dialect : Dialect or None
        How the file writes numbers; without one no text is a number.
    rule, place
        As for `target_of_cells`.

    Raises
    ------
    DataError, UsageError
        As `target_of_cells`.
    """
    numbers = [None if dialect is None else dialect.number(word) for word in words.words]
    as_numbers = rule.task != "classification" and (
        any(number is not None for number in numbers) or (dialect is not None and _hidden_numbers(words.words))
    )
    if rule.task == "regression" and not as_numbers:
        named = ", ".join(words.words[:3])
        raise UsageError(f"{place} holds names ({named} ...), not measurements")
    kept = _kept(words, numbers, as_numbers, rule, place)
    words = words if kept is None else words.where(kept)
    numbers = [None if dialect is None else dialect.number(word) for word in words.words]
    if as_numbers and (rule.task == "regression" or _are_measurements(words.words, numbers, dialect)):
        return Target(np.array(numbers, np.float64)[words.numbers][:, None], kept=kept)
    if as_numbers:
        _check_few(len(words.words), place)
    return _classes(words, dialect, rule, place, kept)


def _are_measurements(words: Sequence[str], numbers: Sequence[float | None], dialect: Dialect | None) -> bool:
    """Tell whether numbers have fractions, or are many whole ones that are all written with a point."""
    if not all(number is not None and number.is_integer() for number in numbers):
        return True
    return len(words) > MOST_CLASSES and dialect is not None and all(dialect.decimal in word for word in words)


def _hidden_numbers(words: Sequence[str]) -> bool:
    """Tell whether every text is a number to somebody, as 1,100 and 15 %, or missing, so that none is a name."""
    held = [word for word in words if not is_missing(word)]
    return bool(held) and all(map(looks_like_a_number, held))


def _kept(
    words: Words, numbers: Sequence[float | None], as_numbers: bool, rule: TargetRule, place: Place
) -> np.ndarray | None:
    """Return which rows have a target, None for all; complain about the first that has none or a wrong one."""
    if as_numbers:
        lacking = [number is None for number in numbers]
        missing = [is_missing(word) for word in words.words]
    else:
        lacking = missing = [not word for word in words.words]
    dropped = rule.missing == "drop"
    wrong = [lacks and not (gone and dropped) for lacks, gone in zip(lacking, missing, strict=True)]
    if any(wrong):
        index = int(np.argmax(np.array(wrong)[words.numbers]))
        word = words.words[words.numbers[index]]
        place.refuse(index, word, _remedy(word, as_numbers))
    if not any(lacking):
        return None
    kept = ~np.array(lacking)[words.numbers]
    if not kept.any():
        raise DataError(f"{place} is missing in every row")
    return kept


def _remedy(word: str, as_numbers: bool) -> str:
    if not as_numbers:
        return "expected a label: --missing-target drop leaves out rows without one"
    if is_missing(word):
        return (
            "expected a finite number as in other rows: "
            "--missing-target drop leaves out such rows, --task classification takes each cell as a class"
        )
    options = options_for(word)
    reading = f"read it with {options}" if options else "write numbers alone"
    return f"expected a finite number: {reading}, or take each cell as a class with --task classification"


def _check_few(count: int, place: Place) -> None:
    if count > MOST_CLASSES:
        raise UsageError(
            f"{place} holds {count} different whole numbers, and more than {MOST_CLASSES} may be classes or "
            f"measurements: {SAY_TASK}, {OR_WRITE}"
        )


def _classes(words: Words, dialect: Dialect | None, rule: TargetRule, place: Place, kept: np.ndarray | None) -> Target:
    """Return classes under the names that the file gives them: in the order of their numbers, else of their text."""
    names = words.words
    for name in names:
        if not is_plain_text(name):
            raise DataError(f"a label of '{place.file}' is {quoted(name)}, expected one line of plain text")
    exact = _exact(names, dialect)
    if rule.task == "auto":
        _check_spelling(names, exact, place)
    order = sorted(range(len(names)), key=lambda number: (exact[number], names[number]))
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    return Target(rank[words.numbers], tuple(names[number] for number in order), kept)


def _exact(names: Sequence[str], dialect: Dialect | None) -> list[Decimal]:
    """Return the numbers that the names write, to the last digit; infinities where one of them is no number."""
    if dialect is None or any(dialect.number(name) is None for name in names):
        return [Decimal("inf")] * len(names)
    return [Decimal(dialect.plain(name).strip()) for name in names]


def _check_spelling(names: Sequence[str], exact: Sequence[Decimal], place: Place) -> None:
    first: dict[Decimal, str] = {}
    for name, number in zip(names, exact, strict=True):
        other = first.setdefault(number, name)
        if number.is_finite() and other != name:
            raise UsageError(f"{place} writes one number as '{other}' and as '{name}': write it alike, or {SAY_TASK}")


# Arrays --------------------------------------------------------------------------------------------------------------


def target_of_array(y: np.ndarray, rule: TargetRule, place: Place) -> Target:
    """Return what an array means.

    Parameters
    ----------
    y : array (rows,) or (rows, targets)
        Numbers, truth values or, in one column, text.
    rule : TargetRule
    place : Place
        The array, for sentences.

    Raises
    ------
    DataError
        A number is infinite, or missing where `rule` does not drop it; all are missing; text in several columns, or a
        label that is not one line of plain text.
    UsageError
        As `target_of_cells`.
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.dtype.kind == "U":
        if y.ndim > 1:
            raise DataError(f"{place} is text of shape {y.shape}, expected one label a row, or numbers")
        return target_of_words(Words.of(y.tolist()), None, rule, place)
    kept = _finite_rows(y, rule, place)
    y = y if kept is None else y[kept]
    if y.ndim > 1:
        return _of_columns(y, rule, place, kept)
    fractions = y.dtype.kind == "f" and bool((y != np.floor(y)).any())
    if fractions and rule.task == "classification":
        raise UsageError(f"{place} holds measurements, not class labels: use --task regression")
    labels, numbers = np.unique(y, return_inverse=True)
    many_floats = rule.task == "auto" and y.dtype.kind == "f" and len(labels) > MOST_CLASSES
    if rule.task == "regression" or fractions or many_floats:
        return Target(np.ascontiguousarray(y[:, None], np.float64), kept=kept)
    if rule.task == "auto":
        _check_few(len(labels), place)
    return Target(numbers.astype(np.int64), tuple(str(int(label)) for label in labels), kept)


def _finite_rows(y: np.ndarray, rule: TargetRule, place: Place) -> np.ndarray | None:
    finite = np.isfinite(y) if y.dtype.kind == "f" else np.ones(y.shape, bool)
    if finite.all():
        return None
    dropped = np.isnan(y) & (rule.missing == "drop")
    wrong = ~finite & ~dropped
    if wrong.any():
        remedy = ": --missing-target drop leaves out rows without one" if np.isnan(y[wrong][0]) else ""
        refuse_entry(place.file, place.column, y, wrong, remedy)
    kept: np.ndarray = np.all(finite.reshape(len(y), -1), axis=1)
    if not kept.any():
        raise DataError(f"{place} is missing in every row")
    return kept


def _of_columns(y: np.ndarray, rule: TargetRule, place: Place, kept: np.ndarray | None) -> Target:
    """Return classes where each row has a single 1 among zeros, and otherwise several measurements."""
    one_hot = bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())
    if one_hot and rule.task != "regression":
        note = f"{place} has a single 1 in every row, so its {y.shape[1]} columns are classes (--task regression: not)"
        names = tuple(map(str, range(y.shape[1])))
        return Target(y.argmax(axis=1), names, kept, (note,) if rule.task == "auto" else ())
    if rule.task == "classification":
        raise UsageError(f"{place} has {y.shape[1]} columns, which are no classes: expected a single 1 in every row")
    return Target(np.ascontiguousarray(y, np.float64), kept=kept)
