"""Where descent on a quadratic diverges."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.data import datasets
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.edge_of_stability import divergence_rate, full_batch
from nnsim.probes.sharpness import sharpness
from nnsim.report.arms import rows_of
from nnsim.report.questions import Question, Within
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.training.recipe import Recipe

from .shared import NOISY, DescentTrial, draws, edge_product, sharpness_row

if TYPE_CHECKING:
    import pandas as pd

ROWS, STEPS, MOMENTA = 60, 2000, {"plain": 0.0, "momentum": 0.9}
EXACT_MARGIN = 0.001  # the bisection ends within 2^-12; a loss without its factor 2 would be off by 1


def trials(config: Config) -> Iterator[DescentTrial]:
    """Yield linear regressions."""
    line: dict[str, Any] = {"scheme": "lecun_normal", "activation": "identity", "depth": 0, "width": 0}
    for momentum, repeat in product(MOMENTA.values(), range(config["seeds"])):
        yield DescentTrial(kind="quadratic", data=NOISY, momentum=momentum, epochs=STEPS, repeat=repeat, **line)


def measure(trial: DescentTrial) -> Measured:
    """Find the rate of divergence by bisection, and the largest eigenvalue of the Hessian."""
    drawn = datasets.load(trial.data, key=draws(trial, "regression"), n_samples=ROWS)
    data = full_batch(drawn.X, drawn.y)
    spec = NetworkSpec((drawn.X.shape[1], 1), loss="mse", dtype="float64")
    theta = initialize(spec, trial.scheme, draws(trial, "init"))
    recipe = Recipe(momentum=trial.momentum, batch_size=ROWS, epochs=trial.epochs)
    rate = divergence_rate(spec, theta, data, recipe, draws(trial, "shuffle"))
    top = sharpness(spec, theta, data.X, data.Y, np.ones_like(theta), 1e-6)
    return {
        "trials": [{"parameters": spec.n_parameters, "critical_rate": rate}],
        "sharpness": [sharpness_row(0, top.value)],
    }


def rates_and_curvatures(tables: dict[str, pd.DataFrame], momentum: float) -> tuple[pd.Series, pd.Series]:
    """Return each seed's rate of divergence, and the largest eigenvalue of its Hessian."""
    rates = rows_of(tables["trials"], kind="quadratic", momentum=momentum).set_index("repeat")["critical_rate"]
    top = rows_of(tables["sharpness"], kind="quadratic", momentum=momentum).set_index("repeat")["sharpness"]
    return rates, top


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask where descent diverges, without momentum and with it."""
    for name, momentum in MOMENTA.items():
        rates, top = rates_and_curvatures(tables, momentum)
        yield Question(
            id=f"D2-quadratic-{name}",
            kind="check",
            statement="On a quadratic, descent diverges exactly above (2 + 2 b) / lambda_max.",
            source="Polyak 1964; LeCun, Simard and Pearlmutter 1993",
            arm=f"linear regression, {ROWS} rows, all of them a step, momentum {momentum:g}",
            values=(rates * top / edge_product(momentum)).dropna().to_numpy(),
            rule=Within(1.0, EXACT_MARGIN),
            note="rate of divergence by bisection over (2 + 2 b) / lambda_max",
        )


QUADRATIC = Part(
    kinds={
        "quadratic": Kind(
            DescentTrial, measure, lambda trial: 0.3, ("loss_and_gradient float64", "train_epochs float64")
        )
    },
    trials=trials,
    questions=questions,
)
