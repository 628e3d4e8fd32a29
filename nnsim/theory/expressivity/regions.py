"""How many affine pieces and regions ReLU networks have: bounds, and the average of random ones."""

from __future__ import annotations

import math
from collections.abc import Sequence


def arrangement_regions(planes: int, dimension: int) -> int:
    """Return sum_{j <= d} C(n, j), the regions of n hyperplanes in general position in R^d (Schläfli; Zaslavsky 1975).

    Parameters
    ----------
    planes, dimension : int
        n and d.
    """
    return sum(math.comb(planes, j) for j in range(dimension + 1))


def central_regions(planes: int, dimension: int) -> int:
    """Return 2 sum_{j < d} C(n - 1, j), the regions if all n hyperplanes pass the origin (Cover 1965, theorem 1)."""
    return 2 * sum(math.comb(planes - 1, j) for j in range(dimension))


def folded_regions(widths: Sequence[int], dimension: int) -> int:
    """Return a number of regions that some network of these widths reaches (Montúfar et al. 2014, theorem 5).

    Parameters
    ----------
    widths : sequence of int
        Hidden widths, each at least `dimension`.
    dimension : int
        Inputs.

    Returns
    -------
    int
        prod_{l < L} floor(n_l / d)^d times sum_{j <= d} C(n_L, j).
    """
    folds = math.prod((width // dimension) ** dimension for width in widths[:-1])
    return folds * arrangement_regions(widths[-1], dimension)


def most_pieces(widths: Sequence[int]) -> int:
    """Return prod_l (n_l + 1), which the affine pieces along a line cannot exceed.

    A layer of n units cuts a piece at most n times (Telgarsky 2016, lemma 2.1; Raghu et al. 2017, theorem 1).
    """
    return math.prod(width + 1 for width in widths)


def layer_breaks(layer: int, half_length: float, sw2: float, sb2: float) -> float:
    """Return the average number of breakpoints of one unit of a layer on [-a, a], in a wide network of one input.

    Pre-activations of a wide He network (sw2 = 2) are a Gaussian process with E z^2 = 2 x^2 + l sb2, E z'^2 = 2 and
    E z z' = 2 x, so that Kac and Rice's formula gives (2 / pi) arctan(a sqrt(2) / (sqrt(l) sb)). In the first layer z
    is Gaussian at any width and for any sw2, and the formula is exact.

    Parameters
    ----------
    layer : int
        From 1. Beyond the first, sw2 must be 2: ReLU then keeps the mean square.
    half_length : float
        a.
    sw2, sb2 : float
        fan_in times the variance of a weight, and the variance of a bias.

    Raises
    ------
    ValueError
        If a later layer is asked for with another sw2.
    """
    if layer > 1 and sw2 != 2.0:
        raise ValueError(f"later layers are known for sw2 = 2 alone, got {sw2:g}")
    if sb2 == 0.0:
        return 1.0 if layer == 1 else 0.0
    return 2.0 / math.pi * math.atan(half_length * math.sqrt(sw2 / (layer * sb2)))


def random_breaks(widths: Sequence[int], half_length: float, sb2: float) -> float:
    """Return the average number of breakpoints of a wide He network of one input on [-a, a]: the sum over its units.

    Parameters
    ----------
    widths : sequence of int
        Hidden widths.
    half_length : float
        a.
    sb2 : float
        Variance of a bias, at least 0.
    """
    return sum(width * layer_breaks(layer, half_length, 2.0, sb2) for layer, width in enumerate(widths, start=1))
