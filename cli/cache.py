"""``nnsim cache``: where compiled code is kept, and how to fill and empty it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from nnsim.core.errors import NnsimError
from nnsim.core.progress import Progress

from .completion import studies_and_files


@click.group()
def cache() -> None:
    """See, fill or empty the cache of compiled code."""


@cache.command()
def path() -> None:
    """Print the folder of this version's compiled code."""
    click.echo(_folder())


@cache.command()
def clear() -> None:
    """Remove the compiled code of every version; results are not touched."""
    from nnsim.kernels.compiling import compile_cache

    states, size = compile_cache.clear()
    click.echo(f"removed the code of {states} {'version' if states == 1 else 'versions'}, {size / 1e6:.1f} MB")


@cache.command()
@click.argument("studies", nargs=-1, metavar="[NAME|FILE]...", shell_complete=studies_and_files)
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def warm(studies: tuple[str, ...], quiet: bool) -> None:
    """Compile what the named studies need, or all installed ones, so that their first run starts at once."""
    from nnsim.experiment.executors.threads import usable_cpus
    from nnsim.experiment.executors.warm_up import compile_side_by_side
    from nnsim.study.discovery import find_study, study_names
    from nnsim.training.precompile import lacking

    from .progress import make_progress

    folder, progress, cores = _folder(), make_progress(quiet), usable_cpus()
    found = [find_study(name) for name in studies or study_names()]
    large = lacking(name for study in found for name in study.kernels)
    if large:
        with _timed(progress, f"compiling large kernels on {cores} {'core' if cores == 1 else 'cores'}"):
            compile_side_by_side(large, cores)
    for study in found:
        if study.warm_up is not None:
            with _timed(progress, f"compiling kernels of study '{study.name}'"):
                study.warm_up()
    click.echo(folder)


@contextmanager
def _timed(progress: Progress, work: str) -> Iterator[None]:
    from .progress import duration

    start = time.monotonic()
    progress.phase(work)
    yield
    progress.phase(f"compiled in {duration(time.monotonic() - start)}")


def _folder() -> str:
    from nnsim.kernels.compiling.compile_cache import place  # numba, half a second

    here = place()
    if here.folder is None:
        raise NnsimError(f"no compiled code is kept: {here.reason}")
    return str(here.folder)
