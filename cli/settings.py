"""Options that come from elsewhere too: a TOML file < the environment < flags, with names that are checked."""

from __future__ import annotations

import os
from collections.abc import Iterable
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any

import click

from nnsim.core.errors import UnknownNameError, UsageError
from nnsim.study.declaration import Study

from .paths import OutputPath

RANGES_HELP = (
    "Numbers may be ranges: log:1e-4:1:9 and lin:0:1:5 (first, last, how many), range:0:10 (whole numbers below 10)."
)
FLAGS_ONLY = frozenset({"config", "set", "help"})
ALLOWED: dict[type, tuple[type, str]] = {
    type(click.INT): (int, "a whole number"),
    type(click.BOOL): (bool, "true or false"),
    click.Path: (str, "a text"),
    OutputPath: (str, "a text"),
    click.Choice: (str, "a text"),
    type(click.STRING): (str, "a text"),
}
"""What a TOML file may hold for an option of each type; the library checks the values of axes."""


def settings_options(study: Study) -> list[click.Parameter]:
    """Return the options that set other options, and the rules of the grid."""
    return [
        click.Option(
            ["--config"],
            type=click.Path(path_type=Path),
            is_eager=True,
            expose_value=False,
            callback=partial(_read_config, study),
            help="TOML file of options, with paths from its folder; the environment and flags override it.",
        ),
        click.Option(["--set", "assignments"], multiple=True, metavar="AXIS=VALUES", help="Set any axis."),
        _rule("--zip", "AXIS,AXIS", "Vary these axes together, first value with first value."),
        _rule("--exclude", "AXIS=VALUE,...", "Leave this combination out."),
    ]


def _rule(name: str, metavar: str, text: str) -> click.Option:
    return click.Option([name], multiple=True, type=click.UNPROCESSED, metavar=metavar, help=text)


def with_environment(study: Study, options: list[click.Parameter]) -> list[click.Parameter]:
    """Return `options`, each of which a variable can set too, e.g. ``NNSIM_STUDY_INIT_DEPTH``."""
    found = [copy(option) for option in options]  # some are shared with other commands
    for name, option in _settable(found).items():
        option.envvar = _prefix(study.name) + name.upper()
    return found


def environment_help(study: Study) -> str:
    """Return the sentence of ``--help`` about the variables."""
    return f"Options may also be variables: {_prefix(study.name)}SEED=1 is --seed 1."


def check_environment(study: Study, options: list[click.Parameter]) -> None:
    """Raise UnknownNameError for a variable that looks like one of the study's and is none."""
    from nnsim.study.discovery import study_names

    prefix = _prefix(study.name)
    longer = tuple(_prefix(name) for name in study_names() if _prefix(name).startswith(prefix) and name != study.name)
    known = _settable(options)
    for variable in sorted(os.environ):
        name = variable.removeprefix(prefix).lower()
        if variable.startswith(prefix) and name not in known and not (longer and variable.startswith(longer)):
            raise UnknownNameError(f"setting in the variable {variable},", name, known)


def with_assignments(study: Study, context: click.Context, assignments: Iterable[str]) -> dict[str, Any]:
    """Return what ``--set`` sets; raises UsageError for an axis that another flag sets too."""
    from nnsim.experiment.config_files import read_assignments

    found = read_assignments(study, assignments)
    for axis in study.axes:
        if axis.name in found and context.get_parameter_source(axis.name) is click.core.ParameterSource.COMMANDLINE:
            raise UsageError(f"{axis.option} and --set {axis.name} set the same axis: give one of them")
    return found


def _read_config(study: Study, context: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    from nnsim.experiment.config_files import from_file, read_toml

    if path is None:
        return
    settings = from_file(study, read_toml(path), path.parent)
    owner = settings.pop("study", study.name)
    if owner != study.name:
        raise UsageError(f"the configuration '{path}' is for the study '{owner}', not for '{study.name}'")
    known = _settable(context.command.params)
    for name in settings:
        if name not in known:
            raise UnknownNameError(f"setting in '{path}'", name, known)
    context.default_map = {known[name].name: _checked(name, known[name], value) for name, value in settings.items()}


def _checked(name: str, option: click.Option, value: Any) -> Any:
    if option.multiple:
        return [value] if isinstance(value, (str, dict)) else value
    kind, words = ALLOWED.get(type(option.type), (object, ""))
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError(f"the setting {name} must be {words}, got '{value}'")
    return value


def _settable(options: Iterable[click.Parameter]) -> dict[str, click.Option]:
    """Return the options that a file or a variable may set, by the name of their flag with ``_``."""
    found = {
        max(option.opts, key=len).lstrip("-").replace("-", "_"): option
        for option in options
        if isinstance(option, click.Option)
    }
    return {name: option for name, option in found.items() if name not in FLAGS_ONLY}


def _prefix(study: str) -> str:
    return f"NNSIM_STUDY_{study.replace('-', '_').upper()}_"
