"""Rows of finished CSV files: read one at a time, gathered by trial, and compared."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest

NINE_DIGITS = 1e-8
"""Relative distance of neighbours among numbers with nine digits, at most."""

Cells = dict[str, tuple[str | None, str | None]]
"""Column to its text on either side; None where a side has no such cell."""


def split_rows(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each row of a CSV file with its line feed, from its lines: one in quotes may span several."""
    parts: list[bytes] = []
    quotes = 0
    for line in blocks:
        parts.append(line)
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            yield b"".join(parts)
            parts, quotes = [], 0
    if parts:
        yield b"".join(parts)


def rows_by_trial(rows: Iterable[bytes], ids: Sequence[str]) -> Iterator[bytes]:
    """Yield the rows of each trial of `ids`, in their order; other rows, and those out of order, are left out.

    Parameters
    ----------
    rows : iterable of bytes
        From `split_rows`, in the order of the trials; read no further than needed, so a table need not fit into memory.
    ids : sequence of str
        The trials that are asked for.

    Yields
    ------
    bytes
        The rows of one trial, empty where it has none.
    """
    positions = {name.encode(): position for position, name in enumerate(ids)}
    source = iter(rows)
    row = next(source, None)
    for position in range(len(ids)):
        block = []
        while row is not None and (there := positions.get(_trial_of(row), -1)) <= position:
            if there == position:
                block.append(row)
            row = next(source, None)
        yield b"".join(block)


def in_order(rows: Iterable[bytes], positions: Mapping[bytes, int]) -> bool:
    """Return whether all rows belong to trials in `positions` (id to position), in the order of the trials."""
    last = 0
    for row in rows:
        position = positions.get(_trial_of(row), -1)
        if position < last:
            return False
        last = position
    return True


def _trial_of(row: bytes) -> bytes:
    return row.partition(b",")[0]


def read_cells(block: bytes) -> list[list[str]]:
    """Return the cells of each row in `block`; what is too damaged to have cells is one cell a line."""
    text = block.decode(errors="backslashreplace")
    try:
        return list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error:
        return [[line] for line in text.split("\n")]


def first_difference(columns: Sequence[str], first: bytes, second: bytes) -> Cells:
    """Return the cells that differ in the first row that differs between two blocks of rows.

    Parameters
    ----------
    columns : sequence of str
        Names of the table's columns.
    first, second : bytes
        Rows of CSV, without the header.

    Returns
    -------
    dict
        Column to its text in `first` and in `second`; empty where no row differs.
    """
    for mine, yours in zip_longest(read_cells(first), read_cells(second), fillvalue=()):
        if mine != yours:
            return differing_cells(columns, mine, yours)
    return {}


def differing_cells(columns: Sequence[str], first: Sequence[str], second: Sequence[str]) -> Cells:
    """Return the cells that differ between two rows by column, or by number beyond the last column.

    Parameters
    ----------
    columns : sequence of str
        Names of the table's columns; further cells are called ``cell 4`` and so on, counted from 1.
    first, second : sequence of str
        Cells of the rows.

    Returns
    -------
    dict
        Column to its text in `first` and in `second`, None where a row is too short.
    """
    cells = enumerate(zip_longest(first, second), start=1)
    return {
        columns[number - 1] if number <= len(columns) else f"cell {number}": pair
        for number, pair in cells
        if pair[0] != pair[1]
    }


def same_to_nine_digits(first: bytes, second: bytes) -> bool:
    """Return whether two blocks of rows hold equal texts, and numbers no further apart than one in the ninth digit."""
    mine, yours = read_cells(first), read_cells(second)
    return [len(row) for row in mine] == [len(row) for row in yours] and all(
        _same_cell(cell, other)
        for row, other_row in zip(mine, yours, strict=True)
        for cell, other in zip(row, other_row, strict=True)
    )


def _same_cell(first: str, second: str) -> bool:
    if first == second:
        return True
    try:
        return math.isclose(float(first), float(second), rel_tol=NINE_DIGITS)
    except ValueError:
        return False
