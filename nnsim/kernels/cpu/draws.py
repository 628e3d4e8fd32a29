"""Arrays of random numbers; element i of a stream is always the same number, however many are drawn.

Draws are made in tiles of 64 Philox blocks, 256 float32 or 128 float64 numbers: word w of block b stands at place
64 w + b of its tile, so that the loops over b are vector code.
"""

from __future__ import annotations

import numpy as np

from nnsim.kernels.compiling.decorators import inner, kernel
from nnsim.kernels.formulas.philox import draw, normal_pair, partner, uniform32, uniform64
from nnsim.kernels.formulas.written_orders import BLOCKS


@inner
def _uniform_tile(tile, key, purpose, step, number):
    """Write tile `number` of the stream; its size tells the precision."""
    if tile.size == 4 * BLOCKS:
        for b in range(BLOCKS):
            w0, w1, w2, w3 = draw(key, purpose, step, number * BLOCKS + b)
            tile[b] = uniform32(w0)
            tile[BLOCKS + b] = uniform32(w1)
            tile[2 * BLOCKS + b] = uniform32(w2)
            tile[3 * BLOCKS + b] = uniform32(w3)
    else:
        for b in range(BLOCKS):
            w0, w1, w2, w3 = draw(key, purpose, step, number * BLOCKS + b)
            tile[b] = uniform64(w0, w1)
            tile[BLOCKS + b] = uniform64(w2, w3)


@inner
def _normal_tile(tile, key, purpose, step, number):
    _uniform_tile(tile, key, purpose, step, number)
    half = tile.size // 2
    for i in range(half):
        tile[i], tile[half + i] = normal_pair(tile[i], tile[half + i])


@inner
def _copy_tile(tile, out, start):
    for i in range(min(tile.size, out.size - start)):
        out[start + i] = tile[i]


@kernel
def fill_uniform(out, key, purpose, step):
    """Fill a float32 or float64 vector with uniform draws on the open interval (0, 1); key is a uint64."""
    tile = np.empty(BLOCKS * 16 // out.itemsize, out.dtype)
    for start in range(0, out.size, tile.size):
        _uniform_tile(tile, key, purpose, step, start // tile.size)
        _copy_tile(tile, out, start)


@kernel
def fill_normal(out, key, purpose, step):
    """Fill a float32 or float64 vector with standard normal draws; key is a uint64."""
    tile = np.empty(BLOCKS * 16 // out.itemsize, out.dtype)
    for start in range(0, out.size, tile.size):
        _normal_tile(tile, key, purpose, step, start // tile.size)
        _copy_tile(tile, out, start)


@inner
def permute(out, words, key, purpose, step):
    """Fill an int64 vector with a uniform permutation of 0 ... n - 1 (Fisher and Yates, by multiplication).

    Word i of the stream picks the partner of place i; words is uint64 scratch of at least n + 4 elements.
    """
    for block in range(out.size // 4 + 1):
        words[4 * block], words[4 * block + 1], words[4 * block + 2], words[4 * block + 3] = draw(
            key, purpose, step, block
        )
    for i in range(out.size):
        out[i] = i
    for i in range(1, out.size):
        j = partner(words[i], i)
        out[i], out[j] = out[j], out[i]


@kernel
def fill_permutation(out, key, purpose, step):
    """Fill an int64 vector with a uniform permutation of 0 ... n - 1; key is a uint64."""
    permute(out, np.empty(out.size + 4, np.uint64), key, purpose, step)
