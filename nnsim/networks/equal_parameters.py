"""Networks of different depth and one number of parameters."""

from __future__ import annotations

from nnsim.core.errors import UsageError
from nnsim.networks.spec import NetworkSpec


def equal_width(budget: int, depth: int, inputs: int, outputs: int) -> int:
    """Return the width at which a network of `depth` equal hidden layers has nearly `budget` parameters.

    Parameters
    ----------
    budget : int
        Weights and biases.
    depth : int
        Hidden layers, at least 1.
    inputs, outputs : int
        Widths of the ends of the network.

    Raises
    ------
    UsageError
        If a network of width 1 has more.
    """

    def parameters(width: int) -> int:
        return NetworkSpec((inputs, *[width] * depth, outputs), loss="mse").n_parameters

    if budget < parameters(1):
        raise UsageError(
            f"{depth} hidden layers between {inputs} inputs and {outputs} outputs have at least {parameters(1)} "
            f"parameters, got a budget of {budget}: choose at least {parameters(1)}"
        )
    width = 1
    while parameters(width + 1) <= budget:
        width += 1
    return min((width, width + 1), key=lambda near: abs(parameters(near) - budget))
