"""``nnsim status``: where a run stands, read from its files."""

from __future__ import annotations

from pathlib import Path

import click

from .options import JSON


@click.command(params=[JSON])
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def status(folder: Path, as_json: bool) -> None:
    """Say how much of the run in DIR is done, failed, missing or damaged, from its files alone."""
    from nnsim.experiment.results.status import read_status

    from .present import print_status

    print_status(read_status(folder), as_json)
