"""Side by side: contenders that train the same are timed in turn, round after round."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import numpy as np

from nnsim.benchmarks import cuda
from nnsim.benchmarks.agreement import Entry, Told, ready
from nnsim.benchmarks.floors import Ceiling, cpu_ceiling, cuda_ceiling, floor_of
from nnsim.benchmarks.peers import NNSIM, PEERS, Contender
from nnsim.benchmarks.process import call_alone
from nnsim.benchmarks.record import Measurement, with_ratios
from nnsim.benchmarks.workloads import Runner, Workload
from nnsim.core.errors import UsageError
from nnsim.core.registry import look_up
from nnsim.experiment.executors.threads import usable_cpus
from nnsim.experiment.results.environment import cpu_model

BACKENDS = {"cpu": ("cpu",), "cuda": ("cuda",), "auto": ("cpu", "cuda")}
ROUNDS = 7

FEWEST_ROUNDS = 3
PATIENCE_SECONDS = 60.0
"""What has been timed so long is not timed again, once it has its fewest rounds."""


def bench(
    workloads: Iterable[Workload],
    backend: str = "auto",
    peers: bool = True,
    rounds: int = ROUNDS,
    told: Told = lambda _: None,
) -> list[Measurement]:
    """Return how long nnsim and its peers take for workloads, each in a process of its own.

    One network is trained on one core, a population on all that this process may use.

    Parameters
    ----------
    workloads : iterable of Workload
    backend : {"cpu", "cuda", "auto"}
        Where: "auto" is the CPU and, where nnsim finds one, the GPU, too.
    peers : bool
        Whether those that are installed are measured beside nnsim.
    rounds : int
        How often each is timed.
    told : callable
        Takes a line about what is going on, and about what is left out and why.

    Raises
    ------
    UsageError
        If there is no such backend, no GPU for "cuda", or nothing that nnsim trains there.
    """
    chosen, contenders = list(workloads), installed(told) if peers else [NNSIM]
    devices = _devices(backend, told)
    if "cpu" not in devices:
        chosen = _populations(chosen, told)
    found: list[Measurement] = []
    for workload in chosen:
        told(f"{workload.name}: {workload.about}" + (f", {workload.networks} networks" if workload.population else ""))
        cores = None if workload.population else 1
        names = [contender.name for contender in contenders]
        found += call_alone(cores, told, measure_by_name, workload, devices, names, rounds)
    return found


def installed(told: Told) -> list[Contender]:
    """Return nnsim and those of its peers whose packages are installed; tells who is left out."""
    missing = {peer.not_installed: peer for peer in PEERS if peer.not_installed}
    for reason, peer in missing.items():
        told(f"{peer.name.split()[0]} is left out: {reason}")
    return [NNSIM, *(peer for peer in PEERS if not peer.not_installed)]


def _devices(backend: str, told: Told) -> tuple[str, ...]:
    devices = look_up(BACKENDS, "backend", backend)
    if backend == "cuda":
        cuda.require()
    elif backend == "auto" and (reason := cuda.missing()):
        told(f"cuda is left out: {reason}")
        return BACKENDS["cpu"]
    return devices


def _populations(workloads: list[Workload], told: Told) -> list[Workload]:
    for workload in workloads:
        if not workload.population:
            told(f"{workload.name} is left out: nnsim trains populations on a GPU, and single networks on the CPU")
    kept = [workload for workload in workloads if workload.population]
    if not kept:
        raise UsageError("backend 'cuda' trains populations: choose W6, W6-adamw or W7, or the backend 'cpu' or 'auto'")
    return kept


def measure_by_name(
    workload: Workload, devices: Sequence[str], names: Sequence[str], rounds: int, told: Told
) -> list[Measurement]:
    """Do what `measure` does, for contenders of some names, which can travel to another process.

    Parameters
    ----------
    workload, devices, rounds, told
        As in `measure`.
    names : sequence of str
        Names of the contenders, nnsim's among them.
    """
    return measure(workload, devices, [it for it in (NNSIM, *PEERS) if it.name in names], rounds, told)


def measure(
    workload: Workload, devices: Sequence[str], contenders: Sequence[Contender], rounds: int, told: Told
) -> list[Measurement]:
    """Compare the losses of contenders on devices, then time those that agree.

    Parameters
    ----------
    workload : Workload
    devices : sequence of {"cpu", "cuda"}
    contenders : sequence of Contender
        nnsim first.
    rounds : int
        How often each is timed; one that is slow is timed less often, see `PATIENCE_SECONDS`.
    told : callable
        Takes a line about what is going on, and about what is left out and why.

    Returns
    -------
    list of Measurement
        One for each contender and device that can train the workload.
    """
    limits = ceilings(devices)
    entries = ready(workload, devices, contenders, told)
    right = [entry for entry in entries if entry.difference.small]
    told(f"{workload.name}: {rounds} rounds of {', '.join(map(str, right))}")
    times = iter(time_in_turn([entry.run for entry in right], rounds))
    return with_ratios(
        [_row(entry, next(times) if entry.difference.small else [math.nan], limits[entry.device]) for entry in entries]
    )


def time_in_turn(runs: Sequence[Runner], rounds: int) -> list[list[float]]:
    """Return the seconds of each run in every round, after one to warm up; each round begins with another run."""
    times: list[list[float]] = [[] for _ in runs]
    for run in runs:
        run()
    for number in range(rounds):
        for turn in range(len(runs)):
            who = (number + turn) % len(runs)
            if len(times[who]) >= FEWEST_ROUNDS and sum(times[who]) > PATIENCE_SECONDS:
                continue
            start = time.perf_counter()
            runs[who]()
            times[who].append(time.perf_counter() - start)
    return times


def ceilings(devices: Sequence[str]) -> dict[str, Ceiling]:
    """Return what each device does at most; the CPU is all that this process may use."""
    makers = {"cpu": lambda: cpu_ceiling(usable_cpus()), "cuda": lambda: cuda_ceiling(cuda.device())}
    return {device: makers[device]() for device in devices}


def _row(entry: Entry, seconds: Sequence[float], ceiling: Ceiling) -> Measurement:
    share, floor = entry.share, floor_of(entry.share, ceiling)
    low, median, high = (np.percentile(seconds, (25, 50, 75)) * 1e6 / (share.networks * share.steps)).tolist()
    return Measurement(
        workload=share.name,
        contender=entry.contender.name,
        device=entry.device,
        networks=share.networks,
        cores=usable_cpus(),
        steps=share.steps,
        rounds=len(seconds) if entry.difference.small else 0,
        microseconds=median,
        spread=high - low,
        ratio=math.nan,
        brief_difference=entry.difference.brief,
        whole_difference=entry.difference.whole,
        agrees=entry.difference.small,
        multiply_adds=floor.multiply_adds,
        bytes=floor.bytes,
        floor=floor.seconds * 1e6,
        floor_share=floor.seconds * 1e6 / median,
        device_name=ceiling.device,
        machine=f"{platform.platform()}, {cpu_model()}",
        version=entry.contender.version,
        nnsim=NNSIM.version,
        python=platform.python_version(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )
