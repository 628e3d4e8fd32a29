"""The finished tables: written from the chunks, read back as DataFrames."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from nnsim.core.atomic_files import publish
from nnsim.core.errors import StoreError
from nnsim.core.shown import Shown
from nnsim.data.spreadsheets import unshielded
from nnsim.experiment.csv_rows import header_line, text_line
from nnsim.experiment.executors.threads import TIMINGS
from nnsim.experiment.store import ChunkStore, read_identity
from nnsim.study.declaration import Column, Study, Table

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "manifest.json"
DICTIONARY = "columns.csv"

DICTIONARY_COLUMNS = (
    Column("table", "text", "", "name of the table"),
    Column("name", "text", "", "name of the column"),
    Column("kind", "text", "", "int, float, text or bool"),
    Column("unit", "text", "", "unit, empty where there is none"),
    Column("description", "text", "", "what the column holds"),
)

DTYPES = {"text": "str", "int": "Int64", "bool": "boolean"}
COMPLETE_DTYPES = {"int": "int64", "bool": "bool"}


def write_tables(folder: Path, study: Study, store: ChunkStore, chunks: Iterable[Path]) -> dict[str, str]:
    """Write ``<table>.csv`` for each table of `study`, and ``timings.csv``.

    Parameters
    ----------
    folder : Path
        Where the files go.
    study : Study
        The study that was run.
    store : ChunkStore
        Where the chunks are.
    chunks : iterable of Path
        The verified file of every chunk, in the order of the trials: the order in which they were finished never shows.

    Returns
    -------
    dict
        File name to the SHA-256 of its content.

    Raises
    ------
    StoreError
        The disk is full, read-only, or fails.
    """
    paths = list(chunks)
    return {
        f"{table.name}.csv": publish(folder / f"{table.name}.csv", _blocks(table, store, paths))
        for table in (*study.tables, TIMINGS)
    }


def dictionary(tables: Mapping[str, Iterable[Column]]) -> bytes:
    """Return the dictionary of all columns of `tables` as CSV with the columns `DICTIONARY_COLUMNS`."""
    lines = [header_line(DICTIONARY_COLUMNS)]
    for table, columns in tables.items():
        for column in columns:
            lines.append(text_line([table, column.name, column.kind, column.unit, column.description]))
    return b"".join(lines)


def measured_columns(study: Study) -> dict[str, tuple[Column, ...]]:
    """Return the columns of each table that running `study` writes, ``timings`` included."""
    return {table.name: table.header for table in (*study.tables, TIMINGS)}


class Tables(Shown, dict[str, "pd.DataFrame"]):
    """Tables by their names, which show their sizes instead of their rows."""

    def facts(self) -> dict[str, object]:
        """Return the size of each table."""
        return {name: f"{len(frame)} rows, {len(frame.columns)} columns" for name, frame in self.items()}


def load(folder: str | PathLike[str]) -> Tables:
    """Return the tables of a finished run.

    Parameters
    ----------
    folder : path
        What ``--output`` named.

    Returns
    -------
    Tables
        A dict of table name (``"trials"``, ``"layers"``, ``"claims"`` ...) to DataFrame; ``"columns"`` explains every
        column. An empty cell is ``""`` in a text column, and a missing value elsewhere.

    Raises
    ------
    StoreError
        `folder` holds no results, unfinished ones, or a damaged table.

    Examples
    --------
    >>> tables = nnsim.load("nnsim-results/init-quick")  # doctest: +SKIP
    >>> tables["trials"].groupby("status").size()  # doctest: +SKIP
    """
    place = Path(folder)
    read_identity(place)
    if not (place / MANIFEST).is_file():
        raise StoreError(f"the run in '{place}' is not finished: run its command again to go on")
    names = read_table(place / DICTIONARY, DICTIONARY_COLUMNS)
    columns: dict[str, list[Column]] = {}
    for row in names.itertuples():
        if row.table != "summary":  # its columns are each study's own choice: pandas infers their types
            columns.setdefault(row.table, []).append(Column(row.name, row.kind, row.unit, row.description))
    return Tables({path.stem: read_table(path, columns.get(path.stem, ())) for path in sorted(place.glob("*.csv"))})


def read_table(path: Path, columns: Iterable[Column] = ()) -> pd.DataFrame:
    """Return one CSV file as a DataFrame, each of `columns` with the type of its kind, floats exact to the bit.

    Text is as it was before a spreadsheet was thought of, see `nnsim.data.spreadsheets`.

    Raises
    ------
    StoreError
        A file that is missing or no such table.
    """
    import pandas as pd  # half a second, which writing tables does not need

    kinds = {column.name: column.kind for column in columns}
    empty = {name: [""] for name, kind in kinds.items() if kind != "text"}
    dtypes = {name: DTYPES[kind] for name, kind in kinds.items() if kind != "float"}
    floats = {name: _to_float for name, kind in kinds.items() if kind == "float"}
    try:
        frame = pd.read_csv(path, dtype=dtypes, converters=floats, keep_default_na=not kinds, na_values=empty)
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read the table '{path}': {str(error).splitlines()[0]}") from error
    for name, kind in kinds.items():
        if name in frame and kind in COMPLETE_DTYPES and not frame[name].hasnans:
            frame[name] = frame[name].astype(COMPLETE_DTYPES[kind])
    for name in frame.select_dtypes(exclude=["number", "bool", "boolean"]):
        frame[name] = _unshielded(frame[name])
    return frame


def _unshielded(column: pd.Series) -> pd.Series:
    """Return a column of texts as they were."""
    words = {word: unshielded(word) for word in column.unique() if isinstance(word, str) and word[:1] == "'"}
    return column.replace(words) if words else column


def _to_float(cell: str) -> float:
    """Return the nearest float: pandas before 3 is off by one bit unless told otherwise, and later warns if told."""
    return float(cell) if cell else math.nan


def _blocks(table: Table, store: ChunkStore, paths: list[Path]) -> Iterator[bytes]:
    yield header_line(table.header)
    for path in paths:
        yield store.lines(path, table.name)
