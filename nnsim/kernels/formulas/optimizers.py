"""Update rules: what becomes of one parameter, and of its moments, in one step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from nnsim.kernels.compiling.decorators import scalar
from nnsim.kernels.compiling.tables import Table
from nnsim.kernels.formulas.scalar_math import ONE, constant, fma, sqrt


@scalar
def descend(theta, gradient, learning_rate):
    """theta - eta g: gradient descent (Robbins and Monro 1951)."""
    return fma(-learning_rate, gradient, theta)


@scalar
def accumulate(velocity, gradient, momentum):
    """mu v + g: the velocity of the heavy ball (Polyak 1964; Sutskever et al. 2013)."""
    return fma(momentum, velocity, gradient)


@scalar
def look_ahead(velocity, gradient, momentum):
    """g + mu v with the velocity after this step: Nesterov's direction (Nesterov 1983; Sutskever et al. 2013)."""
    return fma(momentum, velocity, gradient)


@scalar
def add_square(squares, gradient):
    """s + g^2: Adagrad's sum (Duchi, Hazan and Singer 2011)."""
    return fma(gradient, gradient, squares)


@scalar
def average(moment, gradient, decay):
    """b m + (1 - b) g: Adam's first moment (Kingma and Ba 2015)."""
    return fma(decay, moment, (constant(gradient, ONE) - decay) * gradient)


@scalar
def average_square(squares, gradient, decay):
    """b s + (1 - b) g^2: the second moment of RMSProp (Tieleman and Hinton 2012) and Adam."""
    return fma(decay, squares, (constant(gradient, ONE) - decay) * gradient * gradient)


@scalar
def scaled(gradient, squares, epsilon):
    """g / (sqrt(s) + epsilon): the direction of Adagrad and RMSProp."""
    return gradient / (sqrt(squares) + epsilon)


@scalar
def scaled_unbiased(moment, squares, root_correction, epsilon):
    """m / (sqrt(s) c + epsilon) with c = 1 / sqrt(1 - b2^t): Adam's direction, but for 1 / (1 - b1^t) in its rate."""
    return moment / fma(sqrt(squares), root_correction, epsilon)


@scalar
def sgd_step(theta, gradient, first, second, rate, momentum, beta2, correction, epsilon):
    """Gradient descent."""
    return descend(theta, gradient, rate), first, second


@scalar
def momentum_step(theta, gradient, first, second, rate, momentum, beta2, correction, epsilon):
    """The heavy ball."""
    velocity = accumulate(first, gradient, momentum)
    return descend(theta, velocity, rate), velocity, second


@scalar
def nesterov_step(theta, gradient, first, second, rate, momentum, beta2, correction, epsilon):
    """Nesterov's momentum."""
    velocity = accumulate(first, gradient, momentum)
    return descend(theta, look_ahead(velocity, gradient, momentum), rate), velocity, second


@scalar
def adagrad_step(theta, gradient, first, second, rate, momentum, beta2, correction, epsilon):
    """Adagrad."""
    squares = add_square(second, gradient)
    return descend(theta, scaled(gradient, squares, epsilon), rate), first, squares


@scalar
def rmsprop_step(theta, gradient, first, second, rate, momentum, beta2, correction, epsilon):
    """RMSProp."""
    squares = average_square(second, gradient, beta2)
    return descend(theta, scaled(gradient, squares, epsilon), rate), first, squares


@scalar
def adam_step(theta, gradient, first, second, rate, momentum, beta2, correction, epsilon):
    """Adam, its rate and correction from `unbiased`."""
    moment, squares = average(first, gradient, momentum), average_square(second, gradient, beta2)
    return descend(theta, scaled_unbiased(moment, squares, correction, epsilon), rate), moment, squares


@scalar
def plain(rate, power, other_power):
    """Return the rate as it is, and no correction of the second moment."""
    return rate, 1.0


@scalar
def unbiased(rate, power, other_power):
    """Return eta / (1 - b1^t) and 1 / sqrt(1 - b2^t), by which Adam's moments lose their bias towards 0."""
    return rate / (1.0 - power), 1.0 / sqrt(1.0 - other_power)


@scalar
def shrink(theta, learning_rate, decay):
    """(1 - eta lambda) theta: decoupled weight decay (Loshchilov and Hutter 2019)."""
    return fma(-(learning_rate * decay), theta, theta)


@scalar
def add_decay(gradient, theta, decay):
    """g + lambda theta: the gradient of an L2 penalty."""
    return fma(decay, theta, gradient)


@scalar
def clip(gradient, limit):
    """The gradient, cut at -limit and limit; NaN stays."""
    above = -limit if gradient < -limit else gradient
    return limit if above > limit else above


@scalar
def clip_factor(length, limit):
    """limit / (|g| + 1e-6), as PyTorch has it: below 1 a gradient is scaled by it (Pascanu, Mikolov, Bengio 2013)."""
    return limit / (length + 1e-6)


@dataclass(frozen=True)
class Optimizer:
    """An optimizer and what others need to know about it.

    Attributes
    ----------
    step : compiled function
        ``step(theta, gradient, first, second, rate, momentum, beta2, correction, epsilon)`` returns a parameter and its
        two moments after a step.
    rates : compiled function
        ``rates(rate, b1^t, b2^t)`` returns the rate and the correction that `step` takes, in float64.
    momentum, beta2, epsilon : float
        Defaults: of the velocity's or first moment's decay, of the second moment's, of what is added to its root.
    first, second : bool
        Whether it remembers a velocity or first moment, and a second moment or sum of squares.
    decoupled : bool
        Whether weight decay acts on the parameters, not on their gradient.
    """

    step: Any
    rates: Any = plain
    momentum: float = 0.0
    beta2: float = 0.0
    epsilon: float = 0.0
    first: bool = False
    second: bool = False
    decoupled: bool = False


_ADAM = Optimizer(adam_step, unbiased, 0.9, 0.999, 1e-8, first=True, second=True)
OPTIMIZERS = Table(
    "optimizer",
    {
        "sgd": Optimizer(sgd_step),
        "momentum": Optimizer(momentum_step, momentum=0.9, first=True),
        "nesterov": Optimizer(nesterov_step, momentum=0.9, first=True),
        "adagrad": Optimizer(adagrad_step, epsilon=1e-10, second=True),
        "rmsprop": Optimizer(rmsprop_step, beta2=0.99, epsilon=1e-8, second=True),
        "adam": _ADAM,
        "adamw": replace(_ADAM, decoupled=True),
    },
    formulas=lambda entry: (entry.step, entry.rates),
)
"""Every optimizer; one more is one entry more."""
