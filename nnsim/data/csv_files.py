"""CSV files: one header line, then a row of cells for each sample, read exactly and fast."""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import NoReturn

import numpy as np

from nnsim.core.errors import DataError, UsageError
from nnsim.data.data_files import DataFile, is_plain_text, quoted
from nnsim.data.dialects import DELIMITERS, Dialect, is_missing
from nnsim.data.spreadsheets import unshielded

BLANKS = " \t"
"""What is cut off around a cell: no-break spaces belong to the text."""


class ForeignCellsError(Exception):
    """A row that holds text in columns of numbers: its number, and the cells by their columns' names."""

    def __init__(self, row: int, cells: dict[str, str]) -> None:
        self.row, self.cells = row, cells


@dataclass(frozen=True)
class Words:
    """A column of texts.

    Attributes
    ----------
    numbers : int64 array (rows,)
        Each row's number of its word.
    words : tuple of str
        The different texts, in the order in which they first appear.
    """

    numbers: np.ndarray
    words: tuple[str, ...]

    @classmethod
    def of(cls, cells: Sequence[str]) -> Words:
        """Return the texts of cells: without blanks around them, and as they were before a spreadsheet."""
        texts = {cell: unshielded(cell.strip(BLANKS)) for cell in dict.fromkeys(cells)}
        numbers = {text: number for number, text in enumerate(dict.fromkeys(texts.values()))}
        of_cell = {cell: numbers[text] for cell, text in texts.items()}
        return cls(np.fromiter(map(of_cell.__getitem__, cells), np.int64, len(cells)), tuple(numbers))

    def first(self, number: int) -> int:
        """Return the first place that holds the word of that number."""
        return int(np.argmax(self.numbers == number))

    def where(self, kept: np.ndarray) -> Words:
        """Return the rows that are kept, and the words that they hold."""
        used, numbers = np.unique(self.numbers[kept], return_inverse=True)
        return Words(numbers.astype(np.int64), tuple(self.words[number] for number in used.tolist()))

    def tolist(self) -> list[str]:
        """Return each row's text."""
        return [self.words[number] for number in self.numbers.tolist()]


@dataclass(frozen=True)
class Cells:
    """What the rows of a file hold.

    Attributes
    ----------
    rows : int64 array (n,)
        Each row's number as a spreadsheet counts, the header being row 1.
    numbers : float64 array (n, columns)
        NaN where a number is missing.
    texts : dict of str to list of str
        Cells as they are, see `Words.of`.
    missing : dict of str to (int, str)
        Row and cell of the first missing number of each column that lacks any.
    """

    rows: np.ndarray
    numbers: np.ndarray
    texts: dict[str, list[str]]
    missing: dict[str, tuple[int, str]]


