"""Counter-based random numbers: a draw is a pure function of (key, purpose, step, index).

Nothing is carried from one draw to the next, so results depend on neither order nor thread count.

References
----------
J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011
(Philox4x32-10); G. E. P. Box and M. E. Muller, Ann. Math. Statist. 29 (1958) 610 (normal draws).
"""

from __future__ import annotations

import math

import numpy as np

from nnsim.kernels.compiling.decorators import scalar
from nnsim.kernels.formulas.scalar_math import both, constant, log, sin_cos, sqrt

# What a draw is for: streams with different purposes never meet.
INIT, SHUFFLE, SPLIT, DATA, NOISE, SIGNAL, DROPOUT = 1, 2, 3, 4, 5, 6, 7

LOW = np.uint64(0xFFFFFFFF)
HALF_WORD = np.uint64(32)
MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
TWO_PI = both(2 * math.pi, 2 * math.pi)
MINUS_TWO = both(-2.0, -2.0)


@scalar
def philox(c0, c1, c2, c3, k0, k1):
    """Return the four 32-bit words, held in uint64, that ten Philox rounds make of a counter and a key."""
    for _ in range(10):
        p0, p1 = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (p1 >> HALF_WORD) ^ c1 ^ k0, p1 & LOW, (p0 >> HALF_WORD) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
    return c0, c1, c2, c3


@scalar
def draw(key, purpose, step, block):
    """Return words 4 block ... 4 block + 3 of the stream (key, purpose, step); key is a uint64."""
    index = np.uint64(block)
    return philox(
        index & LOW, index >> HALF_WORD, np.uint64(step) & LOW, np.uint64(purpose), key & LOW, key >> HALF_WORD
    )


@scalar
def uniform32(word):
    """Return (u + 1/2) / 2^23 for the upper 23 bits u of a word: a float32 on the open interval (0, 1)."""
    return (np.float32(np.int32(word >> np.uint64(9))) + np.float32(0.5)) * np.float32(2.0**-23)


@scalar
def uniform64(high, low):
    """Return (u + 1/2) / 2^52 for 52 bits u of two words: a float64 on the open interval (0, 1)."""
    bits = (high << np.uint64(20)) | (low >> np.uint64(12))
    return (np.float64(np.int64(bits)) + 0.5) * 2.0**-52


@scalar
def partner(word, i):
    """Return floor(word (i + 1) / 2^32): a random place up to i (Lemire 2019), with a bias under i / 2^32."""
    return np.int64(word * np.uint64(i + 1) >> HALF_WORD)


@scalar
def normal_pair(u, v):
    """Return two independent standard normals from two independent uniforms (Box and Muller 1958)."""
    radius = sqrt(constant(u, MINUS_TWO) * log(u))
    sine, cosine = sin_cos(constant(u, TWO_PI) * v)
    return radius * cosine, radius * sine
