"""The learning-rate range test: raise the rate batch by batch, and see where the loss falls and where it explodes.

References
----------
L. N. Smith, "Cyclical learning rates for training neural networks", WACV 2017. Smoothing, stopping and the four
suggestions are those of fastai 2 (J. Howard and S. Gugger, "fastai: a layered API for deep learning", Information 11
(2020) 108).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nnsim.apps.setup import Problem
from nnsim.apps.target_units import UNSCALED, TargetUnit
from nnsim.core.atomic_files import publish
from nnsim.core.errors import UsageError
from nnsim.core.output_folders import claim_folder, refuse_inputs
from nnsim.kernels.cpu import training as kernels
from nnsim.kernels.formulas.columns import N_HISTORY, TRAIN_LOSS
from nnsim.networks.spec import NetworkSpec
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import Batches, train

SMOOTHING = 0.98
"""Weight of the past in the moving average of the losses."""
EXPLODED = 4.0
"""The test ends where the smoothed loss is so many times its smallest value."""
SKIPPED_LAST = 5
"""Steps at the end that no suggestion looks at: there the loss explodes. Nor does one look at the first tenth."""
FEWEST_STEPS = 20
LEAST_FALL, CHANCE = 0.01, 3.0
"""How far the smoothed loss must fall for a suggestion: by this share, and by so many standard errors of its start."""
SLIDE_WIDTH, SLIDE_SLOPE = 15, 0.005
CALL_STEPS = 10  # between two looks at the loss

TABLE, FIGURE = "lr-find.csv", "lr-find.png"
HEADER = "step,learning_rate,loss,smoothed_loss"


@dataclass(frozen=True)
class Start:
    """A training that is ready to start: what the test needs of a `Problem`."""

    spec: NetworkSpec
    theta: np.ndarray
    batches: Batches
    recipe: Recipe
    key: int
    unit: TargetUnit = UNSCALED


@dataclass(frozen=True)
class RangeTest:
    """Course of a range test, and what it suggests.

    Attributes
    ----------
    rates, losses, smoothed : float64 vectors, one number a step
        Learning rate, loss of the batch, bias-corrected moving average of the losses.
    suggestions : dict of str to float
        Learning rates by `SUGGESTIONS`; empty where the loss exploded too early or did not fall.
    reason : str
        Why there is no suggestion; empty where there are some.
    unit : str
        In what the losses are, in words; empty for classes.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestions: dict[str, float]
    reason: str
    unit: str


def find_learning_rate(problem: Problem | Start, start: float = 1e-7, end: float = 10.0, steps: int = 100) -> RangeTest:
    """Run the test on a problem's network, training rows and optimizer; its learning rate and schedule are not used.

    Every step takes a batch from a shuffle of its own.

    Parameters
    ----------
    problem : Problem or Start
    start, end : float
        First and last learning rate.
    steps : int

    Raises
    ------
    UsageError
        If the rates do not rise from a positive number, or there are fewer than `FEWEST_STEPS` steps.
    """
    if not 0 < start < end < np.inf:
        raise UsageError(f"the learning rates must rise from a positive number, got from {start:g} to {end:g}")
    if steps < FEWEST_STEPS:
        raise UsageError(f"a range test needs at least {FEWEST_STEPS} steps, got {steps}")
    rates = start * (end / start) ** (np.arange(steps) / (steps - 1))
    losses = _losses(problem, rates)
    smoothed = smooth(losses)
    count = _explosion(smoothed)
    rates, losses, smoothed = rates[:count], losses[:count], smoothed[:count]
    skip, unit = steps // 10, problem.unit
    reason = why_none(rates, losses, smoothed, skip)
    suggestions = {} if reason else suggest(rates, smoothed, skip)
    return RangeTest(rates, losses * unit.loss, smoothed * unit.loss, suggestions, reason, unit.words)


def _losses(problem: Problem | Start, rates: np.ndarray) -> np.ndarray:
    """Return the loss of every step, up to some steps behind the explosion: an epoch of the kernel is one step here."""
    whole = replace(problem.recipe, drop_last=True)  # a step takes the first batch of its shuffle, never the last
    run = train(problem.spec, problem.theta, problem.batches, whole, problem.key, until=0)
    params, options = problem.recipe.optimizer_params(problem.spec), problem.recipe.run_options()._replace(patience=0)
    rows = problem.batches
    data = kernels.Data(rows.X, rows.Y, rows.X_validation[:0], rows.Y_validation[:0])
    losses = np.empty(0)
    for first in range(0, len(rates), CALL_STEPS):
        its_rates = rates[first : first + CALL_STEPS]
        history = np.empty((len(its_rates), N_HISTORY))
        done, stopped = kernels.train_epochs(
            problem.spec.architecture,
            run.state,
            params,
            options,
            data,
            its_rates,
            np.uint64(problem.key),
            first,
            history,
        )
        losses = np.concatenate([losses, history[:done, TRAIN_LOSS]])
        if stopped >= 0 or _explosion(smooth(losses)) < len(losses):
            break
    return losses


def smooth(losses: np.ndarray) -> np.ndarray:
    """Return the moving average s_t = b s_{t-1} + (1 - b) loss_t, over 1 - b^t."""
    smoothed, average = np.empty(len(losses)), 0.0
    for step, loss in enumerate(losses):
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        smoothed[step] = average / (1 - SMOOTHING ** (step + 1))
    return smoothed


