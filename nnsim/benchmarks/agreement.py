"""Before anything is timed: all contenders train the same, or a time says nothing.

Frameworks round differently. Nearly always that stays in the last digits, but a unit that stands at the kink of a ReLU
may fall to either side, and from then on its network goes a slightly different way. It happens to a few networks of a
population, to the more the longer it trains: so most must agree closely, and all must stay near.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from nnsim.benchmarks.peers import Contender
from nnsim.benchmarks.workloads import Runner, Workload

TOLERANCE, MOST = 1e-5, 0.75
"""Largest relative difference between mean losses of an epoch, and the share of the networks that must keep it."""

FARTHEST = 1e-2
"""Largest relative difference of any network."""

Told = Callable[[str], None]


class Difference(NamedTuple):
    """Largest relative difference from nnsim's mean losses of the epochs: of most networks, and of any."""

    most: float
    farthest: float

    @property
    def small(self) -> bool:
        """Whether it is rounding; not if it is NaN."""
        return self.most <= TOLERANCE and self.farthest <= FARTHEST


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
        entries.append(Entry(contender, device, share, run, difference_of(losses, reference[: share.networks])))
        _tell(entries[-1], told)
    return entries


def difference_of(losses: np.ndarray, reference: np.ndarray) -> Difference:
    """Return how far mean losses (networks, epochs) are from others."""
    networks = np.abs(losses / reference - 1).max(axis=1)
    return Difference(float(np.quantile(networks, MOST, method="inverted_cdf")), float(networks.max()))


def _tell(entry: Entry, told: Told) -> None:
    verdict = "agree with" if entry.difference.small else "DIFFER FROM"
    most, farthest = entry.difference
    sizes = f"{most:.1g}" if entry.share.networks == 1 else f"{most:.1g} for most networks, at most {farthest:.1g}"
    told(f"{entry.share.name}: the losses of {entry} {verdict} nnsim's, relative difference {sizes}")


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
