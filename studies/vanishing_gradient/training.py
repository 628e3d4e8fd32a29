"""Which deep networks learn (A4, A8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.core.registry import look_up
from nnsim.networks.initializers import parse as parse_scheme
from nnsim.report.arms import rows_of, scored
from nnsim.report.questions import Above, AtLeast, AtMost, Question
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.checks import check_trainable, data_settings
from nnsim.study.network_trials import TRAINING, parameters_of, steps_of, train_network, without_lone_row
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import TrainingTrial

from .predictions import PAGE_RELU
from .shared import REMEDIES, RemedyTrial

if TYPE_CHECKING:
    import pandas as pd

ARMS = ("scheme", "activation", "remedy", "depth")
DEEP, SHALLOW = 10, 4  # hidden layers: least of a network that is called deep, most of a shallow one
SIGMOID, HE, GLOROT = "sigmoid/xavier_normal", "relu/he_normal", "relu/xavier_normal"


class Stated(NamedTuple):
    """A statement about one arm.

    Attributes
    ----------
    arm : str
        As in `parse_arm`.
    learns : bool
        Whether it says that the arm learns at its chosen rate, or that it learns at none.
    statement : str
    shallow : bool
        Whether it is about the shallowest network, not the deepest.
    """

    arm: str
    learns: bool
    statement: str
    shallow: bool = False


STATED = {
    "A8-stalls": Stated(SIGMOID, False, "A deep sigmoid network stays within 0.1 of chance at every learning rate."),
    "A8-shallow": Stated(
        SIGMOID, True, "It is the depth, not the sigmoid: a shallow one leaves chance behind by over 0.1.", shallow=True
    ),
    "A8-skip": Stated(
        f"{SIGMOID}/skip", True, "A skip connection around each layer lets the deep sigmoid network learn."
    ),
    "A8-batch": Stated(f"{SIGMOID}/batch", True, "Batch normalisation lets the deep sigmoid network learn."),
    "A8-layer": Stated(f"{SIGMOID}/layer", False, "Layer normalisation does not: its gradients vanish all the same."),
    "A4-he-learns": Stated(HE, True, "A deep ReLU network with He's variance leaves chance behind by over 0.1."),
}


@dataclass(frozen=True, kw_only=True)
class RemedyTraining(RemedyTrial, TrainingTrial):
    """A network with a remedy, or with none, that is trained; `drop_last` as in `nnsim.training.recipe.Recipe`."""

    drop_last: bool | None = None


def parse_arm(text: str) -> dict[str, str]:
    """Return the settings of ``activation/scheme`` or ``activation/scheme/remedy``; raises UsageError."""
    parts = text.split("/")
    if len(parts) not in {2, 3}:
        raise UsageError(f"arm '{text}' must be activation/scheme or activation/scheme/remedy, as in relu/he_normal")
    activation, scheme, remedy = (*parts, "none")[:3]
    check_trainable([activation])
    parse_scheme(scheme)
    look_up(REMEDIES, "remedy", remedy)
    return {"activation": activation, "scheme": scheme, "remedy": remedy}


def trials(config: Config) -> Iterator[RemedyTraining]:
    """Yield the networks that are trained: every arm runs the same whole grid of learning rates and seeds."""
    shared: dict[str, Any] = {name: config[name] for name in ("width", "epochs", "batch_size", "momentum")}
    shared |= data_settings(config)
    grid = product(config["arm"], config["depth"], config["learning_rate"], range(config["seeds"]))
    for text, depth, rate, repeat in grid:
        arm = parse_arm(text)
        network: dict[str, Any] = {**arm, **REMEDIES[arm["remedy"]], "depth": depth, "repeat": repeat}
        yield RemedyTraining(kind="training", learning_rate=rate, probe_epoch=[0], **network, **shared)


def measure(trial: RemedyTraining) -> Measured:
    """Train a network; batch normalisation needs two rows in every batch."""
    return train_network(without_lone_row(trial) if trial.remedy == "batch" else trial)


def cost(trial: RemedyTraining) -> float:
    """Return the expected seconds: multiply-adds at a speed seen on small networks, plus overheads."""
    steps = steps_of(trial)
    return 1e-3 + steps * trial.depth * 2e-6 + steps * 8e-11 * parameters_of(trial) * (trial.batch_size or 1)


def _chosen(trials: pd.DataFrame) -> ChosenArms:
    runs = rows_of(trials, kind="training")
    return ChosenArms(scored(runs.assign(chance=runs["chance"].max())), ARMS)  # one data set has one chance


def _best(arms: ChosenArms, arm: dict[str, Any]) -> np.ndarray:
    """Best validation metric over all rates, for each seed."""
    rows = rows_of(arms.grid, **arm)
    value = rows["validation_metric"].where(rows["status"] == "done", rows["chance"])
    return value.groupby(rows["repeat"]).max().to_numpy(dtype=float)


def _question(arms: ChosenArms, config: Config, name: str, stated: Stated) -> Question:
    """Ask whether a statement about one arm is true."""
    depth = min(config["depth"]) if stated.shallow else max(config["depth"])
    fits = depth <= SHALLOW if stated.shallow else depth >= DEEP
    arm, chance = {**parse_arm(stated.arm), "depth": depth}, float(arms.grid["chance"].max())
    values = arms.values("score", arm).to_numpy() if stated.learns else _best(arms, arm)
    metric = "test" if stated.learns else "best validation"
    return Question(
        id=name,
        kind="claim",
        statement=stated.statement,
        source="textbook statement: early layers stop learning; He et al. 2015, section 2.2",
        arm=f"{stated.arm}, {depth} layers of {config['width']}, {config['data']}",
        values=values if fits else np.empty(0),
        rule=AtLeast(chance + 0.1) if stated.learns else AtMost(chance + 0.1),
        note=f"{metric} metric after {config['epochs']} epochs; chance is {chance:.3g}",
        at_edge=stated.learns and arms.at_edge(arm),
    )


def _lead_question(arms: ChosenArms, config: Config) -> Question:
    """Ask whether ReLU alone is a cure."""
    deep = max(config["depth"])
    he, glorot = ({**parse_arm(text), "depth": deep} for text in (HE, GLOROT))
    first, second = arms.values("score", he).to_numpy(), _best(arms, glorot)
    return Question(
        id="A4-he-leads",
        kind="correction",
        statement="ReLU alone is no cure: with 1 / fan_in a deep one learns less at any rate.",
        source=PAGE_RELU,
        arm=f"{HE} minus {GLOROT}, {deep} layers of {config['width']}, {config['data']}",
        values=first - second if first.size == second.size and deep >= DEEP else np.empty(0),
        rule=Above(0.0),
        note="at equal seeds: He's test metric at its chosen rate minus the other's best validation metric at any rate",
        at_edge=arms.at_edge(he),
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask which deep networks learn."""
    arms = _chosen(tables["trials"])
    for name, stated in STATED.items():
        yield _question(arms, config, name, stated)
    yield _lead_question(arms, config)


LEARNING = Part(
    kinds={"training": Kind(RemedyTraining, measure, cost, TRAINING)},
    trials=trials,
    questions=questions,
)
