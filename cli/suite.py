"""``nnsim study all``: every study with one preset, and one page with all verdicts."""

from __future__ import annotations

from pathlib import Path

import click

from nnsim.study.declaration import PRESETS

from .completion import FIGURE_FORMATS, installed_studies, offer
from .options import backend_option
from .paths import OutputPath


@click.command("all")
@click.option("--preset", type=click.Choice(PRESETS), default=PRESETS[0], show_default=True, help="Size of each study.")
@click.option(
    "--only",
    metavar="NAME,...",
    show_default="all installed",
    help="Studies to run.",
    shell_complete=offer(installed_studies, several=True),
)
@click.option(
    "-o",
    "--output",
    type=OutputPath(),
    show_default="nnsim-results/all-PRESET",
    help="Folder for the page and a folder for each study; a second call in the same folder goes on.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Root of all random draws.")
@click.option("--jobs", type=int, show_default="usable CPUs", help="Threads; results do not depend on them.")
@backend_option
@click.option(
    "--figure-format",
    "figure_formats",
    metavar=",".join(FIGURE_FORMATS),
    shell_complete=offer(lambda: FIGURE_FORMATS, several=True),
    show_default="png for quick, else all",
    help="Formats of the figures.",
)
@click.option("--dry-run", is_flag=True, help="Show the studies and an estimate of the time, and stop.")
@click.option("--strict", is_flag=True, help="Exit with 4 if a claim fails.")
@click.option("--claims", "all_claims", is_flag=True, help="Print all claims, not only those that fail or stay open.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("-v", "--verbose", is_flag=True, help="Every failed trial's traceback.")
def suite(
    preset: str,
    only: str | None,
    output: Path | None,
    seed: int,
    jobs: int | None,
    backend: str,
    figure_formats: str | None,
    dry_run: bool,
    strict: bool,
    all_claims: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Run every installed study, and write one page with every verdict."""
    from nnsim.runs.suite import run_all

    from .outcome import conclude_suite
    from .present import print_suite_plan
    from .progress import make_progress

    names = [name.strip() for name in only.split(",")] if only else None
    if dry_run:
        print_suite_plan(names, preset, jobs, seed, as_json)
        return 0
    result = run_all(
        preset,
        only=names,
        output=output,
        jobs=jobs,
        backend=backend,
        seed=seed,
        progress=make_progress(quiet),
        figure_formats=figure_formats,
    )
    return conclude_suite(result, all_claims, as_json, strict, verbose)
