"""``nnsim compare``: where two finished runs differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .records import finite, json_option, shown, study_option

if TYPE_CHECKING:
    from nnsim.experiment.results.compare import Entries, TableComparison
    from nnsim.report.compare_report import Comparison, PairedDifference

SHOWN_CELLS = 4


@click.command()
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@study_option
@json_option
def compare(first: Path, second: Path, study: str | None, as_json: bool) -> None:
    """Tell where two finished runs differ: configuration, versions, tables, and paired means of common trials.

    Trials are paired where all settings are the same, apart from those in which the runs have no value in common.
    """
    from nnsim.experiment.results.result_folder import open_run, study_of
    from nnsim.report.compare_report import compare as compare_runs

    runs = open_run(first), open_run(second)
    found = compare_runs(*runs, study_of(runs[0], study, runs[1]))
    if as_json:
        click.echo(json.dumps(_outcome(found)))
    else:
        _print(found)


def _outcome(found: Comparison) -> dict[str, Any]:
    return {
        "first": str(found.first.folder),
        "second": str(found.second.folder),
        "configuration": found.configuration,
        "versions": found.versions,
        "tables": {table.name: asdict(table) for table in found.tables},
        "pairs": len(found.pairing.pairs),
        "paired_apart_from": found.pairing.apart_from,
        "not_paired": found.not_paired,
        "differences": [_difference_outcome(difference) for difference in found.differences],
    }


def _difference_outcome(difference: PairedDifference) -> dict[str, Any]:
    interval = difference.interval
    return {
        "kind": difference.kind,
        "column": difference.column,
        "n": interval.n,
        "finite": difference.finite,
        "equal": difference.equal,
        "first": finite(difference.first),
        "second": finite(difference.second),
        "difference": finite(interval.estimate),
        "low": finite(interval.low),
        "high": finite(interval.high),
        "confidence": interval.confidence,
    }


def _print(found: Comparison) -> None:
    _print_entries("configuration", found.configuration)
    _print_entries("made with", found.versions)
    _print_tables(found.tables)
    if found.not_paired:
        click.echo(f"trials are not paired: {found.not_paired}")
    else:
        _print_differences(found)


def _print_entries(heading: str, entries: Entries) -> None:
    from .present import print_table

    if entries:
        rows = [(shown(name), *(_value(value) for value in pair)) for name, pair in entries.items()]
        print_table((heading, "A", "B"), rows)
    else:
        click.echo(f"{heading}: the same")


def _value(value: Any) -> str:
    return "not set" if value is None else json.dumps(value)


def _print_tables(tables: tuple[TableComparison, ...]) -> None:
    from .present import print_table

    print_table(("table", "state", "rows that differ"), [(shown(t.name), t.state, _rows(t)) for t in tables])
    rows = list(_cell_rows(tables))
    if rows:
        print_table(("first differing rows", "row", "column", "A", "B"), rows)


def _rows(table: TableComparison) -> str:
    return "" if table.differing is None else str(table.differing)


def _cell_rows(tables: tuple[TableComparison, ...]) -> Iterator[tuple[str, ...]]:
    for table in tables:
        for difference in table.rows:
            for column, pair in list(difference.cells.items())[:SHOWN_CELLS]:
                yield shown(table.name), str(difference.row), shown(column), *(shown(cell) for cell in pair)


def _print_differences(found: Comparison) -> None:
    from .present import print_table

    apart = f", apart from {', '.join(found.pairing.apart_from)}" if found.pairing.apart_from else ""
    click.echo(f"{len(found.pairing.pairs)} trials have the same settings in both runs{apart}")
    differing = [difference for difference in found.differences if difference.equal < difference.interval.n]
    same = len(found.differences) - len(differing)
    if differing:
        header = ("kind", "column", "pairs", "mean A", "mean B", "B - A", "interval")
        print_table(header, [_difference_row(difference) for difference in differing])
        confidence = differing[0].interval.confidence
        click.echo(f"each interval is Student's t of paired differences and covers with {confidence:.0%} on its own")
    click.echo(f"equal in every pair: {same} of {len(found.differences)} measured columns")


def _difference_row(difference: PairedDifference) -> tuple[str, ...]:
    interval = difference.interval
    numbers = (f"{value:.6g}" for value in (difference.first, difference.second, interval.estimate))
    lost = interval.n - difference.finite
    ends = f"none: {lost} pairs are not finite" if lost else f"[{interval.low:.4g}, {interval.high:.4g}]"
    return difference.kind, difference.column, str(interval.n), *numbers, ends
