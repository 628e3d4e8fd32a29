"""The maximal update parametrization (muP) of a network under Adam, and the coordinate check that tells whether it is.

With n the fan-in of a layer and n_0 that of the base network, muP keeps the first layer as it is, divides the learning
rate of every later layer's weights by n / n_0, and the initial readout by a further sqrt(n / n_0), so that its variance
falls as 1 / n^2. At the base width it is the standard parametrization.

References
----------
G. Yang, E. J. Hu et al., "Tensor Programs V: tuning large neural networks via zero-shot hyperparameter transfer", 2022:
table 3 (Adam) and appendix D.1 (coordinate check).
"""

from __future__ import annotations

import math

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.core.validation import check_dtype, check_shape
from nnsim.kernels.cpu.training import logits
from nnsim.networks.spec import NetworkSpec

STANDARD, MUP = "standard", "mup"
PARAMETRIZATIONS = (STANDARD, MUP)


def mup_layer_rates(spec: NetworkSpec, base_width: int) -> tuple[float, ...]:
    """Return the factor of Adam's learning rate for each layer's weights: 1, then base_width / fan_in.

    Parameters
    ----------
    spec : NetworkSpec
    base_width : int
        Width at which the learning rate means what it says.

    Raises
    ------
    UsageError
        If `base_width` is not at least 1.
    """
    if base_width < 1:
        raise UsageError(f"the base width must be at least 1, got {base_width}")
    return (1.0, *(base_width / fan_in for fan_in, _ in spec.fans[1:]))


def mup_start(spec: NetworkSpec, theta: np.ndarray, base_width: int) -> np.ndarray:
    """Return initial parameters whose readout is scaled by sqrt(base_width / fan_in) from one of variance ~ 1 / fan_in.

    Parameters
    ----------
    spec : NetworkSpec
        With at least one hidden layer.
    theta : vector (spec.n_parameters,)
        Standard initial parameters, left as they are.
    base_width : int

    Returns
    -------
    vector (spec.n_parameters,) of theta's dtype

    Raises
    ------
    UsageError
        If the network has no hidden layer or `base_width` is not at least 1.
    """
    if spec.depth < 1 or base_width < 1:
        raise UsageError(f"muP needs a hidden layer and a base width of at least 1, got {spec.depth} and {base_width}")
    scaled = theta.copy()
    readout, _ = spec.layers(scaled)[-1]
    readout *= spec.numpy_dtype(math.sqrt(base_width / spec.fans[-1][0]))
    return scaled


def preactivation_changes(spec: NetworkSpec, before: np.ndarray, after: np.ndarray, X: np.ndarray) -> list[float]:
    """Return the root mean square of Z_l(after) - Z_l(before) over rows and units, for each layer.

    Parameters
    ----------
    spec : NetworkSpec
        Plain: without normalisation and skip connections.
    before, after : vectors (spec.n_parameters,)
    X : array (rows, inputs)

    Raises
    ------
    UsageError
        If the network is not plain, or an array's precision or shape does not fit it.
    """
    if spec.normalization != "none" or spec.residual:
        raise UsageError("a coordinate check is of plain networks: without normalisation and skip connections")
    spec.check(before, X)
    check_dtype("after", after, spec.numpy_dtype)
    check_shape("after", after, before.shape)
    return [
        _root_mean_square(_preactivations(spec, after, X, layer) - _preactivations(spec, before, X, layer))
        for layer in range(len(spec.fans))
    ]


def _preactivations(spec: NetworkSpec, theta: np.ndarray, X: np.ndarray, layer: int) -> np.ndarray:
    """Z_l: the logits of the network that ends with layer `layer`."""
    part = NetworkSpec(spec.widths[: layer + 2], spec.activation, spec.parameter, "mse", spec.dtype)
    return logits(part.architecture, theta[: part.n_parameters], theta[:0], X, X.shape[0])


def _root_mean_square(values: np.ndarray) -> float:
    total = 0.0
    for value in values.ravel().tolist():  # one order of summation on every machine
        total += value * value
    return math.sqrt(total / values.size)
