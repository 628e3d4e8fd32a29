"""What one looks at in a network, layer by layer, at initialisation or after training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from nnsim.core.validation import check_shape
from nnsim.kernels.cpu import probes as kernels
from nnsim.kernels.formulas.columns import PROBE as COLUMNS
from nnsim.networks.spec import NetworkSpec
from nnsim.training.probe_request import ProbeRequest


def probe_on_cpu(request: ProbeRequest) -> np.ndarray:
    """Return the facts of every layer as an array (layers, `COLUMNS`)."""
    spec = request.spec
    threshold = spec.numpy_dtype(request.threshold)
    return kernels.probe_layers(spec.architecture, request.theta, request.X, request.Y, request.signal, threshold)


_prober: ContextVar[Callable[[ProbeRequest], np.ndarray] | None] = ContextVar("prober", default=None)


@contextmanager
def probed_by(prober: Callable[[ProbeRequest], np.ndarray]) -> Iterator[None]:
    """Let `prober` do what `probe` is asked for within the block, in this thread."""
    token = _prober.set(prober)
    try:
        yield
    finally:
        _prober.reset(token)


def probe(
    spec: NetworkSpec, theta: np.ndarray, X: np.ndarray, Y: np.ndarray, signal: np.ndarray | None = None
) -> list[dict[str, float]]:
    """Return one dict of facts a layer, from the first hidden layer to the output.

    It is computed here, by `probe_on_cpu`, or by whoever an executor has set for this thread (`probed_by`).

    Parameters
    ----------
    spec : NetworkSpec
    theta : vector of the network's dtype
    X, Y : arrays (rows, inputs), (rows, 1 or outputs)
        The inputs on which the network is looked at, and their targets.
    signal : array (rows, outputs), optional
        Error signal sent back from the output; without it, the gradient of the mean loss.

    Returns
    -------
    list of dict with the keys `COLUMNS`
        Means over rows and units of z, z^2, a, a^2 and delta^2, and means over rows of the logarithm of a row's mean
        a^2 and delta^2; the share of (row, unit) pairs that are saturated; the
        share of units whose slope is zero on every row (dead on this batch); sums of squares of W, dL/dW and dL/db.
    """
    dtype = spec.numpy_dtype
    sent = np.empty((0, 0), dtype) if signal is None else np.ascontiguousarray(signal, dtype)
    X, Y = np.ascontiguousarray(X, dtype), np.ascontiguousarray(Y, dtype)
    spec.check(theta, X, Y if signal is None else None)
    if signal is not None:
        check_shape("signal", sent, (X.shape[0], spec.widths[-1]))
    request, elsewhere = ProbeRequest(spec, theta, X, Y, sent), _prober.get()
    facts = probe_on_cpu(request) if elsewhere is None else elsewhere(request)
    return [dict(zip(COLUMNS, map(float, row), strict=True)) for row in facts]
