"""What a range test finds, held against a sweep, and what rates beyond the start's 2 / lambda_max do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from nnsim.apps.lr_finder import find_learning_rate
from nnsim.probes.sharpness import sharpness
from nnsim.report.arms import rows_of
from nnsim.report.questions import Above, AtMost, Question
from nnsim.study.declaration import Column
from nnsim.study.network_trials import nine_digits
from nnsim.study.parts import Config, Kind, Measured
from nnsim.study.trials import NetworkTrial
from nnsim.training.recipe import Recipe

from .shared import (
    REGRET,
    REPEAT,
    OptimizedTrial,
    best_rate,
    edge_product,
    epoch_cost,
    scores_of,
    settings_of,
    sharpness_row,
    start_of,
    words_of,
)

if TYPE_CHECKING:
    import pandas as pd

RULES = ("steep", "minimum", "valley", "slide")
SUGGESTION_COLUMNS = (
    REPEAT,
    Column("rule", "text", "", "steep, minimum, valley or slide; explosion: the rate at which the test ended"),
    Column("rate", "float", "", "learning rate (nine digits)"),
)


@dataclass(frozen=True, kw_only=True)
class RangeTrial(NetworkTrial):
    """A network whose rate is raised batch by batch."""

    optimizer: str
    epochs: int
    batch_size: int
    probe_epoch: Sequence[int]

    def smallest(self) -> Self:
        """Return small batches."""
        return replace(super().smallest(), batch_size=8)


def trials(config: Config, repeat: int) -> Iterator[RangeTrial | OptimizedTrial]:
    """Yield a seed's range test and its sweep."""
    shared = {**settings_of(config), "optimizer": "sgd", "data": config["data"], "repeat": repeat}
    yield RangeTrial(kind="range", epochs=1, **shared)
    for rate in config["learning_rate"]:
        yield OptimizedTrial(kind="sweep", learning_rate=rate, epochs=config["epochs"], **shared)


def measure(trial: RangeTrial) -> Measured:
    """Run the test, and measure the sharpness at its start."""
    start = start_of(trial, "float32", Recipe(optimizer=trial.optimizer, batch_size=trial.batch_size))
    found = find_learning_rate(start, 1e-4, 100.0, 120)
    ends = {**found.suggestions, "explosion": found.rates[-1]}
    exact = start_of(trial, "float64", start.recipe)
    top = sharpness(exact.spec, exact.theta, exact.batches.X, exact.batches.Y, np.ones_like(exact.theta), 1e-3)
    return {
        "trials": [{"parameters": start.spec.n_parameters, "steps": len(found.rates)}],
        "suggestions": [{"rule": rule, "rate": nine_digits(rate)} for rule, rate in ends.items()],
        "sharpness": [sharpness_row(0, top.value)],
    }


def _where(config: Config) -> str:
    return f"{words_of(config)}, {config['data']}, SGD, {config['epochs']} epochs"


def _nearest(grid: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Rates of the grid that are nearest, by ratio."""
    return grid[np.abs(np.log(grid)[None, :] - np.log(rates)[:, None]).argmin(axis=1)]


def _rule_questions(sweep: pd.DataFrame, suggestions: pd.DataFrame, config: Config) -> Iterator[Question]:
    scores, (best, at_edge) = scores_of(sweep), best_rate(sweep)
    grid = scores.columns.to_numpy(dtype=float)
    for rule in RULES:
        rates = rows_of(suggestions, rule=rule).set_index("repeat")["rate"].reindex(scores.index).dropna()
        near = _nearest(grid, rates.to_numpy(dtype=float)) if len(rates) else np.empty(0)
        pairs = zip(rates.index, near, strict=True)
        yield Question(
            id=f"D2-range-{rule}",
            kind="claim",
            statement=f"The range test's rule '{rule}' finds a rate as good as the best of a sweep.",
            source="Smith 2017, section 3.3; Howard and Gugger 2020",
            arm=_where(config),
            values=np.array([scores.at[repeat, best] - scores.at[repeat, rate] for repeat, rate in pairs]),
            rule=AtMost(REGRET),
            note=f"test metric at the sweep's best rate, {best:g}, less that at the rate nearest to the suggestion; "
            f"{len(scores) - len(rates)} of {len(scores)} tests exploded too early to suggest any",
            at_edge=at_edge,
        )


def _beyond_question(sweep: pd.DataFrame, looks: pd.DataFrame, config: Config) -> Question:
    scores = scores_of(sweep)
    top = rows_of(looks, kind="range").set_index("repeat")["sharpness"]
    half_way = float(sweep["chance"].max() + 1) / 2
    learning = (scores > half_way).mul(scores.columns.to_numpy(dtype=float), axis=1).max(axis=1)
    return Question(
        id="D2-beyond",
        kind="correction",
        statement="Networks learn at rates above 2 / lambda_max of the start: it is no limit of them.",
        source="Lewkowycz et al. 2020; textbook statement: a rate must stay below 2 / lambda_max",
        arm=_where(config),
        values=(learning[learning > 0] * top / edge_product()).dropna().to_numpy(),
        rule=Above(1.0),
        interval="geometric_mean",
        note="largest rate of the sweep that gets more than half-way from chance to 1, over 2 / lambda_max",
    )


def _too_high_question(sweep: pd.DataFrame, config: Config) -> Question:
    scores = scores_of(sweep)
    highest = float(scores.columns.max()) if scores.columns.size else math.nan
    overflowed = int((rows_of(sweep, learning_rate=highest)["status"] == "diverged").sum())
    return Question(
        id="D2-too-high",
        kind="correction",
        statement="Too high a rate learns nothing: the loss overflows, or stays at chance for ever.",
        source="the teaching page: too high a rate makes the loss diverge",
        arm=f"{_where(config)}, rate {highest:g}",
        values=scores[highest].to_numpy(dtype=float) if scores.columns.size else np.empty(0),
        rule=AtMost(float(sweep["chance"].max()) + 0.1),
        note=f"test metric at the highest rate; the loss of {overflowed} of {len(scores)} runs overflowed",
    )


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask what range tests find, and what a sweep says of rates too high."""
    sweep = rows_of(tables["trials"], kind="sweep")
    yield from _rule_questions(sweep, tables["suggestions"], config)
    yield _beyond_question(sweep, tables["sharpness"], config)
    yield _too_high_question(sweep, config)


RANGE = Kind(
    RangeTrial,
    measure,
    lambda trial: 0.1 + 80 * epoch_cost(trial, trial.batch_size),
    ("train_epochs float32", "loss_and_gradient float64"),
)
