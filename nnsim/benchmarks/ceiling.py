"""How many multiply-adds a CPU can do: vectors in registers, nothing loaded, nothing stored."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from nnsim.kernels.cpu.simd import VECTOR_BYTES
from nnsim.kernels.cpu_only.ceiling import CHAINS, burn

STEPS = 1_000_000  # some milliseconds
TRIES = 10


@cache
def multiply_adds(dtype: Any, cores: int = 1) -> float:
    """Return the most multiply-adds a second that so many cores do side by side, best of ten."""
    lanes, best = VECTOR_BYTES // np.dtype(dtype).itemsize, np.inf
    burn(dtype(1), 10)
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(TRIES):
            start = time.perf_counter()
            list(pool.map(burn, [dtype(1)] * cores, [STEPS] * cores))
            best = min(best, time.perf_counter() - start)
    return STEPS * CHAINS * lanes * cores / best