class CsvFile:
    """A CSV file whose header has been read.

    Attributes
    ----------
    file : DataFile
    dialect : Dialect
    header : list of str
        The names of the columns, without blanks around them.

    Raises
    ------
    DataError
        The file is not UTF-8 or has no header.
    UsageError
        Several signs may be the one between columns.
    """

    def __init__(self, file: DataFile, dialect: Dialect) -> None:
        self.file, self.dialect = file, dialect
        self._delimiter = dialect.delimiter or _delimiter(file)
        self.header = [cell.strip() for cell in next(_records(file, self._delimiter), (1, []))[1]]
        self._check_header()

    def read(self, numbers: Sequence[str], texts: Sequence[str]) -> Cells:
        """Read the columns called `numbers` as such, and those called `texts` as words.

        Numbers are read exactly (nearest float64). Blank lines are skipped, but counted.

        Raises
        ------
        ForeignCellsError
            A cell among numbers is neither a number nor stands for a missing one.
        DataError
            No rows, a row of another length, no well-formed CSV.
        """
        rows, values, missing = array("q"), array("d"), dict[str, tuple[int, str]]()
        columns: dict[str, list[str]] = {name: [] for name in texts}
        adders = [(self.header.index(name), column.append) for name, column in columns.items()]
        pick, width = _picker([self.header.index(name) for name in numbers]), len(self.header)
        parse, no_underscores = self.dialect.reader, self.dialect.is_pythons
        for row, cells in _records(self.file, self._delimiter, skip=1):
            if len(cells) != width:
                self._refuse_length(row, cells)
            rows.append(row)
            for place, append in adders:
                append(cells[place])
            picked = pick(cells)
            try:  # fast where all is well, otherwise cell by cell
                found = array("d", map(parse, picked))
                fine = all(map(math.isfinite, found)) and not (no_underscores and "_" in "".join(picked))
            except ValueError:
                fine = False
            values.extend(found if fine else self._cell_by_cell(row, numbers, picked, missing))
        if not rows:
            raise DataError(f"'{self.file}' holds a header and no rows")
        matrix = np.array(values).reshape(len(rows), len(numbers))
        return Cells(np.array(rows), matrix, columns, missing)

    def discover(self, names: Sequence[str], texts: Sequence[str]) -> Cells:
        """Read the columns called `names` as numbers, as words where one holds text, and `texts` as words."""
        words = list(texts)
        while True:
            try:
                return self.read([name for name in names if name not in words], words)
            except ForeignCellsError as found:  # its earlier cells are words, too: begin again
                words += found.cells

    def _cell_by_cell(
        self, row: int, names: Sequence[str], cells: Sequence[str], missing: dict[str, tuple[int, str]]
    ) -> array:
        found = [self.dialect.number(cell) for cell in cells]
        lacking = [(name, cell) for name, cell, number in zip(names, cells, found, strict=True) if number is None]
        foreign = {name: cell for name, cell in lacking if not is_missing(cell)}
        if foreign:
            raise ForeignCellsError(row, foreign)
        for name, cell in lacking:
            missing.setdefault(name, (row, cell))
        return array("d", [math.nan if number is None else number for number in found])

    def _check_header(self) -> None:
        header = self.header
        if not any(header):
            raise DataError(f"'{self.file}' is empty: expected a header line and rows of numbers")
        for number, name in enumerate(header, start=1):
            if not is_plain_text(name):
                raise DataError(
                    f"the name of column {number} in '{self.file}' is {quoted(name)}, expected one line of plain text"
                )

    def check_names(self, names: Sequence[str]) -> None:
        """Raise DataError where one of these columns has no name, or shares it with another."""
        if "" in names:
            number = self.header.index("") + 1
            raise DataError(f"column {number} of '{self.file}' has no name in the header: name it or remove it")
        counts = Counter(self.header)
        repeated = next((name for name in names if counts[name] > 1), None)
        if repeated is not None:
            raise DataError(f"the header of '{self.file}' has the column '{repeated}' more than once")

    def _refuse_length(self, row: int, cells: list[str]) -> NoReturn:
        raise DataError(f"row {row} of '{self.file}' has {len(cells)} cells, but the header has {len(self.header)}")


def _picker(places: list[int]) -> Callable[[list[str]], Sequence[str]]:
    """Return a function from a row's cells to those at `places`."""
    if len(places) > 1:
        return itemgetter(*places)
    return itemgetter(slice(places[0], places[0] + 1)) if places else itemgetter(slice(0))


def _records(file: DataFile, delimiter: str, skip: int = 0) -> Iterator[tuple[int, list[str]]]:
    """Yield (row number, cells) of every line that is not blank, but for so many at the beginning."""
    with file.opened() as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        try:
            yield from islice(((row, cells) for row, cells in enumerate(reader, start=1) if cells), skip, None)
        except csv.Error as error:
            raise DataError(f"'{file}' is not well-formed CSV at line {reader.line_num}: {error}") from None
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise DataError(
                f"'{file}' is not a UTF-8 text file (it holds byte 0x{byte:02x}): save it as UTF-8"
            ) from None


def _delimiter(file: DataFile) -> str:
    """Return the sign that separates the header into columns: where several do, the first row decides."""
    if file.suffix == ".tsv":
        return "\t"
    lengths = {sign: _first_lengths(file, sign) for sign in DELIMITERS}
    several = [sign for sign, found in lengths.items() if found and found[0] > 1]
    fitting = [sign for sign in several if len(set(lengths[sign])) == 1] if len(several) > 1 else several
    if len(several) > 1 and len(fitting) != 1:
        names = " or ".join(DELIMITERS[sign] for sign in fitting or several)
        raise UsageError(f"the columns of '{file}' may be separated by {names}: say which with --delimiter")
    return fitting[0] if fitting else ","


def _first_lengths(file: DataFile, delimiter: str) -> list[int]:
    """Return how many cells the header and the first row have, or nothing where that is no CSV."""
    try:
        return [len(cells) for _, cells in islice(_records(file, delimiter), 2)]
    except DataError:
        return []
