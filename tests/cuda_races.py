"""Races between the threads of a block: a script that prints, in Numba's simulator, the lines where each case races.

Between two barriers no thread may touch a number that another one writes. Who touches what does not depend on how the
threads happen to be scheduled, so this finds what equal bits do not show. With "--break" one barrier is missing.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock, current_thread
from typing import Any

import cuda_cases
import numpy as np
from cuda_cases import setting

from nnsim.kernels.cuda import simulator
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec
from nnsim.training import cuda_populations as populations
from nnsim.training import device
from nnsim.training.probe_request import ProbeRequest
from nnsim.training.trainer import Batches, TrainRequest

BLOCK, ROWS = 12, 132
"""Threads, and rows of a batch, more than the 128 lanes of a sum: not every thread adds up what it wrote itself."""

CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cross-entropy": (
        {"normalization": "batch", "dropout": 0.3},
        {"optimizer": "adamw", "weight_decay": 0.01, "clip_norm": 0.05, "epochs": 2},
    ),
    "weighted cross-entropy": (
        {"label_smoothing": 0.1, "loss_weights": (0.5, 1.0, 2.0), "residual": True, "widths": (3, 2, 2, 3)},
        {"optimizer": "momentum", "clip_value": 0.01},
    ),
    "bce": (
        {"loss": "bce", "normalization": "layer", "norm_after": True, "activation": "tanh"},
        {"optimizer": "nesterov", "patience": 1, "epochs": 2},
    ),
    "mse": (
        {"loss": "mse", "normalization": "batch", "norm_after": True, "dropout": 0.2},
        {"optimizer": "rmsprop", "schedule": "plateau:factor=0.5,patience=0", "epochs": 3},
    ),
    "diverges": ({"activation": "identity", "loss": "mse"}, {"learning_rate": 1e30, "epochs": 3}),
}


class Watch:
    """Where threads race: who has written and read each number since its block last waited."""

    def __init__(self) -> None:
        self.lines: set[str] = set()
        self._noting = Lock()
        self._writers: dict[int, tuple[Any, Any]] = {}
        self._readers: dict[int, tuple[Any, set[Any]]] = {}

    def note(self, address: int, writes: bool) -> None:
        thread: Any = current_thread()
        now = thread._manager, thread.barriers
        with self._noting:
            written, writer = self._writers.get(address, (None, thread))
            read, readers = self._readers.get(address, (None, set()))
            others = readers - {thread} if read == now else set()
            if (written == now and writer is not thread) or (writes and others):
                self._found()
            if writes:
                self._writers[address] = now, thread
            else:
                self._readers[address] = now, others | {thread}

    def _found(self) -> None:
        code, line = (frame := sys._getframe(4)).f_code, frame.f_lineno
        self.lines.add(f"{Path(code.co_filename).name}:{line} {code.co_name}")


watch = Watch()


class Watched(np.ndarray):
    """An array whose every number is watched where a block's thread touches it."""

    def _note(self, index: Any, writes: bool) -> None:
        places = index if isinstance(index, tuple) else (index,)
        inside = hasattr(current_thread(), "threadIdx") and len(places) == self.ndim
        if inside and not any(isinstance(place, slice) for place in places):
            offset = sum(int(place) * stride for place, stride in zip(places, self.strides, strict=True))
            watch.note(self.__array_interface__["data"][0] + offset, writes)

    def __getitem__(self, index: Any) -> Any:
        self._note(index, False)
        return super().__getitem__(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._note(index, True)
        super().__setitem__(index, value)


class WatchedNumPy:
    """NumPy, of which the arrays that the simulator makes are watched."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, *arguments: Any) -> np.ndarray:
        return np.empty(*arguments).view(Watched)

    def frombuffer(self, *arguments: Any, **options: Any) -> np.ndarray:
        return np.frombuffer(*arguments, **options).view(Watched)


@contextmanager
def watching() -> Iterator[None]:
    """Let kernels work on watched arrays, and count the barriers that each thread has come to."""
    kernels, api = (importlib.import_module(f"numba.cuda.simulator.{name}") for name in ("kernel", "kernelapi"))
    thread, wait, put = kernels.BlockThread, kernels.BlockThread.syncthreads, device.Device.put

    def waits(self: Any) -> None:
        self.barriers += 1
        wait(self)

    thread.barriers = 0
    with (
        setting(thread, "syncthreads", waits),
        setting(kernels, "FakeWithinKernelCUDAArray", lambda fake: fake._ary.view(Watched)),
        setting(device.Device, "put", lambda self, array, stream=0: put(self, array, stream).view(Watched)),
        setting(api, "np", WatchedNumPy()),
        setting(simulator, "np", WatchedNumPy()),
        setting(populations, "threads_of_block", lambda *_: BLOCK),
    ):
        yield


def data(spec: NetworkSpec, rows: int) -> Batches:
    with setting(cuda_cases, "ROWS", rows):
        return cuda_cases.data_of(spec)


def job_of(name: str, rows: int) -> TrainRequest:
    """Return a job whose only batch has so many rows."""
    settings, course = CASES[name]
    spec = cuda_cases.spec_of({"widths": (3, 2, 3), **settings})
    batches, recipe = data(spec, rows), replace(cuda_cases.SHORT, **{"batch_size": rows, **course})
    theta = initialize(spec, "he_normal", 10, batches.X).astype(spec.numpy_dtype)
    return TrainRequest(spec, theta, batches, recipe, 20, recipe.epochs, False)


def train(name: str, rows: int = ROWS) -> None:
    populations.train_population([job_of(name, rows)])


def rank() -> None:
    """Train with the area under the ROC curve."""
    job = cuda_cases.ranked_job("bce", 1)
    looks = {name: np.tile(getattr(job.data, name), (ROWS // 5, 1)) for name in ("X_validation", "Y_validation")}
    recipe = replace(job.recipe, batch_size=len(job.data.X))
    populations.train_population([replace(job, data=replace(job.data, **looks), recipe=recipe)])


def look(name: str) -> None:
    job = job_of(name, ROWS)
    seen = ProbeRequest(job.spec, job.theta, job.data.X, job.data.Y, job.data.X[:0])
    populations.probe_population([seen, replace(seen, signal=job.data.X[:, :3].copy())])


def stream(name: str) -> None:
    """Train and look at a network that does not fit into shared memory."""
    device = populations.current_device()
    device.shared_bytes = 0
    with setting(populations, "current_device", lambda: device):
        train(name, 20)
        look(name)


TASKS: dict[str, Callable[[], None]] = {
    **{name: partial(train, name) for name in CASES},
    "area under the curve": rank,
    **{f"probes of {name}": partial(look, name) for name in ("cross-entropy", "mse")},
    **{f"{name}, streaming": partial(stream, name) for name in ("cross-entropy", "weighted cross-entropy")},
}


def main(broken: bool) -> None:
    sys.setswitchinterval(1e-5)  # the simulator waits for its threads without pause
    if broken:
        from nnsim.kernels.cuda import gemm

        gemm.barrier = lambda: None
    found = {}
    with watching():
        for name in ["mse"] if broken else TASKS:
            watch.lines.clear()
            TASKS[name]()
            found[name] = sorted(watch.lines)
    print(json.dumps(found))


if __name__ == "__main__":
    main("--break" in sys.argv)
