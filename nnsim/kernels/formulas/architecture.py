"""What the kernels know of a network, and the rules by which its parameters are laid out.

With layers numbered l = 0 ... L - 1, H_{-1} = X and the last layer linear, a hidden layer computes ::

    Z_l = H_{l-1} W_l + b_l      A_l = f(Z_l)      H_l = A_l

with, where the network has them, normalisation of Z_l (or of A_l), dropout on A_l, and H_{l-1} added to H_l. The
parameter vector is W_0, b_0, W_1, b_1, ..., with W_l of shape (fan_in, fan_out), row by row; a normalised layer's gamma
and beta follow its b.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nnsim.kernels.compiling.decorators import scalar
from nnsim.kernels.formulas.normalization import NONE


class Architecture(NamedTuple):
    """A network, in numbers.

    ``widths`` is an int64 array; ``activation``, ``normalization`` and ``loss`` are codes; ``after`` tells that the
    activation is normalised, not what it is applied to; ``momentum`` is that of the running statistics;
    ``loss_weights`` holds a weight for every output, and ``weighted`` tells whether one of them or `loss_parameter`
    (label smoothing, Huber's delta) matters.
    """

    widths: np.ndarray
    activation: int
    parameter: float
    normalization: int
    after: bool
    epsilon: float
    momentum: float
    dropout: float
    residual: bool
    loss: int
    loss_parameter: float
    loss_weights: np.ndarray
    weighted: bool


@scalar
def is_normalized(normalization, layer, hidden):
    """Tell whether layer `layer` of a network of so many hidden layers has a gamma and a beta."""
    return normalization != NONE and layer < hidden


@scalar
def layer_size(fan_in, fan_out, normalized):
    """Return the number of a layer's parameters: W and b, or W, b, gamma and beta."""
    return (fan_in + (3 if normalized else 1)) * fan_out


@scalar
def skips(residual, layer, hidden, fan_in, fan_out):
    """Tell whether the layer before is added to layer `layer`: both are hidden and of one width."""
    return residual and 0 < layer < hidden and fan_in == fan_out
