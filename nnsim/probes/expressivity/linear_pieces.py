"""The affine pieces of a ReLU network, followed layer by layer along a path or over a polygon of the plane.

What is affine on a piece is known from its corners, so a layer does three things: it maps the corners, cuts each piece
where a unit changes sign, and sets to zero what is negative. Nothing is sampled, so no piece is too small to be found.
Sums are taken in written order, without a library, so that counts are the same on every machine.

In float64 a cut is as exact as a quotient; networks of integers, halves and quarters stay exact throughout. Weights and
corners that are `fractions.Fraction` (arrays of dtype object) are followed in rational arithmetic.

References
----------
B. Hanin and D. Rolnick, "Complexity of linear regions in deep networks", ICML 2019; M. Telgarsky, "Benefits of depth in
neural networks", COLT 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

Layers = Sequence[tuple[np.ndarray, np.ndarray]]
"""(W, b) of each layer, W of shape (fan_in, fan_out); ReLU stands after every layer but the last."""


class Trace(NamedTuple):
    """What a network does along a path.

    Attributes
    ----------
    at : array (m + 1,)
        Where the pieces begin and end: the number of the corner passed last plus the share of the way to the next.
    values : array (m + 1, outputs)
        The network's outputs there.
    slopes : array (m, outputs)
        Change of the outputs per unit of `at`, on each piece.
    breaks : tuple of int
        How many ends of pieces each hidden layer added.
    """

    at: np.ndarray
    values: np.ndarray
    slopes: np.ndarray
    breaks: tuple[int, ...]

    @property
    def pieces(self) -> int:
        """Number of affine pieces along a segment; neighbours on which the outputs have one slope are one piece."""
        return 1 + int(np.count_nonzero((self.slopes[1:] != self.slopes[:-1]).any(axis=1)))


def rational(array: np.ndarray) -> np.ndarray:
    """Return the numbers of an array, exactly, as an array of `Fraction`."""
    return np.frompyfunc(Fraction, 1, 1)(np.asarray(array, dtype=object))


def affine(values: np.ndarray, W: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    """Return values W + b for each row, summed over the inputs in order.

    Parameters
    ----------
    values : array (rows, inputs), float64 or of `Fraction`
    W : array (inputs, outputs)
    b : array (outputs,), optional
        None stands for zeros.

    Returns
    -------
    array (rows, outputs)
    """
    total = values[:, :1] * W[0]
    for i in range(1, len(W)):
        total = total + values[:, i : i + 1] * W[i]
    return total if b is None else total + b


def follow(layers: Layers, path: np.ndarray) -> Trace:
    """Follow a ReLU network along a path of straight lines.

    Parameters
    ----------
    layers : sequence of (W, b)
    path : array (corners, inputs), float64 or of `Fraction`
        At least two corners; two make a segment.

    Returns
    -------
    Trace
    """
    values = np.asarray(path)
    at = np.arange(len(values)) + 0 * values[:, 0]  # floats or fractions, as the corners
    slopes = values[1:] - values[:-1]
    breaks = []
    for W, b in layers[:-1]:
        before = at.size
        at, values, slopes = _cut_path(at, affine(values, W, b), affine(slopes, W))
        on = values[:-1] + values[1:] > 0
        values, slopes = np.where(values > 0, values, 0 * values), np.where(on, slopes, 0 * slopes)
        breaks.append(at.size - before)
    W, b = layers[-1]
    return Trace(at, affine(values, W, b), affine(slopes, W), tuple(breaks))


def _cut_path(at: np.ndarray, z: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add an end of a piece wherever a column of z changes sign."""
    piece, unit = np.nonzero(((z[:-1] < 0) & (z[1:] > 0)) | ((z[:-1] > 0) & (z[1:] < 0)))
    left, right = z[piece], z[piece + 1]
    own = np.arange(piece.size), unit
    share = left[own] / (left[own] - right[own])
    crossing = left + share[:, None] * (right - left)
    crossing[own] = 0 * share
    places = np.concatenate([at, at[piece] + share * (at[piece + 1] - at[piece])])
    order = np.argsort(places, kind="stable")
    order = order[np.concatenate([[True], places[order][1:] > places[order][:-1]])]
    merged = places[order]
    parent = np.searchsorted(at, merged[:-1], side="right") - 1
    return merged, np.concatenate([z, crossing])[order], slopes[parent]


class Region(NamedTuple):
    """A convex polygon on which a network is affine: corners (k, 2) in order, and the outputs (k, outputs) there."""

    corners: np.ndarray
    values: np.ndarray


def regions(layers: Layers, polygon: np.ndarray) -> list[Region]:
    """Return the regions into which the hidden units of a ReLU network cut a convex polygon.

    Two neighbouring regions differ in which units are on; the outputs may still be one affine function on both.

    Parameters
    ----------
    layers : sequence of (W, b)
        The first W has two rows.
    polygon : array (corners, 2), float64 or of `Fraction`
        Corners in order, either way round.

    Returns
    -------
    list of Region
    """
    found = [Region(np.asarray(polygon), np.asarray(polygon))]
    for W, b in layers[:-1]:
        found = [half for region in found for half in _bend(Region(region.corners, affine(region.values, W, b)))]
    W, b = layers[-1]
    return [Region(corners, affine(values, W, b)) for corners, values in found]


def _bend(region: Region) -> list[Region]:
    """Cut a region where a unit changes sign, and set negative units to zero on each part."""
    parts = [np.concatenate([region.corners, region.values], axis=1)]
    for column in range(2, parts[0].shape[1]):
        parts = [half for part in parts for half in _halves(part, column)]
    bent = []
    for part in parts:
        values = part[:, 2:]
        bent.append(Region(part[:, :2], np.where(values.sum(axis=0) > 0, values, 0 * values)))
    return bent


def _halves(corners: np.ndarray, column: int) -> list[np.ndarray]:
    """Return a polygon, or its two parts if a column changes sign within it."""
    z = corners[:, column]
    if not ((z > 0).any() and (z < 0).any()):
        return [corners]
    walk = []
    for here, there in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        walk.append(here)
        if (here[column] > 0 > there[column]) or (here[column] < 0 < there[column]):
            cut = here + here[column] / (here[column] - there[column]) * (there - here)
            cut[column] = 0 * cut[column]
            walk.append(cut)
    rows = np.array(walk)
    return [rows[rows[:, column] >= 0], rows[rows[:, column] <= 0]]