def _explosion(smoothed: np.ndarray) -> int:
    """Return the number of steps up to and with the first whose smoothed loss is too large."""
    best = np.minimum.accumulate(smoothed) if len(smoothed) else smoothed
    exploded = np.flatnonzero(~(smoothed <= EXPLODED * best))
    return int(exploded[0]) + 1 if exploded.size else len(smoothed)


# Suggestions ---------------------------------------------------------------------------------------------------------


def suggest(rates: np.ndarray, smoothed: np.ndarray, skip: int) -> dict[str, float]:
    """Return the learning rate of every rule of `SUGGESTIONS` by the rule's name.

    Parameters
    ----------
    rates, smoothed : float64 vectors, one number a step
        Learning rate and smoothed loss; at least two steps are left of what is skipped.
    skip : int
        Steps at the start that no rule looks at; nor does one look at the last five.
    """
    rates, smoothed = rates[skip:-SKIPPED_LAST], smoothed[skip:-SKIPPED_LAST]
    return {name: float(rule(rates, smoothed)) for name, rule in SUGGESTIONS.items()}


def why_none(rates: np.ndarray, losses: np.ndarray, smoothed: np.ndarray, skip: int) -> str:
    """Return why a test suggests nothing, "" if it can: it was too short, or its loss fell nowhere, or by chance.

    Parameters
    ----------
    rates, losses, smoothed : float64 vectors, one number a step
        Learning rate, loss of the batch and smoothed loss up to the explosion.
    skip : int
        As in `suggest`.
    """
    kept = smoothed[skip:-SKIPPED_LAST]
    if len(kept) < 2:
        return f"the loss exploded after {len(rates)} steps, so begin lower than {rates[0]:g}"
    fall, where = kept[0] - kept.min(), f"between the rates {rates[0]:.3g} and {rates[-1]:.3g} the smoothed loss"
    if not fall > LEAST_FALL * kept[0]:
        return f"{where} never falls by {LEAST_FALL:.0%}, so try other rates or another initialization"
    if not fall > CHANCE * _deviation(losses) / np.sqrt(skip + 1):
        return f"{where} falls no further than by chance, so take more steps, larger batches or other rates"
    return ""


def _deviation(losses: np.ndarray) -> float:
    """Return the standard deviation of the losses from batch to batch, as if normal; their course hardly counts."""
    return float(np.median(np.abs(np.diff(losses)))) / 0.954  # the median of |a - b| is 0.954 deviations of a and b


def steep(rates: np.ndarray, losses: np.ndarray) -> float:
    """Return the rate at which the loss falls fastest, over log rate."""
    return rates[np.argmin(np.diff(losses) / np.diff(np.log(rates)))]


def minimum(rates: np.ndarray, losses: np.ndarray) -> float:
    """Return a tenth of the rate with the smallest loss."""
    return rates[np.argmin(losses)] / 10


def valley(rates: np.ndarray, losses: np.ndarray) -> float:
    """Return the rate halfway down the longest valley: its longest falling subsequence ends at `end`."""
    lengths = np.ones(len(losses), np.int64)
    for i in range(1, len(losses)):
        before = lengths[:i][losses[:i] > losses[i]]
        lengths[i] = 1 + before.max(initial=0)
    end = int(np.argmax(lengths))
    length = int(lengths[end])
    third = length / 3
    return rates[max(end - length + int(third) + int(third / 2), 0)]


def slide(rates: np.ndarray, losses: np.ndarray) -> float:
    """Return the rate at the left of a window that slides from the right until the slopes at its ends are alike."""
    slopes = np.gradient(losses)
    right, left = len(losses) - 1, len(losses) - 1 - SLIDE_WIDTH
    found = rates[max(left, 0)]
    while left >= 0 and abs(slopes[right] - slopes[left]) > SLIDE_SLOPE:
        found = rates[left]
        right, left = right - 1, left - 1
    return found


SUGGESTIONS = {"steep": steep, "minimum": minimum, "valley": valley, "slide": slide}


def claim_range_test(folder: Path, inputs: Iterable[Path] = ()) -> None:
    """Make `folder` the place of a range test; raises UsageError where it would replace an input, StoreError others."""
    refuse_inputs([folder / TABLE, folder / FIGURE], inputs)
    claim_folder(folder, lambda folder: _begins_as_ours(folder / TABLE))


def _begins_as_ours(table: Path) -> bool:
    try:
        with table.open("rb") as file:
            return file.readline() == f"{HEADER}\n".encode()
    except OSError:
        return False


def write_range_test(test: RangeTest, folder: Path) -> list[Path]:
    """Write ``lr-find.csv`` and ``lr-find.png``; returns the files, raises StoreError where the disk refuses."""
    from nnsim.apps.training_figures import range_test_figure
    from nnsim.report.figures import save

    claim_range_test(folder)
    rows = zip(test.rates.tolist(), test.losses.tolist(), test.smoothed.tolist(), strict=True)
    lines = [HEADER, *(f"{n},{a!r},{b!r},{c!r}" for n, (a, b, c) in enumerate(rows, 1))]
    publish(folder / TABLE, [("\n".join(lines) + "\n").encode()])
    figure = range_test_figure(test.rates, test.losses, test.smoothed, test.suggestions, test.unit)
    return [folder / TABLE, *save(figure, (folder / FIGURE).with_suffix(""))]
