"""A CUDA device that is none: it is found, and what it is to train the CPU trains."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence

import pytest

from nnsim import backends
from nnsim.training import Job, Run, train_on_cpu

DEVICE = backends.Device("NVIDIA H100", "9.0", 80 * 2**30)


class Populations:
    """Takes the place of `nnsim.populations.train_population`, and remembers how many jobs it got at a time.

    `train` may be set to what fails.
    """

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.train: Callable[[Sequence[Job]], list[Run]] = lambda jobs: [train_on_cpu(job) for job in jobs]

    def __call__(self, jobs: Sequence[Job]) -> list[Run]:
        self.sizes.append(len(jobs))
        return self.train(jobs)


@pytest.fixture(name="populations")
def fake_populations(monkeypatch: pytest.MonkeyPatch) -> Iterator[Populations]:
    """What trains populations; afterwards no thread that measures is left."""
    module = types.ModuleType("nnsim.populations")
    module.train_population = made = Populations()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nnsim.populations", module)
    yield made
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("worker")]


@pytest.fixture(name="device")
def fake_device(monkeypatch: pytest.MonkeyPatch, populations: Populations) -> Populations:
    """What trains populations on a device that is found."""
    monkeypatch.setattr(backends, "look", lambda: backends.Cuda((DEVICE,), (12, 4), (12, 9)))
    return populations
