"""Inverted dropout of one unit on one row: N. Srivastava et al., JMLR 15 (2014) 1929.

A unit is kept with probability 1 - p and then scaled by 1 / (1 - p), so that its mean is the same without dropout.
"""

from __future__ import annotations

import numpy as np

from nnsim.kernels.compiling.decorators import scalar


@scalar
def drop_below(rate):
    """Return the 32-bit word below which a unit is dropped: p 2^32."""
    return np.uint64(np.float64(rate) * 4294967296.0)


@scalar
def kept(word, threshold, scale):
    """Return `scale` = 1 / (1 - p) for a random word that keeps the unit, else zero."""
    return scale if word >= threshold else type(scale)(0)
