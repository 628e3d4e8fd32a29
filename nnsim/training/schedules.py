"""Learning-rate schedules as exact traces: the rate of every step, known before training starts.

A schedule is written ``name:key=value,key=value``, and one may follow a warm-up: ``cosine``,
``multi_step:milestones=30/80,gamma=0.1``, ``warmup:epochs=5+cosine``. The learning rate eta that it is given is the
largest that it reaches. A schedule moves once an epoch or once a step (its key ``by``), and its lengths and its time t
count the same; a length that is left out is the whole run, or what the warm-up leaves of it. After its length a
schedule keeps its last rate.

A trace holds the same bits on every machine: it is made of IEEE 754's own operations, repeated products and the
kernels' elementary functions.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from nnsim.core.errors import UsageError
from nnsim.core.option_strings import FLAG, choice, parse
from nnsim.kernels.formulas.schedules import PlateauRule
from nnsim.training.schedule_base import (
    COUNT,
    DECAY,
    DIVISOR,
    INSIDE,
    LENGTH,
    MILESTONES,
    POWER,
    RATE,
    SHARE,
    UNIT,
    Schedule,
    check_least,
)
from nnsim.training.schedule_curves import between, half_cosine, power, products, remaining


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """The learning rate itself."""

    name: ClassVar[str] = "constant"
    source: ClassVar[str] = "Robbins and Monro 1951, without their decay"

    def _rates(self, learning_rate: float, count: int) -> np.ndarray:
        return np.full(count, float(learning_rate))


@dataclass(frozen=True, kw_only=True)
class Step(Schedule):
    """eta gamma^floor(t / size), as PyTorch's StepLR; gamma is at most 1."""

    name: ClassVar[str] = "step"
    source: ClassVar[str] = "Szegedy et al. 2015 (GoogLeNet), section 6"
    size: int = field(metadata=LENGTH)
    gamma: float = field(default=0.1, metadata=DECAY)

    def _rates(self, learning_rate: float, count: int) -> np.ndarray:
        falls = np.arange(count) // self.size
        return products(learning_rate, self.gamma, count)[falls]


@dataclass(frozen=True, kw_only=True)
class MultiStep(Schedule):
    """eta times gamma for every milestone that t has reached, as PyTorch's MultiStepLR; gamma is at most 1."""

    name: ClassVar[str] = "multi_step"
    source: ClassVar[str] = "He, Zhang, Ren and Sun 2016, section 4.2"
    milestones: tuple[int, ...] = field(metadata=MILESTONES)
    gamma: float = field(default=0.1, metadata=DECAY)

    def _rates(self, learning_rate: float, count: int) -> np.ndarray:
        falls = np.searchsorted(np.array(self.milestones), np.arange(count), side="right")
        return products(learning_rate, self.gamma, len(self.milestones) + 1)[falls]


@dataclass(frozen=True, kw_only=True)
class Exponential(Schedule):
    """eta gamma^t, as PyTorch's ExponentialLR; gamma is at most 1."""

    name: ClassVar[str] = "exponential"
    source: ClassVar[str] = "Szegedy et al. 2016 (Inception-v3), section 8"
    gamma: float = field(metadata=DECAY)

    def _rates(self, learning_rate: float, count: int) -> np.ndarray:
        return products(learning_rate, self.gamma, count)


@dataclass(frozen=True, kw_only=True)
class Polynomial(Schedule):
    """eta (1 - t / total)^power, as PyTorch's PolynomialLR; `total` is the whole run by default, there 5."""

    name: ClassVar[str] = "polynomial"
    source: ClassVar[str] = "Chen et al. 2018 (DeepLab), the poly policy"
    power: float = field(default=1.0, metadata=POWER)
    total: int | None = field(default=None, metadata=LENGTH)

    def _rates(self, learning_rate: float, count: int) -> np.ndarray:
        return learning_rate * power(remaining(count, self.total or count), self.power)


@dataclass(frozen=True, kw_only=True)
class Linear(Schedule):
    """A line from `start` eta to `end` eta over `total`.

    PyTorch's LinearLR with other defaults: it rises from 1/3 to 1 in 5.
    """

    name: ClassVar[str] = "linear"
    source: ClassVar[str] = "Devlin, Chang, Lee and Toutanova 2019, appendix A.2"
    start: float = field(default=1.0, metadata=SHARE)
    end: float = field(default=0.0, metadata=SHARE)
    total: int | None = field(default=None, metadata=LENGTH)

    def _rates(self, learning_rate: float, count: int) -> np.ndarray:
        return learning_rate * between(self.end, self.start, remaining(count, self.total or count))


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """eta_min + (eta - eta_min) (1 + cos(pi t / t_max)) / 2.

    After t_max the rate stays at eta_min, where PyTorch's CosineAnnealingLR rises again.
    """

    name: ClassVar[str] = "cosine"
    source: ClassVar[str] = "Loshchilov and Hutter 2017, equation 5, without restarts"
    t_max: int | None = field(default=None, metadata=LENGTH)
    eta_min: float = field(default=0.0, metadata=RATE)

    def _rates(self, learning_rate: float, count: int) -> np.ndarray:
        check_least(self.name, "eta_min", self.eta_min, learning_rate)
        return between(self.eta_min, learning_rate, half_cosine(remaining(count, self.t_max or count)))


