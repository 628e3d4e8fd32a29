"""The data sets that are known by name: those that ship with scikit-learn, and synthetic tasks."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import distribution
from pathlib import Path

import numpy as np

from nnsim.data import synthetic
from nnsim.data.synthetic import Arrays

_GRID = 2.0**20
_DIGITS = "sklearn/datasets/data/digits.csv.gz"


@dataclass(frozen=True)
class Source:
    """A data set that is known by name.

    Attributes
    ----------
    task : {"classification", "regression"}
        What is to be learnt.
    n_samples : int
        Rows by default: all of a bundled set, or a synthetic one's usual size.
    description : str
        One line for listings.
    make : callable
        ``make(n, key)`` returns (X, y, feature names, class names) with n rows, or with all of them if bundled.
    """

    task: str
    n_samples: int
    description: str
    make: Callable[[int, np.uint64], Arrays]


# Bundled with scikit-learn -------------------------------------------------------------------------------------------


def _bundled(loader: str, n: int, key: np.uint64, **options: bool) -> Arrays:
    """Load all rows, rounded to a grid, so that no last bit of a number hangs on the library's way of reading it."""
    bunch = getattr(importlib.import_module("sklearn.datasets"), loader)(**options)
    X = np.ascontiguousarray(np.round(bunch.data * _GRID) / _GRID)
    feature_names = tuple(map(str, bunch.feature_names))
    if "target_names" not in bunch:
        return X, np.round(bunch.target * _GRID)[:, None] / _GRID, feature_names, ()
    return X, bunch.target.astype(np.int64), feature_names, tuple(map(str, bunch.target_names))


def _digits(n: int, key: np.uint64) -> Arrays:
    """Load the digits, which most studies use, from scikit-learn's own file: its import takes over a second."""
    file = Path(str(distribution("scikit-learn").locate_file(_DIGITS)))
    if not file.is_file():
        return _bundled("load_digits", n, key)
    rows = np.loadtxt(file, delimiter=",")
    feature_names = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))
    return np.ascontiguousarray(rows[:, :-1]), rows[:, -1].astype(np.int64), feature_names, tuple("0123456789")


# The registry --------------------------------------------------------------------------------------------------------


def _classes(n_samples: int, description: str, make: Callable[[int, np.uint64], Arrays]) -> Source:
    return Source("classification", n_samples, description, make)


def _targets(n_samples: int, description: str, make: Callable[[int, np.uint64], Arrays]) -> Source:
    return Source("regression", n_samples, description, make)


DATASETS: dict[str, Source] = {
    "digits": _classes(1797, "8x8 images of handwritten digits, 10 classes", _digits),
    "breast_cancer": _classes(569, "30 measures of cell nuclei, 2 classes", partial(_bundled, "load_breast_cancer")),
    "wine": _classes(178, "13 chemical measures of wines, 3 classes", partial(_bundled, "load_wine")),
    "iris": _classes(150, "4 measures of iris flowers, 3 classes", partial(_bundled, "load_iris")),
    "diabetes": _targets(
        442, "10 raw measures of patients, disease progression", partial(_bundled, "load_diabetes", scaled=False)
    ),
    "moons": _classes(1000, "two interleaving half circles in the plane, noise 0.1", synthetic.moons),
    "circles": _classes(1000, "two concentric circles in the plane, noise 0.05", synthetic.circles),
    "spirals": _classes(1000, "two interleaving spirals of 3/2 turns in the plane, noise 0.02", synthetic.spirals),
    "xor": _classes(1000, "uniform points of a square, classes by quadrant, no noise", synthetic.xor),
    "blobs": _classes(1000, "five Gaussian clouds on a pentagon in the plane, noise 0.8", synthetic.blobs),
    "teacher_student": _targets(
        2000, "random teacher of 20 inputs and 10 tanh units, noise 0.05", synthetic.teacher_student
    ),
    "target_sine": _targets(1000, "sin(2 pi x) on (-1, 1), no noise", synthetic.target_sine),
    "target_square": _targets(1000, "x^2 on (0, 1), no noise", synthetic.target_square),
    "target_step": _targets(1000, "1 where x > 0, else 0, on (-1, 1), no noise", synthetic.target_step),
    "target_abs": _targets(1000, "|x| on (-1, 1), no noise", synthetic.target_abs),
    "target_chirp": _targets(1000, "sin(8 pi x^2) on (0, 1), no noise", synthetic.target_chirp),
    "target_sawtooth": _targets(1000, "four triangular teeth on (0, 1), no noise", synthetic.target_sawtooth),
}
