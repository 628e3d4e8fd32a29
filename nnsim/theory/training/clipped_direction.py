"""What clipping by value does to the direction of a gradient."""

from __future__ import annotations

import math


def gaussian_cosine(limit: float) -> float:
    """Return the cosine between a long vector of independent N(0, 1) numbers and the same cut at +-limit.

    With g standard normal and c(g) the cut number, E g c(g) = P(|g| < k) by Stein's lemma, and
    E c(g)^2 = P(|g| < k) - 2 k phi(k) + k^2 P(|g| > k); the cosine is E g c / sqrt(E c^2). It rises from
    sqrt(2 / pi) = 0.7979, the sign's, at k = 0 to 1. Numbers with heavier tails turn further.

    Parameters
    ----------
    limit : float, positive
        k, in standard deviations.
    """
    inside = math.erf(limit / math.sqrt(2))
    density = math.exp(-limit * limit / 2) / math.sqrt(2 * math.pi)
    square = inside - 2 * limit * density + limit * limit * math.erfc(limit / math.sqrt(2))
    return inside / math.sqrt(square)
