"""``nnsim gradcheck``: the analytic gradient against differences."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from .network_options import json_option, read_settings, settings_options

GRADIENT_IS_WRONG = 4


@click.command()
@settings_options("network", "loss", without=("dtype",))
@click.option("--inputs", type=click.IntRange(1), default=5, show_default=True, help="Inputs of the network.")
@click.option("--outputs", type=click.IntRange(1), default=3, show_default=True, help="Outputs of the network.")
@click.option("--rows", type=int, default=8, show_default=True, help="Rows of random inputs and targets.")
@click.option("--entries", type=int, default=100, show_default=True, help="Entries to compare in each tensor.")
@click.option("--bound", type=float, default=1e-6, show_default=True, help="Largest relative error allowed.")
@click.option("--seed", type=int, default=0, show_default=True, help="Root of all random draws.")
@json_option
def gradcheck(
    config: Path | None,
    inputs: int,
    outputs: int,
    rows: int,
    entries: int,
    bound: float,
    seed: int,
    as_json: bool,
    **given: Any,
) -> int:
    """Check the gradient of a network against central differences in float64, tensor by tensor.

    Exits with 4 if an error is above the bound. Entries whose differences reach over a kink are counted, not compared.
    """
    settings = read_settings(config, given)
    from nnsim.apps.setup import network
    from nnsim.probes.gradient_check import check_gradient

    spec = network(settings, inputs, outputs, settings.loss or ("cross_entropy" if outputs > 1 else "bce"))
    checks = check_gradient(spec, settings.init, seed, rows, entries, bound)
    wrong = [check for check in checks if not check.error <= bound]
    if as_json:
        click.echo(json.dumps({"bound": bound, "passed": not wrong, "tensors": [asdict(check) for check in checks]}))
    else:
        _print(checks, len(wrong), bound)
    return GRADIENT_IS_WRONG if wrong else 0


def _print(checks: list[Any], wrong: int, bound: float) -> None:
    from .tables import print_table

    print_table(
        ("layer", "tensor", "entries", "compared", "near a kink", "largest", "relative error"),
        [
            (
                str(check.layer),
                check.role,
                *map(str, (check.size, check.compared, check.kinks)),
                f"{check.largest:.3g}",
                f"{check.error:.2g}" + ("" if check.error <= bound else " too large"),
            )
            for check in checks
        ],
    )
    verdict = f"{wrong} of {len(checks)} tensors are above" if wrong else f"all {len(checks)} tensors are within"
    click.echo(f"{verdict} the bound of {bound:g}")
