"""What ``nnsim verify``, ``compare`` and ``reproduce`` share: options, and how text from a file is shown."""

from __future__ import annotations

import math

import click

from .completion import studies_and_files

study_option = click.option(
    "--study",
    metavar="FILE|NAME",
    show_default="the installed one",
    help="Where the study is, if it is a file.",
    shell_complete=studies_and_files,
)
jobs_option = click.option(
    "--jobs", type=int, show_default="usable CPUs", help="Threads; results do not depend on them."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress.")


def shown(cell: str | None) -> str:
    """Return text from somebody's file as a terminal may see it: control characters as escapes."""
    if cell is None:
        return "no cell"
    return cell if cell.isprintable() else ascii(cell)


def finite(number: float) -> float | None:
    """Return what JSON can hold: None for nan and infinities."""
    return number if math.isfinite(number) else None
