"""LSUV: unit variance in every layer, on the batch that scaled it and on other inputs (A6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.core.seeding import key
from nnsim.probes.propagation import propagate, shown_layers, unit_rows
from nnsim.report.arms import rows_of
from nnsim.report.questions import AtMost, Question, Within
from nnsim.study.declaration import Column
from nnsim.study.network_trials import ARM_COLUMNS, LAYER_COLUMNS, LOOKING, PROBE_ROWS, data_of, drawn_network
from nnsim.study.parts import Kind, Measured, Rows
from nnsim.study.trials import NetworkTrial

from .shared import look_cost

if TYPE_CHECKING:
    import pandas as pd

DEPTH, WIDTH = 20, 48
ACTIVATIONS = ("relu", "tanh")
ROUNDING = 1e-9  # of a variance that LSUV has set to one, in double precision
FRESH_MARGIN = 0.2  # of ln of the last layer's variance
MOMENTS = ("z_mean", "z_square", "a_square")
LSUV_COLUMNS = (
    *ARM_COLUMNS,
    Column("rows", "text", "", "batch: the inputs that LSUV saw; fresh: others"),
    *(column for column in LAYER_COLUMNS if column.name in {"layer", *MOMENTS}),
)


def trials(repeat: int, data: dict[str, Any]) -> Iterator[NetworkTrial]:
    """Yield the networks of one seed."""
    for activation in ACTIVATIONS:
        network: dict[str, Any] = {"scheme": "lsuv", "activation": activation, "depth": DEPTH, "width": WIDTH}
        yield NetworkTrial(kind="lsuv", repeat=repeat, **network, **data)


def measure(trial: NetworkTrial) -> Measured:
    """Look at the inputs by which the weights were scaled, and at as many others."""
    spec, theta = drawn_network(trial)
    data, signal = data_of(trial), key(trial.root_seed, "signal", trial.repeat)
    parts = {"batch": data.X_train[:PROBE_ROWS], "fresh": data.X_validation[:PROBE_ROWS]}
    rows: Rows = []
    for name, X in parts.items():
        facts = propagate(spec, theta, unit_rows(X), signal)
        for layer in shown_layers(trial.depth):
            rows.append({"rows": name, "layer": layer} | {moment: facts[layer - 1][moment] for moment in MOMENTS})
    return {"trials": [{"parameters": spec.n_parameters}], "lsuv": rows}


def questions(lsuv: pd.DataFrame) -> Iterator[Question]:
    """Ask whether LSUV gives unit variance on its batch, and what is left of it on other inputs."""
    lsuv = lsuv.assign(variance=lsuv["z_square"] - lsuv["z_mean"] ** 2)
    for activation in ACTIVATIONS:
        where = f"lsuv, {activation}, {DEPTH} layers of {WIDTH}"
        batch = rows_of(lsuv, activation=activation, rows="batch")
        worst = (batch["variance"] - 1).abs().groupby(batch["repeat"]).max()
        yield Question(
            id=f"A6-batch-{activation}",
            kind="check",
            statement="After LSUV every layer has unit variance on the batch that scaled it.",
            source="Mishkin and Matas 2016, algorithm 1",
            arm=where,
            values=worst.to_numpy(),
            rule=AtMost(ROUNDING),
            note="largest |variance - 1| of a hidden layer, over units and inputs of the batch",
        )
        fresh = rows_of(lsuv, activation=activation, rows="fresh", layer=DEPTH)
        last = fresh.sort_values("repeat", kind="stable")["variance"].to_numpy(dtype=float)
        yield Question(
            id=f"A6-fresh-{activation}",
            kind="claim",
            statement="The unit variance carries over to inputs that LSUV has not seen.",
            source="Mishkin and Matas 2016, section 3",
            arm=where,
            values=np.log(last),
            rule=Within(0.0, FRESH_MARGIN),
            note="ln of the last hidden layer's variance on as many other inputs",
        )


KINDS = {"lsuv": Kind(NetworkTrial, measure, look_cost, (*LOOKING, "scale_to_unit_variance float64"))}
