"""What a network is: widths, activation, loss, precision, and where each weight stands in the flat parameter vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nnsim.activations import resolve
from nnsim.checks import check_dtype, check_shape, check_targets
from nnsim.errors import UsageError
from nnsim.kernels.activations import ACTIVATIONS
from nnsim.kernels.cpu.dense import Architecture
from nnsim.kernels.losses import LOSSES
from nnsim.registry import look_up

DTYPES = {"float32": np.float32, "float64": np.float64}


@dataclass(frozen=True)
class NetworkSpec:
    """A multi-layer perceptron; the last layer is linear and gives the logits.

    Parameters
    ----------
    widths : tuple of int
        (inputs, hidden ..., outputs); without a hidden width the network is linear.
    activation : str
        Activation of every hidden layer.
    parameter : float, optional
        Parameter of the activation, where it has one.
    loss : {"cross_entropy", "bce", "mse"}
    dtype : {"float32", "float64"}

    Raises
    ------
    UnknownNameError, UsageError
        If a name is unknown or a width is not a positive whole number.
    """

    widths: tuple[int, ...]
    activation: str = "relu"
    parameter: float | None = None
    loss: str = "cross_entropy"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if len(self.widths) < 2:
            raise UsageError(f"a network has at least an input and an output width, got {list(self.widths)}")
        for width in self.widths:
            if isinstance(width, bool) or not isinstance(width, (int, np.integer)) or width < 1:
                raise UsageError(f"a width must be a whole number of at least 1, got {width}")
        resolve(self.activation, self.parameter)
        look_up(LOSSES, "loss", self.loss)
        look_up(DTYPES, "dtype", self.dtype)

    @property
    def depth(self) -> int:
        """Number of hidden layers."""
        return len(self.widths) - 2

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in self.fans)

    @property
    def fans(self) -> list[tuple[int, int]]:
        """(fan_in, fan_out) of every layer."""
        return list(zip(self.widths[:-1], self.widths[1:], strict=True))

    @property
    def differentiable(self) -> bool:
        """Whether a gradient passes the activation."""
        return ACTIVATIONS[self.activation].differentiable

    @property
    def numpy_dtype(self) -> Any:
        """The NumPy scalar type of parameters and activations."""
        return DTYPES[self.dtype]

    def architecture(self) -> Architecture:
        """Return what the kernels know of the network."""
        code, parameter = resolve(self.activation, self.parameter)
        widths = np.array(self.widths, np.int64)
        return Architecture(widths, code, self.numpy_dtype(parameter), LOSSES[self.loss])

    def check(self, theta: np.ndarray, X: np.ndarray, Y: np.ndarray | None = None, what: str = "") -> None:
        """Raise UsageError unless parameters, inputs and targets have this network's precision and sizes."""
        check_dtype("theta", theta, self.numpy_dtype)
        check_shape("theta", theta, (self.n_parameters,))
        check_dtype(f"X{what}", X, self.numpy_dtype)
        check_shape(f"X{what}", X, (None, self.widths[0]))
        if X.shape[0] == 0:
            raise UsageError(f"X{what} has no rows: at least 1 is needed")
        if Y is not None:
            check_dtype(f"Y{what}", Y, self.numpy_dtype)
            check_targets(f"Y{what}", Y, X.shape[0], self.widths[-1], self.loss == "cross_entropy")

    def layers(self, theta: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return views (W, b) of every layer into the flat vector; W has shape (fan_in, fan_out)."""
        views, at = [], 0
        for fan_in, fan_out in self.fans:
            bias = at + fan_in * fan_out
            views.append((theta[at:bias].reshape(fan_in, fan_out), theta[bias : bias + fan_out]))
            at = bias + fan_out
        return views
