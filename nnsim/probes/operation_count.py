"""Multiply-adds of the passes, counted where they are made.

The statements of `nnsim.kernels.cpu.passes` are run by Python with products that note their sizes instead of computing;
nothing else is left of a pass. So what is counted is what the compiled passes do, not what a formula says they should.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from nnsim.kernels.cpu import passes
from nnsim.kernels.cpu.network import Workspace
from nnsim.kernels.formulas.architecture import skips
from nnsim.networks.spec import NetworkSpec

WALKED = ("forward", "affine_layer", "activate_layer", "backward", "_backward_layer", "_delta_from_error", "has_skip")
PRODUCTS = ("affine", "weight_gradient", "input_gradient")


@dataclass(frozen=True)
class ProductCount:
    """Multiply-adds of one batch: of the forward pass, of the backward pass, and additions of the bias gradients."""

    forward: int
    backward: int
    bias_additions: int


def count_products(spec: NetworkSpec, batch: int) -> ProductCount:
    """Return how many multiply-adds a training pass makes in its products with weights.

    Parameters
    ----------
    spec : NetworkSpec
        Normalisation, dropout and activations are not counted: they cost a number of steps a unit, not a weight.
    batch : int
        Rows.
    """
    made: Counter[str] = Counter()
    namespace = _namespace(made)
    net, theta = spec.architecture, np.zeros(1)
    X, work = np.empty((batch, spec.widths[0])), _no_memory(len(spec.fans))
    namespace["forward"](net, theta, theta, X, work, True)
    forward = sum(made[name] for name in PRODUCTS)
    namespace["backward"](net, theta, X, work, theta)
    both = sum(made[name] for name in PRODUCTS)
    return ProductCount(forward, both - forward, made["bias_gradient"])


def _no_memory(layers: int) -> SimpleNamespace:
    a_layer = dict.fromkeys(("weights_at", "statistics_at", "moments"), [0] * (layers + 1))
    return SimpleNamespace(**dict.fromkeys(Workspace._fields) | a_layer)


def _namespace(made: Counter[str]) -> dict[str, Any]:
    """Return the names of the passes' module: the walked functions in Python, products that count, the rest silent."""
    namespace = {name: _silent if callable(value) else value for name, value in vars(passes).items()}
    namespace |= {"size_of": _silent, "address_of": _silent, "skips": skips.py_func, "__builtins__": __builtins__}
    for name in WALKED:
        namespace[name] = FunctionType(getattr(passes, name).py_func.__code__, namespace)
    for name in PRODUCTS:
        namespace[name] = _counting(name, made)
    namespace["bias_gradient"] = _counting_additions(made)
    return namespace


def _silent(*_: Any) -> int:
    return 0


def _counting(name: str, made: Counter[str]) -> Callable[..., None]:
    def product(*arguments: Any) -> None:
        rows, fan_in, fan_out = arguments[-3:]
        made[name] += int(rows) * int(fan_in) * int(fan_out)

    return product


def _counting_additions(made: Counter[str]) -> Callable[..., None]:
    def additions(*arguments: Any) -> None:
        rows, fan_out = arguments[-2:]
        made["bias_gradient"] += int(rows) * int(fan_out)

    return additions
