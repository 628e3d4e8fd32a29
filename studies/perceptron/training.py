"""How often training finds XOR."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nnsim.core.seeding import key
from nnsim.kernels.cpu.training import logits
from nnsim.networks.activations import parse as parse_activation
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes import threshold_unit
from nnsim.report.arms import rows_of
from nnsim.report.questions import Above, AtLeast, Exactly, Question
from nnsim.report.selection import select_learning_rate
from nnsim.report.tuned_arms import Arm, ChosenArms
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import Trial
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import Batches, Run, train

from .shared import GATES, MINSKY

if TYPE_CHECKING:
    import pandas as pd

ARM = ["activation", "hidden"]
RUMELHART = "Rumelhart, Hinton and Williams 1986"
SHARE = "share of the seeds that find it"


@dataclass(frozen=True, kw_only=True)
class CornersTrial(Trial):
    """The four corners of the square, labelled by a gate, and how a network is trained on them."""

    gate: str
    hidden: int
    learning_rate: float
    epochs: int

    def smallest(self) -> Self:
        """Return one epoch."""
        return replace(super().smallest(), epochs=1)


@dataclass(frozen=True, kw_only=True)
class XorTrial(CornersTrial):
    """A network that is trained."""

    activation: str


def trials(config: Config) -> Iterator[XorTrial]:
    """Yield networks that are trained on XOR: every arm runs the same whole grid of learning rates and seeds."""
    grid = product(config["activation"], config["hidden"], config["learning_rate"], range(config["seeds"]))
    for activation, hidden, rate, repeat in grid:
        arm: dict[str, Any] = {"activation": activation, "hidden": hidden, "learning_rate": rate, "repeat": repeat}
        yield XorTrial(kind="xor", gate="xor", epochs=config["epochs"], **arm)


def train_on_corners(trial: CornersTrial, activation: str, repeat: int) -> tuple[NetworkSpec, Run, int]:
    """Return a network trained on the four corners in full batches, and how many of them it has right."""
    X = np.ascontiguousarray(threshold_unit.corners(2)[:, :2], np.float32)
    y = np.array(GATES[trial.gate])
    data = Batches(X, (y > 0).astype(np.float32)[:, None], X[:0], np.empty((0, 1), np.float32))
    name, parameter = parse_activation(activation)
    spec = NetworkSpec((2, *([trial.hidden] if trial.hidden else []), 1), name, parameter, loss="bce")
    recipe = Recipe(trial.learning_rate, batch_size=4, epochs=trial.epochs, optimizer="adam")
    start = initialize(spec, "xavier_normal", key(trial.root_seed, "init", repeat), X)
    run = train(spec, start, data, recipe, key(trial.root_seed, "shuffle", repeat))
    return spec, run, int(np.sum(y * logits_of(spec, run, X) > 0.0)) if run.status == "done" else 0


def logits_of(spec: NetworkSpec, run: Run, X: np.ndarray) -> np.ndarray:
    """Return the logit of class 1 of each row."""
    return logits(spec.architecture, run.theta, run.statistics, X, min(256, X.shape[0]))[:, 0]


def measure(trial: XorTrial) -> Measured:
    """Train a network, and look whether all corners are right."""
    spec, run, correct = train_on_corners(trial, trial.activation, trial.repeat)
    found: dict[str, Any] = {"correct": correct, "found": float(correct == 4), "parameters": spec.n_parameters}
    if run.status == "diverged":
        found |= {"status": "diverged", "reason": "the loss stopped being finite"}
    return {"trials": [found]}


def xor_arms(trials: pd.DataFrame) -> ChosenArms:
    """Choose each arm's learning rate on the seeds with even numbers, and judge it on those with odd ones.

    The four corners are all there is to XOR, so no validation rows could choose; other seeds can.
    """
    runs = rows_of(trials, kind="xor")
    even = runs["repeat"].to_numpy(dtype=int) % 2 == 0
    chosen = select_learning_rate(runs[even], ARM, "found")
    chosen["at_edge"] = chosen["at_edge"].astype(bool) & (chosen["found"] < 1.0)  # nothing is better than always
    judged = runs[~even]
    return ChosenArms(judged.assign(found=judged["found"].where(judged["status"] == "done", 0.0)), ARM, chosen)


def _finds(arms: ChosenArms, arm: Arm) -> np.ndarray:
    """1 for each seed that finds XOR, 0 for the others."""
    return arms.values("found", arm).dropna().to_numpy()


def _one_unit_questions(trials: pd.DataFrame, arms: ChosenArms) -> Iterator[Question]:
    for activation in ("tanh", "relu"):
        runs = rows_of(trials, kind="xor", activation=activation, hidden=1)
        yield Question(
            id=f"C8-one-{activation}",
            kind="check",
            statement=f"One {activation} unit finds XOR at no learning rate: it is monotone.",
            source=MINSKY,
            arm=f"2-1-1, {activation}, all rates",
            values=runs.groupby("repeat")["found"].max().dropna().to_numpy(dtype=float),
            rule=Exactly(0.0),
            note="1 where a run has all corners right",
        )
    one = {"activation": "gelu", "hidden": 1}
    yield Question(
        id="C8-one-gelu",
        kind="correction",
        statement=(
            "A neuron splits its inputs by one hyperplane only if it is monotone: training one GELU unit finds XOR."
        ),
        source="textbook statement: a single neuron separates its inputs into two regions",
        arm="2-1-1, gelu",
        values=_finds(arms, one),
        rule=AtLeast(0.5),
        interval="proportion",
        note=SHARE,
        at_edge=arms.at_edge(one),
    )


def _layer_questions(arms: ChosenArms) -> Iterator[Question]:
    two, eight = ({"activation": "tanh", "hidden": hidden} for hidden in (2, 8))
    few, many = _finds(arms, two), _finds(arms, eight)
    yield Question(
        id="C8-train-8",
        kind="claim",
        statement="Eight tanh units find XOR in at least nine runs of ten.",
        source=RUMELHART,
        arm="2-8-1, tanh",
        values=many,
        rule=AtLeast(0.9),
        interval="proportion",
        note=SHARE,
        at_edge=arms.at_edge(eight),
    )
    yield Question(
        id="C8-train-2",
        kind="claim",
        statement="Two units can represent XOR, but find it less often than eight.",
        source=RUMELHART,
        arm="tanh, 2-8-1 against 2-2-1 at equal seeds",
        values=many - few if many.size == few.size else np.empty(0),
        rule=Above(0.0),
        note="paired difference of the shares of the seeds that find it",
        at_edge=arms.at_edge(two, eight),
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask how often training finds XOR, with one unit and with more."""
    arms = xor_arms(tables["trials"])
    yield from _one_unit_questions(tables["trials"], arms)
    yield from _layer_questions(arms)


TRAINING = Part(
    kinds={
        "xor": Kind(
            XorTrial,
            measure,
            lambda trial: 1e-3 + 3e-6 * trial.epochs,
            ("logits float32", "train_epochs float32"),
        )
    },
    trials=trials,
    questions=questions,
)
