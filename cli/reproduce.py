"""``nnsim reproduce``: a run once more from its manifest, compared by SHA-256."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .paths import OutputPath
from .records import jobs_option, json_option, quiet_option, study_option

if TYPE_CHECKING:
    from nnsim.runs.reproduce import FileComparison, Reproduction

SHOWN_DIGITS = 16
NOT_REPRODUCED = 4


@click.command()
@click.argument("manifest", metavar="MANIFEST|DIR", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=OutputPath(),
    show_default="DIR-reproduced",
    help="Folder for the new run; a second call goes on where it was stopped.",
)
@study_option
@jobs_option
@json_option
@quiet_option
def reproduce(
    manifest: Path, output: Path | None, study: str | None, jobs: int | None, as_json: bool, quiet: bool
) -> int:
    """Run a study again as its manifest.json says, and compare the SHA-256 of every table.

    Exits with 4 where a table that has to be the same on every machine is not.
    """
    from nnsim.experiment.results.result_folder import open_run, read_manifest
    from nnsim.runs.reproduce import reproduce as run_again

    from .progress import make_progress

    original = open_run(manifest) if manifest.is_dir() else read_manifest(manifest)
    found = run_again(original, study, output=output, jobs=jobs, progress=make_progress(quiet))
    if as_json:
        click.echo(json.dumps(_outcome(found)))
    else:
        _print(found)
    return 0 if found.holds else NOT_REPRODUCED


def _outcome(found: Reproduction) -> dict[str, Any]:
    return {
        "original": str(found.original.folder),
        "output": str(found.run.folder),
        "holds": found.holds,
        "files": [
            {
                "name": file.name,
                "canonical": file.canonical,
                "same": file.same,
                "original_sha256": file.first,
                "sha256": file.second,
            }
            for file in found.files
        ],
    }


def _print(found: Reproduction) -> None:
    from .present import print_table

    rows = [(file.name, _state(file), file.first[:SHOWN_DIGITS], file.second[:SHOWN_DIGITS]) for file in found.files]
    print_table(("file", "state", "SHA-256 in the manifest", "SHA-256 now"), rows)
    click.echo(f"{'reproduced' if found.holds else 'not reproduced'}: {found.run.folder}")


def _state(file: FileComparison) -> str:
    if file.same:
        return "same"
    return "different" if file.canonical else "different, and not canonical: no fault"
