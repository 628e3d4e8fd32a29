"""Sharpness: the largest eigenvalue of the Hessian of a training loss, by products of the Hessian with vectors.

Inner products here are the linear algebra library's, so that the last digits differ between machines: round them, and
keep them out of canonical tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh_tridiagonal

from nnsim.core.errors import UsageError
from nnsim.kernels.cpu.training import loss_and_gradient
from nnsim.networks.spec import NetworkSpec

STEPS = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)
"""Lengths of a difference's step in parameters; at the first, rounding costs about 1e-11 of the gradient."""
AGREEMENT, ROUNDING = 1e-4, 1e-14
"""Two steps agree to this share of their difference, and to what rounding may do to the gradient."""
SHORTEST = 1e-10
"""A new Lanczos direction that is shorter, relative to the eigenvalue, is rounding: the space is exhausted."""

Product = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Sharpness:
    """The top of a Hessian's spectrum.

    Attributes
    ----------
    value : float
        Largest eigenvalue, in units of the loss.
    direction : float64 vector
        Its eigenvector, of length 1: a good start for the next point of a trajectory.
    products : int
        Products with vectors that it took.
    error : float
        Bound of the distance between `value` and an eigenvalue: the length of the residual.
    """

    value: float
    direction: np.ndarray
    products: int
    error: float


def hessian_product(spec: NetworkSpec, theta: np.ndarray, X: np.ndarray, Y: np.ndarray) -> Product:
    """Return the map from v to H v, with H the Hessian of the mean loss over the rows of X at theta.

    A central difference of two exact gradients along v, in float64 (Pearlmutter 1994, section 1). A difference that
    reaches over a kink of the activation counts a jump of the gradient, and grows as its step shrinks: the first of
    `STEPS` is taken that agrees with the next.

    Parameters
    ----------
    spec : NetworkSpec
        In float64 and without dropout, of which every gradient would need the same mask.
    theta : float64 vector
    X, Y : float64 arrays (rows, inputs), (rows, 1 or outputs)

    Raises
    ------
    UsageError
        If the network is not of that kind, or the arrays do not fit it.
    """
    if spec.dtype != "float64":
        raise UsageError(f"sharpness is measured in float64, got a network in {spec.dtype}")
    if spec.dropout > 0:
        raise UsageError(f"sharpness is that of one fixed loss: dropout must be 0, got {spec.dropout:g}")
    if not spec.differentiable:
        raise UsageError(f"activation '{spec.activation}' passes no gradient: there is no Hessian")
    spec.check(theta, X, Y)

    def gradient(at: np.ndarray) -> np.ndarray:
        found = np.empty_like(at)
        loss_and_gradient(spec.architecture, at, X, Y, found, np.uint64(0), 0)
        return found

    floor = ROUNDING * float(np.linalg.norm(gradient(theta)))

    def product(v: np.ndarray) -> np.ndarray:
        length = float(np.linalg.norm(v))
        if length == 0:
            return np.zeros_like(v)

        def difference(step: float) -> np.ndarray:
            return (gradient(theta + (step / length) * v) - gradient(theta - (step / length) * v)) / (2 * step)

        coarse = difference(STEPS[0])
        for step in STEPS[1:]:
            fine = difference(step)
            if np.linalg.norm(coarse - fine) <= AGREEMENT * np.linalg.norm(coarse) + floor / step:
                break
            coarse = fine
        return coarse * length

    return product


def largest_eigenvalue(product: Product, start: np.ndarray, tolerance: float = 1e-4, most: int = 200) -> Sharpness:
    """Return the largest eigenvalue of a symmetric matrix by Lanczos's method with full reorthogonalisation.

    Parameters
    ----------
    product : callable
        Maps a vector to the matrix times it.
    start : float64 vector
        Where the search begins; one that is orthogonal to the eigenvector never finds it.
    tolerance : float
        Length of the residual, relative to the eigenvalue, at which the search ends.
    most : int
        Most products; where they do not suffice, `error` says how far the search got.

    Raises
    ------
    UsageError
        If the start is zero or not finite.

    References
    ----------
    B. N. Parlett, The Symmetric Eigenvalue Problem, SIAM 1998, chapter 13.
    """
    length = float(np.linalg.norm(start))
    if not (np.isfinite(length) and length > 0):
        raise UsageError(f"the search for an eigenvector needs a start of a positive length, got {length:g}")
    basis = [start / length]
    diagonal: list[float] = []
    beside: list[float] = []
    while True:
        image = product(basis[-1])
        diagonal.append(float(basis[-1] @ image))
        values, vectors = eigh_tridiagonal(diagonal, beside, select="i", select_range=[len(beside)] * 2)
        value, weights = float(values[0]), vectors[:, 0]
        for _ in range(2):  # once leaves what rounding brings back of directions found before
            image = image - np.array(basis).T @ (np.array(basis) @ image)
        rest = float(np.linalg.norm(image))
        error, count = rest * abs(float(weights[-1])), len(diagonal)
        if error <= tolerance * abs(value) or rest <= SHORTEST * abs(value) or count == min(most, start.size):
            return Sharpness(value, np.array(basis).T @ weights, count, error)
        basis.append(image / rest)
        beside.append(rest)


def sharpness(
    spec: NetworkSpec,
    theta: np.ndarray,
    X: np.ndarray,
    Y: np.ndarray,
    start: np.ndarray,
    tolerance: float = 1e-4,
    most: int = 200,
) -> Sharpness:
    """Return the largest eigenvalue of the Hessian of the mean loss over the rows of X.

    NaN where theta is not finite, or the product of the Hessian with `start` is not.

    Parameters
    ----------
    spec, theta, X, Y
        As for `hessian_product`.
    start, tolerance, most
        As for `largest_eigenvalue`.

    Raises
    ------
    UsageError
        As these two do.
    """
    product = hessian_product(spec, theta, X, Y)
    if not np.isfinite(theta).all() or not np.isfinite(product(start)).all():
        return Sharpness(np.nan, start, 1, np.nan)
    return largest_eigenvalue(product, start, tolerance, most)
