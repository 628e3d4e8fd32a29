"""Whether training finds the tents that exist, and how many pieces networks have at most (C1)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from nnsim.probes.expressivity.linear_pieces import follow
from nnsim.probes.expressivity.piece_counts import UNIT
from nnsim.report.questions import AtLeast, AtMost, Exactly, Question, Rule
from nnsim.report.tuned_arms import ChosenArms
from nnsim.study.network_trials import TRAINING, data_of
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.theory.expressivity.regions import most_pieces

from .shared import RELU, DataSetTrial, arms_of, runs_of, train, training_cost

if TYPE_CHECKING:
    import pandas as pd

TEETH_BLOCKS = 3
"""Tent blocks of the data set ``target_sawtooth``: four teeth are eight pieces."""
SMALLEST, SHALLOW, DEEP, WIDE = (3, 2), (1, 6), (3, 16), (1, 197)
"""(depth, width) of the networks trained on it: 19 parameters each, the least that suffice, and 593 and 592."""


def trials(config: Config) -> Iterator[DataSetTrial]:
    """Yield networks that could be exact, and much larger ones."""
    for (depth, width), run in product((SMALLEST, SHALLOW, DEEP, WIDE), runs_of(config)):
        shape = {"dimension": 1, "depth": depth, "width": width, "epochs": config["curve_epochs"]}
        yield DataSetTrial(kind="sawtooth", data="target_sawtooth", **shape, **RELU, **run)


def measure(trial: DataSetTrial) -> Measured:
    """Train a network and count its pieces over the unit interval."""
    row, layers = train(trial)
    if layers is not None:
        exact = [(W.astype(np.float64), b.astype(np.float64)) for W, b in layers]
        row["pieces"] = follow(exact, data_of(trial).scaling.apply(UNIT)).pieces
    return {"trials": [row]}


def arms(trials: pd.DataFrame) -> ChosenArms:
    """Return the networks at their chosen rates."""
    return arms_of(trials, "sawtooth", ["depth", "width"])


def _found_questions(arms: ChosenArms, config: Config) -> Iterator[Question]:
    texts: dict[tuple[int, int], tuple[str, str, Rule]] = {
        SMALLEST: (
            "C1-found",
            "Training does not find the tents: the smallest network that can stays below half.",
            AtMost(0.5),
        ),
        DEEP: ("C1-wide-deep", "With 31 times the parameters a deep network learns the sawtooth.", AtLeast(0.9)),
        WIDE: ("C1-wide-shallow", "With as many parameters one hidden layer learns it as well.", AtLeast(0.9)),
    }
    for (depth, width), (name, statement, rule) in texts.items():
        arm = {"depth": depth, "width": width}
        yield Question(
            id=name,
            kind="claim",
            statement=statement,
            source="Telgarsky 2016 is on existence; training is measured here",
            arm=f"sawtooth of {2**TEETH_BLOCKS} pieces, {depth} layers of {width}",
            values=arms.values("score", arm).to_numpy(),
            rule=rule,
            note=f"test R² after {config['curve_epochs']} epochs of Adam",
            at_edge=arms.at_edge(arm),
        )


def _bound_question(trials: pd.DataFrame) -> Question:
    rows = trials[trials["kind"].isin(["random", "sawtooth", "zigzag"]) & (trials["status"] == "done")]
    beyond = [row.pieces > most_pieces([row.width] * row.depth) for row in rows.itertuples()]
    return Question(
        id="C1-bound",
        kind="check",
        statement="No network has more pieces along a line than prod (n_l + 1).",
        source="Telgarsky 2016, lemma 2.1",
        arm="random, trained and written networks",
        values=np.array(beyond, dtype=float),
        rule=Exactly(0.0),
        note="one hidden layer of n units: n + 1; share of networks beyond",
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask whether training finds the tents, and for the bound on all pieces that were counted."""
    yield from _found_questions(arms(tables["trials"]), config)
    yield _bound_question(tables["trials"])


SAWTOOTH = Part(
    kinds={"sawtooth": Kind(DataSetTrial, measure, training_cost, TRAINING)},
    trials=trials,
    questions=questions,
)
