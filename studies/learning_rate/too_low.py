"""What too low a rate costs in steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnsim.report.arms import rows_of
from nnsim.report.questions import Question, Within
from nnsim.study.network_trials import recipe_of
from nnsim.study.parts import Config, Kind, Measured
from nnsim.training.steps_to_loss import train_until

from .shared import OptimizedTrial, became, epoch_cost, settings_of, start_of, words_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class SpeedTrial(OptimizedTrial):
    """A training that ends at a threshold of the validation loss."""

    threshold: float


def trials(config: Config, repeat: int) -> Iterator[SpeedTrial]:
    """Yield a seed's trainings whose steps are counted."""
    shared = {**settings_of(config), "optimizer": "sgd", "data": config["data"], "repeat": repeat}
    shared |= {"epochs": config["speed_epochs"], "threshold": config["threshold"]}
    for rate in config["speed_rate"]:
        yield SpeedTrial(kind="speed", learning_rate=rate, **shared)


def measure(trial: SpeedTrial) -> Measured:
    """Count the steps to the threshold."""
    start = start_of(trial, "float32", recipe_of(trial))
    run, steps = train_until(start.spec, start.theta, start.batches, start.recipe, start.key, trial.threshold)
    return {"trials": [{"parameters": start.spec.n_parameters, "steps": steps, **became(run)}]}


def cost(trial: SpeedTrial) -> float:
    """Return the expected seconds: fast rates are done early."""
    return 1e-3 + epoch_cost(trial, trial.batch_size) * min(trial.epochs, 3 / trial.learning_rate)


def questions(tables: dict[str, pd.DataFrame], config: Config) -> Iterator[Question]:
    """Ask how the number of steps goes with the rate, up to the fastest."""
    runs = rows_of(tables["trials"], kind="speed")
    steps = np.log(runs.pivot(index="repeat", columns="learning_rate", values="steps").astype(float))
    medians = steps.fillna(np.inf).median()  # a seed that does not get there ranks last
    fastest = float(medians.idxmin()) if np.isfinite(medians).any() else math.nan
    steps = steps[[rate for rate in steps.columns if rate <= fastest]]
    reached = steps.dropna()
    missed = f"{len(steps) - len(reached)} of {len(steps)} seeds did not get there at every rate below"
    where = f"{words_of(config)}, {config['data']}, SGD, validation loss {config['threshold']:g}"
    yield Question(
        id="D2-slow",
        kind="claim",
        statement="Well below the fastest rate the number of steps is inversely proportional to the rate.",
        source="gradient flow: descent of rate eta follows theta' = -grad L at time eta t",
        arm=where,
        values=_slopes(reached, fastest),
        rule=Within(-1.0, 0.05),
        note=f"slope of ln steps against ln rate at rates of at most a tenth of the fastest, {fastest:g}; {missed}",
    )
    yield Question(
        id="D2-hundred",
        kind="correction",
        statement="Too low a rate takes 100 times longer only if it is 100 times too low.",
        source="the teaching page: too low a rate takes 100 times longer",
        arm=where,
        values=_powers(reached, fastest),
        rule=Within(1.0, 0.15),
        note=f"ln of the ratio of steps over ln 100, the fastest rate and a hundredth of it; {missed}",
    )


def _slopes(reached: pd.DataFrame, fastest: float) -> np.ndarray:
    """Slope of ln steps against ln rate of each seed, between the ends of the slow part of the grid."""
    grid = reached.columns.to_numpy(dtype=float)
    slow = grid[grid <= fastest / 10 * 1.01]
    if len(slow) < 2:
        return np.empty(0)
    return ((reached[slow[-1]] - reached[slow[0]]) / math.log(slow[-1] / slow[0])).to_numpy(dtype=float)


def _powers(reached: pd.DataFrame, fastest: float) -> np.ndarray:
    """Power of 1 / rate that the steps go with in each seed, between the fastest rate and a hundredth of it."""
    grid = reached.columns.to_numpy(dtype=float)
    hundredth = grid[np.isclose(grid, fastest / 100)]
    if not hundredth.size:
        return np.empty(0)
    return ((reached[hundredth[0]] - reached[fastest]) / math.log(100)).to_numpy(dtype=float)


SPEED = Kind(SpeedTrial, measure, cost, ("train_epochs float32",))
