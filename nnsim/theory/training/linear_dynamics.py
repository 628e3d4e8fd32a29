"""How a linear network with one hidden layer learns: each mode of the task on its own sigmoid curve.

References
----------
Saxe, McClelland & Ganguli 2014, Exact solutions to the nonlinear dynamics of learning in deep linear neural networks.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from nnsim.networks.gaussian_moments import Floats


def mode_strength(t: ArrayLike, strength: float, start: float, tau: float) -> Floats:
    """Return a(t) = s e^(2 s t / tau) / (e^(2 s t / tau) - 1 + s / a0): Saxe et al. 2014, eq. 12.

    For whitened inputs and balanced layers, in the limit of small steps.

    Parameters
    ----------
    t : array_like
        Steps of gradient descent on half the squared error, summed over outputs and averaged over inputs.
    strength : float
        s, the singular value of the input-output correlation that belongs to the mode; positive.
    start : float
        a0, the product of the layers along the mode at t = 0; positive.
    tau : float
        1 / learning rate.

    Returns
    -------
    ndarray of float64, the shape of `t`
    """
    decay = np.exp(-2.0 * strength * np.asarray(t, dtype=np.float64) / tau)
    return strength / (1.0 + (strength / start - 1.0) * decay)


def half_time(strength: float, start: float, tau: float) -> float:
    """Return the steps (tau / 2 s) ln(s / a0 - 1) at which a mode has half its strength: Saxe et al. 2014, section 1.2.

    NaN where the mode starts beyond its strength; negative where it starts beyond half of it.

    Parameters
    ----------
    strength, start, tau
        As for `mode_strength`.
    """
    return tau / (2.0 * strength) * math.log(strength / start - 1.0) if 0.0 < start < strength else math.nan
