"""The time under which no program can train: multiply-adds and bytes of a step, and what a device does of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnsim.benchmarks.ceiling import multiply_adds
from nnsim.benchmarks.workloads import Workload
from nnsim.experiment.results.environment import cpu_model
from nnsim.probes.operation_count import count_products

LANES, NARROW_LANES = 128, 64
NARROW = frozenset({(6, 0), (7, 0), (7, 2), (7, 5), (8, 0)})
"""Compute capabilities whose multiprocessors start 64 float32 multiply-adds a clock, not 128."""


@dataclass(frozen=True)
class Ceiling:
    """What a device does at most.

    Attributes
    ----------
    device : str
        Its name.
    multiply_adds : float
        In float32, a second.
    bandwidth : float
        Bytes a second to and from its memory; infinite where the memory sets no limit that is known.
    on_chip : float
        Bytes that a network may keep beside the arithmetic from one step to the next.
    """

    device: str
    multiply_adds: float
    bandwidth: float = math.inf
    on_chip: float = math.inf


@dataclass(frozen=True)
class Floor:
    """What one step of one network needs, and the seconds below which it cannot take."""

    multiply_adds: int
    bytes: int
    seconds: float


def floor_of(workload: Workload, ceiling: Ceiling) -> Floor:
    """Return the floor of a network's step: it takes as long as the longer of its arithmetic and its traffic."""
    products = count_products(workload.spec, workload.recipe.batch_size)
    operations = products.forward + products.backward
    traffic = bytes_of(workload, ceiling.on_chip)
    seconds = max(operations / ceiling.multiply_adds, traffic / ceiling.bandwidth)
    return Floor(operations, traffic, seconds)


def bytes_of(workload: Workload, on_chip: float) -> int:
    """Return the bytes that a step must move: its rows, and what it keeps twice unless that fits on the chip."""
    spec, entry = workload.spec, workload.recipe.entry
    number = np.dtype(spec.numpy_dtype).itemsize
    rows = number * workload.recipe.batch_size * (spec.widths[0] + workload.data.Y.shape[1])
    state = number * spec.n_parameters * (1 + entry.first + entry.second)
    return rows if state <= on_chip else rows + 2 * state


def cpu_ceiling(cores: int) -> Ceiling:
    """Return what so many cores of this CPU do, measured; the traffic with its memory is not limited."""
    return Ceiling(cpu_model(), multiply_adds(np.float32, cores))


def cuda_ceiling(device: Any) -> Ceiling:
    """Return what a GPU does by the attributes that its driver tells; `device` is one of `numba.cuda`.

    Clocks are in kHz, the bus width in bits, and memory moves data twice a clock.
    """
    if not hasattr(device, "MULTIPROCESSOR_COUNT"):  # Numba's simulator, which has no speed to speak of
        return Ceiling("simulator", math.nan)
    lanes = NARROW_LANES if tuple(device.compute_capability) in NARROW else LANES
    name = device.name.decode() if isinstance(device.name, bytes) else device.name
    return Ceiling(
        device=name,
        multiply_adds=device.MULTIPROCESSOR_COUNT * lanes * device.CLOCK_RATE * 1e3,
        bandwidth=2 * device.MEMORY_CLOCK_RATE * 1e3 * device.GLOBAL_MEMORY_BUS_WIDTH / 8,
        on_chip=device.MAX_SHARED_MEMORY_PER_MULTIPROCESSOR,
    )
