"""What the parts of the study share: networks by their widths, and the products that their passes make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nnsim.core.errors import UsageError
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.operation_count import count_products
from nnsim.study.trials import Trial

PAGE_MODEL = "128-256-128-64-1"
BAUR = "Baur and Strassen 1983"
RUMELHART = "Rumelhart, Hinton and Williams 1986"
TEACHING = "teaching pages that say: a backward pass costs one forward pass"
MIDWAY = 1.5  # between one forward pass and two


def widths_of(architecture: str) -> tuple[int, ...]:
    """Return (n_0, ..., n_L) of an architecture such as ``128-256-1``.

    Raises
    ------
    UsageError
        If it is no such text.
    """
    parts = architecture.split("-")
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() and int(part) for part in parts):
        raise UsageError(
            f"an architecture is two or more widths of at least 1 such as '128-256-1', got '{architecture}'"
        )
    return tuple(map(int, parts))


@dataclass(frozen=True, kw_only=True)
class ArchitectureTrial(Trial):
    """A network and the rows of a batch."""

    architecture: str
    batch: int

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths (n_0, ..., n_L)."""
        return widths_of(self.architecture)


def counts(architecture: str, batch: int) -> dict[str, Any]:
    """Return the parameters of a network, and what its passes over a batch make, counted."""
    spec = NetworkSpec(widths_of(architecture), loss="mse")
    found = count_products(spec, batch)
    return {
        "parameters": spec.n_parameters,
        "forward_products": found.forward,
        "backward_products": found.backward,
        "bias_additions": found.bias_additions,
    }


def short_cost(trial: Trial) -> float:
    """Return the expected seconds of what is not timed."""
    return 2e-4
