"""Every optimizer once more, one Python number at a time, as its paper has it: imports nothing from nnsim."""

from __future__ import annotations

import math
from collections.abc import Sequence

DEFAULTS = {  # momentum or b1, beta2, epsilon
    "sgd": (0.0, 0.0, 0.0),
    "momentum": (0.9, 0.0, 0.0),
    "nesterov": (0.9, 0.0, 0.0),
    "adagrad": (0.0, 0.0, 1e-10),
    "rmsprop": (0.0, 0.99, 1e-8),
    "adam": (0.9, 0.999, 1e-8),
    "adamw": (0.9, 0.999, 1e-8),
}


def clipped_by_norm(gradient: Sequence[float], limit: float) -> tuple[list[float], float]:
    """Return the gradient, times limit / (norm + 1e-6) where that is less than one, and its norm before."""
    norm = math.sqrt(math.fsum(g * g for g in gradient))
    factor = min(1.0, limit / (norm + 1e-6))
    return [g * factor for g in gradient], norm


def clipped_by_value(gradient: Sequence[float], limit: float) -> list[float]:
    return [min(max(g, -limit), limit) for g in gradient]


class Optimizer:
    """An optimizer of n parameters, each with a factor of the learning rate and a weight decay.

    With `over_rows` the decay is divided by the rows of the step.
    """

    def __init__(
        self,
        name: str,
        n: int,
        momentum: float | None = None,
        beta2: float | None = None,
        epsilon: float | None = None,
        rates: Sequence[float] | None = None,
        decays: Sequence[float] | None = None,
        over_rows: bool = False,
    ) -> None:
        given = (momentum, beta2, epsilon)
        chosen = [usual if value is None else value for value, usual in zip(given, DEFAULTS[name], strict=True)]
        self.name, self.t, self.over_rows = name, 0, over_rows
        self.momentum, self.beta2, self.epsilon = chosen
        self.rates, self.decays = rates or [1.0] * n, decays or [0.0] * n
        self.first, self.second = [0.0] * n, [0.0] * n

    def step(
        self, theta: Sequence[float], gradient: Sequence[float], learning_rate: float, rows: int = 1
    ) -> list[float]:
        """Return the parameters after a step."""
        self.t += 1
        found = []
        for i, (x, g) in enumerate(zip(theta, gradient, strict=True)):
            rate, decay = learning_rate * self.rates[i], self.decays[i] / (rows if self.over_rows else 1)
            if self.name == "adamw":
                x -= rate * decay * x
            else:
                g += decay * x
            found.append(x - rate * self.direction(i, g))
        return found

    def direction(self, i: int, g: float) -> float:
        """What the learning rate multiplies, for parameter i."""
        if self.name in {"momentum", "nesterov"}:
            self.first[i] = self.momentum * self.first[i] + g
            return self.first[i] if self.name == "momentum" else g + self.momentum * self.first[i]
        if self.name == "adagrad":
            self.second[i] += g * g
            return g / (math.sqrt(self.second[i]) + self.epsilon)
        if self.name == "rmsprop":
            self.second[i] = self.beta2 * self.second[i] + (1 - self.beta2) * g * g
            return g / (math.sqrt(self.second[i]) + self.epsilon)
        return g if self.name == "sgd" else self.adam(i, g)

    def adam(self, i: int, g: float) -> float:
        """Kingma and Ba 2015, algorithm 1."""
        self.first[i] = self.momentum * self.first[i] + (1 - self.momentum) * g
        self.second[i] = self.beta2 * self.second[i] + (1 - self.beta2) * g * g
        mean = self.first[i] / (1 - self.momentum**self.t)
        square = self.second[i] / (1 - self.beta2**self.t)
        return mean / (math.sqrt(square) + self.epsilon)
