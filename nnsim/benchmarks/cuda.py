"""nnsim's own GPU side, the only place that knows of it: whether there is a device, what it is, training on it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from nnsim.benchmarks.workloads import Runner, Workload
from nnsim.core.errors import NnsimError
from nnsim.training.backend import choose


def require() -> None:
    """Raise UsageError, which says what is missing, unless there is a GPU that nnsim can train on."""
    choose("cuda")


def missing() -> str:
    """Return why nnsim cannot train on a GPU here, or nothing."""
    try:
        require()
    except NnsimError as error:
        return str(error)
    return ""


def device() -> Any:
    """Return the device that numba works on."""
    return import_module("numba.cuda").get_current_device()


def train(workload: Workload) -> Runner:
    """Return what trains the networks of a population on the GPU."""
    train_population, jobs = import_module("nnsim.training.cuda_populations").train_population, workload.jobs()
    return lambda: np.stack([run.history[:, 0] for run in train_population(jobs)])
