"""``nnsim verify``: whether a finished run is what its manifest says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .records import jobs_option, json_option, quiet_option, shown, study_option

if TYPE_CHECKING:
    from nnsim.experiment.results.verify import Check, Verification

VERIFICATION_FAILED = 4
SHOWN = 10
"""Differing trials that are printed; ``--json`` has all."""


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--trials", type=int, default=16, show_default=True, help="Trials to measure again; 0 is none.")
@click.option("--all", "everything", is_flag=True, help="Measure all trials again.")
@click.option("--sample", type=int, default=0, show_default=True, help="Which trials: each number draws others.")
@study_option
@jobs_option
@json_option
@quiet_option
def verify(
    folder: Path,
    trials: int,
    everything: bool,
    sample: int,
    study: str | None,
    jobs: int | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Check every checksum of a finished run, measure a sample of its trials again and compare their bits.

    Nothing in DIR is changed. Exits with 4 where something differs.
    """
    from nnsim.experiment.results.result_folder import open_run, study_of
    from nnsim.experiment.results.verify import verify as verify_run

    from .progress import make_progress

    run = open_run(folder)
    count = None if everything else trials
    progress = make_progress(quiet)
    found = verify_run(run, study_of(run, study), trials=count, sample=sample, jobs=jobs, progress=progress)
    if as_json:
        click.echo(json.dumps(_outcome(found)))
    else:
        _print(found)
    return 0 if found.holds else VERIFICATION_FAILED


def _outcome(found: Verification) -> dict[str, Any]:
    return {
        "folder": str(found.run.folder),
        "study": found.run.study,
        "holds": found.holds,
        "files": {check.name: check.state for check in found.files},
        "chunks": {check.name: check.state for check in found.chunks},
        "trials": found.trials,
        "measured_again": found.measured,
        "compared_to_nine_digits": list(found.to_nine_digits),
        "differences": [
            {"trial": difference.trial, "table": difference.table, "cells": difference.cells}
            for difference in found.differences
        ],
    }


def _print(found: Verification) -> None:
    from .present import print_table

    print_table(("file", "state"), [(shown(check.name), check.state) for check in found.files])
    click.echo(_chunks_sentence(found.chunks))
    odd = [check for check in found.chunks if check.state != "same"]
    if odd:
        print_table(("chunk", "state"), [(shown(check.name), check.state) for check in odd])
    click.echo(f"trials: {found.measured} of {found.trials} measured again")
    if found.differences:
        print_table(("trial", "table", "column", "recorded", "measured again"), _difference_rows(found))
    if found.to_nine_digits:
        click.echo(f"not canonical, compared to nine digits: {', '.join(found.to_nine_digits)}")
    click.echo("verified" if found.holds else f"not verified: {_faults(found)}")


def _chunks_sentence(chunks: Sequence[Check]) -> str:
    if not chunks:
        return "chunk store: there is none any more"
    return f"chunk store: {sum(check.state == 'same' for check in chunks)} of {len(chunks)} checks passed"


def _difference_rows(found: Verification) -> Iterable[tuple[str, ...]]:
    for difference in found.differences[:SHOWN]:
        for column, (recorded, measured) in difference.cells.items():
            yield difference.trial, difference.table, shown(column), shown(recorded), shown(measured)


def _faults(found: Verification) -> str:
    counts = (
        ("files", sum(not check.fits for check in found.files), len(found.files)),
        ("checks of the chunk store", sum(not check.fits for check in found.chunks), len(found.chunks)),
        ("trials", len({difference.trial for difference in found.differences}), found.measured),
    )
    return ", ".join(f"{faults} of {total} {kind} differ" for kind, faults, total in counts if faults)
