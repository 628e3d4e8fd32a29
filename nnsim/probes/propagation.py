"""Signal propagation: normalised inputs go forward through a network, a Gaussian error signal comes back."""

from __future__ import annotations

import numpy as np

from nnsim.kernels.cpu.draws import fill_normal
from nnsim.kernels.formulas.philox import SIGNAL
from nnsim.networks.spec import NetworkSpec
from nnsim.probes.layers import probe

ROUND_DEPTHS = (1, 2, 3, 4, 5, 6, 8, 10, 11, 13, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250, 300, 400, 500)


def shown_layers(depth: int) -> list[int]:
    """Return the hidden layers that tables keep: all of the first, ever fewer of the later, the last."""
    return sorted({layer for layer in ROUND_DEPTHS if layer < depth} | {depth})


def unit_rows(X: np.ndarray) -> np.ndarray:
    """Return X with every row scaled to mean square one; a row of zeros stays.

    The squares are added feature by feature, in one order on every machine.
    """
    square = np.zeros(X.shape[0])
    for feature in X.T:
        square += feature * feature
    square /= X.shape[1]
    return X / np.sqrt(np.where(square > 0, square, 1.0))[:, None]


def propagate(spec: NetworkSpec, theta: np.ndarray, X: np.ndarray, key: int) -> list[dict[str, float]]:
    """Return each layer's facts (see `nnsim.probes.layers.probe`) for a standard normal error signal at the output.

    Parameters
    ----------
    spec : NetworkSpec
    theta : vector
    X : array (rows, inputs)
    key : int
        64-bit key of the signal.
    """
    signal = np.empty(X.shape[0] * spec.widths[-1], spec.numpy_dtype)
    fill_normal(signal, np.uint64(key), SIGNAL, 0)
    signal = signal.reshape(X.shape[0], -1)
    return probe(spec, theta, X, np.zeros_like(signal), signal)
