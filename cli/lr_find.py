"""``nnsim lr-find``: the learning-rate range test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .network_options import json_option, output_option, read_settings, settings_options


@click.command("lr-find")
@settings_options("data", "network", "loss", "training", without=("lr",))
@click.option("--start", type=float, default=1e-7, show_default=True, help="First learning rate.")
@click.option("--end", type=float, default=10.0, show_default=True, help="Last learning rate.")
@click.option("--steps", type=int, default=100, show_default=True, help="Steps between them.")
@output_option
@json_option
def lr_find(
    config: Path | None, start: float, end: float, steps: int, output: Path | None, as_json: bool, **given: Any
) -> None:
    """Raise the learning rate step by step, and suggest one from where the loss falls and explodes.

    Takes the options of nnsim train for data, network and optimizer. Where the smoothed loss does not fall by 1 %,
    nothing is suggested, and why is said (exit code 0).
    """
    settings = read_settings(config, given)
    from nnsim.apps.lr_finder import claim_range_test, find_learning_rate, write_range_test
    from nnsim.apps.setup import prepare
    from nnsim.apps.train import default_output
    from nnsim.data.datasets import files_named

    problem = prepare(settings)
    for note in problem.notes:
        click.echo(f"nnsim: {note}", err=True)
    folder = output or default_output(settings, "lr-find")
    claim_range_test(folder, files_named(str(settings.data), settings.target))
    test = find_learning_rate(problem, start, end, steps)
    files = list(map(str, write_range_test(test, folder)))
    if as_json:
        found = {"suggestions": test.suggestions, "reason": test.reason or None, "steps": len(test.rates)}
        click.echo(json.dumps({**found, "files": files}))
        return
    from .tables import print_table

    if test.suggestions:
        print_table(("rule", "learning rate"), [(name, f"{rate:.3g}") for name, rate in test.suggestions.items()])
    else:
        click.echo(f"no suggestion: {test.reason}")
    click.echo("\n".join(files))