@dataclass(frozen=True, kw_only=True)
class CosineRestarts(Schedule):
    """The cosine over t_0, then over t_0 t_mult, t_0 t_mult^2, ..., each from eta again.

    PyTorch's CosineAnnealingWarmRestarts at whole t.
    """

    name: ClassVar[str] = "cosine_restarts"
    source: ClassVar[str] = "Loshchilov and Hutter 2017, equation 5"
    t_0: int = field(metadata=LENGTH)
    t_mult: int = field(default=1, metadata=LENGTH)
    eta_min: float = field(default=0.0, metadata=RATE)

    def _rates(self, learning_rate: float, count: int) -> np.ndarray:
        check_least(self.name, "eta_min", self.eta_min, learning_rate)
        starts, lengths = [0], [self.t_0]
        while starts[-1] + lengths[-1] < count:
            starts.append(starts[-1] + lengths[-1])
            lengths.append(lengths[-1] * self.t_mult)
        t = np.arange(count)
        cycle = np.searchsorted(np.array(starts), t, side="right") - 1
        length = np.array(lengths, np.float64)[cycle]
        x = (length - (t - np.array(starts)[cycle])) / length
        return between(self.eta_min, learning_rate, half_cosine(x))


@dataclass(frozen=True, kw_only=True)
class Cyclic(Schedule):
    """Triangles: up from `start_factor` eta to eta in `size_up`, and down again in `size_down`, by default the same.

    Mode "triangular2" halves their height with every cycle, "exp_range" multiplies it by gamma^t. PyTorch's CyclicLR,
    whose base_lr is ``start_factor * max_lr`` here; the momentum is left alone.
    """

    name: ClassVar[str] = "cyclic"
    source: ClassVar[str] = "Smith 2017, section 3"
    by: str = field(default="step", metadata=UNIT)
    size_up: int = field(metadata=LENGTH)
    size_down: int | None = field(default=None, metadata=LENGTH)
    mode: str = field(default="triangular", metadata=choice("triangular", "triangular2", "exp_range"))
    gamma: float | None = field(default=None, metadata=DECAY)
    start_factor: float = field(default=0.25, metadata=SHARE)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.mode == "exp_range") != (self.gamma is not None):
            raise UsageError("schedule 'cyclic': mode exp_range needs gamma, as in gamma=0.9999, and no other takes it")

    def _rates(self, learning_rate: float, count: int) -> np.ndarray:
        up, down = self.size_up, self.size_down or self.size_up
        t = np.arange(count)
        place = t % (up + down)
        height = np.where(place <= up, place / up, (up + down - place) / down)
        if self.mode == "triangular2":
            height *= products(1.0, 0.5, count)[t // (up + down)]
        if self.gamma is not None:
            height *= products(1.0, self.gamma, count)
        return learning_rate * between(self.start_factor, 1.0, height)


@dataclass(frozen=True, kw_only=True)
class OneCycle(Schedule):
    """Up from eta / div_factor to eta, then down to eta / (div_factor final_div_factor) at the last step.

    The way up takes the share `pct_start` of the run; with `three_phase` the way down to eta / div_factor takes as
    long, and the rest goes on to the end. `anneal` is the curve of every phase. PyTorch's OneCycleLR; the momentum is
    left alone, and after `total` the rate stays where PyTorch raises an error.
    """

    name: ClassVar[str] = "one_cycle"
    source: ClassVar[str] = "Smith and Topin 2019"
    by: str = field(default="step", metadata=UNIT)
    pct_start: float = field(default=0.3, metadata=INSIDE)
    anneal: str = field(default="cos", metadata=choice("cos", "linear"))
    div_factor: float = field(default=25.0, metadata=DIVISOR)
    final_div_factor: float = field(default=1e4, metadata=DIVISOR)
    three_phase: bool = field(default=False, metadata=FLAG)
    total: int | None = field(default=None, metadata=LENGTH)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.three_phase and self.pct_start > 0.5:
            raise UsageError(
                f"schedule 'one_cycle': pct_start must be at most 0.5 with three_phase, got {self.pct_start:g}"
            )

    def _turns(self, total: int) -> np.ndarray:
        """Where the phases begin and end."""
        rise = self.pct_start * total
        if rise <= 1:
            raise UsageError(
                f"schedule 'one_cycle' rises for pct_start = {self.pct_start:g} of {total} {self.by}s and needs more "
                f"than one to rise: it takes at least {int(1 / self.pct_start) + 1} {self.by}s"
            )
        return np.array([0.0, rise - 1, *([2 * rise - 2] if self.three_phase else []), total - 1])

    def _rates(self, learning_rate: float, count: int) -> np.ndarray:
        total = self.total or count
        turns = self._turns(total)
        first = learning_rate / self.div_factor
        levels = [first, learning_rate, *([first] if self.three_phase else []), first / self.final_div_factor]
        t = np.arange(count).clip(max=total - 1)
        phase = np.searchsorted(turns[1:-1], t)
        x = (turns[phase + 1] - t) / np.diff(turns)[phase]
        x = half_cosine(x) if self.anneal == "cos" else x
        return between(np.array(levels)[phase + 1], np.array(levels)[phase], x)


@dataclass(frozen=True, kw_only=True)
class Plateau(Constant):
    """eta times `factor` whenever the validation metric has not become better for `patience` epochs.

    PyTorch's ReduceLROnPlateau, but for one fault: there a relative threshold is a share of the best metric with its
    sign, so that a negative one that does not change is taken for a better one in every epoch; here it is a share of
    the metric's size. What it does depends on the training, so that its trace is the constant rate, and `plateau` gives
    the rule and the state with which the training multiplies it.

    Parameters
    ----------
    mode : {"min", "max"}
        Whether a smaller metric is better, as for a loss, or a larger one.
    factor : float
    patience : int
        Epochs in a row that may bring nothing better.
    threshold : float
        By how much a metric must beat the best one.
    threshold_mode : {"rel", "abs"}
        Whether the threshold is a share of the best metric's size.
    cooldown : int
        Epochs after a reduction in which none counts as bad.
    min_lr, eps : float
        The least rate, and the change of the rate that is not worth making.
    """

    name: ClassVar[str] = "plateau"
    source: ClassVar[str] = "PyTorch's ReduceLROnPlateau; by hand in He, Zhang, Ren and Sun 2016, section 3.4"
    by: str = field(default="epoch", metadata=choice("epoch"))
    mode: str = field(default="min", metadata=choice("min", "max"))
    factor: float = field(default=0.1, metadata=INSIDE)
    patience: int = field(default=10, metadata=COUNT)
    threshold: float = field(default=1e-4, metadata=RATE)
    threshold_mode: str = field(default="rel", metadata=choice("rel", "abs"))
    cooldown: int = field(default=0, metadata=COUNT)
    min_lr: float = field(default=0.0, metadata=RATE)
    eps: float = field(default=1e-8, metadata=RATE)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threshold_mode == "rel" and self.threshold >= 1:
            raise UsageError(f"schedule 'plateau': a relative threshold must be below 1, got {self.threshold:g}")

    def rule(self, learning_rate: float) -> PlateauRule:
        """Return the rule for the kernel, whose factor, least rate and eps are relative to the learning rate."""
        sign = 1.0 if self.mode == "min" else -1.0
        relative = self.threshold_mode == "rel"
        return PlateauRule(
            sign=sign,
            share=float(self.threshold) if relative else 0.0,
            shift=0.0 if relative else -sign * self.threshold,
            decay=float(self.factor),
            patience=float(self.patience),
            cooldown=float(self.cooldown),
            least=self.min_lr / learning_rate,
            eps=self.eps / learning_rate,
        )

    def _rates(self, learning_rate: float, count: int) -> np.ndarray:
        check_least(self.name, "min_lr", self.min_lr, learning_rate)
        return np.full(count, float(learning_rate))


@dataclass(frozen=True, kw_only=True)
class Warmup(Schedule):
    """A line from `start_factor` eta to eta over `epochs` or `steps`, then another schedule from its beginning.

    PyTorch's LinearLR and what follows it, in a SequentialLR. It rises with every step, or with every epoch.
    """

    name: ClassVar[str] = "warmup"
    source: ClassVar[str] = "Goyal et al. 2017, section 2.2"
    by: str = field(default="step", metadata=UNIT)
    epochs: int | None = field(default=None, metadata=LENGTH)
    steps: int | None = field(default=None, metadata=LENGTH)
    start_factor: float = field(default=1 / 3, metadata=SHARE)
    then: Schedule = Constant()

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.epochs is None) == (self.steps is None):
            raise UsageError("schedule 'warmup' needs its length, either epochs or steps, as in 'warmup:epochs=5'")
        if self.steps is not None and self.by == "epoch":
            raise UsageError("schedule 'warmup': by=epoch needs its length in epochs, as in 'warmup:epochs=5,by=epoch'")
        if isinstance(self.then, Warmup):
            raise UsageError("schedule 'warmup' cannot follow a warm-up: make the first one longer")

    def _rates(self, learning_rate: float, count: int) -> np.ndarray:
        return learning_rate * between(1.0, self.start_factor, remaining(count, count))

    def over(self, learning_rate: float, first: int, last: int, steps_per_epoch: int) -> np.ndarray:
        """Return the rates of a run's steps from `first` up to `last`: those of the warm-up and those after it.

        Raises as `Schedule.over` does, and UsageError where the warm-up leaves no step to what follows it.

        Parameters
        ----------
        learning_rate, first, last, steps_per_epoch
            As for `Schedule.over`.
        """
        joint = first + (self.steps or 0) + (self.epochs or 0) * steps_per_epoch
        if joint >= last:
            raise UsageError(
                f"a warm-up of {joint - first} steps leaves nothing of a run of {last - first}: "
                f"warm up for at most {last - first - 1} steps"
            )
        rise = super().over(learning_rate, first, joint, steps_per_epoch)
        return np.concatenate([rise, self.then.over(learning_rate, joint, last, steps_per_epoch)])


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "step": Step,
    "multi_step": MultiStep,
    "exponential": Exponential,
    "polynomial": Polynomial,
    "linear": Linear,
    "cosine": Cosine,
    "cosine_restarts": CosineRestarts,
    "cyclic": Cyclic,
    "one_cycle": OneCycle,
    "plateau": Plateau,
    "warmup": Warmup,
}


