"""What batch normalisation does to gradients and variances at initialisation, for large batches and wide layers.

References
----------
G. Yang, J. Pennington, V. Rao, J. Sohl-Dickstein and S. S. Schoenholz, "A mean field theory of batch normalization",
ICLR 2019.
X. Li, S. Chen, X. Hu and J. Yang, "Understanding the disharmony between dropout and batch normalization by variance
shift", CVPR 2019.
"""

from __future__ import annotations

import math

from nnsim.core.errors import UsageError
from nnsim.networks.gaussian_moments import activation_moments


def batch_norm_gradient_factor(name: str, parameter: float | None = None) -> float:
    """Return E f'(z)^2 / Var f(z), z ~ N(0, 1), by which E delta^2 grows a layer on the way back.

    Normalisation before the activation, at initialisation: the scale of the weights cancels, and the layer's own
    variance, sw2 Var f, divides the gradient. At least 1, by Poincare's inequality, and 1 for the identity alone: no
    scheme of initialisation can keep such gradients from exploding (Yang et al. 2019, section 4). ReLU: pi / (pi - 1) =
    1.466942.

    Parameters
    ----------
    name : str
        An activation of the registry.
    parameter : float, optional
        Its own parameter.

    Raises
    ------
    UnknownNameError
        If there is no such activation.
    """
    moments = activation_moments(name, 1.0, parameter)
    return moments.slope / (moments.second - moments.mean**2)


def dropout_variance_ratio(dropout: float, layer: int = 2, name: str = "relu", parameter: float | None = None) -> float:
    """Return training variance over test variance of what the normalisation of a layer is fed, behind dropout.

    Each layer is linear, normalised, activated, dropped with probability p, and shows in training

        Var z = sw2 (Var f + p / (1 - p) E f^2)

    over batch and masks, which the running statistics learn. In test nothing is dropped: the second term is missing
    (Li et al. 2019, case b), and the ratio is 1 + p / (1 - p) E f^2 / Var f in layer 2, the first behind dropout. For a
    homogeneous activation it compounds: a layer whose inputs were divided by too much passes the shrinking on, and
    layer l has the ratio of layer 2 to the power l - 1.

    Parameters
    ----------
    dropout : float in [0, 1)
        p.
    layer : int
        Hidden layer, from 1; above 2 for homogeneous activations only.
    name, parameter
        The activation.

    Raises
    ------
    UsageError
        If a number is outside its range, or the ratio of a deeper layer is asked of another activation.
    """
    if not 0 <= dropout < 1:
        raise UsageError(f"dropout must be at least 0 and below 1, got {dropout}")
    if layer < 1 or (layer > 2 and name not in {"relu", "leaky_relu", "identity"}):
        raise UsageError(f"the ratio of layer {layer} is known for ReLU, leaky ReLU and the identity, not for '{name}'")
    moments = activation_moments(name, 1.0, parameter)
    share = moments.second / (moments.second - moments.mean**2)
    return math.pow(1 + dropout / (1 - dropout) * share, layer - 1)
