"""What units and networks make of the square: nothing is asked of it, it is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnsim.probes import threshold_unit
from nnsim.study.declaration import Column
from nnsim.study.parts import Config, Kind, Measured, Part

from .shared import GATES, right
from .training import CornersTrial, logits_of, train_on_corners

PANELS: dict[str, tuple[str, str | None, int]] = {
    "threshold unit, AND": ("and", None, 0),
    "sigmoid unit, AND": ("and", "identity", 0),
    "sigmoid unit, XOR": ("xor", "identity", 0),
    "2 tanh units, XOR": ("xor", "tanh", 2),
    "8 tanh units, XOR": ("xor", "tanh", 8),
    "1 GELU unit, XOR": ("xor", "gelu", 1),
}
"""What answers, and to what: gate, activation (a threshold unit has none) and hidden units."""
EPOCHS, RATE, TRIES = 500, 0.05, 50
GRID = 41
BOUNDARY_COLUMNS = (
    Column("kind", "text", "", "boundary"),
    Column("panel", "text", "", "what answers, and to what"),
    Column("x0", "float", "", "first input"),
    Column("x1", "float", "", "second input"),
    Column("score", "float", "", "w . x of the threshold unit, logit of class 1 of the others"),
)


@dataclass(frozen=True, kw_only=True)
class BoundaryTrial(CornersTrial):
    """A unit or a network that is drawn in a panel."""

    panel: str
    activation: str | None

    def settings(self) -> dict[str, Any]:
        """Return the settings, of which no activation is one, too."""
        return super().settings() | {"activation": self.activation}


def trials(config: Config) -> Iterator[BoundaryTrial]:
    """Yield the panels."""
    for panel, (gate, activation, hidden) in PANELS.items():
        yield BoundaryTrial(
            kind="boundary",
            panel=panel,
            gate=gate,
            activation=activation,
            hidden=hidden,
            learning_rate=RATE,
            epochs=EPOCHS,
            repeat=0,
        )


def _threshold_unit(trial: BoundaryTrial, X: np.ndarray) -> tuple[int, np.ndarray]:
    """Corners that a unit has right, and its scores of the inputs, which carry a 1."""
    corners, labels = threshold_unit.corners(2), np.array(GATES[trial.gate], dtype=np.float64)
    weights = threshold_unit.learn(corners, labels).weights
    return right(corners, labels, weights), threshold_unit.scores(X, weights)


def _network(trial: BoundaryTrial, activation: str, X: np.ndarray) -> tuple[int, np.ndarray]:
    """Corners that the first run with all of them right has, and its logits.

    Where none of the tries does, as on XOR without a hidden layer, the last one is drawn.
    """
    for repeat in range(TRIES):
        spec, run, correct = train_on_corners(trial, activation, repeat)
        if correct == 4 or not trial.hidden:
            break
    return correct, logits_of(spec, run, np.ascontiguousarray(X[:, :2], np.float32))


def measure(trial: BoundaryTrial) -> Measured:
    """Return the scores of a panel's unit or network over a square."""
    side = np.arange(GRID) * (4.0 / (GRID - 1)) - 2.0
    X = np.array([(x0, x1, 1.0) for x1 in side for x0 in side])
    answer = _threshold_unit(trial, X) if trial.activation is None else _network(trial, trial.activation, X)
    correct, scores = answer
    rows = [{"x0": x[0], "x1": x[1], "score": score} for x, score in zip(X.tolist(), scores.tolist(), strict=True)]
    return {"trials": [{"correct": correct}], "boundaries": rows}


BOUNDARIES = Part(
    kinds={"boundary": Kind(BoundaryTrial, measure, lambda trial: 1e-3 + 3e-6 * trial.epochs * (TRIES / 10))},
    trials=trials,
)
