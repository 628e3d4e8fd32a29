"""Before anything is timed: all contenders train the same, or a time says nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from nnsim.benchmarks.peers import Contender
from nnsim.benchmarks.workloads import Runner, Workload

TOLERANCE = 1e-5
"""Largest relative difference between an epoch's mean losses of nnsim and of a peer."""

Told = Callable[[str], None]


class Entry(NamedTuple):
    """A contender that is ready on a device for its share of a workload, and how far its losses are from nnsim's."""

    contender: Contender
    device: str
    share: Workload
    run: Runner
    difference: float

    @property
    def agrees(self) -> bool:
        """Whether it trains the same."""
        return self.difference <= TOLERANCE

    def __str__(self) -> str:
        return f"{self.contender.name} on {self.device}"


def ready(workload: Workload, devices: Sequence[str], contenders: Sequence[Contender], told: Told) -> list[Entry]:
    """Return who can train the workload, each compiled, run once, and its losses compared with those of the first.

    Parameters
    ----------
    workload : Workload
    devices : sequence of {"cpu", "cuda"}
    contenders : sequence of Contender
        nnsim first.
    told : callable
        Takes a line about who is left out and why, and one about each difference.
    """
    entries: list[Entry] = []
    reference: np.ndarray | None = None
    for contender, device, share in _offers(workload, devices, contenders, told):
        try:
            run, losses = _first_run(contender, device, share)
        except Exception as error:
            if reference is None:  # without nnsim there is nothing to compare with; a peer may break in its own ways
                raise
            told(f"{contender.name} on {device} is left out: {type(error).__name__}: {' '.join(str(error).split())}")
            continue
        reference = losses if reference is None else reference
        difference = float(np.max(np.abs(losses / reference[: share.networks] - 1)))
        entries.append(Entry(contender, device, share, run, difference))
        verdict = "agree with" if entries[-1].agrees else "DIFFER FROM"
        told(f"{workload.name}: the losses of {entries[-1]} {verdict} nnsim's, relative difference {difference:.1g}")
    return entries


def _offers(
    workload: Workload, devices: Sequence[str], contenders: Sequence[Contender], told: Told
) -> Iterator[tuple[Contender, str, Workload]]:
    """Yield each contender and device with what it trains of the workload there."""
    for contender in contenders:
        for device in devices:
            share = contender.share(workload, device)
            reason = "" if share is None else contender.finds(device)
            if reason:
                told(f"{contender.name} on {device} is left out: {reason}")
            elif share is not None:
                yield contender, device, share


def _first_run(contender: Contender, device: str, share: Workload) -> tuple[Runner, np.ndarray]:
    """Return what trains `share`, and the mean losses (networks, epochs) without dropout, whose masks are its own."""
    run, plain = contender.make(share, device), share.without_dropout
    losses = run() if plain is share else contender.make(plain, device)()
    return run, losses.reshape(share.networks, share.recipe.epochs, -1).mean(axis=2)
