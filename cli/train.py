"""``nnsim train``: train a network on a data set or a file of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .network_options import json_option, output_option, quiet_option, read_settings, settings_options
from .options import backend_option

if TYPE_CHECKING:
    from nnsim.apps.train import TrainingResult


@click.command()
@settings_options("data", "network", "loss", "training", "course")
@click.option("--checkpoint-every", type=int, metavar="N", help="Keep a checkpoint every N epochs, too.")
@backend_option
@output_option
@json_option
@quiet_option
def train(
    config: Path | None,
    checkpoint_every: int | None,
    backend: str,
    output: Path | None,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> int:
    """Train a network, and write history, metrics, figure and model.

    The same command goes on where it was stopped, and with more --epochs where it ended. The task follows from the
    target where it is plain (see --task), and a cell that is missing or no number is refused, with what to do about it.

    Training standardises measurements, yet losses are told in the target's own units: mae in these, mse and huber in
    their square. --huber-delta, --min-delta and an absolute threshold of plateau are in the same units. Of several
    targets, the unit is the standard deviation of each.

    nnsim train --data my.csv --target label --hidden 256,128 --batch-norm --schedule cosine
    """
    settings = read_settings(config, given)
    from nnsim.apps.train import run_training

    from .progress import make_progress

    result = run_training(
        settings, output, checkpoint_every=checkpoint_every, backend=backend, progress=make_progress(quiet)
    )
    _print(result, as_json)
    if result.run.status == "diverged":
        click.echo(f"nnsim: error: {_divergence(result)}", err=True)
        return 1
    return 0


def _divergence(result: TrainingResult) -> str:
    step, epochs = result.metrics["diverged_at_step"], result.metrics["epochs"]
    return (
        f"training diverged at step {step}, after {epochs} whole epochs: "
        "try a lower learning rate (nnsim lr-find) or --clip-norm 1"
    )


def _print(result: TrainingResult, as_json: bool) -> None:
    metrics = result.metrics
    if as_json:
        click.echo(json.dumps({"output": str(result.folder), **metrics, "files": list(map(str, result.files))}))
        return
    from .tables import print_table

    parts = {part: metrics[part] for part in ("validation", "test") if metrics[part]}
    if parts:
        names = list(metrics["test"])
        rows = [(part, str(metrics["rows"][part]), *map(_digits, scores.values())) for part, scores in parts.items()]
        print_table(("part", "rows", *names), rows)
        restored = ", whose parameters are kept" if metrics["best_restored"] else ""
        best = f"; the best was {metrics['best_epoch']}{restored}" if metrics["best_epoch"] else ""
        unit = f"; the loss is {metrics['loss']} in {metrics['loss_unit']}" if metrics["loss_unit"] else ""
        click.echo(f"{metrics['task']}, {metrics['epochs']} epochs{best}{unit}")
    for path in result.files:
        click.echo(path)


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
