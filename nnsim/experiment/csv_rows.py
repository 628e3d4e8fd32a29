"""Rows as CSV bytes: one written form for each kind of value, the same on every machine."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nnsim.data.spreadsheets import shielded
from nnsim.study.declaration import Column, Table

NEEDS_QUOTES = frozenset(',"\n\r')


class SchemaError(ValueError):
    """A study's row that does not fit its own table: a mistake in the study, not in its use."""


def header_line(columns: Iterable[Column]) -> bytes:
    """Return the first line of a table with these columns."""
    return _line(column.name for column in columns)


def text_line(cells: Iterable[str]) -> bytes:
    """Return one line of texts."""
    return _line(_text(cell) for cell in cells)


def encode(table: Table, trial_id: str, rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return the lines of `rows`, UTF-8, each ended by a line feed.

    Numbers are written as the shortest text that reads back exactly (``nan``, ``inf``, ``-inf`` where they are not
    finite), truth as ``true`` and ``false``, None as an empty cell. Text that a spreadsheet would take for a formula
    is `shielded`.

    Parameters
    ----------
    table : Table
        Says which columns there are, in which order, and of which kinds.
    trial_id : str
        First cell of each line.
    rows : iterable of mapping
        Column name to value, for every column of the table but ``trial``.

    Raises
    ------
    SchemaError
        A row that lacks a column, has one too many, or holds a value of another kind.
    """
    writers = [(column, WRITERS[column.kind]) for column in table.columns]
    expected = {column.name for column in table.columns}
    lines = []
    for row in rows:
        if row.keys() != expected:
            _refuse_columns(table, row, expected)
        lines.append(_line([trial_id, *(_cell(table, column, write, row) for column, write in writers)]))
    return b"".join(lines)


def _line(cells: Iterable[str]) -> bytes:
    return (",".join(cells) + "\n").encode()


def _refuse_columns(table: Table, row: Mapping[str, Any], expected: set[str]) -> None:
    missing = sorted(expected - row.keys())
    if missing:
        raise SchemaError(f"a row of table '{table.name}' lacks the column '{missing[0]}'")
    raise SchemaError(f"a row of table '{table.name}' has the unknown column '{min(row.keys() - expected)}'")


def _cell(table: Table, column: Column, write: Callable[[Any], str], row: Mapping[str, Any]) -> str:
    value = row[column.name]
    try:
        return "" if value is None else write(value)
    except TypeError:
        place = f"table '{table.name}', column '{column.name}'"
        raise SchemaError(f"{place}: {value!r} is no value of kind '{column.kind}'") from None


def _float(value: Any) -> str:
    if isinstance(value, (str, bytes)):
        raise TypeError(value)
    return repr(float(value))


def _int(value: Any) -> str:
    return str(operator.index(value))


def _bool(value: Any) -> str:
    if value not in (True, False):
        raise TypeError(value)
    return "true" if value else "false"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    value = shielded(value)
    if NEEDS_QUOTES.isdisjoint(value):
        return value
    return '"' + value.replace('"', '""') + '"'


WRITERS: dict[str, Callable[[Any], str]] = {"float": _float, "int": _int, "bool": _bool, "text": _text}
