"""``nnsim study check`` and ``nnsim study new``: for studies of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from nnsim.core.errors import UsageError
from nnsim.study.declaration import PRESETS, RESERVED_STUDIES, STUDY_NAME

from .completion import studies_and_files


@click.command()
@click.argument("name", metavar="NAME|FILE", shell_complete=studies_and_files)
@click.option("--preset", type=click.Choice(PRESETS), default=PRESETS[0], show_default=True, help="Size.")
@click.option("--set", "assignments", multiple=True, metavar="AXIS=VALUES", help="Set any axis, to something small.")
def check(name: str, preset: str, assignments: tuple[str, ...]) -> None:
    """Try whether a study keeps the contract: it is run a few times in a temporary folder."""
    from nnsim.experiment.config_files import read_assignments
    from nnsim.runs.contract import check_study
    from nnsim.study.discovery import find_study

    found = find_study(name)
    check_study(found, preset, told=_tell, **read_assignments(found, assignments))


def _tell(rule: str, problem: str) -> None:
    click.echo(f"{'BROKEN' if problem else 'ok':8}{rule}{': ' if problem else ''}{problem}")


@click.command()
@click.argument("name")
def new(name: str) -> None:
    """Write NAME.py here: a small, complete study to change into your own."""
    from nnsim.core.atomic_files import publish

    if name in RESERVED_STUDIES or not STUDY_NAME.fullmatch(name):
        raise UsageError(
            f"a study cannot be called '{name}': use lower-case letters, digits and hyphens, as in my-study"
        )
    path = Path(f"{name.replace('-', '_')}.py")
    if path.exists():
        raise UsageError(f"'{path}' is there already: choose another name, or remove it")
    example = Path(__file__).with_name("example_study.py").read_text(encoding="utf-8")
    publish(path, [example.replace('name="example"', f'name="{name}"').encode()])
    click.echo(path)
    click.echo(f"next: nnsim study run {path}", err=True)
