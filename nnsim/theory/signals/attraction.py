"""Whether the variance that a gain preserves attracts or repels."""

from __future__ import annotations

from nnsim.kernels.formulas.activations import ACTIVATIONS
from nnsim.networks.activations import evaluate
from nnsim.networks.gaussian_moments import activation_moments, gaussian_expectation


def perturbation_factor(name: str, parameter: float | None = None) -> float:
    """Return what a layer makes of a small deviation of the variance from 1, at the gain that preserves 1.

    The derivative of q' = E f(sqrt(q) z)^2 / E f(z)^2 at q = 1, which is E z f f' / E f^2: Poole et al. 2016, the slope
    of the variance map at its fixed point. Below 1 the fixed point attracts, as tanh's and SELU's; at 1 every
    variance is fixed, as for ReLU; above 1 it repels: a network of GELU, SiLU or Mish layers leaves it.

    Parameters
    ----------
    name : str
        An activation of the registry.
    parameter : float, optional
        Its own parameter; None is the default.
    """

    def product(z):
        value, slope = evaluate(name, z, parameter)
        return z * value * slope

    return gaussian_expectation(product, ACTIVATIONS[name].kinks) / activation_moments(name, 1.0, parameter).second
