"""How well a network answers, and when training stops for it: of one batch, one row or one epoch."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.compiling.decorators import scalar

BEST_VALUE, BEST_EPOCH, WAITED = range(3)  # places in the state of early stopping


@scalar
def is_right(logit, target):
    """Tell whether a single output answers rightly: a logit above 0 says class 1."""
    return (logit > 0) == (target > 0.5)


@scalar
def r_squared(squared_errors, total_sum_of_squares):
    """1 - sum (z - y)^2 / sum (y - mean y)^2."""
    return 1.0 - squared_errors / total_sum_of_squares


@scalar
def ranking_score(first, second):
    """Return what ranks a row of two outputs: the logit of class 1 less that of class 0."""
    return np.float64(second) - np.float64(first)


@scalar
def wait_for_better(best, best_epoch, waited, value, epoch, min_delta):
    """Early stopping (Prechelt 1998): return its state after an epoch, and whether the epoch is the best so far.

    The state is the smallest value, its epoch, and the epochs since; an epoch is better by more than `min_delta`.
    """
    if value < best - min_delta:
        return value, np.float64(epoch), 0.0, True
    return best, best_epoch, waited + 1.0, False
