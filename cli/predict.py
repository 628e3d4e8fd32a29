"""``nnsim predict``: a trained model's answers to the rows of a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from .network_options import dialect_options, quiet_option
from .paths import OutputPath

STANDARD_OUTPUT = Path("-")


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=OutputPath(), help="CSV file or a pipe; by default standard output.")
@dialect_options
@quiet_option
def predict(model: Path, data: Path, output: Path | None, quiet: bool, **signs: str | None) -> None:
    """Answer every row of DATA, a file with the features that MODEL was trained on.

    MODEL is a model.safetensors of nnsim train. Columns of a CSV file are found by their names; DATA may be - for CSV
    from standard input. Signs of numbers are those of the training's file, unless given.
    """
    from nnsim.apps.model_file import load_model
    from nnsim.apps.predict import predict_file
    from nnsim.apps.settings import given_signs
    from nnsim.core.atomic_files import publish
    from nnsim.core.output_folders import refuse_inputs
    from nnsim.data.data_files import data_file

    refuse_inputs([output] if output else [], [model, data])
    trained = load_model(model)
    answers, ignored = predict_file(trained, data_file(data), replace(trained.dialect, **given_signs(signs)))
    if ignored and not quiet:
        click.echo(f"nnsim: ignored what the model does not know: {', '.join(ignored)}", err=True)
    if output is None or output == STANDARD_OUTPUT:
        click.echo(answers.decode(), nl=False)
    else:
        publish(output, [answers])
