"""What a gradient costs, in multiply-adds of the products with weights: backpropagation against differences.

References
----------
W. Baur and V. Strassen, "The complexity of partial derivatives", Theoretical Computer Science 22 (1983) 317.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from nnsim.core.errors import UsageError


def forward_products(widths: Sequence[int]) -> int:
    """Return S = sum of n_l n_{l-1}: multiply-adds of a forward pass for one row.

    Parameters
    ----------
    widths : sequence of int
        (n_0, ..., n_L), inputs first.

    Raises
    ------
    UsageError
        If there are fewer than two widths or one is not positive.
    """
    if len(widths) < 2 or min(widths) < 1:
        raise UsageError(f"a network has at least two widths of at least 1, got {list(widths)}")
    return sum(before * after for before, after in pairwise(widths))


def backward_over_forward(widths: Sequence[int]) -> float:
    """Return 2 - n_0 n_1 / S: a product for the weights and one for the errors in each layer, but no errors of inputs.

    Parameters
    ----------
    widths : sequence of int
    """
    products = forward_products(widths)
    return (2 * products - widths[0] * widths[1]) / products


def gradient_over_forward(widths: Sequence[int]) -> float:
    """Return 3 - n_0 n_1 / S: forward and backward pass over the forward pass, within Baur and Strassen's bound.

    Parameters
    ----------
    widths : sequence of int
    """
    products = forward_products(widths)
    return (3 * products - widths[0] * widths[1]) / products


def difference_passes(parameters: int, central: bool = False) -> int:
    """Return the forward passes of a gradient by differences: P + 1, or 2 P where they are central."""
    return 2 * parameters if central else parameters + 1
