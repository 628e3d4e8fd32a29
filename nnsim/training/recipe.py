"""How to train: the recipe, and what the kernels make of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.core.registry import look_up
from nnsim.kernels.cpu.optimizers import OptimizerParams
from nnsim.kernels.cpu.training import RunOptions
from nnsim.kernels.formulas.optimizers import OPTIMIZERS, Optimizer
from nnsim.networks.spec import NetworkSpec
from nnsim.training.schedules import Plateau, Schedule, Warmup, parse_schedule, plateau, trace

DECAYED = ("all", "weights")
WATCHED = ("loss", "metric")


@dataclass(frozen=True)
class Recipe:
    """How to train: an optimizer over mini-batches, a schedule, clipping and early stopping.

    Parameters
    ----------
    learning_rate : float, positive
    momentum : float in [0, 1), optional
        Decay of the velocity, or Adam's b1; by default the optimizer's own (0.9 where it has one).
    batch_size : int
        Rows a step; the last batch of an epoch may be smaller.
    epochs : int
    optimizer : {"sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"}
    beta2 : float in [0, 1), optional
        Decay of the second moment of RMSProp and Adam; by default 0.99 and 0.999.
    epsilon : float, optional
        Added to the root of the second moment; by default 1e-8, Adagrad's 1e-10.
    weight_decay : float
        Decoupled in AdamW, an L2 penalty on the gradient in the others.
    decayed : {"all", "weights"}
        Whether biases, scales and shifts decay, too.
    alpha : float
        L2 penalty as in scikit-learn: alpha / (2 rows) times the sum of the squared weights is added to the loss of a
        batch, with its own number of rows in a smaller last one, too. Neither with `weight_decay` nor with AdamW.
    schedule : str or Schedule
        The course of the learning rate, see `nnsim.training.schedules`.
    clip_norm, clip_value : float, optional
        Largest Euclidean norm of the whole gradient, or largest size of each of its numbers.
    drop_last : bool
        Leave out the last batch of an epoch where it is smaller than the others. `nnsim.training.trainer.train` does
        so by itself where it is one row under batch normalisation.
    patience : int, optional
        Epochs without an improvement after which training stops; the best parameters are then restored.
    min_delta : float
        What counts as an improvement, in the units of what is watched.
    watch : {"loss", "metric"}
        What early stopping and ``plateau`` go by, on the validation rows; the metric is accuracy or R^2.
    layer_rates : tuple of float, optional
        A factor of the learning rate for each layer's weights, as in muP; biases, scales and shifts take it as it is.

    Raises
    ------
    UnknownNameError, UsageError
        If a name is unknown or a number is outside its range.
    """

    learning_rate: float = 0.05
    momentum: float | None = None
    batch_size: int = 64
    epochs: int = 10
    optimizer: str = "momentum"
    beta2: float | None = None
    epsilon: float | None = None
    weight_decay: float = 0.0
    decayed: str = "all"
    alpha: float = 0.0
    schedule: str | Schedule = "constant"
    clip_norm: float | None = None
    clip_value: float | None = None
    drop_last: bool = False
    patience: int | None = None
    min_delta: float = 0.0
    watch: str = "loss"
    layer_rates: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise UsageError(f"the learning rate must be a positive number, got {self.learning_rate}")
        self._check_counts()
        for kind, names, name in (
            ("optimizer", OPTIMIZERS, self.optimizer),
            ("choice of what decays", dict.fromkeys(DECAYED), self.decayed),
            ("choice of what to watch", dict.fromkeys(WATCHED), self.watch),
        ):
            look_up(names, kind, name)
        self._check_numbers()
        self._check_watched()

    def _check_counts(self) -> None:
        counts = (self.batch_size, self.epochs)
        if not all(isinstance(count, int | np.integer) for count in counts) or self.batch_size < 1 or self.epochs < 0:
            raise UsageError(
                f"batch size and epochs must be whole numbers of at least 1 and 0, "
                f"got {self.batch_size} and {self.epochs}"
            )
        if self.patience is not None and (not isinstance(self.patience, int | np.integer) or self.patience < 1):
            raise UsageError(f"patience must be a whole number of at least 1, got {self.patience}")

    def _check_numbers(self) -> None:
        entry = self.entry
        for name, uses in (("momentum", entry.first), ("beta2", entry.beta2 > 0)):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise UsageError(f"{name} must be at least 0 and below 1, got {value}")
            if value and not uses:
                raise UsageError(f"optimizer '{self.optimizer}' has no {name}, got {value}")
        for name in ("epsilon", "weight_decay", "alpha", "min_delta"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise UsageError(f"{name.replace('_', ' ')} must be a number of at least 0, got {value}")
        for name in ("clip_norm", "clip_value"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name.replace('_', ' ')} must be a positive number, got {value}")
        if self.alpha and (self.weight_decay or entry.decoupled):
            raise UsageError("alpha goes neither with weight_decay nor with the optimizer 'adamw': set it to 0")
        if self.clip_norm is not None and self.clip_value is not None:
            raise UsageError("the gradient is clipped by its norm or by value, not by both: choose one")
        if self.layer_rates is not None and not all(math.isfinite(rate) and rate > 0 for rate in self.layer_rates):
            raise UsageError(f"layer rates must be positive numbers, got {list(self.layer_rates)}")

    def _check_watched(self) -> None:
        last = self.parsed_schedule.then if isinstance(self.parsed_schedule, Warmup) else self.parsed_schedule
        mode = "max" if self.watch == "metric" else "min"
        if isinstance(last, Plateau) and last.mode != mode:
            raise UsageError(f"schedule 'plateau' watches the {self.watch} and needs mode={mode}, got mode={last.mode}")

    @property
    def entry(self) -> Optimizer:
        """The optimizer's entry in the registry."""
        return OPTIMIZERS[self.optimizer]

    @cached_property
    def parsed_schedule(self) -> Schedule:
        """The schedule as an object."""
        return parse_schedule(self.schedule) if isinstance(self.schedule, str) else self.schedule

    def steps(self, rows: int) -> int:
        """Return the number of steps of an epoch over so many rows."""
        return rows // self.batch_size if self.drop_last else -(-rows // self.batch_size)

    def rates(self, rows: int) -> np.ndarray:
        """Return the learning rate of every step of the whole run, float64, before plateaus reduce it."""
        return trace(self.parsed_schedule, self.learning_rate, self.steps(rows), self.epochs)

    def optimizer_params(self, spec: NetworkSpec) -> OptimizerParams:
        """Return what the kernels know of the optimizer, for the parameters of a network.

        Raises
        ------
        UsageError
            If there is not one layer rate for each layer.
        """
        entry, real = self.entry, spec.numpy_dtype
        if self.layer_rates is not None and len(self.layer_rates) != len(spec.fans):
            raise UsageError(f"{len(spec.fans)} layer rates are needed, one a layer, got {len(self.layer_rates)}")
        momentum = entry.momentum if self.momentum is None else self.momentum
        still = "sgd" if self.optimizer == "momentum" else self.optimizer  # without momentum it is the same
        starts, rates, decays = self._segments(spec)
        with np.errstate(over="ignore"):
            return OptimizerParams(
                code=OPTIMIZERS.code(still if momentum == 0 else self.optimizer),
                momentum=real(momentum),
                beta2=real(entry.beta2 if self.beta2 is None else self.beta2),
                epsilon=real(entry.epsilon if self.epsilon is None else self.epsilon),
                clip_norm=real(math.inf if self.clip_norm is None else self.clip_norm),
                clip_value=real(math.inf if self.clip_value is None else self.clip_value),
                starts=starts,
                rates=rates.astype(real),
                decays=decays,
                decaying=max(self.alpha, self.weight_decay) > 0,
                over_rows=self.alpha > 0,
                decoupled=entry.decoupled,
            )

    def _segments(self, spec: NetworkSpec) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return where the parameters' groups begin and end, their rates and their decays; equal neighbours are one."""
        groups: list[tuple[int, float, float]] = []
        for tensor in spec.tensors:
            weight = tensor.role == "weight"
            rate = self.layer_rates[tensor.layer] if weight and self.layer_rates is not None else 1.0
            spared = not weight and (self.alpha > 0 or self.decayed == "weights")
            decay = 0.0 if spared else self.alpha or self.weight_decay
            if not groups or groups[-1][1:] != (rate, decay):
                groups.append((tensor.start, rate, decay))
        starts = np.array([*(start for start, _, _ in groups), spec.n_parameters], np.int64)
        return starts, np.array([rate for _, rate, _ in groups]), np.array([decay for _, _, decay in groups])

    def run_options(self, auc: bool = False) -> RunOptions:
        """Return what else the kernels know of the run; `auc` asks for the area under the ROC curve."""
        return RunOptions(
            batch=int(self.batch_size),
            watch_metric=self.watch == "metric",
            patience=int(self.patience or 0),
            min_delta=float(self.min_delta),
            plateau=plateau(self.parsed_schedule, self.learning_rate)[0],
            auc=auc,
        )

    @property
    def watches(self) -> bool:
        """True where the course of the run depends on the validation rows: by early stopping, or by ``plateau``."""
        return self.patience is not None or plateau(self.parsed_schedule, self.learning_rate)[0].patience < math.inf
