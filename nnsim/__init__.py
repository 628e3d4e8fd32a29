"""A laboratory for how multi-layer perceptrons start, learn and fail.

Studies: ``nnsim.run_study("init")`` runs one, ``nnsim.run_all()`` all; ``nnsim.load(folder)`` reads the tables of one.

One network: `NetworkSpec` says what it is, `Recipe` how to train it; `initialize` draws its parameters, `train` trains,
`evaluate` scores, `probe` looks inside. `load_data`, `split` and `batches` bring data into their form.

In one call, ``nnsim.run_training(nnsim.Settings(data="my.csv", target="label"))`` is the command ``nnsim train``, and
``nnsim.load_model(path).predict(X)`` answers with the model that it wrote.
``nnsim.MLPClassifier`` and ``nnsim.MLPRegressor`` are networks as scikit-learn's tools take them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nnsim.core.moved import put_up

if TYPE_CHECKING:
    from nnsim.apps.model_file import Model as Model
    from nnsim.apps.model_file import load_model as load_model
    from nnsim.apps.settings import Settings as Settings
    from nnsim.apps.sklearn import MLPClassifier as MLPClassifier
    from nnsim.apps.sklearn import MLPRegressor as MLPRegressor
    from nnsim.apps.train import run_training as run_training
    from nnsim.data.datasets import load as load_data
    from nnsim.data.datasets import split as split
    from nnsim.experiment.results.tables import load as load
    from nnsim.networks.initializers import initialize as initialize
    from nnsim.networks.spec import NetworkSpec as NetworkSpec
    from nnsim.probes.layers import probe as probe
    from nnsim.runs.run import run_study as run_study
    from nnsim.runs.suite import run_all as run_all
    from nnsim.training.recipe import Recipe as Recipe
    from nnsim.training.trainer import batches as batches
    from nnsim.training.trainer import evaluate as evaluate
    from nnsim.training.trainer import train as train

    __version__: str

_HOMES = {
    "MLPClassifier": ("nnsim.apps.sklearn", "MLPClassifier"),
    "MLPRegressor": ("nnsim.apps.sklearn", "MLPRegressor"),
    "Model": ("nnsim.apps.model_file", "Model"),
    "NetworkSpec": ("nnsim.networks.spec", "NetworkSpec"),
    "Recipe": ("nnsim.training.recipe", "Recipe"),
    "Settings": ("nnsim.apps.settings", "Settings"),
    "batches": ("nnsim.training.trainer", "batches"),
    "evaluate": ("nnsim.training.trainer", "evaluate"),
    "initialize": ("nnsim.networks.initializers", "initialize"),
    "load": ("nnsim.experiment.results.tables", "load"),
    "load_data": ("nnsim.data.datasets", "load"),
    "load_model": ("nnsim.apps.model_file", "load_model"),
    "probe": ("nnsim.probes.layers", "probe"),
    "run_all": ("nnsim.runs.suite", "run_all"),
    "run_study": ("nnsim.runs.run", "run_study"),
    "run_training": ("nnsim.apps.train", "run_training"),
    "split": ("nnsim.data.datasets", "split"),
    "train": ("nnsim.training.trainer", "train"),
}

__all__ = [
    "MLPClassifier",
    "MLPRegressor",
    "Model",
    "NetworkSpec",
    "Recipe",
    "Settings",
    "__version__",
    "batches",
    "evaluate",
    "initialize",
    "load",
    "load_data",
    "load_model",
    "probe",
    "run_all",
    "run_study",
    "run_training",
    "split",
    "train",
]


put_up()


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return __all__


def __getattr__(name: str) -> Any:
    """Import what is asked for only then, so that ``import nnsim`` costs nothing."""
    if name == "__version__":
        return import_module("importlib.metadata").version("nnsim")
    if name in _HOMES:
        module, attribute = _HOMES[name]
        return getattr(import_module(module), attribute)
    raise AttributeError(f"module 'nnsim' has no attribute '{name}'")
