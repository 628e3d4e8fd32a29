"""A CUDA device that is none: it is found, and what it is to train the CPU trains."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from nnsim.probes.layers import probe_on_cpu
from nnsim.training import backend
from nnsim.training.probe_request import ProbeRequest
from nnsim.training.trainer import Run, TrainRequest, train_on_cpu

DEVICE = backend.Device("NVIDIA H100", "9.0", 80 * 2**30)


class Populations:
    """Takes the place of `nnsim.training.cuda_populations`, and remembers how many jobs it got at a time.

    `train` may be set to what fails.
    """

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.train: Callable[[Sequence[TrainRequest]], list[Run]] = lambda jobs: [train_on_cpu(job) for job in jobs]

    def train_population(self, jobs: Sequence[TrainRequest]) -> list[Run]:
        self.sizes.append(len(jobs))
        return self.train(jobs)

    def serve(self, wishes: Sequence[TrainRequest | ProbeRequest]) -> list[Run | np.ndarray]:
        jobs = [wish for wish in wishes if isinstance(wish, TrainRequest)]
        runs = iter(self.train_population(jobs) if jobs else [])
        return [next(runs) if isinstance(wish, TrainRequest) else probe_on_cpu(wish) for wish in wishes]


@pytest.fixture(name="populations")
def fake_populations(monkeypatch: pytest.MonkeyPatch) -> Iterator[Populations]:
    """What trains populations; afterwards no thread that measures is left."""
    module = types.ModuleType("nnsim.training.cuda_populations")
    made = Populations()
    vars(module).update(train_population=made.train_population, serve=made.serve)
    monkeypatch.setitem(sys.modules, "nnsim.training.cuda_populations", module)
    yield made
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("worker")]


@pytest.fixture(name="device")
def fake_device(monkeypatch: pytest.MonkeyPatch, populations: Populations) -> Populations:
    """What trains populations on a device that is found."""
    monkeypatch.setattr(backend, "look", lambda: backend.Cuda((DEVICE,), (12, 4), (12, 9)))
    return populations
