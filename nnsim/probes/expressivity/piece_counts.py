"""What is counted in written and in drawn networks: one function a kind, each returns what it found by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnsim.kernels.cpu.draws import fill_normal
from nnsim.kernels.formulas.philox import DATA
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.expressivity import constructions
from nnsim.probes.expressivity.best_lines import lines_needed
from nnsim.probes.expressivity.hyperplane_arrangements import count_regions
from nnsim.probes.expressivity.linear_pieces import Trace, follow, rational, regions
from nnsim.training import trainer

UNIT = np.array([[0.0], [1.0]])
"""The unit interval as a path."""
SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
"""The unit square as a polygon."""


def zigzag_pieces(width: int, depth: int) -> dict[str, Any]:
    """Count the affine pieces of a written sawtooth on [0, 1]."""
    return {"pieces": follow(constructions.zigzag(width, depth), UNIT).pieces}


def largest_error(trace: Trace) -> float:
    """Return max |f(x) - x^2| along the unit interval, from each piece's ends and the point where its slope is 2 x."""
    left, right, slope = trace.at[:-1], trace.at[1:], trace.slopes[:, 0]
    touch = np.clip(slope / 2, left, right)
    gaps = [trace.values[:-1, 0] + slope * (x - left) - x * x for x in (left, touch, right)]
    return float(np.max(np.abs(gaps)))


def square_error(tents: int) -> dict[str, Any]:
    """Find the pieces and the error of x^2 by tents, and how many straight lines do as well."""
    trace = follow(constructions.square(tents), UNIT)
    error = largest_error(trace)
    return {"pieces": trace.pieces, "error": error, "lines": lines_needed(lambda x: x * x, error)}


def folded_pieces(width: int, depth: int, inputs: int) -> dict[str, Any]:
    """Count the regions of a folding network on the unit interval or square, in rational arithmetic.

    Parameters
    ----------
    width, depth : int
        Units of each hidden layer, at least `inputs`, and number of these layers, at least 1.
    inputs : {1, 2}

    Returns
    -------
    dict
        The count under ``pieces``.

    Raises
    ------
    UsageError
        If there are not one or two inputs, or the layers are narrower than the inputs.
    """
    layers = [(rational(W), rational(b)) for W, b in constructions.folded([width] * depth, inputs)]
    if inputs == 1:
        return {"pieces": 1 + sum(follow(layers, rational(UNIT)).breaks)}
    return {"pieces": len(regions(layers, rational(SQUARE)))}


def parity_error(bits: int) -> dict[str, Any]:
    """Find the share of all 2^n inputs at which one layer of n threshold units gets the parity wrong."""
    X = (np.arange(2**bits)[:, None] >> np.arange(bits)) & 1
    spec = NetworkSpec((bits, bits, 1), "step", loss="mse", dtype="float64")
    theta = constructions.flat(constructions.parity(bits))
    odd = (X.sum(axis=1) % 2).astype(np.float64)
    return {"error": trainer.evaluate(spec, theta, X.astype(np.float64), odd[:, None]).loss}


def plane_regions(units: int, inputs: int, biased: bool, key: int) -> dict[str, Any]:
    """Count the regions of a layer of Gaussian weights, with Gaussian biases or none.

    Parameters
    ----------
    units, inputs : int
        Hyperplanes, and the dimension of the space that they cut.
    biased : bool
        Whether there are biases; without them all hyperplanes pass the origin.
    key : int
        64-bit key of the draws.

    Returns
    -------
    dict
        The count under ``pieces``.
    """
    draws = np.empty((inputs + 1) * units)
    fill_normal(draws, np.uint64(key), DATA, 0)
    W, b = draws[:-units].reshape(inputs, units), draws[-units:]
    return {"pieces": count_regions(W, b if biased else 0 * b)}
