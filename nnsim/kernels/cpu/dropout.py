"""The dropout masks of one step: 0 or 1 / (1 - p) for every hidden unit and row."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.compiling.decorators import inner
from nnsim.kernels.formulas.dropout import drop_below, kept
from nnsim.kernels.formulas.philox import DROPOUT, draw
from nnsim.kernels.formulas.written_orders import BLOCKS, TILE_WORDS


@inner
def _tile(tile, key, step, number, threshold, scale):
    for b in range(BLOCKS):
        w0, w1, w2, w3 = draw(key, DROPOUT, step, number * BLOCKS + b)
        tile[b] = kept(w0, threshold, scale)
        tile[BLOCKS + b] = kept(w1, threshold, scale)
        tile[2 * BLOCKS + b] = kept(w2, threshold, scale)
        tile[3 * BLOCKS + b] = kept(w3, threshold, scale)


@inner
def fill_masks(keep, key, step, rate):
    """Fill `keep`, whose size is a multiple of 256, from the stream (key, DROPOUT, step)."""
    threshold = drop_below(rate)
    scale = keep.dtype.type(1.0 / (1.0 - np.float64(rate)))
    for start in range(0, keep.size, TILE_WORDS):
        _tile(keep[start : start + TILE_WORDS], key, step, start // TILE_WORDS, threshold, scale)
