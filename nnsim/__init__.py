"""A laboratory for how multi-layer perceptrons start, learn and fail.

``nnsim.run_study("init")`` runs a study, ``nnsim.load(folder)`` reads its tables.
``nnsim.MLPClassifier`` and ``nnsim.MLPRegressor`` are networks as scikit-learn's tools take them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnsim.estimators import MLPClassifier as MLPClassifier
    from nnsim.estimators import MLPRegressor as MLPRegressor
    from nnsim.experiment.results import load as load
    from nnsim.study_runner import run_study as run_study

    __version__: str

__all__ = ["MLPClassifier", "MLPRegressor", "__version__", "load", "run_study"]

_HOMES = {
    "MLPClassifier": "nnsim.estimators",
    "MLPRegressor": "nnsim.estimators",
    "load": "nnsim.experiment.results",
    "run_study": "nnsim.study_runner",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then, so that ``import nnsim`` costs nothing."""
    if name == "__version__":
        return import_module("importlib.metadata").version("nnsim")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'nnsim' has no attribute '{name}'")
