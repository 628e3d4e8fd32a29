"""Where full-batch descent takes the sharpness of a network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.edge_of_stability import chebyshev_task, follow_sharpness, full_batch
from nnsim.report.arms import rows_of
from nnsim.report.questions import Above, AtMost, Exactly, Question, Within
from nnsim.study.network_trials import nine_digits
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.training.recipe import Recipe

from .shared import DescentTrial, became, draws, edge_product, sharpness_row

if TYPE_CHECKING:
    import pandas as pd

WIDTH, POINTS, DEGREE, LOOKS = 60, 20, 4, 30
ARMS = {"edge": (0.1, 0.0), "heavy-ball": (0.15, 0.5), "below": (0.02, 0.0)}
"""Learning rate and momentum; the first two have one edge, 20."""
SLOW, _ = ARMS["below"]
HALF = 0.5  # the paper's loss is half the mean squared error: its gradient and its Hessian are half of ours
MARGIN = 0.02
COHEN = "Cohen et al. 2021"


@dataclass(frozen=True, kw_only=True)
class EdgeTrial(DescentTrial):
    """A network that is followed to the edge of stability."""

    learning_rate: float


def trials(config: Config) -> Iterator[EdgeTrial]:
    """Yield networks on the paper's toy task."""
    toy: dict[str, Any] = {
        "data": "chebyshev",
        "scheme": "lecun_normal",
        "activation": "tanh",
        "depth": 2,
        "width": WIDTH,
        "epochs": config["edge_steps"],
    }
    for (rate, momentum), repeat in product(ARMS.values(), range(config["edge_seeds"])):
        yield EdgeTrial(kind="edge", learning_rate=rate, momentum=momentum, repeat=repeat, **toy)


def measure(trial: EdgeTrial) -> Measured:
    """Descend, and look at the sharpness on the way."""
    data = full_batch(*chebyshev_task(POINTS, DEGREE))
    spec = NetworkSpec((1, trial.width, trial.width, 1), "tanh", loss="mse", dtype="float64")
    theta = initialize(spec, trial.scheme, draws(trial, "init"))
    steps, rate = trial.epochs, HALF * trial.learning_rate
    recipe = Recipe(learning_rate=rate, momentum=trial.momentum, batch_size=POINTS, epochs=steps)
    looks = sorted({0, *(steps * look // LOOKS for look in range(1, LOOKS + 1))})
    run, seen = follow_sharpness(spec, theta, data, recipe, draws(trial, "shuffle"), looks)
    row = {"parameters": spec.n_parameters, **became(run)}
    if run.status == "done":
        row["train_loss"] = HALF * float(run.history[-1, 0])
    rows = [sharpness_row(look.step, HALF * look.sharpness, nine_digits(HALF * look.loss)) for look in seen]
    return {"trials": [row], "sharpness": rows}


def _where(config: Config) -> str:
    return f"tanh, 1-{WIDTH}-{WIDTH}-1, {POINTS} points, {config['edge_steps']} steps"


def _ratios(looks: pd.DataFrame, rate: float, momentum: float) -> pd.Series:
    """Mean of eta lambda / (2 + 2 b) over the last third of the looks at one arm, for each seed."""
    rows = rows_of(looks, kind="edge", learning_rate=rate, momentum=momentum)
    late = rows[rows["step"] >= rows["step"].max() * 2 / 3]
    return late.groupby("repeat")["sharpness"].mean() * (rate / edge_product(momentum))


def _edge_questions(looks: pd.DataFrame, config: Config) -> Iterator[Question]:
    for name, (rate, momentum) in ARMS.items():
        slow = rate == SLOW
        settles = "Full-batch descent drives the sharpness to (2 + 2 b) / eta and keeps it there."
        ends = "At a small rate the sharpness stays below 2 / eta: descent is over before."
        yield Question(
            id=f"D3-{name}",
            kind="claim",
            statement=ends if slow else settles,
            source=f"{COHEN}, sections 3 and 4",
            arm=f"{_where(config)}, eta = {rate:g}, momentum {momentum:g}",
            values=_ratios(looks, rate, momentum).to_numpy(),
            rule=AtMost(1 - MARGIN) if slow else Within(1.0, MARGIN),
            note="eta lambda / (2 + 2 b), mean over the last third of the steps",
        )


def _slow_questions(looks: pd.DataFrame, config: Config) -> Iterator[Question]:
    reached = _ratios(looks, SLOW, 0.0) >= 1 - MARGIN
    yield Question(
        id="D3-never",
        kind="claim",
        statement="At eta = 0.02 no network gets to the edge.",
        source=f"{COHEN}, as often summarised",
        arm=f"{_where(config)}, eta = {SLOW:g}",
        values=reached.to_numpy(dtype=float),
        rule=Exactly(0.0),
        note=f"{reached.sum()} of {len(reached)} networks are within 2 % of the edge at the end; one is enough to fail",
    )
    rows = rows_of(looks, kind="edge", learning_rate=SLOW).pivot(index="repeat", columns="step", values="sharpness")
    rise = np.log(rows.max(axis=1) / rows[0]) if 0 in rows else np.empty(0)
    yield Question(
        id="D3-sharpening",
        kind="claim",
        statement="Below the edge the sharpness rises while the loss falls.",
        source=f"{COHEN}, section 3.1",
        arm=f"{_where(config)}, eta = {SLOW:g}",
        values=np.asarray(rise, dtype=float),
        rule=Above(math.log(2)),
        note="ln of the largest sharpness over the first; more than doubled",
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask where the sharpness settles, and whether descent at a small rate is over before."""
    yield from _edge_questions(tables["sharpness"], config)
    yield from _slow_questions(tables["sharpness"], config)


EDGE = Part(
    kinds={
        "edge": Kind(
            EdgeTrial,
            measure,
            lambda trial: 2e-5 * trial.epochs,
            ("loss_and_gradient float64", "train_epochs float64"),
        )
    },
    trials=trials,
    questions=questions,
)
