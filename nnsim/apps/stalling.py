"""Training that ends when the training loss stalls, as scikit-learn's networks do."""

from __future__ import annotations

import math

import numpy as np

from nnsim.networks.spec import NetworkSpec
from nnsim.training.recipe import Recipe
from nnsim.training.trainer import COLUMNS, Batches, Run, train


def epochs_without_gain(losses: np.ndarray, tol: float) -> int:
    """Count the epochs since the loss last fell by more than `tol` below the best before."""
    best, waited = math.inf, 0
    for loss in losses:
        best, waited = (loss, 0) if loss < best - tol else (best, waited + 1)
    return waited


def train_until_stalled(
    spec: NetworkSpec, start: np.ndarray | Run, data: Batches, recipe: Recipe, key: int, tol: float, patience: int
) -> Run:
    """Train until the training loss has not fallen by more than `tol` for `patience` epochs, or the recipe is through.

    Parameters
    ----------
    spec : NetworkSpec
    start : vector (spec.n_parameters,), or Run
        Initial parameters, or the run to go on from.
    data : Batches
    recipe : Recipe
        Its ``epochs`` are the most that are trained.
    key : int
        64-bit key of the shuffles and of dropout.
    tol : float
        Fall of the loss, as it is trained with, that must be exceeded to count as a gain.
    patience : int
        Epochs without such a gain that end the training, at least 1.

    Returns
    -------
    Run
        Of all epochs up to the one that ended the training.

    Raises
    ------
    UsageError
        As `nnsim.training.trainer.train`.
    """
    until = patience
    while True:  # each call ends with the first epoch in which that can be so
        run = train(spec, start, data, recipe, key, until=until)
        waited = epochs_without_gain(run.history[:, COLUMNS.index("train_loss")], tol)
        if run.status == "diverged" or waited >= patience or until >= recipe.epochs:
            return run
        start, until = run, len(run.history) + patience - waited
