"""The plane of weight and bias variances, in which tanh networks are ordered or chaotic (A9)."""

from __future__ import annotations

from functools import cache

from nnsim.theory.signals.correlation import DepthScales, depth_scales

POOLE, SCHOENHOLZ = "Poole et al. 2016", "Schoenholz et al. 2017"
BIAS_VARIANCE = 0.05  # at which tanh's critical weight variance is 1.760955


def mean_field(sw2: float, sb2: float) -> str:
    """Return the scheme with these variances."""
    return f"mean_field:{sw2**0.5:.9g}:{sb2**0.5:.9g}"


@cache
def tanh_scales(sw2: float) -> DepthScales:
    """Return the depth scales of tanh at the bias variance that claims are about."""
    return depth_scales("tanh", sw2, BIAS_VARIANCE)
