"""Where two finished runs differ: what was asked for, what it was made with, and the tables, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from nnsim.core.atomic_files import sha256_of
from nnsim.core.errors import StoreError
from nnsim.experiment.executors.threads import TIMINGS
from nnsim.experiment.results.csv_compare import Cells, differing_cells, read_cells, split_rows
from nnsim.experiment.results.result_folder import FinishedRun
from nnsim.experiment.source import agree

SHOWN_ROWS = 3
VERSIONS = ("arithmetic_version", "schema_version", "versions", "platform", "cpu")
CIRCUMSTANCES = (
    *("command", "jobs", "backend", "canonical_files", "started", "finished", "trials", "files", "data_files"),
)
"""Entries of a manifest that follow from the others, or differ between any two runs."""

Entries = dict[str, tuple[Any, Any]]
"""Name to the values in the first and the second run; None where a run has no such entry."""


@dataclass(frozen=True)
class RowDifference:
    """The cells that differ in one row; the header of the file is row 1."""

    row: int
    cells: Cells


@dataclass(frozen=True)
class TableComparison:
    """What became of one CSV file.

    Attributes
    ----------
    name : str
        Name of the file.
    state : str
        ``same`` (every byte), ``different``, ``only in the first`` or ``only in the second``.
    differing : int, optional
        Number of rows that differ at equal positions; None where there are no rows to compare, as a file is not in its
        folder (its checksum in the manifest is compared then) or has other columns.
    rows : tuple of RowDifference
        The first of them.
    """

    name: str
    state: str
    differing: int | None = None
    rows: tuple[RowDifference, ...] = ()


def compare_configurations(first: FinishedRun, second: FinishedRun) -> Entries:
    """Return what was asked for in another way: study, seed, inputs, and each axis by its name."""
    hidden = {*VERSIONS, *CIRCUMSTANCES}
    asked = [{name: value for name, value in run.manifest.items() if name not in hidden} for run in (first, second)]
    return _differing(*asked)


def compare_versions(first: FinishedRun, second: FinishedRun) -> Entries:
    """Return the programs, packages, machines and backends that are not the same.

    A merged run, or one of a Dask cluster, does not tell the backend: it does not differ from one that does.
    """
    made_with = [{name: run.manifest[name] for name in VERSIONS if name in run.manifest} for run in (first, second)]
    backends = [_backend(run) for run in (first, second)]
    if all(backends):
        made_with = [entries | {"backend": backend} for entries, backend in zip(made_with, backends, strict=True)]
    return _differing(*made_with)


def _backend(run: FinishedRun) -> str:
    """Return the backend with its device, or nothing where the run does not tell."""
    facts = run.manifest.get("backend")
    return ", ".join(map(str, facts.values())) if isinstance(facts, dict) else ""


def compare_tables(first: FinishedRun, second: FinishedRun) -> tuple[TableComparison, ...]:
    """Compare every CSV file of the manifests but the timings, which no two runs share.

    Raises
    ------
    StoreError
        A file that cannot be read.
    """
    names = sorted({name for run in (first, second) for name in run.files if name.endswith(".csv")})
    return tuple(_compare_table(first, second, name) for name in names if name != f"{TIMINGS.name}.csv")


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> Entries:
    mine, yours = dict(_flat(first)), dict(_flat(second))
    return {name: (mine.get(name), yours.get(name)) for name in {**mine, **yours} if not agree(name, mine, yours)}


def _flat(entries: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the entries, those of a mapping within in its place."""
    for name, value in entries.items():
        yield from value.items() if isinstance(value, dict) else [(name, value)]


def _compare_table(first: FinishedRun, second: FinishedRun, name: str) -> TableComparison:
    if name not in second.files:
        return TableComparison(name, "only in the first")
    if name not in first.files:
        return TableComparison(name, "only in the second")
    paths = [run.folder / name for run in (first, second)]
    try:
        if _sha256(first, name) == _sha256(second, name):
            return TableComparison(name, "same", 0)
        return (
            _compare_rows(name, *paths) if all(path.is_file() for path in paths) else TableComparison(name, "different")
        )
    except OSError as error:
        raise StoreError(f"cannot read '{name}': {(error.strerror or str(error)).lower()}") from error


def _sha256(run: FinishedRun, name: str) -> str:
    """Return the hash of a file, or what the manifest says of one that was not kept."""
    path = run.folder / name
    return sha256_of(path) if path.is_file() else run.files[name]


def _compare_rows(name: str, first: Path, second: Path) -> TableComparison:
    with first.open("rb") as mine, second.open("rb") as yours:
        rows, others = split_rows(mine), split_rows(yours)
        header, other_header = (_cells(next(side, b"")) for side in (rows, others))
        if header != other_header:  # rows of other columns have no cells to compare
            difference = RowDifference(1, differing_cells((), header, other_header))
            return TableComparison(name, "different", None, (difference,))
        pairs = enumerate(zip_longest(rows, others, fillvalue=b""), start=2)
        differing = ((number, *pair) for number, pair in pairs if pair[0] != pair[1])
        shown = [
            RowDifference(number, differing_cells(header, _cells(row), _cells(other)))
            for number, row, other in islice(differing, SHOWN_ROWS)
        ]
        return TableComparison(name, "different", len(shown) + sum(1 for _ in differing), tuple(shown))


def _cells(row: bytes) -> list[str]:
    return next(iter(read_cells(row)), [])
