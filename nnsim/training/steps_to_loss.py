"""How fast a training is: the steps that it takes to a given validation loss."""

from __future__ import annotations

import numpy as np

from nnsim.networks.spec import NetworkSpec
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import COLUMNS, Batches, Run, train

STRETCH = 10  # epochs between two looks at the loss


def steps_to(losses: np.ndarray, threshold: float, steps: int) -> float | None:
    """Return the steps until the loss is at most `threshold`, on the straight line between two epochs.

    Parameters
    ----------
    losses : vector
        Loss after each epoch; before the first one nothing is known of it, so that it counts as a whole one.
    threshold : float
    steps : int
        Steps of an epoch.

    Returns
    -------
    float, or None where the threshold is never met
    """
    below = np.flatnonzero(losses <= threshold)
    if not below.size:
        return None
    last = int(below[0])
    if last == 0:
        return float(steps)
    before, after = float(losses[last - 1]), float(losses[last])
    return steps * (last + (before - threshold) / (before - after))


def train_until(
    spec: NetworkSpec, theta: np.ndarray, data: Batches, recipe: Recipe, key: int, threshold: float
) -> tuple[Run, float | None]:
    """Train until the validation loss is at most `threshold`, for as many epochs as the recipe has at most.

    The loss is looked at every `STRETCH` epochs, so that the run may go on for some beyond the threshold.

    Parameters
    ----------
    spec : NetworkSpec
    theta : vector (spec.n_parameters,)
    data : Batches
        With validation rows.
    recipe : Recipe
    key : int
        64-bit key of the shuffles and of dropout.
    threshold : float
        In the units of the loss.

    Returns
    -------
    run : Run
    steps : float, or None
        As `steps_to` counts them; None where the run diverged or never got there.

    Raises
    ------
    UsageError
        As `train` does.
    """
    start: np.ndarray | Run = theta
    for until in (*range(STRETCH, recipe.epochs, STRETCH), recipe.epochs):
        start = run = train(spec, start, data, recipe, key, until=until)
        losses = run.history[:, COLUMNS.index("validation_loss")]
        if run.status == "diverged" or (losses <= threshold).any():
            break
    met = None if run.status == "diverged" else steps_to(losses, threshold, recipe.steps(len(data.X)))
    return run, met
