"""Whether a classifier of the plane closes a region: not guessed from points, but followed along whole curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnsim.probes.expressivity.linear_pieces import Layers, follow


def margin_layers(layers: Layers) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the network whose one output is the second logit minus the first, in float64."""
    W, b = layers[-1]
    last = (W[:, 1:2] - W[:, :1], b[1:2] - b[:1]) if W.shape[1] == 2 else (W, b)
    return [(np.asarray(W, np.float64), np.asarray(b, np.float64)) for W, b in [*layers[:-1], last]]


def circle(radius: float, corners: int = 64) -> np.ndarray:
    """Return a closed polygon in a circle around the origin, array (corners + 1, 2), the first corner twice.

    Corners are ((1 - t^2) / (1 + t^2), 2 t / (1 + t^2)) on the right half and mirrored on the left: no library's sine.

    Parameters
    ----------
    radius : float
    corners : int
        An even number.
    """
    t = np.arange(corners // 2) / (corners // 4) - 1.0
    cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    right = np.column_stack([cosine, sine])
    return radius * np.concatenate([right, -right, right[:1]])


def encloses(layers: Layers, radii: Sequence[float]) -> bool:
    """Tell whether a ReLU classifier closes off a region of one class around the origin.

    That is: on some whole circle (a polygon) the answer is one class, and somewhere on a smaller one, or at the
    origin, the other. Between corners the margin is followed exactly, so that no gap is overlooked.

    Parameters
    ----------
    layers : sequence of (W, b)
        Of a network with two inputs and two logits, or one.
    radii : sequence of float
        Of the circles, rising.
    """
    margin = margin_layers(layers)
    inner = _ends(margin, np.zeros((2, 2)))
    for radius in radii:
        low, high = _ends(margin, circle(radius))
        if (high < 0 < inner[1]) or (inner[0] < 0 < low):
            return True
        inner = min(inner[0], low), max(inner[1], high)
    return False


def _ends(margin: Layers, path: np.ndarray) -> tuple[float, float]:
    values = follow(margin, path).values
    return float(values.min()), float(values.max())


def positive_stretches(layers: Layers, path: np.ndarray) -> list[tuple[float, float]]:
    """Return from where to where, in corners passed, the second class is the answer along a path."""
    trace = follow(margin_layers(layers), path)
    at, value = trace.at, trace.values[:, 0]
    on = value > 0
    cut = np.flatnonzero(on[:-1] != on[1:])
    zeros = at[cut] + value[cut] / (value[cut] - value[cut + 1]) * (at[cut + 1] - at[cut])
    ends = np.concatenate([at[:1], zeros, at[-1:]])
    stretches = list(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))
    return stretches[0 if on[0] else 1 :: 2]
