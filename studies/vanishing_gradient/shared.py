"""Networks with a remedy against vanishing gradients, or with none: what the parts of the study share."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

from nnsim.study.declaration import Column
from nnsim.study.network_trials import PROBE_ROWS, look_at_network, parameters_of
from nnsim.study.parts import Measured, Rows
from nnsim.study.trials import NetworkTrial

WIDE = 128  # units of the networks whose size is not an axis
REMEDIES: dict[str, dict[str, Any]] = {
    "none": {},
    "skip": {"residual": True},
    "batch": {"normalization": "batch"},
    "layer": {"normalization": "layer"},
}
REMEDY = Column("remedy", "text", "", "none, skip (connections), batch or layer (normalisation)")
LOG_GRADIENT = Column(
    "log_gradient", "float", "nats", "ln(mean delta_1^2 / mean delta_depth^2), mean over inputs; empty where trained"
)


@dataclass(frozen=True, kw_only=True)
class RemedyTrial(NetworkTrial):
    """A network with a remedy, or with none.

    Attributes
    ----------
    remedy : str
        A key of `REMEDIES`.
    residual, normalization : bool, str, optional
        What the remedy makes of the network, as in `nnsim.networks.spec.NetworkSpec`.
    """

    remedy: str = "none"
    residual: bool | None = None
    normalization: str | None = None

    def smallest(self) -> Self:
        """Return two hidden layers, which a skip connection needs."""
        return replace(super().smallest(), depth=2)


def log_gradient(layers: Rows, depth: int) -> float | None:
    """Return ln(mean delta_1^2 / mean delta_depth^2), None where a dead network has no gradient."""
    logs = {row["layer"]: row["delta_log"] for row in layers}
    change = logs[1] - logs[depth] if math.isfinite(logs[depth]) else math.nan
    return change if math.isfinite(change) else None


def look(trial: RemedyTrial, rows: int = PROBE_ROWS) -> Measured:
    """Look at a network as it is drawn, and at what is left of its gradient."""
    found = look_at_network(trial, rows)
    found["trials"][0]["log_gradient"] = log_gradient(found["layers"], trial.depth)
    return found


def look_cost(trial: RemedyTrial) -> float:
    """Return the expected seconds of a look: multiply-adds at a speed seen on small networks, plus overheads."""
    return 3e-4 + 8e-9 * parameters_of(trial)
