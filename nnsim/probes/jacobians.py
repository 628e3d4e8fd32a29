"""The Jacobian of a network's last hidden layer with respect to its input, and the spectrum of J J^T."""

from __future__ import annotations

import numpy as np

from nnsim.networks.activations import evaluate
from nnsim.networks.spec import NetworkSpec


def jacobian(spec: NetworkSpec, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return da_L / dx at one input, by the chain rule: W_1 D_1 W_2 D_2 ..., where D_l holds the slopes of layer l.

    The matrix products are NumPy's, so the last digits depend on the machine.

    Parameters
    ----------
    spec : NetworkSpec
        Without normalisation, dropout and skips.
    theta : vector
    x : vector (inputs,)

    Returns
    -------
    float64 array (inputs, width of the last hidden layer)
        Entry (i, j) is d a_j / d x_i.
    """
    J, a = np.eye(x.size), x
    for W, b in spec.layers(theta)[:-1]:
        a, slope = evaluate(spec.activation, a @ W + b, spec.parameter)
        J = (J @ W) * slope
    return J


def squared_singular_values(J: np.ndarray) -> np.ndarray:
    """Return the eigenvalues of J J^T in ascending order, by LAPACK."""
    return np.linalg.svd(J, compute_uv=False)[::-1] ** 2