# --- from text to a trace ------------------------------------------------------------------------------------------


def parse_schedule(text: str) -> Schedule:
    """Return the schedule that ``name:key=value,key=value`` describes, after a warm-up where one is put before a ``+``.

    Raises
    ------
    UnknownNameError
        If there is no such schedule, or it has no such key.
    UsageError
        If a value is missing, no number or out of its range, or something but a warm-up is followed by a schedule.
    """
    parts = [parse(SCHEDULES, "schedule", part) for part in re.split(r"\s*\+\s*(?=[A-Za-z_])", text.strip())]
    if len(parts) == 1:
        return parts[0]
    if len(parts) > 2 or not isinstance(parts[0], Warmup):
        raise UsageError(f"schedule '{text}': one schedule can follow a warm-up, as in 'warmup:epochs=5+cosine'")
    return replace(parts[0], then=parts[1])


def trace(schedule: Schedule, learning_rate: float, steps_per_epoch: int, epochs: int) -> np.ndarray:
    """Return the learning rate of every step of a run.

    A run that goes on at epoch a up to epoch b takes ``trace[a * steps_per_epoch : b * steps_per_epoch]``: `epochs` is
    the length of the whole, which lengths that the schedule leaves out depend on.

    Parameters
    ----------
    schedule : Schedule
    learning_rate : float, positive
        The largest rate of the schedule.
    steps_per_epoch, epochs : int
        At least 1 and 0.

    Returns
    -------
    float64 array (epochs * steps_per_epoch,)

    Raises
    ------
    UsageError
        If a number is not allowed, a least rate is above the learning rate, or the run is too short for a warm-up or
        for one cycle.
    """
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise UsageError(f"the learning rate must be a positive number, got {learning_rate}")
    if (
        not all(isinstance(count, int | np.integer) for count in (steps_per_epoch, epochs))
        or steps_per_epoch < 1
        or epochs < 0
    ):
        raise UsageError(
            f"steps per epoch and epochs must be whole numbers of at least 1 and 0, got {steps_per_epoch} and {epochs}"
        )
    steps = int(steps_per_epoch) * int(epochs)
    return schedule.over(float(learning_rate), 0, steps, int(steps_per_epoch)) if steps else np.empty(0)


def plateau(schedule: Schedule, learning_rate: float) -> tuple[PlateauRule, np.ndarray]:
    """Return what `nnsim.kernels.formulas.schedules.reduce_on_plateau` needs: the rule and the state to start from.

    The training multiplies the trace by the state's factor, 1 at first. For a schedule without a `Plateau` the rule
    never changes it.

    Returns
    -------
    rule : PlateauRule
    state : float64 array (4,)
        Best metric, bad epochs, epochs of cooldown left, factor. A checkpoint that holds it resumes exactly.
    """
    last = schedule.then if isinstance(schedule, Warmup) else schedule
    if isinstance(last, Plateau):
        return last.rule(learning_rate), np.array([math.inf if last.mode == "min" else -math.inf, 0.0, 0.0, 1.0])
    never = PlateauRule(1.0, 0.0, 0.0, 1.0, patience=math.inf, cooldown=0.0, least=0.0, eps=0.0)
    return never, np.array([math.inf, 0.0, 0.0, 1.0])
