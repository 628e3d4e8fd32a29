"""Networks written down, not trained: what depth can do, weight by weight.

Each function returns (W, b) of every layer in float64, W of shape (fan_in, fan_out). All numbers are dyadic where the
widths are powers of two, so that float64 computes these networks exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnsim.core.errors import UsageError

WrittenLayers = list[tuple[np.ndarray, np.ndarray]]


def zigzag(width: int, depth: int) -> WrittenLayers:
    """A sawtooth on [0, 1] with width^depth pieces; width 2 gives the tent maps of Telgarsky (2016), section 4.

    Each layer folds [0, 1] onto itself `width` times: its units are ReLU(x - i / width).
    """
    marks = -np.arange(width) / width
    heights = _fold(width)
    first = (np.ones((1, width)), marks)
    inner = (heights[:, None] * np.ones((1, width)), marks)
    return [first, *[inner] * (depth - 1), (heights[:, None], np.zeros(1))]


def _fold(pieces: int) -> np.ndarray:
    """Heights c with sum_i c_i ReLU(x - i / pieces) going up and down between 0 and 1, `pieces` times on [0, 1]."""
    heights = 2.0 * pieces * (-1.0) ** np.arange(pieces)
    heights[0] = pieces
    return heights


def square(tents: int) -> WrittenLayers:
    """x^2 on [0, 1] as x - sum_s g_s(x) / 4^s with g_s the s-th sawtooth (Yarotsky 2017, proposition 2).

    Three units a layer: two make the next tent, the third carries the sum so far, which is never negative.
    """
    first = (np.ones((1, 3)), np.array([0.0, -0.5, 0.0]))
    layers = [first]
    for s in range(1, tents):
        tent = np.array([2.0, -4.0, 0.0])
        carried = np.array([0.0, 0.0, 1.0]) - tent / 4.0**s
        layers.append((np.column_stack([tent, tent, carried]), first[1]))
    last = np.array([0.0, 0.0, 1.0]) - np.array([2.0, -4.0, 0.0]) / 4.0**tents
    return [*layers, (last[:, None], np.zeros(1))]


def folded(widths: Sequence[int], inputs: int) -> WrittenLayers:
    """A network that reaches the lower bound of Montúfar et al. (2014) on the unit interval or square.

    Every layer but the last folds each input floor(width / inputs) times; the last cuts the folded cube by lines in
    general position (tangents of a parabola), which all meet within it.

    Raises
    ------
    UsageError
        If there are not one or two inputs, or a layer is narrower than the inputs.
    """
    if inputs not in {1, 2}:
        raise UsageError(f"folded networks are written for 1 or 2 inputs, got {inputs}: the nearest is 2")
    if min(widths) < inputs:
        raise UsageError(f"a folding layer needs at least {inputs} units, one an input, got {min(widths)}")
    layers: WrittenLayers = []
    read = np.eye(inputs)
    for width in widths[:-1]:
        pieces = width // inputs
        spread = np.kron(np.eye(inputs), np.ones((1, pieces)))
        unused = width - pieces * inputs
        W = np.hstack([read @ spread, np.zeros((len(read), unused))])
        layers.append((W, np.concatenate([np.tile(-np.arange(pieces) / pieces, inputs), np.full(unused, -1.0)])))
        read = np.vstack([np.kron(np.eye(inputs), _fold(pieces)[:, None]), np.zeros((unused, inputs))])
    s = (np.arange(widths[-1]) + 0.5) / widths[-1]
    normals, offsets = (np.ones((1, s.size)), -s) if inputs == 1 else (np.vstack([-2 * s, np.ones(s.size)]), s * s)
    return [*layers, (read @ normals, offsets), (np.ones((widths[-1], 1)), np.zeros(1))]


def parity(inputs: int) -> WrittenLayers:
    """Parity of bits by one layer of threshold units: unit i is on if at least i bits are, and the signs alternate.

    Rumelhart, Hinton and Williams (1986).
    """
    units = np.arange(1, inputs + 1)
    return [(np.ones((inputs, inputs)), 0.5 - units), ((-1.0) ** (units + 1)[:, None], np.zeros(1))]


def flat(layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return all weights and biases as one vector, in the order of a network's parameters."""
    return np.concatenate([part.ravel() for layer in layers for part in layer])
