"""How many multiply-adds a backward pass makes, beside those of a forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from nnsim.core.seeding import key
from nnsim.report.arms import rows_of
from nnsim.report.questions import Exactly, Question
from nnsim.study.parts import Config, Kind, Measured, Part
from nnsim.study.trials import Trial
from nnsim.theory.training.cost import gradient_over_forward

from .shared import BAUR, MIDWAY, PAGE_MODEL, TEACHING, ArchitectureTrial, counts, short_cost, widths_of

if TYPE_CHECKING:
    import pandas as pd

DEEPEST, WIDEST = 6, 300  # of the random architectures


@dataclass(frozen=True, kw_only=True)
class RandomTrial(Trial):
    """A network whose widths are drawn, and the rows of a batch."""

    batch: int


def trials(config: Config) -> Iterator[Trial]:
    """Yield every architecture with every batch, and random ones."""
    for architecture, batch in product(config["architecture"], config["batch"]):
        yield ArchitectureTrial(kind="count", architecture=architecture, batch=batch, repeat=0)
    for repeat in range(config["random_networks"]):
        yield RandomTrial(kind="random", batch=min(config["batch"]), repeat=repeat)


def measure_given(trial: ArchitectureTrial) -> Measured:
    """Count the products of an architecture."""
    return {"trials": [counts(trial.architecture, trial.batch)]}


def measure_random(trial: RandomTrial) -> Measured:
    """Draw an architecture and count its products."""
    layers = 2 + key(trial.root_seed, "layers", trial.repeat) % (DEEPEST + 1)
    widths = (1 + key(trial.root_seed, "width", trial.repeat, layer) % WIDEST for layer in range(layers))
    architecture = "-".join(map(str, widths))
    return {"trials": [{"architecture": architecture, **counts(architecture, trial.batch)}]}


def _products(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Multiply-adds of the forward and of the backward passes."""
    forward, backward = (rows[f"{name}_products"].to_numpy(dtype=float) for name in ("forward", "backward"))
    return forward, backward


def _total_ratio(rows: pd.DataFrame) -> np.ndarray:
    """Multiply-adds of both passes over those of the forward pass."""
    forward, backward = _products(rows)
    return (forward + backward) / forward


def _given_questions(rows: pd.DataFrame, config: Config) -> Iterator[Question]:
    for architecture in config["architecture"]:
        batches = rows_of(rows, architecture=architecture, status="done")
        yield Question(
            id=f"D6-count-{architecture}",
            kind="check",
            statement=(
                "Forward and backward pass together make 3 - n0 n1 / S times the multiply-adds of the forward pass."
            ),
            source=BAUR,
            arm=f"{architecture}, {len(batches)} batch sizes",
            values=_total_ratio(batches),
            rule=Exactly(gradient_over_forward(widths_of(architecture))),
            note="products that the passes make, counted",
        )


def _random_questions(rows: pd.DataFrame) -> Iterator[Question]:
    expected = [gradient_over_forward(widths_of(text)) for text in rows["architecture"]]
    where = f"{len(rows)} random architectures of up to {DEEPEST} hidden layers"
    yield Question(
        id="D6-ratio",
        kind="check",
        statement="The ratio is 3 - n0 n1 / S in every architecture.",
        source=BAUR,
        arm=where,
        values=_total_ratio(rows) - np.array(expected),
        rule=Exactly(0.0),
        note="counted minus predicted ratio",
    )
    yield Question(
        id="D6-under-three",
        kind="check",
        statement="A gradient never costs as much as three forward passes.",
        source=BAUR,
        arm=where,
        values=(_total_ratio(rows) < 3).astype(float),
        rule=Exactly(1.0),
        note="1 where the counted ratio is under 3",
    )


def _page_question(rows: pd.DataFrame, config: Config) -> Question:
    forward, backward = _products(rows_of(rows, architecture=PAGE_MODEL))
    return Question(
        id="page-backward-count",
        kind="correction",
        statement=(
            "Its own example network makes over 1.5 times as many multiply-adds backward as forward, not as many."
        ),
        source=TEACHING,
        arm=PAGE_MODEL,
        values=(backward / forward > MIDWAY).astype(float),
        rule=Exactly(1.0),
        note=f"1 where it is over {MIDWAY:g}; counted at {len(config['batch'])} batch sizes",
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask for the ratio of products, in given and in random architectures."""
    given, random = (rows_of(tables["trials"], kind=kind) for kind in ("count", "random"))
    yield from _given_questions(given, config)
    yield from _random_questions(rows_of(random, status="done"))
    yield _page_question(given, config)


COUNTING = Part(
    kinds={
        "count": Kind(ArchitectureTrial, measure_given, short_cost),
        "random": Kind(RandomTrial, measure_random, short_cost),
    },
    trials=trials,
    questions=questions,
)
