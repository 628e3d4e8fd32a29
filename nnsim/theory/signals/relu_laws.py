"""Exact laws of ReLU nets of finite width: how far the logarithm of a signal strays from what the mean field says.

References
----------
Hanin & Rolnick 2018, How to start training: the effect of initialization and architecture.
Hanin & Nica 2018, Products of many large random matrices and gradients in deep neural networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import digamma, polygamma

from nnsim.core.errors import UsageError


class LogGainLaw(NamedTuple):
    """Mean and variance of the logarithm of a squared-norm ratio given that the net is alive, and P(alive)."""

    mean: float
    variance: float
    survival: float


def relu_log_forward_law(widths: Sequence[int], sw2: float = 2.0) -> LogGainLaw:
    """Return the exact law of ln(||h_L||^2 / ||h_0||^2) for a ReLU net of Gaussian weights without biases.

    The ratio is a product of independent factors (sw2 / n_{l-1}) chi^2_K with K ~ Binomial(n_l, 1/2): Hanin & Nica
    2018, Hanin & Rolnick 2018. K = 0 kills the net, so moments are those given K >= 1 in every layer. The Jacobian of
    h_L with respect to the input, applied to a fixed unit vector, has the same law for its squared norm.

    Unconditionally a factor F of a He net has E F = n_l / n_{l-1} and E F^2 / (E F)^2 = 1 + 5 / n_l, but products of
    many factors have tails so heavy that only moments of the logarithm can be measured.

    Parameters
    ----------
    widths : sequence of int
        Widths of the input and of the L hidden layers, (n_0, ..., n_L).
    sw2 : float
        Weight variance times fan-in, positive; 2 is He et al.

    Returns
    -------
    LogGainLaw
        ``mean``, ``variance`` (natural logarithms), ``survival``.

    Raises
    ------
    UsageError
        If a width is not a positive whole number, or sw2 is not positive.
    """
    return _relu_log_law(widths[1:], widths[:-1], sw2)


def relu_log_backward_law(widths: Sequence[int], sw2: float = 2.0) -> LogGainLaw:
    """Return the exact law of ln(||delta_1||^2 / ||delta_L||^2) for a ReLU net of Gaussian weights without biases.

    Going back from hidden layer l + 1 to layer l multiplies ||delta||^2 by (sw2 / n_l) chi^2_K, K ~ Binomial(n_l, 1/2),
    independently: Hanin & Nica 2018 (the masks of a ReLU net are independent coin flips of the Gaussian weights, as
    far as products of its Jacobians can tell). Exact where dL/dZ of the output does not depend on the net.

    Parameters
    ----------
    widths : sequence of int
        Widths of the hidden layers, (n_1, ..., n_L). The last one has no factor: delta_L is what one starts from.
    sw2 : float
        Weight variance times fan-in, positive; 2 is He et al.

    Returns
    -------
    LogGainLaw
        Given that some unit is active in each of the layers 1 .. L - 1; ``survival`` is the probability of that.

    Raises
    ------
    UsageError
        If a width is not a positive whole number, or sw2 is not positive.
    """
    return _relu_log_law(widths[:-1], widths[:-1], sw2)


def _relu_log_law(widths: Sequence[int], fans: Sequence[int], sw2: float) -> LogGainLaw:
    """Return the law of the sum over layers of ln((sw2 / fan) chi^2_K), K ~ Binomial(width, 1/2) given K >= 1."""
    for width in (*widths, *fans):
        if width < 1 or width != int(width):
            raise UsageError(f"width is {width}: a whole number that is at least 1 is needed")
    if not sw2 > 0.0:
        raise UsageError(f"sw2 is {sw2}: a positive number is needed")
    laws = [_log_chi2_law(int(width)) for width in widths]
    return LogGainLaw(
        mean=sum((law.mean + math.log(sw2 / fan) for law, fan in zip(laws, fans, strict=True)), start=0.0),
        variance=sum((law.variance for law in laws), start=0.0),
        survival=math.prod((law.survival for law in laws), start=1.0),
    )


@lru_cache(maxsize=256)
def _log_chi2_law(width: int) -> LogGainLaw:
    """Return the law of ln chi^2_K, K ~ Binomial(width, 1/2) given K >= 1.

    Given K, ln chi^2_K has mean digamma(K/2) + ln 2 and variance trigamma(K/2).
    """
    from scipy.stats import binom  # half a second, which planning a study need not pay

    k = np.arange(1, width + 1)
    alive = -math.expm1(-width * math.log(2.0))
    probability = binom.pmf(k, width, 0.5) / alive
    means = digamma(k / 2.0) + math.log(2.0)
    mean = float(probability @ means)
    variance = float(probability @ (polygamma(1, k / 2.0) + (means - mean) ** 2))
    return LogGainLaw(mean, variance, alive)
