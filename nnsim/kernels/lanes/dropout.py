"""The dropout masks of one step of every network: 0 or 1 / (1 - p) for every hidden unit and row."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.compiling.decorators import inner
from nnsim.kernels.formulas.dropout import drop_below, kept
from nnsim.kernels.formulas.philox import DROPOUT, draw
from nnsim.kernels.formulas.written_orders import BLOCKS, TILE_WORDS


@inner
def _block(first, second, third, fourth, keys, step, number, threshold, scale):
    for lane in range(first.size):
        w0, w1, w2, w3 = draw(keys[lane], DROPOUT, step, number)
        first[lane] = kept(w0, threshold, scale)
        second[lane] = kept(w1, threshold, scale)
        third[lane] = kept(w2, threshold, scale)
        fourth[lane] = kept(w3, threshold, scale)


@inner
def fill_masks(keep, keys, step, rate):
    """Fill `keep`, a multiple of 256 vectors, in each lane from the stream (key of the lane, DROPOUT, step)."""
    threshold, lanes = drop_below(rate), keys.size
    scale = keep.dtype.type(1.0 / (1.0 - np.float64(rate)))
    vectors = keep.reshape(keep.size // lanes, lanes)
    for start in range(0, vectors.shape[0], TILE_WORDS):
        for b in range(BLOCKS):
            words = vectors[start + b :: BLOCKS]
            _block(words[0], words[1], words[2], words[3], keys, step, start // 4 + b, threshold, scale)
