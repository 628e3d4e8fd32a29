"""``nnsim list``: every name that an option takes, with its meaning."""

from __future__ import annotations

import json

import click

from nnsim.core.vocabulary import VOCABULARY

from .options import JSON

STUDIES = "studies"


@click.command("list", params=[JSON], no_args_is_help=True)
@click.argument("kind", type=click.Choice([*VOCABULARY, STUDIES]))
def list_names(kind: str, as_json: bool) -> None:
    """List all names of one kind, each with its meaning."""
    if kind == STUDIES:
        from .study import list_studies

        list_studies(as_json)
    else:
        print_names(kind, VOCABULARY[kind], as_json)


def print_names(kind: str, names: dict[str, str], as_json: bool) -> None:
    """Print names with their meanings."""
    if as_json:
        click.echo(json.dumps([{"name": name, "meaning": meaning} for name, meaning in names.items()]))
        return
    from .tables import print_table

    print_table((kind, "question" if kind == STUDIES else "meaning"), list(names.items()))
