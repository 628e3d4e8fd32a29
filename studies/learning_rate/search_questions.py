"""What a sweep says of range tests, of rates too low and too high, and of advice."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from . import settings

if TYPE_CHECKING:
    import pandas as pd

    from nnsim.report.old_questions import Question

REGRET = 0.02  # of accuracy: what a seed's luck is worth on these data


def _scores(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the test metric of each seed (rows) at each rate (columns); what diverged has learnt nothing."""
    scores = runs["test_metric"].where(runs["status"] == "done", runs["chance"].min())
    return runs.assign(score=scores).pivot(index="repeat", columns="learning_rate", values="score").dropna()


def _best(runs: pd.DataFrame) -> tuple[float, bool]:
    """Return the rate that validation chooses, and whether it is at the edge of the grid."""
    from nnsim.report.tuned_arms import ChosenArms

    arms = ChosenArms(runs, ["kind"])
    return arms.rate({}), arms.at_edge({})


def _nearest(grid: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Return the rates of the grid that are nearest, by ratio."""
    return grid[np.abs(np.log(grid)[None, :] - np.log(rates)[:, None]).argmin(axis=1)]


def finder_questions(tables: dict[str, pd.DataFrame], config: dict[str, Any]) -> Iterator[Question]:
    """Ask what range tests find, and what a sweep says of rates too high."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    sweep = rows_of(tables["trials"], kind="sweep")
    scores, (best, at_edge) = _scores(sweep), _best(sweep)
    grid = scores.columns.to_numpy(dtype=float)
    where = f"{network(config)}, {config['data']}, SGD, {config['epochs']} epochs"
    for rule in settings.RULES:
        rates = rows_of(tables["suggestions"], rule=rule).set_index("repeat")["rate"].reindex(scores.index).dropna()
        near = _nearest(grid, rates.to_numpy(dtype=float)) if len(rates) else np.empty(0)
        kept = [
            scores.at[repeat, best] - scores.at[repeat, rate] for repeat, rate in zip(rates.index, near, strict=True)
        ]
        yield Question(
            f"D2-range-{rule}", "claim", f"The range test's rule '{rule}' finds a rate as good as the best of a sweep.",
            "Smith 2017, section 3.3; Howard and Gugger 2020", where, np.array(kept), REGRET, "at_most",
            note=f"test metric at the sweep's best rate, {best:g}, less that at the rate nearest to the suggestion; "
            f"{len(scores) - len(rates)} of {len(scores)} tests exploded too early to suggest any",
            at_edge=at_edge,
        )  # fmt: skip
    top = rows_of(tables["sharpness"], kind="range").set_index("repeat")["sharpness"]
    half_way = float(sweep["chance"].max() + 1) / 2
    learning = (scores > half_way).mul(scores.columns.to_numpy(dtype=float), axis=1).max(axis=1)
    yield Question(
        "D2-beyond", "correction", "Networks learn at rates above 2 / lambda_max of the start: it is no limit of them.",
        "Lewkowycz et al. 2020; textbook statement: a rate must stay below 2 / lambda_max", where,
        (learning[learning > 0] * top / 2).dropna().to_numpy(), 1.0, "above", interval="geometric_mean",
        note="largest rate of the sweep that gets more than half-way from chance to 1, over 2 / lambda_max",
    )  # fmt: skip
    highest = float(grid.max()) if grid.size else math.nan
    overflowed = int((rows_of(sweep, learning_rate=highest)["status"] == "diverged").sum())
    yield Question(
        "D2-too-high", "correction", "Too high a rate learns nothing: the loss overflows, or stays at chance for ever.",
        "the teaching page: too high a rate makes the loss diverge", f"{where}, rate {highest:g}",
        scores[highest].to_numpy(dtype=float) if grid.size else np.empty(0), float(sweep["chance"].max()) + 0.1,
        "at_most", note=f"test metric at the highest rate; the loss of {overflowed} of {len(scores)} runs overflowed",
    )  # fmt: skip


def speed_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask what too low a rate costs in steps."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    runs = rows_of(trials, kind="speed")
    steps = np.log(runs.pivot(index="repeat", columns="learning_rate", values="steps").astype(float))
    medians = steps.fillna(np.inf).median()  # a seed that does not get there ranks last
    fastest = float(medians.idxmin()) if np.isfinite(medians).any() else math.nan
    steps = steps[[rate for rate in steps.columns if rate <= fastest]]
    grid = steps.columns.to_numpy(dtype=float)
    slow = grid[grid <= fastest / 10 * 1.01]
    where = f"{network(config)}, {config['data']}, SGD, validation loss {config['threshold']:g}"
    reached = steps.dropna()
    missed = f"{len(steps) - len(reached)} of {len(steps)} seeds did not get there at every rate below"
    slope = (reached[slow[-1]] - reached[slow[0]]) / math.log(slow[-1] / slow[0]) if len(slow) > 1 else np.empty(0)
    yield Question(
        "D2-slow", "claim", "Well below the fastest rate the number of steps is inversely proportional to the rate.",
        "gradient flow: descent of rate eta follows theta' = -grad L at time eta t", where,
        np.asarray(slope, dtype=float), -1.0, margin=0.05,
        note=f"slope of ln steps against ln rate at rates of at most a tenth of the fastest, {fastest:g}; {missed}",
    )  # fmt: skip
    hundredth = grid[np.isclose(grid, fastest / 100)]
    powers = (reached[hundredth[0]] - reached[fastest]) / math.log(100) if hundredth.size else np.empty(0)
    yield Question(
        "D2-hundred", "correction", "Too low a rate takes 100 times longer only if it is 100 times too low.",
        "the teaching page: too low a rate takes 100 times longer", where, np.asarray(powers, dtype=float), 1.0,
        margin=0.15, note=f"ln of the ratio of steps over ln 100, the fastest rate and a hundredth of it; {missed}",
    )  # fmt: skip


def adamw_questions(trials: pd.DataFrame, config: dict[str, Any]) -> Iterator[Question]:
    """Ask what AdamW at the advised rate falls short of."""
    from nnsim.report.arms import rows_of
    from nnsim.report.old_questions import Question

    for data, (epochs, rule) in product(config["adamw_data"], _budgets(config)):
        runs = rows_of(trials, kind="adamw", data=data, epochs=epochs)
        scores, (best, at_edge) = _scores(runs), _best(runs)
        advised = [rate for rate in scores.columns if math.isclose(rate, settings.ADVISED)]
        kept = scores[best] - scores[advised[0]] if advised else np.empty(0)
        short = rule == "above"
        yield Question(
            f"D2-adamw-{data}-{'short' if short else 'long'}", "correction",
            "In few steps AdamW at 0.001 falls short of what a better rate reaches." if short
            else "Given many steps, AdamW at 0.001 ends within 0.02 of the best rate.",
            "the teaching page: start at 0.001 with AdamW", f"{network(config)}, {data}, {epochs} epochs",
            np.asarray(kept, dtype=float), REGRET, rule,
            note=f"test metric at the best rate, {best:g}, less that at 0.001", at_edge=at_edge,
        )  # fmt: skip


def _budgets(config: dict[str, Any]) -> list[tuple[int, Any]]:
    """Return the shortest and the longest training with AdamW, with the rule for what 0.001 costs there."""
    epochs = sorted(set(config["adamw_epochs"]))
    return [(epochs[0], "above"), (epochs[-1], "at_most")] if len(epochs) > 1 else []


def network(config: dict[str, Any]) -> str:
    """Return what is said of the network in words."""
    return f"relu, {settings.NETWORK['depth']} layers of {config['width']}"
