"""Whether the steps that a linear network needs to learn grow with its depth (A12)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.core.seeding import key
from nnsim.networks.initializers import initialize
from nnsim.probes.deep_linear import draw_task, steps_to_learn
from nnsim.report.arms import rows_of
from nnsim.report.questions import AtLeast, AtMost, Question, Rule
from nnsim.report.selection import select_learning_rate
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.checks import data_settings
from nnsim.study.declaration import Column
from nnsim.study.parts import Config, Kind, Measured, Part

from .linear_modes import SAXE, LinearTrial
from .shared import own_network

if TYPE_CHECKING:
    import pandas as pd

FEATURES, TARGETS, DEPTHS, COMPARED = 16, 4, (1, 4, 16), (4, 16)
ORTHOGONAL, GAUSSIAN = "orthogonal:1", "lecun_normal"
RATES = (0.125, 0.25, 0.5, 1.0, 2.0)  # learning rate times the number of weight layers
SHARE, MOST_STEPS = 0.01, 400
GROWTH = math.log(2)  # of the steps where the depth grows fourfold
STEPS = Column("steps_to_learn", "int", "steps", "steps until a linear task is learnt; empty if it was not")


def trials(config: Config) -> Iterator[LinearTrial]:
    """Yield linear networks of growing depth; their times scatter widely, so there are more seeds."""
    network: dict[str, Any] = {"activation": "identity", "width": FEATURES, **data_settings(config)}
    for scheme, depth, rate in product((ORTHOGONAL, GAUSSIAN), DEPTHS, RATES):
        arm: dict[str, Any] = {"scheme": scheme, "depth": depth, "learning_rate": rate / (depth + 1)}
        for repeat in range(3 * config["seeds"]):
            yield LinearTrial(kind="deep_linear", repeat=repeat, **arm, **network)


def measure(trial: LinearTrial) -> Measured:
    """Train until the task is learnt."""
    spec, draws = own_network(trial, FEATURES, TARGETS)
    task_key = key(trial.root_seed, "task", trial.repeat)
    task = draw_task(FEATURES, TARGETS, (1.0,) * TARGETS, task_key)
    theta = initialize(spec, trial.scheme, draws)
    run, steps = steps_to_learn(spec, theta, task, trial.learning_rate, SHARE, MOST_STEPS, task_key)
    row: dict[str, Any] = {"parameters": spec.n_parameters, "steps_to_learn": steps, "epochs_done": len(run.history)}
    if run.status == "diverged":
        row |= {"status": "diverged", "reason": "the loss stopped being finite", "diverged_at": run.diverged_at}
    else:
        row["train_loss"] = float(run.history[-1, 0])
    return {"trials": [row]}


def learning_times(trials: pd.DataFrame) -> ChosenArms:
    """Return the arms at their quickest rates, with the ``steps`` to learn.

    A network that has not learnt when training ends, or diverges, counts with all the steps there were.
    """
    runs = rows_of(trials, kind="deep_linear")
    runs = runs[runs["status"] != "error"]
    runs = runs.assign(steps=runs["steps_to_learn"].astype(float).fillna(MOST_STEPS), status="done")
    runs = runs.assign(log_steps=np.log(runs["steps"].clip(lower=1)))
    names = ["scheme", "depth"]
    return ChosenArms(runs, names, select_learning_rate(runs, names, "log_steps", larger_is_better=False))


def _question(arms: ChosenArms, scheme: str, name: str, statement: str, rule: Rule) -> Question:
    low, high = COMPARED
    long, short = ({"scheme": scheme, "depth": depth} for depth in (high, low))
    return Question(
        id=f"A12-depth-{name}",
        kind="claim",
        statement=statement,
        source=f"{SAXE}, section 3, figure 6",
        arm=f"{scheme}, linear, {high} hidden layers of {FEATURES} against {low}",
        values=arms.lead("log_steps", long, short),
        rule=rule,
        at_edge=arms.at_edge(long, short),
        note=f"ln of the ratio of steps to {SHARE:.0%} of the loss, each at its quickest rate",
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether the steps to learn grow with depth, from orthogonal and from scaled Gaussian weights."""
    arms = learning_times(tables["trials"])
    statement = "From orthogonal weights four times the depth does not double the steps."
    yield _question(arms, ORTHOGONAL, "orthogonal", statement, AtMost(GROWTH))
    statement = "From scaled Gaussian weights it more than doubles them."
    yield _question(arms, GAUSSIAN, "gaussian", statement, AtLeast(GROWTH))


LINEAR_DEPTH = Part(
    kinds={"deep_linear": Kind(LinearTrial, measure, lambda trial: 2e-3 * trial.depth, ("train_epochs float64",))},
    trials=trials,
    questions=questions,
)
