"""What the parts of the study share: gates, draws, and how many inputs are on the right side."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nnsim.core.seeding import key
from nnsim.kernels.cpu.draws import fill_normal, fill_uniform
from nnsim.kernels.formulas.philox import DATA, NOISE
from nnsim.probes import threshold_unit
from nnsim.study.trials import Trial

GATES = {"and": (-1, -1, -1, 1), "or": (-1, 1, 1, 1), "xor": threshold_unit.XOR}
"""Labels of the corners (-1, -1), (-1, 1), (1, -1), (1, 1)."""
MINSKY = "Minsky and Papert 1969"
COVER = "Cover 1965, Theorem 1"


@dataclass(frozen=True, kw_only=True)
class PointsTrial(Trial):
    """Points of which a unit has to divide two classes."""

    dimension: int
    points: int


def key_of(trial: Trial, *names: str | int) -> np.uint64:
    """Return the key of a trial's draws."""
    return np.uint64(key(trial.root_seed, trial.kind, *names, trial.repeat))


def normals(number: np.uint64, *shape: int, purpose: int = DATA) -> np.ndarray:
    """Return normal draws."""
    out = np.empty(math.prod(shape))
    fill_normal(out, number, purpose, 0)
    return out.reshape(shape)


def signs(number: np.uint64, n: int) -> np.ndarray:
    """Return random labels, -1 or 1."""
    draws = np.empty(n)
    fill_uniform(draws, number, NOISE, 1)
    return np.where(draws < 0.5, -1.0, 1.0)


def right(X: np.ndarray, y: np.ndarray, weights: np.ndarray) -> int:
    """Return how many inputs a threshold unit has on the right side."""
    return int(np.sum(y * threshold_unit.scores(X, weights) > 0.0))
