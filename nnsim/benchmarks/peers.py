"""Who is timed: nnsim and its peers, each with what it needs to be there and how it is made ready for a workload."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from nnsim.benchmarks import cuda
from nnsim.benchmarks.workloads import Runner, Workload
from nnsim.experiment.executors.threads import usable_cpus
from nnsim.experiment.results.environment import version_of
from nnsim.training.lane_populations import train_population

INSTALL = "pip install 'nnsim[bench]'"


@dataclass(frozen=True)
class Contender:
    """A program that trains workloads.

    Attributes
    ----------
    name : str
    packages : tuple of str
        What must be installed; the first one's version is told.
    make : callable
        From a workload and "cpu" or "cuda" to what trains it there, compiled and with its data in place.
    finds : callable
        From "cpu" or "cuda" to why it cannot compute there, or nothing.
    devices : tuple of str
        Where it is offered.
    kind : {"any", "single", "population"}
        Whether it trains every workload, one network at a time, or populations at once.
    """

    name: str
    packages: tuple[str, ...]
    make: Callable[[Workload, str], Runner]
    finds: Callable[[str], str]
    devices: tuple[str, ...] = ("cpu", "cuda")
    kind: str = "any"

    @property
    def version(self) -> str:
        """Of its first package."""
        return version_of(self.packages[0]) or ""

    @property
    def not_installed(self) -> str:
        """Which packages are missing and how to get them, or nothing."""
        names = ", ".join(name for name in self.packages if find_spec(name) is None)
        return f"{names} not installed: {INSTALL}" if names else ""

    def share(self, workload: Workload, device: str) -> Workload | None:
        """Return what it trains of a workload: all, its first network, or nothing."""
        if device not in self.devices:
            return None
        if self.kind == "single":
            return workload.single
        needs_population = self.kind == "population" or device == "cuda"  # nnsim trains populations there
        return workload if workload.population or not needs_population else None


def _lazily(module: str, name: str) -> Any:
    """Return a function of a module here that is imported when it is first called."""
    return lambda *arguments: getattr(import_module(f"nnsim.benchmarks.{module}"), name)(*arguments)


def _nnsim(workload: Workload, device: str) -> Runner:
    if device == "cuda":
        return cuda.train(workload)
    jobs, threads = workload.jobs(), usable_cpus() if workload.population else 1
    return lambda: np.stack([run.history[:, 0] for run in train_population(jobs, threads)])


NNSIM = Contender("nnsim", ("nnsim",), _nnsim, lambda device: cuda.missing() if device == "cuda" else "")


def _peer(package: str, needs: tuple[str, ...], function: str, kind: str, *devices: str) -> Contender:
    module = f"{package}_peers"
    return Contender(
        f"{package} {function}", needs, _lazily(module, function), _lazily(module, "missing"), devices, kind
    )


PEERS = (
    _peer("torch", ("torch",), "eager", "single", "cpu", "cuda"),
    _peer("torch", ("torch",), "vmap", "population", "cpu", "cuda"),
    _peer("torch", ("torch",), "graph", "population", "cuda"),
    _peer("jax", ("jax", "optax"), "scan", "single", "cpu", "cuda"),
    _peer("jax", ("jax", "optax"), "vmap", "population", "cpu", "cuda"),
)
