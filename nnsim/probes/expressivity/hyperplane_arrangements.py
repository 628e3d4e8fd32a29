"""Exact number of regions of any arrangement of hyperplanes, such as the units of one layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np

Plane = tuple[Fraction, ...]
"""Normal and offset, scaled so that the first number that is not zero is one."""


def count_regions(W: np.ndarray, b: np.ndarray) -> int:
    """Return the number of regions into which the hyperplanes w . x + b = 0 cut space.

    One plane after the other is added; each new one cuts as many regions in two as the earlier ones make within it
    (deletion and restriction, Zaslavsky 1975). Arithmetic is rational, so planes that are parallel, equal or share a
    point need no special care.

    Parameters
    ----------
    W : array (d, n)
        Normals in columns, as in a layer.
    b : array (n,)

    Returns
    -------
    int
    """
    columns = np.vstack([W, b]).T
    return _count(_distinct(tuple(map(Fraction, map(float, column))) for column in columns))


def _distinct(planes: Iterable[Plane]) -> list[Plane]:
    """Return each plane once; those whose normal is zero are nowhere or everywhere, and cut nothing."""
    found: dict[Plane, None] = {}
    for plane in planes:
        leading = next((number for number in plane[:-1] if number), None)
        if leading is not None:
            found[tuple(number / leading for number in plane)] = None
    return list(found)


def _count(planes: Sequence[Plane]) -> int:
    return 1 + sum(_count(_within(plane, planes[:number])) for number, plane in enumerate(planes))


def _within(plane: Plane, others: Sequence[Plane]) -> list[Plane]:
    """Return the traces of `others` in a plane, in the coordinates that are left when its first one is solved for."""
    pivot = next(place for place, number in enumerate(plane) if number)
    traces = (
        tuple(
            number - other[pivot] * own
            for place, (number, own) in enumerate(zip(other, plane, strict=True))
            if place != pivot
        )
        for other in others
    )
    return _distinct(traces)
