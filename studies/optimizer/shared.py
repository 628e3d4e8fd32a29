"""The network that the parts of the study train, their data, and their runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnsim.core.seeding import key
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.report.arms import rows_of
from nnsim.study.checks import data_settings
from nnsim.study.network_trials import network_of, steps_of, usual_data
from nnsim.study.parts import Config
from nnsim.study.trials import NetworkTrial, TrainingTrial

if TYPE_CHECKING:
    import pandas as pd

NETWORK = {"scheme": "he_normal", "activation": "relu", "depth": 2}


def data_named(config: Config, data: str) -> dict[str, Any]:
    """Return the settings of one of the data sets."""
    return data_settings(config | {"data": data, "target": ""})


def drawn(trial: NetworkTrial, dtype: str) -> tuple[NetworkSpec, np.ndarray]:
    """Return a trial's network and its initial parameters."""
    spec = network_of(trial, dtype)
    return spec, initialize(spec, trial.scheme, key(trial.root_seed, "init", trial.repeat))


def weights_of(trial: NetworkTrial) -> int:
    """Return about how many weights a trial's network has, by which its cost is estimated."""
    data = usual_data(trial)
    return (data.n_features + data.n_outputs + trial.width * (trial.depth - 1)) * trial.width


def training_cost(trial: TrainingTrial) -> float:
    """Return the expected seconds: multiply-adds and updates at a speed seen on small networks."""
    return 3e-3 + steps_of(trial) * (1e-5 + weights_of(trial) * (2e-9 + 6e-11 * (trial.batch_size or 1)))


def runs_of(trials: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the runs of one kind that trained at some rate."""
    return rows_of(trials, kind=kind).dropna(subset=["learning_rate"])
