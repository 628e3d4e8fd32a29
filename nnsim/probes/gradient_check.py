"""The analytic gradient of a network against differences of its loss, tensor by tensor, in double precision.

An entry's derivative is the central difference with steps h and h / 2, extrapolated (error of fourth order). A
difference that reaches over a kink says nothing about the derivative. Such an entry gives itself away without a look at
the analytic gradient: the gap between the differences to the right and to the left is not halved with h, as a smooth
function's is. It is counted, and another is drawn in its place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.core.seeding import key
from nnsim.kernels.cpu.training import loss_and_gradient
from nnsim.networks.initializers import initialize
from nnsim.networks.spec import NetworkSpec, Tensor

STEP = 1e-4
"""h: rounding costs about 1e-12 of the loss, the extrapolated difference h^4."""
FLOOR = 1e-3
"""Errors are relative to a tensor's largest derivative, but to this share of the network's largest at least."""
ROUNDING = 64 * np.finfo(np.float64).eps / STEP
"""What rounding may do to a difference, relative to the loss."""
SPREAD = 0.1
"""Deviation of what is added to biases, scales and shifts, so that nothing stands exactly on a kink or at zero."""


@dataclass(frozen=True)
class TensorCheck:
    """How one tensor's gradient compares.

    Attributes
    ----------
    layer, role : int, str
        Which tensor, as `nnsim.networks.spec.Tensor` has it.
    size, compared, kinks : int
        Entries, entries compared, entries too near a kink to be compared.
    largest : float
        Largest derivative by differences.
    error : float
        Largest difference of the two, relative; infinite where nothing could be compared.
    """

    layer: int
    role: str
    size: int
    compared: int
    kinks: int
    largest: float
    error: float


@dataclass(frozen=True)
class _Point:
    """Where the gradient is checked, and how the loss there is computed."""

    spec: NetworkSpec
    theta: np.ndarray
    X: np.ndarray
    Y: np.ndarray
    key: np.uint64

    def gradient(self) -> tuple[float, np.ndarray]:
        gradient = np.empty_like(self.theta)
        return self._loss(self.theta, gradient), gradient

    def loss_at(self, place: int, step: float) -> float:
        theta = self.theta.copy()
        theta[place] += step
        return self._loss(theta, np.empty_like(theta))

    def _loss(self, theta: np.ndarray, gradient: np.ndarray) -> float:
        return loss_and_gradient(self.spec.architecture, theta, self.X, self.Y, gradient, self.key, 0)


def check_gradient(
    spec: NetworkSpec, scheme: str, seed: int = 0, rows: int = 8, entries: int = 100, bound: float = 1e-6
) -> list[TensorCheck]:
    """Compare every tensor's gradient on random inputs and targets; dropout keeps one mask.

    Parameters
    ----------
    spec : NetworkSpec
        Is taken in float64.
    scheme : str
        Initialization; biases, scales and shifts are moved at random, too.
    seed : int
    rows : int
        Rows of the batch.
    entries : int
        Entries to compare in each tensor, drawn at random where it has more.
    bound : float
        What error is wanted: decides which differences are too near a kink to be trusted to it.

    Raises
    ------
    UsageError
        If a number is too small, or the activation passes no gradient.
    """
    if not spec.differentiable:
        raise UsageError(f"activation '{spec.activation}' passes no gradient: there is nothing to check")
    least = 2 if spec.normalization == "batch" else 1
    if rows < least or entries < 1 or not bound > 0:
        raise UsageError(f"the check needs at least {least} rows, 1 entry and a positive bound")
    point = _point(replace(spec, dtype="float64"), scheme, seed, rows)
    loss, gradient = point.gradient()
    rng = np.random.default_rng(key(seed, "gradcheck", "entries"))
    found = [_differences(point, tensor, loss, entries, bound, rng) for tensor in point.spec.tensors]
    largest = [float(np.abs(numeric).max(initial=0.0)) for _, numeric, _ in found]
    floor = FLOOR * max(largest) or 1.0
    return [
        _compared(tensor, gradient[places], numeric, kinks, max(size, floor))
        for tensor, (places, numeric, kinks), size in zip(point.spec.tensors, found, largest, strict=True)
    ]


def _point(spec: NetworkSpec, scheme: str, seed: int, rows: int) -> _Point:
    rng = np.random.default_rng(key(seed, "gradcheck", "data"))
    X = rng.standard_normal((rows, spec.widths[0]))
    theta = initialize(spec, scheme, key(seed, "gradcheck", "init"), X)
    for role in ("bias", "scale", "shift"):
        for vector in spec.views(theta, role):
            vector += SPREAD * rng.standard_normal(vector.shape)
    return _Point(spec, theta, X, _targets(spec, rows, rng), np.uint64(key(seed, "gradcheck", "dropout")))


def _targets(spec: NetworkSpec, rows: int, rng: np.random.Generator) -> np.ndarray:
    outputs = spec.widths[-1]
    if spec.loss == "cross_entropy":
        return rng.integers(0, outputs, (rows, 1)).astype(np.float64)
    if spec.loss == "bce":
        return rng.integers(0, 2, (rows, outputs)).astype(np.float64)
    return rng.standard_normal((rows, outputs))


def _differences(
    point: _Point, tensor: Tensor, loss: float, entries: int, bound: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return places in the parameters, the derivatives there by differences, and how many were too near a kink."""
    places: list[int] = []
    derivatives: list[float] = []
    kinks = 0
    for place in tensor.start + rng.permutation(tensor.stop - tensor.start):
        if len(places) == entries:
            break
        derivative, doubt = _difference(point, place, loss)
        if doubt > max(bound * max(abs(derivative), FLOOR), ROUNDING * abs(loss)):
            kinks += 1
            continue
        places.append(place)
        derivatives.append(derivative)
    return np.array(places, np.int64), np.array(derivatives), kinks


def _difference(point: _Point, place: int, loss: float) -> tuple[float, float]:
    """Return the extrapolated derivative, and how far the differences are from those of a smooth function."""
    steps = STEP / np.array([1, 2, 4])
    rises, falls = (
        np.array([sign * (point.loss_at(place, sign * step) - loss) for step in steps]) / steps for sign in (1, -1)
    )
    coarse, fine, _ = (rises + falls) / 2
    gaps = rises - falls
    return (4 * fine - coarse) / 3, float(np.abs(2 * gaps[1:] - gaps[:-1]).max())


def _compared(tensor: Tensor, analytic: np.ndarray, numeric: np.ndarray, kinks: int, scale: float) -> TensorCheck:
    error = float(np.abs(analytic - numeric).max() / scale) if numeric.size else np.inf
    largest = float(np.abs(numeric).max(initial=0.0))
    return TensorCheck(tensor.layer, tensor.role, tensor.stop - tensor.start, numeric.size, kinks, largest, error)
