"""The dropout masks of one step, as on the CPU: 0 or 1 / (1 - p) for every hidden unit and row."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.cuda.decorators import barrier, cast_like, device
from nnsim.kernels.cuda.threads import thread_range
from nnsim.kernels.formulas.dropout import drop_below, kept
from nnsim.kernels.formulas.philox import DROPOUT, draw
from nnsim.kernels.formulas.written_orders import BLOCKS, TILE_WORDS


@device
def fill_masks(memory, keep, size, key, step, rate):
    """Fill `size` numbers from place `keep`, a multiple of 256, from the stream (key, DROPOUT, step)."""
    threshold, scale = drop_below(rate), cast_like(memory, 1.0 / (1.0 - np.float64(rate)))
    for block in thread_range(0, size // 4):
        at = keep + block // BLOCKS * TILE_WORDS + block % BLOCKS
        w0, w1, w2, w3 = draw(key, DROPOUT, step, block)
        memory[at] = kept(w0, threshold, scale)
        memory[at + BLOCKS] = kept(w1, threshold, scale)
        memory[at + 2 * BLOCKS] = kept(w2, threshold, scale)
        memory[at + 3 * BLOCKS] = kept(w3, threshold, scale)
    barrier()
