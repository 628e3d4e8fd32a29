"""Whether a network fits into memory, known before anything is allocated."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

from nnsim.core.errors import MemoryShortageError
from nnsim.networks.spec import NetworkSpec

try:
    import resource
except ImportError:  # not a POSIX system
    resource = None  # type: ignore[assignment]

CONTROL_GROUP = Path("/sys/fs/cgroup/memory.max")
"""What a container may use, where the system says so."""


def check_memory(spec: NetworkSpec, vectors: int = 1) -> None:
    """Raise MemoryShortageError where `vectors` vectors as long as the parameters are more than this process can have.

    Parameters
    ----------
    spec : NetworkSpec
    vectors : int
        1 for a network alone; training needs a gradient and the optimizer's moments, too.
    """
    needed = vectors * spec.n_parameters * spec.numpy_dtype().itemsize
    there = memory_limit()
    if needed > there:
        raise MemoryShortageError(
            f"a network of {spec.n_parameters:,} parameters takes at least {_gibibytes(needed)} of memory, and there "
            f"are {_gibibytes(there)}: make its hidden layers narrower"
        )


def memory_limit() -> float:
    """Return the bytes that this process can have at most: of the machine, its container and its limits."""
    limits = [math.inf]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if resource is not None:
        limits += [limit for limit in resource.getrlimit(resource.RLIMIT_AS) if limit != resource.RLIM_INFINITY]
    with suppress(OSError, ValueError):  # no such group, or "max"
        limits.append(float(CONTROL_GROUP.read_text()))
    return min(limits)


def _gibibytes(size: float) -> str:
    return f"{size / 2**30:,.1f} GiB"
