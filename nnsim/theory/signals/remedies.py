"""What layer normalisation and skip connections make of the gradient of a random net, as the width tends to infinity.

References
----------
Yang & Schoenholz 2017, Mean field residual networks: on the edge of chaos.
"""

from __future__ import annotations

import numpy as np

from nnsim.networks.gaussian_moments import Floats, activation_moments


def layer_norm_factor(name: str, parameter: float | None = None) -> float:
    """Return E f'^2 / E f^2, what a layer-normalised layer makes of E delta^2.

    A wide layer's pre-activations have mean 0 and variance sw2 E f^2 over its units, which is divided out again: the
    variance-preserving gain, and nothing else.
    """
    moments = activation_moments(name, 1.0, parameter)
    return moments.slope / moments.second


def residual_trajectory(
    name: str, sw2: float, depth: int, parameter: float | None = None, input_square: float = 1.0
) -> tuple[Floats, Floats]:
    """Return (ln E a_l^2, ln(E delta_l^2 / E delta_depth^2)) for layers 1 .. depth of a net with skip connections.

    From layer 2 on a_l = a_{l-1} + f(z_l), where z_l = W a_{l-1} is independent of a_{l-1} across units; no biases.
    So with m = E a and s = E a^2

        m' = m + E f,    s' = s + 2 m E f + E f^2    at q = sw2 s,

    and dL/da grows by 1 + sw2 E f'^2 a layer on the way back: Yang & Schoenholz 2017, section 4.

    Parameters
    ----------
    name, parameter : str, float
        The activation.
    sw2 : float
        Weight variance times fan-in.
    depth : int
        Hidden layers of equal width.
    input_square : float
        Mean square of the inputs.

    Returns
    -------
    squares, gradients : float64 arrays (depth,)
    """
    q, mean, square = sw2 * input_square, 0.0, 0.0
    squares, slopes = np.empty(depth), np.empty(depth)
    for layer in range(depth):
        moments = activation_moments(name, q, parameter)
        square += 2.0 * mean * moments.mean + moments.second
        mean += moments.mean
        squares[layer], slopes[layer] = square, moments.slope
        q = sw2 * square
    arriving = np.cumprod(1.0 + sw2 * slopes[:0:-1])[::-1]  # dL/da of layers 1 .. depth - 1, over that of the last
    gradients = slopes / slopes[-1] * np.append(arriving, 1.0)
    return np.log(squares), np.log(gradients)
