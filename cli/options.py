"""The options of a study's command: those that all studies share, and one for each axis."""

from __future__ import annotations

from typing import Any

import click

from nnsim.study.declaration import PRESETS, Axis, Study
from nnsim.training.backend import BACKENDS

from .completion import FIGURE_FORMATS, offer
from .paths import OutputPath

FIGURE_FORMAT = click.Option(
    ["--figure-format", "figure_formats"],
    metavar=",".join(FIGURE_FORMATS),
    shell_complete=offer(lambda: FIGURE_FORMATS, several=True),
    show_default="png for quick, else all",
    help="Formats of the figures.",
)
BACKEND: dict[str, Any] = {
    "type": click.Choice(BACKENDS),
    "default": BACKENDS[0],
    "show_default": True,
    "help": "Where networks are trained; auto is cuda where it can be used. Results do not depend on it.",
}
backend_option = click.option("--backend", **BACKEND)
STRICT = click.Option(["--strict"], is_flag=True, help="Exit with 4 if a claim fails.")
CLAIMS = click.Option(
    ["--claims", "all_claims"], is_flag=True, help="Print all claims, not only those that fail or stay open."
)
JSON = click.Option(["--json", "as_json"], is_flag=True, help="Print the outcome as JSON.")
QUIET = click.Option(["-q", "--quiet"], is_flag=True, help="No progress.")


def common_options(study: Study) -> list[click.Parameter]:
    """Return the options that every study has."""
    return [
        click.Option(["--preset"], type=click.Choice(PRESETS), default=PRESETS[0], show_default=True, help="Size."),
        click.Option(
            ["-o", "--output"],
            type=OutputPath(),
            show_default=f"nnsim-results/{study.name}-PRESET",
            help="Folder for the results; a second call in the same folder goes on.",
        ),
        click.Option(["--seed"], type=int, default=0, show_default=True, help="Root of all random draws."),
        click.Option(["--jobs"], type=int, show_default="usable CPUs", help="Threads; results do not depend on them."),
        click.Option(["--backend"], **BACKEND),
        click.Option(
            ["--shard"], metavar="I/N", help="Measure share I of N, from 0, and write no tables: see nnsim merge."
        ),
        click.Option(["--dask"], metavar="tcp://HOST:PORT", help="Measure on the workers of this Dask scheduler."),
        click.Option(["--fail-fast"], is_flag=True, help="Stop at the first trial that fails."),
        FIGURE_FORMAT,
        click.Option(["--dry-run"], is_flag=True, help="Show the trials and an estimate of the time, and stop."),
        STRICT,
        CLAIMS,
        JSON,
        QUIET,
        click.Option(["-v", "--verbose"], is_flag=True, help="Every failed trial's traceback."),
    ]


def axis_option(axis: Axis) -> click.Option:
    """Return the option that sets `axis`; the library reads and checks its text."""
    kind = {int: "N", float: "X", str: "NAME"}[axis.kind]
    return click.Option(
        [axis.option, axis.name],
        type=click.UNPROCESSED,
        metavar=kind if axis.scalar else f"{kind},...",
        show_default=f"{PRESETS[0]}: {as_text(axis.values[PRESETS[0]])}",
        help=_with_names(axis),
        shell_complete=offer(axis.shown_names, several=not axis.scalar, files=axis.names == "datasets"),
    )


def _with_names(axis: Axis) -> str:
    names = ", ".join(axis.shown_names())
    return f"{axis.help}; {axis.names or 'known are'}: {names}" if names else axis.help


def as_text(value: Any) -> str:
    """Return the value of an axis as one types it."""
    return ",".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
