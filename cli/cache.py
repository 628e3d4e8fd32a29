"""``nnsim cache``: where compiled code is kept, and how to fill and empty it."""

from __future__ import annotations

import time

import click

from nnsim.errors import NnsimError


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
    from nnsim.kernels import compile_cache

    states, size = compile_cache.clear()
    click.echo(f"removed the code of {states} {'version' if states == 1 else 'versions'}, {size / 1e6:.1f} MB")


@cache.command()
@click.argument("studies", nargs=-1, metavar="[NAME|FILE]...")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def warm(studies: tuple[str, ...], quiet: bool) -> None:
    """Compile what the named studies need, or all installed ones, so that their first run starts at once."""
    from nnsim.experiment.catalogue import find_study, study_names

    from .progress import duration, make_progress

    folder, progress = _folder(), make_progress(quiet)
    for study in [find_study(name) for name in studies or study_names()]:
        if study.warm_up is not None:
            start = time.monotonic()
            progress.phase(f"compiling kernels of study '{study.name}'")
            study.warm_up()
            progress.phase(f"compiled in {duration(time.monotonic() - start)}")
    click.echo(folder)


def _folder() -> str:
    from nnsim.kernels.compile_cache import place  # numba, half a second

    here = place()
    if here.folder is None:
        raise NnsimError(f"no compiled code is kept: {here.reason}")
    return str(here.folder)
