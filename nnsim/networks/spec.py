"""What a network is: widths, activation, norms, loss, precision, and where each tensor stands in the flat vector."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.core.registry import look_up
from nnsim.core.validation import check_dtype, check_shape, check_targets
from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.kernels.formulas.architecture import Architecture, is_normalized, skips
from nnsim.kernels.formulas.losses import LOSSES
from nnsim.kernels.formulas.normalization import NORMALIZATIONS
from nnsim.networks.activations import resolve

DTYPES = {"float32": np.float32, "float64": np.float64}

CLASS_LOSSES = frozenset({"cross_entropy", "bce"})

ROLES = ("weight", "bias", "scale", "shift")
"""Of a tensor: W and b of a layer, gamma and beta of its normalisation."""


@dataclass(frozen=True)
class Tensor:
    """A tensor's place in the flat parameter vector: its layer, its role (`ROLES`), where it begins and its shape."""

    layer: int
    role: str
    start: int
    shape: tuple[int, ...]

    @property
    def stop(self) -> int:
        """End of its place in the flat vector: the start of the next tensor."""
        return self.start + math.prod(self.shape)


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
    loss : {"cross_entropy", "bce", "mse", "mae", "huber"}
    dtype : {"float32", "float64"}
    normalization : {"none", "batch", "layer"}
        Of every hidden layer, with a learnable scale and shift.
    norm_after : bool
        Whether the activation is normalised, instead of what it is applied to.
    norm_epsilon, norm_momentum : float
        Added to the variance; weight of a new batch in the running statistics.
    dropout : float in [0, 1)
        Probability with which a hidden unit is dropped in training.
    residual : bool
        Whether a hidden layer's input is added to its output, where the two have one width.
    label_smoothing : float in [0, 1)
        Share of a label that cross-entropy spreads over all classes.
    huber_delta : float
        Distance at which Huber's loss turns from square to linear.
    loss_weights : tuple of float, optional
        Weights of the classes in cross-entropy, or of the positive targets of each output in BCE.

    Raises
    ------
    UnknownNameError, UsageError
        If a name is unknown, a number is outside its range, or a setting does not go with the loss.
    """

    widths: tuple[int, ...]
    activation: str = "relu"
    parameter: float | None = None
    loss: str = "cross_entropy"
    dtype: str = "float32"
    normalization: str = "none"
    norm_after: bool = False
    norm_epsilon: float = 1e-5
    norm_momentum: float = 0.1
    dropout: float = 0.0
    residual: bool = False
    label_smoothing: float = 0.0
    huber_delta: float = 1.0
    loss_weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if len(self.widths) < 2:
            raise UsageError(f"a network has at least an input and an output width, got {list(self.widths)}")
        for width in self.widths:
            if isinstance(width, bool) or not isinstance(width, (int, np.integer)) or width < 1:
                raise UsageError(f"a width must be a whole number of at least 1, got {width}")
        resolve(self.activation, self.parameter)
        look_up(LOSSES, "loss", self.loss)
        look_up(DTYPES, "dtype", self.dtype)
        look_up(NORMALIZATIONS, "normalization", self.normalization)
        self._check_numbers()
        self._check_loss()

    def _check_numbers(self) -> None:
        ranges = {
            "dropout": (0 <= self.dropout < 1, "at least 0 and below 1"),
            "norm_epsilon": (0 <= self.norm_epsilon < math.inf, "a number of at least 0"),
            "norm_momentum": (0 <= self.norm_momentum <= 1, "from 0 to 1"),
            "label_smoothing": (0 <= self.label_smoothing < 1, "at least 0 and below 1"),
            "huber_delta": (0 < self.huber_delta < math.inf, "a positive number"),
        }
        for name, (fits, allowed) in ranges.items():
            if not fits:
                raise UsageError(f"{name.replace('_', ' ')} must be {allowed}, got {getattr(self, name)}")
        if self.residual and not any(self.has_skip(layer) for layer in range(self.depth)):
            raise UsageError(
                "a residual network needs two hidden layers of one width, one after the other, "
                f"got {list(self.widths[1:-1])}"
            )

    def _check_loss(self) -> None:
        if self.loss == "cross_entropy" and self.widths[-1] < 2:
            raise UsageError("cross-entropy needs at least two outputs: use the loss 'bce' for one")
        if self.label_smoothing and self.loss != "cross_entropy":
            raise UsageError(f"label smoothing belongs to the loss 'cross_entropy', not to '{self.loss}'")
        if self.loss_weights is None:
            return
        if self.loss not in CLASS_LOSSES:
            raise UsageError(f"loss weights belong to the losses 'cross_entropy' and 'bce', not to '{self.loss}'")
        outputs, given = self.widths[-1], len(self.loss_weights)
        if given != outputs and self.loss == "bce":
            raise UsageError(
                f"the loss 'bce' takes a weight for the positive targets of each output, {outputs} here, got {given}: "
                "'cross_entropy' takes one for each class"
            )
        if given != outputs:
            raise UsageError(f"the loss 'cross_entropy' takes a weight for each class, {outputs} here, got {given}")
        if not all(0 < weight < math.inf for weight in self.loss_weights):
            raise UsageError(f"loss weights must be positive numbers, got {list(self.loss_weights)}")

    @property
    def depth(self) -> int:
        """Number of hidden layers."""
        return len(self.widths) - 2

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases, scales and shifts."""
        return self.tensors[-1].stop

    @property
    def n_statistics(self) -> int:
        """Number of running means and variances of batch normalisation."""
        return 2 * sum(self.widths[1:-1]) if self.normalization == "batch" else 0

    @property
    def fans(self) -> list[tuple[int, int]]:
        """(fan_in, fan_out) of every layer."""
        return list(zip(self.widths[:-1], self.widths[1:], strict=True))

    @property
    def differentiable(self) -> bool:
        """True where a gradient passes the activation."""
        return ACTIVATIONS[self.activation].differentiable

    @property
    def numpy_dtype(self) -> Any:
        """The NumPy scalar type of parameters and activations."""
        return DTYPES[self.dtype]

    def has_skip(self, layer: int) -> bool:
        """Tell whether the input of layer `layer` is added to its output."""
        return skips.py_func(self.residual, layer, self.depth, self.widths[layer], self.widths[layer + 1])

    @cached_property
    def architecture(self) -> Architecture:
        """The network as the kernels take it: codes of names, and numbers in its precision."""
        code, parameter = resolve(self.activation, self.parameter)
        real = self.numpy_dtype
        weights = np.ones(self.widths[-1]) if self.loss_weights is None else np.array(self.loss_weights)
        return Architecture(
            widths=np.array(self.widths, np.int64),
            activation=code,
            parameter=real(parameter),
            normalization=NORMALIZATIONS[self.normalization],
            after=bool(self.norm_after),
            epsilon=real(self.norm_epsilon),
            momentum=real(self.norm_momentum),
            dropout=real(self.dropout),
            residual=bool(self.residual),
            loss=LOSSES[self.loss],
            loss_parameter=real(self.huber_delta if self.loss == "huber" else self.label_smoothing),
            loss_weights=weights.astype(real),
            weighted=self.loss_weights is not None or self.label_smoothing > 0,
        )

    @cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """Every tensor in the order of the flat parameter vector."""
        found: list[Tensor] = []
        at = 0
        for layer, (fan_in, fan_out) in enumerate(self.fans):
            normalized = is_normalized.py_func(NORMALIZATIONS[self.normalization], layer, self.depth)
            shapes = [(fan_in, fan_out), *[(fan_out,)] * (3 if normalized else 1)]
            for role, shape in zip(ROLES, shapes, strict=False):
                found.append(Tensor(layer, role, at, shape))
                at = found[-1].stop
        return tuple(found)

    def initial_statistics(self) -> np.ndarray:
        """Return running statistics before the first batch: means of 0 and variances of 1, layer by layer."""
        widths = self.widths[1:-1] if self.normalization == "batch" else ()
        parts = [np.repeat([0, 1], width).astype(self.numpy_dtype) for width in widths]
        return np.concatenate([np.empty(0, self.numpy_dtype), *parts])

    def check(self, theta: np.ndarray, X: np.ndarray, Y: np.ndarray | None = None, what: str = "") -> None:
        """Raise UsageError unless parameters, inputs and targets have this network's precision and sizes.

        Parameters
        ----------
        theta : vector (n_parameters,)
        X : array (rows, inputs), C-contiguous
            At least one row.
        Y : array (rows, outputs) or, of cross-entropy, (rows, 1), optional
            Targets or, in one column, class numbers from 0.
        what : str
            Words that follow "X" and "Y" in the sentence, as in ``" of the training rows"``.
        """
        check_dtype("theta", theta, self.numpy_dtype)
        check_shape("theta", theta, (self.n_parameters,))
        check_dtype(f"X{what}", X, self.numpy_dtype)
        check_shape(f"X{what}", X, (None, self.widths[0]))
        if X.shape[0] == 0:
            raise UsageError(f"X{what} has no rows: at least 1 is needed")
        if Y is not None:
            check_dtype(f"Y{what}", Y, self.numpy_dtype)
            check_targets(f"Y{what}", Y, X.shape[0], self.widths[-1], self.loss == "cross_entropy")

    def views(self, theta: np.ndarray, role: str) -> list[np.ndarray]:
        """Return views of every tensor of one role (`ROLES`) into a vector laid out like the parameters."""
        return [theta[t.start : t.stop].reshape(t.shape) for t in self.tensors if t.role == role]

    def layers(self, theta: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return views (W, b) of every layer into the flat vector; W has shape (fan_in, fan_out)."""
        return list(zip(self.views(theta, "weight"), self.views(theta, "bias"), strict=True))
