"""``nnsim merge``: from what shards measured to tables, verdicts and a report."""

from __future__ import annotations

from pathlib import Path

import click

from .options import CLAIMS, FIGURE_FORMAT, JSON, QUIET, STRICT
from .records import study_option


@click.command(params=[FIGURE_FORMAT, STRICT, CLAIMS, JSON, QUIET])
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@study_option
def merge(
    folder: Path,
    study: str | None,
    figure_formats: str | None,
    strict: bool,
    all_claims: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Write the tables, verdicts, figures and report of the run in DIR, whose shards are done.

    Where work is missing nothing is written, the exit code is 3, and the message says what to run.
    """
    from nnsim.runs.merge import merge_study

    from .outcome import conclude
    from .progress import make_progress

    result = merge_study(folder, study=study, progress=make_progress(quiet), figure_formats=figure_formats)
    return conclude(result, all_claims, as_json, strict, verbose=False)
