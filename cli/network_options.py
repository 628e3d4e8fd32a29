"""Options made from the table of settings, for the commands that train or check a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field
from pathlib import Path
from typing import Any

import click

from nnsim.apps.settings import SETTINGS, Settings, option_of, read_toml, resolve
from nnsim.core.vocabulary import VOCABULARY

from .completion import TRAINING_NAMES, offer_for
from .paths import OutputPath

Command = Callable[..., Any]

output_option = click.option("-o", "--output", type=OutputPath(), help="Folder for the results.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress.")


def settings_options(*groups: str, without: tuple[str, ...] = ()) -> Callable[[Command], Command]:
    """Return a decorator that gives a command ``--config`` and the options of some groups of settings."""
    chosen = [entry for entry in SETTINGS.values() if entry.metadata["group"] in groups and entry.name not in without]

    def decorate(command: Command) -> Command:
        for entry in reversed(chosen):
            command = _option(entry)(command)
        config = click.Path(path_type=Path)
        return click.option(
            "--config", type=config, help="TOML file with the same keys, and paths from its folder; options win."
        )(command)

    return decorate


def dialect_options(command: Command) -> Command:
    """Give a command the options that say how a CSV file is written; None stands for not given."""
    for name in ("thousands", "decimal", "delimiter"):
        command = click.option(option_of(name), metavar="SIGN", help=SETTINGS[name].metadata["help"])(command)
    return command


def _option(entry: Field) -> Callable[[Command], Command]:
    """Return the option of a setting; None stands for not given, the library reads and checks its text."""
    meta, option = entry.metadata, option_of(entry.name)
    if isinstance(entry.default, bool):
        return click.option(f"{option}/--no-{option[2:]}", default=None, help=meta["help"])
    shown = meta["shown"] or (None if entry.default is None else _shown(entry.default))
    return click.option(
        option,
        entry.name,
        metavar=meta["kind"].metavar,
        show_default=shown or False,
        help=_with_names(entry),
        shell_complete=offer_for(entry.name),
    )


def _with_names(entry: Field) -> str:
    text, kind = entry.metadata["help"], TRAINING_NAMES.get(entry.name)
    return text if kind is None else f"{text} Names: {', '.join(VOCABULARY[kind])}."


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def read_settings(config: Path | None, given: dict[str, Any]) -> Settings:
    """Return what the options say, over what the TOML file says, over the defaults."""
    return resolve(given, None if config is None else read_toml(config))
