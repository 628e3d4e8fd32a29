"""Before anything is timed: all contenders train the same, or a time says nothing.

Frameworks round differently. Nearly always that stays in the last digits, but a unit that stands at the kink of a ReLU
may fall to either side, and from then on its network goes a slightly different way. So the first steps are compared
closely, in double precision, where that does not happen, and what will be timed is compared loosely.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from nnsim.benchmarks.peers import Contender
from nnsim.benchmarks.workloads import Runner, Workload

TOLERANCE = 1e-6
"""Largest relative difference between any network's mean losses of an epoch in a brief training.

That is more than rounding, since optimizers differ in small constants: PyTorch adds 1e-6 to the norm that it clips by.
"""

FARTHEST = 0.03
"""The same in the whole training."""

Told = Callable[[str], None]


class Losses(NamedTuple):
    """Mean losses (networks, epochs) of a brief training in double precision and of the whole one."""

    brief: np.ndarray
    whole: np.ndarray


class Difference(NamedTuple):
    """Largest relative difference from nnsim's losses in a brief training in double precision and in the whole one."""

    brief: float
    whole: float

    @property
    def small(self) -> bool:
        """True if it is rounding, by `TOLERANCE` and `FARTHEST`; False if it is NaN."""
        return self.brief <= TOLERANCE and self.whole <= FARTHEST


class Entry(NamedTuple):
    """A contender that is ready on a device for its share of a workload, and how far its losses are from nnsim's."""

    contender: Contender
    device: str
    share: Workload
    run: Runner
    difference: Difference

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
    reference: Losses | None = None
    for contender, device, share in _offers(workload, devices, contenders, told):
        try:
            run, losses = _first_run(contender, device, share)
        except Exception as error:
            if reference is None:  # without nnsim there is nothing to compare with; a peer may break in its own ways
                raise
            told(f"{contender.name} on {device} is left out: {type(error).__name__}: {' '.join(str(error).split())}")
            continue
        reference = losses if reference is None else reference
        entries.append(Entry(contender, device, share, run, difference_of(losses, reference)))
        _tell(entries[-1], told)
    return entries


def difference_of(losses: Losses, reference: Losses) -> Difference:
    """Return how far a contender's losses are from nnsim's; of a population it may have trained the first networks."""
    pairs = zip(losses, reference, strict=True)
    return Difference(*(float(np.abs(its / ours[: len(its)] - 1).max()) for its, ours in pairs))


def _tell(entry: Entry, told: Told) -> None:
    verdict = "agree with" if entry.difference.small else "DIFFER FROM"
    brief, whole = entry.difference
    told(f"{entry.share.name}: the losses of {entry} {verdict} nnsim's: {brief:.1g}, later {whole:.1g}")


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


def _first_run(contender: Contender, device: str, share: Workload) -> tuple[Runner, Losses]:
    """Return what trains `share`, and its losses; a whole training with dropout, whose masks are its own, has none."""
    run, brief = contender.make(share, device), share.brief
    first = _means(brief, contender.make(brief, "cpu" if contender.kind == "any" else device))  # nnsim's is the truth
    return run, Losses(first, first if share.spec.dropout else _means(share, run))


def _means(workload: Workload, run: Runner) -> np.ndarray:
    return run().reshape(workload.networks, workload.recipe.epochs, -1).mean(axis=2)
