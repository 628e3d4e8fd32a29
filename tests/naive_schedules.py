"""Every learning-rate schedule once more, as its textbook formula for one moment t: imports nothing from nnsim."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


def constant(t: int, rate: float) -> float:
    return rate


def step(t: int, rate: float, size: int, gamma: float) -> float:
    return rate * gamma ** (t // size)


def multi_step(t: int, rate: float, milestones: Sequence[int], gamma: float) -> float:
    return rate * gamma ** sum(milestone <= t for milestone in milestones)


def exponential(t: int, rate: float, gamma: float) -> float:
    return rate * gamma**t


def polynomial(t: int, rate: float, power: float, total: int) -> float:
    return rate * (1 - min(t, total) / total) ** power


def linear(t: int, rate: float, start: float, end: float, total: int) -> float:
    return rate * (start + (end - start) * min(t, total) / total)


def cosine(t: int, rate: float, t_max: int, eta_min: float) -> float:
    return eta_min + (rate - eta_min) * (1 + math.cos(math.pi * min(t, t_max) / t_max)) / 2


def cosine_restarts(t: int, rate: float, t_0: int, t_mult: int, eta_min: float) -> float:
    length = t_0
    while t >= length:
        t, length = t - length, length * t_mult
    return cosine(t, rate, length, eta_min)


def cyclic(t: int, rate: float, start_factor: float, up: int, down: int, scale: Callable[[int, int], float]) -> float:
    """The triangle between `start_factor` rate and rate, its height times scale(cycles done, t)."""
    cycle, place = divmod(t, up + down)
    height = place / up if place < up else 1 - (place - up) / down
    return rate * (start_factor + (1 - start_factor) * height * scale(cycle, t))


def one_cycle(t: int, phases: Sequence[tuple[float, float, float, float]], cosine_shaped: bool) -> float:
    """`phases` are (begin, end, rate there, rate here); the first whose end is not passed holds."""
    begin, end, low, high = next((phase for phase in phases if t <= phase[1]), phases[-1])
    share = min((t - begin) / (end - begin), 1.0)
    return low + (high - low) * ((1 - math.cos(math.pi * share)) / 2 if cosine_shaped else share)


class Plateau:
    """The rate lowered where a metric, made such that smaller is better, stops falling."""

    def __init__(
        self, rate: float, mode: str, factor: float, patience: int, beaten: Callable[[float, float], bool],
        cooldown: int = 0, min_lr: float = 0.0, eps: float = 1e-8,
    ) -> None:  # fmt: skip
        self.rate, self.factor, self.patience, self.beaten = rate, factor, patience, beaten
        self.cooldown, self.min_lr, self.eps = cooldown, min_lr, eps
        self.best = math.inf if mode == "min" else -math.inf
        self.bad = self.resting = 0

    def after(self, metric: float) -> float:
        """The rate after an epoch with this metric."""
        if self.beaten(metric, self.best):
            self.best, self.bad = metric, 0
        else:
            self.bad += 1
        if self.resting > 0:
            self.resting, self.bad = self.resting - 1, 0
        if self.bad > self.patience:
            lowered = max(self.rate * self.factor, self.min_lr)
            self.rate = lowered if self.rate - lowered > self.eps else self.rate
            self.resting, self.bad = self.cooldown, 0
        return self.rate
