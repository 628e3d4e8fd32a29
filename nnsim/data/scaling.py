"""How columns are standardised by the training rows, and what lies too far from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nnsim.core.errors import DataError
from nnsim.kernels.cpu_only.columns import mean_and_deviation

ROUNDING = 10 * float(np.finfo(np.float64).eps)
"""A column whose deviation is below so much of its mean is constant: rounding made the rest."""

FARTHEST = 1e6
"""Standard deviations from the mean of the training rows beyond which a number is no measurement."""


@dataclass(frozen=True)
class Scaling:
    """How columns are standardised: (value - origin - mean) / deviation, each a float64 vector, one number a column."""

    origin: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return rows standardised; the rows that the constants were found on come out bit for bit as in the split."""
        return np.ascontiguousarray((values - self.origin - self.mean) / self.deviation)

    def undo(self, values: np.ndarray) -> np.ndarray:
        """Return standardised rows in their own units."""
        return values * self.deviation + self.mean + self.origin


def scaling_of(values: np.ndarray, spared: np.ndarray | None = None) -> Scaling:
    """Return the scaling by which training rows get mean 0 and standard deviation 1.

    All is measured from the first row, so that a constant column is exactly 0 and a large offset costs no digits.

    Parameters
    ----------
    values : float64 array (training rows, columns)
    spared : bool array (columns,), optional
        Columns that stay as they are.
    """
    origin = values[0].copy()
    mean, deviation = np.empty(values.shape[1]), np.empty(values.shape[1])
    mean_and_deviation(np.ascontiguousarray(values - origin), mean, deviation)
    deviation[is_constant(origin + mean, deviation)] = 1
    if spared is not None and spared.any():
        origin[spared], mean[spared], deviation[spared] = 0, 0, 1
    return Scaling(origin, mean, deviation)


def is_constant(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Tell which columns hold one value, up to rounding."""
    return deviation <= ROUNDING * np.abs(mean)


def check_spread(values: np.ndarray, scaling: Scaling, where: Callable[[int, int], str]) -> None:
    """Raise DataError where a training row is so far out that it leaves no difference between the others.

    Parameters
    ----------
    values : float64 array (training rows, columns)
    scaling : Scaling
        Of these rows.
    where : callable
        ``where(row, column)`` says which cell that is.
    """
    for column in range(values.shape[1]):
        far = np.abs(values[:, column] - scaling.origin[column] - scaling.mean[column])
        near = values[far <= scaling.deviation[column], column]
        between = np.ptp(near) if len(near) else 0.0
        row = int(far.argmax())
        if 0 < between * FARTHEST < far[row]:
            raise DataError(
                f"{where(row, column)} holds {values[row, column]:.6g}, {far[row] / between:.1g} times as far from "
                "the other rows as they are from each other: correct or remove it"
            )


def check_distance(values: np.ndarray, scaled: np.ndarray, where: Callable[[int, int], str]) -> None:
    """Raise DataError where a number lies more than `FARTHEST` standard deviations from the training rows.

    Parameters
    ----------
    values, scaled : float64 arrays (rows, columns)
        As they are, and standardised.
    where : callable
        ``where(row, column)`` says which cell that is.
    """
    far = ~(np.abs(scaled) <= FARTHEST)
    if far.any():
        row, column = np.argwhere(far)[0].tolist()
        raise DataError(
            f"{where(row, column)} holds {values[row, column]:.6g}, {abs(scaled[row, column]):.1g} standard "
            "deviations from the mean of the training rows: correct or remove it"
        )
