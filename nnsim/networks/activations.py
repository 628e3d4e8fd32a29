"""Activation functions by name: the same scalar formulas that the networks run, over arrays."""

from __future__ import annotations

import math

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.core.registry import look_up
from nnsim.kernels.cpu.activations import value_and_slope
from nnsim.kernels.formulas.activations import ACTIVATIONS


def resolve(name: str, parameter: float | None = None) -> tuple[int, float]:
    """Return (code, parameter) for an activation name; the parameter's default where it is None.

    Raises
    ------
    UnknownNameError
        If there is no such activation.
    UsageError
        If a parameter is given to an activation that has none.
    """
    activation = look_up(ACTIVATIONS, "activation", name)
    if activation.parameter is None:
        if parameter is not None:
            raise UsageError(f"activation '{name}' takes no parameter, got {parameter}")
        return ACTIVATIONS.code(name), 0.0
    if parameter is not None and not math.isfinite(parameter):
        raise UsageError(f"the parameter of activation '{name}' must be a finite number, got '{parameter}'")
    return ACTIVATIONS.code(name), activation.parameter if parameter is None else float(parameter)


def parse(text: str) -> tuple[str, float | None]:
    """Return (name, parameter) of ``name`` or ``name:parameter``, as in ``leaky_relu:0.2``.

    Raises
    ------
    UnknownNameError, UsageError
        If the activation does not exist, takes no parameter, or the parameter is not a finite number.
    """
    name, *rest = text.split(":", 1)
    resolve(name)
    if not rest:
        return name, None
    try:
        parameter = float(rest[0])
    except ValueError:
        raise UsageError(f"the parameter of activation '{name}' must be a finite number, got '{rest[0]}'") from None
    resolve(name, parameter)
    return name, parameter


def evaluate(name: str, z: np.ndarray, parameter: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return f(z) and f'(z).

    Parameters
    ----------
    name : str
        A key of `ACTIVATIONS`.
    z : array of float32 or float64, any shape
        Pre-activations; other numbers are converted to float64.
    parameter : float, optional
        The slope of Leaky ReLU, the alpha of ELU.

    Returns
    -------
    value, slope : arrays like z
    """
    code, p = resolve(name, parameter)
    z = np.asarray(z)
    if z.dtype not in (np.float32, np.float64):
        z = z.astype(np.float64)
    a, slope = value_and_slope(code, np.ascontiguousarray(z).ravel(), z.dtype.type(p))
    return a.reshape(z.shape), slope.reshape(z.shape)
