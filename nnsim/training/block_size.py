"""How many threads of a GPU train one network: as many as have work, so that a multiprocessor is full of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from nnsim.kernels.cuda.gemm import SIDE

REGISTERS_UNIT = 256
"""Registers are handed out to warps in multiples of so many."""


class Limits(NamedTuple):
    """What a GPU has.

    It has so many multiprocessors, ``processors``, and each has ``registers`` and ``shared_bytes`` for up to ``blocks``
    blocks, of at most ``threads`` threads in warps of ``warp``; ``reserved_bytes`` of every block's memory are lost.
    """

    processors: int
    registers: int
    shared_bytes: int
    blocks: int
    threads: int
    warp: int
    reserved_bytes: int


def side_by_side(threads: int, registers: int, shared_bytes: int, limits: Limits) -> int:
    """Return how many blocks a multiprocessor works on at one time.

    Parameters
    ----------
    threads : int
        Of a block, a multiple of the warp.
    registers : int
        Of a thread.
    shared_bytes : int
        Of a block.
    limits : Limits
    """
    units = -(-registers * limits.warp // REGISTERS_UNIT)
    warps = limits.registers // (units * REGISTERS_UNIT)
    return min(
        warps * limits.warp // threads, limits.shared_bytes // (shared_bytes + limits.reserved_bytes), limits.blocks
    )


def threads_of_block(
    widths: Sequence[int], rows: int, networks: int, registers: int, shared_bytes: int, limits: Limits
) -> int:
    """Return the number of threads of a block with which the most threads have work at one time.

    A thread has work where the network's largest product has a tile of sums for it. Of two sizes that are as good the
    smaller one is returned: its threads wait less for each other.

    Parameters
    ----------
    widths : sequence of int
        Of the network.
    rows : int
        Of a batch.
    networks : int
        That are launched together.
    registers : int
        Of a thread.
    shared_bytes : int
        Of a block.
    limits : Limits

    Returns
    -------
    int
        A warp, or that times a power of two.
    """
    sizes, tiles = [limits.warp], _most_tiles(widths, rows)
    while sizes[-1] < tiles and 2 * sizes[-1] <= limits.threads:
        sizes.append(2 * sizes[-1])
    for_each = -(-networks // limits.processors)
    return max(
        sizes, key=lambda threads: threads * min(for_each, side_by_side(threads, registers, shared_bytes, limits))
    )


def _most_tiles(widths: Sequence[int], rows: int) -> int:
    """Return how many tiles the largest product of a layer has: of Z, of dL/dW or of dL/dH."""
    spans = [-(-size // SIDE) for size in (*widths, rows)]
    *layers, batch = spans
    return max(max(fan_in * fan_out, batch * fan_out, batch * fan_in) for fan_in, fan_out in pairwise(layers))
