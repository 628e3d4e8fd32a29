"""Shuffles: the permutation of `nnsim.kernels.cpu.draws`."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.cuda.decorators import barrier, cast_like, device
from nnsim.kernels.cuda.threads import thread, thread_range
from nnsim.kernels.formulas.philox import draw, partner


@device
def _partner_of(key, purpose, step, i):
    w0, w1, w2, w3 = draw(key, purpose, step, i // 4)
    place = i % 4
    return partner(w0 if place == 0 else (w1 if place == 1 else (w2 if place == 2 else w3)), i)


@device
def permute(memory, order, n, partners, room, key, purpose, step):
    """Write a uniform permutation of 0 ... n - 1 from place `order`, as numbers of the memory's precision.

    All threads draw the partners, `room` at a time, to the place `partners`; one thread exchanges.
    """
    for i in thread_range(0, n):
        memory[order + i] = cast_like(memory, i)
    for start in range(0, n, room):
        count = min(room, n - start)
        for i in thread_range(0, count):
            memory[partners + i] = cast_like(memory, _partner_of(key, purpose, step, start + i))
        barrier()
        if thread() == 0:
            for i in range(max(1 - start, 0), count):
                j = np.int64(memory[partners + i])
                moved = memory[order + start + i]
                memory[order + start + i] = memory[order + j]
                memory[order + j] = moved
        barrier()
